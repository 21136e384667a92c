"""A family is one Malware object, however its name is spelled and in whichever order the spellings come."""

import itertools

import orjson
import pytest
from mapping_examples import bundled

from connector import notification
from connector.pipeline.convert import convert

PROFILES = [None, "opencti", "misp", "xsoar"]
SPELLINGS = ["RedLine Stealer", "redline_stealer", "REDLINE-STEALER", "redline.stealer", "RedLine  Stealer"]


def body(number, **entity):
    said = {"notification_id": str(number), "notification_date": 1_760_000_000 + number, "origin": "hunting"}
    known = {"gti_assessment": {"verdict": {"value": "VERDICT_MALICIOUS"}}, **entity}
    return {"type": "file", "id": "a" * 64, "attributes": known, "context_attributes": said | {"sources": []}}


def by_attribution(number, name):
    return body(number, attribution={"malware_families": [{"family": name}]})


def by_configuration(number, name):
    host = {"host": "c2.example", "categories": ["C2"]}
    configs = [{"net_info": {"connections": [host]}}]
    return body(number, malware_config={"families": [{"family": name, "configs": configs}]})


def by_collection(number, name):
    made = body(number)
    made["context_attributes"]["origin"] = "subscriptions"
    made["context_attributes"]["sources"] = [{"type": "collection", "id": "malware--1", "label": name}]
    return made


def documents(profile, *bodies):
    found = convert([notification.read(each) for each in bodies], bundled("stix21", profile))
    return [orjson.loads(message.body) for each in found for message in each.messages]


def families(profile, *bodies):
    return {each["id"] for each in documents(profile, *bodies) if each["type"] == "malware" and each["is_family"]}


@pytest.mark.parametrize("profile", PROFILES)
def test_all_spellings_of_a_family_are_one_object_whoever_names_it_and_in_whichever_order(profile):
    named = [made(1, name) for made in (by_attribution, by_configuration, by_collection) for name in SPELLINGS]
    ids = [families(profile, each) for each in named]
    assert {len(each) for each in ids} == {1}
    assert len(set().union(*ids)) == 1
    for pair in itertools.permutations(named[::4], 2):
        assert families(profile, *pair) == ids[0]


@pytest.mark.parametrize("profile", PROFILES)
def test_what_refers_to_a_family_refers_to_the_object_that_is_sent(profile):
    config = by_configuration(1, SPELLINGS[0])["attributes"]
    both = body(1, **config | {"attribution": {"malware_families": [{"family": name} for name in SPELLINGS]}})
    sent = documents(profile, both)
    ids = [each["id"] for each in sent]
    assert len(ids) == len({*ids})
    (family,) = [each["id"] for each in sent if each["type"] == "malware" and each["is_family"]]
    named = {
        each[key] for each in sent for key in ("source_ref", "target_ref") if each.get(key, "").startswith("malware--")
    }
    samples = {each["id"] for each in sent if each["type"] == "malware" and not each["is_family"]}
    assert named - samples == {family}


@pytest.mark.parametrize("profile", PROFILES)
def test_another_name_is_another_family(profile):
    assert families(profile, by_attribution(1, "redline")) != families(profile, by_attribution(1, "redline stealer"))
    assert len(families(profile, by_attribution(1, "-"))) == 1
