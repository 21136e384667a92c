"""However large what is stored is: what is read of it at once is bounded, and nothing is left out for long."""

import orjson
import pytest

from connector.journals.sql import entries as entries_module
from connector.journals.sql import look_ups
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Advance, DeadLetter, LookUp, Notification, Page, Redelivery, Subject
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


def test_a_notification_that_names_more_than_fits_comes_with_what_fits(journal, monkeypatch):
    filled(journal, [notification(1, *(Subject("collection", f"c{n}") for n in range(COUNT)))])
    assert len(journal.pending("out", ["vt"], 500)[0].context) == COUNT
    monkeypatch.setattr(look_ups, "CONTEXT_BYTES", 2 * cost({"rules": TEXT}))
    (entry,) = journal.pending("out", ["vt"], 500)
    assert len(entry.context) == 2


def test_dead_letters_that_are_retried_are_read_a_few_at_a_time(journal, monkeypatch):
    filled(journal, [notification(n) for n in range(COUNT)])
    entries = journal.pending("out", ["vt"], 500)
    letters = [DeadLetter(entry.seq, "sink", "no") for entry in entries]
    with journal.lease("out"):
        journal.advance("out", ["vt"], Advance(entries[-1].seq, 0, 0, COUNT, letters))
        journal.ask_retry([stored.id for stored in journal.dead_letters("out")])
    monkeypatch.setattr(entries_module, "READ_BYTES", 2 * cost(entries[0].notification.body))
    retried = journal.to_retry("out", 500)
    assert [entry.notification.id for entry in retried] == ["0"]
    monkeypatch.setattr(entries_module, "READ_BYTES", 1)
    assert len(journal.to_retry("out", 500)) == 1


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
