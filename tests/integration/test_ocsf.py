"""Findings of `mappings/ocsf.yaml` are what OCSF says: by py-ocsf-models, and by Tenzir with the schemas it carries."""

import ipaddress
import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from malformed_notifications import body_of, by_the_batch, dirty, misshapen
from mapping_examples import CASES, withdrawn

from connector import convert

pytest_plugins = "integration.validators"

VERSIONS = ["1.5.0", "1.6.0", "1.7.0", "1.8.0", "1.9.0"]
# JSON has no type for times and addresses, and Tenzir wants them to have one: these are as OCSF writes them in JSON.
SAID_IN_JSON = re.compile(
    r"warning: expected type `time` for `(\S+\.)?(\w+_)?time`, but got `int`"
    r"|warning: expected type `subnet` for `osint\[\]\.subnet`, but got `string`"
    r"|warning: expected type `ip` for `evidences\[\]\.dst_endpoint\.ip`, but got `string`"
    r"|warning: expected type `double` for `osint\[\]\.reputation\.base_score`, but got `int`"
)


def lines(bodies):
    """What the mapping makes of notifications; what is refused makes nothing."""
    return [message.body for each in convert(bodies, "ocsf") for message in each.messages]


def missing(records, profiles, name, value, path=""):
    """Attributes that a record must have and has not, and their like in what it holds."""
    for attribute, notes in records[name].items():
        here = f"{path}.{attribute}".lstrip(".")
        profile = re.search(r"#profile=(\w+)", notes)
        if attribute not in value:
            if "#required" in notes and (profile is None or profile[1] in profiles):
                yield here
        elif inner := re.search(r"_ocsf\.\w+?\.([\w.]+)", notes):
            items = value[attribute] if isinstance(value[attribute], list) else [value[attribute]]
            for item in items:
                yield from missing(records, profiles, inner[1], item, here)


@pytest.fixture(scope="module")
def judged(tenzir, ocsf_schema, ocsf_models):
    """A function from findings and a version of OCSF to what there is against them."""

    def complaints(made, version):
        said = ocsf_models(made)
        events = [orjson.loads(line) for line in made]
        for event in events:
            event["metadata"]["version"] = version
            said += missing(ocsf_schema(version), event["metadata"]["profiles"], "detection_finding", event)
            for evidence in event["evidences"]:
                if "ip" in evidence.get("dst_endpoint", {}):
                    ipaddress.ip_address(evidence["dst_endpoint"]["ip"])
        _, warnings = tenzir("ocsf_derive\nocsf_cast", events)
        return said + [line for line in re.findall("warning: .*", warnings) if not SAID_IN_JSON.fullmatch(line)]

    return complaints


@pytest.mark.parametrize("version", VERSIONS)
def test_every_example_is_a_valid_finding(judged, version):
    made = lines([body_of(case) for case in CASES])
    assert len(made) == len(CASES)
    assert judged(made, version) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"bogus": 1}, "warning: dropping field which does not exist in schema"),
        ({"severity_id": 7}, "severity_id Input should be 0, 1, 2, 3, 4, 5, 6 or 99"),
        ({"severity": "Severe"}, "warning: found invalid value for `severity`"),
        ({"time": "now"}, "time Input should be a valid integer"),
        ({"osint": [{"value": "x"}]}, "osint.type_id"),
        ({"osint": [{"value": "x", "type_id": 50}]}, "warning: found invalid value for `osint[].type_id`"),
        ({"osint": [{"value": "x", "type_id": 1, "risk_score": "x"}]}, "but got `string`"),
        ({"finding_info": {"title": "x"}}, "finding_info.uid"),
    ],
)
def test_what_is_wrong_is_seen(judged, change, complaint):
    (line,) = lines([body_of("file_hunting")])
    said = judged([orjson.dumps({**orjson.loads(line), **change})], "1.5.0")
    assert any(complaint in one for one in said), said


@by_the_batch
@given(batch=st.lists(misshapen() | dirty(), min_size=10, max_size=20))
def test_any_odd_notification_becomes_a_valid_finding_or_none(judged, batch):
    assert judged(lines(batch), "1.5.0") == []


def test_what_takes_back_is_valid(judged):
    assert judged(withdrawn("ocsf"), "1.5.0") == []
