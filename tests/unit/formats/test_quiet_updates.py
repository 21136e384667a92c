"""Many matches of one observable: a Sighting for each, and few versions of its Indicator."""

import copy

import orjson
from mapping_examples import MAPPINGS, bundled

from connector import notification
from connector.pipeline.convert import convert

HOURS = 48
MATCHES = 50


def matches():
    body = orjson.loads((MAPPINGS / "examples" / "inputs" / "domain_hunting.json").read_bytes())
    start = body["context_attributes"]["notification_date"]
    for number in range(MATCHES):
        each = copy.deepcopy(body)
        each["context_attributes"]["notification_id"] = f"{start}{number}"
        each["context_attributes"]["notification_date"] = start + number * HOURS * 3600 // MATCHES
        yield notification.read(each)


def sent(kind):
    documents = [
        orjson.loads(message.body) for each in convert(matches(), bundled("stix21")) for message in each.messages
    ]
    return [document for document in documents if document["type"] == kind]


def test_fifty_matches_of_a_domain_in_two_days_are_fifty_sightings_and_at_most_three_versions_of_the_indicator():
    assert len(sent("sighting")) == MATCHES
    assert 1 <= len(sent("indicator")) <= 3
