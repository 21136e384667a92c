"""A plugin of the IoC-Stream Connector: `sink` adds messages to a table of SQLite, `defang` is a mapping function."""
