"""Checks of whole STIX objects: the short way that most take finds what the long way finds."""

from pathlib import Path

import orjson
import pytest

from connector.formats.stix import schema
from connector.formats.stix.format import _TYPES, StixFormat
from connector.formats.stix.schema import fault_finder
from connector.settings.producer import Producer

EXAMPLES = Path(__file__).parents[3] / "mappings" / "examples" / "stix21"
MOMENT = "2026-03-04T05:06:07.000Z"
LATER = "9999-01-01T00:00:00.000Z"


def stamped(document):
    """As the ledger leaves it, and with the time that `encode` gives to an indicator."""
    if not _TYPES[document["type"]].versioned:
        return document
    since = {"valid_from": "2000-01-01T00:00:00Z"} if document["type"] == "indicator" else {}
    return {**document, **since, "created": MOMENT, "modified": MOMENT}


EXPECTED = [orjson.loads(path.read_bytes()) for path in sorted(EXAMPLES.glob("*.json"))]
FOUND = [stamped(found) for documents in EXPECTED if isinstance(documents, list) for found in documents]
OBJECTS = [*{(found["type"], *found): found for found in FOUND}.values(), *StixFormat(Producer()).shared_documents()]
"""One of each outline, all valid."""
VALUES = [None, "", "x", [], ["x"], {}, {"x": "y"}, True, 1, 1.0, -1, LATER, "0001-01-01T00:00:00Z", ["x", None]]


def variants(document):
    """The document with a property taken away, added, or saying something else."""
    for name in document:
        if name != "type":
            yield {key: value for key, value in document.items() if key != name}
            for value in VALUES:
                yield {**document, name: value}
    for name in ("extra", "revoked", "latitude", "valid_until", "name", "hashes", "spec_version"):
        for value in VALUES:
            yield {**document, name: value}


@pytest.mark.parametrize("document", OBJECTS, ids=lambda document: f"{document['type']}-{len(document)}")
def test_what_is_settled_by_the_names_of_properties_hides_no_fault(document, monkeypatch):
    object_type = _TYPES[document["type"]]
    assert fault_finder(object_type)(document) is None
    short = [fault_finder(object_type)(variant) for variant in variants(document)]
    monkeypatch.setattr(schema, "_outline", lambda *_: schema._INVALID)
    long = [fault_finder(object_type)(variant) for variant in variants(document)]
    assert short == long
    assert any(short)


def test_a_list_that_was_right_is_looked_at_again_when_it_has_changed():
    document = next(found for found in OBJECTS if found["type"] == "indicator")
    markings = ["marking-definition--00000000-0000-4000-8000-000000000000"]
    document = {**document, "object_marking_refs": markings}
    assert fault_finder(_TYPES["indicator"])(document) is None
    markings.append("marking-definition--x")
    fault = fault_finder(_TYPES["indicator"])(document)
    assert fault is not None
    assert fault.path == "object_marking_refs[1]"
