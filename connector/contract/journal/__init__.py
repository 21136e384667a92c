"""What every journal must do (`connector.ports.Journal`, `Collections`), on a `store` that derived classes give.

`entries` puts together what is asked of sources and routes: of `pages`, `routes`, `dead_letters`, `look_ups`, what
these make `outdated`, `leases`, `retention` and `status`; `steps` has what their tests are made of, and `machine` the
model that a journal is compared with. `judgements` and `claims` have what was said of entries, `named_hosts` what
notifications name, `collections` the objects that sinks keep there.
"""
