"""The function `guarded` asks what guards here and now: it is never remembered from one notification to the next."""

import pytest

from connector.formats.json import JsonFormat
from connector.mapping import Guarding, compile_condition, compile_mapping
from connector.model import Guarded
from connector.settings import yamldoc


def mapping(text, guard=None):
    return compile_mapping(yamldoc.parse(f"format: json\n{text}", "own.yaml"), {"json": JsonFormat()}, guard)


def of(*values, effect="suppress"):
    return lambda value: Guarded("ours", effect, 7 if effect == "label" else None, value) if value in values else None


def view(value, **more):
    return {"notification": {"id": "1", "date": 1, "entity_type": "domain"}, "entity": {}, "entity_value": value} | more


EACH = """
let: {hosts: "${{ split(entity_value, ',') }}"}
emit:
  each:
    $each: hosts
    $when: "!guarded(item)"
    host: ${{ item }}
  all:
    left: "${{ hosts[?guarded(@).effect != 'suppress'] }}"
    first: ${{ guarded(hosts[0]) }}
"""


def test_mappings_see_what_guards_a_value():
    made = mapping(EACH).render
    with Guarding(of("a", effect="label")):
        assert made(view("a,b")) == [
            {"host": "b"},
            {"left": ["a", "b"], "first": {"list": "ours", "effect": "label", "confidence": 7}},
        ]
    with Guarding(of("a")):
        assert made(view("a,b")) == [{"host": "b"}, {"left": ["b"], "first": {"list": "ours", "effect": "suppress"}}]


def test_what_a_mapping_was_compiled_with_guards_where_nothing_else_does():
    made = mapping(EACH, of("a")).render
    assert made(view("a,b")) == [{"host": "b"}, {"left": ["b"], "first": {"list": "ours", "effect": "suppress"}}]
    with Guarding(of("b")):
        assert made(view("a,b")) == [{"host": "a"}, {"left": ["a"]}]
    assert mapping(EACH).render(view("a,b")) == [{"host": "a"}, {"host": "b"}, {"left": ["a", "b"]}]


@pytest.mark.parametrize(
    "emit",
    [
        "one: {said: \"${{ guarded('a').list || 'nothing' }}\"}",
        'one: {said: "${{ guarded(value).list || `\\"nothing\\"` }}"}',
        "one: {$each: values, said: \"${{ guarded(item).list || 'nothing' }}\"}",
    ],
)
def test_a_document_that_depends_on_the_lists_is_made_anew_for_each_notification(emit):
    text = f"let: {{value: 'a', values: \"${{{{ split(entity_value, ',') }}}}\"}}\nemit:\n  {emit}\n"
    made = mapping(text)
    with Guarding(of("a")):
        assert made.render(view("a"))[0]["said"] == "ours"
    with Guarding(of("b")):
        assert made.render(view("a"))[0]["said"] == "nothing"


def test_a_condition_can_ask_too():
    holds = compile_condition("!guarded(entity_value)", "here")
    with Guarding(of("a")):
        assert [holds(view(value)) for value in "ab"] == [False, True]


def test_the_guard_of_what_a_notification_is_about_is_a_name():
    made = mapping(
        "emit: {one: {by: '${{ guard.list }}', most: '${{ guard.confidence }}', value: '${{ entity_value }}'}}"
    )
    guard = Guarded("ours", "label", 7, "a").for_mappings()
    assert made.render(view("a", guard=guard)) == [{"by": "ours", "most": 7, "value": "a"}]
    assert made.render(view("a")) == [{"value": "a"}]
    assert compile_condition("guard.list == 'ours'", "here")(view("a", guard=guard))


def test_a_mapping_from_before_may_use_the_name_guard_for_something_of_its_own():
    made = mapping("let: {guard: '${{ entity_value }}'}\nemit: {one: {value: '${{ guard }}'}}")
    assert made.render(view("a")) == [{"value": "a"}]
