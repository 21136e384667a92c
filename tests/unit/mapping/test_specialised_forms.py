"""Every form of expression that generated code has words of its own for, on values that are easily mistaken.

Hypothesis compares both engines on expressions that it makes up (`test_generation`), and may miss a form; here each has
its case. The jmespath library has to agree with what is written down.
"""

import pytest
from jmespath.exceptions import JMESPathError, JMESPathTypeError
from unit.mapping.same import same

from connector.mapping.language.expressions import parse
from connector.mapping.language.generation import compiled, compiled_in_scope
from connector.mapping.language.interpreter import INTERPRETER
from connector.model import Provisional

VALUES = [None, False, 0, "", [], {}, True, 1, "a", [None], {"z": None}]
"""One false and one true value of every type that has both."""
TYPES = ["null", *("boolean", "number", "string", "array", "object") * 2]
TRUE = [0, True, 1, "a", [None], {"z": None}]
OBJECTS = [*VALUES, *({"z": value} for value in VALUES)]
SCOPE = {"w": "w", "none": None, "zero": 0, "one": 1, "all": VALUES, "objects": OBJECTS}

N = None
Y = True
F = False
X = "x"
W = "w"
E = JMESPathTypeError

EVALUATIONS = {
    "scope": lambda node, scope: compiled_in_scope(node)(scope),
    "any": lambda node, scope: compiled(node)(scope),
    "library": INTERPRETER.visit,
}


def outcome(evaluate, node, scope):
    try:
        return evaluate(node, scope)
    except JMESPathError as error:
        return type(error)


@pytest.fixture(params=EVALUATIONS)
def evaluate(request):
    def evaluated(expression, **scope):
        return outcome(EVALUATIONS[request.param], parse(expression), {**SCOPE, **scope})

    return evaluated


def text(*found):
    """What is given for `""` and `"a"`, and an error for everything else."""
    empty, a = found
    return [E, E, E, empty, E, E, E, E, a, E, E]


def text_or_null(*found):
    return [N, *text(*found)[1:]]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # A name, and what the pipe adds to it.
        ("v", VALUES),
        ("v | @", VALUES),
        ("v | @ | @", VALUES),
        # `||`, with a literal and without; `condition && value || literal`.
        ("v || 'x'", [X, X, 0, X, X, X, Y, 1, "a", [N], {"z": N}]),
        ("v || w", [W, W, 0, W, W, W, Y, 1, "a", [N], {"z": N}]),
        ("none || v", VALUES),
        ("v && w || 'x'", [X, X, W, X, X, X, W, W, W, W, W]),
        ("w && v || 'x'", [X, X, 0, X, X, X, Y, 1, "a", [N], {"z": N}]),
        ("v && w || none", [N, N, W, N, N, N, W, W, W, W, W]),
        # `&&`, `!`
        ("v && w", [N, F, W, "", [], {}, W, W, W, W, W]),
        ("w && v", VALUES),
        ("!v", [Y, Y, F, Y, Y, Y, F, F, F, F, F]),
        # Equality with text, with what is no text, and of types.
        ("v == 'a'", [F, F, F, F, F, F, F, F, Y, F, F]),
        ("v == ''", [F, F, F, Y, F, F, F, F, F, F, F]),
        ("v != 'a'", [Y, Y, Y, Y, Y, Y, Y, Y, F, Y, Y]),
        ("(v && v) == 'a'", [F, F, F, F, F, F, F, F, Y, F, F]),
        ("'a' == v", [F, F, F, F, F, F, F, F, Y, F, F]),
        ("v == `null`", [Y, F, F, F, F, F, F, F, F, F, F]),
        ("v == `false`", [F, Y, F, F, F, F, F, F, F, F, F]),
        ("v == `0`", [F, F, Y, F, F, F, F, F, F, F, F]),
        ("v == `[]`", [F, F, F, F, Y, F, F, F, F, F, F]),
        ("v == `{}`", [F, F, F, F, F, Y, F, F, F, F, F]),
        ("v == `true`", [F, F, F, F, F, F, Y, F, F, F, F]),
        ("v == `1`", [F, F, F, F, F, F, F, Y, F, F, F]),
        ("v == one", [F, F, F, F, F, F, F, Y, F, F, F]),
        ("v != `0`", [Y, Y, F, Y, Y, Y, Y, Y, Y, Y, Y]),
        ("v != `true`", [Y, Y, Y, Y, Y, Y, F, Y, Y, Y, Y]),
        ("type(v) == 'null'", [Y, F, F, F, F, F, F, F, F, F, F]),
        ("type(v) == 'boolean'", [F, Y, F, F, F, F, Y, F, F, F, F]),
        ("type(v) == 'number'", [F, F, Y, F, F, F, F, Y, F, F, F]),
        ("type(v) == 'string'", [F, F, F, Y, F, F, F, F, Y, F, F]),
        ("type(v) == 'array'", [F, F, F, F, Y, F, F, F, F, Y, F]),
        ("type(v) == 'object'", [F, F, F, F, F, Y, F, F, F, F, Y]),
        ("type(v) == 'nonsense'", [F] * 11),
        ("type(v) != 'null'", [F, Y, Y, Y, Y, Y, Y, Y, Y, Y, Y]),
        ("to_string(type(v)) == 'null'", [Y, F, F, F, F, F, F, F, F, F, F]),
        # Order is of two numbers or of two texts, and a boolean is neither.
        ("v < `1`", [N, N, Y, N, N, N, N, F, N, N, N]),
        ("v <= `0`", [N, N, Y, N, N, N, N, F, N, N, N]),
        ("v > `0`", [N, N, F, N, N, N, N, Y, N, N, N]),
        ("v >= `1`", [N, N, F, N, N, N, N, Y, N, N, N]),
        ("v < one", [N, N, Y, N, N, N, N, F, N, N, N]),
        ("one >= v", [N, N, Y, N, N, N, N, Y, N, N, N]),
        ("v < 'a'", [N, N, N, Y, N, N, N, N, F, N, N]),
        ("v >= ''", [N, N, N, Y, N, N, N, N, Y, N, N]),
        # New lists and objects; null has none.
        ("[v]", [[value] for value in VALUES]),
        ("[v, w]", [[value, W] for value in VALUES]),
        ("[v, w, v]", [[value, W, value] for value in VALUES]),
        ("{p: v, q: w}", [{"p": value, "q": W} for value in VALUES]),
        ("v.[@]", [N, *([value] for value in VALUES[1:])]),
        ("v.[@, @]", [N, *([value, value] for value in VALUES[1:])]),
        ("v.[@, @, z]", [N, *([value, value, N] for value in VALUES[1:])]),
        ("v.{p: @}", [N, *({"p": value} for value in VALUES[1:])]),
        # A call of one argument that is a path; what null does, and literals before and after it.
        ("type(v)", TYPES),
        ("length(v)", [E, E, E, 0, 0, 0, E, E, 1, 1, 1]),
        ("lower(v)", text_or_null("", "a")),
        ("truncate(v, `1`)", text_or_null("", "a")),
        ("replace(v, 'a', 'b')", text_or_null("", "b")),
        ("starts_with('ab', v)", text(Y, Y)),
        ("replace('ab', v, 'c')", text_or_null("ab", "cb")),
        ("type(v.[@])", ["null", *["array"] * 10]),
        ("type(v.{p: @})", ["null", *["object"] * 10]),
        ("type(v.type(@))", ["string"] * 11),
        ("lookup(`{\"a\": 0, \"\": null}`, v, 'x')", [X, E, E, X, E, E, E, E, 0, E, E]),
        # Three arguments, all of them computed.
        ("clamp(v, zero, one)", [N, E, 0, E, E, E, E, 1, E, E, E]),
        ("clamp(one, v, one)", [N, E, 1, E, E, E, E, 1, E, E, E]),
        ("clamp(one, zero, v)", [N, E, 0, E, E, E, E, 1, E, E, E]),
        # The least is of numbers or of texts.
        ("min(v)", [E, E, E, E, N, E, E, E, E, E, E]),
        ("min([one, v])", [E, E, 0, E, E, E, E, 1, E, E, E]),
        ("min([w, v])", [E, E, E, "", E, E, E, E, "a", E, E]),
        # The same of an argument that is no path.
        ("type(v && v)", TYPES),
        ("length(v && v)", [E, E, E, 0, 0, 0, E, E, 1, 1, 1]),
        ("lower(v && v)", text_or_null("", "a")),
        ("truncate(v && v, `1`)", text_or_null("", "a")),
        ("replace(v && v, 'a', 'b')", text_or_null("", "b")),
        ("starts_with('ab', v && v)", text(Y, Y)),
        ("replace('ab', v && v, 'c')", text_or_null("ab", "cb")),
        # Of two arguments, with literals before, between and after them.
        ("not_null(v, w)", [W, *VALUES[1:]]),
        ("not_null(none, v)", VALUES),
        ("starts_with(w, v)", text(Y, F)),
        ("starts_with(v, w)", text(F, F)),
        ("starts_with(none, v)", [E] * 11),
        ("truncate(v, zero)", text_or_null("", "")),
        ("truncate(v, none)", text_or_null(N, N)),
        ("truncate(none, v)", [N, E, N, E, E, E, E, N, E, E, E]),
        ("truncate(w, v)", [N, E, "", E, E, E, E, "w", E, E, E]),
        ("replace('abc', v, w)", text_or_null("abc", "wbc")),
        ("replace(v, 'a', w)", text_or_null("", "w")),
        ("replace(v, w, 'b')", text_or_null("", "a")),
        ("replace(w, 'w', v)", text_or_null("", "a")),
        ("join(w, [w, v])", text("ww", "wwa")),
        # Of three and more.
        ("not_null(none, none, v)", VALUES),
        ("within(v, zero, one)", [N, E, 0, E, E, E, E, 1, E, E, E]),
        ("within(v, none, one)", [N, E, N, E, E, E, E, N, E, E, E]),
        ("within(zero, v, one)", [N, E, 0, E, E, E, E, N, E, E, E]),
        ("within(zero, zero, v)", [N, E, 0, E, E, E, E, 0, E, E, E]),
        ("replace(v, v, w)", text_or_null("", "w")),
        ("not_null(none, v, w, zero)", [W, *VALUES[1:]]),
        # The library's own functions, and those that take an expression.
        ("to_array(v)", [[N], [F], [0], [""], [], [{}], [Y], [1], ["a"], [N], [{"z": N}]]),
        ("to_string(v)", ["null", "false", "0", "", "[]", "{}", "true", "1", "a", "[null]", '{"z":null}']),
        ("map(&type(@), [v])", [[name] for name in TYPES]),
    ],
)  # fmt: skip
def test_each_value_becomes_what_the_language_says(evaluate, expression, expected):
    found = [evaluate(expression, v=value) for value in VALUES]
    assert [
        (value, one) for value, one, wanted in zip(VALUES, found, expected, strict=True) if not same(one, wanted)
    ] == []


@pytest.mark.parametrize("depth", range(1, 6))
def test_a_path_leads_to_the_value_at_its_end_and_past_anything_else_to_null(evaluate, depth):
    path = "v" + ".a" * depth
    for value in VALUES:
        nested = value
        for _ in range(depth):
            assert evaluate(path, v=nested) is None
            assert evaluate(f"type({path})", v=nested) == "null"
            assert evaluate(f"{path} == 'a'", v=nested) is False
            nested = {"a": nested, "b": nested}
        assert same(evaluate(path, v=nested), value)
        assert same(evaluate(f"not_null({path})", v=nested), value)
        assert same(evaluate(f"(v | @){'.a' * depth}", v=nested), value)
        assert same(evaluate(f"[v]{'.a' * depth}", v=nested), None)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("all[0]", N),
        ("all[1]", F),
        ("all[2]", 0),
        ("all[-1]", {"z": N}),
        ("all[-11]", N),
        ("all[11]", N),
        ("all[-12]", N),
        ("all[9][0]", N),
        ("all[1:4]", [F, 0, ""]),
        ("all[:3]", [F, 0]),
        ("all[-2:]", [[N], {"z": N}]),
        ("all[8:5:-1]", ["a", 1, Y]),
        ("all[::5]", [{}, {"z": N}]),
        ("all[1:3][]", [F, 0]),
        # All elements, those of a list in it, and what each becomes: never null.
        ("all[*]", VALUES[1:]),
        ("all[1:][*]", [[], []]),
        ("all[*].type(@)", TYPES),
        ("all[*].[@]", [[value] for value in VALUES[1:]]),
        ("objects[*].z", VALUES[1:]),
        ("objects[*].z.z", []),
        ("[objects][*][-1].z.z", []),
        ("objects[*].[z][]", [F, 0, "", [], {}, Y, 1, "a", [N], {"z": N}]),
        ("all[]", [F, 0, "", {}, Y, 1, "a", {"z": N}]),
        ("all[] | [0]", F),
        ("all[].type(@)", [*TYPES[:4], "object", "boolean", "number", "string", "null", "object"]),
        ("[all, all[:2]][]", [*VALUES[1:], F]),
        # Those of which something holds.
        ("all[?@]", TRUE),
        ("all[?@] | [?@]", TRUE),
        ("all[?@].type(@)", ["number", "boolean", "number", "string", "array", "object"]),
        ("all[?!@]", [F, "", [], {}]),
        ("all[?!@].type(@)", ["null", "boolean", "string", "array", "object"]),
        ("all[?@ && @]", TRUE),
        ("all[?@ || `0`]", VALUES[1:]),
        ("all[?(@ || `0`) == `0`]", [F, 0, "", [], {}]),
        ("all[?@ == `0`]", [0]),
        ("all[?@ == `false`]", [F]),
        ("all[?@ == `1`]", [1]),
        ("all[?@ == `null`]", []),
        ("all[?@ != 'a']", [F, 0, "", [], {}, Y, 1, [N], {"z": N}]),
        ("all[?@ < `1`]", [0]),
        ("all[?type(@) == 'number']", [0, 1]),
        ("all[?type(@) != 'null']", VALUES[1:]),
        ("objects[?z]", [{"z": value} for value in TRUE]),
        ("objects[?z].z", TRUE),
        ("objects[?z == 'a']", [{"z": "a"}]),
        ("objects[?z == 'a'].z", ["a"]),
        ("objects[?z == 'a'].type(@)", ["object"]),
        ("objects[?z != 'a'].z", [value for value in VALUES[1:] if value != "a"]),
        ("objects[?!z].z", [F, "", [], {}]),
        ("objects[?z && z].z", TRUE),
        ("objects[?z == `0`].z", [0]),
        ("objects[?z.z == 'a']", []),
        ("[`{\"z\": {\"z\": \"a\"}}`][?z.z == 'a'].z.z", ["a"]),
        # The members of an object.
        ('`{"a": null, "b": 0, "c": false, "d": "", "e": [], "f": {}}`.*', [0, F, "", [], {}]),
        ('`{"a": null, "b": {"z": 0}, "c": 1, "d": {"z": null}}`.*.z', [0]),
        ('`{"a": null, "b": 0}`.*.type(@)', ["null", "number"]),
        # A pipe before a bracket is no pipe; before anything else it ends a projection.
        ("all | [1]", F),
        ("all[*] | [1]", 0),
        ("all | [1:3]", [F, 0]),
        ("all | [*]", VALUES[1:]),
        ("all | []", [F, 0, "", {}, Y, 1, "a", {"z": N}]),
        ("all | [?@]", TRUE),
        ("objects | [?z == 'a'] | [0] | z", "a"),
        ("objects[*].z | [1]", 0),
        ("objects[*] | z", N),
        ("objects[-1] | *", [{"z": N}]),
        ("objects[-1] | z | z", N),
        ("all[*] | length(@)", 10),
        ("{p: all} | p[1]", F),
        ("{p: all} | p[?@] | [0]", 0),
        ("{p: all} | p[*] | [1]", 0),
        ("{p: objects[-1]} | p.*", [{"z": N}]),
        # What takes an expression.
        ("map(&z, objects[11:])", VALUES),
        ('sort_by(`[{"z": 1}, {"z": 0}]`, &z)[*].z', [0, 1]),
        ('max_by(`[{"z": 1}, {"z": 0}]`, &z).z', 1),
        ("`0`", 0),
        ("''", ""),
    ],
)  # fmt: skip
def test_lists_and_objects_give_what_the_language_says(evaluate, expression, expected):
    assert same(evaluate(expression), expected)


@pytest.mark.parametrize(
    "brackets",
    ["[0]", "[-1]", "[:1]", "[::-1]", "[*]", "[*].z", "[*].z.z", "[*].type(@)", "[]", "[].z", "[?@]", "[?z]",
     "[?!@]", "[?@].z", "[?type(@) == 'null']"],
)  # fmt: skip
def test_what_is_no_list_has_no_elements_and_an_empty_one_has_none(evaluate, brackets):
    for value in VALUES:
        if not isinstance(value, list):
            assert evaluate(f"v{brackets}", v=value) is None
    assert evaluate(f"v{brackets}", v=[]) == (None if brackets in ("[0]", "[-1]") else [])


def test_what_is_no_object_has_no_members_and_an_empty_one_has_none(evaluate):
    for value in VALUES:
        if not isinstance(value, dict):
            assert evaluate("v.*", v=value) is None
            assert evaluate("v.*.z", v=value) is None
    assert evaluate("v.*", v={}) == []


def test_a_provisional_document_is_an_object(evaluate):
    made = Provisional({"z": {"z": 0}})
    assert evaluate("type(v)", v=made) == "object"
    assert evaluate("type(v) == 'object'", v=made) is True
    assert evaluate("v.z.z", v=made) == 0
    assert evaluate("v.*.z", v=made) == [0]
    assert evaluate("keys(v)", v=made) == ["z"]
    assert evaluate("values(v)", v=made) == [{"z": 0}]
    assert evaluate("merge(v, v)", v=made) == {"z": {"z": 0}}
    assert evaluate("[v][*].z.z", v=made) == [0]


def test_a_list_without_anything_to_leave_out_is_given_as_it_is():
    document = {"list": [1, 0, "a"]}
    for expression in ("list[*]", "list[?@ || `0`]", "list[?@]"):
        assert compiled(parse(expression))(document) == document["list"]


@pytest.mark.parametrize(
    ("expression", "wrong", "actual"),
    [
        ("lower(v)", 1, "number"),
        ("lower(v && v)", 1, "number"),
        ("lower(`1`)", None, "number"),
        ("truncate(v, v)", True, "boolean"),
        ("truncate(v, w)", "a", "string"),
        ("truncate(v, w)", [], "array"),
        ("within(zero, v, w)", {}, "object"),
        ("within(zero, one, v)", "a", "string"),
        ("replace(none, v, w)", 0, "number"),
    ],
)
def test_the_first_argument_of_a_wrong_type_is_the_one_that_is_named(expression, wrong, actual):
    for evaluate in EVALUATIONS.values():
        with pytest.raises(JMESPathTypeError) as raised:
            evaluate(parse(expression), {**SCOPE, "v": wrong})
        assert raised.value.actual_type == actual
        assert raised.value.function_name == expression.partition("(")[0]
