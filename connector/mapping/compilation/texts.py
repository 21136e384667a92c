"""Text and expressions of a mapping's YAML, checked and written as Python."""

import ast
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from connector.mapping.compilation import checking
from connector.mapping.compilation.checking import YIELDING, Scope
from connector.mapping.compilation.folding import folded, roots
from connector.mapping.compilation.location import Location, Trace
from connector.mapping.compilation.proving import shape_of
from connector.mapping.compilation.writing import Value, text_of
from connector.mapping.language import code as python
from connector.mapping.language import placeholders
from connector.mapping.language.budget import CHARACTERS, BudgetError, current
from connector.mapping.language.code import Code
from connector.mapping.language.expressions import ExpressionError, parse, shown
from connector.mapping.language.generation import Evaluate, Expressions, Operand, compiled_in_scope
from connector.mapping.language.interpreter import Node
from connector.mapping.language.json_types import (
    NULL,
    SCALAR,
    STRING,
    Types,
    described,
    type_name,
)
from connector.mapping.language.placeholders import Placeholder
from connector.model import Json, Misconfigured, Refused
from connector.ports import Format
from connector.settings.yamldoc import YamlDocument, YamlPath, dotted
from connector.values.shapes import Shape, Text


class Expression(NamedTuple):
    """An expression, written.

    Attributes:
        operand: what stands for its value.
        types: what that may be, as the check found.
    """

    operand: Operand
    types: Types
    shape: Shape | None
    node: Node


class Texts:
    """Writes text and expressions into the function of the section that the walk through the YAML is at.

    Every method is given a value, its path in the file, and the scope that its expressions see.
    """

    def __init__(self, document: YamlDocument, output: Format, trace: Trace | None, *, check: bool) -> None:
        self.source = document
        self.output = output
        self.trace = trace
        self.check = check
        self.fixed: dict[str, Json] = {}
        self.shapes: dict[str, Shape | None] = {}  # of the names in scope
        self.read: set[str] = set()  # the names that expressions have read, as far as compiled
        self.last: Node = {}  # the latest expression
        self.repeating: set[str] = set()  # the names of what may hold one thing in many places
        self.yielding = set(YIELDING)  # those that the mapping has not taken
        self.begin()

    def begin(self) -> None:
        """Begin the function of a section, which is given a scope and the documents so far."""
        self.code = Code("scope", "documents")
        self.to = Expressions(self.code, {})

    def stands(self, name: str, value: ast.expr, *, in_scope: bool = True) -> None:
        """From here on, a name stands for something: in what is written, and in the scope that others see."""
        self.code.known = {path: found for path, found in self.code.known.items() if path[0] != name}
        self.code.known[name,] = value
        if in_scope:
            self.code.put(self.to.scope(), python.constant(name), value)

    def repeats_nothing(self, node: Node) -> bool:
        """Whether an expression only picks out of what holds nothing in two places, as the notification does not.

        Nor does what the YAML says the shape of: it is made of copies.
        """
        return roots(node).isdisjoint(self.repeating) and _only_picks(node)

    def text(self, data: str, path: YamlPath, key: str, scope: Scope) -> Value:
        """Text: what its one expression gives, or one with what its placeholders become."""
        lone = self.lone_expression(data, path)
        if lone is not None:
            (found, types), checked, shape, _ = self.expression(lone, path, scope)
            # Evaluated here, and not where the document is made: of two that do not fit, the first is refused.
            return Value(self.code.stored(found), types & (checked | NULL), raw=True, shape=shape)
        parts = [
            part if isinstance(part, str) else self.filled(part, path, key, scope) for part in self.parts(data, path)
        ]
        return text_of(self.to, parts, self.spending(path))

    def filled(self, part: Placeholder, path: YamlPath, key: str, scope: Scope) -> ast.expr:
        """What a placeholder becomes in text."""
        (found, _), types, _, _ = self.expression(part.expression, path, scope)
        if not types & SCALAR:
            raise self.error(path, f"`{part.expression}` is {described(types)}, which cannot stand inside text")
        quote = self.output.quote
        location = self.location(part.expression, path)

        def fill(found: Json) -> str:
            if found is None:
                raise Refused(f"{location}: it has no value, and the text around it needs one", by="mapping")
            if isinstance(found, list | dict) or (isinstance(found, float) and not math.isfinite(found)):
                raise Refused(f"{location}: {kind_of(found)} cannot stand inside text", by="mapping")
            return quote(key, found)

        found = self.code.stored(found)
        is_text = python.compare(python.class_of(found), ast.Is, python.name("str"))
        quoted = self.code.call(quote, python.constant(key), found)
        return self.code.stored(python.choice(is_text, quoted, self.code.call(fill, found)))

    def spending(self, path: YamlPath) -> Callable[[str], None]:
        """Takes the steps of a long text from the budget."""
        place = f"{self.source.place(path)}: {dotted(path)}"

        def spend(text: str) -> None:
            try:
                current().spend(len(text) // CHARACTERS)
            except BudgetError as error:
                raise Refused(f"{place}: {error}", by="mapping") from None

        return spend

    def lone_expression(self, data: Json, path: YamlPath) -> str | None:
        """The expression that is the whole value, blanks around it aside."""
        if not isinstance(data, str) or "${{" not in data:
            return None
        match self.parts(data.strip(), path):
            case [Placeholder(expression)]:
                return expression
        return None

    def parts(self, text: str, path: YamlPath) -> Sequence[str | Placeholder]:
        """What text is made of: text and placeholders."""
        try:
            return placeholders.parts(text) or [""]
        except ExpressionError as error:
            raise self.error(path, str(error)) from None

    def expression(self, data: Json, path: YamlPath, scope: Scope) -> Expression:
        """Write an expression."""
        node, types = self.parsed(data, path, scope)
        self.to.types = scope
        shape = shape_of(node, self.shapes) or (Text() if types - NULL == STRING else None)
        traced = self.traced(node, data, path, scope)
        return Expression(self.to.value(node, None) if traced is None else traced, types, shape, node)

    def test(self, data: Json, path: YamlPath, scope: Scope) -> ast.expr:
        """Write an expression of which only counts whether it is true."""
        node, _ = self.parsed(data, path, scope)
        self.to.types = scope
        traced = self.traced(node, data, path, scope)
        return self.to.test(node, None) if traced is None else self.to.truth(traced)

    def evaluated(self, data: Json, path: YamlPath, scope: Scope) -> Evaluate:
        """An expression as a function of its own."""
        node, _ = self.parsed(data, path, scope)
        evaluate = compiled_in_scope(node, scope)
        return self.trace(self.location(data, path), evaluate) if self.trace else evaluate

    def traced(self, node: Node, data: str, path: YamlPath, scope: Scope) -> Operand | None:
        """The call of an expression that somebody looks at; None when nobody does."""
        if self.trace is None:
            return None
        evaluate = self.trace(self.location(data, path), compiled_in_scope(node, dict(scope)))
        return Operand(self.code.stored(self.code.call(evaluate, self.to.scope())))

    def parsed(self, data: Json, path: YamlPath, scope: Scope) -> tuple[Node, Types]:
        """The syntax tree of an expression, checked, and the types that it may have."""
        if not isinstance(data, str):
            raise self.error(path, f"a JMESPath expression is expected here, not {kind_of(data)}")
        try:
            node = parse(data)
            types = checking.check(data, node, scope)
        except ExpressionError as error:
            raise self.error(path, f"in `{shown(data, 200)}`: {error}") from None
        node = folded(node, {**self.output.names, **self.fixed})
        self.read |= roots(node)
        self.last = node
        return node, types

    def location(self, expression: str, path: YamlPath) -> Location:
        """Where an expression stands."""
        return Location(self.source.place(path), path, expression)

    def error(self, path: YamlPath, message: str) -> Misconfigured:
        """What is wrong with the mapping, and where."""
        return self.source.error(path, message)


def _only_picks(node: Node) -> bool:
    if node["type"].startswith("multi_select") or (node["type"], node.get("value")) == ("function_expression", "merge"):
        return False
    return all(_only_picks(child) for child in node["children"] if isinstance(child, dict))


def kind_of(value: Json) -> str:
    """What a value is, with its article, for an error."""
    name = type_name(value)
    return f"an {name}" if name[0] in "ao" else name if name == "null" else f"a {name}"
