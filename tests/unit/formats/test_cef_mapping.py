"""`mappings/cef.yaml`: what its examples become, and that an event can always be made."""

import copy

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapping_examples import CASES, MAPPINGS, conversion

from connector import notification
from connector.formats.cef.format import CefFormat
from connector.mapping import compile_mapping
from connector.model import Refused
from connector.settings import yamldoc

MAPPING = compile_mapping(yamldoc.load(MAPPINGS / "cef.yaml", "cef.yaml"), {"cef": CefFormat()})


def body_of(case):
    return orjson.loads((MAPPINGS / "examples" / "inputs" / f"{case}.json").read_bytes())


def event(body):
    (document,) = MAPPING.render(notification.view(notification.read(body)))
    return document


def assessed(**assessment):
    body = body_of("ip_v4")
    body["attributes"] = {"gti_assessment": assessment}
    return event(body)


@pytest.mark.parametrize("case", CASES)
def test_every_example_becomes_an_event(case):
    result = conversion(MAPPING, case)
    assert result.refusal is None
    assert len(result.messages) == 1


def test_every_expression_finds_a_value_in_some_example():
    traced = MAPPING.traced()
    for case in CASES:
        traced.render(notification.view(notification.read(body_of(case))))
    assert [str(location) for location in traced.without_value()] == []


@pytest.mark.parametrize(
    ("assessment", "severity"),
    [
        ({}, 3),
        ({"severity": {"value": "SEVERITY_NONE"}, "threat_score": {"value": 90}}, 1),
        ({"severity": {"value": "SEVERITY_LOW"}}, 3),
        ({"severity": {"value": "SEVERITY_MEDIUM"}}, 5),
        ({"severity": {"value": "SEVERITY_HIGH"}}, 8),
        ({"severity": {"value": "SEVERITY_NEW"}}, 3),
        ({"severity": {"value": "SEVERITY_NEW"}, "threat_score": {"value": 100}}, 8),
        ({"threat_score": {"value": 40}}, 5),
        ({"threat_score": {"value": 39}}, 3),
        ({"threat_score": {"value": 0}}, 3),
    ],
)
def test_severity_is_that_of_the_assessment_else_of_its_score_else_low(assessment, severity):
    assert assessed(**assessment)["severity"] == severity


def test_a_url_on_an_address_can_be_correlated_by_that_address():
    body = body_of("url_hunting")
    body["attributes"]["url"] = "http://192.0.2.7:8080/a"
    assert event(body)["extension"]["dst"] == "192.0.2.7"
    body["attributes"]["url"] = "http://[2001:db8::7]/a"
    extension = event(body)["extension"]
    assert extension["c6a3"] == "2001:db8::7"
    assert not {"dhost", "dst"} & extension.keys()


@pytest.mark.parametrize("size", [2**31, -1, "big", None, [1]])
def test_a_size_that_cef_cannot_hold_does_not_lose_the_event(size):
    body = body_of("file_hunting")
    body["attributes"]["size"] = size
    assert b"fsize" not in CefFormat().encode(event(body))


@pytest.mark.parametrize("date", [-1, 253402300800, "yesterday", None])
def test_a_date_that_cef_cannot_hold_does_not_lose_the_event(date):
    body = body_of("file_hunting")
    body["attributes"]["first_submission_date"] = date
    assert b"firstSubmission" not in CefFormat().encode(event(body))


def test_a_name_is_without_the_folders_of_either_system():
    body = body_of("file_hunting")
    for name in ("C:\\Users\\a b\\x.exe", "/tmp/x.exe", "x.exe"):
        body["attributes"]["meaningful_name"] = name
        assert event(body)["extension"]["fname"] == "x.exe"


odd_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text()),
    lambda children: st.one_of(
        st.lists(children, max_size=3), st.dictionaries(st.text(max_size=5), children, max_size=3)
    ),
    max_leaves=5,
)


def leaves(value, path=()):
    """Where in a JSON value there is something that could be something else."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield from leaves(child, (*path, key))


@given(data=st.data())
def test_any_odd_notification_becomes_one_line_or_is_rejected_in_one_sentence(data):
    body = copy.deepcopy(body_of(data.draw(st.sampled_from(CASES))))
    for _ in range(data.draw(st.integers(1, 4))):
        *above, last = data.draw(st.sampled_from(list(leaves(body))))
        holder = body
        for key in above:
            holder = holder[key]
        holder[last] = data.draw(odd_json)
    try:
        line = CefFormat().encode(event(body)).decode()
    except Refused as refusal:
        line = str(refusal)
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("case", CASES)
@given(text=st.text(st.characters(exclude_categories=[])))
def test_no_text_however_dirty_loses_an_event(case, text):
    def dirty(value):
        if isinstance(value, dict):
            return {key: dirty(child) for key, child in value.items()}
        if isinstance(value, list):
            return [dirty(child) for child in value]
        return value + text if isinstance(value, str) else value

    body = body_of(case)
    shape = body["type"]
    dirtied = dirty(body) | {"type": shape}
    CefFormat().encode(event(dirtied))
