"""What receivers and other people's STIX software make of the output of each STIX profile."""

import functools
import itertools
import json
import os
import re
import subprocess
from collections import Counter
from datetime import datetime
from pathlib import Path

import orjson
import pytest
import stix2
import stix2patterns.pattern
import stix_validator
from hypothesis import given
from hypothesis_profiles import examples
from malformed_notifications import body_of, misshapen
from mapping_examples import CASES, MAPPINGS, conversion

from connector import notification
from connector.configuration import load_mapping
from connector.formats.stix.bundle import bundle
from connector.pipeline.convert import convert
from connector.settings.producer import Producer
from connector.simulator.notifications import notifications

PEERS = Path(__file__).parents[2] / ".peers"
PROFILES = sorted(path.stem for path in (MAPPINGS / "profiles" / "stix21").iterdir())
EXTENSION = "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba"
UNMET = ("{103}", "{302}", "{202} 'located-at'", "is not a 'uri'")
"""See `test_stix_oracles`."""
SIMULATED = 400


@functools.cache
def made(profile):
    return load_mapping("stix21", Producer(), profile)


@functools.cache
def documents(profile, case):
    """Every object that an example becomes, those on which all rest among them."""
    return [orjson.loads(message.body) for message in conversion(made(profile), case).messages]


@functools.cache
def simulated(profile):
    """Every object, in its newest version, that some hundreds of simulated notifications become."""
    items = notifications(SIMULATED, now=1759900000)
    conversions = list(convert([notification.read(item) for item in items], made(profile)))
    messages = itertools.chain.from_iterable(each.messages for each in conversions)
    assert sum(not each.refusal for each in conversions) > SIMULATED * 0.8
    return orjson.loads(bundle(messages))["objects"]


def everything(profile):
    """Every object of the examples and of the simulated notifications."""
    return [*itertools.chain.from_iterable(documents(profile, case) for case in CASES), *simulated(profile)]


def of_type(name, objects):
    return [each for each in objects if each["type"] == name]


@pytest.mark.parametrize("profile", PROFILES)
def test_stix2_reads_every_object_strictly(profile):
    for document in everything(profile):
        stix2.parse(document, allow_custom=False, version="2.1")


@pytest.mark.parametrize("profile", PROFILES)
def test_the_strict_validator_finds_nothing_that_can_be_met(profile):
    objects = {document["id"]: document for case in CASES for document in documents(profile, case)}
    errors, warnings = stix_validator.findings(bundle_of(objects.values()), strict=True)
    assert [each for each in [*errors, *warnings] if not any(code in each for code in UNMET)] == []


@pytest.mark.parametrize("profile", PROFILES)
def test_whatever_an_object_refers_to_is_there(profile):
    for case in CASES:
        known = {document["id"] for document in documents(profile, case)}
        for document in documents(profile, case):
            for key, value in document.items():
                if key.endswith(("_ref", "_refs")):
                    assert {value} <= known if isinstance(value, str) else set(value) <= known, (case, document["id"])


@pytest.mark.parametrize("profile", PROFILES)
def test_no_notification_makes_two_objects_of_one_id(profile):
    for case in CASES:
        ids = [document["id"] for document in documents(profile, case)]
        assert len(ids) == len(set(ids)), case


@pytest.mark.parametrize("profile", PROFILES)
@examples(40)
@given(body=misshapen())
def test_however_odd_the_notification_every_object_is_valid_or_it_is_rejected(profile, body):
    [converted] = convert([notification.read(body)], made(profile))
    for message in converted.messages:
        stix2.parse(message.body, allow_custom=False, version="2.1")


@pytest.mark.parametrize("profile", [None, "opencti", "misp", "xsoar"])
def test_a_family_and_a_collection_of_one_name_are_one_malware(profile):
    body = body_of("file_explained")  # a collection QUILLBACK, and a family of this name in the configuration
    again = {"id": "malware--7", "type": "collection", "label": "quillback"}
    body["context_attributes"]["sources"].append(again)
    [converted] = convert([notification.read(body)], made(profile))
    ids = [message.id for message in converted.messages]
    assert len(ids) == len(set(ids))
    objects = [orjson.loads(message.body) for message in converted.messages]
    [malware] = [each for each in of_type("malware", objects) if each["name"].lower() == "quillback"]
    assert malware["description"] == "A loader in C++."
    # Whatever speaks of it speaks of this one, from whichever notification it comes.
    body["context_attributes"]["sources"] = []
    [converted] = convert([notification.read(body)], made(profile))
    assert malware["id"] in {message.id for message in converted.messages}
    assert sum(each.get("target_ref") == malware["id"] for each in objects) >= 2


def indicator_of_url(profile, url):
    body = body_of("url_hunting")
    body["attributes"]["url"] = url
    [converted] = convert([notification.read(body)], made(profile))
    objects = [orjson.loads(message.body) for message in converted.messages]
    [indicator] = of_type("indicator", objects)
    return indicator, of_type("url", objects)


@pytest.mark.parametrize("profile", ["opencti", "sentinel", "xsoar"])
def test_an_apostrophe_in_a_url_is_written_so_that_no_receiver_has_to_undo_an_escape(profile):
    indicator, observables = indicator_of_url(profile, "https://example.com/it's?q[]='a'")
    assert indicator["pattern"] == "[url:value = 'https://example.com/it%27s?q[]=%27a%27']"
    assert all(each["value"] == "https://example.com/it%27s?q[]=%27a%27" for each in observables)
    assert indicator["id"] == indicator_of_url(profile, "https://example.com/it%27s?q[]=%27a%27")[0]["id"]


class TestOpenCti:
    """`opencti`: pycti, OpenCTI's own library, has the last word on ids, and on what it reads where."""

    SCRIPT = """
import json, sys, pycti
kinds = {
    "indicator": lambda o: pycti.Indicator.generate_id(o["pattern"]),
    "location": lambda o: pycti.Location.generate_id(o["name"], "Country"),
    "malware": lambda o: pycti.Malware.generate_id(o["name"]),
    "intrusion-set": lambda o: pycti.IntrusionSet.generate_id(o["name"]),
    "campaign": lambda o: pycti.Campaign.generate_id(o["name"]),
    "tool": lambda o: pycti.Tool.generate_id(o["name"]),
    "vulnerability": lambda o: pycti.Vulnerability.generate_id(o["name"]),
    "relationship": lambda o: pycti.StixCoreRelationship.generate_id(
        o["relationship_type"], o["source_ref"], o["target_ref"]),
}
print(json.dumps([kinds[o["type"]](o) if o["type"] in kinds else None for o in json.load(sys.stdin)]))
"""
    READ = """
import json, sys
from pycti.api.opencti_api_client import OpenCTIApiClient as Client
keys = ("score", "main_observable_type", "detection", "create_observables")
print(json.dumps([[Client.get_attribute_in_extension(key, o) for key in keys] for o in json.load(sys.stdin)]))
"""

    SIGHTINGS = """
import json, sys
from unittest.mock import MagicMock
from pycti.api.opencti_api_client import OpenCTIApiClient
from pycti.utils.opencti_stix2 import OpenCTIStix2
found = []
for sighting in json.load(sys.stdin):
    client, made = MagicMock(), []
    client.get_attribute_in_extension = OpenCTIApiClient.get_attribute_in_extension
    client.stix_sighting_relationship.create = lambda **said: (
        made.append([said["fromId"], said["toId"]]) or {"id": "1", "entity_type": "stix-sighting-relationship"})
    OpenCTIStix2(client).import_item(sighting)
    found.append(made)
print(json.dumps(found))
"""

    def test_a_sighting_is_one_sighting_there(self):
        sightings = of_type("sighting", everything("opencti"))
        [virustotal] = [
            each["id"] for each in made("opencti").format.shared_documents() if each.get("name") == "VirusTotal"
        ]
        imported = in_peer("pycti", self.SIGHTINGS, sightings)
        assert imported == [[[each["sighting_of_ref"], virustotal]] for each in sightings]
        [several] = in_peer("pycti", self.SIGHTINGS, of_type("sighting", documents(None, "file_explained")))
        assert len(several) == 4  # what the mapping alone makes, with a country

    def test_a_sighting_tells_the_country_of_the_submitter(self):
        [sighting] = of_type("sighting", documents("opencti", "file_explained"))
        assert sighting["description"].startswith("rule quillback_loader; ")
        assert sighting["description"].endswith("; submitted from NL")
        assert not of_type("location", documents("opencti", "file_explained"))

    def test_ids_are_those_that_pycti_makes_of_the_same_things(self):
        objects = [each for each in everything("opencti") if not ours(each)]
        seen = {each["type"] for each in objects}
        assert seen >= {"indicator", "malware", "intrusion-set", "campaign", "tool", "relationship"}
        for each, expected in zip(objects, in_peer("pycti", self.SCRIPT, objects), strict=True):
            assert expected in (None, each["id"]), each

    def test_yara_rules_have_the_id_that_pycti_makes_of_them(self):
        rules = [each for each in everything("opencti") if each.get("pattern_type") == "yara"]
        assert rules
        assert in_peer("pycti", self.SCRIPT, rules) == [each["id"] for each in rules]

    def test_the_mapping_alone_has_other_ids(self):
        indicators = of_type("indicator", everything(None))
        assert not set(in_peer("pycti", self.SCRIPT, indicators)) & {each["id"] for each in indicators}

    def test_pycti_finds_score_and_type_in_the_extension(self):
        [indicator] = [each for each in of_type("indicator", documents("opencti", "file_hunting")) if not ours(each)]
        assert in_peer("pycti", self.READ, [indicator]) == [[80, "StixFile", True, True]]
        [indicator] = of_type("indicator", documents("opencti", "domain_hunting"))
        assert in_peer("pycti", self.READ, [indicator]) == [[1, "Domain-Name", False, True]]

    def test_every_indicator_of_stix_says_which_type_opencti_calls_it(self):
        known = {"StixFile", "Url", "Domain-Name", "IPv4-Addr", "IPv6-Addr"}
        indicators = [each for each in of_type("indicator", everything("opencti")) if each["pattern_type"] == "stix"]
        assert {each["extensions"][EXTENSION]["main_observable_type"] for each in indicators} == known

    def test_every_sighting_says_who_saw_it(self):
        sightings = of_type("sighting", everything("opencti"))
        assert sightings
        assert all(any(ref.startswith("identity--") for ref in each["where_sighted_refs"]) for each in sightings)

    def test_what_a_collection_and_the_attribution_both_name_comes_once(self):
        body = body_of("file_explained")  # a collection QUILLBACK, and a family of this name in the configuration
        actor = {"id": "threat-actor--1", "type": "collection", "label": "Velvet ANCHOR"}  # in the attribution too
        body["context_attributes"]["sources"].append(actor)
        [converted] = convert([notification.read(body)], made("opencti"))
        ids = [message.id for message in converted.messages]
        assert len(ids) == len(set(ids))
        objects = [orjson.loads(message.body) for message in converted.messages]
        named = [each["name"] for each in objects if each["type"] in ("malware", "intrusion-set")]
        assert sorted(named) == ["Cobalt Heron", "QUILLBACK", "Velvet ANCHOR", "tinraven"]


class TestSentinel:
    """`sentinel`: what Microsoft documents that it takes, and what makes it pass over an indicator."""

    def test_it_is_sent_what_it_takes_and_no_more(self):
        taken = {"indicator", "threat-actor", "attack-pattern", "identity", "relationship"}
        shared_documents = {"marking-definition", "extension-definition"}
        assert {each["type"] for each in everything("sentinel")} <= taken | shared_documents
        assert of_type("threat-actor", everything("sentinel"))

    def test_every_indicator_ends_and_compares_once(self):
        indicators = of_type("indicator", everything("sentinel"))
        assert len(indicators) > SIMULATED / 4
        for indicator in indicators:
            assert indicator["pattern_type"] == "stix"
            assert time(indicator["valid_until"]) > time(indicator["valid_from"])
            comparisons = stix2patterns.pattern.Pattern(indicator["pattern"]).inspect().comparisons
            assert [len(each) for each in comparisons.values()] == [1]

    def test_every_notification_that_the_mapping_converts_still_brings_an_indicator_unless_it_is_harmless(self):
        harmless = {"domain_hunting", "domain_idn", "file_undetected"}
        assert [case for case in harmless if of_type("indicator", documents("sentinel", case))] == []
        for case in {*CASES} - harmless:
            assert bool(documents("sentinel", case)) == bool(documents(None, case))
            assert not documents(None, case) or of_type("indicator", documents("sentinel", case))


class TestXsoar:
    """`xsoar`: the TAXII 2 Feed makes an indicator of each value, wherever it reads one."""

    def test_nothing_is_sent_that_would_say_a_value_again(self):
        read_as_values = {"file", "url", "domain-name", "ipv4-addr", "ipv6-addr", "location"}
        assert not {each["type"] for each in everything("xsoar")} & read_as_values
        assert not [each for each in everything("xsoar") if each.get("pattern_type") == "yara"]

    def test_a_value_read_up_to_the_next_quotation_mark_is_the_whole_value(self):
        body = body_of("url_hunting")
        body["attributes"]["url"] = "https://example.com/it's?q='a'"
        [converted] = convert([notification.read(body)], made("xsoar"))
        extra = [orjson.loads(message.body) for message in converted.messages]
        for indicator in of_type("indicator", [*everything("xsoar"), *extra]):
            [(_, found)] = re.findall(r"(\w.*?(?:value|hashes\..*?)=)'(.*?)'", indicator["pattern"].replace(" ", ""))
            assert indicator["pattern"].endswith(f"'{found}']")
        assert "https://example.com/it%27s?q=%27a%27" in str(extra)

    @pytest.mark.parametrize(("case", "score"), [("file_hunting", 3), ("domain_hunting", None)])
    def test_the_first_extension_has_the_reputation(self, case, score):
        [indicator] = of_type("indicator", documents("xsoar", case))
        [first, *others] = indicator["extensions"].values()
        assert first.get("score") == score
        assert not others


class TestMisp:
    """`misp`: misp-stix says which attributes, sightings, notes and tags MISP gets."""

    TLP = "tlp:amber+strict"
    SCRIPT = """
import json, sys, stix2
from misp_stix_converter import ExternalSTIX2toMISPParser
found = []
for bundle in json.load(sys.stdin):
    parser = ExternalSTIX2toMISPParser()
    parser.load_stix_bundle(stix2.parse(bundle, allow_custom=True))
    parser.parse_stix_bundle()
    event = json.loads(parser.misp_event.to_json())
    found.append([
        [a["type"], a["value"], a["to_ids"], len(a.get("Sighting", [])), len(a.get("Note", [])),
         sorted(tag["name"] for tag in a.get("Tag", []))]
        for holder in (event, *event.get("Object", [])) for a in holder.get("Attribute", [])
        if holder.get("name") not in ("yara", "malware", "organization")
    ])
print(json.dumps(found))
"""

    def test_what_is_bad_has_its_sighting_and_note_and_is_to_be_detected(self):
        hunting, url = self.imported("misp", "file_hunting", "url_hunting")
        sha256 = "965d7fd31d6ff8eabb9813b058ea3420e100fe252a30e17d4fdc81f541ce2f08"
        sure = ['misp:confidence-level="usually-confident"', self.TLP]
        assert hunting == [["sha256", sha256, True, 1, 1, sure]]
        fairly = ['misp:confidence-level="fairly-confident"', self.TLP]
        assert url == [["url", "https://login.example.com/reset?user=a%40example.org&next=/home", True, 1, 1, fairly]]

    def test_what_is_not_known_to_be_bad_is_an_attribute_that_nothing_detects(self):
        domain, address = self.imported("misp", "domain_hunting", "ip_v6")
        assert domain == [["domain", "c2.example.com", False, 0, 0, [self.TLP]]]
        assert address == [["ip-dst", "2001:db8::8a2e:370:7334", False, 0, 0, [self.TLP]]]

    def test_what_a_known_good_list_labels_and_hosts_of_a_file_that_is_not_bad_are_not_detected_either(self):
        labelled, hosts = self.imported("misp", "domain_labelled", "file_known_good")
        assert [each[:5] for each in labelled] == [["domain", "cdn.example.net", False, 0, 1]]
        assert {"drop.quillback.example", "203.0.113.77"} < {value for _, value, *_ in hosts}
        assert [value for _, value, is_detected, *_ in hosts if is_detected] == []

    def test_every_value_comes_once(self):
        for case, attributes in zip(CASES, self.imported("misp", *CASES), strict=True):
            values = [value for _, value, *_ in attributes]
            assert len(values) == len(set(values)), case
            assert bool(values) == bool(documents("misp", case))

    def test_every_indicator_of_many_notifications_is_an_attribute_with_each_of_its_sightings(self):
        objects = simulated("misp")
        sighted = Counter(each["sighting_of_ref"] for each in of_type("sighting", objects))
        indicators = [each for each in of_type("indicator", objects) if each["pattern_type"] == "stix"]
        values = [(re.fullmatch(r"\[.* = '(.*)'\]", each["pattern"])[1], sighted[each["id"]]) for each in indicators]
        # What was merely seen before, and comes in one bundle with that: see the profile.
        seen = {str(each.get("value") or each.get("hashes")) for each in objects if "created" not in each}
        [found] = in_peer("misp-stix", self.SCRIPT, [bundle_of(objects)])
        detected = sorted((value, sightings) for _, value, is_detected, sightings, *_ in found if is_detected)
        assert detected == sorted((value, 0 if value in seen else sightings) for value, sightings in values)
        assert sum(value in seen for value, _ in values) < 3 < SIMULATED / 10 < len(values)
        assert all(self.TLP in tags for *_, tags in found)

    def test_the_mapping_alone_loses_sightings_and_marks_all_for_detection(self):
        hunting, domain = self.imported(None, "url_hunting", "domain_hunting")
        assert [each[2:4] for each in hunting + domain] == [[True, 0], [True, 0]]

    def imported(self, profile, *cases):
        shared_documents = list(made(profile).format.shared_documents())
        bundles = [bundle_of(documents(profile, case) or shared_documents) for case in cases]
        return in_peer("misp-stix", self.SCRIPT, bundles)


def bundle_of(objects):
    return {"type": "bundle", "id": "bundle--28bb3599-77cd-4a82-a950-b5bc3caf07c4", "objects": list(objects)}


def ours(document):
    """Whether OpenCTI gets it under an id of ours: what makes it the one it is, is ours alone."""
    shared_documents = {each["id"] for each in made("opencti").format.shared_documents()}
    return document["id"] in shared_documents or not {"c2", "malware-config"}.isdisjoint(document.get("labels", ()))


def time(text):
    return datetime.fromisoformat(text)


def in_peer(name, script, data):
    """What a script prints as JSON, run with the Python of a peer that reads this data."""
    python = PEERS / name / "bin" / "python"
    if not python.exists():
        assert not os.environ.get("CI"), f"CI makes .peers/{name}"
        pytest.skip(f"needs {name}: make .peers/{name}/ready")
    done = subprocess.run(
        [python, "-W", "ignore", "-c", script],
        input=json.dumps(data),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])
