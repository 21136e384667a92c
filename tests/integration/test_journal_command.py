"""`iocstream journal`, on a journal that a process has open and writes to."""

import json
import socket
import sqlite3
import stat
import time

import pytest
from integration.command import iocstream_here, started

from connector.simulator.notifications import notifications

CONFIGURATION = """
sources:
  saved: {type: file, path: saved.jsonl, poll_seconds: 1}
routes:
  events: {mapping: cef, sink: {type: file, path: events.cef}}
journal: {path: j.db}
"""
FILES = [item for item in notifications(200) if item["type"] == "file"]


@pytest.fixture
def live(tmp_path):
    """A folder whose journal is being served."""
    (tmp_path / "iocstream.yaml").write_text(CONFIGURATION)
    (tmp_path / "saved.jsonl").write_text("".join(json.dumps(item) + "\n" for item in FILES))
    with (tmp_path / "log").open("w") as log:
        process = started("run", cwd=tmp_path, stderr=log)
        deadline = time.monotonic() + 30
        while "delivered" not in (tmp_path / "log").read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        yield tmp_path
        assert process.poll() is None, (tmp_path / "log").read_text()
        process.terminate()
        assert process.wait(30) == 0
    assert "damaged" not in (tmp_path / "log").read_text()


def ask(folder, *arguments, code=0):
    done = iocstream_here("journal", *arguments, "--json", cwd=folder)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else done.stderr


def test_a_live_journal_is_checked_copied_and_compacted(live):
    assert ask(live, "check") == {"notifications": len(FILES), "wrong": []}
    assert ask(live, "backup", "copy.db")["bytes"] == (live / "copy.db").stat().st_size
    assert stat.S_IMODE((live / "copy.db").stat().st_mode) == 0o600
    assert "exists already" in ask(live, "backup", "copy.db", code=2)
    with sqlite3.connect(live / "copy.db") as copy:
        assert copy.execute("SELECT count(*) FROM notifications").fetchone() == (len(FILES),)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.close()
    sizes = ask(live, "compact")
    assert 0 < sizes["bytes_after"] == (live / "j.db").stat().st_size
    assert ask(live, "check")["wrong"] == []


def test_leases_are_listed_and_only_those_of_other_machines_are_taken(live):
    assert [(each["name"], each["is_held"], each["is_here"]) for each in ask(live, "leases")] == [
        ("events", True, True),
        ("saved", True, True),
    ]
    assert "of this machine" in ask(live, "leases", "--release", "events", code=2)
    assert "nobody holds" in ask(live, "leases", "--release", "strange", code=2)
    with sqlite3.connect(live / "j.db", timeout=10) as db:  # a machine whose clock ran ten years ahead
        db.execute("INSERT INTO leases VALUES ('far', 'x', 'elsewhere', '', 7, '', 0, ?)", (int(time.time()) + 10**8,))
    db.close()
    far = next(each for each in ask(live, "leases") if each["name"] == "far")
    assert (far["host"], far["is_held"], far["is_here"]) == ("elsewhere", True, False)
    assert far["host"] != socket.gethostname()
    assert [each["name"] for each in ask(live, "leases", "--release", "far")] == ["events", "saved"]


def test_what_is_damaged_is_named(live):
    with sqlite3.connect(live / "j.db", timeout=10) as db:
        db.execute("UPDATE notifications SET body = body || x'00' WHERE seq = 3")
    db.close()
    (wrong,) = ask(live, "check", code=1)["wrong"]
    assert "entry 3" in wrong
