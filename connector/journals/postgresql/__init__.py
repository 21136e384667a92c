"""The journal in a PostgreSQL database: for more than one machine.

`kind` declares it, `journal` puts it together, `settings` says how the database is reached; `database` connects, takes
turns at writing and migrates, `errors` says what a person can do about its errors, `columns` how texts and lists get
there and back, `drafts` has the schema in which a copy is made, `workers` which process serves what.
The `.sql` files are what PostgreSQL is asked in words of its own, `migrations/` its tables.
"""
