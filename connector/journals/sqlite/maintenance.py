"""What operators do to a journal's file, in use or not: check it, copy it, shrink it, see to its leases."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from connector.journals.sql.bodies import is_garbled
from connector.journals.sql.checking import EVERY_DICTIONARY, Progress, what_is_wrong
from connector.journals.sql.leases import Lease, listed
from connector.journals.sql.leases import release as take_away
from connector.journals.sqlite import mark
from connector.journals.sqlite.database import Connection, Database, migrations
from connector.model import Misconfigured, Unavailable

COPY_PAGES = 1000
_MEND_DICTIONARY = "UPDATE dictionaries SET content = ?, checksum = ? WHERE number = ? AND copy = ?"


@contextmanager
def opened(path: Path) -> Iterator[Database]:
    """The file of a journal, for as long as the block lasts."""
    with closing(Database(path, busy_timeout_seconds=10, migrations=migrations())) as database:
        yield database


def check(path: Path, progress: Progress) -> tuple[int, Sequence[str]]:
    """Read all of a journal; return how many notifications it has, and what is wrong with it, a sentence each."""
    with opened(path) as database, database.read() as db:
        wrong = [text for (text,) in db.execute("PRAGMA integrity_check") if text != "ok"]
        wrong += [f"a row of {row[0]} refers to none in {row[2]}" for row in db.execute("PRAGMA foreign_key_check")]
        total, garbled = what_is_wrong(db, progress)
    return total, [*wrong, *garbled]


def backup(path: Path, target: Path, progress: Progress) -> int:
    """Copy a journal as it is at one moment to a new file; return the bytes of the copy.

    Raises:
        Misconfigured: the file exists, or cannot be made.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.absolute().parent) as folder:
            draft = Path(folder) / target.name
            os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
            with opened(path) as database, database.read() as db, closing(sqlite3.connect(draft)) as copy:
                db.backup(copy, pages=COPY_PAGES, progress=lambda _, left, total: progress(total - left, total))
                copy.execute("PRAGMA journal_mode = DELETE")  # all in one file
                (said,) = copy.execute("PRAGMA quick_check").fetchone()
            if said != "ok":
                raise Misconfigured(f"the copy of {path} is damaged, and was not kept: {said}")
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            target.hardlink_to(draft)
        return target.stat().st_size
    except FileExistsError:
        raise Misconfigured(f"{target} exists already; move it away, or name another") from None
    except OSError as error:
        raise Misconfigured(f"{target} cannot be made: {error.strerror}") from None


def compact(path: Path) -> tuple[int, int]:
    """Give the space of what was forgotten back to the disk; return the bytes before and after.

    Whoever writes to the journal waits meanwhile, and goes on afterwards.

    Raises:
        Misconfigured: the disk has no room for the copy that this takes.
        Unavailable: others are at work in it without a pause.
    """
    before = path.stat().st_size
    free = shutil.disk_usage(path.absolute().parent).free
    if free < 2 * before:
        raise Misconfigured(f"to compact {path} takes up to {2 * before} bytes for a while; its disk has {free} left")
    with opened(path) as database, database.read():
        pass  # which looks whether it is a journal, and migrates it
    _mend_dictionaries(path)
    try:
        with closing(sqlite3.connect(path, timeout=60, isolation_level=None, factory=Connection)) as db:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError as error:
        raise Unavailable(f"{path} cannot be compacted just now ({error}); nothing has changed") from error
    return before, path.stat().st_size


def _mend_dictionaries(path: Path) -> None:
    """Put the whole copy of a dictionary in the place of one that the disk garbled."""
    with opened(path) as database, database.write() as db:
        rows = db.execute(EVERY_DICTIONARY).fetchall()
        whole = {number: (content, check) for number, _, content, check in rows if not is_garbled(content, check)}
        garbled = [(number, copy) for number, copy, content, check in rows if is_garbled(content, check)]
        for number, copy in garbled:
            if number in whole:
                db.execute(_MEND_DICTIONARY, (*whole[number], number, copy))


@contextmanager
def filled(path: Path) -> Iterator[Database]:
    """A new journal beside its place, which takes that when the block has ended; what was begun before is gone on with.

    Raises:
        Misconfigured: there is a journal in its place, or the file cannot be made.
    """
    if path.exists():
        raise Misconfigured(f"there is a journal at {path} already: move it away, or name another place")
    mark.must_not_be_marked(path, "is gone")
    draft = path.with_name(f"{path.name}-copy")
    with opened(draft) as database:
        yield database
    with closing(sqlite3.connect(draft)) as db:
        db.execute("PRAGMA journal_mode = DELETE")  # all in one file, on the disk
    mark.mark_of(draft).unlink(missing_ok=True)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        raise Misconfigured(f"there is a journal at {path} since now: move it away, or name another place") from None
    draft.unlink()


def leases(path: Path) -> Sequence[Lease]:
    """All leases that are written down, by name."""
    with opened(path) as database:
        return listed(database)


def release(path: Path, name: str) -> None:
    """As `connector.journals.sql.leases.release`."""
    with opened(path) as database:
        take_away(database, name)
