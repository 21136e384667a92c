"""What others ask of the connector over HTTP."""
