"""What the mapping and each of its profiles make of simulated notifications and real captures, before `stix_gates`.

A few hundred notifications with all other tests; `make gates` takes 10,000.
"""

import functools
import os
from pathlib import Path

import orjson
import pytest
import stix_gates
from mapping_examples import MAPPINGS
from simulated import bodies

from connector import notification
from connector.app import load_mapping
from connector.formats.stix import Producer
from connector.pipeline import convert

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
SHARD = 100
SHARDS = range(1, max(2, int(os.environ.get("GATES", "200")) // SHARD + 1))
PROFILES = [None, *sorted(path.stem for path in (MAPPINGS / "profiles" / "stix21").glob("*.yaml"))]
OBSERVING = (None, "opencti")
"""Those that send the observable of every indicator."""


@functools.cache
def made(profile):
    return load_mapping("stix21", Producer(), profile)


def findings(conversions, profile):
    """All that any gate has to say of what was made, each object once in each of its versions."""
    receiver, documents = stix_gates.Receiver(observes=profile in OBSERVING), []
    for conversion in conversions:
        objects = [orjson.loads(message.body) for message in conversion.messages]
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
    refused = {str(one.rejected).rsplit(": ", 1)[-1] for one in conversions if one.rejected}
    assert refused <= {"nothing says which URL it is", "no STIX object is known for the entity type hash_list"}
    assert sum(one.rejected is None for one in conversions) > SHARD * 0.8
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
    assert [bool(one.rejected) for one in conversions] == [name == "ioc_stream_response_testcases.json"] * len(items)
    assert findings(conversions, profile) == []
