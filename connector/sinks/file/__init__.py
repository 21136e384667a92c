"""A file, as lines or as one STIX bundle: `sink` writes it, `layout` says what surrounds the messages."""
