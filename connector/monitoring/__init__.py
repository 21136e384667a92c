"""What a monitoring system asks of a running connector.

`status` is the report of what the journal knows, which commands and actions show too; `current_status` makes it at most
once a second. `metrics` and `health` tell of the run and of that report; `server` is the port where they are served.
"""
