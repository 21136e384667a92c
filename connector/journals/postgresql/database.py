"""One schema of a PostgreSQL database, which others write to as well: connecting, taking turns, migrating.

Whoever writes does so alone: each transaction that writes takes one lock first (`pg_advisory_xact_lock`), and keeps it
until what it wrote is there to be read. So numbers are given out in the order in which they become visible, and who
reads on from one misses nothing (docs/decisions/0027-postgresql-journal.md). Nothing needs a session of its own, so
that a pooler may stand between, in transaction mode too.
"""

import hashlib
import re
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib import resources
from typing import Any

import psycopg
from psycopg import sql
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

from connector.journals.postgresql import columns, errors
from connector.journals.postgresql.settings import PostgresqlSettings
from connector.journals.sql.dialect import named_statements
from connector.model import ConnectorError, Misconfigured, Unavailable

PLANS_SECONDS = 10
"""How long a plan is used that was made for whatever values."""
LONGEST_SECONDS = 6 * 3600
"""How long a statement may take that reads all of a table."""
OLDEST_SERVER = 140_000
"""PostgreSQL 14."""
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")
_COMMENT = re.compile(r"^\s*--.*\n?", re.MULTILINE)
_KEPT_READERS = 4
"""Connections that stay open while nobody reads."""
_PREPARED = 400
"""Statements that a connection keeps prepared, at most: more than there are."""
_STATE = "SELECT current_setting('server_version_num')::bigint, current_setting('server_encoding'), pg_backend_pid()"
_ANSWER = 1.5
"""How many times as long as the database may take for a statement this program waits for it."""


_OFF = ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "enable_material", "jit")
_DURABLE = (
    "SELECT set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') IN ('on', 'remote_apply')"
    " THEN current_setting('synchronous_commit') ELSE 'on' END, {is_local});"
)
"""What was said to be stored survives that the server loses its power, whatever is set for others."""


def _statement(written: str) -> str:
    """A named statement as psycopg has it."""
    return _PARAMETER.sub(r"%(\1)s", _COMMENT.sub("", written).replace("%", "%%")).rstrip().rstrip(";")


SQL: Mapping[str, str] = {
    name: _statement(written)
    for name, written in named_statements("connector.journals.sql", "connector.journals.postgresql").items()
}


class Connection(psycopg.Connection[TupleRow]):
    """A connection on which statements run by name; a `connector.journals.sql.dialect.Transaction` after `BEGIN`.

    Attributes:
        patience: how many seconds it waits for an answer: a server that is frozen, or cut off, gives none.
        begin_to_read, begin_to_write: what begins a transaction.
    """

    patience = 60.0
    begin_to_read = begin_to_write = "BEGIN"
    _planned_at = 0.0
    _is_long = False

    def begin(self, statement: str) -> None:
        """Begin a transaction. Plans are made anew every few seconds: tables grow, and nobody may have counted yet."""
        self._is_long = False
        now = time.monotonic()
        if now - self._planned_at > PLANS_SECONDS:
            self._planned_at = now
            statement += "; DISCARD PLANS"
        self.execute(statement)

    def run(self, name: str, values: Mapping[str, Any] | tuple[()] = ()) -> psycopg.Cursor[TupleRow]:
        """Run a statement with these values for its parameters."""
        return self.execute(SQL[name], values or {}, binary=True)

    def run_many(self, name: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Run a statement for each row of values; return how many rows of the table were changed in all."""
        cursor = self.cursor(binary=True)
        cursor.executemany(SQL[name], rows)
        return max(0, cursor.rowcount)

    def run_each(self, name: str, rows: Iterable[Mapping[str, Any]]) -> Sequence[Sequence[Any]]:
        """Run a statement for each row of values, all in one exchange; return the rows that each gives."""
        cursor = self.cursor(binary=True)
        cursor.executemany(SQL[name], rows, returning=True)
        found: list[Sequence[Any]] = []
        is_left = cursor.pgresult is not None
        while is_left:
            found.append(cursor.fetchall())
            is_left = bool(cursor.nextset())
        return found

    def insert(self, name: str, values: Mapping[str, Any]) -> int:
        """Run an INSERT that returns the row's number; return it."""
        ((number,),) = self.run(name, values).fetchall()
        return int(number)

    def ask(self, statement: str, values: Mapping[str, Any] | tuple[()] = ()) -> psycopg.Cursor[TupleRow]:
        """Run a statement that has no name of its own; it has `:name` in the place of each value."""
        return self.execute(_statement(statement), values or {}, binary=True)

    def ask_many(self, statement: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """As `ask`, for each row of values."""
        self.cursor(binary=True).executemany(_statement(statement), rows)

    def last_number(self, table: str, column: str) -> int:
        """The last number that a row of a table was given, be it gone; 0: none."""
        given = f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {table}_{column}_seq"  # noqa: S608 -- names of ours
        (last,) = self.ask(given).fetchone() or (0,)
        (greatest,) = self.ask(f"SELECT coalesce(max({column}), 0) FROM {table}").fetchone() or (0,)  # noqa: S608 -- likewise
        return max(int(last), int(greatest))

    def allow_long_statements(self) -> None:
        """Have statements take hours until this transaction ends, and wait for their answers for as long."""
        milliseconds = LONGEST_SECONDS * 1000
        names = ("statement_timeout", "idle_in_transaction_session_timeout")
        self.execute("; ".join(f"SET LOCAL {name} = {milliseconds}" for name in names))
        self._is_long = True

    def number_after(self, table: str, column: str, number: int) -> None:
        """Have rows to come get greater numbers than this one."""
        if number:
            self.ask(f"SELECT setval('{table}_{column}_seq', :number)", {"number": number})

    def wait(self, gen: PQGen[Any], *args: Any, **kwargs: Any) -> Any:
        """As psycopg's, but not for ever."""
        return super().wait(
            _bounded(gen, LONGEST_SECONDS * _ANSWER if self._is_long else self.patience), *args, **kwargs
        )


def _bounded(generator: PQGen[Any], seconds: float) -> Generator[Any, Any, Any]:
    """A generator of psycopg, which is told every tenth of a second when nothing has come (`READY_NONE`)."""
    until = time.monotonic() + seconds
    try:
        wanted = next(generator)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > until:
                raise psycopg.OperationalError(f"no answer within {seconds:g} s")
            wanted = generator.send(ready)
    except StopIteration as ended:
        return ended.value


class Database:
    """Connections to one schema: a single one that writes, and as many that read as are reading at once."""

    def __init__(self, settings: PostgresqlSettings, migrations: Sequence[str]) -> None:
        self._settings = settings
        self._migrations = migrations
        self._lock = threading.Lock()
        self._writer: Connection | None = None
        self._readers: deque[Connection] = deque()
        self._is_ready = False
        self._is_closed = False

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return self._settings.place()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One unchanging view of the schema."""
        with self._explained():
            connection = self._begun_to_read()
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                _abandon(connection)
                raise
            if self._is_closed or len(self._readers) >= _KEPT_READERS:
                _abandon(connection)
            else:
                self._readers.append(connection)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: durable when the block has ended, undone when it raised."""
        with self._lock, self._explained():
            connection = self._begun_to_write()
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                self._writer = None
                _abandon(connection)
                raise

    def reclaim(self) -> None:
        """Nothing: PostgreSQL uses again what is free (autovacuum)."""

    def close(self) -> None:
        """Close every connection; those still reading are closed when they have read."""
        with self._lock:
            self._is_closed = True
            while self._readers:
                _abandon(self._readers.pop())
            if self._writer is not None:
                _abandon(self._writer)
                self._writer = None

    @property
    def is_open(self) -> bool:
        """Whether it has been opened, and not closed since."""
        return self._is_ready and not self._is_closed

    def damaged(self, detail: str) -> Misconfigured:
        """The error that tells a person what to do about a damaged database."""
        return errors.damaged(detail, self.place)

    def rename(self, schema: str) -> None:
        """Give the schema another name; an empty one that has it makes room. It is closed with that."""
        with self.write() as db:
            names = {"old": sql.Identifier(self._settings.schema_name), "new": sql.Identifier(schema)}
            db.execute(sql.SQL("DROP SCHEMA IF EXISTS {new}").format(**names))
            db.execute(sql.SQL("ALTER SCHEMA {old} RENAME TO {new}").format(**names))
            db.execute(sql.SQL("COMMENT ON SCHEMA {new} IS NULL").format(**names))
        self.close()

    def schema_version(self) -> int:
        """Up to which migration the schema has come; 0 where there is no journal yet. Changes nothing.

        Raises:
            Misconfigured: it is one of a newer program, or the schema is that of another.
        """
        with self._explained():
            connection = self._connect()
            try:
                connection.begin(connection.begin_to_read)
                return self._version(connection)
            finally:
                _abandon(connection)

    @contextmanager
    def before_tables(self) -> Iterator[Connection]:
        """One transaction of whoever has the turn to write, in which no table is made, nor the schema."""
        with self._explained():
            connection = self._connect()
            try:
                connection.begin(connection.begin_to_write)
                yield connection
                connection.execute("COMMIT")
            finally:
                _abandon(connection)

    def _begun_to_read(self) -> Connection:
        if not self._is_ready:
            with self._lock:
                self._prepare()
        self._must_be_usable()
        while self._readers:
            connection = self._readers.pop()
            try:
                connection.begin(connection.begin_to_read)
            except psycopg.OperationalError:  # the server was started anew meanwhile, or a pooler has closed it
                _abandon(connection)
            else:
                return connection
        connection = self._connect()
        try:
            connection.begin(connection.begin_to_read)
        except BaseException:
            _abandon(connection)
            raise
        return connection

    def _begun_to_write(self) -> Connection:
        """The writer, after its turn has come. The caller holds the lock among threads."""
        self._must_be_usable()
        self._prepare()
        connection, self._writer = self._writer, None
        if connection is not None and connection.closed:
            connection = None
        is_known = connection is not None
        if connection is None:
            connection = self._connect()
        try:
            connection.begin(connection.begin_to_write)
        except psycopg.OperationalError as error:
            _abandon(connection)
            if not is_known or error.sqlstate is not None:
                raise
            return self._begun_to_write()  # the connection is of before the server was started anew
        except BaseException:
            _abandon(connection)
            raise
        self._writer = connection
        return connection

    def _must_be_usable(self) -> None:
        if self._is_closed:
            raise RuntimeError(f"the journal in {self.place} is used after it was closed")

    def _prepare(self) -> None:
        """Connect for the first time, and bring the tables up to date. The caller holds the lock among threads."""
        if self._is_ready:
            return
        self._must_be_usable()
        connection = self._connect()
        try:
            self._migrate(connection)
        except BaseException:
            _abandon(connection)
            raise
        self._writer = connection
        self._is_ready = True

    def _connect(self) -> Connection:
        connection = Connection.connect(**self._settings.connection(), autocommit=True)
        try:
            connection.patience = self._settings.timeout_seconds * _ANSWER
            columns.register(connection.adapters)
            self._set_up(connection)
        except BaseException:
            _abandon(connection)
            raise
        return connection

    def _set_up(self, connection: Connection) -> None:
        version, encoding, pid = connection.execute(_STATE, binary=True).fetchone() or (0, "", 0)
        if version < OLDEST_SERVER:
            raise Misconfigured(
                f"{self.place}: the server is PostgreSQL {connection.info.parameter_status('server_version')};"
                f" it takes PostgreSQL {OLDEST_SERVER // 10_000} or newer"
            )
        if encoding != "UTF8":
            raise Misconfigured(
                f"{self.place}: the database is in {encoding}, which has no place for every character:"
                " CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
            )
        is_pooled = pid != connection.info.backend_pid  # a pooler gives a number of its own
        settings = _session(self._settings.schema_name, self._settings.timeout_seconds, is_local=is_pooled)
        if is_pooled:
            connection.prepare_threshold = None
        else:
            connection.prepared_max = _PREPARED
            connection.execute(settings)
            settings = ""
        turn = f"SELECT pg_advisory_xact_lock({_turn(self._settings.schema_name)})"
        connection.begin_to_read = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {settings}"
        # Read committed, whatever is the default here: what is read after the turn came is what the last one wrote.
        connection.begin_to_write = f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {settings} {turn}"

    def _version(self, connection: Connection) -> int:
        """As `schema_version`, within a transaction."""
        asked = {"schema": self._settings.schema_name}
        tables = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%(schema)s) AND relkind = 'r'"
        found = {name for (name,) in connection.execute(tables, asked)}
        if not found:
            return 0
        if "schema_version" not in found:
            raise Misconfigured(f"{self.place}: this schema has tables of another program; name another in schema_name")
        row = connection.execute("SELECT version FROM schema_version", binary=True).fetchone()
        version = 0 if row is None else int(row[0])
        if version > len(self._migrations):
            raise Misconfigured(
                f"the journal in {self.place} was written by a newer version of this program (its schema is {version},"
                f" this program knows {len(self._migrations)}): upgrade, or restore the backup made before"
            )
        return version

    def _migrate(self, connection: Connection) -> None:
        """Bring the tables to this program's version, in one transaction, while nobody else writes."""
        connection.begin(connection.begin_to_read)
        version = self._version(connection)
        connection.execute("COMMIT")
        if version == len(self._migrations):
            return
        connection.begin(connection.begin_to_write)
        version = self._version(connection)  # another process may have come first
        if version == 0:
            known = {"schema": self._settings.schema_name}
            exists = connection.execute("SELECT to_regnamespace(%(schema)s) IS NOT NULL", known).fetchone()
            if exists != (True,):
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self._settings.schema_name)))
            connection.execute("CREATE TABLE schema_version (version bigint NOT NULL)")
            connection.execute("INSERT INTO schema_version VALUES (0)")
        elif version < len(self._migrations):
            self._must_be_at_rest(connection)
        for migration in self._migrations[version:]:
            connection.execute(sql.SQL(migration))
        connection.execute("UPDATE schema_version SET version = %(version)s", {"version": len(self._migrations)})
        connection.execute("COMMIT")

    def _must_be_at_rest(self, connection: Connection) -> None:
        """Make sure that no process of an older program is at work, which cannot use the new tables."""
        for name, host, _, pid, _, _, expires, now in connection.run("all_leases"):
            if expires > now:
                raise Unavailable(
                    f"the journal in {self.place} is to be brought up to date, and process {pid} on {host} of the older"
                    f" program still serves {name}: end that one first (SIGTERM loses nothing)"
                )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            explained = self._explain(error)
            if explained is None:
                raise
            raise explained from None  # what psycopg says may hold what it was given

    def _explain(self, error: psycopg.Error) -> ConnectorError | None:
        return errors.explained(error, self.place, self._settings.timeout_seconds)


def migrations() -> Sequence[str]:
    """The scripts that lead from an empty schema to this program's tables, in order."""
    files = {file.name: file for file in (resources.files(__package__) / "migrations").iterdir()}
    return [files[name].read_text(encoding="utf-8") for name in sorted(files) if name.endswith(".sql")]


@lru_cache
def _turn(schema: str) -> int:
    """The number of the lock of whoever writes to a schema; another database has locks of its own."""
    digest = hashlib.blake2b(f"iocstream {schema}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _session(schema: str, seconds: float, *, is_local: bool) -> str:
    """What sets up a session; with `is_local`, a transaction, since a pooler gives each another session.

    Every statement is made for its index, and tables are joined in the order in which it names them, as SQLite does:
    a plan does not depend on what the server has counted so far. A turn to write is given up rather than kept from
    others for long.
    """
    milliseconds = int(seconds * 1000)
    wanted = {
        "search_path": f'"{schema}", pg_temp',
        **dict.fromkeys(("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"), milliseconds),
        **dict.fromkeys(_OFF, "off"),
        "join_collapse_limit": 1,
        "random_page_cost": 1.1,
        "max_parallel_workers_per_gather": 0,
    }
    word = "SET LOCAL" if is_local else "SET"
    lines = [f"{word} {name} = {value};" for name, value in wanted.items()]
    return " ".join((*lines, _DURABLE.format(is_local=is_local)))


def _abandon(connection: Connection) -> None:
    """Undo and close."""
    with suppress(psycopg.Error):
        connection.close()
