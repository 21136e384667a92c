"""One SQLite file that outlives power cuts, full disks and other processes: opening, migrating, explaining.

(sqlite.org/wal.html, /pragma.html, /rescode.html)
"""

import errno
import os
import sqlite3
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from connector.journals.sql.dialect import named_statements
from connector.journals.sql.judgements import trait
from connector.journals.sql.process import Process
from connector.journals.sql.rows import Listed, columns_checksum, listed_json
from connector.journals.sqlite import mark, open_files
from connector.journals.sqlite.packed_ids import packed_id, unpacked_id
from connector.model import ConnectorError, Misconfigured, Unavailable
from connector.values import observables

APPLICATION_ID = 1229148977
"""Set by the first migration; in the file's header (sqlite.org/fileformat2.html#application_id)."""
SQL = named_statements("connector.journals.sql", "connector.journals.sqlite")
KEPT_FREE_PAGES, KEPT_FREE_PART = 256, 10
"""Free pages that stay, and free pages as a part of the file that do: what is stored next needs no new ones."""
RECLAIMED_PAGES = 1000
"""Pages that are given back in one step, so that others wait only shortly."""
_INCREMENTAL = 2
_FULL = (errno.ENOSPC, errno.EDQUOT)
_PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = FULL",  # a power cut takes back nothing that was said to be stored
    "PRAGMA cache_size = -16384",  # KiB
    "PRAGMA journal_size_limit = 67108864",  # bytes to which the -wal file shrinks after a burst
)


_text = partial(str, encoding="utf-8", errors="replace")
"""Text as it is read: what the disk garbled is read too, so that its checksum tells, and not an error of SQLite."""


sqlite3.register_adapter(Listed, listed_json)


class Connection(sqlite3.Connection):
    """A connection on which statements run by name; a `connector.journals.sql.dialect.Transaction` after `BEGIN`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.text_factory = _text
        for function in (packed_id, unpacked_id):
            self.create_function(function.__name__, 1, function, deterministic=True)
        self.create_function(columns_checksum.__name__, -1, columns_checksum, deterministic=True)
        self.create_function("observable_as_written", 1, observables.written, deterministic=True)
        self.create_function("observable_trait", 1, partial(trait, "observable"), deterministic=True)

    def run(self, name: str, values: Mapping[str, Any] | tuple[()] = ()) -> sqlite3.Cursor:
        """Run a statement with these values for its parameters."""
        return self.execute(SQL[name], values)

    def run_many(self, name: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Run a statement for each row of values; return how many rows of the table were changed in all."""
        return self.executemany(SQL[name], rows).rowcount

    def run_each(self, name: str, rows: Iterable[Mapping[str, Any]]) -> Sequence[Sequence[Any]]:
        """Run a statement for each row of values; return the rows that each gives."""
        return [self.execute(SQL[name], row).fetchall() for row in rows]

    def insert(self, name: str, values: Mapping[str, Any]) -> int:
        """Run an INSERT that returns the row's number; return it."""
        ((number,),) = self.execute(SQL[name], values).fetchall()
        return int(number)

    def ask(self, statement: str, values: Mapping[str, Any] | tuple[()] = ()) -> sqlite3.Cursor:
        """Run a statement that has no name of its own; it has `:name` in the place of each value."""
        return self.execute(statement, values)

    def ask_many(self, statement: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """As `ask`, for each row of values."""
        self.executemany(statement, rows)

    def last_number(self, table: str, column: str) -> int:
        """The last number that a row of a table was given, be it gone; 0: none."""
        given = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = :table"
        (last,) = self.ask(given, {"table": table}).fetchone()
        (greatest,) = self.ask(f"SELECT coalesce(max({column}), 0) FROM {table}").fetchone()  # noqa: S608 -- names of ours
        return max(int(last), int(greatest))

    def allow_long_statements(self) -> None:
        """Nothing: they may."""

    def number_after(self, table: str, column: str, number: int) -> None:  # noqa: ARG002 -- as other stores need it
        """Have rows to come get greater numbers than this one, where a number is given once (AUTOINCREMENT)."""
        (definition,) = self.ask("SELECT sql FROM sqlite_master WHERE name = :table", {"table": table}).fetchone()
        if "AUTOINCREMENT" in definition:
            self.ask("DELETE FROM sqlite_sequence WHERE name = :table", {"table": table})
            self.ask("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :seq)", {"table": table, "seq": number})


class Database:
    """Connections to one file: a single one that writes, and as many that read as are reading at once.

    One writer, because SQLite has one anyway, and because of the bug that two connections that write and checkpoint
    at the same instant can lose data (sqlite.org/wal.html#walresetbug, mended in SQLite 3.51.3).
    """

    def __init__(self, path: Path, *, busy_timeout_seconds: float, migrations: Sequence[str]) -> None:
        self._path = path
        self._busy_timeout_seconds = busy_timeout_seconds
        self._migrations = migrations
        self._lock = threading.Lock()
        self._writer: Connection | None = None
        self._readers: deque[Connection] = deque()
        self._is_ready = False
        self._is_closed = False
        self._file: tuple[int, int] | None = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One unchanging view of the file."""
        with self._explained():
            connection = self._reader()
            try:
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                _abandon(connection)
                raise
            self._readers.append(connection)
            if self._is_closed:
                self._close_readers()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: durable when the block has ended, undone when it raised."""
        with self._lock, self._explained():
            connection = self._prepared()
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                self._writer = None
                _abandon(connection)
                raise

    def reclaim(self) -> None:
        """Give free pages back to the disk, but for a part that is used again soon; in steps, others write in between.

        A file that was made before this could be done keeps them until it is compacted.
        """
        is_left = True
        while is_left:
            with self._lock, self._explained():
                connection = self._prepared()
                (mode,) = connection.execute("PRAGMA auto_vacuum").fetchone()
                (free,) = connection.execute("PRAGMA freelist_count").fetchone()
                (pages,) = connection.execute("PRAGMA page_count").fetchone()
                spare = free - max(KEPT_FREE_PAGES, pages // KEPT_FREE_PART)
                is_left = mode == _INCREMENTAL and spare > 0
                if is_left:
                    # A script, because `execute` would free one page and stop.
                    connection.executescript(f"PRAGMA incremental_vacuum({min(spare, RECLAIMED_PAGES)})")

    def close(self) -> None:
        """Close every connection; those still reading are closed when they have read."""
        with self._lock, self._explained():
            self._is_closed = True
            self._close_readers()
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            if self._file is not None:
                open_files.closed(self._file)
                self._file = None

    @property
    def is_open(self) -> bool:
        """Whether the file has been opened, and not closed since."""
        return self._is_ready and not self._is_closed

    def damaged(self, detail: str) -> Misconfigured:
        """The error that tells a person what to do about a damaged file."""
        path = self._path
        return Misconfigured(
            f"the journal {path} is damaged ({detail}). Restore a backup of it, or move {path}, {path}-wal and"
            f" {path}-shm away {mark.anew(path)}"
        )

    def _reader(self) -> Connection:
        if not self._is_ready:
            with self._lock:
                self._prepared()
        self._must_be_usable()
        try:
            return self._readers.pop()
        except IndexError:
            connection = self._connect(self._path)
        try:
            self._must_be_in_place()  # or what was opened may be another file, which came into its place just before
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepared(self) -> Connection:
        """The writer, after the file has been made, checked and migrated. The caller holds the lock."""
        self._must_be_usable()
        if self._writer is None:
            if not self._is_ready:
                self._create()
            self._writer = self._connect(self._path) if self._is_ready else self._first_connection()
            self._is_ready = True
        return self._writer

    def _first_connection(self) -> Connection:
        """Open the file for the first time, and bring its tables up to date."""
        file = self._identity()
        if file is None:
            raise Unavailable(f"the journal {self._path} was deleted or moved in this moment")
        open_files.opening(file)
        try:
            connection = self._connect(self._path)
            try:
                if _is_empty(connection):
                    mark.must_not_be_marked(self._path, "is empty")
                self._migrate(connection)
                self._recognise(connection)
            except BaseException:
                _abandon(connection)
                raise
        except BaseException:
            open_files.closed(file)
            raise
        self._file = file
        return connection

    def _recognise(self, connection: Connection) -> None:
        """Make sure that it is the journal that belongs here."""
        if connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'identity'").fetchone()[0]:
            (identity,) = connection.execute("SELECT id FROM identity").fetchone()
            mark.must_be(self._path, identity)

    def _must_be_usable(self) -> None:
        """What is written to a file that has no name any more is lost with this process."""
        if self._is_closed:
            raise RuntimeError(f"the journal {self._path} is used after it was closed")
        self._must_be_in_place()

    def _must_be_in_place(self) -> None:
        """Make sure that the file which this process opened still has its name."""
        if self._file is not None and self._identity() != self._file:
            raise Misconfigured(
                f"the journal {self._path} was deleted, moved or replaced while this process had it open: put it back"
                " with its -wal and -shm files and start again; or move what is left of it away"
                f" {mark.anew(self._path)}"
            )

    def _identity(self) -> tuple[int, int] | None:
        """Which file stands under the path (stat(2)); None when there is none."""
        try:
            found = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise Misconfigured(f"the journal {self._path} cannot be read: {error.strerror}") from error
            raise Unavailable(f"the journal {self._path} cannot be looked at just now: {error.strerror}") from error
        return found.st_dev, found.st_ino

    def _create(self) -> None:
        """Make the file, if there is none: beside its place and then moved there, so that none ever sees half of it."""
        try:
            was_marked = mark.mark_of(self._path).exists()  # before the file: who makes that marks it afterwards
            if self._path.exists():
                return
            if was_marked:
                mark.must_not_be_marked(self._path, "is gone")
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f".{self._path.name}-", dir=self._path.parent) as folder:
                draft = Path(folder) / self._path.name
                # SQLite gives the -wal and -shm files the mode of the main file.
                os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
                with closing(self._connect(draft)) as connection:
                    self._migrate(connection)
                    # Closing does it too, and does not say when the disk is full: half a file would be moved.
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                with suppress(FileExistsError):  # another process was faster
                    self._path.hardlink_to(draft)
        except OSError as error:
            if error.errno in _FULL:
                raise self._full() from error
            raise Misconfigured(
                f"the journal {self._path} cannot be made: {error.strerror}."
                " Set `path` to a file in a folder that this user may write to"
            ) from error

    def _connect(self, path: Path) -> Connection:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            factory=Connection,
            timeout=self._busy_timeout_seconds,
            isolation_level=None,
            check_same_thread=False,  # one thread at a time, but not always the same
        )
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: Connection) -> None:
        """Bring the tables to this program's version, in one transaction."""
        application_id, version = _header(connection)
        if application_id != APPLICATION_ID and not _is_empty(connection):
            raise Misconfigured(
                f"{self._path} is a database of another program, not a journal; set `path` to another file"
            )
        if _is_empty(connection):
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of an older file, `compact` sets it
        if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise Misconfigured(f"the journal {self._path} must lie on a local disk: its file system has no locks")
        if version == len(self._migrations):
            return
        connection.execute("BEGIN IMMEDIATE")
        _, version = _header(connection)  # another process may have come first
        if version > len(self._migrations):
            raise Misconfigured(
                f"the journal {self._path} was written by a newer version of this program (its schema is {version},"
                f" this program knows {len(self._migrations)}): upgrade, or restore the backup made before"
            )
        if 0 < version < len(self._migrations):
            self._must_be_at_rest(connection)
        for migration in self._migrations[version:]:
            for statement in statements(migration):
                connection.execute(statement)
        connection.execute("COMMIT")

    def _must_be_at_rest(self, connection: Connection) -> None:
        """Make sure that no process of an older program is at work, which cannot use the new tables."""
        here, now = Process.current(), time.time()
        for name, host, realm, pid, started, _, expires, _ in connection.run("all_leases", {"now": now}):
            if Process(host, realm, pid, started).is_alive(here, expires, now):
                raise Unavailable(
                    f"the journal {self._path} is to be brought up to date, and process {pid} on {host} of the older"
                    f" program still serves {name}: end that one first (SIGTERM loses nothing)"
                )

    def _close_readers(self) -> None:
        while self._readers:
            self._readers.pop().close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            # What is said of a file that lost its name, or of one that came into its place, would lead a person astray.
            self._must_be_in_place()
            explained = self._explain(error)
            if explained is None:
                raise
            raise explained from error

    def _explain(self, error: sqlite3.Error) -> ConnectorError | None:  # noqa: PLR0911 -- one return for each cause
        """What a person can do about it; None for what only a bug brings about."""
        name = getattr(error, "sqlite_errorname", "")
        detail = f"{name}: {error}"
        match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF:
            case sqlite3.SQLITE_FULL:
                return self._full()
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
                return Unavailable(
                    f"the journal {self._path} has been locked by another process for {self._busy_timeout_seconds:g} s"
                    f" (`fuser {self._path}` tells which)"
                )
            case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_NOMEM:
                return Unavailable(f"the journal {self._path} cannot be read or written just now ({detail})")
            case sqlite3.SQLITE_CANTOPEN if self._is_writable():
                return Unavailable(f"the journal {self._path} cannot be opened just now ({detail})")
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
                return Misconfigured(
                    f"the journal {self._path} cannot be written to ({detail}): the file, its folder and the -wal and"
                    " -shm files beside it must be there and writable for this user"
                )
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                return self.damaged(str(error))
            case sqlite3.SQLITE_ERROR if str(error).startswith(("no such table", "no such column")):
                return self.damaged(str(error))
        return None

    def _is_writable(self) -> bool:
        return (
            self._path.is_file()
            and os.access(self._path, os.R_OK | os.W_OK)
            and os.access(self._path.parent, os.W_OK | os.X_OK)
        )

    def _full(self) -> Unavailable:
        return Unavailable(
            f"the disk of the journal {self._path} is full: free some space; nothing is lost, the step is repeated"
        )


def statements(script: str) -> Iterator[str]:
    """The statements of an SQL script, one by one; `executescript` would end the transaction they must share."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def migrations() -> Sequence[str]:
    """The scripts that lead from an empty file to this program's tables, in order; each sets `user_version`."""
    files = {file.name: file for file in (resources.files(__package__) / "migrations").iterdir()}
    return [files[name].read_text(encoding="utf-8") for name in sorted(files) if name.endswith(".sql")]


def _header(connection: Connection) -> tuple[int, int]:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application_id, version


def _is_empty(connection: Connection) -> bool:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return _header(connection) == (0, 0) and tables == 0


def _abandon(connection: Connection) -> None:
    """Undo and close. Closing alone would keep the lock for as long as a cursor is referred to, by a traceback say."""
    with closing(connection):
        connection.rollback()
