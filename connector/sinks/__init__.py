"""Where messages go, a module or folder for each transport. Each implements `connector.ports.Sink`.

Begin with `collection`, the smallest: objects that others read from this connector over TAXII. `file` writes lines or a
STIX bundle. `taxii` pushes envelopes of objects to a server. `http` sends to any HTTP API, as a file of `receivers/`
says; `kafka` to a topic. `syslog` sends events over UDP, TCP, TLS or RELP; over TCP and TLS no receiver answers, so
that it implements `connector.ports.Confirmation` as well.
What a sink keeps of a batch that had to stop is in `dealt`.
A new sink is a module or folder here, and an entry in `connector.kinds.SINKS`.
"""
