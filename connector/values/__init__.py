"""Pure functions of values: identifiers, addresses, timestamps, JSON text, text for people, shapes of documents."""
