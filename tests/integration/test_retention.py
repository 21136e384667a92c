"""What a collection keeps and what it forgets, by runs of the program that are days and years apart."""

import copy
import json
import sqlite3
import time
from collections import Counter
from contextlib import closing

import pytest
from integration.command import iocstream_here
from integration.taxii_server import serving
from integration.test_changed_configuration import ITEMS, dangling, save

from connector.journals.sqlite.database import Connection
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Selection

DAY = 86_400
EXPIRED = 430
"""Days after which the indicators of the mapping are valid no more, and ids of notifications are forgotten."""
OLD = ITEMS[:40]
LATER = [item for item in ITEMS[40:] if item["id"] not in {each["id"] for each in OLD}]


class Clock:
    """The time of the program and of its journal: the true one, some days on."""

    def __init__(self):
        self.began, self.days = int(time.time()), 0

    def __call__(self, now=time.time):
        return now() + self.days * DAY


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    monkeypatch.setitem(SqliteJournal.__init__.__kwdefaults__, "clock", clock)
    return clock


def configure(folder, options=""):
    (folder / "iocstream.yaml").write_text(
        "sources:\n  saved: {type: file, path: saved.jsonl}\njournal: {path: served.db, retention_days: 8}\n"
        f"routes:\n  objects: {{mapping: stix21, sink: {{type: collection, name: iocs{options}}}}}\n"
    )


def run(folder, clock, day, items, raised=None):
    """A run on a day, for which notifications have been saved that were raised on it, or on another."""
    clock.days = day
    save(folder, [_raised(item, clock.began + (day if raised is None else raised) * DAY) for item in items])
    done = iocstream_here("run", "--once", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def _raised(item, at):
    item = copy.deepcopy(item)
    item["context_attributes"]["notification_date"] = at
    return item


def collected(folder):
    """The objects of the collection, by id and version."""
    with closing(SqliteJournal(SqliteSettings(path=folder / "served.db"))) as journal:
        found, is_more = journal.collections.objects("iocs", Selection(every=True), 100_000, 10**9)
    assert not is_more
    return {(each.id, each.version): json.loads(each.body) for each in found}


def recorded(folder):
    """How many versions of each object the ledger of the collection has."""
    with closing(sqlite3.connect(folder / "served.db", factory=Connection)) as db:
        return Counter(each for (each,) in db.execute("SELECT unpacked_id(object_id) FROM versions"))


def rest(server, page):
    """The objects of the pages after this one."""
    while page.get("more"):
        page = server.ask(match_version="all", limit=50, next=page["next"])
        yield from page["objects"]


def versions(objects):
    return Counter(each for each, _ in objects)


def test_without_keep_days_everything_stays_and_what_is_said_again_gets_no_other_version(tmp_path, clock):
    configure(tmp_path)
    run(tmp_path, clock, 0, OLD)
    before = collected(tmp_path)
    run(tmp_path, clock, EXPIRED, LATER)
    after = collected(tmp_path)
    assert before.items() < after.items()
    assert recorded(tmp_path).keys() == versions(after).keys()
    run(tmp_path, clock, EXPIRED + 1, OLD, raised=0)  # their ids are forgotten, so they are delivered again
    assert collected(tmp_path) == after


def test_with_keep_days_what_is_valid_no_more_leaves_the_collection_and_its_ledger_together(tmp_path, clock):
    configure(tmp_path, ", keep_days: 8")
    run(tmp_path, clock, 0, OLD)
    before = collected(tmp_path)
    assert recorded(tmp_path) == versions(before)
    run(tmp_path, clock, EXPIRED, LATER)
    after = collected(tmp_path)
    assert recorded(tmp_path) == versions(after)
    assert not dangling(after.values())
    assert not {each for each, _ in before.keys() & after.keys() if each.startswith(("indicator", "sighting"))}
    assert len([each for each, _ in after if each.startswith("indicator")]) == len(LATER)


def test_what_has_left_a_collection_is_added_once_when_it_is_said_again(tmp_path, clock):
    configure(tmp_path, ", keep_days: 8")
    run(tmp_path, clock, 0, OLD)
    before = collected(tmp_path)
    run(tmp_path, clock, EXPIRED, LATER)
    kept = collected(tmp_path)
    run(tmp_path, clock, EXPIRED + 1, OLD, raised=0)
    again = collected(tmp_path)
    assert versions(again) == versions(before) | versions(kept)
    assert recorded(tmp_path) == versions(again)
    assert not dangling(again.values())


def test_a_reader_who_is_half_way_when_objects_are_forgotten_gets_the_rest_and_nothing_twice(tmp_path, clock):
    with serving(tmp_path) as server:
        configure(tmp_path, ", keep_days: 8")
        run(tmp_path, clock, 0, OLD)
        begun = collected(tmp_path)
        first = server.ask(match_version="all", limit=50)
        run(tmp_path, clock, EXPIRED, LATER)
        left = collected(tmp_path)
        assert begun.keys() - left.keys()
        read = [*first["objects"], *rest(server, first)]
        anew = server.ask(match_version="all", limit=1000)
    assert max(Counter((each["id"], each.get("modified")) for each in read).values()) == 1
    assert {each["id"] for each in read} >= versions(left).keys()
    assert len(read) < len(begun.keys() | left.keys())  # what was forgotten before it was read is not there
    assert not dangling(read)
    assert len(anew["objects"]) == len(left)
    assert not dangling(anew["objects"])
