"""Where messages go, one module for each transport; each implements `connector.ports.Sink`. No mapping."""
