"""Where raw notifications are kept; each kind implements `connector.ports.Journal`.

`sql` is what every SQL store shares: the verbs, and the statements that all of them understand. `sqlite` is the rest of
the embedded journal: its file, its own statements, its leases. Another SQL store is another folder beside `sqlite`.
"""
