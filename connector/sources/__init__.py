"""Where notifications come from; each kind implements `connector.ports.Source`."""
