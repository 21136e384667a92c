"""What the disk has changed of positions and checkpoints decides nothing: it is noticed, told and made good."""

import sqlite3
from contextlib import closing

import orjson
import pytest
from structlog.testing import capture_logs

from connector.journals.sql import damage
from connector.journals.sqlite import maintenance
from connector.journals.sqlite.database import Database, migrations
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import ANEW, Advance, DeadLetter, Misconfigured, Notification, Page, Unavailable

CHECKPOINT = {"watermark": 1_760_000_000, "filter": ""}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path):
    """Two sources with three notifications each, and a route that has dealt with four of the six."""
    with closing(SqliteJournal(SqliteSettings(path=path), clock=lambda: 1_760_000_500.0)) as journal:
        for source, first in (("vt", 1), ("files", 4)):
            with journal.lease(source):
                made = [Notification(str(number), number, {}) for number in range(first, first + 3)]
                journal.append(source, Page(made, CHECKPOINT))
        with journal.lease("out"):
            journal.enlist("out", ["vt", "files"], "")
            journal.advance("out", ["vt", "files"], Advance(4, 4, 0, 0))
        yield journal


def change(path, statement, *values):
    with closing(sqlite3.connect(path)) as db, db:
        assert db.execute(statement, values).rowcount > 0


def checked(path):
    return maintenance.check(path, lambda _done, _total: None)[1]


def pending(journal, after=0):
    return [entry.seq for entry in journal.pending("out", ["vt", "files"], 100, after)]


def route(journal):
    return journal.status({"out": ["vt", "files"]}).routes[0]


def source(journal):
    (found,) = (each for each in journal.status({}).sources if each.name == "vt")
    return found


def test_what_is_whole_is_left_alone(journal, path):
    assert pending(journal) == [5, 6]
    assert journal.checkpoint("vt") == CHECKPOINT
    assert (route(journal).damage, source(journal).damage, checked(path)) == (None, None, [])


def test_what_another_process_has_made_good_meanwhile_is_left_alone(journal):
    damage.mend_checkpoint(journal._database, "vt", 5)
    damage.mend_positions(journal._database, "out", ["vt"], 5)
    assert (pending(journal), journal.checkpoint("vt")) == ([5, 6], CHECKPOINT)
    assert (route(journal).damage, source(journal).damage) == (None, None)


def test_what_is_damaged_is_told_with_its_time_and_of_all_sources_before_it_is_made_good(journal, path):
    change(path, "UPDATE positions SET seq = 124")
    told = route(journal).damage
    assert "how far it had come in files, vt:" in told.reason or "how far it had come in vt, files:" in told.reason
    assert told.at == 1_760_000_500
    change(path, "UPDATE sources SET checkpoint_checksum = 1 WHERE name = 'vt'")
    assert source(journal).damage.at == 1_760_000_500


def test_what_is_whole_and_no_json_is_named(journal, path):
    journal.report("vt", {"state": "done"})
    change(path, "UPDATE reports SET report = x'7b' WHERE name = 'vt'")
    for ask in (lambda: journal.reported("vt"), lambda: journal.status({"vt": []}), lambda: journal.status({})):
        with pytest.raises(Misconfigured, match=r"journal\.db is damaged.*a checkpoint or report is not JSON"):
            ask()


@pytest.mark.parametrize("wrong", sorted({4 ^ 1 << bit for bit in range(63)} | {-1}))
def test_a_position_of_which_a_bit_flipped_skips_nothing(journal, path, wrong):
    change(path, "UPDATE positions SET seq = ? WHERE source = 1", wrong)
    assert "the position of out in vt is not what was stored" in checked(path)[0]
    assert "in vt" in route(journal).damage.reason
    assert route(journal).position == 0

    assert pending(journal) == [1, 2, 3, 5, 6]

    assert (route(journal).damage.at, checked(path)) == (1_760_000_500, [])
    assert "in vt" in route(journal).damage.reason
    assert pending(journal) == [1, 2, 3, 5, 6]


@pytest.mark.parametrize("changed", ["checksum = checksum + 1", "checksum = NULL", "seq = NULL", "seq = 4.5"])
def test_a_position_whose_checksum_or_type_changed_skips_nothing(journal, path, changed):
    if changed == "seq = NULL":  # which the table forbids, and the disk does not
        change(path, "UPDATE positions SET seq = x'' WHERE source = 1")
    else:
        change(path, f"UPDATE positions SET {changed} WHERE source = 1")
    assert pending(journal) == [1, 2, 3, 5, 6]


def test_a_route_that_has_read_on_begins_anew_when_its_position_is_damaged_meanwhile(journal, path):
    change(path, "UPDATE positions SET seq = 124")
    with pytest.raises(Unavailable, match="begins anew"):
        pending(journal, after=4)
    assert pending(journal) == [1, 2, 3, 4, 5, 6]
    assert route(journal).damage is not None


def test_an_advance_from_a_damaged_position_is_none_and_leaves_the_dead_letters(journal, path):
    with journal.lease("out"):
        journal.advance("out", ["vt", "files"], Advance(5, 0, 0, 1, [DeadLetter(5, "sink", "full")]))
        change(path, "UPDATE positions SET seq = 124")
        with pytest.raises(Unavailable, match="begins anew"):
            journal.advance("out", ["vt", "files"], Advance(6, 1, 0, 0))
    assert [each.letter.seq for each in journal.dead_letters("out")] == [5]
    assert pending(journal) == [1, 2, 3, 4, 5, 6]


def test_a_damaged_position_lets_nothing_be_pruned(journal, path):
    change(path, "UPDATE positions SET seq = 124 WHERE source = 2")
    assert journal.prune(100, {}) == 3
    assert pending(journal) == [4, 5, 6]


def test_a_replay_leaves_a_damaged_position_to_be_told(journal, path):
    change(path, "UPDATE positions SET seq = 124")
    with journal.lease("out"):
        journal.rewind("out", journal.positions_since("out", ["vt", "files"], 5))
    assert pending(journal) == [1, 2, 3, 4, 5, 6]
    assert "in vt, files" in route(journal).damage.reason


WATERMARKS = [CHECKPOINT["watermark"] ^ 1 << bit for bit in range(33)]


@pytest.mark.parametrize(
    "wrong", [*(orjson.dumps({**CHECKPOINT, "watermark": each}) for each in WATERMARKS), b"{", None, b"null", 7]
)
def test_a_checkpoint_of_which_a_bit_flipped_is_not_gone_on_from(journal, path, wrong):
    change(path, "UPDATE sources SET checkpoint = ? WHERE name = 'vt'", wrong)
    assert "the checkpoint of vt is not what was stored" in checked(path)[0]
    assert source(journal).checkpoint is None
    assert "all that its upstream still has" in source(journal).damage.reason

    assert journal.checkpoint("vt") == ANEW

    assert source(journal).damage.at == 1_760_000_500
    assert (journal.checkpoint("vt"), checked(path)) == (ANEW, [])
    assert journal.checkpoint("files") == CHECKPOINT
    with journal.lease("vt"):
        assert journal.append("vt", Page([Notification("3", 3, {}), Notification("9", 9, {})], CHECKPOINT)).new == 1
    assert journal.checkpoint("vt") == CHECKPOINT


def test_a_checkpoint_that_changed_places_is_not_gone_on_from(journal, path):
    change(
        path,
        "UPDATE sources SET (checkpoint, checkpoint_checksum) = "
        "(SELECT checkpoint, checkpoint_checksum FROM sources WHERE name = 'files') WHERE name = 'vt'",
    )
    assert journal.checkpoint("vt") == ANEW


def test_damage_is_logged(journal, path):
    change(path, "UPDATE positions SET seq = 124")
    change(path, "UPDATE sources SET checkpoint_checksum = 1 WHERE name = 'vt'")
    with capture_logs() as logged:
        pending(journal)
        journal.checkpoint("vt")
    assert logged == [
        {"event": "damaged", "part": "out", "log_level": "error", "reason": route(journal).damage.reason},
        {"event": "damaged", "part": "vt", "log_level": "error", "reason": source(journal).damage.reason},
    ]


def test_damage_is_forgotten_with_the_part(journal, path):
    change(path, "UPDATE positions SET seq = 124")
    change(path, "UPDATE sources SET checkpoint_checksum = 1 WHERE name = 'vt'")
    pending(journal)
    journal.checkpoint("vt")
    with journal.lease("out"):
        journal.forget_route("out")
    with journal.lease("vt"):
        journal.forget_source("vt")
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM damage").fetchone() == (0,)


def before(path, position, watermark):
    """A journal of before there were these checksums, with three notifications."""
    with closing(Database(path, busy_timeout_seconds=1, migrations=migrations()[:12])) as older, older.write() as db:
        db.execute(
            "INSERT INTO sources (name, stored, kept, newest, checkpoint) VALUES ('vt', 3, 3, 1760000000, ?)",
            (orjson.dumps({"watermark": watermark}),),
        )
        for number in range(3):
            db.execute(
                "INSERT INTO notifications (source, notification_id, date, raised, body) VALUES (1, ?, 1, 1, '{}')",
                (str(number),),
            )
        db.execute("INSERT INTO routes (name) VALUES ('out')")
        db.execute("INSERT INTO positions (route, source, seq) VALUES (1, 1, ?)", (position,))


@pytest.mark.parametrize(
    ("position", "watermark", "rest", "checkpoint"),
    [
        (2, 1_760_000_000, [3], {"watermark": 1_760_000_000}),
        (3, None, [], {"watermark": None}),
        (4, 1_760_000_000 + 2**31, [1, 2, 3], ANEW),
    ],
)
def test_an_older_journal_is_taken_as_it_is_unless_that_cannot_be(path, position, watermark, rest, checkpoint):
    before(path, position, watermark)
    with closing(SqliteJournal(SqliteSettings(path=path))) as journal:
        assert [entry.seq for entry in journal.pending("out", ["vt"], 9)] == rest
        assert journal.checkpoint("vt") == checkpoint
        assert (source(journal).damage is None) == (checkpoint != ANEW)
    change(path, "UPDATE positions SET seq = 1")
    change(path, "UPDATE sources SET checkpoint = x'7b7d'")
    assert len(checked(path)) == 2
