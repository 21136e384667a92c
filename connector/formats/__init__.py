"""Output formats: which documents are valid, and their bytes. Each implements `connector.ports.Format`; none does I/O.

Begin with `json`, the smallest. `cef` and `leef` are events of one line of text; `event_values` has what both do with
numbers, addresses and times. `stix` is objects: read `stix/format` first, then one type in `stix/objects`.
A new format is a module here, and an entry in `connector.kinds.FORMATS`.
"""
