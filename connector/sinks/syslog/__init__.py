"""A syslog receiver over RELP, TLS, TCP or UDP.

`sink` is what the pipeline calls, with `settings`; a message becomes a `frame`. `relp` (its bytes: `relp_frame`),
`stream` (TCP, TLS) and `datagrams` (UDP) send frames; `connection` says what all three do. `channel` is the TCP
connection of the first two, `tls` encrypts it. `relp_delivery` steps over an event at which a RELP receiver fails.
`window` keeps what TCP and TLS may still lose.
"""
