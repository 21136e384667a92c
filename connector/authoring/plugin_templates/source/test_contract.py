"""The source is held to the contract of the connector, and is read in a run of it."""

import json
from contextlib import contextmanager

from iocstream_new_name import NewNameSettings, NewNameSource

from connector import load, run
from connector.contract import OfferContract, SourceContract


class TestOffer(OfferContract):
    group = "sources"
    name = "new_name"
    options = {"path": "in.jsonl"}


class File:
    """What the suite asks of the place that notifications come from."""

    def __init__(self, folder):
        self.path = folder / "in.jsonl"
        self.path.touch()
        self.is_failing = False

    def open(self):
        path = self.path.with_name("nowhere") if self.is_failing else self.path
        self.is_failing = False
        return NewNameSource(NewNameSettings(path=path))

    def add(self, bodies):
        with self.path.open("a") as file:
            file.writelines(json.dumps(body) + "\n" for body in bodies)

    def fail(self):
        self.is_failing = True


class TestSource(SourceContract):
    @contextmanager
    def feeding(self, folder):
        yield File(folder)


CONFIGURATION = """
sources: {inbox: {type: new_name, path: in.jsonl}}
routes: {out: {mapping: json, sink: {type: file, path: out}}}
"""
NOTIFICATION = {
    "type": "domain",
    "id": "evil.example",
    "context_attributes": {"notification_id": "1", "notification_date": 1_767_225_600, "origin": "hunting"},
}


def test_a_run_reads_it_and_steps_over_what_it_cannot_read(tmp_path):
    (tmp_path / "iocstream.yaml").write_text(CONFIGURATION)
    (tmp_path / "in.jsonl").write_text("{\n" + json.dumps(NOTIFICATION) + "\n")
    source, route = run(load(tmp_path / "iocstream.yaml"), once=True)
    assert (source.state, source.fetched, source.unreadable) == ("done", 1, 1)
    assert (route.state, route.delivered) == ("done", 1)
    assert b"evil.example" in (tmp_path / "out").read_bytes()
