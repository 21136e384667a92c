"""Where raw notifications are kept; each kind implements `connector.ports.Journal`."""
