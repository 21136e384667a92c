"""What can be known of an expression before there is any data: its names, its functions, its types."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from jmespath.lexer import Lexer

from connector.entry_points import unread_hint
from connector.mapping.language import plugin_functions
from connector.mapping.language.expressions import ExpressionError
from connector.mapping.language.functions import FUNCTIONS
from connector.mapping.language.interpreter import RETURNS, SIGNATURES, Node, base_types
from connector.mapping.language.json_types import (
    ANY,
    ARRAY,
    BOOLEAN,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    Shape,
    Types,
    described,
    type_name,
)
from connector.model import Misconfigured
from connector.values.suggestions import suggestion

Scope = Mapping[str, Types]
"""The names an expression may begin with, and the types of what they hold."""

NOTIFICATION_SCOPE: dict[str, Types] = {
    "notification": OBJECT,
    "entity": OBJECT,
    "entity_value": STRING | NULL,
    "source": OBJECT,
    "judgement": OBJECT | NULL,
    "guard": OBJECT | NULL,
    "reassessed": OBJECT | NULL,
}
"""What `connector.notification.view` gives."""
YIELDING = frozenset(("source", "judgement", "guard", "reassessed"))
"""Those of them that a mapping may use for something of its own; there they then stand for that. Mappings were written
before there were these names."""

_MEMBERS: dict[tuple[str, str], Types] = {
    ("notification", "id"): STRING,
    ("notification", "date"): NUMBER,
    ("notification", "entity_type"): STRING,
    ("notification", "entity_id"): STRING,
    ("notification", "link"): STRING | NULL,
    ("source", "name"): STRING,
    ("source", "labels"): OBJECT,
    ("judgement", "verdict"): STRING | NULL,
    ("judgement", "of"): STRING | NULL,
    ("judgement", "note"): STRING | NULL,
    ("judgement", "by"): STRING | NULL,
    ("judgement", "at"): NUMBER | NULL,
    ("judgement", "until"): NUMBER | NULL,
    ("reassessed", "verdict"): STRING | NULL,
    ("reassessed", "severity"): STRING | NULL,
    ("withdrawn", "by"): STRING,
    ("withdrawn", "reason"): STRING,
    ("withdrawn", "of"): STRING,
    ("withdrawn", "notifications"): ARRAY,
    ("withdrawn", "matches"): ARRAY,
}
_EXPRESSION = frozenset({"expref"})


def check(expression: str, node: Node, scope: Scope) -> Types:
    """The types an expression's value may have.

    Raises:
        ExpressionError: it names what is not in scope, calls what does not exist or calls it with what it does not
            take, or reads members of what has none.
    """
    return _Checker(expression, scope).types(node, scope)


class _Checker:
    """Finds the types of a node's value; `scope` is None where the current value is no longer the scope."""

    def __init__(self, expression: str, scope: Scope) -> None:
        self.expression = expression
        self.known = ", ".join(sorted(scope))

    def types(self, node: Node, scope: Scope | None) -> Types:
        visit: Any = getattr(self, f"_{node['type']}")
        found: Types = visit(node, scope)
        return found

    def _field(self, node: Node, scope: Scope | None) -> Types:
        if scope is None:
            return ANY
        name = node["value"]
        if name not in scope:
            hint = f"; write `{name}` in backticks" if name in ("null", "true", "false") else suggestion(name, scope)
            if f'"{name}"' in self.expression:
                hint = "; if it is text, put it in single quotation marks"
            raise ExpressionError(
                f"the name {name[:80]!r} is not known here{hint} (known: {self.known})",
                self._position(name, call=False),
            )
        return scope[name]

    def _nothing_before(self, node: Node, scope: Scope | None) -> Types:
        if scope is None:
            return ANY
        sign = "@" if node["type"] == "current" else "a bracket or star"
        raise ExpressionError(f"{sign} needs something before it; begin with one of: {self.known}")

    _current = _nothing_before
    _identity = _nothing_before

    def _literal(self, node: Node, _: Scope | None) -> Types:
        if not _is_finite(node["value"]):
            raise ExpressionError("JSON has no infinite number and no NaN")
        return frozenset({type_name(node["value"])})

    def _subexpression(self, node: Node, scope: Scope | None) -> Types:
        first, *rest = node["children"]
        found = self.types(first, scope)
        before = first["value"] if scope is not None and first["type"] == "field" else ""
        for child in rest:
            if child["type"] == "field":
                self._need(found, OBJECT, f"has no member {child['value'][:80]!r}")
                if isinstance(found, Shape):
                    found = _member(found, child["value"])
                else:
                    found = _MEMBERS.get((before, child["value"]), ANY)
            else:
                found = self.types(child, None)
            before = ""
        return found

    def _index_expression(self, node: Node, scope: Scope | None) -> Types:
        first, *rest = node["children"]
        found = self.types(first, scope)
        for _ in rest:
            self._need(found, ARRAY, "has no elements")
            found = ANY
        return found

    def _or_expression(self, node: Node, scope: Scope | None) -> Types:
        left, right = (self.types(child, scope) for child in node["children"])
        return left - NULL | right

    def _and_expression(self, node: Node, scope: Scope | None) -> Types:
        left, right = (self.types(child, scope) for child in node["children"])
        return left - NUMBER | right  # every number is true

    def _not_expression(self, node: Node, scope: Scope | None) -> Types:
        self.types(node["children"][0], scope)
        return BOOLEAN

    def _comparator(self, node: Node, scope: Scope | None) -> Types:
        left, right = (self.types(child, scope) for child in node["children"])
        is_equality = node["value"] in ("eq", "ne")
        for side in () if is_equality else (left, right):
            self._need(side, NUMBER | STRING, "is neither less nor greater than another")
        self._need_alike(left, right, "equal to" if is_equality else "less or greater than")
        return BOOLEAN if is_equality else BOOLEAN | NULL

    def _pipe(self, node: Node, scope: Scope | None) -> Types:
        left, right = node["children"]
        self.types(left, scope)
        return self.types(right, None)

    def _projection(self, node: Node, scope: Scope | None) -> Types:
        left, *rest = node["children"]
        self._need(self.types(left, scope), ARRAY, "has no elements")
        for child in rest:
            self.types(child, None)
        return ARRAY | NULL

    _filter_projection = _projection
    _flatten = _projection

    def _value_projection(self, node: Node, scope: Scope | None) -> Types:
        left, right = node["children"]
        self._need(self.types(left, scope), OBJECT, "has no members")
        self.types(right, None)
        return ARRAY | NULL

    def _multi_select_list(self, node: Node, scope: Scope | None) -> Types:
        for child in node["children"]:
            self.types(child, scope)
        return ARRAY if scope is not None else ARRAY | NULL

    def _multi_select_dict(self, node: Node, scope: Scope | None) -> Types:
        for pair in node["children"]:
            self.types(pair["children"][0], scope)
        return OBJECT if scope is not None else OBJECT | NULL

    def _expref(self, _: Node, __: Scope | None) -> Types:
        raise ExpressionError("an &expression stands only where a function such as sort_by() wants one")

    def _function_expression(self, node: Node, scope: Scope | None) -> Types:
        name, arguments = node["value"], node["children"]
        try:
            signature = _signature(name)
        except Misconfigured as error:
            raise ExpressionError(str(error), self._position(name, call=True)) from None
        if signature is None:
            hint = suggestion(name, [*FUNCTIONS, *SIGNATURES])
            hint = (
                f"{hint.removesuffix('?')}, or is its plugin not installed?"
                if hint
                else "; is its plugin not installed?"
            )
            message = f"there is no function {name[:80]}(){hint}{unread_hint()}"
            raise ExpressionError(message, self._position(name, call=True))
        wanted, variadic, returns = signature
        if len(arguments) < len(wanted) if variadic else len(arguments) != len(wanted):
            raise ExpressionError(
                f"{name}() takes {'at least ' if variadic else ''}{len(wanted)} argument{'s'[: len(wanted) != 1]}, "
                f"not {len(arguments)}",
                self._position(name, call=True),
            )
        for index, argument in enumerate(arguments):
            types = wanted[min(index, len(wanted) - 1)]
            if argument["type"] == "expref" and types == _EXPRESSION:
                self.types(argument["children"][0], None)
                continue
            given = self.types(argument, scope)
            if not (given - NULL or given) & types:
                takes = "an &expression" if types == _EXPRESSION else described(types)
                raise ExpressionError(
                    f"{name}() takes {takes} as argument {index + 1}, not {described(given)}",
                    self._position(name, call=True),
                )
        if name == "contains":
            self._check_contains(arguments[0], arguments[1], scope)
        return returns

    def _check_contains(self, subject: Node, search: Node, scope: Scope | None) -> None:
        """That a list which is written out may hold what is looked for."""
        if subject["type"] == "multi_select_list":
            held = [self.types(child, scope) for child in subject["children"]]
        elif subject["type"] == "literal" and isinstance(subject["value"], list):
            held = [frozenset({type_name(each)}) for each in subject["value"]]
        else:
            return
        if held:
            self._need_alike(self.types(search, scope), frozenset().union(*held), "equal to")

    def _need(self, found: Types, wanted: Types, complaint: str) -> None:
        if not (found - NULL or found) & wanted:
            raise ExpressionError(f"a value of type {described(found)} {complaint}")

    def _need_alike(self, left: Types, right: Types, what: str) -> None:
        """That two values may be compared; null is another matter, for it stands for what is not there."""
        left, right = left - NULL, right - NULL
        if not left or not right or left & right:
            return
        remedy = ""
        if {left, right} == {NUMBER, STRING}:
            remedy = "; write numbers in backticks (`200`), and text in single quotation marks ('200')"
        raise ExpressionError(
            f"a value of type {described(left)} is never {what} one of type {described(right)}{remedy}"
        )

    def _position(self, name: str, *, call: bool) -> int | None:
        """Where a name first begins an expression or is called; the library's tree does not say."""
        before = ""
        tokens: Sequence[Any] = list(Lexer().tokenize(self.expression))
        for token, after in itertools.pairwise(tokens):
            if token["value"] == name and token["type"].endswith("_identifier"):
                called = after["type"] == "lparen"
                if called is call and (call or before != "dot"):
                    return int(token["start"])
            before = token["type"]
        return None


def _member(shape: Shape, name: str) -> Types:
    if name in shape.members:
        return shape.members[name]
    hint = suggestion(name, shape.members)
    known = ", ".join(sorted(shape.members)) or "none"
    raise ExpressionError(f"there is no member {name[:80]!r} here{hint} (known: {known}){shape.remedy}")


def _signature(name: str) -> tuple[list[Types], bool, Types] | None:
    """What a function takes, whether its last parameter repeats, and what it gives; None: there is no such function.

    Raises:
        Misconfigured: a plugin has it, and cannot be used.
    """
    ours = plugin_functions.find(name)
    if ours is not None:
        types = [parameter.types | NULL for parameter in ours.parameters]
        return types, ours.variadic, ours.returns | NULL
    if name in SIGNATURES:
        parameters = SIGNATURES[name]
        types = [base_types(parameter["types"]) for parameter in parameters]
        return types, bool(parameters and parameters[-1].get("variadic")), RETURNS.get(name, ANY)
    return None


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_finite(child) for child in value.values())
    if isinstance(value, list):
        return all(_is_finite(child) for child in value)
    return not isinstance(value, float) or math.isfinite(value)
