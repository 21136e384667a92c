"""Events of `mappings/splunk-hec.yaml` are what Splunk's own client posts, and what Splunk's documentation asks for."""

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from malformed_notifications import body_of, dirty, misshapen
from mapping_examples import CASES

from connector import convert

pytest_plugins = "integration.validators"

# Splunk, "Format events for HTTP Event Collector": the keys beside `event`, which must neither be missing nor blank.
ENVELOPE = {
    "type": "object",
    "required": ["event"],
    "additionalProperties": False,
    "properties": {
        "time": {"type": "number", "minimum": 0},
        "host": {"type": "string"},
        "source": {"type": "string"},
        "sourcetype": {"type": "string"},
        "index": {"type": "string"},
        "fields": {"type": "object", "additionalProperties": {"type": ["string", "array"]}},
        "event": {"type": ["object", "string"], "minProperties": 1, "minLength": 1},
    },
}
NUMBERS = {"risk_score", "detections", "file_size", "asn", "dest_port"}
LISTS = {
    *("tags", "entity_tags", "rule_tags", "sources", "categories", "threat_actors", "malware_families"),
    *("source_labels", "mitre_technique_id"),
}
CIM_SEVERITIES = {"critical", "high", "medium", "low", "informational", "unknown"}


def events(bodies):
    return [orjson.loads(message.body) for each in convert(bodies, "splunk-hec") for message in each.messages]


def check(event):
    """The envelope as documented, and each field of one type, so that searches find one type."""
    jsonschema_rs.validate(ENVELOPE, event)
    said = event["event"]
    assert said["severity"] in CIM_SEVERITIES
    for name, value in said.items():
        wanted = int if name in NUMBERS else list if name in LISTS else bool if name == "match_in_subfile" else str
        assert type(value) is wanted, name


def test_splunks_client_posts_the_same_for_the_same(node):
    made = events([body_of(case) for case in CASES])
    assert len(made) == len(CASES)
    posted = [orjson.loads(line) for line in node("hec_events.js", stdin=orjson.dumps(made)).splitlines()]
    for ours, theirs in zip(made, posted, strict=True):
        check(ours)
        assert float(theirs.pop("time")) == ours.pop("time")  # theirs is text, of which Splunk takes the number
        assert ours == theirs


@pytest.mark.parametrize(
    "wrong", [{}, {"event": {}}, {"event": ""}, {"event": "x", "time": "now"}, {"event": "x", "Time": 1}]
)
def test_what_splunk_would_refuse_is_seen(wrong):
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(ENVELOPE, wrong)


@given(body=misshapen() | dirty())
def test_any_odd_notification_becomes_a_valid_event_or_none(body):
    for event in events([body]):
        check(event)
