"""The journal's process is killed at random moments; whatever it had said to be stored is there."""

import json
import random
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings

PAGE = 5
KILLS = 12

# Appends pages 0, 1, 2, … from where the checkpoint says, and delivers them on one route; says on stdout what the
# journal has confirmed. One object for each notification, whose version is recorded before it is "sent".
PROGRAM = f"""
import sys, threading
from pathlib import Path
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Advance, DeadLetter, Notification, Page, Version

journal = SqliteJournal(SqliteSettings(path=Path(sys.argv[1])))

def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\\n")
    sys.stdout.flush()

def feed():
    with journal.lease("vt"):
        number = (journal.checkpoint("vt") or {{"next": 0}})["next"]
        while True:
            ids = range(number * {PAGE}, (number + 1) * {PAGE})
            page = Page([Notification(str(n), n, {{"n": n, "x": "x" * 3000}}) for n in ids], {{"next": number + 1}})
            new = journal.append("vt", page).new
            number += 1
            say("stored", number, new)

def drain():
    with journal.lease("route"):
        while True:
            entries = journal.pending("route", ["vt"], 7)
            if not entries:
                continue
            ids = [f"object--{{entry.notification.id}}" for entry in entries]
            known = journal.versions("route", ids)
            new = [Version(i, e.seq, b"", "", str(e.seq), sent=False) for i, e in zip(ids, entries) if i not in known]
            journal.record("route", new)
            sent = [Version(i, e.seq, b"", "", str(e.seq), sent=True) for i, e in zip(ids, entries)]
            last = entries[-1].seq
            letters = [DeadLetter(last, "sink", "no", ids[-1])]
            journal.advance("route", ["vt"], Advance(last, len(entries) - 1, 0, 1, letters, sent[:-1]))
            say("advanced", last)
            journal.prune(entries[0].notification.date - 200, {{"route": ["vt"]}})

threads = [threading.Thread(target=feed, daemon=True), threading.Thread(target=drain, daemon=True)]
say("ready")
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def run_and_kill(path: Path, seconds: float) -> tuple[int, int]:
    """How many pages, and which position, the process was told were stored before it died."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "ready\n"
        killer = threading.Timer(seconds, child.kill)
        killer.start()
        lines = [line.split() for line in child.stdout if line.endswith("\n")]
        killer.join()
        child.wait()
        assert child.stderr.read() == ""
    stored = [(int(line[1]), int(line[2])) for line in lines if line[0] == "stored"]
    assert all(new == PAGE for _, new in stored), "a page was stored without its checkpoint"
    advanced = [int(line[1]) for line in lines if line[0] == "advanced"]
    return max((page for page, _ in stored), default=0), max(advanced, default=0)


def query(path: Path, statement: str):
    with closing(sqlite3.connect(path)) as db:
        return db.execute(statement).fetchall()


@pytest.mark.timeout(180)
def test_a_killed_process_loses_nothing_it_had_stored_and_holds_nothing_up(tmp_path):
    path = tmp_path / "journal.db"
    moment = random.Random(7)
    pages = position = 0
    for _ in range(KILLS):
        stored, advanced = run_and_kill(path, moment.uniform(0.01, 0.6))
        pages, position = max(pages, stored), max(position, advanced)

        assert query(path, "PRAGMA integrity_check") == [("ok",)]
        assert query(path, "PRAGMA foreign_key_check") == []
        journal = SqliteJournal(SqliteSettings(path=path))
        with journal.lease("vt"), journal.lease("route"):  # free at once: the holder is gone
            pass
        status = journal.status({"route": ["vt"]})
        journal.close()

        (source,), (route,) = status.sources, status.routes
        # The checkpoint is that of the last page, and every page is whole.
        next_page = (source.checkpoint or {"next": 0})["next"]
        assert next_page >= pages
        assert source.notifications == next_page * PAGE
        known = [int(row[0]) for row in query(path, "SELECT notification_id FROM seen")]
        assert sorted(known) == list(range(next_page * PAGE))
        assert query(path, "SELECT count(*) FROM notifications") == [(status.entries,)]
        # The position, the counts, the dead letters and the versions are those of the same batch.
        assert route.position >= position
        assert route.delivered + route.refused == route.position
        assert route.backlog == source.notifications - route.position
        assert route.dead_letters == route.refused
        sent = query(path, "SELECT count(*), max(seq) FROM versions WHERE sent")[0]
        assert sent[0] == route.delivered
        refused = {row[0] for row in query(path, "SELECT seq FROM dead_letters")}
        unsent = {row[0] for row in query(path, "SELECT seq FROM versions WHERE NOT sent")}
        assert {seq for seq in unsent if seq <= route.position} == refused
    assert pages > KILLS
    assert position > KILLS
    assert json.loads(query(path, "SELECT checkpoint FROM sources")[0][0])["next"] >= pages
