"""How bodies are compressed: with dictionaries that are never lost, and read back as they were."""

import random
import sqlite3
import threading
from contextlib import closing, suppress

import orjson
import pytest
import simulated_notifications

from connector.journals.sql.bodies import Bodies
from connector.journals.sqlite.database import Database, migrations
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Entry, Misconfigured, Notification, Page, Selection, StixObject

TRAINED_AT = 1000
NOTIFICATIONS = [
    Notification(str(number), number, body) for number, body in enumerate(simulated_notifications.bodies(1500))
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def open_journal(path):
    opened = []

    def make():
        opened.append(SqliteJournal(SqliteSettings(path=path)))
        return opened[-1]

    yield make
    for journal in opened:
        journal.close()


def append(journal, notifications):
    with journal.lease("vt"):
        journal.append("vt", Page(notifications, None))


def read(journal, after=0):
    """All of them; a batch has no more than fits in memory."""
    found = []
    while batch := journal.pending("out", ["vt"], 10_000, after):
        found += [entry.notification for entry in batch]
        after = batch[-1].seq
    return found


def asked(path, statement, *values):
    with closing(sqlite3.connect(path)) as db, db:
        return db.execute(statement, values).fetchall()


def stored(path):
    return asked(path, "SELECT dictionary, length(body) FROM notifications ORDER BY seq")


def objects(count, kind="indicator"):
    documents = (
        {"type": kind, "id": f"{kind}--{number}", "pattern_type": "stix", "labels": ["anomalous-activity"], "n": number}
        for number in range(count)
    )
    return [StixObject(each["id"], kind, None, orjson.dumps(each)) for each in documents]


def test_a_dictionary_is_trained_when_there_is_enough_and_what_comes_after_it_is_a_quarter(open_journal, path):
    journal = open_journal()
    append(journal, NOTIFICATIONS[: TRAINED_AT - 1])
    assert asked(path, "SELECT count(*) FROM dictionaries") == [(0,)]
    append(journal, NOTIFICATIONS[TRAINED_AT - 1 : TRAINED_AT])
    append(journal, NOTIFICATIONS[TRAINED_AT:])

    assert [number for number, _ in stored(path)] == [0] * TRAINED_AT + [1] * (len(NOTIFICATIONS) - TRAINED_AT)
    plain = sum(len(orjson.dumps(each.body)) for each in NOTIFICATIONS[TRAINED_AT:])
    assert sum(size for number, size in stored(path) if number == 1) < plain / 4
    assert read(journal) == NOTIFICATIONS
    assert read(open_journal()) == NOTIFICATIONS


def test_the_next_dictionary_is_trained_when_there_is_ten_times_as_much(open_journal, path):
    journal = open_journal()
    append(journal, NOTIFICATIONS[:TRAINED_AT])
    assert asked(path, "SELECT train_at FROM body_kinds WHERE kind = 'notifications'") == [(10 * TRAINED_AT,)]
    asked(path, "UPDATE body_kinds SET train_at = 1200 WHERE kind = 'notifications'")
    append(journal, NOTIFICATIONS[1000:1199])
    append(journal, NOTIFICATIONS[1199:1300])
    append(journal, NOTIFICATIONS[1300:])

    assert {number for number, _ in stored(path)} == {0, 1, 2}
    assert read(journal) == NOTIFICATIONS


def test_objects_have_a_dictionary_of_their_own(open_journal, path):
    journal = open_journal()
    append(journal, NOTIFICATIONS[:TRAINED_AT])
    many = objects(TRAINED_AT)
    journal.collections.store("iocs", many)
    more = objects(50, "sighting")
    journal.collections.store("iocs", more)

    kinds = asked(path, "SELECT DISTINCT kind, number FROM dictionaries ORDER BY number")
    assert kinds == [("notifications", 1), ("objects", 2)]
    assert asked(path, "SELECT dictionary, count(*) FROM collection_objects GROUP BY 1") == [(0, 1000), (2, 50)]
    found, _ = open_journal().collections.objects("iocs", Selection(), 10_000, 10_000_000)
    assert [each.body for each in found] == [each.body for each in (*many, *more)]


def test_what_one_process_compresses_with_a_new_dictionary_another_reads(open_journal):
    reader, writer = open_journal(), open_journal()
    append(writer, NOTIFICATIONS[:1])
    assert read(reader) == NOTIFICATIONS[:1]
    append(writer, NOTIFICATIONS[1:TRAINED_AT])
    append(writer, NOTIFICATIONS[TRAINED_AT:])
    assert read(reader) == NOTIFICATIONS


@pytest.mark.parametrize(
    "found",
    [
        lambda journal: journal.pending("out", ["vt"], 1, 1000),
        lambda journal: journal.history({"vt": 1000}, 1),
        lambda journal: journal.entries([1001]),
        lambda journal: journal.find(["vt"], "1000"),
        lambda journal: journal.latest(["vt"], 1),
    ],
    ids=["pending", "history", "entries", "find", "latest"],
)
def test_a_body_is_the_first_that_a_process_reads_with_a_dictionary_whichever_way_it_is_read(open_journal, found):
    append(open_journal(), NOTIFICATIONS[:TRAINED_AT])
    append(open_journal(), NOTIFICATIONS[TRAINED_AT : TRAINED_AT + 1])
    (entry,) = found(open_journal())
    assert entry == Entry(1001, "vt", NOTIFICATIONS[TRAINED_AT])


def test_bodies_of_which_no_dictionary_can_be_made_are_kept_without(open_journal, path, monkeypatch):
    monkeypatch.setattr("connector.journals.sql.bodies.DICTIONARY_BYTES", 7)
    journal = open_journal()
    append(journal, NOTIFICATIONS[:TRAINED_AT])
    append(journal, NOTIFICATIONS[TRAINED_AT:])
    assert {number for number, _ in stored(path)} == {0}
    assert read(journal) == NOTIFICATIONS


def test_samples_are_taken_from_all_of_a_large_batch(open_journal, monkeypatch):
    seen = []
    monkeypatch.setattr("zstandard.train_dictionary", lambda size, samples, level: seen.append(samples) or NOTHING)
    open_journal().collections.store("iocs", objects(2500))
    ((*samples,),) = seen
    assert [orjson.loads(sample)["n"] for sample in samples] == list(range(2499, -1, -3))


def test_of_large_bodies_fewer_are_trained_on(open_journal, path, monkeypatch):
    seen = []
    monkeypatch.setattr("zstandard.train_dictionary", lambda size, samples, level: seen.append(samples) or NOTHING)
    words = [random.Random(1).randbytes(50_000).hex()] * TRAINED_AT
    append(open_journal(), [Notification(str(n), n, {"n": n, "words": text}) for n, text in enumerate(words)])
    ((*samples,),) = seen
    assert [orjson.loads(sample)["n"] for sample in samples] == list(range(TRAINED_AT - 1, TRAINED_AT - 43, -1))


class NOTHING:
    @staticmethod
    def as_bytes():
        return b""


def test_a_dictionary_of_a_transaction_that_was_undone_is_not_used(path):
    """Its number is given to another one, with which nothing of it can be read."""
    with closing(Database(path, busy_timeout_seconds=1, migrations=migrations())) as database:
        bodies = Bodies(database.damaged)
        for seed in (1, 2):
            with suppress(KeyError), database.write() as db:
                codec = bodies.newest(db, "notifications")
                db.execute("INSERT OR IGNORE INTO sources (id, name) VALUES (1, 'vt')")
                add = (
                    "INSERT INTO notifications (source, notification_id, raised, dictionary, body)"
                    " VALUES (1, 1, 1, 0, ?)"
                )
                said = [orjson.dumps(each) for each in simulated_notifications.bodies(TRAINED_AT, seed=seed)]
                db.executemany(add, [(codec.compressed(body),) for body in said])
                bodies.grown(db, "notifications", TRAINED_AT)
                if seed == 1:
                    raise KeyError
        with database.read() as db:
            codec = bodies.newest(db, "notifications")
            compressed = codec.compressed(said[0])
        with database.read() as db:
            assert codec.number == 1
            assert Bodies(database.damaged).read(db, 1, compressed) == said[0]


def test_a_dictionary_is_read_while_one_of_its_copies_is_whole(open_journal, path):
    append(open_journal(), NOTIFICATIONS[:TRAINED_AT])
    append(open_journal(), NOTIFICATIONS[TRAINED_AT:])
    for copy, garbled in ((1, "zeroblob(length(content))"), (2, "'text'")):
        assert read(open_journal()) == NOTIFICATIONS
        asked(path, f"UPDATE dictionaries SET content = {garbled} WHERE copy = {copy}")
    with pytest.raises(Misconfigured, match=r"is damaged \(no copy of the dictionary 1 is whole.*Restore a backup"):
        read(open_journal())


def test_what_cannot_be_read_is_no_sample(open_journal, path):
    journal = open_journal()
    append(journal, NOTIFICATIONS[: TRAINED_AT - 1])
    asked(path, "UPDATE notifications SET body = x'0102' WHERE seq < 10")
    asked(path, "UPDATE notifications SET dictionary = 7 WHERE seq = 10")
    append(journal, NOTIFICATIONS[TRAINED_AT - 1 :])
    assert asked(path, "SELECT count(*) FROM dictionaries") == [(2,)]
    assert [entry.damaged for entry in journal.pending("out", ["vt"], 12)] == [True] * 10 + [False] * 2


def test_a_body_that_is_no_frame_although_its_checksum_fits_is_garbled(path):
    with closing(Database(path, busy_timeout_seconds=1, migrations=migrations())) as database:
        huge = b"\x28\xb5\x2f\xfd\xe0" + (2**62).to_bytes(8, "little") + b"\x01\x00\x00"  # says how large it is
        with database.read() as db:
            for garbled in (b"", b"{}", huge):
                assert Bodies(database.damaged).read(db, 0, garbled) is None


def test_threads_compress_and_read_at_once(open_journal):
    journal = open_journal()
    append(journal, NOTIFICATIONS[:TRAINED_AT])
    append(journal, NOTIFICATIONS[TRAINED_AT:])
    found = []
    threads = [threading.Thread(target=lambda: found.append(read(journal) == NOTIFICATIONS)) for _ in range(6)]
    for thread in threads:
        thread.start()
    many = objects(300)
    for each in many:
        journal.collections.store("iocs", [each])
    for thread in threads:
        thread.join()
    assert found == [True] * 6


def test_a_journal_of_before_has_its_bodies_as_they_are(path, open_journal):
    with closing(Database(path, busy_timeout_seconds=1, migrations=migrations()[:8])) as before, before.write() as db:
        db.execute("INSERT INTO sources (name, stored, kept) VALUES ('vt', 2, 2)")
        add = (
            "INSERT INTO notifications (source, notification_id, date, raised, body, checksum)"
            " VALUES (1, ?, 5, 5, ?, ?)"
        )
        db.executemany(add, [("1", b'{"a":1}', None), ("2", b'{"b":2}', 2410917227)])
        db.execute("INSERT INTO collections (name) VALUES ('iocs')")
        db.execute("INSERT INTO collection_types (collection, type) VALUES (1, 'indicator')")
        db.execute(
            "INSERT INTO collection_objects VALUES (7, 1, 1, 'indicator--1', 9, NULL, 1, 1, ?)",
            (b'{"type": "indicator"}',),
        )

    journal = open_journal()

    assert [(entry.damaged, entry.notification.body) for entry in journal.pending("out", ["vt"], 9)] == [
        (False, {"a": 1}),
        (False, {"b": 2}),
    ]
    ((found,), _) = journal.collections.objects("iocs", Selection(), 9, 999)
    assert (found.body, found.damaged) == (b'{"type": "indicator"}', False)
    same = StixObject("indicator--1", "indicator", None, found.body)
    assert list(journal.collections.store("iocs", [same])) == [True]
    assert journal.collections.state("iocs") == (7, 0)
    asked(path, "UPDATE notifications SET body = x'7b7d' WHERE seq = 2")
    assert [entry.damaged for entry in journal.pending("out", ["vt"], 9)] == [False, True]
