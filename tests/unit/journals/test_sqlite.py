"""The SQLite journal: its statements, and what it makes of garbled data."""

import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import orjson
import pydantic
import pytest

import connector.journals
from connector.journals.sql import entries as entries_module
from connector.journals.sql import pruning
from connector.journals.sql.dialect import named_statements
from connector.journals.sqlite.database import SQL, Connection, Database, migrations, statements
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import (
    Advance,
    CollectedObject,
    DeadLetter,
    Entry,
    LookUp,
    Misconfigured,
    Notification,
    Page,
    Selection,
    StoredDeadLetter,
    Subject,
    Version,
)
from connector.notification import subjects
from connector.values import jsontext

GROWING = (
    *("notifications", "seen", "days", "versions", "collection_objects", "dead_letters"),
    *("subjects", "mentions", "outdated", "look_ups"),
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path):
    journal = SqliteJournal(SqliteSettings(path=path))
    yield journal
    journal.close()


@pytest.fixture(scope="module")
def tables():
    """The tables of a new journal, to be asked for plans alone."""
    db = sqlite3.connect(":memory:", factory=Connection)
    for script in migrations():
        db.executescript(script)
    yield db
    db.close()


def plan(db: sqlite3.Connection, statement: str) -> list[str]:
    values = dict.fromkeys(re.findall(r":(\w+)", statement), 1) or [1] * statement.count("?")
    return [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + statement, values)]


@pytest.mark.parametrize("name", SQL)
def test_no_statement_walks_a_table_that_grows(tables, name):
    values = [step for step in plan(tables, SQL[name]) if re.search(rf"SCAN ({'|'.join(GROWING)})\b", step)]
    assert values == []


@pytest.mark.parametrize("name", ["entries_after", "prunable", "oldest_pending"])
def test_the_order_of_notifications_comes_from_an_index(tables, name):
    steps = plan(tables, SQL[name])
    assert not [step for step in steps if "TEMP B-TREE" in step]
    assert [step for step in steps if re.match(r"SEARCH notifications USING (COVERING )?INDEX", step)]


def test_the_backlog_is_counted_without_reading_bodies(tables):
    assert "SEARCH notifications USING COVERING INDEX notifications_by_source (source=? AND rowid>?)" in plan(
        tables, SQL["backlog"]
    )


def test_a_name_stands_for_one_statement(tmp_path, monkeypatch):
    package = tmp_path / "two_stores"
    package.mkdir()
    for name, text in (("__init__.py", ""), ("a.sql", "-- name: one\nSELECT 1;"), ("b.sql", "-- name: one\nSELECT 2;")):
        (package / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="two statements are called one"):
        named_statements("two_stores")
    del sys.modules["two_stores"]


def test_every_named_statement_is_used_and_every_used_one_is_named():
    modules = [path.read_text(encoding="utf-8") for path in Path(connector.journals.__file__).parent.rglob("*.py")]
    run = {name for text in modules for name in re.findall(r'\.(?:run|run_many|insert)\(\s*"(\w+)"', text)}
    named = {name for text in modules for name in re.findall(r'"(\w+)"', text)}
    assert run <= {*SQL, *named_statements("connector.journals.postgresql")}
    assert {name.removesuffix("_of_type") for name in SQL} <= named


def test_statements_are_told_apart_whatever_semicolons_their_comments_and_texts_hold():
    script = "-- one; two\nCREATE TABLE a (b TEXT DEFAULT ';');\n\nPRAGMA user_version = 1;  -- last\n"
    assert [statement.strip().splitlines()[-1][:6] for statement in statements(script)] == ["CREATE", "PRAGMA"]


@pytest.mark.parametrize("garbled", [b"", b"{", b"[1]", b"\xff", b"null"])
def test_a_garbled_body_comes_as_an_empty_object_and_the_next_one_follows(journal, path, garbled):
    with journal.lease("vt"):
        journal.append("vt", Page([Notification("1", 5, {"a": 1}), Notification("2", 6, {"a": 2})], None))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE notifications SET body = ? WHERE notification_id = '1'", (garbled,))
    db.close()

    assert journal.pending("route", ["vt"], 10) == [
        Entry(1, "vt", Notification("1", 5, {}), damaged=True),
        Entry(2, "vt", Notification("2", 6, {"a": 2})),
    ]


@pytest.mark.parametrize("column", ["body", "date", "notification_id"])
def test_every_bit_that_flips_in_what_was_stored_is_found(journal, path, column):
    with journal.lease("vt"):
        journal.append("vt", Page([Notification("17", 1_760_000_000, {"sha256": "ab"})], None))
    with sqlite3.connect(path) as db:
        (stored,) = db.execute(f"SELECT {column} FROM notifications").fetchone()
    db.close()
    (whole,) = journal.pending("route", ["vt"], 1)
    assert not whole.damaged
    bits = 8 * len(stored) if isinstance(stored, bytes) else 7 * len(str(stored))
    for bit in range(bits):
        if column == "date":
            flipped = stored ^ 1 << bit % 31
        else:
            text = bytearray(stored if isinstance(stored, bytes) else stored.encode())
            text[bit // 8 % len(text)] ^= 1 << bit % 7
            flipped = bytes(text) if isinstance(stored, bytes) else text.decode()
        with sqlite3.connect(path) as db:
            db.execute(f"UPDATE notifications SET {column} = ?", (flipped,))
        db.close()
        (entry,) = journal.pending("route", ["vt"], 1)
        assert (entry.damaged, entry.notification.body) == (True, {}), flipped


def test_a_body_that_is_no_bytes_any_more_is_damaged(journal, path):
    with journal.lease("vt"):
        journal.append("vt", Page([Notification("1", 5, {"a": 1})], None))
    for wrong in ("'{}'", "7"):
        with sqlite3.connect(path) as db:
            db.execute(f"UPDATE notifications SET body = {wrong}")
        db.close()
        assert [entry.damaged for entry in journal.pending("route", ["vt"], 1)] == [True]


def test_what_was_stored_before_there_were_checksums_is_read_as_it_is(journal, path):
    with journal.lease("vt"):
        journal.append("vt", Page([Notification("1", 5, {"a": 1})], None))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE notifications SET checksum = NULL")
    db.close()
    assert journal.pending("route", ["vt"], 1) == [Entry(1, "vt", Notification("1", 5, {"a": 1}))]


@pytest.mark.parametrize("body", [b"[1]", b"{", b"null"])
def test_what_was_garbled_before_there_were_checksums_is_an_empty_object(journal, path, body):
    with journal.lease("vt"):
        journal.append("vt", Page([Notification("1", 5, {"a": 1})], None))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE notifications SET checksum = NULL, dictionary = NULL, body = ?", (body,))
    db.close()
    assert journal.pending("route", ["vt"], 1) == [Entry(1, "vt", Notification("1", 5, {}))]


def test_a_body_nested_deeper_than_json_is_written_is_kept_by_its_id(journal):
    body: dict = {}
    for _ in range(300):
        body = {"a": body}
    with journal.lease("vt"):
        assert journal.append("vt", Page([Notification("1", 5, body)], None)).new == 1
    assert journal.pending("route", ["vt"], 10) == [Entry(1, "vt", Notification("1", 5, {}))]


def test_a_garbled_report_stops_with_the_remedy(journal, path):
    with journal.lease("vt"):
        journal.append("vt", Page([], {"watermark": 1}))
        journal.report("vt", {"state": "done"})
    with sqlite3.connect(path) as db:
        db.execute("UPDATE reports SET report = '{'")
    db.close()
    with pytest.raises(Misconfigured, match=r"is damaged.*move .* away"):
        journal.reported("vt")


def test_an_undated_notification_is_pruned_by_when_it_was_stored(path):
    journal = SqliteJournal(SqliteSettings(path=path), clock=lambda: 1000.0)
    with journal.lease("vt"):
        journal.append("vt", Page([Notification("1", None, {})], None))
    assert journal.prune(1000, {}) == 0
    assert journal.prune(1001, {}) == 1
    journal.close()


def test_more_ids_can_be_forgotten_than_one_transaction_takes(journal, monkeypatch):
    monkeypatch.setattr(pruning, "PRUNE_ROWS", 2)
    page = Page([Notification(str(number), number, {}) for number in range(7)], None)
    with journal.lease("vt"), journal.lease("out"):
        journal.append("vt", page)
        kept = [DeadLetter(seq, "sink", "no") for seq in (1, 2, 3)]
        journal.advance("out", ["vt"], Advance(7, 4, 0, 3, kept))
        assert journal.prune(100 * pruning.DAY_SECONDS, {}) == 4
        assert journal.append("vt", page).new == 4


def test_making_a_journal_touches_no_file(path):
    SqliteJournal(SqliteSettings(path=path)).close()
    assert not path.exists()


def test_a_closed_journal_is_not_opened_again_by_accident(journal):
    journal.status({})
    journal.close()
    with pytest.raises(RuntimeError, match="after it was closed"):
        journal.checkpoint("vt")


def test_a_journal_of_the_first_schema_keeps_its_dead_letters_versions_and_positions(path):
    first = Database(path, busy_timeout_seconds=1, migrations=migrations()[:1])
    with first.write() as db:
        db.execute("INSERT INTO sources (name, stored, kept) VALUES ('vt', 3, 2), ('all', 0, 0)")
        db.executemany(
            "INSERT INTO notifications (seq, source, notification_id, date, raised, body) VALUES (?, 1, ?, ?, ?, '{}')",
            [(2, "two", 20, 20), (3, "three", 30, 30)],
        )
        db.execute("INSERT INTO routes (name, delivered, refused) VALUES ('out', 1, 2)")
        db.execute("INSERT INTO positions (route, source, seq) VALUES (1, 1, 3)")
        db.execute(
            "INSERT INTO dead_letters VALUES (1, 3, 'b', 'sink', 'full', x'7b7d'), (1, 2, '', 'mapping', 'odd', NULL)"
        )
        db.execute("INSERT INTO versions VALUES (1, 'a', 'm', 'c', 2, x'01', 1)")
    first.close()

    journal = SqliteJournal(SqliteSettings(path=path))

    assert list(journal.dead_letters("out")) == [
        StoredDeadLetter(1, "out", "vt", 20, None, DeadLetter(2, "mapping", "odd")),
        StoredDeadLetter(2, "out", "vt", 30, None, DeadLetter(3, "sink", "full", "b", b"{}")),
    ]
    assert journal.versions("out", ["a"]) == {"a": [Version("a", 2, b"\x01", "c", "m", sent=True)]}
    status = journal.status({"out": ["vt"]})
    assert {source.name: source.pruned_until for source in status.sources} == {"vt": 20, "all": None}
    (route,) = status.routes
    assert (route.position, route.delivered, route.refused, route.dead_letters, route.dropped) == (3, 1, 2, 2, 0)
    assert [entry.seq for entry in journal.find(["vt"], "three")] == [3]
    journal.close()


SHAPES = [
    {"context_attributes": {"sources": [{"type": "collection", "id": "c1"}, {"type": "threat_profile", "id": "p"}]}},
    {"context_attributes": {"hunting_info": {"sources": [{"type": "hunting_ruleset", "id": "r1", "label": "x"}]}}},
    {"context_attributes": {"sources": None, "hunting_info": {"sources": [{"type": "collection", "id": "hidden"}]}}},
    {"type": "ioc_stream_notification", "attributes": {"sources": [{"type": "retrohunt_job", "id": "a-1"}] * 2}},
    {"type": "ioc_stream_notification", "context_attributes": {"sources": [{"type": "collection", "id": "other"}]}},
    {"context_attributes": {"sources": [{"type": "threat_actor", "id": "größe"}, {"type": "collection", "id": ""}]}},
    {"context_attributes": {"sources": [{"type": "collection", "id": 7}, {"type": "collection"}, "x", None, [[]]]}},
    {"context_attributes": {"sources": [{"type": "collection", "id": "x" * 513}, {"type": "collection", "id": "c1"}]}},
    {"context_attributes": {"sources": {"type": "collection", "id": "c2"}}},
    {"context_attributes": {"sources": "collection"}},
    {"context_attributes": "sources"},
    {"context_attributes": {"sources": [{"type": ["collection"], "id": "c3"}]}},
    {},
]


def test_a_journal_of_the_second_schema_learns_what_its_notifications_name(path):
    second = Database(path, busy_timeout_seconds=1, migrations=migrations()[:2])
    with second.write() as db:
        db.execute("INSERT INTO sources (name, stored, kept) VALUES ('vt', 20, 20)")
        bodies = [*map(orjson.dumps, SHAPES), b"garbled \xff", b"[]", b"7"]
        db.executemany(
            "INSERT INTO notifications (source, notification_id, date, raised, body) VALUES (1, ?, 1, 1, ?)",
            [(str(number), body) for number, body in enumerate(bodies)],
        )
        db.execute("INSERT INTO routes (name) VALUES ('objects'), ('events')")
        db.execute("INSERT INTO positions (route, source, seq) VALUES (1, 1, 100), (2, 1, 100)")
        db.execute("INSERT INTO versions VALUES (1, 'a', 'm', 'c', 2, x'01', 1, 0)")
    second.close()

    journal = SqliteJournal(SqliteSettings(path=path))

    named = {subject for body in SHAPES for subject in subjects(body)}
    assert len(named) == 4
    assert set(journal.due("vt", 0, 100)) == named
    with journal.lease("vt"):
        for subject in named:
            assert journal.learn("vt", LookUp(subject, "known", 1, 2, {"of": subject.id}, b"1"))
    found = journal.outdated("objects", ["vt"], 100)
    assert found is not None
    assert {e.notification.id: set(e.context) for e in found.entries} == {
        str(number): set(subjects(body)) for number, body in enumerate(SHAPES) if subjects(body)
    }
    assert journal.outdated("events", ["vt"], 100) is None
    journal.close()


def test_what_is_garbled_of_what_was_looked_up_holds_nothing_up(journal, path):
    with journal.lease("vt"):
        journal.append("vt", Page([Notification("1", 1, SHAPES[0])], None))
        (subject,) = journal.due("vt", 0, 9)
        journal.learn("vt", LookUp(subject, "known", 1, 2, {"a": 1}, b"1", {"b": 2}))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE subjects SET attributes = '{', report = 'x'")
    db.close()
    assert journal.pending("out", ["vt"], 1)[0].context == {}
    assert journal.status({}).sources[0].look_ups.reports == {subject: {}}


def test_retention_outlasts_what_virustotal_repeats():
    with pytest.raises(pydantic.ValidationError):
        SqliteSettings(retention_days=7)


BODY_BYTES = jsontext.decoded_bytes(orjson.dumps({"id": "1", "snippet": "x" * 1000}))


@pytest.mark.parametrize(
    ("read_bytes", "read_at_once"), [(3 * BODY_BYTES, 3), (3 * BODY_BYTES - 1, 2), (BODY_BYTES - 1, 1)]
)
def test_large_bodies_are_read_a_few_at_a_time_and_none_is_left_out(journal, monkeypatch, read_bytes, read_at_once):
    monkeypatch.setattr(entries_module, "READ_BYTES", read_bytes)
    bodies = [Notification(str(n), n, {"id": str(n), "snippet": "x" * 1000}) for n in range(10)]
    with journal.lease("vt"):
        journal.append("vt", Page(bodies, None))
    read, after, counts = [], 0, []
    while entries := journal.pending("out", ["vt"], 500, after):
        read += [entry.notification.id for entry in entries]
        after = entries[-1].seq
        counts.append(len(entries))
    assert read == [each.id for each in bodies]
    assert set(counts[:-1]) == {read_at_once}


def test_what_a_route_sent_before_receivers_were_told_apart_is_what_its_first_one_has(path):
    fifth = Database(path, busy_timeout_seconds=1, migrations=migrations()[:5])
    with fifth.write() as db:
        db.execute("INSERT INTO sources (name, stored, kept) VALUES ('vt', 0, 0)")
        db.execute("INSERT INTO routes (name) VALUES ('other'), ('out')")
        db.execute("INSERT INTO positions (route, source, seq) VALUES (2, 1, 7)")
        db.execute("INSERT INTO versions VALUES (2, 'a', 'm', 'c', 2, x'01', 1, 5), (1, 'b', 'm', 'c', 2, x'01', 0, 0)")
    fifth.close()
    known = {"a": [Version("a", 2, b"\x01", "c", "m", sent=True, last_seq=5)]}

    journal = SqliteJournal(SqliteSettings(path=path))

    assert journal.versions("out", ["a", "b"], "here") == known
    assert journal.versions("out", ["a", "b"], "there") == known
    with journal.lease("out"):
        journal.enlist("out", ["vt"], "here")
    assert journal.versions("out", ["a", "b"], "here") == known
    assert journal.versions("out", ["a", "b"], "there") == {}
    (_, out) = journal.served()
    assert (out.receiver, out.former_receivers, out.unread) == ("here", [], {"vt": 0})
    journal.close()


@pytest.mark.parametrize(
    "garbled",
    ["digest = x'00'", "created = 'x'", "modified = 'x'", "seq = 99", "object_id = x'01616161'", "object_id = 'text'"],
)
def test_a_version_that_the_disk_garbled_is_unknown_and_can_be_recorded_anew(journal, path, garbled):
    begun = [
        Version(each, 1, b"digest", "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z", sent=True) for each in "ab"
    ]
    with journal.lease("out"):
        journal.record("out", begun)
    with sqlite3.connect(path) as db:
        db.execute(f"UPDATE versions SET {garbled} WHERE object_id = x'0061'")
    db.close()
    assert journal.versions("out", ["a", "b"]) == {"b": [begun[1]]}
    with journal.lease("out"):
        journal.record("out", begun)
    assert journal.versions("out", ["a", "b"]) == {"a": [begun[0]], "b": [begun[1]]}


def test_ledgers_and_collections_of_before_are_kept_whole(path):
    ninth = Database(path, busy_timeout_seconds=1, migrations=migrations()[:9])
    ids = ["indicator--2c7c1a1e-8a4c-4b5a-9d3e-1f2a3b4c5d6e", "odd"]
    times = ["2026-01-01T00:00:01.000Z", "2026-01-01T00:00:02.000Z"]
    with ninth.write() as db:
        db.execute("INSERT INTO sources (name, stored, kept) VALUES ('vt', 0, 0)")
        db.execute("INSERT INTO routes (name) VALUES ('out')")
        db.execute("INSERT INTO ledgers (id, route, receiver) VALUES (1, 1, 'here')")
        versions = [(1, ids[0], times[1], times[0], 5, b"d" * 32, 1, 7), (1, ids[1], "", "", 6, b"", 1, 0)]
        db.executemany("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", versions)
        db.execute("INSERT INTO collections (id, name) VALUES (1, 'iocs')")
        db.execute("INSERT INTO collection_types (id, collection, type) VALUES (1, 1, 'indicator')")
        start = 1_767_225_601_000_000
        rows = [
            (1, 1, 1, ids[0], start, times[0], 1, 0, b"1", None, None),
            (2, 1, 1, ids[0], start + 1_000_000, times[1].replace(".000", ""), 0, 1, b"2", None, None),
            (3, 1, 1, ids[1], start + 2_000_000, None, 1, 1, b"3", None, None),
        ]
        db.executemany("INSERT INTO collection_objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    ninth.close()

    journal = SqliteJournal(SqliteSettings(path=path))

    assert journal.versions("out", ids, "here") == {
        ids[0]: [Version(ids[0], 5, b"d" * 16, times[0], times[1], sent=True, last_seq=7)],
        ids[1]: [Version(ids[1], 6, b"", "", "", sent=True)],
    }
    every = [
        CollectedObject(1, ids[0], times[0], b"1"),
        CollectedObject(2, ids[0], "2026-01-01T00:00:02Z", b"2"),
        CollectedObject(3, ids[1], "1970-01-01T00:00:00.003000Z", b"3"),
    ]
    assert journal.collections.objects("iocs", Selection(every=True), 9, 99) == (every, False)
    assert journal.collections.objects("iocs", Selection(), 9, 99) == (every[1:], False)
    assert journal.collections.objects("iocs", Selection(last=False, first=True), 9, 99) == (
        [every[0], every[2]],
        False,
    )
    journal.close()


def test_a_journal_of_before_entities_were_looked_up_goes_on_with_what_it_knows(path):
    with closing(Database(path, busy_timeout_seconds=1, migrations=migrations()[:15])) as older, older.write() as db:
        db.execute("INSERT INTO sources (name, stored, kept, learned) VALUES ('vt', 1, 1, 1)")
        db.execute(
            "INSERT INTO notifications (source, notification_id, date, raised, body) VALUES (1, '1', 1, 1, ?)",
            (orjson.dumps(SHAPES[0]),),
        )
        db.execute(
            "INSERT INTO subjects (source, type, subject_id, state, asked_at, due, learned, digest, attributes)"
            """ VALUES (1, 'collection', 'c1', 'known', 1000, 2000, 1, x'01', '{"name": "Known"}')"""
        )
        db.execute("INSERT INTO mentions (subject, seq) VALUES (1, 1)")
    with closing(SqliteJournal(SqliteSettings(path=path))) as journal:
        subject = Subject("collection", "c1")
        assert journal.entries([1])[0].context == {subject: {"name": "Known"}}
        assert [journal.asked_since("vt", since) for since in (1000, 1001)] == [1, 0]
        assert [journal.due("vt", now, 9, about=9) for now in (1999, 2000)] == [[], [subject]]
        with journal.lease("vt"):
            journal.learn("vt", LookUp(subject, "known", 2000, 3000, {"name": "New"}, b"\x01"))
        assert journal.entries([1])[0].context == {subject: {"name": "New"}}


def test_a_journal_knows_of_which_deliveries_it_kept_no_claims(path):
    with closing(Database(path, busy_timeout_seconds=1, migrations=migrations()[:19])) as older, older.write() as db:
        db.execute("INSERT INTO sources (name) VALUES ('vt')")
        for number in range(1, 6):
            db.execute(
                "INSERT INTO notifications (source, notification_id, date, raised, body) VALUES (1, ?, 1, 1, x'00')",
                (str(number),),
            )
        db.execute("INSERT INTO routes (name) VALUES ('never'), ('since')")
        db.execute("INSERT INTO ledgers (route, receiver) VALUES (1, 'here'), (2, 'here')")
        db.execute("INSERT INTO claims VALUES (2, 7, 4, 1, 0, 0), (2, 8, 5, 1, 0, 0)")
    with closing(SqliteJournal(SqliteSettings(path=path))) as journal:
        assert [journal.unclaimed_until(name, "here") for name in ("never", "since", "new")] == [5, 3, 0]
        with journal.lease("new"):
            journal.enlist("new", ["vt"], "here")
        assert journal.unclaimed_until("new", "here") == 0
        assert [journal.spelled_until(name, "here") for name in ("never", "since", "new")] == [0, 5, 0]


def test_a_look_up_is_of_today_from_midnight_on(path):
    midnight = 20_000 * 86_400
    named = [Subject("collection", "before"), Subject("collection", "after")]
    sources = [{"type": each.type, "id": each.id, "label": "x"} for each in named]
    body = {"type": "file", "context_attributes": {"sources": sources}}
    with (
        closing(SqliteJournal(SqliteSettings(path=path), clock=lambda: midnight + 3600.0)) as journal,
        journal.lease("vt"),
    ):
        journal.append("vt", Page([Notification("1", midnight, body)], None))
        for subject, at in zip(named, (midnight - 1, midnight), strict=True):
            journal.learn("vt", LookUp(subject, "known", at, midnight + 9999, {"n": 1}, b"d", {}))
        (source,) = journal.status({}).sources
    assert (source.look_ups.known, source.look_ups.asked_today) == (2, 1)
