"""The mappings that make events of notifications: what their examples become, and that an event can always be made."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis_profiles import share
from malformed_notifications import body_of, dirty, emptied, misshapen
from mapping_examples import CASES, bundled, conversion

from connector import notification
from connector.model import Refused

NAMES = {"leef": "leef", "ecs": "jsonl", "ocsf": "jsonl", "splunk-hec": "jsonl", "udm": "jsonl"}
"""Mapping → what the names of its expected outputs end in."""
REFUSED = {"udm": {"ip_network", "unknown_entity_type", "url_sha256_only"}}
"""Mapping → examples that it cannot say."""


def lines(name, body):
    """What a notification becomes, encoded."""
    mapping = bundled(name)
    return [mapping.format.encode(document) for document in mapping.render(notification.view(notification.read(body)))]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES)
def test_only_what_the_format_cannot_say_is_refused(name, case):
    assert bool(conversion(bundled(name), case).refusal) == (case in REFUSED.get(name, ()))


@pytest.mark.parametrize("name", NAMES)
def test_every_expression_finds_a_value_in_some_example(name):
    traced = bundled(name).traced()
    for case in CASES:
        with contextlib.suppress(Refused):
            traced.render(notification.view(notification.read(body_of(case))))
    assert [str(location) for location in traced.without_value()] == []


@pytest.mark.parametrize("case", CASES)
def test_nothing_that_virustotal_leaves_empty_loses_an_event(case):
    bodies = list(emptied(case))
    for nth, name in enumerate(["cef", *sorted({*NAMES} - REFUSED.keys())]):
        for body in share(bodies, nth):
            assert len(lines(name, body)) == 1, name


@pytest.mark.parametrize("name", NAMES)
@given(body=misshapen())
def test_any_odd_notification_becomes_one_line_or_is_rejected_in_one_sentence(name, body):
    try:
        (line,) = lines(name, body)
    except Refused as refusal:
        line = str(refusal).encode()
    assert not {ord("\n"), ord("\r")} & set(line)


@pytest.mark.parametrize("name", sorted(NAMES.keys() - REFUSED.keys()))
@given(body=dirty())
def test_no_text_however_dirty_loses_an_event(name, body):
    assert len(lines(name, body)) == 1


ALL = ["cef", *sorted(NAMES)]


def documents(name, body):
    """What a notification becomes, before it is encoded; none for what is refused."""
    try:
        return bundled(name).render(notification.view(notification.read(body)))
    except Refused:
        return []


def values(value):
    """Every value in a document, at any depth."""
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return [value] if children is None else [inner for child in children for inner in values(child)]


@pytest.mark.parametrize("name", ALL)
def test_a_host_has_one_spelling_alone_and_in_a_url(name):
    body = body_of("url_hunting")
    body["attributes"]["url"] = "https://Bücher.Example/a"
    for spelled in (body, body_of("domain_unicode")):
        (document,) = documents(name, spelled)
        assert any("xn--bcher-kva.example" in str(value) for value in values(document))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("198.51.100.7:8080", {"198.51.100.7", 8080}),
        ("[2001:DB8::7]:443", {"2001:db8::7", 443}),
        ("2001:db8::7%eth0", {"2001:db8::7"}),
        ("198.51.100.7/32", {"198.51.100.7"}),
    ],
)
def test_an_address_with_something_behind_it_is_that_address(name, address, found):
    (document,) = documents(name, body_of("ip_v4") | {"id": address})
    assert found <= set(values(document))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("address", ["01.02.03.04", "198.51.100.0/24", "no address"])
def test_what_is_no_address_is_not_said_to_be_one(name, address):
    for document in documents(name, body_of("ip_v4") | {"id": address}):
        extension = document.get("extension", {}) | document.get("attributes", {}) | document.get("event", {})
        assert not {"dst", "dhost", "hostName", "c6a3", "dest"} & extension.keys()
        assert "related" not in document
        assert "dst_endpoint" not in document.get("evidences", [{}])[0]


@pytest.mark.parametrize("name", ALL)
def test_what_no_engine_detects_is_neither_severe_nor_sure(name):
    (document,) = documents(name, body_of("file_undetected"))
    said = set(map(str, values({key: part for key, part in document.items() if key != "virustotal"})))
    assert document.get("severity", 3) == 3 or name == "ocsf"
    assert not {"High", "high", "HIGH", "HIGH_CONFIDENCE", "MEDIUM_CONFIDENCE", "Medium"} & said


LEVELS = {
    **dict.fromkeys(["High", "high", "HIGH", "HIGH_CONFIDENCE"], 3),
    **dict.fromkeys(["Medium", "medium", "MEDIUM", "MEDIUM_CONFIDENCE"], 2),
    **dict.fromkeys(["Low", "low", "LOW", "LOW_CONFIDENCE"], 1),
}
CONFIDENT = ["ecs", "ocsf", "udm"]


def labelled(confidence, **assessment):
    body = body_of("domain_labelled")
    body["guard"]["confidence"] = confidence
    body["attributes"]["gti_assessment"] |= {key: {"value": value} for key, value in assessment.items()}
    return body


@pytest.mark.parametrize("name", ALL)
def test_what_a_list_labels_is_not_severe_and_the_event_names_the_list(name):
    body = labelled(20)
    (guarded,) = documents(name, body)
    (plain,) = documents(name, {key: value for key, value in body.items() if key != "guard"})
    assert "tranco10k" in values(guarded)
    assert "tranco10k" not in values(plain)
    assert (severity_of(guarded), severity_of(plain)) == (1, 3)


def severity_of(document):
    """What an event says of its severity: 1 low, 2 medium, 3 high."""
    extension = document.get("attributes", document.get("event", document))
    if "metadata" in document and "threat" in document["metadata"]:
        said = document["metadata"]["threat"][0]["severity"]
    else:
        said = extension.get("sev", extension.get("severity", document.get("severity")))
    return LEVELS[said] if isinstance(said, str) else 3 if said >= 7 else 2 if said >= 4 else 1


@pytest.mark.parametrize("name", CONFIDENT)
@pytest.mark.parametrize(("most", "level"), [(10, 1), (29, 1), (30, 2), (69, 2), (70, 3), (100, 3)])
def test_the_list_says_how_sure_an_event_may_be(name, most, level):
    (document,) = documents(name, labelled(most, threat_score=90))
    threat = document.get("metadata", {}).get("threat", [{}])[0]
    indicator = document.get("threat", {}).get("indicator", {}) if name == "ecs" else {}
    said = threat.get("confidence") or indicator.get("confidence") or document.get("confidence")
    assert LEVELS[said] == level


@pytest.mark.parametrize("name", ALL)
def test_what_is_benign_stays_the_least_severe_though_a_list_labels_it(name):
    body = labelled(20, verdict="VERDICT_BENIGN")
    (guarded,) = documents(name, body)
    (plain,) = documents(name, {key: value for key, value in body.items() if key != "guard"})
    assert without(guarded) == without(plain)


def without(document):
    """Every value of an event but what it says of the list."""
    return [each for each in values(document) if each not in ("tranco10k", "guarded_by")]


@pytest.mark.parametrize("name", ALL)
def test_text_that_deceives_is_in_no_event(name):
    body = body_of("dirty_text")
    assert "\u202e" in body["attributes"]["meaningful_name"]
    for line in lines(name, body):
        assert "\u202e" not in line.decode()


@pytest.mark.parametrize("name", ALL)
def test_a_rule_and_a_ruleset_may_be_called_by_a_number(name):
    body = body_of("file_hunting")
    body["context_attributes"]["hunting_info"]["rule_name"] = 2024
    body["context_attributes"]["sources"][0]["label"] = 2025
    (line,) = lines(name, body)
    assert {b"2024", b"2025"} <= set(re.findall(rb"\d{4,}", line))


def test_a_url_that_leef_cannot_hold_is_named_by_its_id_and_by_its_marked_beginning():
    body = body_of("url_hunting")
    body["attributes"]["url"] = url = "https://example.com/?" + "a" * 2000
    attributes = documents("leef", body)[0]["attributes"]
    assert "url" not in attributes
    assert attributes["entityId"] == body["id"]
    assert attributes["urlBeginning"] == url[:999] + "…"


@pytest.mark.parametrize(("quotes", "fits"), [(1, True), (2, False)])
def test_leef_measures_a_url_as_it_is_written(quotes, fits):
    body = body_of("url_hunting")
    body["attributes"]["url"] = "https://example.com/?" + "a" * 1976 + "'" * quotes
    (line,) = lines("leef", body)
    assert (b"^url=" in line, b"^urlBeginning=" in line) == (fits, not fits)


MALICIOUS = {"verdict": {"value": "VERDICT_MALICIOUS"}, "threat_score": {"value": 90}}


def matched(kind, value, attributes, **context):
    """A notification of a match of a rule."""
    return {
        "type": kind,
        "id": value,
        "attributes": {"gti_assessment": MALICIOUS, **attributes},
        "context_attributes": {
            "notification_id": "1",
            "notification_date": 1759890000,
            "origin": "hunting",
            "hunting_info": {"rule_name": "r"},
            **context,
        },
    }


def said(name, body):
    (document,) = documents(name, body)
    return [str(value) for value in values(document)]


@pytest.mark.parametrize("name", ALL)
def test_an_actor_that_only_one_of_the_lists_of_the_attribution_names_is_named(name):
    attribution = {"threat_actors": ["APT1", "APT2"], "detailed_threat_actors": [{"id": "x", "name": "APT1"}]}
    found = said(name, matched("domain", "h.example.com", {"attribution": attribution}))
    assert any("APT2" in value for value in found)
    assert not any("APT1, APT1" in value for value in found)


@pytest.mark.parametrize("name", ALL)
def test_an_actor_that_a_source_of_a_rule_match_names_is_named(name):
    source = {"id": "threat-actor--22222222-2222-4222-8222-222222222222", "type": "collection", "label": "Bad Bear"}
    found = said(name, matched("domain", "h.example.com", {}, sources=[source]))
    assert "Bad Bear" in found
    assert name != "cef" or found.count("Bad Bear") > 1  # the label of the source is there in any case


@pytest.mark.parametrize("name", ALL)
def test_hashes_are_in_lower_case(name):
    hashes = {"md5": "D4" * 16, "sha1": "DA" * 20, "pe_info": {"imphash": "F3" * 16}}
    found = said(name, matched("file", "cd" * 32, hashes))
    assert {"d4" * 16, "da" * 20, "f3" * 16} <= {*found}


@pytest.mark.parametrize("name", ALL)
def test_techniques_of_what_is_benign_are_not_told(name):
    techniques = [{"id": "T1059", "name": "Scripting", "tactics": [{"id": "TA0002", "name": "Execution"}]}]
    benign = {"verdict": {"value": "VERDICT_BENIGN"}}
    assert any("T1059" in value for value in said(name, matched("file", "cd" * 32, {"techniques": techniques})))
    body = matched("file", "cd" * 32, {"techniques": techniques, "gti_assessment": benign})
    assert not any("T1059" in value or "MITRE" in value for value in said(name, body))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("address", ["198.51.100.7:99999", "198.51.100.7/x"])
def test_what_is_no_address_with_a_port_is_the_id_of_the_entity_alone(name, address):
    made = documents(name, matched("ip_address", address, {}))
    assert "198.51.100.7" not in [value for document in made for value in values(document)]
    assert bool(made) == (name != "udm")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("score", [101, 4711, -1, 75.9])
def test_a_score_that_is_no_whole_number_up_to_100_is_left_out(name, score):
    body = matched("domain", "h.example.com", {"gti_assessment": {**MALICIOUS, "threat_score": {"value": score}}})
    (document,) = documents(name, body)
    assert score not in values(document)


SHA256_KEYS = {"sha256", "file_hash", "fileHash"}


def members(value):
    """Every name with its value in a document, at any depth."""
    if isinstance(value, dict):
        return [*value.items(), *(inner for child in value.values() for inner in members(child))]
    return [inner for child in value for inner in members(child)] if isinstance(value, list) else []


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("identifier", ["d4" * 16, "da" * 20, "zz" * 32])
def test_what_is_no_sha_256_is_never_sent_as_one(name, identifier):
    made = documents(name, matched("file", identifier, {}))
    for document in made:
        assert not [key for key, value in members(document) if key in SHA256_KEYS and value]
        assert "SHA-256" not in values(document)
        assert identifier in values(document)
    assert bool(made) == (name != "udm" or identifier != "zz" * 32)


def assessed(verdict, score=None, kind="domain", **more):
    value = "h.example.com" if kind == "domain" else "cd" * 32
    assessment = {"verdict": {"value": verdict}, "threat_score": {"value": score}}
    return matched(kind, value, {"gti_assessment": assessment, **more})


@pytest.mark.parametrize(
    ("body", "is_indicator"),
    [
        (assessed("VERDICT_BENIGN", 0), False),
        (assessed("VERDICT_BENIGN", 90), False),
        (assessed("VERDICT_UNDETECTED"), False),
        (assessed("VERDICT_UNDETECTED", 29), False),
        (assessed("VERDICT_UNDETECTED", 1) | {"judgement": {"verdict": "true_positive", "of": "observable"}}, True),
        (assessed("VERDICT_UNDETECTED", 30), True),
        (assessed("VERDICT_UNKNOWN"), True),
        (assessed("VERDICT_SUSPICIOUS", 1), True),
        (assessed("VERDICT_MALICIOUS", 1), True),
        (matched("domain", "h.example.com", {"gti_assessment": None}), True),
    ],
)
def test_what_is_harmless_is_no_indicator_of_ecs_and_udm_and_no_claim(body, is_indicator):
    (ecs,) = documents("ecs", body)
    (udm,) = documents("udm", body)
    assert (ecs["event"].get("category"), ecs["event"].get("type"), ecs["event"]["kind"]) == (
        (["threat"], ["indicator"], "enrichment") if is_indicator else (None, None, "event")
    )
    interval = udm["metadata"]["interval"]
    assert (interval["end_time"] > interval["start_time"]) == is_indicator
    for name in ("ecs", "udm"):
        assert bundled(name).rendering(notification.view(notification.read(body))).claims == is_indicator


def test_what_is_benign_is_no_alert_of_splunk():
    for verdict, kind in (("VERDICT_BENIGN", "event"), ("VERDICT_UNDETECTED", "alert"), ("VERDICT_MALICIOUS", "alert")):
        assert documents("splunk-hec", assessed(verdict))[0]["event"]["type"] == kind


@pytest.mark.parametrize("name", ALL)
def test_what_engines_call_it_is_not_told_of_what_is_benign(name):
    label = {"popular_threat_classification": {"suggested_threat_label": "trojan.quillback"}}
    assert any("trojan.quillback" in value for value in said(name, assessed("VERDICT_SUSPICIOUS", **label)))
    assert not any("quillback" in value for value in said(name, assessed("VERDICT_BENIGN", **label)))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("engines", "severity"), [(20, 2), (10, 2), (9, 1), (1, 1)])
def test_where_virustotal_gives_no_verdict_the_engines_do_as_in_stix(name, engines, severity):
    stats = {"malicious": engines, "suspicious": 0, "undetected": 40, "harmless": 0}
    (document,) = documents(
        name, matched("domain", "h.example.com", {"gti_assessment": None, "last_analysis_stats": stats})
    )
    assert severity_of(document) == severity
    assert "malicious" not in values(document), "that would be VirusTotal's own verdict"


OF_TENANT = {
    "ecs": lambda document: [document["event"]["id"]],
    "ocsf": lambda document: [
        document["metadata"]["uid"],
        document["finding_info"]["uid"],
        document["metadata"]["correlation_uid"],
    ],
    "udm": lambda document: [document["metadata"]["threat"][0]["threat_id"]],
    "splunk-hec": lambda document: [document["event"]["id"]],
}


@pytest.mark.parametrize(("name", "ids"), OF_TENANT.items())
def test_a_notification_of_two_tenants_is_two_events_and_each_names_the_id_of_virustotal(name, ids):
    body = matched("domain", "h.example.com", {}, notification_id="777")
    (alone,), (acme,), (beta,) = (
        documents(name, body | {"source": {"name": "a", "labels": labels}})
        for labels in ({}, {"tenant": "acme"}, {"tenant": "beta"})
    )
    for each, mine, others in zip(ids(alone), ids(acme), ids(beta), strict=True):
        assert (mine, others) == (f"acme:{each}", f"beta:{each}")
    assert all("777" in values(document) for document in (alone, acme, beta))


def test_a_url_that_nobody_could_go_to_is_no_url_of_ocsf():
    body = body_of("url_hunting")
    body["attributes"]["url"] = "http://01.02.03.04/x"
    (document,) = documents("ocsf", body)
    assert [(each["type_id"], each["type"]) for each in document["observables"]] == [(99, "VirusTotal url identifier")]
    assert document["osint"][0]["type"] == "VirusTotal url identifier"


@pytest.mark.parametrize("name", ALL)
def test_controls_and_separators_of_lines_are_in_no_event(name):
    body = body_of("file_hunting")
    body["context_attributes"]["hunting_info"]["rule_name"] = "a\u0007b\u2028c\u001bd\u0085e"
    (line,) = lines(name, body)
    assert not re.search(rb"\\u00[01]|\xe2\x80\xa8|[\x00-\x1f]\w|\x7f|\xc2\x85", line.replace(b"\t", b""))
