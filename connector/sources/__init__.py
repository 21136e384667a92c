"""Where notifications come from; each kind implements `connector.ports.Source`.

`virustotal/` asks the API, `file/` reads files. `bodies` makes sure that any journal can hold what they hand on.
"""
