"""The actions, a page and TAXII collections over HTTP; the extra `iocstream-connector[server]`.

`listener` is the process and `application` its routers: `actions`, `page/`, `taxii/`, `documentation`. `acceptor` takes
connections in. Every request passes `connection` (time limits), `front`, `audit`, `authentication` and `bodies`, within
what `memory` allows; `problems` are the answers to those that fail. `token_book` has the tokens as they are now,
`failed_logins` slows down who sends wrong ones, `clients` says where requests come from, `turns` whose action or page
is next, and `notices` writes what strangers can make the log say. The server works through `connector.actions`,
`connector.app` and ports, and never touches a sink.
"""
