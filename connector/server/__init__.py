"""The actions over HTTP, and collections over TAXII 2.1; an extra of the package, `iocstream-connector[server]`.

It sees the configuration and what it runs through `connector.actions`, `connector.app` and ports, never a sink.
"""
