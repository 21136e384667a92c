"""What every journal must do (`connector.ports.Journal`, `Collections`), on a `store` that derived classes give.

`entries` has what is kept of sources and routes, `judgements` and `claims` what was said of them, `named_hosts` what
notifications name, `collections` the objects that sinks keep there.
"""
