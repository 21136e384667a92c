"""What a person does to a journal or asks of a configuration; a command, an action and the library call the same.

`check` and `status` look, `convert` needs no journal, `judgements` keeps what analysts say, `sharing` tells others,
`guards` what is known to be good, and `withholding` applies both to notifications that are in no journal. `push`,
`replay` and `dead_letters` deliver on command: each opens its route by `route`, which also ends work on SIGTERM when a
receiver holds it up. `dry_run` stands in for the journal and the sink. `plugins` says which are installed, `known`
what the journal knows of one observable, `following` reads it as it grows.
"""
