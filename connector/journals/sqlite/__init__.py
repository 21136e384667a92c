"""The journal in one SQLite file.

`journal` puts it together; `database` opens the file, migrates it and says what a person can do about its errors.
`file_check` looks at a file without opening it as a database,
`open_files` says when it may, and the `mark` beside it which journal belongs there. `maintenance` is what operators
do to the file, `packed_ids` how columns have the ids of objects. The `.sql` files are what SQLite is asked in words of
its own, `migrations/` its tables.
"""
