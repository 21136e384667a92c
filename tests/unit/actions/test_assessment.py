"""What actions say of an entity: the same as the STIX mapping, whatever VirusTotal sends."""

import itertools
import json

import orjson
import pytest
import simulated_notifications
from hypothesis import given
from malformed_notifications import misshapen

from connector import configuration, notification
from connector.actions.assessment import Assessment
from connector.actions.entity_facts import EntityFacts
from connector.actions.notification_brief import Found, NotificationResult
from connector.model import Refused

SHA256 = "9" * 64
TYPES = {"malicious-activity": "malicious", "anomalous-activity": "suspicious", "benign": "benign"}
VERDICTS = ("MALICIOUS", "SUSPICIOUS", "UNDETECTED", "BENIGN", "UNKNOWN", None)


@pytest.fixture(scope="module")
def stix():
    return configuration.load_mapping("stix21")


def item(attributes, *, kind="file", identifier=SHA256, **context):
    said = {"notification_id": "1", "notification_date": 1_760_000_000, "origin": "hunting", **context}
    return notification.read({"type": kind, "id": identifier, "attributes": attributes, "context_attributes": said})


def assessed(attributes, **more):
    return Assessment.of(notification.view(item(attributes, **more)))


def indicator(stix, view):
    (found,) = [each for each in stix.render(view) if each["type"] == "indicator" and each["pattern_type"] == "stix"]
    return found


def attributes(verdict, score, factors, malicious):
    assessment = {"contributing_factors": factors}
    if verdict:
        assessment["verdict"] = {"value": f"VERDICT_{verdict}"}
    if score is not None:
        assessment["threat_score"] = {"value": score}
    stats = {} if malicious is None else {"last_analysis_stats": {"malicious": malicious, "undetected": 72 - malicious}}
    return {"gti_assessment": assessment, **stats}


FACTORS = (
    {},
    {"gti_confidence_score": 75},
    {"mandiant_confidence_score": 40},
    {"gti_confidence_score": 101, "mandiant_confidence_score": 99},
)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_verdict_and_confidence_are_those_of_the_stix_mapping(stix, verdict):
    seen = set()
    for score, factors, malicious in itertools.product((None, 0, 1, 30, 85, 100), FACTORS, (None, 0, 1, 9, 10, 60)):
        view = notification.view(item(attributes(verdict, score, factors, malicious)))
        said, expected = Assessment.of(view), indicator(stix, view)
        given = (score, factors, malicious)
        assert said.confidence == expected.get("confidence"), given
        told = TYPES.get(expected["indicator_types"][0], "unknown")
        assert (said.verdict if said.verdict != "undetected" else "unknown") == told, given
        seen.add(said.confidence)
    assert len(seen) > 1 or verdict == "BENIGN"


def test_it_is_that_of_the_stix_mapping_for_every_simulated_notification(stix):
    compared = 0
    for body in simulated_notifications.bodies(300):
        view = notification.view(notification.read(body))
        try:
            expected = indicator(stix, view)
        except (Refused, ValueError, TypeError):  # not for the mapping
            continue
        said = Assessment.of(view)
        assert said.confidence == expected.get("confidence")
        made = stix.render(view)
        families = {each["name"].lower() for each in made if each["type"] == "malware" and each["is_family"]}
        assert set(said.families) == families
        indicated = {each["target_ref"] for each in made if each.get("relationship_type") == "indicates"}
        actors = {each["name"] for each in made if each["type"] == "threat-actor" and each["id"] in indicated}
        assert {name.lower() for name in said.actors} == {name.lower() for name in actors}
        compared += 1
    assert compared > 150


def test_who_is_behind_it_comes_from_what_is_followed_and_from_the_attribution():
    sources = [
        {"type": "collection", "id": "threat-actor--1", "label": "Paper Badger"},
        {"type": "threat_actor", "id": "x", "label": "Tin Heron"},
        {"type": "collection", "id": "y", "label": "Y", "attributes": {"collection_type": "threat-actor", "name": "Z"}},
        {"type": "collection", "id": "malware--1", "label": "Lantern"},
    ]
    attribution = {
        "threat_actors": ["UNC1"],
        "malware_families": [{"family": "Lantern"}, {"family": "lantern"}, {"family": 7}],
    }
    config = {"families": [{"family": "Quill"}]}
    sandboxes = {"a": {"category": "malicious", "malware_names": ["Reed"]}, "b": {"malware_names": ["Clean"]}}
    known = {"attribution": attribution, "malware_config": config, "sandbox_verdicts": sandboxes}
    said = assessed(known, sources=sources)
    assert said.actors == ["Paper Badger", "Tin Heron", "Z", "UNC1"]
    assert said.families == ["lantern", "quill", "reed"]
    assert assessed({"malware_config": {"family": "Sedge", "domain": "a.example"}}).families == ["sedge"]
    benign = assessed({**known, **attributes("BENIGN", 1, {}, 0)}, sources=sources)
    assert (benign.actors, benign.families, benign.confidence) == ([], [], None)


def test_digests_are_of_files_alone_and_times_are_those_that_the_type_has():
    known = {
        "md5": "A" * 32,
        "sha1": "B" * 40,
        "ssdeep": "3:a:b",
        "pe_info": {"imphash": "c" * 32},
        "first_submission_date": 1,
        "last_submission_date": "1760000000",
        "first_seen_itw_date": 5,
    }
    said = assessed(known)
    assert (said.hashes.md5, said.hashes.sha1, said.hashes.sha256) == ("a" * 32, "b" * 40, SHA256)
    assert (said.hashes.ssdeep, said.hashes.imphash) == ("3:a:b", "c" * 32)
    assert (said.first_seen, said.last_seen) == ("1970-01-01T00:00:01.000Z", "2025-10-09T08:53:20.000Z")
    domain = assessed({"md5": "a" * 32, "first_seen_itw_date": 5}, kind="domain", identifier="a.example")
    assert (domain.hashes.md5, domain.first_seen, domain.last_seen) == (None, "1970-01-01T00:00:05.000Z", None)


def test_what_was_looked_up_later_is_what_is_assessed():
    later = {**attributes("MALICIOUS", 90, {}, 60), "techniques": [{"id": "T1059.001", "name": "n"}, {"id": 7}, "x"]}
    found = Found(item(attributes("UNDETECTED", 1, {}, 0)), "s", newest=orjson.dumps(later))
    assert (found.assessment.verdict, found.assessment.score) == ("malicious", 90)
    assert found.assessment.techniques == ["T1059.001"]
    assert Found(item(attributes("UNDETECTED", 1, {}, 0)), "s").assessment.verdict == "undetected"


def test_contacts_are_read_from_whois():
    whois = "Admin Email: a@b.example\r\nadmin email: other\nRegistrant Country: NO\nNote: x\nAdmin Phone:\n"
    facts = EntityFacts.of({"whois": whois, "registrar": "R\u202e\n", "asn": 64_496, "tags": ["a", 7]})
    assert facts.whois == {"admin_email": "a@b.example", "registrant_country": "NO"}
    assert (facts.registrar, facts.asn, facts.tags) == ("R", 64_496, ["a"])


def test_nothing_that_virustotal_sends_breaks_it_and_all_of_it_is_json():
    for body in simulated_notifications.bodies(200):
        json.loads(NotificationResult.brief(Found(notification.read(body), "s"), with_body=False).model_dump_json())
    for value in (None, 1, -1.5, True, "x", [], [None], {}, {"value": {}}, 2**70, 1e308):
        keys = ("gti_assessment", "attribution", "last_analysis_stats", "malware_config", "sandbox_verdicts", "pe_info")
        keys += ("tags", "whois", "size", "asn", "creation_date", "first_submission_date", "md5", "meaningful_name")
        deep = {"gti_assessment": dict.fromkeys(("verdict", "threat_score", "severity", "contributing_factors"), value)}
        stats = {"last_analysis_stats": dict.fromkeys(("malicious", "undetected"), value)}
        for known in (dict.fromkeys(keys, value), deep, stats):
            for said in ({"sources": value, "tags": value, "hunting_info": value}, {}):
                found = Found(item(known, **said), "s")
                NotificationResult.brief(found, with_body=True).model_dump_json()


@given(misshapen())
def test_a_misshapen_notification_is_assessed_as_far_as_it_can_be_read(body):
    NotificationResult.brief(Found(notification.read(body), "s"), with_body=False).model_dump()


def test_a_file_that_is_named_by_another_hash_has_no_sha256_and_what_is_benign_no_techniques():
    md5 = "d41d8cd98f00b204e9800998ecf8427e"
    said = {"gti_assessment": {"verdict": {"value": "VERDICT_BENIGN"}}, "techniques": [{"id": "T1059"}]}
    found = Found(item(said, identifier=md5), "vt")
    brief = NotificationResult.brief(found, with_body=False)
    assert (brief.hashes.md5, brief.hashes.sha256, brief.entity_value) == (md5, None, md5)
    assert brief.techniques == []


@pytest.mark.parametrize(
    ("kind", "said", "expected"),
    [
        ("url", "http://Example.com.:80/a#victim@example.org", "http://example.com/a"),
        ("url", "http://01.02.03.04/", None),
        ("ip_address", "198.51.100.7:8080", "198.51.100.7"),
        ("domain", "example", None),
    ],
)
def test_feeds_and_playbooks_are_given_what_formats_write(kind, said, expected):
    read = item({"url": said} if kind == "url" else {}, kind=kind, identifier=said)
    assert NotificationResult.brief(Found(read, "vt"), with_body=False).entity_value == expected
