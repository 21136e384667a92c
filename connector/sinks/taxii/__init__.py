"""A TAXII 2.1 collection.

`sink` is what the pipeline calls, with `settings`: envelopes, and halves of those that are refused. `client` speaks to
the server, `collection` finds the collection, `status_resource` reads what became of an envelope.
"""
