"""Where notifications come from; each kind implements `connector.ports.Source`.

`virustotal/` asks the API, `file/` reads files, `kafka` a topic. `bodies` makes sure that any journal can hold what
they hand on.
A new source is a module or folder here, and an entry in `connector.kinds.SOURCES`.
"""
