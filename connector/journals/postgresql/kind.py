"""The kind of journal that is in PostgreSQL: what imports psycopg, an extra, is imported when it is used."""

from types import ModuleType

from connector.journals.postgresql.settings import PostgresqlSettings
from connector.plugin import CONTRACT, JournalKind


def journal() -> ModuleType:
    """The module of the journal, imported now."""
    from connector.journals.postgresql import journal as module  # noqa: PLC0415 -- an extra

    return module


KIND = JournalKind(
    contract=CONTRACT,
    settings=PostgresqlSettings,
    make=lambda settings: journal().PostgresqlJournal(settings),
    check=lambda settings: journal().check_database(settings),
    exists=lambda settings: journal().exists(settings),
    is_of_this_version=lambda settings: journal().is_of_this_version(settings),
)
