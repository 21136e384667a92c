"""`mappings/cef.yaml`: what its examples become, and that an event can always be made."""

import copy
import hashlib

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
    ("verdict", "severity", "score", "expected"),
    [
        ("MALICIOUS", "NONE", 90, 1),
        ("MALICIOUS", "LOW", None, 3),
        ("MALICIOUS", "MEDIUM", None, 5),
        ("MALICIOUS", "HIGH", 30, 8),
        ("MALICIOUS", "NEW", 100, 8),
        ("MALICIOUS", "NEW", None, 5),
        ("MALICIOUS", None, 80, 8),
        ("MALICIOUS", None, 40, 5),
        ("MALICIOUS", None, 39, 3),
        ("SUSPICIOUS", "HIGH", 100, 5),
        ("SUSPICIOUS", "MEDIUM", None, 5),
        ("SUSPICIOUS", "LOW", 90, 3),
        ("SUSPICIOUS", None, 100, 5),
        ("SUSPICIOUS", None, 39, 3),
        ("UNDETECTED", "HIGH", 100, 3),
        ("UNDETECTED", "NONE", 1, 1),
        ("UNKNOWN", None, 100, 3),
        ("BENIGN", "HIGH", 100, 1),
        (None, "HIGH", 100, 3),
        (None, "NONE", None, 1),
        (None, None, None, 3),
    ],
)
def test_severity_is_never_above_what_the_verdict_supports(verdict, severity, score, expected):
    said = {}
    if verdict:
        said["verdict"] = {"value": f"VERDICT_{verdict}"}
    if severity:
        said["severity"] = {"value": f"SEVERITY_{severity}"}
    if score is not None:
        said["threat_score"] = {"value": score}
    assert assessed(**said)["severity"] == expected


def test_a_url_on_an_address_can_be_correlated_by_that_address():
    body = body_of("url_hunting")
    body["attributes"]["url"] = "http://192.0.2.7:8080/a"
    assert event(body)["extension"]["dst"] == "192.0.2.7"
    body["attributes"]["url"] = "http://[2001:db8::7]/a"
    extension = event(body)["extension"]
    assert extension["c6a3"] == "2001:db8::7"
    assert not {"dhost", "dst"} & extension.keys()


LONG_URL = "https://example.com/?" + "a" * 1100


def test_a_url_that_cef_cannot_hold_is_named_by_its_id_and_by_its_marked_beginning():
    body = body_of("url_hunting")
    body["attributes"]["url"] = LONG_URL
    extension = event(body)["extension"]
    assert "request" not in extension
    assert extension["VirusTotalIoCStreamEntityId"] == body["id"]
    assert extension["VirusTotalIoCStreamUrlBeginning"] == LONG_URL[:999] + "…"
    assert extension["dhost"] == "example.com"


def test_the_id_of_a_long_url_is_its_sha_256_even_if_virustotal_gives_the_url_itself():
    body = body_of("url_raw_id")
    body["id"] = LONG_URL
    assert event(body)["extension"]["VirusTotalIoCStreamEntityId"] == hashlib.sha256(LONG_URL.encode()).hexdigest()


@pytest.mark.parametrize(("pipes", "fits"), [(1, True), (2, False)])
def test_a_url_is_measured_as_it_is_written(pipes, fits):
    body = body_of("url_hunting")
    body["attributes"]["url"] = "https://example.com/?" + "a" * 999 + "|" * pipes
    line = CefFormat().encode(event(body))
    assert (b" request=" in line) == fits
    assert (b" VirusTotalIoCStreamEntityId=" in line) != fits


@pytest.mark.parametrize(
    ("address", "keys"),
    [
        ("198.51.100.7", {"dst": "198.51.100.7"}),
        ("198.51.100.7:8080", {"dst": "198.51.100.7", "dpt": 8080}),
        ("[2001:DB8::7]:443", {"c6a3": "2001:db8::7", "dpt": 443}),
        ("2001:db8::7%eth0", {"c6a3": "2001:db8::7"}),
        ("198.51.100.7/24", {"VirusTotalIoCStreamNetwork": "198.51.100.0/24"}),
        ("198.51.100.7/32", {"dst": "198.51.100.7"}),
        ("01.02.03.04", {"VirusTotalIoCStreamEntityId": "01.02.03.04"}),
        ("198.51.100.7:99999", {"VirusTotalIoCStreamEntityId": "198.51.100.7:99999"}),
        ("no address", {"VirusTotalIoCStreamEntityId": "no address"}),
    ],
)
def test_an_address_is_in_the_keys_of_what_it_is(address, keys):
    body = body_of("ip_v4") | {"id": address}
    extension = event(body)["extension"]
    found = {"dst", "c6a3", "dpt", "dhost", "VirusTotalIoCStreamNetwork", "VirusTotalIoCStreamEntityId"}
    assert {key: extension[key] for key in found & extension.keys()} == keys


@pytest.mark.parametrize("spelling", ["https://Bücher.example/a", "https://xn--bcher-kva.example/a"])
def test_a_host_has_one_spelling_whether_a_url_or_a_domain(spelling):
    body = body_of("url_hunting")
    body["attributes"]["url"] = spelling
    assert event(body)["extension"]["dhost"] == event(body_of("domain_unicode"))["extension"]["dhost"]


@pytest.mark.parametrize("name", ["no name", "localhost", "01.02.03.04", "198.51.100.7"])
def test_what_is_no_domain_name_is_not_taken_for_one(name):
    extension = event(body_of("domain_hunting") | {"id": name})["extension"]
    assert "dhost" not in extension
    assert extension["VirusTotalIoCStreamEntityId"] == name


def test_every_actor_and_family_is_named_whom_you_follow_first():
    extension = event(body_of("file_explained"))["extension"]
    assert extension["VirusTotalIoCStreamThreatActors"] == "Cobalt Heron, Velvet Anchor"
    assert extension["VirusTotalIoCStreamMalwareFamilies"] == "quillback"
    extension = event(body_of("file_sources_by_name"))["extension"]
    assert extension["threatActor"] == "Cobalt Heron"
    assert extension["VirusTotalIoCStreamThreatActors"] == "Cobalt Heron, Paper Badger"


def test_nobody_is_behind_what_is_benign():
    body = body_of("file_explained")
    body["attributes"]["gti_assessment"]["verdict"]["value"] = "VERDICT_BENIGN"
    assert not {"threatActor", "VirusTotalIoCStreamMalwareFamilies"} & event(body)["extension"].keys()


def test_a_date_may_be_given_in_digits():
    body = body_of("file_hunting")
    body["attributes"]["first_submission_date"] = "1684311125"
    assert b"deviceCustomDate1=1684311125000" in CefFormat().encode(event(body))


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
