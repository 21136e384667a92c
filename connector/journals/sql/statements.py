"""The SQL that the SQLite journal runs, by name."""

from collections.abc import Mapping
from importlib import resources


def named_statements(script: str) -> Mapping[str, str]:
    """The statements of an SQL script that stand under `-- name: …` lines."""
    _, *parts = script.split("-- name: ")
    return {name.strip(): statement.strip() for name, _, statement in (part.partition("\n") for part in parts)}


SQL = named_statements((resources.files(__package__) / "journal.sql").read_text(encoding="utf-8"))
