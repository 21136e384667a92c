"""Entities of `mappings/udm.yaml` have the fields, types and enumerations of UDM.

The noun and the threat, which are nearly all of it, are judged by the list that pySigma's backend for Google SecOps
carries. It has no entity metadata and does not say what is repeated: these are written down here, from Google's
*Unified Data Model field list*. No validator of Google's own is public.
"""

import ipaddress
import re

import orjson
import pytest
from hypothesis import given
from malformed_notifications import body_of, dirty, misshapen
from mapping_examples import CASES, withdrawn

from connector import convert

pytest_plugins = "integration.validators"

TIMESTAMP = "google.protobuf.timestamp"
ENTITY_METADATA = {
    **dict.fromkeys(
        ("product_entity_id", "vendor_name", "product_name", "product_version", "feed", "description"), "string"
    ),
    **dict.fromkeys(("collected_timestamp", "creation_timestamp"), TIMESTAMP),
    "interval": "interval",
    "entity_type": "entity_type",
    "threat": "security_result",
}
OWN = {
    "entity_metadata": ENTITY_METADATA,
    "interval": {"start_time": TIMESTAMP, "end_time": TIMESTAMP},
    "entity": {"metadata": "entity_metadata", "entity": "noun"},
}
ENTITY_TYPES = {"file": "FILE", "url": "URL", "hostname": "DOMAIN_NAME", "ip": "IP_ADDRESS"}
REPEATED = {
    "entity_metadata": {"threat"},
    "security_result": {"category", "category_details", "rule_labels", "associations", "detection_fields"},
    "attack_details": {"tactics", "techniques"},
    "noun": {"ip"},
    "file": {"names", "tags"},
}
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
OF_TYPE = {
    "string": lambda value: type(value) is str,
    "float": lambda value: type(value) in (int, float),
    "int32": lambda value: type(value) is int and -(2**31) <= value < 2**31,
    "int64": lambda value: type(value) is int and -(2**63) <= value < 2**63,
    "uint64": lambda value: type(value) is int and 0 <= value < 2**64,
    TIMESTAMP: lambda value: type(value) is str and RFC_3339.fullmatch(value),
}


def events(bodies):
    return [orjson.loads(message.body) for each in convert(bodies, "udm") for message in each.messages]


@pytest.fixture(scope="module")
def complaints(udm_fields):
    """A function from an entity to what there is against it."""
    records = {**udm_fields["Subtypes"], **udm_fields["TopLevelFields"], **OWN}
    enums = {**udm_fields["Enums"], "entity_type": ENTITY_TYPES.values()}

    def check(name, value, path):
        if name in OF_TYPE:
            return [] if OF_TYPE[name](value) else [f"{path}: {value!r} is no {name}"]
        if name in enums:
            return [] if value in enums[name] else [f"{path}: {value!r} is none of {name}"]
        if not isinstance(value, dict):
            return [f"{path} is no {name}"]
        said = []
        for field, inner in value.items():
            here = f"{path}.{field}"
            if field not in records[name]:
                said.append(f"{here} is no field")
            elif isinstance(inner, list) != (field in REPEATED.get(name, ())):
                said.append(f"{here} is {'a' if isinstance(inner, list) else 'no'} list")
            else:
                for item in inner if isinstance(inner, list) else [inner]:
                    said += check(records[name][field].removeprefix("@"), item, here)
        return said

    return lambda entity: check("entity", entity, "")


def check_meaning(entity):
    """The one field that says which entity it is, of the type that is said."""
    noun, metadata = entity["entity"], entity["metadata"]
    assert [ENTITY_TYPES[field] for field in noun if field in ENTITY_TYPES] == [metadata["entity_type"]]
    for address in noun.get("ip", ()):
        ipaddress.ip_address(address)
    assert metadata["interval"]["start_time"] == metadata["collected_timestamp"]
    assert len(metadata["threat"]) == 1


def test_every_example_is_a_valid_entity(complaints):
    made = events([body_of(case) for case in CASES])
    # But for a URL known by its hash alone, a network, and a kind of entity that is not known.
    assert len(made) == len(CASES) - 3
    for entity in made:
        assert complaints(entity) == []
        check_meaning(entity)


@pytest.mark.parametrize(
    ("part", "change", "complaint"),
    [
        ("entity", {"sha256": "x"}, ".entity.sha256 is no field"),
        ("entity", {"ip": "192.0.2.1"}, ".entity.ip is no list"),
        ("metadata", {"entity_type": "HASH"}, ".metadata.entity_type: 'HASH' is none of entity_type"),
        ("metadata", {"threat": [{"severity": "SEVERE"}]}, "'SEVERE' is none of security_result.product_severity"),
        ("metadata", {"collected_timestamp": 0}, ".metadata.collected_timestamp: 0 is no google.protobuf.timestamp"),
        ("metadata", {"interval": "always"}, ".metadata.interval is no interval"),
    ],
)
def test_what_is_wrong_is_seen(complaints, part, change, complaint):
    (entity,) = events([body_of("file_hunting")])
    entity[part].update(change)
    assert any(complaint in one for one in complaints(entity))


@given(body=misshapen() | dirty())
def test_any_odd_notification_becomes_a_valid_entity_or_none(complaints, body):
    for entity in events([body]):
        assert complaints(entity) == []
        check_meaning(entity)


def test_what_takes_back_is_valid(complaints):
    for line in withdrawn("udm"):
        assert complaints(orjson.loads(line)) == []
