"""An explanation says of every value where it came from, and of what is not there why."""

import functools

import pytest
from hypothesis import given
from hypothesis_profiles import examples
from mapping_examples import CASES, MAPPINGS, bundled, conversion
from unit.mapping.formats import FORMATS, VIEW, compiled, emitting
from unit.mapping.test_loading import mapping_document, mappings, views

from connector import mapping, notification
from connector.mapping import files
from connector.mapping.examples import read_one
from connector.mapping.explanation import Explainer
from connector.model import Misconfigured, Refused


def explained(body, view=VIEW):
    return Explainer(emitting(body)).explain(view)


def parts(body, view=VIEW):
    """The document's parts by name."""
    (document,) = explained(body, view).emitted
    return {part.key: part for part in document.parts}


def rebuilt(part):
    """The value of a part, from the parts below it."""
    if part.left_out:
        return None
    there = [each for each in part.parts if not each.left_out]
    if not part.parts:
        return part.value
    if isinstance(part.value, list):
        return [rebuilt(each) for each in there]
    return {each.key: rebuilt(each) for each in there}


def documents_of(explanation):
    made = [rebuilt(part) for part in explanation.emitted if not part.left_out]
    return [document for each in made for document in (each if isinstance(each, list) else [each])]


@functools.cache
def explainer(name):
    return Explainer(bundled(name))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", files.bundled_mappings())
def test_the_parts_are_the_document(name, case):
    view = notification.view(read_one(MAPPINGS / "examples" / "inputs" / f"{case}.json"))
    explanation = explainer(name).explain(view)
    assert len(explanation.documents) == len(documents_of(explanation))
    for document, made in zip(explanation.documents, documents_of(explanation), strict=True):
        assert document == made
    if explanation.refused:
        assert explanation.refused == str(conversion(bundled(name), case).refusal)


@examples(300)
@given(data=mappings, view=views)
def test_the_parts_are_the_document_of_any_mapping(data, view):
    try:
        made = mapping.compile_mapping(mapping_document(data), FORMATS)
    except Misconfigured:
        return
    try:
        documents = made.render(view)
    except Refused as refusal:
        assert Explainer(made).explain(view).refused == str(refusal)  # noqa: PT017 -- either outcome is right
        return
    explanation = Explainer(made).explain(view)
    assert explanation.wanted == (documents is not None)
    assert documents_of(explanation) == explanation.documents == (documents or [])


def test_beside_a_value_stands_its_expression_its_place_and_what_it_read():
    part = parts("type: x\ntime: ${{ timestamp(notification.date) }}")["time"]
    (evaluation,) = part.evaluations
    assert part.value == "2023-05-17T08:12:05.000Z"
    assert part.place == "test.yaml:5:11"
    assert evaluation.expression == "timestamp(notification.date)"
    assert evaluation.reads == {("notification", "date"): 1684311125}


def test_a_literal_came_of_nothing():
    part = parts("type: x")["type"]
    assert (part.value, part.evaluations) == ("x", [])


def test_a_name_is_followed_to_the_notification():
    text = (
        "format: plain\nlet: {seen: '${{ timestamp(notification.date) }}'}\nemit: {one: {type: x, at: '${{ seen }}'}}"
    )
    (document,) = Explainer(compiled(text)).explain(VIEW).emitted
    (evaluation,) = {part.key: part for part in document.parts}["at"].evaluations
    assert evaluation.reads == {("seen",): "2023-05-17T08:12:05.000Z"}
    assert evaluation.inputs == {("notification", "date"): 1684311125}


def test_within_a_document_the_property_named_is_followed_and_no_other():
    text = """
format: plain
emit:
  one: {type: x, at: '${{ notification.date }}', by: '${{ notification.id }}'}
  two: {type: y, at: '${{ one.at }}', id: '${{ one.id }}'}
"""
    _, two = Explainer(compiled(text)).explain(VIEW).emitted
    found = {part.key: part.evaluations[0].inputs for part in two.parts if part.evaluations}
    assert found["at"] == {("notification", "date"): 1684311125}
    assert found["id"] == {}  # which the format added


def test_an_item_is_the_element_of_the_list():
    part = parts("type: x\nlabels: {$each: notification.sources, v: '${{ item.label }}'}")["labels"]
    one, two = part.parts
    assert one.parts[0].evaluations[0].inputs == {("notification", "sources", 0, "label"): "one"}
    assert two.left_out == "nothing is left of it"
    assert two.parts[0].left_out == "`item.label` has no value (notification.sources[1].label: not given)"


def test_what_the_format_added_is_said_to_be_its():
    part = parts("type: x")["id"]
    assert part.by_format
    assert part.value == "x--1"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("a: ${{ entity.nothing }}", "`entity.nothing` has no value (entity.nothing: not given)"),
        ("a: ${{ entity.empty }}", "`entity.empty` is empty"),
        ("a: {$when: entity.clean, b: c}", "$when `entity.clean` is false"),
        (
            "a: {$switch: notification.origin, other: c}",
            '$switch `notification.origin` is "hunting": there is no such case and no $default',
        ),
        (
            "a: {$each: entity.nothing, b: c}",
            "nothing to go through: `entity.nothing` has no value (entity.nothing: not given)",
        ),
        ("a: {$each: entity.empty, b: c}", "nothing to go through: `entity.empty` is empty"),
        ("a: {b: '${{ entity.nothing }}'}", "nothing is left of it"),
        ("a: ['${{ entity.nothing }}']", "nothing is left of it"),
    ],
)
def test_what_is_left_out_has_its_reason(body, reason):
    assert parts(f"type: x\n{body}")["a"].left_out == reason


def test_where_a_notification_is_refused_is_shown_and_what_came_before():
    found = parts("type: x\na: b ${{ entity.nothing }}\nc: ${{ lower(entity.score) }}\nd: ${{ entity.score }}")
    assert found["a"].left_out.startswith("refused: `entity.nothing` has no value")
    assert found["c"].left_out == found["d"].left_out == "not reached: the notification was refused before"
    found = parts("type: x\nc: ${{ lower(entity.score) }}\nd: ${{ entity.score }}")
    assert found["c"].left_out.startswith("refused: test.yaml:5:8: emit.one.c: in `lower(entity.score)`: lower() takes")
    assert found["d"].left_out == "not reached: the notification was refused before"


def test_a_notification_that_is_not_for_the_mapping_says_why():
    text = "format: plain\nmatch: notification.origin == 'x'\nemit: {one: {type: x}}"
    explanation = Explainer(compiled(text)).explain(VIEW)
    assert not explanation.wanted
    assert explanation.emitted == []
    assert explanation.match.value is False
    assert explanation.match.reads == {("notification", "origin"): "hunting"}


def test_a_notification_nested_too_deeply_is_rejected():
    deep = None
    for _ in range(3000):
        deep = [deep]
    explainer = Explainer(emitting("type: x\na: ${{ entity.deep }}"))
    try:
        assert "too deeply" in explainer.explain({**VIEW, "entity": {"deep": deep}}).refused
    except Refused as refusal:
        assert "too deeply" in str(refusal)  # noqa: PT017 -- either is right
