"""A syslog receiver over UDP, TCP, TLS or RELP.

`sink` is what the pipeline calls, with `settings`. A message becomes a `frame`; `datagrams`, `stream` and `relp` carry
frames over a `connection` (`tls`), each knowing by its `window` or acknowledgements what may still be lost.
"""
