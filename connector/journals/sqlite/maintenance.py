"""What operators do to a journal's file, in use or not: check it, copy it, shrink it, see to its leases."""

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.journals.sql import judgements, positions
from connector.journals.sql.bodies import is_garbled
from connector.journals.sql.collections import said_version
from connector.journals.sql.damage import is_checkpoint_damaged
from connector.journals.sql.rows import is_damaged
from connector.journals.sqlite.database import Connection, Database, migrations
from connector.journals.sqlite.process import Process
from connector.model import Misconfigured, Unavailable

Progress = Callable[[int, int], None]
"""Called with how much has been dealt with, and how much there is."""
READ_ROWS = 1000
COPY_PAGES = 1000
_EVERY_DICTIONARY = "SELECT number, copy, content, checksum FROM dictionaries ORDER BY number, copy"
_MEND_DICTIONARY = "UPDATE dictionaries SET content = ?, checksum = ? WHERE number = ? AND copy = ?"
_EVERY_OBJECT = (
    "SELECT collections.name, unpacked_id(object_id), modified, version, checksum, dictionary, body"
    " FROM collection_objects JOIN collections ON collections.id = collection_objects.collection ORDER BY added"
)
_EVERY_POSITION = (
    "SELECT routes.name, sources.name, positions.route, positions.source, positions.seq, positions.checksum"
    " FROM positions LEFT JOIN routes ON routes.id = positions.route LEFT JOIN sources ON sources.id = positions.source"
)
_EVERY_CHECKPOINT = "SELECT name, id, checkpoint, checkpoint_checksum FROM sources"
_EVERY_JUDGEMENT = "SELECT id, kind, value, ruleset, source, verdict, by, note, at, until, checksum FROM judgements"
_EVERY_NOTIFICATION = "SELECT seq, notification_id, date, checksum, dictionary, body FROM notifications ORDER BY seq"


@dataclass(frozen=True, slots=True)
class Lease:
    """Who serves a source or route. Times are in Unix seconds.

    Attributes:
        is_held: whether its holder lives, or may live on another machine.
        is_here: whether the holder is a process of this machine.
    """

    name: str
    host: str
    process: int
    since: int
    expires: int
    is_held: bool
    is_here: bool


@contextmanager
def _open(path: Path) -> Iterator[Database]:
    with closing(Database(path, busy_timeout_seconds=10, migrations=migrations())) as database:
        yield database


def check(path: Path, progress: Progress) -> tuple[int, Sequence[str]]:
    """Read all of a journal; return how many notifications it has, and what is wrong with it, a sentence each."""
    with _open(path) as database, database.read() as db:
        wrong = [text for (text,) in db.execute("PRAGMA integrity_check") if text != "ok"]
        wrong += [f"a row of {row[0]} refers to none in {row[2]}" for row in db.execute("PRAGMA foreign_key_check")]
        wrong += _wrong_progress(db)
        (total,) = db.execute("SELECT count(*) FROM notifications").fetchone()
        rows = db.execute(_EVERY_NOTIFICATION)
        for done, (seq, notification_id, date, check, dictionary, stored) in enumerate(rows, start=1):
            if is_damaged(check, dictionary, stored, date, notification_id):
                wrong.append(f"the notification {notification_id} (entry {seq}) is not what was stored")
            if done % READ_ROWS == 0 or done == total:
                progress(done, total)
        for name, object_id, modified, version, check, dictionary, stored in db.execute(_EVERY_OBJECT):
            if is_damaged(check, dictionary, stored, object_id, said_version(modified, version)):
                wrong.append(
                    f"the object {object_id} in the collection {name} is not what was stored: a replay of its route"
                    " from the start mends it"
                )
        for row in db.execute(_EVERY_JUDGEMENT):
            if judgements.is_damaged(row):
                wrong.append(f"the judgement {row[0]} is not what was stored, and decides nothing: judge again")
        for number, copy, content, check in db.execute(_EVERY_DICTIONARY):
            if is_garbled(content, check):
                wrong.append(f"the copy {copy} of the dictionary {number} is not what was stored: `compact` mends it")
    return total, wrong


def _wrong_progress(db: Connection) -> Iterator[str]:
    """What is wrong with how far routes and sources have come."""
    for route, source, *position in db.execute(_EVERY_POSITION):
        if positions.is_damaged(position):
            yield (
                f"the position of {route} in {source} is not what was stored: the next run delivers again from the"
                " oldest notification kept"
            )
    for source, *checkpoint in db.execute(_EVERY_CHECKPOINT):
        if is_checkpoint_damaged(*checkpoint):
            yield (
                f"the checkpoint of {source} is not what was stored: the next run reads again all that its upstream"
                " still has"
            )


def backup(path: Path, target: Path, progress: Progress) -> int:
    """Copy a journal as it is at one moment to a new file; return the bytes of the copy.

    Raises:
        Misconfigured: the file exists, or cannot be made.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.absolute().parent) as folder:
            draft = Path(folder) / target.name
            os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
            with _open(path) as database, database.read() as db, closing(sqlite3.connect(draft)) as copy:
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
    with _open(path) as database, database.read():
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
    with _open(path) as database, database.write() as db:
        rows = db.execute(_EVERY_DICTIONARY).fetchall()
        whole = {number: (content, check) for number, _, content, check in rows if not is_garbled(content, check)}
        garbled = [(number, copy) for number, copy, content, check in rows if is_garbled(content, check)]
        for number, copy in garbled:
            if number in whole:
                db.execute(_MEND_DICTIONARY, (*whole[number], number, copy))


def leases(path: Path) -> Sequence[Lease]:
    """All leases that are written down, by name."""
    here = Process.current()
    with _open(path) as database, database.read() as db:
        rows = db.run("all_leases").fetchall()
    return [_lease(here, row) for row in rows]


def release(path: Path, name: str) -> None:
    """Take a lease from a holder on another machine, or one that is gone.

    A holder that lives after all is refused when it next writes.

    Raises:
        Misconfigured: there is no such lease, or its holder is a living process of this machine.
    """
    found = next((lease for lease in leases(path) if lease.name == name), None)
    if found is None:
        raise Misconfigured(f"nobody holds a lease on {name!r}")
    if found.is_here and found.is_held:
        raise Misconfigured(f"{name} is served by process {found.process} of this machine: end that one (SIGTERM)")
    with _open(path) as database, database.write() as db:
        db.run("delete_lease", {"name": name})


def _lease(here: Process, row: Any) -> Lease:
    name, host, realm, pid, started, since, expires = row
    process = Process(host, realm, pid, started)
    is_held = process.is_alive(here, expires, time.time())
    return Lease(name, host, pid, since, expires, is_held, process.is_neighbour_of(here))
