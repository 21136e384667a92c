"""Unit tests of the feed."""

import demistomock as demisto
import pytest
from FeedIoCStream import fetch_indicators, indicator, indicators, reputation

# notifications


class Client:
    """Answers with these pages."""

    def __init__(self, *pages):
        self.pages, self.asked = list(pages), []

    def call(self, action, given):
        self.asked.append((action, given))
        return {"data": self.pages.pop(0)}


@pytest.mark.parametrize(
    ("verdict", "score"), [("malicious", 3), ("suspicious", 2), ("benign", 1), ("undetected", 0), ("unknown", 0)]
)
def test_a_verdict_is_a_dbot_score(verdict, score):
    assert indicator(notification(verdict=verdict), {})["score"] == score


def test_an_indicator_has_the_fields_that_are_known():
    made = indicator(notification(), {"feedTags": "a, b", "tlp_color": "AMBER"})
    fields = made["fields"]
    assert (made["type"], made["value"]) == ("File", "9" * 64)
    assert fields["tags"] == ["a", "b", "lanterns", "Lanterns", "signed"]
    assert (fields["confidence"], fields["gtithreatscore"], fields["gtiverdict"]) == (85, 90, "VERDICT_MALICIOUS")
    assert (fields["md5"], fields["malwarefamily"], fields["actor"]) == ("a" * 32, ["lantern"], ["Paper Badger"])
    assert fields["trafficlightprotocol"] == "AMBER"
    assert "imphash" not in fields


def test_a_domain_has_its_contacts():
    facts = {**notification()["entity"], "whois": WHOIS, "registrar": "R"}
    made = indicator(notification(entity_type="domain", entity_value="a.example", entity=facts), {})
    assert made["fields"]["adminemail"] == "a@b.example"
    assert made["fields"]["registrantcountry"] == "NO"
    assert made["fields"]["registrarname"] == "R"


def there(monkeypatch, *values):
    """Have the platform have indicators of these values."""

    def search(query, size):
        assert size == 1
        return {"iocs": [{"value": each} for each in values if query == f'value:"{each}"'] or None}

    monkeypatch.setattr(demisto, "searchIndicators", search)


def test_what_is_withdrawn_lowers_the_reputation_of_what_the_platform_has(monkeypatch):
    there(monkeypatch, "9" * 64)
    said = {"verdict": "unknown", "confidence": None, "families": [], "actors": [], "judgement": "false_positive"}
    gone = [notification(change="withdrawn", **said), notification(change="withdrawn", entity_value="8" * 64, **said)]
    upheld = notification(change="withdrawn", upheld_by="2", **said)
    (made,), _ = indicators([*gone, upheld], {})
    fields = made["fields"]
    assert (made["value"], made["score"], fields["gtiverdict"]) == ("9" * 64, 0, "VERDICT_UNKNOWN")
    assert (fields["malwarefamily"], fields["actor"]) == ([], [])
    assert "withdrawn" in fields["tags"]
    assert fields["description"].startswith("Withdrawn: an analyst judged it false positive; Matched by lantern")


def test_a_benign_verdict_withdraws_as_good(monkeypatch):
    there(monkeypatch, "9" * 64)
    (made,), _ = indicators([notification(change="withdrawn", verdict="benign", score=1)], {})
    assert made["score"] == 1
    assert "its verdict is benign, its score 1" in made["fields"]["description"]


def test_what_is_malicious_only_now_is_an_indicator():
    (made,), _ = indicators([notification(change="changed")], {})
    assert made["score"] == 3


def test_a_file_is_known_by_the_hash_that_it_is_named_by():
    hashes = {**notification()["hashes"], "sha256": None, "md5": "a" * 32}
    (found,) = [
        each
        for name, each in reputation([notification(entity_value="a" * 32, hashes=hashes)], {}).items()
        if "File" in name
    ]
    assert found[0]["MD5"] == "a" * 32
    assert "SHA256" not in found[0]


def test_the_context_has_what_is_known_of_each_kind_of_observable():
    facts = {
        **notification()["entity"],
        "asn": 64496,
        "as_owner": "O",
        "country": "NO",
        "registrar": "R",
        "created": "2026",
    }
    for kind, value, wanted in (
        ("ip_address", "198.51.100.7", {"ASN": 64496, "ASOwner": "O", "Geo": {"Country": "NO"}}),
        ("domain", "a.example", {"Registrar": {"Name": "R"}, "CreationDate": "2026"}),
        ("url", "https://a.example/", {}),
    ):
        made = reputation([notification(entity_type=kind, entity_value=value, entity=facts)], {})
        (known,) = [each[0] for name, each in made.items() if not name.startswith("DBotScore")]
        assert wanted.items() <= known.items()
        assert (known["DetectionEngines"], known["PositiveDetections"], known["Actor"]) == (70, 40, "Paper Badger")


def test_an_address_of_version_6_has_a_type_of_its_own():
    assert indicator(notification(entity_type="ip_address", entity_value="2001:db8::1"), {})["type"] == "IPv6"


@pytest.mark.parametrize(("network", "kind"), [("198.51.100.0/24", "CIDR"), ("2001:db8::/32", "IPv6CIDR")])
def test_a_network_has_a_type_of_its_own(network, kind):
    made = notification(entity_type="ip_address", entity_value=network)
    assert indicator(made, {})["type"] == kind
    (scores,) = reputation([made], {}).values()
    assert [(each["Type"], each["Indicator"]) for each in scores] == [("cidr", network)]


def test_families_and_actors_are_related_unless_that_is_switched_off():
    related = indicator(notification(), {})["relationships"]
    assert [(each["name"], each["entityB"], each["entityBType"]) for each in related] == [
        ("part-of", "Lantern", "Malware"),
        ("attributed-by", "Paper Badger", "Threat Actor"),
    ]
    assert "relationships" not in indicator(notification(), {"create_relationships": False})


def test_what_has_no_observable_is_passed_over():
    made, passed_over = indicators([notification(id="7", entity_value=None), notification(id="8")], {})
    assert ([each["rawJSON"]["id"] for each in made], passed_over) == (["8"], ["7"])


def test_the_place_is_kept_after_each_page(monkeypatch):
    done = []
    monkeypatch.setattr(demisto, "getIntegrationContext", lambda: {"next": "3"})
    monkeypatch.setattr(demisto, "setIntegrationContext", lambda context: done.append(context["next"]))
    monkeypatch.setattr(demisto, "createIndicators", lambda made: done.append(len(made)))
    pages = [{"notifications": [notification()], "next": "4", "more": True}]
    client = Client(*pages, {"notifications": [], "next": "4", "more": False})
    fetch_indicators(client, {"minimum_score": "60", "verdicts": ["malicious"]})
    assert done == [1, "4", "4"]
    assert [given["next"] for _, given in client.asked] == ["3", "4"]
    given = client.asked[0][1]
    assert (given["minimum_score"], given["changes"], given["muted"]) == ("60", True, False)
