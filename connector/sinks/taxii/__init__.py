"""A TAXII 2.1 collection.

`sink` is what the pipeline calls, with `settings`: it makes envelopes. `exchange` brings one to the server and learns
what became of it, `search` finds the objects at fault by halves. `client` speaks to the server, `collection` finds the
collection, `status_resource` reads what the server says of an envelope.
"""
