"""What `Format` of `connector.ports` promises, and `Finalizing` and `ObjectFormat` of the formats that have them."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.formats.cef.format import CefFormat
from connector.formats.json import JsonFormat
from connector.formats.leef import LeefFormat
from connector.formats.stix.format import StixFormat
from connector.kinds import FORMATS
from connector.model import Document, Refused
from connector.pipeline.versions import Ledger
from connector.ports import Finalizing, Format, ObjectFormat
from connector.settings.producer import Producer
from connector.values.identifiers import stix_id


@dataclass(frozen=True)
class Kind:
    """A format, and how to make documents of it.

    Attributes:
        document: a document as a mapping makes it, with some text in it.
        broken: what the format must refuse.
    """

    make: Callable[[], Format]
    document: Callable[[str], Document]
    broken: Document


def _event(text: str) -> Document:
    return {
        "deviceVendor": "VirusTotal",
        "deviceProduct": "IoC-Stream",
        "deviceVersion": "1",
        "deviceEventClassId": "hunting",
        "name": "match",
        "severity": 5,
        "extension": {"msg": text},
    }


def _log_event(text: str) -> Document:
    return {
        "vendor": "VirusTotal",
        "product": "IoC Stream",
        "version": "3",
        "eventId": "hunting",
        "attributes": {"sev": 5, "msg": text},
    }


def _indicator(text: str) -> Document:
    return {
        "type": "indicator",
        "id": stix_id("indicator", "x"),
        "description": text,
        "pattern": "[url:value = 'https://example.com/']",
        "pattern_type": "stix",
    }


KINDS = {
    "stix": Kind(lambda: StixFormat(Producer()), _indicator, {**_indicator("x"), "pattern": "x"}),
    "cef": Kind(CefFormat, _event, {**_event("x"), "severity": "very bad"}),
    "leef": Kind(LeefFormat, _log_event, {**_log_event("x"), "attributes": {"sev": 0}}),
    "json": Kind(JsonFormat, lambda text: {"text": text}, {"number": float("inf")}),
}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def output(kind):
    return kind.make()


def finalized(output: Format, document: Document) -> Document:
    return output.finalizer(None)(document) if isinstance(output, Finalizing) else document


def stamped(output: Format, document: Document) -> Document:
    """As a mapping and the pipeline do it before they encode: finalize, identify, stamp."""
    completed = finalized(output, document)
    if not isinstance(output, ObjectFormat):
        return completed
    return Ledger({}).stamp(completed, output.identify(completed), 1, 1_700_000_000)


def encoded(output: Format, document: Document) -> bytes:
    return output.encode(stamped(output, document))


def test_stix_alone_has_objects_and_adds_something_to_each(kind, output):
    assert [isinstance(output, Finalizing), isinstance(output, ObjectFormat)] == [kind is KINDS["stix"]] * 2


def test_the_shared_documents_are_the_same_each_time_and_valid_as_they_are(kind, output):
    if not isinstance(output, ObjectFormat):
        pytest.skip("events rest on nothing")
    assert list(output.shared_documents()) == list(kind.make().shared_documents())
    for document in output.shared_documents():
        identity = output.identify(document)
        assert (identity.id, identity.versioned, identity.dependency_level) == (document["id"], False, 0)
        assert output.encode(document) == kind.make().encode(document)


def test_completing_changes_nothing_that_was_there_and_doing_it_again_changes_nothing(kind, output):
    document = kind.document("text")
    before = copy.deepcopy(document)
    completed = finalized(output, document)
    assert completed.items() >= before.items()
    assert finalized(output, completed) == completed


def test_a_document_has_the_same_identity_in_every_process(kind, output):
    if not isinstance(output, ObjectFormat):
        pytest.skip("events have no identity")
    document, other = kind.document("text"), kind.make()
    assert output.identify(finalized(output, document)) == other.identify(finalized(other, document))


def test_encoding_is_repeatable_and_leaves_the_document_as_it_was(kind, output):
    completed = stamped(output, kind.document("text"))
    before = copy.deepcopy(completed)
    assert output.encode(completed) == output.encode(completed)
    assert completed == before


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(text=st.text(st.characters(exclude_categories=[])))
def test_any_text_becomes_one_line_of_utf_8(kind, text):
    line = encoded(kind.make(), kind.document(text)).decode("utf-8")
    assert "\n" not in line
    assert "\r" not in line


def test_what_breaks_a_rule_is_rejected_in_one_sentence(kind, output):
    with pytest.raises(Refused) as caught:
        encoded(output, kind.broken)
    assert caught.value.by == "format"
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("value", "text"), [("text", "text"), (5, "5"), (1.5, "1.5"), (True, "true")])
def test_a_value_inside_text_is_written_plainly(output, value, text):
    assert output.quote("name", value) == text


@pytest.mark.parametrize("value", [[1], {"a": 1}, float("inf")])
def test_what_is_no_text_cannot_stand_inside_text(output, value):
    with pytest.raises(Refused):
        output.quote("name", value)


def test_every_format_is_held_to_the_contract():
    assert set(KINDS) == set(FORMATS)
