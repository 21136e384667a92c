"""The plugin is held to the contract of the connector, and delivers in a run of it."""

import json
import sqlite3
from contextlib import closing, contextmanager

import pytest
from iocstream_sqlite.sink import SqliteSettings, SqliteSink

from connector import load, run
from connector.contract import FunctionContract, OfferContract, SinkContract
from connector.plugin import Message, Misconfigured


class TestOfferOfTheSink(OfferContract):
    group = "sinks"
    name = "sqlite"
    options = {"path": "iocs.db"}


class TestOfferOfTheFunction(OfferContract):
    group = "functions"
    name = "defang"


class TestFunction(FunctionContract):
    name = "defang"


def rows(path):
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT body FROM messages ORDER BY number").fetchall()


class File:
    """What the suite asks of the other side of the sink."""

    def __init__(self, folder):
        self.folder = folder / "there"
        self.folder.mkdir()
        self.path = self.folder / "iocs.db"

    def sink(self):
        return SqliteSink(SqliteSettings(path=self.path, max_message_bytes=1000, timeout_seconds=0.1))

    def received(self, count):
        return [body for (body,) in rows(self.path)] if self.path.exists() else []

    @contextmanager
    def outage(self):
        away = self.folder.rename(self.folder.with_name("away"))
        yield
        away.rename(self.folder)

    def refused(self):
        return Message(1, "too-long", b"x" * 1001, 1_767_225_600)


class TestSink(SinkContract):
    @contextmanager
    def receiving(self, folder):
        yield File(folder)

    def test_what_is_sent_twice_is_there_once(self, receiver, sink):
        message = Message(1, "a", b"{}", 1_767_225_600)
        sink.send([message])
        sink.send([message, message])
        assert receiver.received(1) == [b"{}"]

    def test_a_file_of_another_kind_is_for_a_person(self, receiver, sink):
        receiver.path.write_bytes(b"no database" * 100)
        with pytest.raises(Misconfigured, match="set `path` to another file"):
            sink.check()


CONFIGURATION = """
sources: {inbox: {type: file, path: in.jsonl}}
routes: {out: {mapping: mine.yaml, sink: {type: sqlite, path: iocs.db}}}
"""
MAPPING = """
format: json
emit:
  event:
    shown: ${{ defang(entity_value) }}
"""
NOTIFICATION = {
    "type": "domain",
    "id": "evil.example",
    "context_attributes": {"notification_id": "1", "notification_date": 1_767_225_600, "origin": "hunting"},
}


def test_a_run_delivers_through_it(tmp_path):
    (tmp_path / "iocstream.yaml").write_text(CONFIGURATION)
    (tmp_path / "mine.yaml").write_text(MAPPING)
    (tmp_path / "in.jsonl").write_text(json.dumps(NOTIFICATION) + "\n")
    parts = run(load(tmp_path / "iocstream.yaml"), once=True)
    assert {part.name: part.state for part in parts} == {"inbox": "done", "out": "done"}
    assert rows(tmp_path / "iocs.db") == [(b'{"shown":"evil[.]example"}',)]
