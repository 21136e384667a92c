"""What a question to a collection of a million objects costs: an index seek."""

import itertools
import re
import sqlite3
from contextlib import closing

import pytest

from connector.journals.sqlite.database import SQL, Connection, migrations
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Selection, StixObject, Unavailable


@pytest.fixture(scope="module")
def tables():
    with closing(sqlite3.connect(":memory:", factory=Connection)) as db:
        for migration in migrations():
            db.executescript(migration)
        yield db


def plan(db, statement):
    values = dict.fromkeys(re.findall(r":(\w+)", statement))
    return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", values)]


@pytest.mark.parametrize(("name", "of"), [("list", "collection"), ("list_of_type", "type")])
def test_a_page_begins_at_a_seek_and_needs_no_sorting(tables, name, of):
    index = "collection_place" if of == "collection" else "collection_type_place"
    search = "SEARCH collection_objects USING COVERING INDEX"
    assert plan(tables, SQL[name]) == [f"{search} {index} ({of}=? AND place=? AND rowid>?)"]


@pytest.mark.parametrize("name", [name for name, text in SQL.items() if "collection" in text])
def test_no_statement_walks_a_table(tables, name):
    assert [step for step in plan(tables, SQL[name]) if step.startswith("SCAN ") and "json_each" not in step] == [
        step for step in plan(tables, SQL[name]) if step == "SCAN CONSTANT ROW"
    ]


@pytest.mark.parametrize("name", ["last_added", "newest_added", "oldest_and_newest_version"])
def test_the_ends_of_a_list_are_found_by_seeks(tables, name):
    seeks = (
        "SEARCH",
        "CORRELATED SCALAR SUBQUERY",
        "SCALAR SUBQUERY",
        "SCAN json_each",
        "USE TEMP B-TREE FOR ORDER BY",
    )
    steps = plan(tables, SQL[name])
    assert any(step.startswith("SEARCH") for step in steps)
    assert all(step.startswith(seeks) for step in steps)


def test_a_poll_of_a_large_collection_takes_as_many_steps_as_of_a_small_one(tmp_path):
    """Counted in instructions of SQLite's virtual machine, which no busy machine changes."""
    steps = {}
    for count in (100, 20_000):
        with closing(SqliteJournal(SqliteSettings(path=tmp_path / f"{count}.db"))) as journal:
            collections = journal.collections
            kinds = itertools.cycle(["indicator", "sighting", "url"])
            collections.store("iocs", [StixObject(f"x--{n}", next(kinds), None, b"{}") for n in range(count)])
            newest, _ = collections.state("iocs")
            for after in (newest, newest - 50):
                for types in (None, frozenset(["url", "sighting"])):
                    taken = _instructions(collections, Selection(after=after, types=types))
                    steps.setdefault((newest - after, types), []).append(taken)
    assert all(small == large for small, large in steps.values()), steps


def _instructions(collections, selection):
    taken = 0

    def count():
        nonlocal taken
        taken += 1

    with collections._database.read() as db:
        db.set_progress_handler(count, 1)
    collections.objects("iocs", selection, 1000, 10**6)
    with collections._database.read() as db:
        db.set_progress_handler(None, 0)
    return taken


def test_a_store_that_another_process_locks_can_wait_and_then_takes_all(tmp_path):
    path = tmp_path / "journal.db"
    with closing(SqliteJournal(SqliteSettings(path=path, busy_timeout_seconds=0.05))) as journal:
        objects = [StixObject(f"indicator--{n}", "indicator", None, b"{}") for n in range(3)]
        journal.collections.store("iocs", objects[:1])
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Unavailable, match="locked by another process"):
                journal.collections.store("iocs", objects)
            assert len(journal.collections.manifest("iocs", Selection(), 10)[0]) == 1  # readers need not wait
        journal.collections.store("iocs", objects)
        assert len(journal.collections.manifest("iocs", Selection(), 10)[0]) == 3
