"""A journal's disk is full, read-only or locked, the file restored, old or damaged: it is said, nothing is dropped."""

import contextlib
import functools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from connector import notification
from connector.journals.sqlite.database import migrations, statements
from prove import canaries, parties
from prove.canaries import Sweep
from prove.defects import noticed
from prove.figures import Figure, must
from prove.nursery import ROOT
from prove.storms import Site, site

NOTIFICATIONS = 200
ROOM_BYTES = 150_000
"""Beside an empty journal; not enough for so many."""
PLAIN: Mapping[str, float] = {}


def _figure(what: str, here: Site, said: str, *, kept: bool, promise: str) -> Figure:
    lost = here.lost()
    return must(what, f"{said}; {lost} of {len(here.raised)} notifications lost", promise, kept=kept and lost == 0)


def _said(ended: Any, words: str) -> str:
    return f"exit code {ended.code}, “{words}”" if words in ended.err else f"exit code {ended.code}, not “{words}”"


def _journal(here: Site, **options: Any) -> Path:
    """Configure the journal; where it lies."""
    path = here.home / "iocstream.yaml"
    path.write_text(path.read_text() + "journal: " + json.dumps({"path": "iocstream.db", **options}) + "\n")
    return here.home / "iocstream.db"


def locked(folder: Path) -> Figure:
    """Another process has the file locked for longer than anyone waits."""
    with site(folder, "locked", PLAIN) as here:
        path = _journal(here, busy_timeout_seconds=0.2)
        early, late = parties.chunks(parties.notifications(NOTIFICATIONS, seed=20), 110)
        here.raises(early)
        here.run()
        here.raises(late)
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            ended = here.run(patience=1)
            holder.execute("ROLLBACK")
        here.run()
        words = "locked by another process"
        kept = ended.code == 1 and words in ended.err
        return _figure("Journal locked, then free", here, _said(ended, words), kept=kept, promise="waits and says so")


def restored(folder: Path, conduct: Mapping[str, float] = PLAIN) -> Figure:
    """A backup is copied back: the positions are in the past."""
    with site(folder, "restored", conduct) as here:
        path = _journal(here)
        config = here.home / "iocstream.yaml"
        bundle = "  bundle:\n    mapping: stix21\n    sink: {type: file, path: out.json, layout: stix-bundle}\n"
        config.write_text(config.read_text().replace("routes:\n", "routes:\n" + bundle))
        pieces = parties.chunks(parties.notifications(NOTIFICATIONS, seed=22), 40)
        for number, piece in enumerate(pieces):
            here.raises(piece)
            here.run()
            if number == 1:
                with closing(sqlite3.connect(path)) as db, closing(sqlite3.connect(here.home / "backup.db")) as copy:
                    db.backup(copy)
        for each in here.home.glob("iocstream.db*"):
            each.unlink()
        shutil.move(here.home / "backup.db", path)
        path.chmod(0o600)
        here.run()
        lines = parties.lines(here.home / "events.cef")
        objects = json.loads((here.home / "out.json").read_bytes())["objects"]
        versions: dict[tuple[str, str], set[bytes]] = {}
        for each in objects:
            versions.setdefault((each["id"], each.get("modified", "")), set()).add(orjson.dumps(each))
        changed = sum(len(contents) > 1 for contents in versions.values())
        again = f"{len(lines) - len(set(lines))} events and {len(objects) - len(versions)} objects again"
        said = f"{again}, {changed} changed"
        return _figure(
            "Journal restored from a backup", here, said, kept=changed == 0, promise="the same objects again"
        )


def outdated(folder: Path) -> Figure:
    """A journal as the first version of the schema had it, with one half delivered."""
    with site(folder, "outdated", PLAIN) as here:
        path = _journal(here)
        made = sorted(parties.notifications(NOTIFICATIONS, seed=23), key=parties.position)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            for statement in statements(migrations()[0]):
                db.execute(statement)
            # As the journal makes them; SQLite keeps the mode in the file.
            db.execute("PRAGMA journal_mode = WAL")
            checkpoint = {"filter": "", "watermark": parties.position(made[-1])[0], "seen_until": None, "walk": None}
            count = len(made)
            newest = parties.position(made[-1])[0]
            db.execute(
                "INSERT INTO sources VALUES (1, 'virustotal', ?, ?, ?, ?)",
                (orjson.dumps(checkpoint), count, count, newest),
            )
            for seq, item in enumerate(parties.looked_up(made), start=1):
                read = notification.read(item)
                db.execute("INSERT INTO seen VALUES (1, ?)", (read.id,))
                row = (seq, read.id, read.date, read.date, orjson.dumps(item))
                db.execute("INSERT INTO notifications VALUES (?, 1, ?, ?, ?, ?)", row)
            db.execute("INSERT INTO routes (id, name, delivered) VALUES (1, 'events', 100)")
            db.execute("INSERT INTO positions VALUES (1, 1, 100)")
        path.chmod(0o600)
        here.raises(made)
        ended = here.run()
        delivered = len(parties.lines(here.home / "events.cef"))
        (here.home / "events.cef").write_bytes(
            b"".join(
                line + b"\n" for line in {*parties.events_of(made[:100]), *parties.lines(here.home / "events.cef")}
            )
        )
        said = f"exit code {ended.code}, {delivered} events after position 100 of {count}"
        return _figure(
            "Journal of the first schema version",
            here,
            said,
            kept=delivered == len(parties.events_of(made[100:])),
            promise="migrated, goes on where it stood",
        )


def damaged(folder: Path) -> Figure:
    """Pages overwritten in the middle of the file; then moved away, as the error says."""
    with site(folder, "damaged", PLAIN) as here:
        path = _journal(here)
        here.raises(parties.notifications(NOTIFICATIONS, seed=24))
        here.run()
        size = path.stat().st_size
        with path.open("r+b") as file:
            for position in range(4096, size, 8192):
                file.seek(position)
                file.write(os.urandom(4096))
        ended = here.run(patience=1)
        words = "is damaged"
        kept = ended.code == 2 and words in ended.err and "Restore a backup" in ended.err
        for each in here.home.glob("iocstream.db*"):
            each.rename(here.home / f"moved-{each.name}")
        (here.home / "events.cef").unlink()
        here.run()
        return _figure(
            "Journal damaged, then moved away", here, _said(ended, words), kept=kept, promise="stops, says the remedy"
        )


def garbled_body(folder: Path) -> Figure:
    """A notification's body garbled on the disk: it is a dead letter, the others go on."""
    with site(folder, "garbled", PLAIN) as here:
        path = _journal(here)
        made = sorted(parties.notifications(100, seed=25), key=parties.position)
        here.raises(made)
        (here.home / "blocker").mkdir()
        config = here.home / "iocstream.yaml"
        whole = config.read_text()
        config.write_text(whole.replace("path: events.cef", "path: blocker"))
        here.run(patience=1)  # stores, and cannot deliver: a folder is no file
        with closing(sqlite3.connect(path)) as db:
            db.execute("UPDATE notifications SET body = ? WHERE seq = 50", (b'{"id": "x\xff',))
            (identifier,) = db.execute("SELECT notification_id FROM notifications WHERE seq = 50").fetchone()
            db.commit()
        config.write_text(whole)
        ended = here.run()
        here.raised = [item for item in made if parties.identifier(item) != identifier]
        named = identifier in here.run("rejected", "list").out
        said = f"exit code {ended.code}, {'named' if named else 'not named'} among the dead letters"
        return _figure(
            "A body garbled on the disk", here, said, kept=named and ended.code == 1, promise="a dead letter"
        )


def foreign(folder: Path) -> Figure:
    """The path names another program's database: it is left alone."""
    with site(folder, "foreign", PLAIN) as here:
        path = _journal(here)
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE theirs (id INTEGER)")
            db.commit()
        before = path.read_bytes()
        ended = here.run(patience=1)
        words = "database of another program"
        kept = ended.code == 2 and words in ended.err and path.read_bytes() == before
        return must("Another program's database", _said(ended, words), "refused, untouched", kept=kept)


def limited(folder: Path, conduct: Mapping[str, float] = PLAIN, room_bytes: int = ROOM_BYTES) -> Figure:
    """No file can grow beyond a limit, as with a quota; then it can."""
    with site(folder, "limited", conduct) as here:
        path = _journal(here)
        here.run()
        room = path.stat().st_size + room_bytes
        here.raises(parties.notifications(NOTIFICATIONS, seed=26))
        ended = here.run(patience=1, file_limit=room)
        here.run()
        words = "cannot be read or written just now"
        # The file of events may reach the limit too. That needs a person, says the route.
        expected = 2 if "events.cef cannot be written: File too large" in ended.err else 1
        kept = ended.code == expected and words in ended.err
        return _figure("Files cannot grow, then can", here, _said(ended, words), kept=kept, promise="waits and says so")


def limited_elsewhere(folder: Path, conduct: Mapping[str, float]) -> Figure:
    """`limited` at one size after the other, until something is lost.

    Where the room ends in a transaction of the checkpoint alone, or of a route, a checkpoint written before its page
    does no harm. Which it ends in depends on how fast each of them is; so the sizes reach over all that is fetched.
    """
    for room in range(ROOM_BYTES, 400_000, 24_000):
        figure = limited(folder / str(room), conduct, room)
        if not figure.kept:
            break
    return figure


def full(folder: Path) -> Figure:
    """A file system without room for what is fetched, then with room."""
    with site(folder, "full", PLAIN) as here:
        _journal(here, path="disk/iocstream.db")
        here.run()
        (here.home / "disk").rename(here.home / "made")
        (here.home / "disk").mkdir()
        # The -wal file of what was stored stays within the room too.
        room = (here.home / "made" / "iocstream.db").stat().st_size + 2 * ROOM_BYTES
        here.raises(parties.notifications(NOTIFICATIONS, seed=27))
        done = _mounted(
            here.home,
            f"mount -t tmpfs -o size={room} none disk; cp made/* disk; RUN;"
            "mount -o remount,size=64m none disk; RUN; cp disk/* .",
        )
        return _filled("Disk full, then not", here, done)


def full_from_the_start(folder: Path) -> Figure:
    """File systems without room for an empty journal, each by another few KiB; then with room."""
    with site(folder, "full-from-the-start", PLAIN) as here:
        (here.home / "disk").mkdir()
        _journal(here, path="disk/iocstream.db")
        here.raises(parties.notifications(NOTIFICATIONS, seed=29))
        sizes = range(100, 400, 40)
        first = "".join(f"mount -t tmpfs -o size={size}k none disk; RUN; umount disk;" for size in sizes[:-1])
        done = _mounted(
            here.home,
            f"{first} mount -t tmpfs -o size={sizes[-1]}k none disk; RUN;"
            "mount -o remount,size=64m none disk; RUN; cp disk/* .",
        )
        return _filled(f"Disk full before there is a journal, in {len(sizes)} ways, then not", here, done)


def _filled(what: str, here: Site, done: "_Done") -> Figure:
    words = "is full"
    *early, last = done.codes
    kept = set(early) == {1} and last == (1 if parties.unconvertible(here.raised, "cef") else 0) and words in done.err
    said = f"exit code {', '.join(map(str, sorted(set(early))))}, " + (
        f"“{words}”" if words in done.err else f"not “{words}”"
    )
    return _figure(what, here, said, kept=kept, promise="waits and says so")


def read_only(folder: Path) -> Figure:
    """A file system that became read-only, then writable again."""
    with site(folder, "read-only", PLAIN) as here:
        _journal(here)
        early, late = parties.chunks(parties.notifications(NOTIFICATIONS, seed=28), 110)
        here.raises(early)
        here.run()
        here.raises(late)
        done = _mounted(here.home, "mount --bind . .; cd .; mount -o remount,bind,ro .; cd .; RUN", logs=False)
        here.run()
        words = "cannot be written to"
        kept = done.codes == [2] and words in done.err
        said = f"exit code {done.codes[0]}, " + (f"“{words}”" if words in done.err else f"not “{words}”")
        return _figure("Disk read-only, then not", here, said, kept=kept, promise="stops, says the remedy")


class _Done:
    def __init__(self, codes: list[int], err: str) -> None:
        self.codes, self.err = codes, err


@functools.cache
def may_mount() -> bool:
    """Whether this user may mount something in a name space of their own."""
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    with contextlib.suppress(FileNotFoundError):
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    return False


def _mounted(home: Path, script: str, *, logs: bool = True) -> _Done:
    """Run a script in which RUN is `run --once`, in a name space where it may mount file systems."""
    program = (
        "import sys; from prove import conduct; conduct.behave({'quick_waits': 0.2, 'patience': 1});"
        "from connector.cli import main; print('code', main._main(['run', '--once']), file=sys.stderr)"
    )
    run = f'"{sys.executable}" -c "{program}"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script.replace("RUN", run)],
        cwd=home,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(ROOT), **canaries.ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if logs:
        (home / "err.log").write_text(done.stderr)
    codes = [int(line.split()[1]) for line in done.stderr.splitlines() if line.startswith("code ")]
    return _Done(codes or [-1], done.stderr)


DEFECTS: Mapping[str, Callable[[Path, Mapping[str, float]], Figure]] = {
    "created_by_clock": restored,
    "checkpoint_before_page": limited_elsewhere,
}
"""Which state must notice each of these."""
STATES: list[Callable[[Path], Figure]] = [limited, locked, restored, outdated, damaged, garbled_body, foreign]

MOUNTING: list[Callable[[Path], Figure]] = [full, full_from_the_start, read_only]
"""Those that mount a file system."""


def prove(folder: Path, seed: int, *, quick: bool, sweep: Sweep) -> list[Figure]:  # noqa: ARG001 -- as every part
    """The figures of the journals."""
    states = [*STATES, *MOUNTING] if may_mount() else STATES
    figures = [state(folder / "disks") for state in states]
    if states is STATES:
        figures.append(Figure("Disk full, disk read-only", "not run: this user may not mount file systems"))
    sweep.folder(folder / "disks")
    figures += [noticed(defect, [state(folder / defect, {defect: 1})]) for defect, state in DEFECTS.items()]
    return figures
