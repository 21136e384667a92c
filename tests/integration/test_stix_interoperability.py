"""The producer's cases of the OASIS document *STIX 2.1 Interoperability Test*: ten of indicators, two of sightings.

VirusTotal tells of one observable at a time. The cases with two in one pattern, and that of a sighting counted 50, are
made by overlays, as a user would.
"""

import re

import orjson
import pytest
import stix2
import stix_gates

from connector import notification
from connector.formats.stix.bundle import bundle
from connector.kinds import make_formats
from connector.mapping import apply_overlay, compile_mapping
from connector.mapping.files import read
from connector.pipeline.convert import convert
from connector.settings import yamldoc
from connector.settings.producer import Producer

MANDATORY = ("type", "spec_version", "id", "created_by_ref", "created", "modified", "valid_from", "name", "pattern")
"""Of an indicator, by Table 14; with `pattern_type` and `indicator_types`."""
MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
SHA256 = "bbd2691da8f1c7e05bcaa68a29f8d11b11f7a1a638f9d521626a506a731bedf0"


def match(number, entity_type, entity_id, **attributes):
    context = {"notification_id": str(number), "notification_date": 1_760_000_000 + number, "origin": "hunting"}
    return {"type": entity_type, "id": entity_id, "attributes": attributes, "context_attributes": context}


def made(*bodies, overlay=None):
    """The bundle that notifications become, as its objects."""
    document = read("stix21")
    if overlay:
        document = apply_overlay(document, yamldoc.parse(f"extends: stix21\n{overlay}", "overlay.yaml"))
    mapping = compile_mapping(document, make_formats(Producer(name="Example CERT")))
    conversions = list(convert([notification.read(body) for body in bodies], mapping))
    assert [one.refusal for one in conversions] == [None] * len(bodies)
    newest = {message.id: message for one in conversions for message in one.messages}
    return orjson.loads(bundle(newest.values()))["objects"]


def of_type(name, objects):
    return [each for each in objects if each["type"] == name]


def observed(kind, value):
    """Observed data of one observable, as a consumer of the indicator might have seen."""
    observable = {"type": kind, "value": value} if kind != "file" else {"type": kind, "hashes": {"SHA-256": value}}
    return [orjson.loads(stix2.parse(observable, version="2.1").serialize())]


def check_producer(objects):
    """Section 2.3.4: the identity of the producer comes along, an organization that is its own author."""
    [author] = [each for each in of_type("identity", objects) if each["name"] == "Example CERT"]
    assert author["identity_class"] == "organization"
    assert author["created_by_ref"] == author["id"]
    return author["id"]


def check_indicators(objects, patterns):
    author = check_producer(objects)
    indicators = of_type("indicator", objects)
    assert [each["pattern"] for each in indicators] == patterns
    for indicator in indicators:
        assert set(MANDATORY) <= indicator.keys()
        assert indicator["pattern_type"] == "stix"
        assert indicator["indicator_types"]
        assert indicator["created_by_ref"] == author
        assert all(MILLISECONDS.match(indicator[name]) for name in ("created", "modified", "valid_from"))
    assert list(stix_gates.strict_findings(objects)) == []
    assert list(stix_gates.validator_findings(objects)) == []
    return indicators


def compared(pattern):
    """An overlay with a pattern of its own."""
    return f'change: {{emit: {{indicator: {{pattern: "{pattern}"}}}}}}'


TWO_NETWORKS = "[ipv4-addr:value = '198.51.100.0/24' OR ipv4-addr:value = '203.0.113.0/24']"
URL_OR_NAME = "[url:value = 'https://files.example/a' OR domain-name:value = 'files.example']"


@pytest.mark.parametrize(
    ("bodies", "overlay", "patterns", "seen", "not_seen"),
    [
        pytest.param(
            [match(1, "ip_address", "198.51.100.1")], None,
            ["[ipv4-addr:value = '198.51.100.1']"],
            ("ipv4-addr", "198.51.100.1"), ("ipv4-addr", "198.51.100.2"), id="3.7.3.1 an IPv4 address",
        ),
        pytest.param(
            [match(1, "ip_address", "198.51.100.0/24")], None,
            ["[ipv4-addr:value = '198.51.100.0/24']"],
            ("ipv4-addr", "198.51.100.0/24"), ("ipv4-addr", "198.51.100.0/25"), id="3.7.3.2 an IPv4 network",
        ),
        pytest.param(
            [match(1, "ip_address", "198.51.100.0/24")], compared(TWO_NETWORKS),
            [TWO_NETWORKS],
            ("ipv4-addr", "203.0.113.0/24"), ("ipv4-addr", "192.0.2.0/24"), id="3.7.3.3 two IPv4 networks",
        ),
        pytest.param(
            [match(1, "ip_address", "2001:DB8:0::1")], None,
            ["[ipv6-addr:value = '2001:db8::1']"],
            ("ipv6-addr", "2001:db8::1"), ("ipv6-addr", "2001:db8::2"), id="3.7.3.4 an IPv6 address",
        ),
        pytest.param(
            [match(1, "ip_address", "2001:db8::/96")], None,
            ["[ipv6-addr:value = '2001:db8::/96']"],
            ("ipv6-addr", "2001:db8::/96"), ("ipv6-addr", "2001:db8::/97"), id="3.7.3.5 an IPv6 network",
        ),
        pytest.param(
            [match(1, "ip_address", "198.51.100.1"), match(2, "domain", "files.example"), match(3, "file", SHA256)],
            None,
            [
                "[ipv4-addr:value = '198.51.100.1']", "[domain-name:value = 'files.example']",
                f"[file:hashes.'SHA-256' = '{SHA256}']",
            ],
            ("ipv4-addr", "198.51.100.1"), ("domain-name", "files.example"), id="3.7.3.6 several in one bundle",
        ),
        pytest.param(
            [match(1, "domain", "Files.Example")], None,
            ["[domain-name:value = 'files.example']"],
            ("domain-name", "files.example"), ("domain-name", "example"), id="3.7.3.7 a domain name",
        ),
        pytest.param(
            [match(1, "url", "https://files.example/a", url="https://files.example/a")], None,
            ["[url:value = 'https://files.example/a']"],
            ("url", "https://files.example/a"), ("url", "https://files.example/b"), id="3.7.3.8 a URL",
        ),
        pytest.param(
            [match(1, "url", "https://files.example/a", url="https://files.example/a")],
            compared(URL_OR_NAME),
            [URL_OR_NAME],
            ("domain-name", "files.example"), ("domain-name", "other.example"), id="3.7.3.9 a URL or a domain name",
        ),
        pytest.param(
            [match(1, "file", SHA256.upper())], None,
            [f"[file:hashes.'SHA-256' = '{SHA256}']"],
            ("file", SHA256), ("file", SHA256[::-1]), id="3.7.3.10 a hash",
        ),
    ],
)  # fmt: skip
def test_indicator_sharing(bodies, overlay, patterns, seen, not_seen):
    indicator, *_ = check_indicators(made(*bodies, overlay=overlay), patterns)
    assert stix_gates.matches(indicator, observed(*seen))
    assert not stix_gates.matches(indicator, observed(*not_seen))


COUNTED = "change: {emit: {sighting: {count: 50}}}"


@pytest.mark.parametrize(("overlay", "count"), [(None, 1), (COUNTED, 50)])
def test_sighting_sharing(overlay, count):
    """Sections 3.17.3.1 and 3.17.4.1: of an indicator, by an identity, with what was observed, all in the bundle."""
    objects = made(match(1, "ip_address", "198.51.100.1"), overlay=overlay)
    author = check_producer(objects)
    [sighting], by_id = of_type("sighting", objects), {each["id"]: each for each in objects}
    assert sighting["count"] == count
    assert sighting["created_by_ref"] == author
    assert by_id[sighting["sighting_of_ref"]]["type"] == "indicator"
    assert [by_id[where]["type"] for where in sighting["where_sighted_refs"]] == ["identity"]
    [seen] = [by_id[reference] for reference in sighting["observed_data_refs"]]
    assert [by_id[reference]["value"] for reference in seen["object_refs"]] == ["198.51.100.1"]
    assert all(MILLISECONDS.match(sighting[name]) for name in ("created", "modified", "first_seen", "last_seen"))
    assert list(stix_gates.strict_findings(objects)) == []
    assert list(stix_gates.validator_findings(objects)) == []
