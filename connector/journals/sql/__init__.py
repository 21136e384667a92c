"""What journals in any SQL store share.

`journal` has the verbs, each with its transaction; `dialect` is what a store must give for them to run. What the verbs
do lies by topic: `entries` and `positions`, the `ledger` of versions, `dead_letters`, `look_ups`, `judgements` and how
they come in (`judging`), also of a file by its MD5 or SHA-1 (`file_hashes`) and of a host that others merely name
(`named_hosts`, `naming`), the `changes` of what was read, `pruning`, `status`, what has ever been `served`, and the
`damage` that is made good; `collections` is what others may read, `old_objects` what they need no more. `bodies`
compresses what is stored, and `rows` says what columns hold. `leases` says who serves what, told by its `process`,
`copying` moves all of it to another store, `checking` reads all of it to see whether it is what was stored.

The verbs run each statement by its name. Statements that every store understands are in the `.sql` files here; those
that differ from store to store are under the same names in the store's own folder (`connector/journals/sqlite/`).
"""
