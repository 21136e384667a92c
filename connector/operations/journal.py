"""The journal: copied to another store; its file checked, backed up, shrunk; its leases listed or taken."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType

from connector import kinds
from connector.configuration import Plan
from connector.journals.postgresql import kind
from connector.journals.postgresql.settings import PostgresqlSettings
from connector.journals.sql import copying
from connector.journals.sql.dialect import Database
from connector.journals.sql.leases import Lease, listed
from connector.journals.sqlite import maintenance
from connector.journals.sqlite.journal import SqliteSettings
from connector.model import Misconfigured, Unavailable
from connector.settings.parts import JournalSettings


def check(plan: Plan, progress: Callable[[int, int], None]) -> tuple[int, Sequence[str]]:
    """How many notifications the journal has, and what is wrong with it, a sentence each."""
    settings = _existing(plan)
    if isinstance(settings, PostgresqlSettings):
        found: tuple[int, Sequence[str]] = _postgresql(settings).check(settings, progress)
        return found
    return maintenance.check(_path(plan), progress)


def backup(plan: Plan, target: Path, progress: Callable[[int, int], None]) -> int:
    """Copy the journal to a new file; the bytes of the copy."""
    return maintenance.backup(_path(plan, "pg_dump or pg_basebackup makes a copy"), target, progress)


def compact(plan: Plan) -> tuple[int, int]:
    """Give free space back to the disk; the bytes before and after."""
    return maintenance.compact(_path(plan, "autovacuum gives back what is free"))


def copy(plan: Plan, target: Plan, progress: Callable[[int, int], None]) -> int:
    """Copy the journal of one configuration, of any kind, to where that of another is to be; how many rows it has.

    A copy that was cut off is gone on with. What was written is read again and compared before it takes its place.

    Raises:
        Unavailable: something of the journal is being served; or a store cannot be reached.
        Misconfigured: there is none, or there is one already where the copy is to be.
    """
    settings, new = _existing(plan), target.settings.journal
    with _opened(settings) as source:
        _must_be_at_rest(source)
        with _filled(new) as copied:
            with source.read() as db:
                copying.make_equal(db, copied, progress)
            with source.write() as db:  # nobody else writes to it meanwhile
                rows, wrong = copying.count_rows(db), copying.make_equal(db, copied, progress)
            if wrong:
                raise Misconfigured(
                    f"{wrong} rows of the copy in {new.place()} are not what the journal has: others wrote to it"
                    " meanwhile, or the copy is not kept as it is written. It did not take its place: copy again"
                )
            _must_be_at_rest(source)
    return rows


def _opened(settings: JournalSettings) -> AbstractContextManager[Database]:
    """The store of a journal that is there."""
    if isinstance(settings, SqliteSettings):
        return maintenance.opened(settings.path)
    opened: AbstractContextManager[Database] = _postgresql(settings).opened_whole(settings)
    return opened


def _filled(settings: JournalSettings) -> AbstractContextManager[Database]:
    """The store of a new one, which is there when the block has ended."""
    if isinstance(settings, SqliteSettings):
        return maintenance.filled(settings.path)
    filled: AbstractContextManager[Database] = _postgresql(settings).filled(settings)
    return filled


def _postgresql(settings: JournalSettings) -> ModuleType:
    if not isinstance(settings, PostgresqlSettings):
        raise Misconfigured(f"a journal of type {settings.type} cannot be copied")
    return kind.journal()


def _must_be_at_rest(source: Database) -> None:
    for lease in listed(source):
        if lease.is_held:
            raise Unavailable(
                f"{lease.name} is served by process {lease.process} on {lease.host}: what it does meanwhile would be"
                " missing in the copy, so let it end first (SIGTERM loses nothing)"
            )


def leases(plan: Plan) -> Sequence[Lease]:
    """Who serves which source and route."""
    settings = _existing(plan)
    if isinstance(settings, PostgresqlSettings):
        found: Sequence[Lease] = _postgresql(settings).leases(settings)
        return found
    return maintenance.leases(_path(plan))


def release(plan: Plan, name: str) -> None:
    """Take a lease from a holder that is gone."""
    settings = _existing(plan)
    if isinstance(settings, PostgresqlSettings):
        _postgresql(settings).release(settings, name)
    else:
        maintenance.release(_path(plan), name)


def drain(plan: Plan, worker: str, *, is_drained: bool) -> None:
    """Have a process that shares the journal give up all it serves, or take its share again.

    Raises:
        Misconfigured: there is no such process; or the journal is none that processes share.
    """
    settings = _existing(plan)
    if not isinstance(settings, PostgresqlSettings):
        raise Misconfigured(f"processes share only a journal in PostgreSQL; this one is {settings.place()}")
    _postgresql(settings).drain(settings, worker, is_drained=is_drained)


def _existing(plan: Plan) -> JournalSettings:
    settings = plan.settings.journal
    kinds.check_journal(settings)
    if not kinds.journal_exists(settings):
        raise Misconfigured(f"there is no journal at {settings.place()} yet: `iocstream run` makes it")
    return settings


def _path(plan: Plan, instead: str = "") -> Path:
    """The file of a journal; `instead`: what does the same for one that is in a database."""
    settings = _existing(plan)
    if isinstance(settings, SqliteSettings):
        return settings.path
    if isinstance(settings, PostgresqlSettings):
        raise Misconfigured(f"this is for a journal in a file; of one in a database ({settings.place()}), {instead}")
    raise Misconfigured(f"this is for the journals of the connector; {settings.place()} is kept by a plugin")
