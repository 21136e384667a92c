"""A Python function while it is written: a syntax tree, made of nodes alone and never of text.

What comes of a mapping (names, texts, numbers) stands in it as a constant. The names in it are its own: `t1` for what
is computed, `k1` for what is known beforehand.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_PLACE: dict[str, Any] = {"lineno": 1, "col_offset": 0}
_PLACE_OF_PATTERN: dict[str, Any] = {**_PLACE, "end_lineno": 1, "end_col_offset": 0}
_LOAD, _STORE, _DELETE = ast.Load(), ast.Store(), ast.Del()
_SCALARS = (str, int, float, bool, type(None))
_FILE = "<mapping>"
_MOST_NESTED = 12
"""Loops and `try` that stand within one another; Python allows 20. What is deeper becomes a function within."""

Known = dict[tuple[str, ...], ast.expr]
"""By the names down to it, what has been read already, and where it is."""


class Code:
    """The body of a function, to which statements are added.

    Attributes:
        parameters: what the function is given.
        block: the statements that are being written now; those around them come later.
        known: what these may use of what was read before them.
    """

    def __init__(self, *parameters: str) -> None:
        self.parameters = [name(parameter) for parameter in parameters]
        self.block: list[ast.stmt] = []
        self.known: Known = {}
        self._constants: dict[str, Any] = {}
        self._by_identity: dict[int, str] = {}
        self._once: dict[str, tuple[ast.Name, ast.expr]] = {}
        self._count = 0
        self._nested = 0
        self._within = 0

    def fresh(self) -> ast.Name:
        """A name that nothing has yet."""
        self._count += 1
        return name(f"t{self._count}")

    def constant(self, value: Any) -> ast.expr:
        """What stands for a value that is known beforehand: any object at all."""
        if type(value) in _SCALARS:
            return constant(value)
        key = self._by_identity.get(id(value))
        if key is None:
            key = self._by_identity[id(value)] = f"k{len(self._constants)}"
            self._constants[key] = value
        return name(key)

    def once(self, title: str, make: Callable[[], ast.expr]) -> ast.expr:
        """A value that the function makes when it begins, if it needs it at all."""
        if title not in self._once:
            self._once[title] = self.fresh(), make()
        return self._once[title][0]

    @property
    def is_in_loop(self) -> bool:
        """Whether what is written may be done more than once."""
        return self._nested > 0 or self._within > 0

    def call(self, function: Callable[..., Any], *arguments: ast.expr) -> ast.expr:
        """A call of a function that is known beforehand."""
        return call(self.constant(function), *arguments)

    def set(self, target: ast.Name, value: ast.expr) -> None:
        """`target = value`."""
        self.block.append(assign([target.id], value))

    def set_all(self, targets: Sequence[ast.Name], value: ast.expr) -> None:
        """`one = other = value`."""
        self.block.append(assign([target.id for target in targets], value))

    def stored(self, value: ast.expr) -> ast.expr:
        """The value under a name, so that it may be used more than once."""
        if isinstance(value, ast.Name | ast.Constant):
            return value
        target = self.fresh()
        self.set(target, value)
        return target

    def do(self, value: ast.expr) -> None:
        """Evaluate something for what it does."""
        self.block.append(ast.Expr(value, **_PLACE))

    def returns(self, value: ast.expr) -> None:
        """End the function."""
        self.block.append(ast.Return(value, **_PLACE))

    def raises(self, error: ast.expr) -> None:
        """End it with an error."""
        self.block.append(ast.Raise(error, None, **_PLACE))

    def put(self, container: ast.expr, key: ast.expr, value: ast.expr) -> None:
        """`container[key] = value`."""
        target = ast.Subscript(container, key, _STORE, **_PLACE)
        self.block.append(ast.Assign([target], value, None, **_PLACE))

    @contextmanager
    def inner(self) -> Iterator[list[ast.stmt]]:
        """Write a block of its own, to be put somewhere. What it reads is not known after it."""
        block, known = self.block, self.known
        self.block, self.known = [], dict(known)
        try:
            yield self.block
        finally:
            self.block, self.known = block, known

    @contextmanager
    def when(self, test: ast.expr) -> Iterator[None]:
        """What is written is done when the test holds."""
        with self.inner() as then:
            yield
        self.branch(test, then)

    def branch(self, test: ast.expr, then: list[ast.stmt], otherwise: Sequence[ast.stmt] = ()) -> None:
        """One block or the other."""
        if then or otherwise:
            self.block.append(ast.If(test, then or [ast.Pass(**_PLACE)], list(otherwise), **_PLACE))

    def match(self, subject: ast.expr, cases: Sequence[tuple[str, list[ast.stmt]]], default: list[ast.stmt]) -> None:
        """The block of the text that the subject is, or the default."""
        found = [
            ast.match_case(ast.MatchValue(constant(text), **_PLACE_OF_PATTERN), None, block or [ast.Pass(**_PLACE)])
            for text, block in cases
        ]
        found.append(
            ast.match_case(ast.MatchAs(None, None, **_PLACE_OF_PATTERN), None, default or [ast.Pass(**_PLACE)])
        )
        self.block.append(ast.Match(subject, found, **_PLACE))

    @contextmanager
    def ignoring(self, error: type[Exception]) -> Iterator[None]:
        """What is written ends where this error is raised."""
        with self.inner() as block:
            yield
        handler = ast.ExceptHandler(self.constant(error), None, [ast.Pass(**_PLACE)], **_PLACE)
        self.block.append(ast.Try(block, [handler], [], [], **_PLACE))

    @contextmanager
    def each(self, items: ast.expr) -> Iterator[ast.Name]:
        """What is written is done for each of the items, under the name that is given."""
        item = self.fresh()
        self._nested += 1
        try:
            if self._nested % _MOST_NESTED:
                with self.inner() as block:
                    yield item
            else:
                function = self.fresh()
                with self.function(function) as item:
                    yield item
                item = self.fresh()
                block = [ast.Expr(call(function, item), **_PLACE)]
        finally:
            self._nested -= 1
        body = block or [ast.Pass(**_PLACE)]
        self.block.append(ast.For(name(item.id, _STORE), items, body, [], None, **_PLACE))

    @contextmanager
    def function(self, target: ast.Name) -> Iterator[ast.Name]:
        """What is written becomes a function within, with one parameter, that sees all that is around it."""
        parameter = self.fresh()
        self._within += 1
        try:
            with self.inner() as block:
                yield parameter
        finally:
            self._within -= 1
        self.block.append(_function(target.id, [parameter.id], block or [ast.Pass(**_PLACE)]))

    def compiled(self) -> Callable[..., Any]:
        """The function, as what was written.

        Raises:
            RecursionError: it is nested too deeply for Python.
        """
        first = [assign([target.id], value) for target, value in self._once.values()]
        body = [*first, *self.block] or [ast.Pass(**_PLACE)]
        made = _function("f", [each.id for each in self.parameters], body)
        namespace = dict(self._constants)
        # The tree holds nothing but nodes of this module, with names of its own.
        exec(compile(ast.Module([made], []), _FILE, "exec", dont_inherit=True, optimize=0), namespace)  # noqa: S102
        found: Callable[..., Any] = namespace["f"]
        return found


def _function(title: str, parameters: Sequence[str], body: list[ast.stmt]) -> ast.FunctionDef:
    given = [ast.arg(parameter, None, **_PLACE) for parameter in parameters]
    arguments = ast.arguments([], given, None, [], [], None, [])
    return ast.FunctionDef(title, arguments, body, [], None, **_PLACE)


def name(text: str, context: ast.expr_context = _LOAD) -> ast.Name:
    """A name of the code."""
    return ast.Name(text, context, **_PLACE)


def constant(value: Any) -> ast.Constant:
    """Text, a number, a boolean or null."""
    return ast.Constant(value, None, **_PLACE)


NONE = constant(None)


def assign(targets: Sequence[str], value: ast.expr) -> ast.stmt:
    """`one = other = value`."""
    return ast.Assign([name(target, _STORE) for target in targets], value, None, **_PLACE)


def call(function: ast.expr, *arguments: ast.expr) -> ast.expr:
    """`function(one, other)`."""
    return ast.Call(function, list(arguments), [], **_PLACE)


def attribute(value: ast.expr, title: str) -> ast.expr:
    """`value.title`."""
    return ast.Attribute(value, title, _LOAD, **_PLACE)


def method(value: ast.expr, title: str, *arguments: ast.expr) -> ast.expr:
    """`value.title(one, other)`."""
    return call(attribute(value, title), *arguments)


def item(container: ast.expr, key: ast.expr) -> ast.expr:
    """`container[key]`."""
    return ast.Subscript(container, key, _LOAD, **_PLACE)


def compare(left: ast.expr, operator: type[ast.cmpop], right: ast.expr) -> ast.expr:
    """`left < right`, or another operator."""
    return ast.Compare(left, [operator()], [right], **_PLACE)


def is_none(value: ast.expr) -> ast.expr:
    """`value is None`."""
    return is_same(value, NONE)


def is_something(value: ast.expr) -> ast.expr:
    """`value is not None`."""
    return constant(value.value is not None) if isinstance(value, ast.Constant) else compare(value, ast.IsNot, NONE)


def is_same(value: ast.expr, other: ast.Constant) -> ast.expr:
    """Whether a value is null, true or false, as said."""
    return constant(value.value is other.value) if isinstance(value, ast.Constant) else compare(value, ast.Is, other)


def class_of(value: ast.expr) -> ast.expr:
    """`value.__class__`."""
    return attribute(value, "__class__")


def negated(test: ast.expr) -> ast.expr:
    """`not test`."""
    return ast.UnaryOp(ast.Not(), test, **_PLACE)


def both(*tests: ast.expr) -> ast.expr:
    """`one and other`."""
    return tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), list(tests), **_PLACE)


def either(*tests: ast.expr) -> ast.expr:
    """`one or other`."""
    return tests[0] if len(tests) == 1 else ast.BoolOp(ast.Or(), list(tests), **_PLACE)


def choice(test: ast.expr, then: ast.expr, otherwise: ast.expr) -> ast.expr:
    """`then if test else otherwise`."""
    return ast.IfExp(test, then, otherwise, **_PLACE)


def list_of(elements: Sequence[ast.expr]) -> ast.expr:
    """`[one, other]`."""
    return ast.List(list(elements), _LOAD, **_PLACE)


def dict_of(members: Sequence[tuple[str, ast.expr]]) -> ast.expr:
    """`{key: one, other: two}`."""
    return ast.Dict([constant(key) for key, _ in members], [value for _, value in members], **_PLACE)


def text_of(parts: Sequence[ast.expr]) -> ast.expr:
    """Texts one after the other."""
    return ast.JoinedStr(
        [part if isinstance(part, ast.Constant) else ast.FormattedValue(part, -1, None, **_PLACE) for part in parts],
        **_PLACE,
    )


def spent(budget: ast.expr, amount: ast.expr) -> ast.stmt:
    """`budget.left -= amount`."""
    return ast.AugAssign(ast.Attribute(budget, "left", _STORE, **_PLACE), ast.Sub(), amount, **_PLACE)


def times(value: ast.expr, factor: int) -> ast.expr:
    """`value * factor`."""
    return value if factor == 1 else ast.BinOp(value, ast.Mult(), constant(factor), **_PLACE)
