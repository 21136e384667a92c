"""Where raw notifications are kept; each kind implements `connector.ports.Journal`.

`sql` is what every SQL store shares: the verbs, the statements that all of them understand, and leases. `sqlite` is the
rest of the embedded journal: its file, and its own statements; `postgresql` the rest of one in a database. Another SQL
store is another folder beside them.
"""
