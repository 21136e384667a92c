"""What a monitoring system asks of a running connector: metrics, health, and the port where they are served."""
