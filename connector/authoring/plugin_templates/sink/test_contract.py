"""The sink is held to the contract of the connector, and delivers in a run of it."""

import json
from contextlib import contextmanager

from iocstream_new_name import NewNameSettings, NewNameSink

from connector import load, run
from connector.contract import OfferContract, SinkContract
from connector.plugin import Message


class TestOffer(OfferContract):
    group = "sinks"
    name = "new_name"
    options = {"path": "out"}


class File:
    """What the suite asks of the other side."""

    def __init__(self, folder):
        self.folder = folder / "there"
        self.folder.mkdir()
        self.path = self.folder / "out"

    def sink(self):
        return NewNameSink(NewNameSettings(path=self.path, max_message_bytes=1000))

    def received(self, count):
        return self.path.read_bytes().splitlines() if self.path.exists() else []

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


CONFIGURATION = """
sources: {inbox: {type: file, path: in.jsonl}}
routes: {out: {mapping: json, sink: {type: new_name, path: out}}}
"""
NOTIFICATION = {
    "type": "domain",
    "id": "evil.example",
    "context_attributes": {"notification_id": "1", "notification_date": 1_767_225_600, "origin": "hunting"},
}


def test_a_run_delivers_through_it(tmp_path):
    (tmp_path / "iocstream.yaml").write_text(CONFIGURATION)
    (tmp_path / "in.jsonl").write_text(json.dumps(NOTIFICATION) + "\n")
    parts = run(load(tmp_path / "iocstream.yaml"), once=True)
    assert {part.name: part.state for part in parts} == {"inbox": "done", "out": "done"}
    assert b"evil.example" in (tmp_path / "out").read_bytes()
