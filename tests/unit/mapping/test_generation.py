"""Compiled expressions against the jmespath library, on expressions that nobody would write."""

import jmespath
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from jmespath.exceptions import JMESPathError
from unit.mapping import strategies
from unit.mapping.same import same

from connector.mapping.compilation.checking import NOTIFICATION_SCOPE, check
from connector.mapping.compilation.folding import folded
from connector.mapping.language.expressions import ExpressionError, parse
from connector.mapping.language.functions import FUNCTIONS
from connector.mapping.language.generation import compiled, compiled_in_scope
from connector.mapping.language.interpreter import INTERPRETER
from connector.mapping.language.json_types import ANY, ARRAY, NULL, NUMBER, OBJECT, STRING, type_name
from connector.mapping.language.operations import is_false


def outcome(evaluate, *arguments):
    try:
        return evaluate(*arguments)
    except JMESPathError as error:
        return type(error)


def parsed(expression):
    try:
        return parse(expression)
    except ExpressionError:
        return None


@examples(600)
@given(expression=strategies.expressions, document=strategies.documents)
def test_generated_code_gives_what_the_interpreter_gives(expression, document):
    node = parsed(expression)
    if node is None:
        return
    assert same(outcome(compiled(node), document), outcome(INTERPRETER.visit, node, document))


@examples(400)
@given(expression=strategies.expressions, document=strategies.documents)
def test_the_interpreter_gives_what_the_library_alone_gives(expression, document):
    node = parsed(expression)
    if node is None or any(f"{name}(" in expression for name in FUNCTIONS):
        return
    ours = outcome(INTERPRETER.visit, node, document)
    try:
        theirs = outcome(jmespath.search, expression, document)
    except (TypeError, ValueError, OverflowError):
        return  # the library's own slips, which the interpreter mends
    if "to_number(" in expression or isinstance(ours, type):
        return  # infinite numbers, and errors where Python would compare unlike things, are not JSON's
    assert same(ours, theirs)


TYPED = {**dict.fromkeys(strategies.NAMES, ANY), "a": STRING | NULL, "b": NUMBER, "c": ARRAY, "entity": OBJECT}
ALWAYS = {"id": "7", "date": 1, "origin": "hunting", "entity_type": "file", "entity_id": "x"}
"""What `connector.notification.view` promises of a notification, and the check at load relies on."""
scopes = st.fixed_dictionaries(
    {
        **dict.fromkeys(strategies.NAMES, strategies.documents),
        "a": st.none() | st.text(max_size=3),
        "b": st.integers(-3, 300) | st.floats(allow_nan=False, allow_infinity=False),
        "c": st.lists(strategies.documents, max_size=3),
        "entity": strategies.objects,
        "notification": strategies.objects.map(lambda found: {**found, **ALWAYS}),
    }
)


@examples(600)
@given(expression=strategies.expressions, scope=scopes)
@example(expression="ip_version(a) || b", scope={**dict.fromkeys(TYPED), "b": 1})
@example(expression="ip_version(a) || 'x'", scope=dict.fromkeys(TYPED))
@example(expression="(b < a) && b", scope={**dict.fromkeys(TYPED), "b": 1})
@example(expression="b && (b < a)", scope={**dict.fromkeys(TYPED), "b": 1})
@example(expression="notification.date", scope={**dict.fromkeys(TYPED), "notification": ALWAYS})
def test_what_was_checked_has_the_types_that_were_found(expression, scope):
    node = parsed(expression)
    if node is None:
        return
    try:
        types = check(expression, node, TYPED)
    except ExpressionError:
        return
    result = outcome(compiled_in_scope(node), scope)
    assert isinstance(result, type) or type_name(result) in types
    assert same(result, outcome(compiled(node), scope))


@examples(400)
@given(expression=strategies.expressions, scope=scopes, known=st.sets(st.sampled_from(strategies.NAMES)))
@example(expression="entity.a.b", scope={**dict.fromkeys(TYPED), "entity": {"a": {"b": 1}}}, known={"entity"})
@example(expression="c[].a", scope={**dict.fromkeys(TYPED), "c": [{"a": 1}], "a": 2}, known={"a"})
def test_what_is_known_at_load_may_be_put_in(expression, scope, known):
    node = parsed(expression)
    if node is None:
        return
    try:
        check(expression, node, TYPED)
    except ExpressionError:  # names that no scope has
        return
    put_in = folded(node, {name: scope[name] for name in known})
    assert same(outcome(compiled_in_scope(put_in), scope), outcome(compiled_in_scope(node), scope))


@pytest.mark.parametrize(
    ("expression", "document", "expected"),
    [
        ("[?!@]", [None, 0, "", 1], [""]),
        ("[?type(@) != 'null'].a", [None, {"a": 1}], [1]),
        ("[*].a", [None, {"a": None}, {"a": 0}], [0]),
        ("@ < 'a'", 1, None),
        ("map(&(@ < 'a'), @)", [1, "A"], [None, True]),
        ("a == 'x'", {"a": ["x"]}, False),
        ("a != 'x'", {"a": None}, True),
        ("`true` == `1`", None, False),
        ("`false` != `0`", None, True),
        ("`1` == `1.0`", None, True),
        ("[-1]", [1, 2], 2),
        ("[-3]", [1, 2], None),
        ("a[0]", {"a": "text"}, None),
        ("type(@) == 'nonsense'", None, False),
        ("join('', @)", ["a", "b"], "ab"),
        ("sort(@)", [2, 1.5], [1.5, 2]),
        ("contains(@, 'b')", "abc", True),
        ("not_null(a, b)", {"b": 1}, 1),
        ("to_number('nan')", None, None),
        ("to_number('1e999')", None, None),
    ],
)
def test_generated_code_and_interpreter_give_what_the_specification_says(expression, document, expected):
    node = parse(expression)
    assert same(compiled(node)(document), expected)
    assert same(INTERPRETER.visit(node, document), expected)


@pytest.mark.parametrize(
    ("expression", "document"),
    [
        ("contains(@, `1`)", "abc"),
        ("merge(`{}`, @)", [["a", 1]]),
        ("max_by(@, &@)", [1, "a"]),
        ("min_by(@, &@)", ["a", 1]),
        ("sum(@)", [10**400, 0.5]),
        ("avg(@)", [1e308, 1e308]),
        ("join('', @)", ["a", None]),
        ("sort(@)", [1, "a"]),
        ("sort(@)", [True]),
        ("length(@)", None),
    ],
)
def test_what_cannot_be_evaluated_is_a_jmespath_error(expression, document):
    node = parse(expression)
    with pytest.raises(JMESPathError):
        compiled(node)(document)
    with pytest.raises(JMESPathError):
        INTERPRETER.visit(node, document)


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_null_false_and_what_is_empty_are_false(value):
    assert is_false(value)


@pytest.mark.parametrize("value", [True, 0, 0.0, 1, "a", [None], {"a": None}])
def test_everything_else_is_true_and_so_is_zero(value):
    assert not is_false(value)


def test_a_name_of_the_notification_has_the_type_that_reading_gives_it():
    expression = "notification.date"
    assert check(expression, parse(expression), NOTIFICATION_SCOPE) == {"number"}
