from contextlib import closing

import orjson
import pytest

from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Message, Selection
from connector.sinks.collection import CollectionSettings, CollectionSink

VERSION = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def collections(tmp_path):
    with closing(SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"))) as journal:
        yield journal.collections


@pytest.fixture
def sink(collections):
    return CollectionSink(CollectionSettings(name="iocs"), collections)


def message(document, dependency_level=1):
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return Message(1, "id", body, 1_767_225_600, None, dependency_level)


def indicator(name="1", **properties):
    return {"type": "indicator", "id": f"indicator--{name}", "modified": VERSION, **properties}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"CEF:0|", "not JSON"),
        (b"\xff", "not JSON"),
        (b"", "not JSON"),
        ([], "not a JSON object"),
        ({"type": "indicator"}, "no id"),
        ({"id": "indicator--1"}, "no type"),
        (indicator(type=""), "no type"),
        (indicator(type=7), "no type"),
        (indicator(spec_version="2.0"), "spec_version"),
        (indicator(spec_version=["2.1"]), "spec_version"),
        (indicator(modified=1), "version is not text"),
        (indicator(modified="yesterday"), "not a timestamp"),
    ],
)
def test_what_is_no_stix_object_is_refused_and_the_rest_is_kept(sink, collections, document, reason):
    (refusal,) = sink.send([message(indicator("a")), message(document), message(indicator("b"))])
    assert reason in refusal.reason
    found, _ = collections.objects("iocs", Selection(), 10, 10_000)
    assert [each.id for each in found] == ["indicator--a", "indicator--b"]


def test_other_content_under_a_version_is_refused_and_named(sink):
    sink.send([message(indicator())])
    (refusal,) = sink.send([message(indicator(label="other")), message(indicator("2"))])
    assert refusal.reason == f"the collection iocs has other content under indicator--1 of {VERSION}"


def test_a_revocation_that_is_there_stays_as_it_is_whatever_else_another_says(sink, collections):
    sink.send([message(indicator(revoked=True))])
    assert sink.send([message(indicator(revoked=True, label="other"))]) == []
    (found,), _ = collections.objects("iocs", Selection(), 10, 10_000)
    assert b"other" not in found.body
    assert len(sink.send([message(indicator(label="other"))])) == 1


def test_the_version_is_modified_or_else_created_or_else_when_it_was_added(sink, collections):
    marking = {"type": "marking-definition", "id": "marking-definition--1", "created": "2022-10-01T00:00:00.000Z"}
    both = indicator(created="2025-01-01T00:00:00.000Z")
    sink.send([message(marking), message(both), message({"type": "url", "id": "url--1"})])
    found, _ = collections.manifest("iocs", Selection(), 10)
    assert [each.version for each in found][:2] == ["2022-10-01T00:00:00.000Z", VERSION]
    assert found[2].version.endswith("000Z")


def test_what_others_rest_on_is_kept_first(sink, collections):
    sink.send([message(indicator("late"), dependency_level=2), message(indicator("early"), dependency_level=0)])
    found, _ = collections.manifest("iocs", Selection(), 10)
    assert [each.id for each in found] == ["indicator--early", "indicator--late"]
