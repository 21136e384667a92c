"""What an expression is said to read is what its value came of."""

import pytest
from hypothesis import given
from hypothesis_profiles import examples
from unit.mapping import strategies
from unit.mapping.same import same
from unit.mapping.test_generation import TYPED, outcome, parsed, scopes

from connector.mapping.compilation.checking import check
from connector.mapping.explanation.reads import Traced, reads
from connector.mapping.language.expressions import ExpressionError, parse
from connector.mapping.language.generation import compiled_in_scope
from connector.settings.yamldoc import dotted

SCOPE = {
    "a": {"b": {"c": 1}, "none": None, "empty": []},
    "list": [{"x": 1, "y": "p"}, {"x": 2}, {"y": "q"}, None],
    "lists": [[1, 2], [3]],
    "text": "t",
}


def traced(scope):
    return {name: Traced(value, (name,)) for name, value in scope.items()}


@examples(600)
@given(expression=strategies.expressions, scope=scopes)
def test_the_value_is_that_of_the_compiled_expression(expression, scope):
    node = parsed(expression)
    if node is None:
        return
    try:
        check(expression, node, TYPED)
    except ExpressionError:
        return
    right = outcome(compiled_in_scope(node), scope)
    found, read = reads(node, traced(scope))
    assert same(found.value, None if isinstance(right, type) else right)
    for path, value in read.items():
        assert same(standing_at(scope, path), value)


def standing_at(value, path):
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int):
            value = value[key] if key < len(value) else None
        else:
            return None
    return value


@pytest.mark.parametrize(
    ("expression", "places"),
    [
        ("a.b.c", ["a.b.c"]),
        ("a.b", ["a.b"]),
        ("a.nothing.c", ["a.nothing.c"]),
        ("'x'", []),
        ("text || a.b.c", ["text"]),
        ("a.none || a.b.c", ["a.none", "a.b.c"]),
        ("text && a.b.c", ["text", "a.b.c"]),
        ("a.none && a.b.c", ["a.none"]),
        ("!text", ["text"]),
        ("a.b.c == `1`", ["a.b.c"]),
        ("lower(text)", ["text"]),
        ("join('', [text, text])", ["text"]),
        ("list[0].x", ["list[0].x"]),
        ("list[-3].x", ["list[1].x"]),
        ("list[7].x", ["list[7].x"]),
        ("list[*].x", ["list[0].x", "list[1].x", "list[2].x", "list[3].x"]),
        ("list[?y == 'q'].x", ["list[0].y", "list[1].y", "list[2].y", "list[3].y", "list[2].x"]),
        ("list[?y].y | [0]", ["list[0].y", "list[1].y", "list[2].y", "list[3].y"]),
        ("list[:1]", ["list[0]"]),
        ("lists[]", ["lists[0][0]", "lists[0][1]", "lists[1][0]"]),
        ("a.b.*", ["a.b.c"]),
        ("a.empty[*].x", ["a.empty"]),
        ("a.none[*].x", ["a.none"]),
        ("{n: a.b.c, m: text}", ["a.b.c", "text"]),
        ("a.{n: b, m: none} | n.c", ["a.b.c"]),
        ("sort_by(list[:2], &x)[0].x", ["list[0]", "list[1]"]),
        ("length(list)", ["list"]),
    ],
)
def test_what_is_read_is_named_down_to_the_value(expression, places):
    _, read = reads(parse(expression), traced(SCOPE))
    assert sorted(map(dotted, read)) == sorted(places)


def test_what_an_expression_had_no_need_of_is_read_on_request():
    _, read = reads(parse("text || a.b.c"), traced(SCOPE), every_branch=True)
    assert sorted(map(dotted, read)) == ["a.b.c", "text"]


def test_of_an_expression_that_fails_there_is_what_it_read_until_then():
    found, read = reads(parse("a.b.c && lower(a.b.c)"), traced(SCOPE))
    assert found.value is None
    assert list(map(dotted, read)) == ["a.b.c"]
