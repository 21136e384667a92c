"""Hosts in malware configurations: what is said of them rests on the file, the configuration and known-good lists."""

import json
from pathlib import Path

import pytest

from connector import notification
from connector.configuration import load_mapping
from connector.guards.guards import bundled
from connector.mapping import Guarding
from connector.model import Entry, Guarded
from connector.pipeline.convert import Rendered, encode
from connector.pipeline.versions import Ledger

CAPTURES = Path(__file__).parents[4] / "shared" / "samples" / "ioc_stream_full_file_objects_subscription.json"
MAPPING = load_mapping("stix21")
KNOWN_GOOD = ("www.google.com", "8.8.8.8", "api.telegram.org", "pastebin.com")


def file(*connections, verdict=None, malicious=0, number=1, family="quillback"):
    connections = [each if isinstance(each, dict) else {"host": each, "categories": ["C2"]} for each in connections]
    assessment = {"gti_assessment": {"verdict": {"value": verdict}}} if verdict else {}
    configs = [{"net_info": {"connections": connections}}]
    return {
        "type": "file",
        "id": "ab" * 32,
        "attributes": {
            **assessment,
            "last_analysis_stats": {"malicious": malicious, "undetected": 60 - malicious},
            "malware_config": {"families": [{"family": family, "configs": configs}]},
        },
        "context_attributes": {
            "notification_id": str(number),
            "notification_date": 1759894900 + number,
            "origin": "hunting",
        },
    }


def made(body, mapping=MAPPING):
    return mapping.render(notification.view(notification.read(body)))


def hosts(body):
    return {
        each["name"]: each
        for each in made(body)
        if each["type"] == "indicator" and each["name"] != "ab" * 32 and not each.get("revoked")
    }


def test_no_indicator_or_observable_is_made_of_what_is_known_to_be_good():
    body = file(*KNOWN_GOOD, "panel.quillback.example", malicious=48)
    assert hosts(body).keys() == {"panel.quillback.example"}
    assert {each["value"] for each in made(body) if "value" in each} == {"panel.quillback.example"}
    with Guarding(lambda _: None):
        assert hosts(body).keys() == {*KNOWN_GOOD, "panel.quillback.example"}


@pytest.mark.parametrize(
    ("verdict", "said", "confidence"),
    [
        ("VERDICT_MALICIOUS", "malicious-activity", 75),
        ("VERDICT_SUSPICIOUS", "anomalous-activity", 40),
        ("VERDICT_UNDETECTED", "unknown", 20),
        (None, "unknown", 20),
    ],
)
def test_what_is_said_of_a_host_rests_on_the_verdict_on_the_file(verdict, said, confidence):
    host = hosts(file("panel.example", verdict=verdict))["panel.example"]
    assert (host["indicator_types"], host["confidence"], host["labels"]) == ([said], confidence, ["c2"])


def test_a_host_without_a_category_is_never_malicious():
    body = file({"host": "update.example"}, verdict="VERDICT_MALICIOUS")
    host = hosts(body)["update.example"]
    assert (host["indicator_types"], host["confidence"], host["labels"]) == (["unknown"], 10, ["malware-config"])
    assert "kill_chain_phases" not in host
    assert not [each for each in made(body) if each.get("source_ref") == host["id"]]


@pytest.mark.parametrize(
    ("categories", "label"),
    [
        (["C2"], "c2"),
        (["c2"], "c2"),
        (["exfiltration", "C2"], "c2"),
        ("C2", "c2"),
        ("c2", "c2"),
        ("NOT_C2", "malware-config"),
        (["NOT_C2"], "malware-config"),
        (["exfiltration"], "malware-config"),
        ([], "malware-config"),
        ("", "malware-config"),
        (7, "malware-config"),
        ([["C2"], {"C2": 1}, None], "malware-config"),
    ],
)
def test_only_the_category_c2_itself_makes_a_host_a_c2_server(categories, label):
    body = file({"host": "panel.example", "categories": categories}, verdict="VERDICT_MALICIOUS")
    assert hosts(body)["panel.example"]["labels"] == [label]


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("panel.example:8080", "panel.example"),
        ("198.51.100.7:8080", "198.51.100.7"),
        ("[2001:db8::9]:443", "2001:db8::9"),
        ("http://Panel.example/gate.php", "panel.example"),
        ("tcp://198.51.100.7:4443", "198.51.100.7"),
        ("203.0.113.0/24", None),
        ("0.0.0.0/0", None),
        ("2001:db8::/32", None),
        ("198.51.100.7:99999", None),
        ("panel", None),
    ],
)
def test_of_a_host_with_a_port_or_in_a_url_the_host_is_taken_and_a_network_is_none(written, host):
    body = file({"host": written, "categories": ["C2"]}, verdict="VERDICT_MALICIOUS")
    assert list(hosts(body)) == ([host] if host else [])


@pytest.mark.parametrize(
    ("connection", "named"),
    [
        ({"url": "u2.example:4444"}, ["u2.example"]),
        ({"url": "u3.example/gate.php"}, ["u3.example"]),
        ({"url": "203.0.113.9:4444"}, ["203.0.113.9"]),
        ({"url": "203.0.113.9/gate.php"}, ["203.0.113.9"]),
        ({"url": "203.0.113.9:80/gate.php"}, ["203.0.113.9"]),
        ({"url": "tcp://u1.example:4444"}, ["u1.example"]),
        ({"url": "u4.example"}, ["u4.example"]),
        ({"host": "u5.example/gate.php"}, ["u5.example"]),
        ({"url": "203.0.113.0/24"}, []),
        ({"url": "203.0.113.0/99"}, []),
        ({"url": "gate?x=1:2"}, []),
        ({"url": "nobody:4444"}, []),
        ({"host": "a1.example", "url": "http://b1.example:8080/gate"}, ["a1.example", "b1.example"]),
        ({"host": "a1.example", "url": "http://a1.example:8080/gate"}, ["a1.example"]),
    ],
)
def test_the_host_of_a_url_is_named_too_with_or_without_a_scheme(connection, named):
    assert [*hosts(file(connection | {"categories": ["C2"]}, verdict="VERDICT_MALICIOUS"))] == named


def test_a_flat_configuration_may_have_lists_of_hosts_and_categories():
    body = file(verdict="VERDICT_MALICIOUS")
    flat = {"family": "quillback", "domain": ["a.example", "b.example"], "ip": ["192.0.2.7"]}
    body["attributes"]["malware_config"] = flat
    named = ["a.example", "b.example", "192.0.2.7"]
    assert [(name, *each["labels"]) for name, each in hosts(body).items()] == [
        (name, "malware-config") for name in named
    ]
    body["attributes"]["malware_config"] = flat | {"categories": ["C2"]}
    assert [(name, *each["labels"]) for name, each in hosts(body).items()] == [(name, "c2") for name in named]


def test_a_host_that_is_named_twice_is_what_it_is_once_said_to_be():
    host = hosts(file({"host": "panel.example"}, "PANEL.example", verdict="VERDICT_MALICIOUS"))["panel.example"]
    assert (host["indicator_types"], host["labels"]) == (["malicious-activity"], ["c2"])


def test_nothing_is_said_of_the_hosts_of_a_benign_file():
    assert not hosts(file("panel.example", verdict="VERDICT_BENIGN"))


def test_a_host_that_a_list_labels_has_its_label_and_no_more_confidence_than_it_allows():
    with Guarding(lambda value: Guarded("popular", "label", 30, value) if value == "panel.example" else None):
        host = hosts(file("panel.example", verdict="VERDICT_MALICIOUS"))["panel.example"]
    assert (host["labels"], host["confidence"]) == (["c2", "guarded:popular"], 30)


def test_an_indicator_of_what_a_list_labels_has_its_label_and_no_more_confidence_than_it_allows():
    body = file(verdict="VERDICT_MALICIOUS", malicious=48)
    [before] = [each for each in made(body) if each["type"] == "indicator"]
    body["guard"] = {"list": "popular", "effect": "label", "confidence": 20}
    [after] = [each for each in made(body) if each["type"] == "indicator"]
    assert (before["confidence"] > 20, after["confidence"]) == (True, 20)
    assert (before.get("labels"), after["labels"]) == (None, ["guarded:popular"])


class Receiver:
    """What a receiver has of a route, without a journal."""

    def __init__(self, mapping=MAPPING):
        self.mapping = mapping
        self.versions = {}

    def gets(self, body, number):
        item = notification.read(body)
        entry = Entry(number, "", item)
        rendered = Rendered(entry, self.mapping.render(notification.view(item)), output=self.mapping.format)
        ledger = Ledger(self.versions)
        [conversion] = encode([rendered], ledger)
        for version in ledger.stamped:
            self.versions.setdefault(version.object_id, ())
            self.versions[version.object_id] = (*self.versions[version.object_id], version)
        return {each["name"]: each for each in map(json.loads, (m.body for m in conversion.messages)) if "name" in each}


def test_what_was_said_of_a_host_is_revoked_once_it_is_known_to_be_good_and_only_where_it_was_said():
    receiver = Receiver()
    with Guarding(lambda _: None):
        assert not receiver.gets(file("www.google.com", malicious=48), 1)["www.google.com"].get("revoked")
    assert receiver.gets(file("www.google.com", malicious=48, number=2), 2)["www.google.com"]["revoked"] is True
    assert "www.google.com" not in receiver.gets(file("www.google.com", malicious=48, number=3), 3)
    assert "www.google.com" not in Receiver().gets(file("www.google.com", malicious=48), 1)


def test_a_less_certain_file_does_not_take_back_what_a_malicious_one_said():
    receiver = Receiver()
    assert receiver.gets(file("panel.example", malicious=48), 1)["panel.example"]["confidence"] == 75
    assert "panel.example" not in receiver.gets(file("panel.example", malicious=0, number=2), 2)


@pytest.mark.skipif(not CAPTURES.exists(), reason="the real captures are not at hand (../shared/samples)")
def test_real_captures_whose_configurations_name_what_is_good_make_no_indicator_of_it():
    with_configuration = 0
    for body in json.loads(CAPTURES.read_text()):
        for family in body["attributes"].get("malware_config", {}).get("families", ()):
            with_configuration += 1
            family["configs"][0]["net_info"]["connections"] += [
                {"host": host, "categories": ["C2"]} for host in (*KNOWN_GOOD, "panel.example")
            ]
        names = {each["name"] for each in made(body) if each["type"] == "indicator" and not each.get("revoked")}
        assert not names & set(KNOWN_GOOD)
    assert with_configuration


def test_every_host_of_the_test_is_on_the_list_that_comes_along():
    assert all(bundled().derived(host) for host in KNOWN_GOOD)


@pytest.mark.parametrize("profile", [None, "opencti", "sentinel", "xsoar", "misp"])
def test_addresses_that_are_left_out_for_their_scope_are_named_with_it(profile):
    mapping = load_mapping("stix21", None, profile)
    body = file("10.1.2.3", "panel.example", "127.0.0.1", "10.1.2.3", "192.0.2.7", verdict="VERDICT_MALICIOUS")
    (indicator,) = [each for each in made(body, mapping) if each["type"] == "indicator" and "file" in each["pattern"]]
    (extension,) = [each for each in indicator["extensions"].values() if "verdict" in each]
    assert extension["c2_left_out"] == [
        {"value": "10.1.2.3", "scope": "private"},
        {"value": "127.0.0.1", "scope": "loopback"},
    ]
    benign = file("10.1.2.3", verdict="VERDICT_BENIGN")
    assert b"c2_left_out" not in json.dumps(made(benign, mapping)).encode()


def test_every_host_of_a_flat_configuration_is_named_once():
    body = file(verdict="VERDICT_MALICIOUS")
    said = {
        "domain": "a.example",
        "host": "b.example",
        "ip": "192.0.2.7",
        "url": "http://c.example:8080/x",
        "port": 443,
    }
    body["attributes"]["malware_config"] = {"family": "quillback", **said}
    assert [*hosts(body)] == ["a.example", "b.example", "192.0.2.7", "c.example"]
    body["attributes"]["malware_config"] |= {"url": "http://a.example/", "host": None, "ip": "a.example"}
    assert [*hosts(body)] == ["a.example"]


MISP = load_mapping("stix21", None, "misp")
SEEN = ("file", "domain-name", "ipv4-addr")


def to_ids(body, labelled=()):
    """What MISP would detect: the patterns' values, of a profile whose other values are observables alone."""
    known_good = {value: Guarded("popular", "label", 30, value) for value in labelled}
    with Guarding(known_good.get):
        documents = made(body, MISP)
    detected = {each["name"] for each in documents if each["type"] == "indicator" and not each.get("revoked")}
    seen = {each.get("value") or each["hashes"]["SHA-256"] for each in documents if each["type"] in SEEN}
    assert not detected & seen
    sources = {each["source_ref"] for each in documents if each["type"] == "relationship" and not each.get("revoked")}
    assert sources <= {each["id"] for each in documents}
    return detected, seen


@pytest.mark.parametrize("verdict", ["VERDICT_UNDETECTED", "VERDICT_UNKNOWN", None])
def test_for_misp_no_host_of_a_file_that_is_not_known_to_be_bad_is_to_be_detected(verdict):
    body = file("panel.example", {"host": "update.example"}, verdict=verdict)
    assert to_ids(body) == (set(), {"ab" * 32, "panel.example", "update.example"})


@pytest.mark.parametrize("verdict", ["VERDICT_MALICIOUS", "VERDICT_SUSPICIOUS"])
def test_for_misp_the_c2_servers_of_a_bad_file_are_to_be_detected_and_its_other_hosts_merely_seen(verdict):
    body = file("panel.example", "198.51.100.7", {"host": "update.example"}, verdict=verdict)
    assert to_ids(body, labelled=["198.51.100.7"]) == (
        {"ab" * 32, "panel.example"},
        {"update.example", "198.51.100.7"},
    )


def test_for_sentinel_hosts_that_are_not_said_to_be_bad_are_no_indicators():
    sentinel = load_mapping("stix21", None, "sentinel")
    connections = ("panel.example", {"host": "update.example"})
    assert Receiver(sentinel).gets(file(*connections, verdict="VERDICT_SUSPICIOUS"), 1).keys() == {
        "ab" * 32,
        "panel.example",
        *SHARED,
    }
    assert Receiver(sentinel).gets(file(*connections), 1).keys() == {"ab" * 32, *SHARED}


SHARED = {each["name"] for each in MAPPING.format.shared_documents() if "name" in each}
SCORED = "VERDICT_UNDETECTED, 30"
"""An undetected file with a threat score that says something."""


@pytest.mark.parametrize(
    ("profile", "nothing_to_look_for"),
    [
        ("sentinel", {"VERDICT_BENIGN", "VERDICT_UNDETECTED"}),
        ("misp", {"VERDICT_BENIGN", "VERDICT_UNDETECTED", SCORED, "VERDICT_UNKNOWN", None}),
        ("xsoar", {"VERDICT_BENIGN"}),
    ],
)
@pytest.mark.parametrize(
    "verdict", ["VERDICT_MALICIOUS", "VERDICT_UNDETECTED", SCORED, "VERDICT_UNKNOWN", "VERDICT_BENIGN", None]
)
def test_receivers_that_look_for_every_indicator_have_none_of_what_is_harmless(profile, nothing_to_look_for, verdict):
    mapping = load_mapping("stix21", None, profile)
    receiver = Receiver(mapping)
    body = assessed(verdict, 1)
    assert ("ab" * 32 in receiver.gets(body, 1)) == (verdict not in nothing_to_look_for)
    relations = [each["source_ref"] for each in made(body, mapping) if each["type"] == "relationship"]
    assert (verdict in nothing_to_look_for) <= (relations == [])

    receiver = Receiver(mapping)
    assert not receiver.gets(assessed("VERDICT_MALICIOUS", 1), 1)["ab" * 32].get("revoked")
    taken_back = receiver.gets(assessed(verdict, 2), 2).get("ab" * 32, {}).get("revoked", False)
    # For misp and a verdict that turns, `withdraw` says it: a route knows that it is a claim no more.
    assert taken_back == (verdict in nothing_to_look_for) or profile == "misp"


def assessed(verdict, number):
    body = file(number=number)
    body["attributes"]["attribution"] = {"threat_actors": ["Dust Heron"]}
    body["attributes"]["techniques"] = [{"id": "T1059", "name": "Interpreter", "tactics": []}]
    if verdict:
        value, _, score = verdict.partition(", ")
        body["attributes"]["gti_assessment"] = {
            "verdict": {"value": value},
            "threat_score": {"value": int(score or 29)},
        }
    return body


def test_sentinel_has_what_is_undetected_once_an_analyst_calls_it_a_true_positive():
    sentinel = load_mapping("stix21", None, "sentinel")
    body = assessed("VERDICT_UNDETECTED", 1) | {"judgement": {"verdict": "true_positive", "of": "observable"}}
    assert "ab" * 32 in Receiver(sentinel).gets(body, 1)


def test_for_misp_what_a_list_labels_is_merely_seen_and_a_note_names_the_list():
    body = file("panel.example", verdict="VERDICT_MALICIOUS")
    body["guard"] = {"list": "popular", "effect": "label", "confidence": 20}
    assert to_ids(body) == ({"panel.example"}, {"ab" * 32})
    (note,) = [each for each in made(body, MISP) if each["type"] == "note"]
    (observed,) = [each["id"] for each in made(body, MISP) if each["type"] == "observed-data"]
    assert (note["content"], note["object_refs"]) == ("On the known-good list popular.", [observed])


def test_for_misp_a_host_that_a_list_labels_later_is_taken_back_where_it_was_to_be_detected():
    receiver = Receiver(MISP)
    first, second = (file("panel.example", verdict="VERDICT_MALICIOUS", number=number) for number in (1, 2))
    assert receiver.gets(first, 1)["panel.example"]["confidence"] == 75
    with Guarding(lambda value: Guarded("popular", "label", 30, value) if value == "panel.example" else None):
        assert receiver.gets(second, 2)["panel.example"]["revoked"]
        assert "panel.example" not in Receiver(MISP).gets(first, 1)


def test_for_sentinel_which_takes_no_malware_the_families_are_labels():
    sentinel = load_mapping("stix21", None, "sentinel")
    body = file("panel.example", verdict="VERDICT_MALICIOUS", family="Quillback")
    (indicator,) = [each for each in made(body, sentinel) if each["name"] == "ab" * 32]
    assert indicator["labels"] == ["quillback"]
