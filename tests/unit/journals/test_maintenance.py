"""What operators do to a journal: what `check` finds, and `compact` mends."""

import sqlite3
from contextlib import closing
from types import SimpleNamespace

import orjson
import pytest
import simulated_notifications

from connector.journals.sqlite import maintenance
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Judged, Judgement, Misconfigured, Notification, Page, StixObject, Unavailable

NOTIFICATIONS = [
    Notification(str(number), number, body) for number, body in enumerate(simulated_notifications.bodies(1010))
]


@pytest.fixture
def path(tmp_path):
    """A journal with notifications, a dictionary and a collection."""
    path = tmp_path / "journal.db"
    with closing(SqliteJournal(SqliteSettings(path=path))) as journal, journal.lease("vt"):
        journal.append("vt", Page(NOTIFICATIONS[:1000], None))
        journal.append("vt", Page(NOTIFICATIONS[1000:], None))
        body = orjson.dumps({"type": "indicator", "id": "indicator--1"})
        journal.collections.store("iocs", [StixObject("indicator--1", "indicator", None, body)])
    return path


def change(path, statement):
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)


def check(path):
    seen = []
    found = maintenance.check(path, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(NOTIFICATIONS), len(NOTIFICATIONS))
    return found


def test_a_whole_journal_has_nothing_wrong(path):
    assert check(path) == (len(NOTIFICATIONS), [])


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE notifications SET body = body || x'00' WHERE seq = 3", "the notification 2 (entry 3) is not"),
        ("UPDATE notifications SET dictionary = 0 WHERE seq = 1003", "(entry 1003) is not what was stored"),
        ("UPDATE collection_objects SET body = x'00'", "the object indicator--1 in the collection iocs is not"),
        ("UPDATE collection_objects SET version = 'x'", "a replay of its route from the start mends it"),
        ("UPDATE dictionaries SET content = zeroblob(9) WHERE copy = 2", "the copy 2 of the dictionary 1 is not"),
    ],
)
def test_what_the_disk_garbled_is_named(path, statement, said):
    change(path, statement)
    _, (wrong,) = check(path)
    assert said in wrong


def test_a_judgement_that_the_disk_garbled_is_named(path):
    with closing(SqliteJournal(SqliteSettings(path=path))) as journal:
        for rule in ("phish", "loader"):
            journal.judge(Judgement(Judged("rule", rule), "false_positive", "ana"))
    assert check(path)[1] == []
    change(path, "UPDATE judgements SET verdict = 'benign' WHERE id = 2")
    assert check(path)[1] == ["the judgement 2 is not what was stored, and decides nothing: judge again"]


@pytest.mark.parametrize("copy", [1, 2])
def test_compacting_mends_a_dictionary_of_which_a_copy_is_whole(path, copy):
    change(path, f"UPDATE dictionaries SET content = 'x' WHERE copy = {copy}")
    maintenance.compact(path)
    assert check(path)[1] == []


def test_compacting_leaves_a_dictionary_of_which_no_copy_is_whole(path):
    change(path, "UPDATE dictionaries SET content = 'x'")
    maintenance.compact(path)
    assert len(check(path)[1]) == 2


def test_compacting_needs_room_for_a_copy_and_says_how_much(path, monkeypatch):
    size = path.stat().st_size
    monkeypatch.setattr(maintenance.shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * size - 1))
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match=f"up to {2 * size} bytes for a while; its disk has {2 * size - 1} left"):
        maintenance.compact(path)
    assert path.read_bytes() == before
    monkeypatch.setattr(maintenance.shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * size))
    maintenance.compact(path)


def test_compacting_while_others_are_at_work_changes_nothing_and_can_be_done_again(path, monkeypatch):
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        connect = sqlite3.connect
        monkeypatch.setattr(sqlite3, "connect", lambda *named, **how: connect(*named, **{**how, "timeout": 0.01}))
        with pytest.raises(Unavailable, match="locked by another process"):
            maintenance.compact(path)
    maintenance.compact(path)
    assert check(path)[1] == []


def test_a_backup_is_the_whole_journal_for_its_owner_alone_and_never_takes_the_place_of_a_file(path, tmp_path):
    target, seen = tmp_path / "backup.db", []
    assert maintenance.backup(path, target, lambda done, total: seen.append((done, total))) == target.stat().st_size
    assert target.stat().st_mode & 0o777 == 0o600
    assert seen[-1][0] == seen[-1][1] > 0
    assert sorted(each.name for each in tmp_path.iterdir() if "backup" in each.name) == ["backup.db"]
    assert check(target) == (len(NOTIFICATIONS), [])
    with pytest.raises(Misconfigured, match=r"backup\.db exists already"):
        maintenance.backup(path, target, lambda *_: None)
    with pytest.raises(Misconfigured, match=r"cannot be made: No such file or directory"):
        maintenance.backup(path, tmp_path / "nowhere" / "backup.db", lambda *_: None)
