"""What `mapping check` finds, and what it leaves alone."""

import orjson
import pytest
from integration.command import iocstream_here
from mapping_examples import MAPPINGS, bundled

from connector.authoring.review import review
from connector.formats.cef.format import CefFormat
from connector.formats.json import JsonFormat
from connector.formats.stix.format import StixFormat
from connector.mapping import compile_mapping, examples, files
from connector.mapping.examples import Examples
from connector.model import Notification
from connector.ports import Vocabulary
from connector.settings import yamldoc
from connector.settings.producer import Producer

FORMATS = {"json": JsonFormat(), "cef": CefFormat(), "stix": StixFormat(Producer())}
CEF = """
format: cef
emit:
  event: {deviceVendor: a, deviceProduct: b, deviceVersion: c, deviceEventClassId: d, name: e, severity: 3,
    extension: %s}
"""
STIX = """
format: stix
emit:
  domain: {type: domain-name, value: '${{ entity_value }}', %s}
"""


def example(number=1, entity_type="domain", **entity):
    context = {"notification_id": str(number), "notification_date": 1, "origin": "hunting", "sources": [{"id": "1"}]}
    body = {"id": "example.com", "type": entity_type, "attributes": entity, "context_attributes": context}
    return Notification(str(number), 1, body)


def remarks(text, *notifications, kind=None):
    mapping = compile_mapping(yamldoc.parse(text, "own.yaml"), FORMATS)
    found = list(review(mapping, Examples("examples", notifications or [example()])))
    return [each for each in found if kind is None or each.kind == kind]


def line(body):
    return f"format: json\nemit:\n  line: {{{body}}}\n"


def test_an_expression_that_was_null_in_all_examples_is_named_with_its_place():
    text = line("a: '${{ entity.x }}', b: '${{ entity.y }}'")
    (found,) = remarks(text, example(x=1), example(x=None), kind="without value")
    assert (found.level, found.place, found.subject) == ("warning", "own.yaml:3:35", "emit.line.b")
    assert found.message == "`entity.y` found nothing in any example; is it misspelt?"


def test_what_the_mapping_makes_nothing_of_is_named_as_a_whole():
    text = line("a: '${{ entity.x.used }}', b: '${{ notification }}', c: '${{ entity_value }}'")
    found = remarks(text, example(x={"used": 1, "left": 2}, y={"a": {"b": [1]}, "c": 2}), example(y={}), kind="unread")
    assert [(each.subject, each.message) for each in found] == [
        ("entity.x.left", "in 1 of 2 examples"),
        ("entity.y", "in 1 of 2 examples"),
    ]


def test_what_stands_in_a_list_is_one_thing_wherever_it_stands():
    text = line("a: '${{ entity.list[0].x }}', b: '${{ notification }}', c: '${{ entity_value }}'")
    found = remarks(text, example(list=[{"x": 1, "y": 2}, {"x": 3, "z": 4}]), kind="unread")
    assert [each.subject for each in found] == ["entity.list[].y", "entity.list[].z"]


@pytest.mark.parametrize(
    "body",
    [
        "a: '${{ entity }}'",
        "a: '${{ entity.x || entity.y }}'",
        "a: '${{ entity.y && entity.x }}'",
        "a: {$when: entity.x, b: '${{ entity.y }}'}",
        "a: {$switch: entity.x, '1': '${{ entity.y }}'}",
        "a: '${{ length(keys(entity)) }}'",
        "a: '${{ entity.*.z }}'",
    ],
)
def test_what_an_expression_asks_for_is_read(body):
    text = line(f"{body}, b: '${{{{ notification }}}}', c: '${{{{ entity_value }}}}'")
    assert remarks(text, example(x=1, y=2), kind="unread") == []


@pytest.mark.parametrize("body", ["a: {$when: entity, b: x}", "a: {$each: 'entity.list[:9]', b: '${{ item.x }}'}"])
def test_what_is_only_asked_for_or_gone_through_is_not_read_with_all_that_is_in_it(body):
    text = line(f"{body}, b: '${{{{ notification }}}}', c: '${{{{ entity_value }}}}'")
    found = remarks(text, example(list=[{"x": 1, "y": 2}]), kind="unread")
    assert [each.subject for each in found] == (["entity.list"] if "$when" in body else ["entity.list[].y"])


def test_the_url_is_read_where_entity_value_is():
    text = line("b: '${{ notification }}', c: '${{ entity_value }}'")
    assert remarks(text, example(entity_type="url", url="https://example.com/"), kind="unread") == []


def test_a_cef_key_that_the_dictionary_does_not_have_is_named():
    (found,) = remarks(CEF % "{rt: 1, Mine: x, cs1Label: l, cs1: y}", kind="undefined")
    assert found.level == "note"
    assert found.subject == "emit.event.extension.Mine"
    assert found.place.startswith("own.yaml:5:")
    assert found.message == "Mine is not defined by the CEF dictionary"


def test_a_property_that_a_stix_type_does_not_have_is_named_and_the_refusal_too():
    found = remarks(STIX % "colour: red")
    assert [(each.subject, each.message) for each in found if each.kind == "undefined"] == [
        ("emit.domain.colour", "colour is not defined by STIX 2.1's domain-name")
    ]
    assert any(each.level == "error" and "is not a property of this type" in each.message for each in found)


def test_a_property_that_the_extension_does_not_define_is_named():
    extension = "extension-definition--63b1257c-be59-5bc5-bf6a-ecd807c09282"
    text = STIX % f"extensions: {{{extension}: {{extension_type: property-extension, origin: a, colour: red}}}}"
    (found,) = remarks(text, kind="undefined")
    assert found.subject == f"emit.domain.extensions.{extension}.colour"


def test_what_the_format_added_is_no_line_of_the_mapping():
    assert remarks(STIX % "defanged: false", kind="undefined") == []


def test_formats_that_know_their_specification_say_so():
    assert [name for name, each in FORMATS.items() if isinstance(each, Vocabulary)] == ["cef", "stix"]


@pytest.mark.parametrize("name", files.bundled_mappings())
def test_a_bundled_mapping_has_nothing_to_correct(name):
    found = list(review(bundled(name), examples.of(name)))
    assert [each for each in found if each.level in ("warning", "error")] == []


def test_the_command_names_what_cannot_be_loaded_and_goes_on(tmp_path):
    (tmp_path / "broken.yaml").write_text(line("a: '${{ entty }}'"))
    (tmp_path / "none.yaml").write_text(line("a: 'x ${{ entity.nothing }}'"))
    done = iocstream_here("mapping", "check", "./broken.yaml", "./none.yaml", "json", cwd=tmp_path)
    assert done.returncode == 2
    assert (
        "error    ./broken.yaml: broken.yaml:3:13: emit.line.a: in `entty`: the name 'entty' is not known"
        in done.stdout
    )
    assert "error    ./none.yaml: converts 0 of the " in done.stdout
    assert "ok       json: the mapping is valid and converts " in done.stdout
    assert iocstream_here("mapping", "check", "./none.yaml", cwd=tmp_path).returncode == 1
    assert iocstream_here("mapping", "check", cwd=MAPPINGS).returncode == 0


def test_the_findings_are_there_for_machines(tmp_path):
    done = iocstream_here("mapping", "check", "cef", "--json", cwd=tmp_path)
    found = orjson.loads(done.stdout)
    assert {each["kind"] for each in found} == {"valid", "undefined", "unread"}
    assert set(found[0]) == {"mapping", "level", "kind", "place", "subject", "message"}


def test_a_mapping_that_does_not_exist_is_a_mistake_in_the_command(tmp_path):
    done = iocstream_here("mapping", "check", "stix22", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no mapping 'stix22'; did you mean stix21? There is cef, ")
