"""What is tried out has the outcome that it would have in the journal, and leaves no trace there."""

import pytest

from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Advance, Claim, Notification, Page, Redelivery, Version
from connector.operations.dry_run import dry_run_outbox


@pytest.fixture
def journal(tmp_path):
    journal = SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"))
    with journal.lease("vt"), journal.lease("out"):
        journal.append("vt", Page([Notification(str(number), number, {}) for number in range(1, 6)], None))
        journal.advance("out", ["vt"], Advance(3, 3, 0, 0, sent=[version(1, sent=True), version(3, sent=True)]))
        yield journal
    journal.close()


def version(seq, *, sent):
    at = f"2026-01-01T00:00:0{seq}.000Z"
    return Version("a", seq, bytes([seq]), at, at, sent=sent)


def everything_tried(outbox):
    """What a route sees, step by step."""
    yield [entry.seq for entry in outbox.history({"vt": 2}, 2, after=3)]
    yield outbox.versions("out", ["a", "never heard of"])
    outbox.mark_unsent("out", [version(1, sent=True)])
    outbox.rewind("out", {"vt": 1})
    yield [entry.seq for entry in outbox.pending("out", ["vt"], 3)]
    yield [entry.seq for entry in outbox.pending("out", ["vt"], 3, after=3)]
    outbox.record("out", [version(2, sent=False)])
    outbox.record("out", [version(2, sent=False)])
    yield outbox.versions("out", ["a"])
    outbox.advance("out", ["vt"], Advance(2, 1, 0, 0, sent=[version(2, sent=True)]))
    yield [entry.seq for entry in outbox.pending("out", ["vt"], 9)]
    outbox.record("out", [version(2, sent=False)])
    outbox.record_redelivery("out", Redelivery([1], 1, 0, 0, sent=[version(1, sent=True)]))
    yield outbox.versions("out", ["a"])


def test_a_trial_shows_what_the_journal_would_show_and_leaves_it_as_it_is(journal):
    before = journal.status({"out": ["vt"]}), journal.versions("out", ["a"])
    with dry_run_outbox(journal, "out") as outbox:
        tried = list(everything_tried(outbox))
    assert (journal.status({"out": ["vt"]}), journal.versions("out", ["a"])) == before
    assert tried == list(everything_tried(journal))


def test_a_trial_asks_for_nothing_again(journal):
    with dry_run_outbox(journal, "out") as outbox:
        outbox.ask_again([1], "damaged")
    assert list(journal.dead_letters()) == []


def test_a_trial_looks_through_what_stands_and_leaves_that_to_a_run(journal):
    journal.record_redelivery(
        "out", Redelivery((), 0, 0, 0, claims=[Claim(7, 1, stands=True), Claim(8, 2, stands=True)])
    )
    with dry_run_outbox(journal, "out") as outbox:
        for seq in (1, 2):
            standing = outbox.standing("out", "new", 1)
            assert [entry.seq for entry in standing.entries] == [seq]
            outbox.record_redelivery("out", Redelivery((), 0, 0, 0, reconsidered=standing.until))
        while (standing := outbox.standing("out", "new", 1)) is not None:
            outbox.record_redelivery("out", Redelivery((), 0, 0, 0, reconsidered=standing.until))
    assert [entry.seq for entry in journal.standing("out", "new", 9).entries] == [1, 2]
