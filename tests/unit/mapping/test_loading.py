"""Mappings that are refused before any notification comes, each with the place and what was expected."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from unit.mapping import strategies
from unit.mapping.formats import FORMATS, VIEW, compiled, emitting

from connector import mapping
from connector.model import Misconfigured, Refused
from connector.settings import yamldoc

TOP = "format: plain\nemit: {one: {type: x}}\n"


def refusal(text):
    with pytest.raises(Misconfigured) as caught:
        compiled(text)
    return str(caught.value)


def refusal_of(body):
    with pytest.raises(Misconfigured) as caught:
        emitting(body)
    return str(caught.value)


def test_a_mapping_is_loaded_from_a_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(TOP + "description: For a test", encoding="utf-8")
    loaded = mapping.compile_mapping(yamldoc.load(path, "mine.yaml"), FORMATS)
    assert (loaded.name, loaded.format_name, loaded.description) == ("mine.yaml", "plain", "For a test")
    assert loaded.format is FORMATS["plain"]
    assert loaded.render(VIEW) == [{"id": "x--1", "type": "x"}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "test.yaml:1:1: a mapping is expected here, with format, description, match, let, claim, emit, withdraw"),
        ("- a", "test.yaml:1:1: a mapping is expected here"),
        (TOP + "emits: {}", "test.yaml:3:8: emits: there is no such key; did you mean emit? (known: format, desc"),
        (TOP + "zzz: {}", "zzz: there is no such key (known: format, description, match, let, claim, emit, withdraw)"),
        (
            TOP + "extends: stix21",
            "test.yaml:3:10: extends: this is an overlay: name the mapping it extends, and this as its overlay",
        ),
        ("emit: {one: {type: x}}", "test.yaml:1:1: format is required"),
        ("format: plain", "test.yaml:1:1: emit is required"),
        (
            "format: plane\nemit: {}",
            "test.yaml:1:9: format: there is no such format; did you mean plain? (known: plain)",
        ),
        ("format: 1\nemit: {}", "test.yaml:1:9: format: there is no such format (known: plain)"),
        (TOP + "description: 1", "test.yaml:3:14: description: must be text"),
        ("format: plain\nemit: {}", "test.yaml:2:7: emit: names with a value each are expected here"),
        ("format: plain\nemit: [a]", "test.yaml:2:7: emit: names with a value each are expected here"),
        (TOP + "let: [a]", "test.yaml:3:6: let: names with a value each are expected here"),
        (TOP + "let: {a-b: 1}", "test.yaml:3:12: let.a-b: a name is made of letters, digits and _"),
        (TOP + "let: {entity: 1}", "test.yaml:3:15: let.entity: the name entity is already taken"),
        (TOP + "let: {item: 1}", "test.yaml:3:13: let.item: the name item is already taken"),
        (TOP + "let: {one: 1}", "test.yaml:2:13: emit.one: the name one is already taken"),
        (TOP + "match: 1", "test.yaml:3:8: match: a JMESPath expression is expected here, not a number"),
        (TOP + "match:", "match: a JMESPath expression is expected here, not null"),
        (TOP + "match: {}", "match: a JMESPath expression is expected here, not an object"),
        (TOP + "match: item.x", "the name 'item' is not known here"),
        (TOP + "let: {a: '${{ one.id }}'}", "test.yaml:3:10: let.a: in `one.id`: the name 'one' is not known here"),
        (TOP + "let: {a: '${{ one'}", "test.yaml:3:10: let.a: ${{ is opened and never closed"),
        (TOP + "let: {a: [b, []]}", "test.yaml:3:14: let.a[1]: an empty list can never appear"),
        (TOP + "let: {a: '${{ b }}', b: 1}", "the name 'b' is not known here"),
        ("format: plain\nemit: {one: text}", "emit.one: a document is a mapping of property to value, not a string"),
        ("format: plain\nemit: {one: [a]}", "emit.one: a document is a mapping of property to value, not an array"),
    ],
)
def test_a_mistake_at_the_top_is_refused(text, expected):
    assert expected in refusal(text)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("a: null", "test.yaml:4:8: emit.one.a: null can never appear: leave the property out"),
        ("a:", "emit.one.a: null can never appear"),
        ("a: [b, []]", "test.yaml:4:12: emit.one.a[1]: an empty list can never appear"),
        ("a: {}", "emit.one.a: an empty mapping can never appear"),
        ("a: {$when: entity}", "emit.one.a: an empty mapping can never appear"),
        ("a: 1e999", "emit.one.a: JSON has no such number"),
        (
            "a: {$wehn: x, b: c}",
            (
                "emit.one.a.$wehn: there is no such directive here; did you mean $when? (known: $when, $each, $switch, "
                "$default, $provisional; $default beside $switch, $provisional on a document)"
            ),
        ),
        ("a: {$default: x, b: c}", "emit.one.a.$default: there is no such directive here"),
        ("a: {$switch: entity_value, $case: x}", "emit.one.a.$case: there is no such directive here"),
        ("a: {$switch: entity_value}", "emit.one.a: a $switch needs at least one case beside it"),
        ("a: {$switch: entity_value, $default: x}", "emit.one.a: a $switch needs at least one case beside it"),
        ("a: {$switch: notification.date, x: y}", "emit.one.a.x: this case is never chosen: the value is number"),
        ("a: {$switch: '!entity', yes: y}", "emit.one.a.yes: this case is never chosen: the value is boolean"),
        ("a: {$switch: notification, x: y}", "emit.one.a.$switch: chooses by text, number or boolean, not by object"),
        ("a: {$switch: nope, x: y}", "emit.one.a.$switch: in `nope`: the name 'nope' is not known here"),
        ("a: {$switch: entity.a, x: y, $default: [[]]}", "emit.one.a.$default[0]: an empty list can never appear"),
        ("a: {$when: nope, x: y}", "emit.one.a.$when: in `nope`: the name 'nope' is not known here"),
        ("$provisional: nope\nx: y", "emit.one.$provisional: in `nope`: the name 'nope' is not known here"),
        ("a: ['x ${{ nope }}']", "test.yaml:4:9: emit.one.a[0]: in `nope`: the name 'nope' is not known here"),
        ("a: {$each: entity_value, x: y}", "emit.one.a.$each: goes through a list, not through string"),
        ("a: {$each: {}, x: y}", "emit.one.a.$each: names with a list each are expected here, or one list"),
        ("a: {$each: {item: entity.a}, x: y}", "emit.one.a.$each.item: the name item is already taken"),
        ("a: {$each: {entity: entity.a}, x: y}", "emit.one.a.$each.entity: the name entity is already taken"),
        ("a: {$each: {a-b: entity.a}, x: y}", "emit.one.a.$each.a-b: a name is made of letters, digits and _"),
        ("a: {$each: {b: entity.a, c: notification.id}, x: y}", "emit.one.a.$each.c: goes through a list, not through"),
        ("a: {$each: {b: c.d, c: entity.a}, x: y}", "emit.one.a.$each.b: in `c.d`: the name 'c' is not known here"),
        ("a: {$each: {b: entity.a}, x: '${{ item }}'}", "the name 'item' is not known here"),
        ("a: {$provisional: entity, x: y}", "emit.one.a.$provisional: there is no such directive here"),
        ("$switch: entity_value\nx: text", "emit.one.x: a document is a mapping of property to value"),
        ("$switch: entity_value\nx: {$each: entity.a, b: c}", "emit.one.x.$each: stands beside the document's name"),
        ("a: ${{ entity.x", "${{ is opened and never closed with }}; write $${{ for a literal ${{"),
        ("a: ${{ 'entity.x }}", "a quote ' is opened in ${{ … }} and never closed"),
        ("a: ${{ }}", "emit.one.a: in ``: an expression is missing here"),
        ("a: ${{ entity..x }}", "in `entity..x`: unexpected '.' (at character 8 of the expression)"),
        ("a: ${{ entity. }}", "in `entity.`: the expression ends too early (at character 8 of the expression)"),
        ("a: ${{ entity # x }}", "emit.one.a"),
        ("a: ${{ entity ~ x }}", "unknown token ~ (at character 8 of the expression)"),
        ("a: ${{ entity.x[::0] }}", "a slice cannot step by 0"),
        ("a: ${{ notifcation.id }}", "the name 'notifcation' is not known here; did you mean notification?"),
        (
            "a: ${{ entity.x || nul }}",
            "(known: entity, entity_value, guard, judgement, notification, reassessed, source) (at character 13",
        ),
        ("a: ${{ entity.x || null }}", "the name 'null' is not known here; write `null` in backticks"),
        ("a: ${{ entity.x == true }}", "the name 'true' is not known here; write `true` in backticks"),
        ("a: ${{ item.x }}", "the name 'item' is not known here"),
        ("a: ${{ one.id }}", "the name 'one' is not known here"),
        (
            'a: "${{ @ }}"',
            "@ needs something before it; begin with one of: entity, entity_value, guard, judgement, notification",
        ),
        ('a: "${{ [*].x }}"', "a bracket or star needs something before it"),
        ('a: "${{ *.x }}"', "a bracket or star needs something before it"),
        (
            "a: ${{ timestmp(notification.date) }}",
            "there is no function timestmp(); did you mean timestamp, or is its plugin not installed?",
        ),
        (
            "a: ${{ entity.x || lenght(entity) }}",
            "did you mean length, or is its plugin not installed? (at character 13 of the expression)",
        ),
        ("a: ${{ timestamp() }}", "timestamp() takes 1 argument, not 0"),
        ("a: ${{ replace('a', 'b') }}", "replace() takes 3 arguments, not 2"),
        ("a: ${{ stix_id('a') }}", "stix_id() takes at least 2 arguments, not 1"),
        ("a: ${{ percent('x', `1`) }}", "percent() takes number as argument 1, not string"),
        ("a: ${{ percent(entity_value, `1`) }}", "percent() takes number as argument 1, not string"),
        ("a: ${{ length(`1`) }}", "length() takes array or object or string as argument 1, not number"),
        ("a: ${{ upper(length(entity)) }}", "upper() takes string as argument 1, not number"),
        ("a: ${{ entity_value.x }}", "a value of type string has no member 'x'"),
        ("a: ${{ entity_value[0] }}", "a value of type string has no elements"),
        ("a: ${{ entity_value[*] }}", "a value of type string has no elements"),
        ("a: ${{ (!entity) > `1` }}", "a value of type boolean is neither less nor greater than another"),
        ("a: ${{ &entity }}", "an &expression stands only where a function such as sort_by() wants one"),
        ("a: ${{ to_string(&entity) }}", "an &expression stands only where"),
        ("a: ${{ `1e999` }}", "JSON has no infinite number"),
        ("a: x ${{ keys(entity) }}", "`keys(entity)` is array, which cannot stand inside text"),
    ],
)
def test_a_mistake_in_a_document_is_refused(body, expected):
    assert expected in refusal_of(body)


@pytest.mark.parametrize(
    ("value", "case"),
    [
        ("entity_value", "anything"),
        ("entity.any", "anything"),
        ("'!entity'", "true"),
        ("'!entity'", "false"),
        ("notification.date", "5"),
        ("notification.date", "-0.5"),
        ("notification.date", "1e+3"),
        ("ip_version(entity_value)", "6"),
        ("'notification.date || !entity'", "5"),
        ("'notification.date || !entity'", "true"),
    ],
)
def test_a_case_that_can_be_chosen_is_accepted(value, case):
    assert emitting(f"type: x\na: {{$switch: {value}, {case}: y}}").render(VIEW)


@pytest.mark.parametrize(
    ("value", "case"),
    [
        ("'!entity'", "True"),
        ("'!entity'", "5"),
        ("notification.date", "true"),
        ("notification.date", "05"),
        ("notification.date", "5."),
        ("'notification.date || !entity'", "yes"),
    ],
)
def test_a_case_that_is_never_chosen_is_refused(value, case):
    said = refusal_of(f"type: x\na: {{$switch: {value}, '{case}': y}}")
    assert f"emit.one.a.{case}: this case is never chosen: the value is " in said


def test_every_directive_may_stand_beside_the_cases_of_a_document():
    body = """
$switch: item.label
$when: item
$each: notification.sources
$provisional: item.label
one: {type: x}
$default: {type: y}
"""
    assert emitting(body).render(VIEW) == [{"id": "x--1", "type": "x"}, {"id": "y--1", "type": "y"}]


def test_a_type_found_for_a_name_holds_where_it_is_used():
    text = "format: plain\nlet: {size: '${{ length(entity) }}'}\nemit: {one: {a: '${{ upper(size) }}'}}"
    assert "upper() takes string as argument 1, not number" in refusal(text)


@pytest.mark.parametrize(
    ("value", "types"),
    [
        ("[a]", "array"),
        ("['${{ entity_value }}']", "array"),
        ("['${{ entity_value }}', a]", "array"),
        ("{a: b}", "object"),
        ("{$when: entity_value, a: b}", "object"),
        ("{$switch: entity_value, a: [b]}", "array"),
        ("{$switch: entity_value, a: [b], $default: 5}", "array or number"),
        ("{$each: entity.list, a: b}", "array"),
        ("{$switch: entity_value, a: {$each: entity.list, a: b}}", "array"),
    ],
)
def test_the_types_of_a_name_are_those_of_its_value(value, types):
    text = f"format: plain\nlet: {{name: {value}}}\nemit: {{one: {{a: '${{{{ upper(name) }}}}'}}}}"
    assert f"upper() takes string as argument 1, not {types}" in refusal(text)


@pytest.mark.parametrize("text", ["(" * 5_000, "[" * 5_000, "!" * 5_000 + "a", "a" + ".a || a" * 1_400])
def test_an_expression_nested_beyond_measure_is_refused(text):
    assert "too deeply" in (said := refusal_of(f'a: "${{{{ {text} }}}}"')) or "levels" in said or "early" in said


def test_an_expression_of_immoderate_length_is_refused():
    assert "more than 10000 characters" in refusal_of(f"a: ${{{{ {'a' * 20_000} }}}}")


def test_a_number_of_immoderate_length_is_refused():
    assert "more digits than any reader takes" in refusal_of(f"a: ${{{{ entity[{'1' * 5_000}] }}}}")


def test_a_mapping_nested_beyond_measure_is_refused():
    deep = "x"
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(Misconfigured, match=r"^test\.yaml: nested too deeply$"):
        mapping.compile_mapping(mapping_document({"format": "plain", "emit": {"one": deep}}), FORMATS)


def test_a_mapping_nested_as_deep_as_yaml_goes_is_compiled_and_rendered():
    depth = 90
    body = "".join("  " * level + "a:\n" for level in range(depth)) + "  " * depth + "a: ${{ entity_value }}"
    (document,) = emitting(body).render(VIEW)
    for _ in range(depth + 1):
        document = document["a"]
    assert document == "example.com"


yaml_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        strategies.expressions.map("${{{{ {} }}}}".format),
        st.builds("{} ${{{{ {} }}}} {}".format, st.text(max_size=3), strategies.expressions, st.text(max_size=3)),
        strategies.expressions,
    ),
    lambda children: st.one_of(
        st.lists(children, max_size=3),
        st.dictionaries(
            st.one_of(
                st.sampled_from(["$when", "$each", "$switch", "$default", "$x", "type", "pattern", "a", "b"]),
                st.text(max_size=4),
            ),
            children,
            max_size=4,
        ),
    ),
    max_leaves=12,
)
mappings = st.fixed_dictionaries(
    {"format": st.just("plain"), "emit": st.dictionaries(st.sampled_from(["x", "y", "z"]), yaml_values, max_size=2)},
    optional={"let": st.dictionaries(st.sampled_from(["a", "b", "c"]), yaml_values, max_size=3), "match": yaml_values},
)


views = st.one_of(
    strategies.objects,
    st.fixed_dictionaries(
        {
            "notification": st.fixed_dictionaries(
                {"date": st.integers(0, 4_000_000_000), "sources": strategies.documents}
            ),
            "entity": strategies.objects,
            "entity_value": st.text(max_size=8),
        }
    ),
)


def present_everywhere(value):
    if isinstance(value, dict):
        return bool(value) and all(map(present_everywhere, value.values()))
    if isinstance(value, list):
        return bool(value) and all(map(present_everywhere, value))
    return value is not None


@examples(400)
@given(data=mappings, view=views)
@example(data={"format": "plain", "emit": {"x": {"a": "${{ entity_value }}"}}}, view={"entity_value": [[None]]})
def test_any_mapping_is_refused_or_makes_documents_of_anything(data, view):
    document = mapping_document(data)
    try:
        made = mapping.compile_mapping(document, FORMATS)
    except Misconfigured as refused:
        assert str(refused).startswith("test.yaml:")  # noqa: PT017 -- either outcome is right
        return
    try:
        documents = made.render(view)
    except Refused as refusal:
        assert refusal.by in ("mapping", "format")  # noqa: PT017 -- likewise
        return
    assert made.traced().render(view) == documents
    if isinstance(view.get("entity_value"), str):  # as every view of a notification has it
        assert documents is None or all(map(present_everywhere, documents))


def mapping_document(data):
    from connector.settings.yamldoc import YamlDocument

    return YamlDocument("test.yaml", data, {})


@examples(300)
@given(text=st.one_of(st.text(max_size=60), st.text(alphabet="${}'\"`[]|&.@*?:, \nab01-!()", max_size=60)))
def test_any_text_is_literal_or_refused_or_rendered(text):
    try:
        made = mapping.compile_mapping(mapping_document({"format": "plain", "emit": {"one": {"a": text}}}), FORMATS)
    except Misconfigured:
        return
    try:
        made.render(VIEW)
    except Refused:
        assert "${{" in text


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("notification.origin == 'hunting'", True),
        ("entity.score > `7`", False),
        ("entity.nothing", False),
        ("contains(notification.tags, 'a')", True),
        ("entity_value", True),
        ("`0`", True),
    ],
)
def test_a_condition_is_true_as_jmespath_has_it(expression, holds):
    assert mapping.compile_condition(expression, "config.yaml:1:1: when")(VIEW) is holds


def test_a_wrong_condition_is_refused_with_its_place():
    with pytest.raises(Misconfigured, match=r"^config\.yaml:1:1: when: in `notif\.id`: the name 'notif' is not known"):
        mapping.compile_condition("notif.id", lambda: "config.yaml:1:1: when")


def test_a_condition_that_does_not_fit_refuses_the_notification():
    holds = mapping.compile_condition("starts_with(entity.score, 'a')", "config.yaml:1:1: when")
    with pytest.raises(Refused, match=r"starts_with\(\) takes string, and was given number") as caught:
        holds(VIEW)
    assert caught.value.by == "mapping"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("format: plain\nlet: {source: '${{ entity_value }}'}\nemit: {one: {a: '${{ source }}'}}", "c2.example.com"),
        ("format: plain\nlet: {source: mine}\nemit: {one: {a: '${{ source }}'}}", "mine"),
        (
            "format: plain\nemit: {one: {a: {$each: {source: '[`1`]'}, b: '${{ source }}'}, c: '${{ source.name }}'}}",
            [{"b": 1}],
        ),
    ],
)
def test_a_mapping_may_use_a_name_that_came_later_for_something_of_its_own(text, expected):
    taken = compiled(text)
    [document] = taken.render(
        {"notification": {}, "entity": {}, "entity_value": "c2.example.com", "source": {"name": "vt"}}
    )
    assert document["a"] == expected
    assert document.get("c", "vt") == "vt"


def test_a_name_that_came_later_is_taken_once_the_mapping_has_taken_it():
    with pytest.raises(Misconfigured, match="the name source is already taken"):
        compiled("format: plain\nlet: {source: a}\nemit: {source: {b: c}}")
