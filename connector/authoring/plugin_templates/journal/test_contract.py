"""The journal is held to the contract of the connector, and keeps what a run of it fetched and delivered."""

import json
import time

from iocstream_new_name import NewNameJournal, NewNameSettings

from connector import load, run
from connector.contract import (
    ClaimsContract,
    CollectionsContract,
    EntriesContract,
    JudgementsContract,
    NamedHostsContract,
    OfferContract,
)


class TestOffer(OfferContract):
    group = "journals"
    name = "new_name"
    options = {"path": "journal"}


class Store:
    """What the suite asks of the place that the journal keeps things in."""

    def __init__(self, folder):
        self.path = folder / "journal"

    def open(self, clock=time.time, *, ledger_days=400):
        return NewNameJournal(NewNameSettings(path=self.path, ledger_days=ledger_days), clock=clock)


class OnStore:
    def make_store(self, folder):
        return Store(folder)


class TestEntries(OnStore, EntriesContract):
    pass


class TestClaims(OnStore, ClaimsContract):
    pass


class TestCollections(OnStore, CollectionsContract):
    pass


class TestJudgements(OnStore, JudgementsContract):
    pass


class TestNamedHosts(OnStore, NamedHostsContract):
    pass


CONFIGURATION = """
journal: {type: new_name, path: journal}
sources: {inbox: {type: file, path: in.jsonl}}
routes: {out: {mapping: json, sink: {type: file, path: out}}}
"""
NOTIFICATION = {
    "type": "domain",
    "id": "evil.example",
    "context_attributes": {"notification_id": "1", "notification_date": 1_767_225_600, "origin": "hunting"},
}


def test_a_run_fetches_and_delivers_once(tmp_path):
    (tmp_path / "iocstream.yaml").write_text(CONFIGURATION)
    (tmp_path / "in.jsonl").write_text(json.dumps(NOTIFICATION) + "\n")
    for _ in range(2):
        parts = run(load(tmp_path / "iocstream.yaml"), once=True)
        assert {part.name: part.state for part in parts} == {"inbox": "done", "out": "done"}
    assert len((tmp_path / "out").read_bytes().splitlines()) == 1
    assert (tmp_path / "journal").exists()
