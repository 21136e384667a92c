"""What an expression reads: the places of the scope that its value came of, and what was found there.

A second, slow evaluation for people to look at; the generated code is what counts, and the tests hold both to the same
values. That does not record what it reads: a place is known of a value, not of a read (`a || b`, `list[?x].y` and
`{n: a}` hand values on), so that all of it would have to carry places along, and be slow.
Operators and functions are the library's (`_computed`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jmespath.exceptions import JMESPathError

from connector.mapping.language.interpreter import INTERPRETER, Node
from connector.mapping.language.operations import is_false
from connector.model import Json

ScopePath = tuple[str | int, ...]
"""Names and indexes from the scope downwards: `("notification", "sources", 0, "label")`."""


@dataclass(frozen=True, slots=True)
class Traced:
    """A value that may know where it stands.

    Attributes:
        path: its place, which may be one where nothing is; None for what was computed.
        parts: of a list or object that the expression made: what it was made of.
    """

    value: Json
    path: ScopePath | None = None
    parts: Mapping[str | int, "Traced"] | None = None

    def part(self, key: str | int) -> "Traced":
        """A member or element."""
        if self.parts is not None:
            return self.parts.get(key, _NOTHING)
        path = None if self.path is None else (*self.path, key)
        if isinstance(self.value, dict) and isinstance(key, str):
            return Traced(self.value.get(key), path)
        if isinstance(self.value, list) and isinstance(key, int) and 0 <= key < len(self.value):
            return Traced(self.value[key], path)
        return Traced(None, path)

    def elements(self) -> list["Traced"]:
        """The elements of a list."""
        return [self.part(index) for index in range(len(self.value))]


_NOTHING = Traced(None)


def reads(
    node: Node, scope: Mapping[str, Traced], *, every_branch: bool = False
) -> tuple[Traced, Mapping[ScopePath, Json]]:
    """An expression's value, and what it read: the value at each place, null where there is nothing.

    Args:
        node: the expression.
        scope: every name that it begins with.
        every_branch: whether to read also what `||` and `&&` had no need of.

    An expression that fails on these values has the value null, and what it read until then.
    """
    reader = _Reader(scope, every_branch=every_branch)
    try:
        found = reader.visit(node, None)
        reader.take(found)
    except JMESPathError:
        found = _NOTHING
    return found, reader.found


class _Reader:
    """Walks the tree; the current value is None where it is the scope."""

    def __init__(self, scope: Mapping[str, Traced], *, every_branch: bool) -> None:
        self.scope = scope
        self.every_branch = every_branch
        self.found: dict[ScopePath, Json] = {}

    def take(self, traced: Traced) -> Json:
        """Note that a value was used."""
        if traced.parts is not None:
            for part in traced.parts.values():
                self.take(part)
        elif traced.path is not None:
            self.found[traced.path] = traced.value
        return traced.value

    def visit(self, node: Node, current: Traced | None) -> Traced:
        visit: Callable[[Node, Traced | None], Traced] = getattr(self, f"_{node['type']}")
        return visit(node, current)

    def _field(self, node: Node, current: Traced | None) -> Traced:
        return self.scope[node["value"]] if current is None else current.part(node["value"])

    def _subexpression(self, node: Node, current: Traced | None) -> Traced:
        found = self.visit(node["children"][0], current)
        for child in node["children"][1:]:
            found = self.visit(child, found)
        return found

    _index_expression = _subexpression
    _pipe = _subexpression

    def _index(self, node: Node, current: Traced | None) -> Traced:
        base, position = self._base(current), node["value"]
        if position < 0 and isinstance(base.value, list):
            position += len(base.value)
        return base.part(position) if position >= 0 else _NOTHING

    def _slice(self, node: Node, current: Traced | None) -> Traced:
        base = self._base(current)
        if not isinstance(base.value, list):
            return self._none(base)
        return _list(base.elements()[slice(*node["children"])])

    def _current(self, _: Node, current: Traced | None) -> Traced:
        return self._base(current)

    _identity = _current

    def _literal(self, node: Node, _: Traced | None) -> Traced:
        return Traced(node["value"])

    def _or_expression(self, node: Node, current: Traced | None) -> Traced:
        left, right = node["children"]
        found = self.visit(left, current)
        return self._else(found, right, current, ends=not is_false(found.value))

    def _and_expression(self, node: Node, current: Traced | None) -> Traced:
        left, right = node["children"]
        found = self.visit(left, current)
        return self._else(found, right, current, ends=is_false(found.value))

    def _else(self, found: Traced, right: Node, current: Traced | None, *, ends: bool) -> Traced:
        if not ends:
            self.take(found)
            return self.visit(right, current)
        if self.every_branch:
            self.take(self.visit(right, current))
        return found

    def _not_expression(self, node: Node, current: Traced | None) -> Traced:
        return self._computed(node, current)

    _comparator = _not_expression
    _function_expression = _not_expression

    def _computed(self, node: Node, current: Traced | None) -> Traced:
        """What the library makes of the operands' values."""
        operands = [
            child
            if child["type"] == "expref"
            else {"type": "literal", "value": self.take(self.visit(child, current)), "children": []}
            for child in node["children"]
        ]
        return Traced(INTERPRETER.visit({**node, "children": operands}, None))

    def _projection(self, node: Node, current: Traced | None) -> Traced:
        left, right = node["children"]
        base = self.visit(left, current)
        if not isinstance(base.value, list):
            return self._none(base)
        return self._each(base, base.elements(), right)

    def _value_projection(self, node: Node, current: Traced | None) -> Traced:
        left, right = node["children"]
        base = self.visit(left, current)
        if not isinstance(base.value, dict):
            return self._none(base)
        return self._each(base, map(base.part, base.value), right)

    def _filter_projection(self, node: Node, current: Traced | None) -> Traced:
        left, right, condition = node["children"]
        base = self.visit(left, current)
        if not isinstance(base.value, list):
            return self._none(base)
        wanted = [each for each in base.elements() if not is_false(self.take(self.visit(condition, each)))]
        return self._each(base, wanted, right)

    def _flatten(self, node: Node, current: Traced | None) -> Traced:
        base = self.visit(node["children"][0], current)
        if not isinstance(base.value, list):
            return self._none(base)
        flat: list[Traced] = []
        for each in base.elements():
            flat += each.elements() if isinstance(each.value, list) else [each]
        return _list(flat) if flat else self._none(base, [])

    def _multi_select_list(self, node: Node, current: Traced | None) -> Traced:
        if current is not None and current.value is None:
            return self._none(current)
        return _list([self.visit(child, current) for child in node["children"]])

    def _multi_select_dict(self, node: Node, current: Traced | None) -> Traced:
        if current is not None and current.value is None:
            return self._none(current)
        parts = {pair["value"]: self.visit(pair["children"][0], current) for pair in node["children"]}
        return Traced({name: part.value for name, part in parts.items()}, parts=parts)

    def _each(self, base: Traced, items: Iterable[Traced], right: Node) -> Traced:
        made = [self.visit(right, item) for item in items]
        if not made:
            return self._none(base, [])
        for each in made:
            if each.value is None:
                self.take(each)
        return _list([each for each in made if each.value is not None])

    def _none(self, base: Traced, value: Json = None) -> Traced:
        """Null, or an empty list, because of what stands at the base."""
        self.take(base)
        return Traced(value)

    def _base(self, current: Traced | None) -> Traced:
        """The current value; that of the scope itself is for no expression to see."""
        return _NOTHING if current is None else current


def _list(parts: list[Traced]) -> Traced:
    values: list[Any] = [part.value for part in parts]
    return Traced(values, parts=dict(enumerate(parts)))
