"""What journals in any SQL store share.

`journal` has the verbs, each with its transaction; `dialect` is what a store must give for them to run. What the verbs
do lies by topic: `entries` and `positions`, the `ledger` of versions, `dead_letters`, `look_ups`, `pruning`, `status`;
`collections` is what others may read. `rows` says what columns hold. The statements of all stores are in the `.sql`
files beside; the verbs run them by name, so that a store can say the rest in its own words, in its own folder.
"""
