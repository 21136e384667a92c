"""What a monitoring system asks of a running connector.

`metrics` for Prometheus and `health` for probes, both from `current_status`; `server` is the port that serves them.
"""
