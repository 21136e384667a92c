"""The journal in a PostgreSQL database."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial

from connector.journals.postgresql import drafts
from connector.journals.postgresql.database import Database, migrations
from connector.journals.postgresql.settings import PostgresqlSettings
from connector.journals.postgresql.workers import Workers
from connector.journals.postgresql.workers import drain as drain_worker
from connector.journals.sql import leases as lease_list
from connector.journals.sql.bodies import Bodies
from connector.journals.sql.checking import Progress, what_is_wrong
from connector.journals.sql.collections import SqlCollections
from connector.journals.sql.journal import SqlJournal
from connector.journals.sql.leases import Lease, Leases
from connector.journals.sql.process import Process
from connector.journals.sql.pruning import Retention
from connector.model import Misconfigured, Worker

_REFERENCES = (
    ("notifications", "source", "sources", "id"),
    ("seen", "source", "sources", "id"),
    ("subjects", "source", "sources", "id"),
    ("mentions", "subject", "subjects", "id"),
    ("mentions", "seq", "notifications", "seq"),
    ("withheld", "seq", "notifications", "seq"),
    ("guarded", "seq", "notifications", "seq"),
    ("versions", "ledger", "ledgers", "id"),
    ("claims", "ledger", "ledgers", "id"),
    ("collection_objects", "collection", "collections", "id"),
    ("collection_objects", "type", "collection_types", "id"),
)
"""What no constraint of the tables says: table, column, and what it refers to."""


class PostgresqlJournal(SqlJournal):
    """A `connector.ports.Journal`. Connects at first use."""

    def __init__(
        self, settings: PostgresqlSettings, *, process: Process | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        database = Database(settings, migrations())
        here = process or Process.current()
        leases = Leases(database, here, time.monotonic, ends=True, seconds=settings.lease_seconds)
        self._workers = Workers(database, leases.token, here, settings.lease_seconds)
        bodies = Bodies(database.damaged)
        collections = SqlCollections(database, bodies, partial(check_database, settings), clock)
        retention = Retention(settings.retention_days, settings.repeat_days, settings.ledger_days)
        super().__init__(database, leases, bodies, collections, clock, retention=retention)

    def allot(self, kinds: Sequence[Sequence[str]], fetched: int, delivered: int) -> Collection[str]:
        """As `connector.ports.SharedJournal.allot`."""
        return self._workers.allot(kinds, fetched, delivered)

    def workers(self) -> Sequence[Worker]:
        """As `connector.ports.SharedJournal.workers`."""
        return self._workers.listed()

    def close(self) -> None:
        """As `connector.ports.Journal.close`; the other workers are told."""
        self._workers.leave()
        super().close()


def check_database(settings: PostgresqlSettings) -> str:
    """One sentence on what is there. Changes nothing.

    Raises:
        Unavailable, Misconfigured: it cannot be reached, or is no journal of this program.
    """
    version = Database(settings, migrations()).schema_version()
    return f"{settings.place()} {'can be gone on with' if version else 'will be made'}"


def exists(settings: PostgresqlSettings) -> bool:
    """Whether there is a journal already."""
    return Database(settings, migrations()).schema_version() > 0


def is_of_this_version(settings: PostgresqlSettings) -> bool:
    """Whether there is a journal that can be opened without being changed: one of an older version is migrated."""
    return Database(settings, migrations()).schema_version() == len(migrations())


def leases(settings: PostgresqlSettings) -> Sequence[Lease]:
    """All leases that are written down, by name."""
    with closing(Database(settings, migrations())) as database:
        return lease_list.listed(database)


def release(settings: PostgresqlSettings, name: str) -> None:
    """As `connector.journals.sql.leases.release`."""
    with closing(Database(settings, migrations())) as database:
        lease_list.release(database, name)


def drain(settings: PostgresqlSettings, name: str, *, is_drained: bool) -> None:
    """As `connector.journals.postgresql.workers.drain`."""
    with closing(Database(settings, migrations())) as database:
        drain_worker(database, name, is_drained=is_drained)


@contextmanager
def opened(settings: PostgresqlSettings) -> Iterator[Database]:
    """The schema of a journal, for as long as the block lasts."""
    with closing(Database(settings, migrations())) as database:
        yield database


@contextmanager
def filled(settings: PostgresqlSettings) -> Iterator[Database]:
    """A new journal in a schema of its own, which gets its name when the block has ended.

    What was begun before is gone on with.

    Raises:
        Misconfigured: there is a journal already, or it could not take its place; or the draft is not that of a copy.
    """
    if exists(settings):
        raise Misconfigured(
            f"there is a journal in {settings.place()} already: name another schema_name, or drop that one"
        )
    draft = drafts.draft_of(settings)
    drafts.make(settings, draft)
    with opened(draft) as database:
        for lease in lease_list.listed(database):
            if lease.is_held:
                raise Misconfigured(
                    f"the copy would be made in {draft.place()}, which process {lease.process} on {lease.host} uses as"
                    f" a journal (it serves {lease.name}): end that one, and name another schema in its configuration"
                )
        yield database
    with opened(draft) as database:
        database.rename(settings.schema_name)


@contextmanager
def opened_whole(settings: PostgresqlSettings) -> Iterator[Database]:
    """As `opened`.

    Raises:
        Misconfigured: it is the draft of a copy.
    """
    drafts.must_be_none(settings)
    with opened(settings) as database:
        yield database


def check(settings: PostgresqlSettings, progress: Progress) -> tuple[int, Sequence[str]]:
    """Read all of a journal; return how many notifications it has, and what is wrong with it, a sentence each."""
    with opened(settings) as database, database.read() as db:
        db.allow_long_statements()
        wrong = []
        for table, column, other, key in _REFERENCES:
            is_there = f"SELECT 1 FROM {other} AS other WHERE other.{key} = one.{column}"  # noqa: S608 -- names of ours
            asked = f"SELECT count(*) FROM {table} AS one WHERE NOT EXISTS ({is_there})"  # noqa: S608 -- likewise
            (count,) = db.ask(asked).fetchone() or (0,)
            wrong += [f"{count} rows of {table} refer to none in {other}"] if count else []
        total, garbled = what_is_wrong(db, progress)
    return total, [*wrong, *garbled]
