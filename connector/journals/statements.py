"""The SQL that the SQLite journal runs, by name."""

from importlib import resources

from connector.journals.database import named_statements

SQL = named_statements((resources.files(__package__) / "sqlite.sql").read_text(encoding="utf-8"))
