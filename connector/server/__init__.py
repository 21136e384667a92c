"""The actions, a page and TAXII collections over HTTP; the extra `iocstream-connector[server]`.

`listener` is the process and `application` its routers: `actions`, `page/`, `taxii/`, `documentation`. Every request
passes `connection` (time limits), `authentication` and `bodies`; `problems` are the answers to those that fail. The
server works through `connector.actions`, `connector.app` and ports, and never touches a sink.
"""
