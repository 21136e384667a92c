"""What the mapping and each of its profiles make of simulated notifications and real captures, before `stix_gates`.

A few hundred notifications with all other tests; `make gates` takes 10,000.
"""

import copy
import functools
import os
import uuid
from pathlib import Path

import orjson
import pytest
import stix_gates
from mapping_examples import MAPPINGS, conversion
from simulated_notifications import bodies

from connector import notification
from connector.configuration import load_mapping
from connector.pipeline.convert import convert
from connector.settings.producer import Producer

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
SHARD = 100
OTHER = "file--28bb3599-77cd-5a82-a950-b5bc3caf07c4"
SHARDS = range(1, max(2, int(os.environ.get("GATES", "200")) // SHARD + 1))
PROFILES = [None, *sorted(path.stem for path in (MAPPINGS / "profiles" / "stix21").glob("*.yaml"))]
OBSERVING = (None, "opencti")
"""Those that send the observable of every indicator."""


@functools.cache
def made(profile):
    return load_mapping("stix21", Producer(), profile)


def findings(conversions, profile):
    """All that any gate has to say of what was made, each object once in each of its versions."""
    return said([[orjson.loads(message.body) for message in one.messages] for one in conversions], profile)


def said(batches, profile):
    """The same of objects, as they came with one notification after the other."""
    receiver, documents = stix_gates.Receiver(observes=profile in OBSERVING), []
    for objects in batches:
        receiver.take(objects)
        documents += objects
    latest = list(receiver.latest.values())
    return [
        *receiver.faults,
        *stix_gates.strict_findings(documents),
        *stix_gates.yara_findings(documents),
        *stix_gates.validator_findings(latest),
    ]


@pytest.mark.parametrize("shard", SHARDS)
@pytest.mark.parametrize("profile", PROFILES)
def test_everything_that_simulated_notifications_become_passes_every_gate(profile, shard):
    conversions = list(convert([notification.read(body) for body in bodies(SHARD, shard)], made(profile)))
    refused = {str(one.refusal).rsplit(": ", 1)[-1] for one in conversions if one.refusal}
    assert refused <= {"nothing says which URL it is", "no STIX object is known for the entity type hash_list"}
    assert sum(one.refusal is None for one in conversions) > SHARD * 0.8
    assert findings(conversions, profile) == []


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "name",
    [
        "ioc_stream_full_file_objects_subscription.json",
        "ioc_stream_get_200.json",
        "notification.json",
        "ioc_stream_response_testcases.json",
    ],
)
def test_everything_that_a_real_capture_becomes_passes_every_gate(name, profile):
    path = SAMPLES / name
    if not path.is_file():
        pytest.skip(f"the captures are not at hand ({name})")
    found = orjson.loads(path.read_bytes())
    items = found if isinstance(found, list) else found["data"] if isinstance(found["data"], list) else [found["data"]]
    conversions = list(convert([notification.read(item) for item in items], made(profile)))
    # Cut by hand: it has no notification, so that there is nothing to convert.
    assert [bool(one.refusal) for one in conversions] == [name == "ioc_stream_response_testcases.json"] * len(items)
    assert findings(conversions, profile) == []


def change(kind, **properties):
    """The first object of a type with these properties otherwise; those that are None are missing."""

    def changed(objects):
        found = next(each for each in objects if each["type"] == kind)
        found.update(properties)
        for name in [name for name, value in properties.items() if value is None]:
            del found[name]

    return changed


def indicator(**properties):
    """The same of the indicator of the file."""

    def changed(objects):
        next(each for each in objects if "confidence" in each).update(properties)

    return changed


@pytest.mark.parametrize(
    ("broken", "finding"),
    [
        (change("sighting", first_seen=None, description=None, last_seen="2020-01-01T00:00:00.00Z"), "three digits"),
        (change("sighting", sighting_of_ref=OTHER), "sighting of what is no indicator"),
        (change("sighting", count=2), "two notifications in one sighting"),
        (change("sighting", where_sighted_refs=[OTHER]), "where_sighted_refs of another type"),
        (change("file", id=OTHER), "not the id that section 2.9 gives it"),
        (change("file", hashes={"SHA-256": "AB" * 32}), "is no SHA-256 in lower case"),
        (change("file", hashes={"SHA256": "ab" * 32}), "is no SHA256 in lower case"),
        (change("file", name="a.exe"), "what may be unknown at the first match is part of the object"),
        (change("domain-name", value="C2.example"), "is not as it is looked up"),
        (change("ipv6-addr", value="2001:DB8:0::17"), "is not the one form of that address"),
        (change("observed-data", object_refs=[OTHER, OTHER]), "observables that nothing connects"),
        (change("relationship", relationship_type="uses"), "uses"),
        (change("note", content="a\0b"), "holds U+0000"),
        (change("note", labels=[]), "labels is empty"),
        (change("malware", created_by_ref="identity--28bb3599-77cd-5a82-a950-b5bc3caf07c4"), "does not have"),
        (indicator(pattern="[file:hashes.SHA256 = 'a']"), "is not one canonical comparison"),
        (indicator(pattern=f"[file:hashes.'SHA-256' = '{'ab' * 32}']"), "does not match what it is about"),
        (indicator(valid_until="2020-01-01T00:00:00.000Z"), "it is never valid"),
        (indicator(valid_until="2030-01-01T00:00:00Z"), "has not exactly three digits"),
        (indicator(extensions={}), "extensions is empty"),
        (indicator(extensions={"x": {"detections": {"malicious": 9}}}), "malicious without a verdict"),
        (indicator(confidence=101), "confidence"),
        (indicator(x_mine="1"), "x_mine"),
        (indicator(id=f"indicator--{uuid.uuid5(stix_gates.OASIS, 'a.exe')}", name="a.exe"), "for observables alone"),
        (change("indicator", pattern="rule x {"), "error"),
    ],
)
def test_every_gate_can_be_failed(broken, finding):
    objects = copy.deepcopy(
        [orjson.loads(message.body) for message in conversion(made(None), "file_explained").messages]
    )
    broken(objects)
    found = said([objects], None)
    assert any(finding in one for one in found), found


@pytest.mark.parametrize(
    ("later", "finding"),
    [
        ({}, "its version is not newer than the one before"),
        ({"modified": "2030-01-01T00:00:00.000Z", "created": "2030-01-01T00:00:00.000Z"}, "created changed"),
        ({"modified": "2030-01-01T00:00:00.000Z", "valid_from": "2025-01-01T00:00:00.000Z"}, "valid_from changed"),
        ({"modified": "2030-01-01T00:00:00.000Z", "created_by_ref": "identity--0"}, "its author changed"),
    ],
)
def test_a_receiver_sees_what_no_later_version_may_change(later, finding):
    objects = [orjson.loads(message.body) for message in conversion(made(None), "file_explained").messages]
    receiver = stix_gates.Receiver()
    receiver.take(objects)
    receiver.take([next(each for each in objects if "confidence" in each) | later])
    assert any(finding in fault for fault in receiver.faults)
