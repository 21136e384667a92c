"""Bytes and validity, one module for each output format; each implements `connector.ports.Format`. No I/O."""
