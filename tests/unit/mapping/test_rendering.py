"""What a mapping makes of a notification, rule by rule of docs/mappings.md."""

import copy
import threading
from types import MappingProxyType

import pytest
from unit.mapping.formats import FORMATS, VIEW, Plain, compiled, emitting, rendered

from connector.mapping import compile_condition, compile_mapping
from connector.mapping.compilation import compiler
from connector.mapping.rendering import values
from connector.model import Provisional, Refused, Yielding
from connector.settings import yamldoc


def test_plain_yaml_is_literal():
    assert rendered("type: x\ncount: 1\nshare: 0.5\nsure: true\nlabels: [a, {b: c}]\ntext: ''") == {
        "type": "x",
        "count": 1,
        "share": 0.5,
        "sure": True,
        "labels": ["a", {"b": "c"}],
        "text": "",
    }


def test_a_dollar_before_a_placeholder_makes_it_literal():
    assert rendered("a: $${{ x }} and $ {{ }} $") == {"a": "${{ x }} and $ {{ }} $"}


def test_an_expression_alone_keeps_its_type():
    body = "a: ${{ entity.score }}\nb: ${{ entity.ratio }}\nc: ${{ entity.clean }}\nd: ' ${{ notification.tags }} '"
    assert rendered(body) == {"a": 7, "b": 0.5, "c": False, "d": ["a", "b"]}


def test_an_expression_may_be_folded_over_lines():
    assert rendered("a: >-\n  ${{ entity.score ||\n  entity.ratio }}\nb: |\n  ${{ entity.score }}") == {"a": 7, "b": 7}


def test_an_expression_in_text_becomes_text():
    body = "a: 'x${{ entity.score }}y${{ entity.ratio }}z${{ entity.clean }}${{ entity_value }}'"
    assert rendered(body) == {"a": "x7y0.5zfalseexample.com"}


def test_a_placeholder_may_hold_braces_and_quotes_of_its_own():
    assert rendered("a: '${{ {x: {y: entity.score}} }}'\nb: |-\n  <${{ '}}' }}${{ `\"}}\"` }}>") == {
        "a": {"x": {"y": 7}},
        "b": "<}}}}>",
    }


def test_the_format_quotes_what_stands_in_text_by_the_property_it_is_in():
    body = """
pattern:
  $switch: notification.entity_type
  domain: "[value = ${{ entity_value }}]"
  $default: "[number = ${{ entity.score }}]"
name: "${{ entity_value }} it is"
nested:
  pattern: ["is ${{ entity_value }}"]
"""
    nested = {"name": "example.com it is", "nested": {"pattern": ["is 'example.com'"]}}
    assert rendered(body) == {"pattern": "[value = 'example.com']", **nested}
    other = {**VIEW, "notification": {**VIEW["notification"], "entity_type": "other"}}
    assert rendered(body, other) == {"pattern": "[number = '7']", **nested}


def test_what_the_format_refuses_to_quote_refuses_the_notification():
    with pytest.raises(Refused, match="bad cannot stand here") as caught:
        rendered("a: x ${{ 'bad' }}")
    assert caught.value.by == "format"


@pytest.mark.parametrize(
    "expression",
    ["notification.link", "entity.empty", "entity.nested", "entity.nothing.at.all", "{a: notification.link, b: `[]`}"],
)
def test_a_property_without_a_value_is_left_out(expression):
    assert rendered(f"type: x\na: '${{{{ {expression} }}}}'") == {"type": "x"}


def test_a_list_drops_what_is_missing_and_goes_when_nothing_is_left():
    body = "a:\n  - ${{ notification.link }}\n  - ${{ entity_value }}\nb:\n  - ${{ notification.link }}\ntype: x"
    assert rendered(body) == {"a": ["example.com"], "type": "x"}


def test_an_object_goes_when_all_its_members_are_missing():
    assert rendered("type: x\na:\n  b:\n    c: ${{ notification.link }}") == {"type": "x"}


def test_a_document_without_a_property_is_left_out():
    assert rendered("a: ${{ notification.link }}") is None


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ("TAGS", ["a", "b"]),
        ("[TAGS]", [["a", "b"]]),
        ("[TAGS, x]", [["a", "b"], "x"]),
        ("{$switch: entity_value, $default: TAGS, x: y}", ["a", "b"]),
        ("{$switch: entity_value, example.com: TAGS}", ["a", "b"]),
    ],
)
def test_a_list_of_the_notification_has_nothing_missing_in_it_wherever_it_is_put(value, made):
    assert rendered("a: " + value.replace("TAGS", "'${{ notification.tags }}'")) == {"a": made}


def test_false_zero_and_empty_text_are_values():
    assert rendered("a: ${{ `0` }}\nb: ${{ `false` }}\nc: ${{ '' }}") == {"a": 0, "b": False, "c": ""}


def test_a_value_missing_in_text_refuses_the_notification_and_says_where():
    with pytest.raises(Refused) as caught:
        rendered("type: x\nname: see ${{ notification.link }}")
    assert str(caught.value) == (
        "test.yaml:5:11: emit.one.name: in `notification.link`: it has no value, and the text around it needs one"
    )
    assert caught.value.by == "mapping"


@pytest.mark.parametrize(
    ("expression", "kind"),
    [("entity.nested", "an object"), ("notification.tags", "an array"), ("entity.nan", "a number")],
)
def test_what_is_no_text_in_text_refuses_the_notification_and_says_where(expression, kind):
    view = {**VIEW, "entity": {**VIEW["entity"], "nan": float("nan")}}
    with pytest.raises(Refused) as caught:
        rendered(f"name: see ${{{{ {expression} }}}}", view)
    assert str(caught.value) == f"test.yaml:4:11: emit.one.name: in `{expression}`: {kind} cannot stand inside text"
    assert caught.value.by == "mapping"


def test_a_stream_of_notifications_that_do_not_fit_has_the_mapping_compiled_once_more_at_most(monkeypatch):
    mapping = emitting("a: ${{ length(entity.score) }}")
    programs = []
    make = compiler.program
    monkeypatch.setattr(compiler, "program", lambda *given, **more: programs.append(given) or make(*given, **more))
    for _ in range(3):
        with pytest.raises(Refused, match="length"):
            mapping.render(VIEW)
    assert len(programs) == 1


def test_a_function_given_what_it_does_not_take_refuses_the_notification_and_says_where():
    with pytest.raises(Refused) as caught:
        rendered("type: x\nname: ${{ upper(entity.score) }}")
    assert str(caught.value) == (
        "test.yaml:5:11: emit.one.name: in `upper(entity.score)`: upper() takes string, and was given number"
    )
    assert caught.value.by == "mapping"


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("merge(entity, notification.tags)", "merge() takes object, and was given array"),
        ("sort([`1`, 'a'])", "sort() takes array-string or array-number, and was given array"),
        ("max_by([{a: `1`}, {a: 'x'}], &a)", "max_by() takes array-string or array-number, and was given array"),
        ("min_by([{a: `1`}, {a: 'x'}], &a)", "min_by() takes array-string or array-number, and was given array"),
        ("join('', [`1`])", "join() takes array-string, and was given array"),
        ("contains('abc', `1`)", "contains() takes string, and was given number"),
        ("length(entity.score)", "length() takes array or object or string, and was given number"),
        ("sum([`1e308`, `1e308`])", "sum() made a number that JSON cannot write"),
        ("sum([entity.huge, `0.5`])", "sum() was given numbers too large to reckon with"),
    ],
)
def test_a_refusal_names_the_function_what_it_takes_and_what_it_was_given(expression, fault):
    view = {**VIEW, "entity": {"score": 7, "huge": 10**400}}
    with pytest.raises(Refused) as caught:
        rendered(f"a: >-\n  ${{{{ {expression} }}}}", view)
    assert str(caught.value) == f"test.yaml:4:8: emit.one.a: in `{expression}`: {fault}"


def test_a_refusal_does_not_repeat_the_value():
    with pytest.raises(Refused) as caught:
        rendered("name: ${{ abs(entity.secret) }}", {**VIEW, "entity": {"secret": "hunter2"}})
    assert "hunter2" not in str(caught.value)


def test_a_name_stands_for_its_value_in_all_that_follows():
    mapping = compiled("""
format: plain
let:
  tags: ${{ notification.tags }}
  first: ${{ tags[0] }}
  missing: ${{ notification.link }}
  empty: ${{ entity.empty }}
  table: {a: {text: "${{ first }}!"}}
emit:
  one:
    a: ${{ first }}
    b: ${{ table.a.text }}
    c: ${{ missing }}
    d: ${{ length(empty) }}
""")
    assert mapping.render(VIEW) == [{"id": "None--1", "a": "a", "b": "a!", "d": 0}]


def test_the_format_quotes_what_stands_in_the_text_of_a_name_as_in_a_property_of_that_name():
    mapping = compiled("""
format: plain
let:
  pattern: "is ${{ entity_value }}"
  text: "is ${{ entity_value }}"
emit:
  one: {a: "${{ pattern }}", b: "${{ text }}"}
""")
    assert mapping.render(VIEW) == [{"id": "None--1", "a": "is 'example.com'", "b": "is example.com"}]


def test_the_format_quotes_what_stands_in_the_texts_of_a_list_by_the_name_of_the_list():
    mapping = compiled("""
format: plain
let:
  pattern: {$each: notification.sources, $switch: item.id, "1": "is ${{ item.label }}"}
emit:
  one: {a: "${{ pattern }}", pattern: {$each: notification.sources, $switch: item.id, "1": "no ${{ item.label }}"}}
""")
    assert mapping.render(VIEW) == [{"id": "None--1", "a": ["is 'one'"], "pattern": ["no 'one'"]}]


def test_a_format_that_completes_nothing_gets_documents_as_the_mapping_builds_them():
    class Bare:
        names = MappingProxyType({})
        quote = Plain.quote
        encode = Plain.encode

    text = """
format: bare
emit:
  first: {$provisional: entity_value, type: x}
  second: {type: y, of: "${{ first.type }}"}
"""
    first, second = compile_mapping(yamldoc.parse(text, "test.yaml"), {"bare": Bare()}).render(VIEW)
    assert (type(first), first) == (Provisional, {"type": "x"})
    assert (type(second), second) == (dict, {"type": "y", "of": "x"})


def test_a_later_document_names_an_earlier_list_of_documents():
    mapping = compiled("""
format: plain
emit:
  many: {$each: notification.sources, type: "${{ item.id }}", by: "${{ entity_value }}"}
  last: {ids: "${{ many[].id }}"}
""")
    assert mapping.render(VIEW)[-1] == {"id": "None--1", "ids": ["1--1", "2--1"]}


def test_a_later_document_names_an_earlier_one_as_the_format_left_it():
    mapping = compiled("""
format: plain
emit:
  first: {type: a}
  left_out: {$when: notification.link, type: b}
  second: {type: c, ref: "${{ first.id }}", none: "${{ left_out.id }}"}
""")
    assert mapping.render(VIEW) == [{"id": "a--1", "type": "a"}, {"id": "c--1", "type": "c", "ref": "a--1"}]


def test_a_mapping_renders_only_what_it_matches():
    text = "format: plain\nmatch: notification.entity_type == '{}'\nemit: {{one: {{type: x}}}}"
    assert compiled(text.format("domain")).render(VIEW) == [{"id": "x--1", "type": "x"}]
    assert compiled(text.format("file")).render(VIEW) is None
    assert compiled("format: plain\nmatch: '`0`'\nemit: {one: {type: x}}").render(VIEW) == [{"id": "x--1", "type": "x"}]


@pytest.mark.parametrize(("condition", "there"), [("`0`", True), ("`[]`", False), ("''", False), ("'a'", True)])
def test_when_holds_as_jmespath_has_it(condition, there):
    assert rendered(f'$when: "{condition}"\ntype: x') == ({"type": "x"} if there else None)


def test_when_may_stand_in_a_nested_mapping():
    assert rendered("type: x\na: {$when: notification.link, b: c}\nd: {$when: entity.score, e: f}") == {
        "type": "x",
        "d": {"e": "f"},
    }


def test_each_makes_a_document_of_every_element():
    mapping = compiled("""
format: plain
emit:
  many:
    $each: notification.sources
    type: ${{ item.id }}
    label: ${{ item.label }}
  none:
    $each: notification.hunting_info
    type: x
  last: {count: "${{ length(many) }}", ids: "${{ many[].id }}", none: "${{ none[].id }}"}
""")
    assert mapping.render(VIEW) == [
        {"id": "1--1", "type": "1", "label": "one"},
        {"id": "2--1", "type": "2"},
        {"id": "None--1", "count": 2, "ids": ["1--1", "2--1"]},
    ]


def test_when_beside_each_chooses_elements():
    body = "list:\n  $each: notification.sources\n  $when: item.label\n  id: ${{ item.id }}"
    assert rendered(body) == {"list": [{"id": "1"}]}


def test_each_may_stand_within_each_and_then_item_is_the_inner_one():
    body = """
list:
  $each: notification.sources
  inner:
    $each: "['a', 'b']"
    value: ${{ item }}
  id: ${{ upper(item.id) }}
"""
    inner = [{"value": "a"}, {"value": "b"}]
    assert rendered(body) == {"list": [{"inner": inner, "id": "1"}, {"inner": inner, "id": "2"}]}


def test_each_may_go_through_several_lists_one_within_the_other():
    body = """
list:
  $each:
    source: notification.sources
    letter: "['a', 'b']"
    both: "[join('', [source.id, letter])][?@ != '2a']"
  $when: letter
  text: ${{ both }}
  of: ${{ source.id }}
"""
    assert rendered(body)["list"] == [{"text": "1a", "of": "1"}, {"text": "1b", "of": "1"}, {"text": "2b", "of": "2"}]


def test_a_list_within_another_may_be_missing():
    assert rendered("list: {$each: {source: notification.sources, part: 'source.parts'}, a: b}\nc: d") == {"c": "d"}


def test_a_provisional_document_is_one_where_its_expression_holds():
    mapping = compiled(
        """
format: plain
emit:
  sources:
    $each: notification.sources
    $provisional: "!(item.label)"
    id: ${{ item.id }}
  sure:
    $provisional: entity.empty
    type: x
"""
    )
    documents = mapping.render(VIEW)
    assert [type(document) for document in documents] == [dict, Provisional, dict]
    assert documents[1] == {"id": "2"}


def test_a_provisional_document_may_yield_to_what_others_say():
    mapping = compiled(
        """
format: plain
emit:
  sources:
    $each: notification.sources
    $provisional: "!(item.label) && 'yields'"
    id: ${{ item.id }}
"""
    )
    assert [type(document) for document in mapping.render(VIEW)] == [dict, Yielding]
    assert [type(document) for document in mapping.traced().render(VIEW)] == [dict, Yielding]


def test_what_is_literal_under_let_is_shared_with_no_document():
    mapping = compiled("format: plain\nlet: {table: {a: [x, y]}}\nemit: {one: {list: '${{ table.a }}'}}")
    (first,) = mapping.render(VIEW)
    first["list"].append("z")
    assert mapping.render(VIEW) == [{"id": "None--1", "list": ["x", "y"]}]


def test_a_format_may_have_names_of_its_own():
    class Signed(Plain):
        names = MappingProxyType({"producer": {"name": "someone"}})

    text = "format: signed\nemit: {one: {by: '${{ producer.name }}'}}"
    document = yamldoc.parse(text, "test.yaml")
    assert compile_mapping(document, {"signed": Signed()}).render(VIEW) == [{"id": "None--1", "by": "someone"}]


def test_each_over_what_is_no_list_refuses_the_notification():
    with pytest.raises(Refused) as caught:
        rendered("a: {$each: entity.score, b: c}")
    assert str(caught.value) == (
        "test.yaml:4:16: emit.one.a.$each: in `entity.score`: $each goes through a list, not through number"
    )
    assert caught.value.by == "mapping"


@pytest.mark.parametrize(
    ("expression", "chosen"),
    [
        ("notification.entity_type", "text"),
        ("entity.score", "number"),
        ("entity.ratio", "fraction"),
        ("entity.clean", "boolean"),
        ("notification.link", "default"),
        ("'other'", "default"),
        ("'$default'", "default"),
    ],
)
def test_switch_chooses_by_the_text_of_a_value(expression, chosen):
    body = f"a: {{$switch: {expression}, domain: text, 7: number, 0.5: fraction, 'false': boolean, $default: default}}"
    if expression.startswith("'"):
        body = body.replace(expression, f'"{expression}"')
    assert rendered(body) == {"a": chosen}


def test_switch_without_a_fitting_case_is_missing():
    assert rendered("type: x\na: {$switch: notification.entity_type, file: y}") == {"type": "x"}


def test_switch_over_a_list_refuses_the_notification():
    with pytest.raises(Refused) as caught:
        rendered("a: {$switch: notification.tags, file: y}")
    assert str(caught.value) == (
        "test.yaml:4:18: emit.one.a.$switch: in `notification.tags`: "
        "$switch chooses by text, number or boolean, not by an array"
    )
    assert caught.value.by == "mapping"


def test_a_case_may_be_anything_and_a_document_may_be_chosen():
    body = """
$switch: notification.entity_type
$default: {type: other}
domain:
  type: domain
  value:
    $switch: entity.score
    7: {nested: ["${{ entity_value }}"]}
"""
    assert rendered(body) == {"type": "domain", "value": {"nested": ["example.com"]}}


def test_properties_come_in_the_order_of_the_mapping():
    body = "z: ${{ entity_value }}\na: 1\nm: x${{ entity.score }}\nb: ${{ notification.origin }}"
    assert list(rendered(body)) == ["z", "a", "m", "b"]


def test_documents_share_nothing_with_each_other_or_with_the_notification():
    mapping = emitting("a: [x]\nb: {c: [d]}\ntags: ${{ notification.tags }}\nnamed: {e: '${{ notification.sources }}'}")
    view = copy.deepcopy(VIEW)
    (first,) = mapping.render(view)
    first["a"].append("y")
    first["b"]["c"].append("y")
    first["tags"].append("y")
    first["named"]["e"][0]["id"] = "y"
    assert view == VIEW
    assert mapping.render(view) == mapping.render(VIEW)
    assert mapping.render(view)[0]["a"] == ["x"]


def test_a_mapping_renders_in_several_threads_at_once():
    mapping = emitting("list:\n  $each: notification.sources\n  id: ${{ item.id }}\nvalue: ${{ entity_value }}")
    wrong = []

    def render(number):
        view = {**VIEW, "entity_value": str(number), "notification": {"sources": [{"id": str(number)}] * 3}}
        for _ in range(200):
            (document,) = mapping.render(view)
            if document["value"] != str(number) or document["list"] != [{"id": str(number)}] * 3:
                wrong.append(document)

    threads = [threading.Thread(target=render, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_notification_nested_beyond_measure_is_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    view = {**VIEW, "entity": {"deep": deep}}
    mapping = emitting("a: ${{ entity.deep }}")
    for render in (mapping.render, mapping.traced().render, compile_condition("entity.deep[] == entity.deep", "when")):
        with pytest.raises(Refused, match="nested too deeply") as caught:
            render(view)
        assert caught.value.by == "mapping"


def test_watching_names_the_expressions_that_never_had_a_value():
    traced = emitting(
        "type: x\na: ${{ entity.scoer }}\nb: ${{ entity.score }}\nc: {$when: entity.no, d: '${{ entity.ratio }}'}"
    ).traced()
    assert traced.render(VIEW) == [{"id": "x--1", "type": "x", "b": 7}]
    assert [str(location) for location in traced.without_value()] == [
        "test.yaml:5:8: emit.one.a: in `entity.scoer`",
        "test.yaml:7:16: emit.one.c.$when: in `entity.no`",
        "test.yaml:7:30: emit.one.c.d: in `entity.ratio`",
    ]
    traced.render({**VIEW, "entity": {"scoer": 1, "no": "yes", "ratio": 2}})
    assert traced.without_value() == []


OWN = """
format: plain
let:
  subjects:
    $each: notification.sources
    name: ${{ item.label || item.id }}
    parts: ["${{ item.id }}"]
  country: ${{ text(notification.country) }}
emit:
  place: {$when: country, type: place, at: "${{ country }}", held: [{in: "${{ country }}"}]}
  each:
    $each: notification.sources
    $provisional: "!(item.label)"
    type: source
    name: ${{ item.id }}
    held: [{labels: ["${{ item.label || 'none' }}"], of: "${{ item.id }}"}]
  named: {type: named, subjects: "${{ subjects }}", by: "${{ notification.id }}"}
"""
"""Documents and names that depend on one element or name alone, beside one that does not."""


def seen(number, *sources, country="DE"):
    return {**VIEW, "notification": {**VIEW["notification"], "id": number, "country": country, "sources": [*sources]}}


def source(number, **more):
    return {"id": f"{number}", "label": "one", **more}


def test_what_is_remembered_of_earlier_notifications_changes_nothing():
    document = yamldoc.parse(OWN, "own.yaml")
    mapping = compile_mapping(document, FORMATS)
    traced = mapping.traced()  # which remembers nothing
    stream = [
        seen("1", source(1), source(2)),
        seen("2", source(2), source(1), source(2)),
        seen("3", source(2, label="another"), country=None),
        seen("4", source(2, more=["x"]), country="FR"),
        seen("5", source(1, label=None), source(3), country=["odd"]),
        seen("6", source(1), source(1, label=5), country=10**40),
        *[seen(f"{n}", source(n % 300), source("x" * 5000 + f"{n % 2}"), country=f"{n % 300}") for n in range(700)],
        seen("7", source(1), "text", None, 5, 5.0, True, 1, [], {}),
        seen("8", source(3, label=None), source(3, label=float("nan")), source(3, label=float("inf"))),
    ]
    for nth, view in enumerate(stream):
        made, unremembered = mapping.render(view), traced.render(view)
        is_alike = view["notification"]["id"] == f"{nth - 6}" and nth % 20  # to compile takes longer than to render
        afresh = unremembered if is_alike else compile_mapping(document, FORMATS).render(view)
        assert made == afresh == unremembered
        assert [type(each) for each in made] == [type(each) for each in afresh]


def test_what_is_remembered_is_shared_with_no_document():
    mapping = compiled(OWN)
    view = seen("1", source(1), source(1))
    expected = compiled(OWN).render(view)

    def spoil(value):
        for member in value.values() if isinstance(value, dict) else value:
            if isinstance(member, dict | list):
                spoil(member)
        value.clear()

    for _ in range(3):
        made = mapping.render(view)
        assert made == expected
        first = copy.deepcopy(made)
        spoil(made[1])
        assert made[2:] == first[2:]
        for document in made[2:]:
            spoil(document)


def test_what_depends_on_more_than_its_element_is_made_each_time():
    mapping = compiled("""
format: plain
let:
  own: {$each: "notification.sources", name: "${{ item.id }}", by: "${{ notification.id }}"}
emit:
  each: {$each: "notification.sources", $when: "notification.id != '2'", type: x, name: "${{ item.id }}"}
  named: {type: y, own: "${{ own }}"}
""")
    found = [mapping.render(seen(number, source(1))) for number in "123"]
    assert [len(documents) for documents in found] == [2, 1, 2]
    assert [documents[-1]["own"][0]["by"] for documents in found] == ["1", "2", "3"]


def test_what_depends_on_more_than_its_element_or_name_is_made_each_time_whatever_stands_last():
    mapping = compiled("""
format: plain
let:
  kind: ${{ text(notification.entity_type) }}
  own: {$each: notification.sources, by: "${{ notification.id }}", name: "${{ item.id }}"}
emit:
  each: {$each: notification.sources, by: "${{ notification.id }}", name: "${{ item.id }}"}
  one: {by: "${{ notification.id }}", kind: "${{ kind }}"}
  named: {own: "${{ own }}"}
""")
    for number in "123":
        each, one, named = mapping.render(seen(number, source(1)))
        assert each["by"] == one["by"] == named["own"][0]["by"] == number


def test_what_depends_on_more_than_its_element_before_a_list_within_it_is_made_each_time():
    mapping = compiled("""
format: plain
emit:
  each:
    $each: notification.sources
    by: ${{ notification.id }}
    inner: {$each: "['a']", of: "${{ item }}"}
""")
    assert [mapping.render(seen(number, source(1)))[0]["by"] for number in "123"] == ["1", "2", "3"]


def test_what_is_remembered_is_made_once_and_does_not_grow_without_end():
    completed = []

    class Counting(Plain):
        def finalizer(self, shape, *, check=True):
            return lambda document: completed.append(document["of"]) or document

    text = """
format: counting
emit:
  each: {$each: entity.list, type: each, of: "${{ to_string(item) }}"}
"""
    mapping = compile_mapping(yamldoc.parse(text, "test.yaml"), {"counting": Counting()})

    def completed_of(given):
        completed.clear()
        assert len(mapping.render({**VIEW, "entity": {"list": given}})) == len(given)
        return len(completed)

    few = [{"id": number} for number in range(values._MEMO_RESULTS)]
    assert completed_of(few) == len(few)
    assert completed_of(few) == 0
    assert completed_of([{"id": "one more"}, few[0]]) == 2
    largest = "x" * (values._MEMO_KEY_BYTES - len('""'))
    for kept in ({"id": None}, {"list": [None, 0.5]}, largest):
        assert completed_of([kept, kept]) == 1
    nan = float("nan")
    for too_odd in ({"text": largest}, largest + "x", {"id": nan}, {"list": [nan]}, {"id": 10**40}):
        assert completed_of([too_odd, too_odd]) == 2


def test_what_depends_on_one_element_or_name_alone_is_completed_once_in_a_stream():
    completed = []

    class Counting(Plain):
        def finalizer(self, shape, *, check=True):
            complete = super().finalizer(shape)
            return lambda document: completed.append(document["type"]) or complete(document)

    mapping = compile_mapping(yamldoc.parse(OWN.replace("plain", "counting"), "test.yaml"), {"counting": Counting()})
    for number in "123":
        mapping.render(seen(number, source(1), source(2), source(1)))
    assert sorted(completed) == ["named", "named", "named", "place", "source", "source"]


def test_a_name_that_depends_on_its_elements_alone_is_made_once_in_a_stream():
    program = compiled(OWN)._program
    first, second = ({**seen(number, source(1)), **program.names} for number in "12")
    for scope in (first, second):
        assert program.run_in(scope, [])
    assert first["subjects"] == [{"name": "one", "parts": ["1"]}]
    assert second["subjects"][0] is first["subjects"][0]


def test_when_beside_each_leaves_out_what_is_remembered_too():
    mapping = compiled("""
format: plain
let:
  own: {$each: "notification.sources", $when: "item.label", id: "${{ item.id }}"}
emit:
  each: {$each: "notification.sources", $when: "item.label", type: "${{ item.id }}"}
  named: {type: y, own: "${{ own }}"}
""")
    for _ in range(2):
        assert mapping.render(VIEW) == [
            {"id": "1--1", "type": "1"},
            {"id": "y--1", "type": "y", "own": [{"id": "1"}]},
        ]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("text", "text"),
        ("[a, b]", ["a", "b"]),
        ("[[a]]", [["a"]]),
        ("[[a], {b: [c]}]", [["a"], {"b": ["c"]}]),
    ],
)
def test_a_name_that_stands_for_the_same_always_is_made_once(value, kept):
    program = compiled(f"format: plain\nlet: {{name: {value}}}\nemit: {{one: {{type: x}}}}")._program
    assert program.names == {"name": kept}


@pytest.mark.parametrize(
    "value", ["'${{ entity_value }}'", "['${{ entity_value }}']", "[a, '${{ entity_value }}']", "{a: '${{ entity }}'}"]
)
def test_a_name_that_stands_for_something_of_the_notification_is_made_each_time(value):
    program = compiled(f"format: plain\nlet: {{name: {value}}}\nemit: {{one: {{type: x}}}}")._program
    assert program.names == {}


def test_a_refused_element_is_refused_each_time():
    mapping = compiled("""
format: plain
emit:
  each: {$each: notification.sources, type: x, pattern: "a ${{ item.label }}"}
""")
    for _ in range(2):
        with pytest.raises(Refused, match="bad cannot stand here"):
            mapping.render(seen("1", source(1, label="bad")))


@pytest.mark.parametrize("list_name", ["notification.nothing", "entity.empty", "notification.sources[?id == 'none']"])
def test_a_name_for_each_of_nothing_is_null(list_name):
    mapping = compiled(f"""
format: plain
let:
  own: {{$each: "{list_name}", a: "${{{{ item.id }}}}"}}
  other: {{$each: "{list_name}", a: "${{{{ notification.id }}}}"}}
emit:
  one: {{type: x, own: "${{{{ own == `null` }}}}", other: "${{{{ other == `null` }}}}"}}
""")
    assert mapping.render(VIEW) == [{"id": "x--1", "type": "x", "own": True, "other": True}]


def test_what_is_remembered_and_named_later_is_shared_with_no_document():
    mapping = compiled("""
format: plain
emit:
  threats: {$each: notification.sources, $provisional: "`true`", type: "${{ type(item) }}", name: "${{ item.id }}"}
  two: {$each: threats, type: "${{ type(item) }}", held: ["${{ item }}"]}
""")
    expected = mapping.render(seen("1", source(1)))
    assert [document["type"] for document in expected] == ["object", "object"]
    first = copy.deepcopy(expected)
    expected[0]["name"] = "spoilt"
    assert expected[1] == first[1]
    expected[1]["held"][0]["name"] = "spoilt"
    assert mapping.render(seen("1", source(1))) == first


@pytest.mark.parametrize(
    ("each", "body", "found"),
    [
        ("'`[1, 2]`'", "${{ text(item) }}", ["1", "2"]),
        ("numbers", "${{ item }}", [1, 2]),
        ("{n: numbers, m: '[n]'}", "${{ m }}", [1, 2]),
    ],
)
def test_lists_that_are_the_same_for_all_may_be_gone_through(each, body, found):
    mapping = compiled(f"""
format: plain
let: {{numbers: [1, 2]}}
emit:
  one:
    type: x
    a: {{$each: {each}, b: "{body}"}}
""")
    for _ in range(2):
        assert mapping.render(VIEW) == [{"id": "x--1", "type": "x", "a": [{"b": each} for each in found]}]
