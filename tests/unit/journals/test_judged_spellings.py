"""A journal in which observables were judged by their spelling, as an older version of this program kept them."""

import hashlib
import sqlite3
from contextlib import closing

import pytest

from connector.journals.sql import judging
from connector.journals.sql.rows import columns_checksum
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Advance, Judged, Judgement, JudgementFilter, Notification, Page, Redelivery
from connector.values import observables

NOW = 1_760_000_000
SPELLINGS = [
    ("domain", "BAD.example.", "bad.example"),
    ("domain", "xn--bcher-kva.example", "bücher.example"),
    ("domain", "Bücher.example", "xn--bcher-kva.example."),
    ("ip_address", "::ffff:192.0.2.7", "192.0.2.7"),
    ("ip_address", "2001:DB8:0::7", "2001:db8::7"),
    ("url", "HTTP://Bad.example:80/%61#top", "http://bad.example/a"),
]
spelled = pytest.mark.parametrize(("kind", "judged", "named"), SPELLINGS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


def opened(path):
    return closing(SqliteJournal(SqliteSettings(path=path), clock=lambda: NOW))


def trait_of_spelling(value):
    """As the first version made it."""
    name = hashlib.sha256(value.encode()).hexdigest() if "://" in value else value.strip().rstrip(".").lower()
    digest = hashlib.blake2b(f"observable {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def older(path, *judgements):
    """Make the journal one of before, with these judgements: value, verdict, whether it decides, whether it is over."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE judgements_to_find")
        db.execute("DROP TABLE traits_outdated")
        db.execute("PRAGMA user_version = 23")
        for value, verdict, decides, is_over in judgements:
            said = ("observable", value, "", "", verdict, "ana", "", NOW, None)
            row = (*said, trait_of_spelling(value), is_over, decides, columns_checksum("judgement", *said))
            columns = "kind, value, ruleset, source, verdict, by, note, at, until, trait, is_over, decides, checksum"
            db.execute(f"INSERT INTO judgements ({columns}) VALUES ({', '.join('?' * 13)})", row)
        for seq, value in db.execute("SELECT seq, notification_id FROM notifications").fetchall():
            db.execute(
                "UPDATE notifications SET observable = ? WHERE seq = ?",
                (trait_of_spelling(value.partition(" ")[2]), seq),
            )


def store(journal, kind, *values):
    """Notifications about these, which a route has delivered; each has in its id what it is about."""
    bodies = [{"type": kind, "id": each, "attributes": {"url": each} if kind == "url" else {}} for each in values]
    numbered = enumerate(zip(values, bodies, strict=True))
    with journal.lease("vt"):
        journal.append("vt", Page([Notification(f"{n} {value}", NOW, body) for n, (value, body) in numbered], None))
    entries = journal.pending("out", ["vt"], 100)
    with journal.lease("out"):
        journal.advance("out", ["vt"], Advance(entries[-1].seq, 1, 0, 0, learned=entries[0].learned))


@spelled
def test_a_judgement_of_a_spelling_is_found_by_any(path, kind, judged, named):
    with opened(path) as journal:
        store(journal, kind, named)
    older(path, (judged, "false_positive", True, False))
    with opened(path) as journal:
        (entry,) = journal.entries([1])
        assert entry.judgement.verdict == "false_positive"
        assert journal.judged_observables("vt")(named).verdict == "false_positive"
        (stored,) = journal.judgements(JudgementFilter(), 10)
        assert (stored.state, stored.judgement.judged.value) == ("in force", observables.written(judged))
        journal.judge(Judgement(Judged("observable", observables.written(judged)), "none", "ana"))
        assert [each.state for each in journal.judgements(JudgementFilter(), 10)] == ["over", "over"]


@spelled
def test_what_was_delivered_of_another_spelling_learns_of_the_judgement_once(path, kind, judged, named):
    with opened(path) as journal:
        store(journal, kind, named, "other.example" if kind == "domain" else "198.51.100.1")
    older(path, (judged, "false_positive", True, False))
    with opened(path) as journal:
        assert journal.end_judgements() == 0
        outdated = journal.outdated("out", ["vt"], 10)
        assert [entry.seq for entry in outdated.entries] == [1]
        with journal.lease("out"):
            journal.record_redelivery("out", Redelivery([1], 0, 0, 0, mark=outdated.mark))
        journal.end_judgements()
        assert journal.outdated("out", ["vt"], 10) is None


@spelled
def test_entries_about_the_same_in_other_spellings_are_found(path, kind, judged, named):
    with opened(path) as journal:
        store(journal, kind, judged, named)
    older(path)
    with opened(path) as journal:
        assert [entry.seq for entry in journal.alike(1, ["vt"], 3)] == [2]


def test_entries_are_found_however_many_there_are(path, monkeypatch):
    monkeypatch.setattr(judging, "ROWS", 2)
    with opened(path) as journal:
        store(journal, "url", *["http://bad.example/a", "http://bad.example/a#top"] * 3)
    older(path)
    with opened(path) as journal:
        assert [entry.seq for entry in journal.alike(1, ["vt"], 10)] == [6, 5, 4, 3, 2]


@pytest.mark.parametrize(
    ("judgements", "states", "verdict"),
    [
        (
            [("BAD.example", "benign", True, False), ("bad.example", "true_positive", True, False)],
            ["in force", "superseded"],
            "true_positive",
        ),
        ([("BAD.example", "benign", True, False), ("bad.example", "none", True, True)], ["over", "over"], "none"),
        (
            [("BAD.example", "none", True, True), ("bad.example", "benign", True, False)],
            ["in force", "over"],
            "benign",
        ),
        (
            [("BAD.example", "benign", True, False), ("bad.example", "true_positive", True, True)],
            ["over", "in force"],
            "benign",
        ),
        (
            [("BAD.example", "benign", True, True), ("bad.example", "true_positive", True, True)],
            ["over", "over"],
            "none",
        ),
    ],
)
def test_of_what_was_judged_in_several_spellings_the_newest_that_holds_decides(path, judgements, states, verdict):
    with opened(path) as journal:
        store(journal, "domain", "bad.example")
    older(path, *judgements)
    with opened(path) as journal:
        assert [each.state for each in journal.judgements(JudgementFilter(), 10)] == states
        assert journal.entries([1])[0].judgement.verdict == verdict
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT sum(decides) FROM judgements").fetchone() == (1,)


def test_what_the_disk_has_changed_stays_as_it_is(path):
    with opened(path) as journal:
        store(journal, "domain", "bad.example")
    older(path, ("BAD.example", "benign", True, False))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE judgements SET verdict = 'true_positive'")
    with opened(path) as journal:
        (stored,) = journal.judgements(JudgementFilter(), 10)
        assert (stored.state, stored.judgement.judged.value) == ("damaged", "BAD.example")
        assert journal.entries([1])[0].judgement is None


def test_what_a_journal_knew_to_be_judged_is_not_told_again(path):
    with opened(path) as journal:
        store(journal, "domain", "bad.example")
        journal.judge(Judgement(Judged("observable", "bad.example"), "true_positive", "ana"))
        outdated = journal.outdated("out", ["vt"], 10)
        with journal.lease("out"):
            journal.record_redelivery("out", Redelivery([1], 0, 0, 0, mark=outdated.mark))
    older(path)
    with opened(path) as journal:
        journal.end_judgements()
        assert journal.outdated("out", ["vt"], 10) is None
        assert journal.entries([1])[0].judgement.verdict == "true_positive"


def test_a_new_journal_has_nothing_to_find(path):
    with opened(path) as journal:
        assert journal.end_judgements() == 0
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM traits_outdated").fetchone() == (0,)
