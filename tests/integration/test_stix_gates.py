"""Simulated notifications and real captures before the gates of `stix_gates`.

A few hundred with all other tests; `make gates` takes 10,000.
"""

import os
from pathlib import Path

import orjson
import pytest
import stix_gates
from mapping_examples import MAPPINGS
from simulated import bodies

from connector import notification
from connector.formats.stix import Producer, StixFormat
from connector.mapping import load
from connector.pipeline import convert

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
SHARD = 100
SHARDS = range(1, max(2, int(os.environ.get("GATES", "300")) // SHARD + 1))
STIX = StixFormat(Producer())
MAPPING = load(MAPPINGS / "stix21.yaml", {"stix": STIX}, "stix21.yaml")


def findings(conversions):
    """All that any gate has to say of what was made, each object once in each of its versions."""
    receiver, documents = stix_gates.Receiver(), []
    for conversion in conversions:
        made = [orjson.loads(message.body) for message in conversion.messages]
        receiver.take(made)
        documents += made
    latest = list(receiver.latest.values())
    return [
        *receiver.faults,
        *stix_gates.strict_findings(documents),
        *stix_gates.yara_findings(documents),
        *stix_gates.validator_findings(latest),
    ]


@pytest.mark.parametrize("shard", SHARDS)
def test_everything_that_simulated_notifications_become_passes_every_gate(shard):
    conversions = list(convert([notification.read(body) for body in bodies(SHARD, shard)], MAPPING))
    refused = {str(one.rejected) for one in conversions if one.rejected}
    assert refused <= {
        "url has no value: nothing says which url it is",
        "type must be that of a STIX 2.1 object; it is 'hash_list'",
    }
    assert sum(one.rejected is None for one in conversions) > SHARD * 0.8
    assert findings(conversions) == []


@pytest.mark.parametrize(
    "name",
    [
        "ioc_stream_full_file_objects_subscription.json",
        "ioc_stream_get_200.json",
        "notification.json",
        "ioc_stream_response_testcases.json",
    ],
)
def test_everything_that_a_real_capture_becomes_passes_every_gate(name):
    path = SAMPLES / name
    if not path.is_file():
        pytest.skip(f"the captures are not at hand ({name})")
    found = orjson.loads(path.read_bytes())
    items = found if isinstance(found, list) else found["data"] if isinstance(found["data"], list) else [found["data"]]
    conversions = list(convert([notification.read(item) for item in items], MAPPING))
    # Cut by hand: it has no notification, so that there is nothing to convert.
    assert [bool(one.rejected) for one in conversions] == [name == "ioc_stream_response_testcases.json"] * len(items)
    assert findings(conversions) == []
