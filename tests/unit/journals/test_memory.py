"""However large what is stored is: what is read of it at once is bounded, and nothing is left out for long."""

import sqlite3
from contextlib import closing

import orjson
import pytest

from connector.journals.sql import entries as entries_module
from connector.journals.sql import look_ups
from connector.journals.sql.bodies import Bodies
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Advance, DeadLetter, LookUp, Notification, Page, Redelivery, Subject
from connector.pipeline.pieces import pieces
from connector.values import jsontext

COUNT = 6
TEXT = "x" * 2000


@pytest.fixture
def journal(tmp_path):
    journal = SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"))
    yield journal
    journal.close()


def cost(value):
    return jsontext.decoded_bytes(orjson.dumps(value))


def counted(monkeypatch, owner, name):
    """What a function is called with from now on."""
    calls, function = [], getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *args: calls.append(args) or function(*args))
    return calls


def notification(number, *subjects):
    sources = [{"type": subject.type, "id": subject.id} for subject in subjects]
    said = {"notification_id": str(number), "sources": sources, "snippet": TEXT}
    return Notification(str(number), number, {"type": "domain", "id": "a.example", "context_attributes": said})


def filled(journal, notifications):
    with journal.lease("vt"):
        journal.append("vt", Page(notifications, None))
    for notification in notifications:
        for each in notification.body["context_attributes"]["sources"]:
            with journal.lease("vt"):
                subject = Subject(each["type"], each["id"])
                journal.learn("vt", LookUp(subject, "known", 1, 2, {"rules": TEXT}, b"1"))


def test_what_notifications_name_makes_batches_smaller_and_is_left_out_of_none(journal, monkeypatch):
    filled(journal, [notification(n, Subject("collection", f"c{n}")) for n in range(COUNT)])
    monkeypatch.setattr(look_ups, "CONTEXT_BYTES", 2 * cost({"rules": TEXT}))
    after, batches = 0, []
    while entries := journal.pending("out", ["vt"], 500, after):
        batches.append(len(entries))
        after = entries[-1].seq
        assert [len(entry.context) for entry in entries] == [1] * len(entries)
    assert batches == [2, 2, 2]


def test_what_many_notifications_name_counts_once(journal, monkeypatch):
    filled(journal, [notification(n, Subject("collection", "c")) for n in range(COUNT)])
    monkeypatch.setattr(look_ups, "CONTEXT_BYTES", cost({"rules": TEXT}))
    entries = journal.pending("out", ["vt"], 500)
    assert [len(entry.context) for entry in entries] == [1] * COUNT


def test_what_is_too_large_or_damaged_is_read_once_however_many_name_it(journal, tmp_path, monkeypatch):
    large, damaged = Subject("collection", "large"), Subject("collection", "damaged")
    filled(journal, [notification(n, large, damaged) for n in range(COUNT)])
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute("UPDATE subjects SET checksum = checksum + 1 WHERE subject_id = 'damaged'")
    monkeypatch.setattr(look_ups, "CONTEXT_BYTES", cost({"rules": TEXT}) - 1)
    checked = counted(monkeypatch, look_ups, "is_damaged")
    entries = journal.pending("out", ["vt"], 500)
    assert [entry.context for entry in entries] == [{}] * COUNT
    assert len(checked) == 2


def test_what_does_not_fit_into_one_notification_is_told_with_another(journal, monkeypatch):
    one, two, three = (Subject("collection", each) for each in ("1", "2", "3"))
    filled(journal, [notification(1, one, two, three), notification(2, three)])
    monkeypatch.setattr(look_ups, "CONTEXT_BYTES", 2 * cost({"rules": TEXT}))
    first, second = (entry for read in pieces(journal, [1, 2], 500) for entry in read)
    assert (first.context.keys(), second.context.keys()) == ({one, two}, {three})


def test_a_notification_that_names_more_than_fits_comes_with_what_fits(journal, monkeypatch):
    filled(journal, [notification(1, *(Subject("collection", f"c{n}") for n in range(COUNT)))])
    assert len(journal.pending("out", ["vt"], 500)[0].context) == COUNT
    monkeypatch.setattr(look_ups, "CONTEXT_BYTES", 2 * cost({"rules": TEXT}))
    (entry,) = journal.pending("out", ["vt"], 500)
    assert len(entry.context) == 2


def test_entries_by_their_numbers_are_read_a_few_at_a_time_and_none_is_left_out(journal, monkeypatch):
    filled(journal, [notification(n) for n in range(COUNT)])
    seqs = [entry.seq for entry in journal.pending("out", ["vt"], 500)]
    monkeypatch.setattr(entries_module, "READ_BYTES", 2 * cost(notification(0).body))
    assert [entry.seq for entry in journal.entries(seqs)] == seqs[:2]
    pruned = [*range(1000, 1010)]
    for most, sizes in ((500, [2, 2, 2]), (3, [2, 2, 2]), (1, [1] * COUNT)):
        read = list(pieces(journal, [*seqs, *pruned], most))
        assert [entry.seq for found in read for entry in found] == seqs
        assert [len(found) for found in read] == sizes
    assert list(pieces(journal, [], 500)) == list(pieces(journal, [1000], 500)) == []


def test_dead_letters_that_are_retried_are_read_a_few_at_a_time(journal, monkeypatch):
    filled(journal, [notification(n) for n in range(COUNT)])
    entries = journal.pending("out", ["vt"], 500)
    letters = [DeadLetter(entry.seq, "sink", "no") for entry in entries]
    with journal.lease("out"):
        journal.advance("out", ["vt"], Advance(entries[-1].seq, 0, 0, COUNT, letters))
        journal.ask_retry([stored.id for stored in journal.dead_letters("out")])
    monkeypatch.setattr(entries_module, "READ_BYTES", 2 * cost(entries[0].notification.body))
    retried = journal.to_retry("out", 500)
    assert [entry.notification.id for entry in retried] == ["0", "1"]
    monkeypatch.setattr(entries_module, "READ_BYTES", 1)
    read = counted(monkeypatch, Bodies, "read")
    assert len(journal.to_retry("out", 500)) == 1
    assert len(read) == 2  # it, and the one that does not fit beside it


def test_what_is_outdated_is_read_a_few_at_a_time_until_all_of_it_was(journal, monkeypatch):
    subject = Subject("collection", "c")
    notifications = [notification(n, subject) for n in range(COUNT)]
    with journal.lease("vt"):
        journal.append("vt", Page(notifications, None))
    entries = journal.pending("out", ["vt"], 500)
    with journal.lease("out"):
        journal.advance(
            "out", ["vt"], Advance(entries[-1].seq, COUNT, 0, 0, (), learned=entries[0].learned, revises=True)
        )
    with journal.lease("vt"):
        journal.learn("vt", LookUp(subject, "known", 1, 2, {"rules": TEXT}, b"1"))
    monkeypatch.setattr(entries_module, "READ_BYTES", 3 * cost(entries[0].notification.body))
    seen = []
    while outdated := journal.outdated("out", ["vt"], 500):
        seqs = [entry.seq for entry in outdated.entries]
        assert 1 <= len(seqs) <= 3
        seen += seqs
        with journal.lease("out"):
            journal.record_redelivery("out", Redelivery(seqs, 0, 0, 0, mark=outdated.mark))
    assert seen == [entry.seq for entry in entries]


def test_what_is_outdated_comes_with_all_that_it_names_a_few_at_a_time(journal, monkeypatch):
    subjects = [Subject("collection", f"c{n}") for n in range(COUNT)]
    with journal.lease("vt"):
        journal.append("vt", Page([notification(n, each) for n, each in enumerate(subjects)], None))
    entries = journal.pending("out", ["vt"], 500)
    with journal.lease("out"):
        done = Advance(entries[-1].seq, COUNT, 0, 0, (), learned=entries[0].learned, revises=True)
        journal.advance("out", ["vt"], done)
    for subject in subjects:
        with journal.lease("vt"):
            journal.learn("vt", LookUp(subject, "known", 1, 2, {"rules": TEXT}, b"1"))
    monkeypatch.setattr(look_ups, "CONTEXT_BYTES", 2 * cost({"rules": TEXT}))
    seen = []
    while outdated := journal.outdated("out", ["vt"], 500):
        assert [len(entry.context) for entry in outdated.entries] == [1, 1]
        seen += [entry.seq for entry in outdated.entries]
        with journal.lease("out"):
            journal.record_redelivery("out", Redelivery(seen[-2:], 0, 0, 0, mark=outdated.mark))
    assert seen == [entry.seq for entry in entries]


@pytest.mark.parametrize("fit", [1, 2, 3])
def test_what_is_outdated_by_several_subjects_is_left_for_later_only_where_it_does_not_fit(
    journal, tmp_path, monkeypatch, fit
):
    last, first = Subject("collection", "of the last"), Subject("collection", "of the first")
    notifications = [notification(n, *([first] if n < 4 else []), *([last] if n > 2 else [])) for n in range(COUNT)]
    with journal.lease("vt"):
        journal.append("vt", Page([notification("x", last), notification("y", first)], None))
        journal.append("vt", Page(notifications, None))
    entries = journal.pending("out", ["vt"], 500)
    with journal.lease("out"):
        done = Advance(entries[-1].seq, len(entries), 0, 0, (), learned=entries[0].learned, revises=True)
        journal.advance("out", ["vt"], done)
    with journal.lease("vt"):
        for subject in (first, last):
            journal.learn("vt", LookUp(subject, "known", 1, 2, {"rules": "y"}, b"1"))
    largest = max(cost(entry.notification.body) for entry in entries)
    monkeypatch.setattr(entries_module, "READ_BYTES", fit * largest)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        mentions = db.execute("SELECT subject, seq FROM mentions").fetchall()
    reached = {}
    while outdated := journal.outdated("out", ["vt"], 500):
        seqs = [entry.seq for entry in outdated.entries]
        assert seqs == sorted(seqs)
        assert 1 <= len(seqs) <= fit
        for subject, until in outdated.mark["reached"]:
            passed = [seq for each, seq in mentions if each == subject and reached.get(subject, 0) < seq <= until]
            assert set(passed) <= set(seqs)
            reached[subject] = until
        with journal.lease("out"):
            journal.record_redelivery("out", Redelivery(seqs, 0, 0, 0, mark=outdated.mark))
    assert reached == {subject: max(seq for each, seq in mentions if each == subject) for subject, _ in mentions}
