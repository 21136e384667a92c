"""The JSON Schema of mappings takes what can be loaded, and refuses what has the wrong shape."""

import jsonschema_rs
import orjson
import pytest
from integration.command import iocstream_here

from connector.authoring import template
from connector.mapping import files
from connector.mapping.schema import json_schema
from connector.settings import yamldoc

SCHEMA = json_schema(["stix", "cef", "leef", "json"])
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)


def holds(text):
    return VALIDATOR.is_valid(yamldoc.parse(text, "own.yaml").data)


def test_it_is_a_schema():
    jsonschema_rs.meta.validate(SCHEMA)


@pytest.mark.parametrize("path", files.bundled_mappings().values(), ids=lambda path: path.stem)
def test_every_bundled_mapping_fits(path):
    VALIDATOR.validate(yamldoc.load(path).data)


@pytest.mark.parametrize("format_name", template.formats())
def test_every_template_fits(format_name):
    assert holds(template.formats()[format_name])


@pytest.mark.parametrize(
    "text",
    [
        "emit: {one: {type: x}}",
        "format: json",
        "format: xml\nemit: {one: {type: x}}",
        "format: json\nemits: {}\nemit: {one: {type: x}}",
        "format: json\nemit: {}",
        "format: json\nemit: {one: text}",
        "format: json\nemit: {one: [a]}",
        "format: json\nemit: {one: {}}",
        "format: json\nemit: {a-b: {type: x}}",
        "format: json\nlet: {a-b: 1}\nemit: {one: {type: x}}",
        "format: json\nmatch: 1\nemit: {one: {type: x}}",
        "format: json\ndescription: 1\nemit: {one: {type: x}}",
        "format: json\nemit: {one: {a: null}}",
        "format: json\nemit: {one: {a: []}}",
        "format: json\nemit: {one: {a: [b, {}]}}",
        "format: json\nemit: {one: {a: {$wen: b, c: d}}}",
        "format: json\nemit: {one: {a: {$when: 1, c: d}}}",
        "format: json\nemit: {one: {a: {$default: b, c: d}}}",
        "format: json\nemit: {one: {a: {$each: {}, c: d}}}",
        "format: json\nemit: {one: {a: {$provisional: b, c: d}}}",
    ],
)
def test_what_has_the_wrong_shape_is_refused(text):
    assert not holds(text)


def test_the_command_prints_it_with_every_format_there_is(tmp_path):
    done = iocstream_here("schema", "mapping", cwd=tmp_path)
    assert done.returncode == 0
    printed = orjson.loads(done.stdout)
    assert printed["properties"]["format"]["enum"] == sorted(
        {yamldoc.load(path).data["format"] for path in files.bundled_mappings().values()}
    )
