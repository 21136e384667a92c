"""Events of `mappings/ecs.yaml` are what Elastic's own package says ECS is, by its TypeScript types and its fields."""

import json
import subprocess

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from malformed_notifications import body_of, by_the_batch, dirty, misshapen
from mapping_examples import CASES, withdrawn

from connector import convert

pytest_plugins = "integration.validators"

OWN = "virustotal"


def events(bodies):
    """What the mapping makes of notifications, as their reader decodes it; what is refused makes nothing."""
    return [orjson.loads(message.body) for each in convert(bodies, "ecs") for message in each.messages]


@pytest.fixture(scope="module")
def complaints(node):
    """A function from events to what Elastic's list of fields has against them."""
    return lambda made: node("ecs_events.js", OWN, stdin=orjson.dumps(made)).decode().splitlines()


@pytest.fixture
def compiler(node, node_modules, tmp_path):
    """A function from events to what the TypeScript compiler says of them, written as literals of Elastic's type."""
    (tmp_path / "node_modules").symlink_to(node_modules)

    def compiled(made):
        program = f'import type {{ Ecs }} from "@elastic/ecs";\nexport const made: (Ecs & {{ {OWN}: unknown }})[] = '
        (tmp_path / "events.ts").write_text(program + json.dumps(made, indent=1))
        command = [node_modules / ".bin" / "tsc", "--noEmit", "--strict", "--types", "", "events.ts"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False).stdout

    return compiled


def test_every_example_is_of_elastics_type(compiler):
    made = events([body_of(case) for case in CASES])
    assert len(made) == len(CASES)
    assert compiler(made) == ""


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"threat": {"indicator": {"confidense": "High"}}}, "confidense"),
        ({"event": {"severity": "8"}}, "'string' is not assignable to type 'number'"),
        ({"ecs": {"version": "8.0.0"}}, "8.0.0"),
    ],
)
def test_the_compiler_sees_what_is_wrong(compiler, change, complaint):
    (event,) = events([body_of("ip_v4")])
    assert complaint in compiler([{**event, **change}])


def test_every_example_has_fields_and_values_that_elastic_lists(complaints):
    assert complaints(events([body_of(case) for case in CASES])) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"source": {"ipp": "x"}}, "source.ipp is no field"),
        ({"tags": "a"}, "tags is no list"),
        ({"message": ["a"]}, "message is a list"),
        ({"@timestamp": "yesterday"}, '@timestamp: "yesterday" is no date'),
        ({"event": {"kind": "match"}}, 'event.kind: "match" is not allowed'),
        ({"related": {"ip": ["198.51.100.0/24"]}}, 'related.ip: "198.51.100.0/24" is no ip'),
        ({"ecs": {}}, "ecs.version is missing"),
    ],
)
def test_the_list_of_fields_sees_what_is_wrong(complaints, change, complaint):
    (event,) = events([body_of("ip_v4")])
    assert complaint in complaints([{**event, **change}])


@by_the_batch
@given(batch=st.lists(misshapen() | dirty(), min_size=10, max_size=20))
def test_any_odd_notification_becomes_a_valid_event_or_none(complaints, batch):
    assert complaints(events(batch)) == []


def test_what_takes_back_is_valid(complaints):
    assert complaints([orjson.loads(line) for line in withdrawn("ecs")]) == []
