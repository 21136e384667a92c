"""The names in expressions: those that mean the same for all notifications are put in, the others are listed."""

import pytest

from connector.mapping.compilation.folding import folded, roots
from connector.mapping.language.expressions import parse

KNOWN = {"table": {"a": {"b": 1}, "none": None, "text": "x"}, "number": 5, "nothing": None}


@pytest.mark.parametrize(
    ("expression", "same_as"),
    [
        ("number", "`5`"),
        ("nothing", "`null`"),
        ("table.a", '`{"b": 1}`'),
        ("table.a.b", "`1`"),
        ("table.none", "`null`"),
        ("table.other", "`null`"),
        ("table.text.more", "`null`"),
        ("table.a.b.more.still", "`null`"),
        ("other", "other"),
        ("other.table.number", "other.table.number"),
        ("table.a.[b, c]", '`{"b": 1}`.[b, c]'),
        ("table.a.[b].c", '`{"b": 1}`.[b].c'),
        # What sees the same scope is looked into, what sees another value is not.
        ("other == number", "other == `5`"),
        ("number && other || table.text", '`5` && other || `"x"`'),
        ("!number", "!`5`"),
        ("upper(table.text)", 'upper(`"x"`)'),
        ("[number, other.number]", "[`5`, other.number]"),
        ("{number: number}", "{number: `5`}"),
        ("other[?number == table]", "other[?number == table]"),
        ("other[].number", "other[].number"),
        ("other[*].number", "other[*].number"),
        ("other.*.number", "other.*.number"),
        ("table.*.number", '`{"a": {"b": 1}, "none": null, "text": "x"}`.*.number'),
        ("table[].number", '`{"a": {"b": 1}, "none": null, "text": "x"}`[].number'),
        ("number[0]", "`5`[0]"),
        ("other | number", "other | number"),
        ("number | number", "`5` | number"),
        ("other.[number]", "other.[number]"),
        ("sort_by(other, &number)", "sort_by(other, &number)"),
    ],
)
def test_what_is_known_stands_in_the_place_of_its_name(expression, same_as):
    node = parse(expression)
    assert folded(node, KNOWN) == parse(same_as)
    assert node == parse(expression)


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("a", {"a"}),
        ("a.b.c", {"a"}),
        ("`1`", set()),
        ("a || b && !c", {"a", "b", "c"}),
        ("a == b", {"a", "b"}),
        ("upper(a.b)", {"a"}),
        ("[a, b.c]", {"a", "b"}),
        ("{x: a, y: b}", {"a", "b"}),
        ("a[?b == c].d", {"a"}),
        ("a[0].b", {"a"}),
        ("a[].b", {"a"}),
        ("a[*].b", {"a"}),
        ("a.*.b", {"a"}),
        ("a | b", {"a"}),
        ("sort_by(a, &b)", {"a"}),
    ],
)
def test_the_names_that_an_expression_reads_are_those_at_its_beginnings(expression, names):
    assert roots(parse(expression)) == names
