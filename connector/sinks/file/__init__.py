"""A file, as lines, a JSON list or STIX bundles: `sink` writes it, `layout` says what surrounds the messages."""
