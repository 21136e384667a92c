"""Which change of a STIX object is news: of an Indicator neither prose nor numbers that jitter, of others all."""

import pytest

from connector.formats.stix.meaning import meaning
from connector.formats.stix.shared_objects import EXTENSION_ID
from connector.values.news import is_news

OPENCTI = "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba"
INDICATOR = {
    "type": "indicator",
    "id": "indicator--1",
    "created_by_ref": "identity--1",
    "object_marking_refs": ["marking-definition--1"],
    "name": "bad.example",
    "description": "Detected by 18 engines",
    "indicator_types": ["malicious-activity"],
    "pattern": "[domain-name:value = 'bad.example']",
    "pattern_type": "stix",
    "confidence": 88,
    "labels": ["c2"],
    "kill_chain_phases": [{"kill_chain_name": "mitre-attack", "phase_name": "command-and-control"}],
    "external_references": [{"source_name": "VirusTotal", "external_id": "bad.example"}],
    "extensions": {
        EXTENSION_ID: {
            "verdict": "VERDICT_MALICIOUS",
            "severity": "SEVERITY_HIGH",
            "threat_score": 88,
            "detections": {"malicious": 18, "undetected": 40},
            "threat_label": "trojan.x/y",
            "sandbox_verdicts": [{"sandbox_name": "Box", "category": "malicious", "confidence": 60}],
        },
        OPENCTI: {"score": 88, "detection": True},
        "extension-definition--2": {"count": 1},
    },
}


def extended(extension=EXTENSION_ID, **changed):
    extensions = INDICATOR["extensions"]
    return {"extensions": {**extensions, extension: {**extensions[extension], **changed}}}


@pytest.mark.parametrize(
    "changed",
    [
        {"confidence": 91},
        {"description": "Detected by 19 engines"},
        {"valid_from": "2026-01-01T00:00:00Z", "valid_until": "2026-02-01T00:00:00Z"},
        extended(threat_score=91),
        extended(detections={"malicious": 21, "undetected": 1, "harmless": 7}),
        extended(sandbox_verdicts=[{"sandbox_name": "Box", "category": "malicious", "confidence": 99}]),
        extended(OPENCTI, score=91),
    ],
)
def test_prose_and_numbers_that_jitter_are_no_news_of_an_indicator(changed):
    assert not is_news(meaning(INDICATOR), meaning({**INDICATOR, **changed}))


@pytest.mark.parametrize(
    "changed",
    [
        {"confidence": 95},
        {"confidence": None},
        {"indicator_types": ["anomalous-activity"]},
        {"pattern": "[domain-name:value = 'worse.example']"},
        {"pattern_version": "2.1"},
        {"name": "The name of an actor"},
        {"labels": ["c2", "guarded:lab"]},
        {"kill_chain_phases": []},
        {"object_marking_refs": ["marking-definition--2"]},
        {"created_by_ref": "identity--2"},
        {"external_references": []},
        {"revoked": True},
        {"extensions": {}},
        extended(verdict="VERDICT_SUSPICIOUS"),
        extended(severity="SEVERITY_LOW"),
        extended(threat_score=95),
        extended(detections={"malicious": 29}),
        extended(threat_label="trojan.z"),
        extended(sandbox_verdicts=[{"sandbox_name": "Box", "category": "harmless", "confidence": 60}]),
        extended(sandbox_verdicts=[]),
        extended(OPENCTI, score=95),
        extended(OPENCTI, detection=False),
        extended("extension-definition--2", count=2),
    ],
)
def test_whatever_else_an_indicator_says_is_news(changed):
    assert is_news(meaning(INDICATOR), meaning({**INDICATOR, **changed}))


def test_how_sure_an_indicator_without_extensions_is_may_be_news():
    bare = {name: value for name, value in INDICATOR.items() if name != "extensions"}
    assert not is_news(meaning(bare), meaning({**bare, "confidence": 91}))
    assert is_news(meaning(bare), meaning({**bare, "confidence": 98}))


def test_by_which_id_virustotal_knows_a_url_is_no_news():
    url = {**INDICATOR, "pattern": "[url:value = 'http://bad.example/']"}
    assert not is_news(meaning(url), meaning({**url, "external_references": []}))


def test_what_its_submitters_call_a_file_is_no_news():
    file = {**INDICATOR, "pattern": f"[file:hashes.'SHA-256' = '{'ab' * 32}']"}
    assert not is_news(meaning(file), meaning({**file, "name": "another.exe"}))


@pytest.mark.parametrize(
    "document",
    [
        {"type": "indicator", "pattern_type": "yara", "pattern": "rule a {}", "name": "The name of a ruleset"},
        {"type": "threat-actor", "name": "Paper Badger", "description": "A group."},
        {"type": "sighting", "count": 1},
    ],
)
def test_of_rules_actors_and_all_other_objects_everything_is_news(document):
    assert meaning(document) == b""


@pytest.mark.parametrize(
    "odd", [None, [], "text", {"detections": 3, "sandbox_verdicts": "odd", "threat_score": "high"}]
)
def test_an_extension_may_say_anything(odd):
    document = {**INDICATOR, "extensions": {EXTENSION_ID: odd, OPENCTI: odd}}
    assert not is_news(meaning(document), meaning(document))
