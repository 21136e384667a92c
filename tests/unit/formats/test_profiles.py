"""`mappings/profiles`: what the examples become with each, and that none loses what the mapping itself would send."""

import contextlib

import pytest
from hypothesis import given
from malformed_notifications import body_of, misshapen
from mapping_examples import CASES, MAPPINGS, bundled, conversion

from connector import notification
from connector.authoring import golden
from connector.mapping import examples
from connector.model import Refused
from connector.pipeline.convert import convert

PROFILES = sorted((path.parent.name, path.stem) for path in (MAPPINGS / "profiles").glob("*/*.yaml"))
CEF_PROFILES = [profile for mapping, profile in PROFILES if mapping == "cef"]


def lines(mapping, profile, body):
    """What a notification becomes, encoded."""
    compiled = bundled(mapping, profile)
    documents = compiled.render(notification.view(notification.read(body)))
    return [compiled.format.encode(document) for document in documents]


@pytest.mark.parametrize(("mapping", "profile"), PROFILES)
def test_the_examples_become_what_their_files_say(mapping, profile):
    found = list(golden.run(bundled(mapping, profile), *examples.folder_and_name(mapping, profile)))
    assert [each.case for each in found if not each.case.endswith(", withdrawn")] == CASES
    assert [f"{each.case}: {each.state}\n{each.difference}" for each in found if each.failed] == []


@pytest.mark.parametrize(("mapping", "profile"), PROFILES)
@pytest.mark.parametrize("case", CASES)
def test_a_profile_refuses_what_the_mapping_refuses(mapping, profile, case):
    assert bool(conversion(bundled(mapping, profile), case).refusal) == bool(conversion(bundled(mapping), case).refusal)


@pytest.mark.parametrize(("mapping", "profile"), PROFILES)
def test_every_expression_finds_a_value_in_some_example(mapping, profile):
    traced = bundled(mapping, profile).traced()
    for case in CASES:
        with contextlib.suppress(Refused):
            traced.render(notification.view(notification.read(body_of(case))))
    assert [str(location) for location in traced.without_value()] == []


@pytest.mark.parametrize(("mapping", "profile"), PROFILES)
def test_a_profile_says_in_one_line_what_it_is_for(mapping, profile):
    assert bundled(mapping, profile).description not in ("", bundled(mapping).description)


@pytest.mark.parametrize("profile", CEF_PROFILES)
@given(body=misshapen())
def test_a_profile_refuses_no_event_that_the_mapping_makes(profile, body):
    try:
        lines("cef", None, body)
    except Refused:
        return
    assert len(lines("cef", profile, body)) == 1


@pytest.mark.parametrize("text", ["😀", "\\", "=", "é", "a"])
@pytest.mark.parametrize("length", [269, 270, 3000])  # as long as `request` may be, and longer
@pytest.mark.parametrize("case", ["file_hunting", "file_subscription", "url_hunting"])
def test_for_qradar_no_event_is_longer_than_it_takes_over_tcp(case, length, text):
    body = body_of(case)
    long = text * 3000
    seen, context = body["attributes"], body["context_attributes"]
    seen |= {"meaningful_name": long, "threat_names": [long], "url": "https://example.com/?" + "=" * length}
    seen["popular_threat_classification"] = {"suggested_threat_label": long}
    seen["gti_assessment"]["description"] = long
    seen["gti_assessment"]["contributing_factors"] = {"normalised_categories": [long, long]}
    seen["attribution"] = {"threat_actors": [long, text], "malware_families": [{"family": long}]}
    body["source"] = {"name": "a", "labels": {"tenant": long}}
    if body["type"] == "file":  # as only files have
        seen["techniques"] = [{"id": long}]
    seen |= {"type_description": long, "registrar": long, "as_owner": long}
    context["tags"] = [long, long]
    context["sources"] = [source | {"label": long} for source in context["sources"]]
    if context.get("hunting_info"):
        context["hunting_info"] |= {"rule_name": long, "rule_tags": [long], "source_key": long, "snippet": long}
    (line,) = lines("cef", "qradar", body)
    assert len(b"<134>May 17 08:12:05 " + b"h" * 64 + b" iocstream: " + line) < 4096
    assert len(lines("cef", None, body)[0]) > 8000, "the test is about text that is too long"


@pytest.mark.parametrize(("mapping", "profile"), [("cef", None), ("stix21", None), *PROFILES])
def test_nobody_and_nothing_is_said_to_be_behind_what_is_benign(mapping, profile):
    connections = [{"host": "panel.example", "categories": ["C2"]}]
    attributes = {
        "attribution": {"threat_actors": ["Dust Heron"], "malware_families": [{"family": "quillback"}]},
        "malware_config": {
            "families": [{"family": "quillback", "configs": [{"net_info": {"connections": connections}}]}]
        },
        "techniques": [{"id": "T1059", "name": "Interpreter", "tactics": []}],
        "popular_threat_classification": {"suggested_threat_label": "trojan.sedge"},
    }
    body = body_of("file_hunting") | {"attributes": attributes}

    def said(verdict):
        attributes["gti_assessment"] = {"verdict": {"value": verdict}, "threat_score": {"value": 90}}
        (made,) = convert([notification.read(body)], bundled(mapping, profile))
        text = b"".join(message.body for message in made.messages)
        return [each for each in (b"Dust Heron", b"quillback", b"panel.example", b"T1059", b"sedge") if each in text]

    assert said("VERDICT_MALICIOUS")
    assert said("VERDICT_BENIGN") == []
