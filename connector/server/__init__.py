"""The actions over HTTP; an extra of the package, `iocstream-connector[server]`.

It sees the configuration and what it runs through `connector.actions` and `connector.app`, never a sink.
"""
