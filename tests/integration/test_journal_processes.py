"""A journal and the other processes of its machine: whether one is gone, and who may lock its file."""

import dataclasses
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from integration.command import iocstream_here

from connector.journals.sql.process import Process
from connector.journals.sqlite.database import Database, migrations
from connector.journals.sqlite.file_check import check_file
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Notification, Page, Unavailable

# Holds the lock of those who write, until its standard input ends.
HOLD = """
import sqlite3, sys
sqlite3.connect(sys.argv[1], isolation_level=None).execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""
# Whether another process may lock what a connection in WAL mode holds (sqlite.org/src: SHARED_FIRST, SHARED_SIZE).
OTHER = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)
    except OSError:
        print("locked")
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


def child(program, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def is_locked(path):
    with child(OTHER, path) as other:
        said = other.communicate()[0]
    assert other.returncode == 0
    return said == b"locked\n"


def test_a_process_that_ended_is_gone():
    with child("input()") as neighbour:
        process = dataclasses.replace(Process.current(), pid=neighbour.pid, started="0")
        neighbour.stdin.close()
    assert process.is_gone()


def test_a_killed_child_that_nobody_has_waited_for_is_gone():
    with child("input()") as neighbour:
        process = dataclasses.replace(Process.current(), pid=neighbour.pid, started="")
        assert not process.is_gone()
        neighbour.kill()
        os.waitid(os.P_PID, neighbour.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays a zombie
        assert process.is_gone()


def test_a_file_locked_by_another_process_can_wait(path):
    with closing(SqliteJournal(SqliteSettings(path=path, busy_timeout_seconds=0.05))) as journal, journal.lease("vt"):

        def store(number):
            journal.append("vt", Page([Notification(str(number), number, {})], {"next": number + 1}))

        store(0)
        with child(HOLD, path) as neighbour:
            assert neighbour.stdout.readline() == b"locked\n"
            with pytest.raises(Unavailable, match=r"locked by another process for 0\.05 s"):
                store(1)
            assert journal.checkpoint("vt") == {"next": 1}  # readers need not wait
            neighbour.stdin.close()
        store(1)


def test_an_inspection_leaves_the_locks_of_an_open_journal(path):
    journal = SqliteJournal(SqliteSettings(path=path))
    journal.status({})
    assert is_locked(path)
    assert "is open" in check_file(path)
    assert is_locked(path)

    journal.close()
    assert not is_locked(path)
    assert "can be gone on with" in check_file(path)


def test_no_command_migrates_a_journal_while_a_process_of_the_older_program_serves_it(tmp_path, path):
    (tmp_path / "iocstream.yaml").write_text(
        "sources:\n  saved: {type: file, path: saved.jsonl}\njournal: {path: journal.db}\n"
        "routes:\n  events: {mapping: json, sink: {type: file, path: events.json}}\n"
    )
    (tmp_path / "saved.jsonl").touch()
    with closing(Database(path, busy_timeout_seconds=1, migrations=migrations()[:-1])) as older, child("input()") as it:
        started = Path(f"/proc/{it.pid}/stat").read_text().rpartition(")")[2].split()[19]
        here = dataclasses.replace(Process.current(), pid=it.pid, started=started)
        lease = {"name": "saved", "holder": "x", "host": here.host, "realm": here.realm, "pid": here.pid}
        with older.write() as db:
            db.run("take_lease", {**lease, "process_started": here.started, "now": 0, "seconds": 0})
        refused = [iocstream_here(*command, cwd=tmp_path) for command in (["status"], ["rejected", "list"])]
        it.stdin.close()
    for done in refused:
        assert done.returncode == 1
        assert f"process {here.pid} on {here.host} of the older program still serves saved: end that" in done.stderr
    assert iocstream_here("run", "--once", cwd=tmp_path).returncode == 0
    assert iocstream_here("status", cwd=tmp_path).returncode == 0
