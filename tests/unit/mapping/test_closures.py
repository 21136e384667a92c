"""Compiled expressions against the jmespath library, on expressions that nobody would write."""

import jmespath
import pytest
from hypothesis import given, settings
from jmespath.exceptions import JMESPathError
from unit.mapping import strategies

from connector.mapping.checking import NOTIFICATION_SCOPE, check
from connector.mapping.closures import compiled, compiled_in_scope, is_false
from connector.mapping.expressions import ExpressionError, parse
from connector.mapping.functions import FUNCTIONS
from connector.mapping.interpreter import INTERPRETER
from connector.mapping.json_types import ANY, type_name


def outcome(evaluate, *arguments):
    try:
        return evaluate(*arguments)
    except JMESPathError as error:
        return type(error)


def same(one, other):
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return one == other and type(one) is type(other)


def parsed(expression):
    try:
        return parse(expression)
    except ExpressionError:
        return None


@settings(max_examples=600, deadline=None)
@given(expression=strategies.expressions, document=strategies.documents)
def test_a_closure_gives_what_the_interpreter_gives(expression, document):
    node = parsed(expression)
    if node is None:
        return
    assert same(outcome(compiled(node), document), outcome(INTERPRETER.visit, node, document))


@settings(max_examples=400, deadline=None)
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


@settings(max_examples=600, deadline=None)
@given(expression=strategies.expressions, scope=strategies.objects)
def test_what_was_checked_has_the_types_that_were_found(expression, scope):
    names = dict.fromkeys(strategies.NAMES, ANY)
    node = parsed(expression)
    if node is None:
        return
    try:
        types = check(expression, node, names)
    except ExpressionError:
        return
    full = {name: scope.get(name) for name in names}
    result = outcome(compiled_in_scope(node), full)
    assert isinstance(result, type) or type_name(result) in types
    assert same(result, outcome(compiled(node), full))


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_null_false_and_what_is_empty_are_false(value):
    assert is_false(value)


@pytest.mark.parametrize("value", [True, 0, 0.0, 1, "a", [None], {"a": None}])
def test_everything_else_is_true_and_so_is_zero(value):
    assert not is_false(value)


def test_a_name_of_the_notification_has_the_type_that_reading_gives_it():
    expression = "notification.date"
    assert check(expression, parse(expression), NOTIFICATION_SCOPE) == {"number"}
