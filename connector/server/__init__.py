"""The actions over HTTP, a page to look at, collections over TAXII 2.1; the extra `iocstream-connector[server]`.

It sees the configuration and what it runs through `connector.actions`, `connector.app` and ports, never a sink.
"""
