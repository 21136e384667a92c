"""A mapping's YAML as Python: one function for all that `let` and `emit` say, and one for `withdraw`."""

import ast
from collections.abc import Callable, Mapping, Sequence

from connector.entry_points import unread_hint
from connector.mapping.compilation import checking
from connector.mapping.compilation.checking import NOTIFICATION_SCOPE, Scope
from connector.mapping.compilation.folding import GUARDS
from connector.mapping.compilation.location import Trace
from connector.mapping.compilation.texts import kind_of
from connector.mapping.compilation.values import Prototypes, Values
from connector.mapping.compilation.writing import Value, remembered, whole
from connector.mapping.language import code as python
from connector.mapping.language.code import NONE
from connector.mapping.language.expressions import parse
from connector.mapping.language.generation import Evaluate, compiled_in_scope
from connector.mapping.language.json_types import (
    ARRAY,
    NULL,
    OBJECT,
    SCALAR,
    Types,
    described,
    type_name,
)
from connector.mapping.rendering.program import WITHDRAWN, Make, Program
from connector.mapping.rendering.values import copy_of, prototype
from connector.model import Document, Json, Misconfigured, Provisional, Refused
from connector.ports import Finalizing, Format
from connector.settings.yamldoc import YamlDocument, YamlPath
from connector.values.shapes import Elements, Members, Shape
from connector.values.suggestions import suggestion

_TOP_LEVEL = ("format", "description", "match", "let", "claim", "emit", "withdraw")


def format_name(document: YamlDocument, formats: Mapping[str, Format]) -> str:
    """The name of the format that a mapping says its documents have.

    Raises:
        Misconfigured: it is no mapping, or names no format that is known.
    """
    data = document.data
    if not isinstance(data, dict):
        raise document.error((), f"a mapping is expected here, with {', '.join(_TOP_LEVEL)}")
    if "extends" in data:
        raise document.error(("extends",), "this is an overlay: name the mapping it extends, and this as its overlay")
    for key in data:
        if key not in _TOP_LEVEL:
            known = ", ".join(_TOP_LEVEL)
            raise document.error((key,), f"there is no such key{suggestion(key, _TOP_LEVEL)} (known: {known})")
    for key in ("format", "emit"):
        if key not in data:
            raise document.error((), f"{key} is required")
    name = data["format"]
    if not isinstance(name, str) or name not in formats:
        raise document.error(
            ("format",),
            f"there is no such format{suggestion(str(name), formats)} (known: {', '.join(sorted(formats))})"
            f"{unread_hint()}",
        )
    if not isinstance(data.get("description", ""), str):
        raise document.error(("description",), "must be text")
    return name


def program(document: YamlDocument, output: Format, trace: Trace | None = None, *, check: bool = True) -> Program:
    """Compile a mapping whose top-level keys `format_name` has found in order.

    Args:
        document: the mapping.
        output: the format that it names.
        trace: what to put around every expression; then each is evaluated every time.
        check: whether the format refuses what is wrong with a document.

    Raises:
        Misconfigured: with `file:line:column: path: what is wrong and what was expected`.
    """
    compiler = _Compiler(document, output, trace, check=check)
    try:
        return compiler.program()
    except RecursionError:
        raise Misconfigured(f"{document.name}: nested too deeply") from None


def condition(expression: str, scope: Scope = NOTIFICATION_SCOPE) -> Evaluate:
    """An expression as a function of the scope.

    Raises:
        ExpressionError: what is wrong with it.
    """
    node = parse(expression)
    checking.check(expression, node, scope)
    return compiled_in_scope(node)


Complete = Callable[[Document], Document]
"""Makes a document of what the mapping says of it, as the format wants it."""


class _Compiler(Values):
    """As `Values`, also names and documents: walks the sections of a mapping."""

    def program(self) -> Program:
        data = self.source.data
        names = self.output.names
        scope: dict[str, Types] = {
            **{name: types | NULL for name, types in NOTIFICATION_SCOPE.items()},
            **{name: frozenset({type_name(value)}) for name, value in names.items()},
        }
        match = self.evaluated(data["match"], ("match",), scope) if "match" in data else None
        for name, value in self.named("let", scope):
            self.let(name, value, scope)
        claim = self.evaluated(data["claim"], ("claim",), scope) if "claim" in data else None
        before = dict(scope)
        for name, value in self.named("emit", scope):
            self.emit("emit", name, value, scope)
        make: Make = self.code.compiled()
        withdraw = self.withdraws(before, scope) if "withdraw" in data else None
        names = {**names, **self.fixed}
        return Program(match, make, claim, withdraw, tuple(data["emit"]), tuple(data.get("withdraw", ())), names)

    def withdraws(self, before: Scope, scope: dict[str, Types]) -> Make:
        """What is under `withdraw`; a name there may be one of `emit`, which is not in the scope `before` that."""
        self.begin()
        self.check_name(WITHDRAWN, ("withdraw",), scope)
        scope[WITHDRAWN], self.shapes[WITHDRAWN] = OBJECT, None
        for name, data in self.named("withdraw", {**before, WITHDRAWN: OBJECT}):
            self.emit("withdraw", name, data, scope)
        return self.code.compiled()

    def named(self, key: str, scope: Scope) -> Sequence[tuple[str, Json]]:
        data = self.source.data.get(key, {} if key == "let" else None)
        if not isinstance(data, dict) or (not data and key != "let"):
            raise self.error((key,), "names with a value each are expected here")
        for name in data:
            self.check_name(name, (key, name), scope)
            self.yielding.discard(name)
        return list(data.items())

    def let(self, name: str, data: Json, scope: dict[str, Types]) -> None:
        """A name and its value. One that never changes is made here, and copied when it is read."""
        path = ("let", name)
        lone = self.lone_expression(data, path)
        if lone is not None:  # unlike a property, a name keeps an empty list or object that its expression gives
            (found, _), types, self.shapes[name], node = self.expression(lone, path, scope)
            if not self.repeats_nothing(node):
                self.repeating.add(name)
            found = self.code.stored(found)
        elif isinstance(data, dict) and "$each" in data:
            each = self.each(data, path, name, scope)
            found, types, self.shapes[name] = python.either(each.made, NONE), ARRAY | NULL, Elements((each.shape,))
        else:
            value = whole(self.to, self.value(data, path, name, scope))
            found, types, self.shapes[name] = value.code, value.types, value.shape
            if value.is_fixed:
                self.fixed[name], scope[name] = value.constant, types
                return
        scope[name] = types
        self.stands(name, self.code.stored(found))

    def emit(self, section: str, name: str, data: Json, scope: dict[str, Types]) -> None:
        path = (section, name)
        if (lone := self.lone_expression(data, path)) is not None:
            self.expressed(name, lone, path, scope)
            return
        self.check_document(data, path, each_allowed=True)
        if "$each" in data:
            self.documents(name, data, path, scope)
        else:
            self.document(name, data, path, scope)

    def documents(self, name: str, data: dict[str, Json], path: YamlPath, scope: dict[str, Types]) -> None:
        """A document for each element of a list."""
        each = self.each(data, path, name, scope, prototypes=lambda shape: _prototypes(self.completed(data, shape)))
        scope[name], self.shapes[name] = ARRAY, Elements((self.finalized_shape(each.shape),))
        self.add_all(name, each.made, copy_of if each.is_memoized else self.completed(data, each.shape))

    def add_all(self, name: str, made: ast.expr, complete: Complete) -> None:
        """Documents for what is in a list, that has a name."""
        with self.code.when(made):
            if complete is not _as_built:
                completed = self.code.call(map, self.code.constant(complete), made)
                self.code.set(_named(made), python.call(python.name("list"), completed))
            self.code.do(python.method(self.code.parameters[1], "extend", made))
        self.stands(name, made)

    def add(self, name: str, made: ast.expr, complete: Complete) -> None:
        """A document for what is not null, and has a name."""
        with self.code.when(python.is_something(made)):
            if complete is not _as_built:
                self.code.set(_named(made), self.code.call(complete, made))
            self.code.do(python.method(self.code.parameters[1], "append", made))
        self.stands(name, made)

    def expressed(self, name: str, data: str, path: YamlPath, scope: dict[str, Types]) -> None:
        """The document, or list of documents, that an expression gives."""
        (found, _), types, _, _ = self.expression(data, path, scope)
        if not types & (OBJECT | ARRAY):
            raise self.error(path, f"a document is an object, and the expression gives {described(types)}")
        complete, location = self.completed({}, None), self.location(data, path)

        def completed(made: Json) -> Document:
            if not isinstance(made, dict):
                raise Refused(f"{location}: a document is an object, not {kind_of(made)}", by="mapping")
            return complete(made)

        is_list = not types & OBJECT
        made = self.code.fresh()
        self.code.set(made, whole(self.to, Value(found, types, raw=True)).code)
        (self.add_all if is_list else self.add)(name, made, completed)
        scope[name], self.shapes[name] = ARRAY | NULL if is_list else OBJECT | NULL, None

    def document(self, name: str, data: dict[str, Json], path: YamlPath, scope: dict[str, Types]) -> None:
        """One document; memoized where all of it depends on one name."""
        self.read = set()
        made = self.code.fresh()
        with self.code.inner() as block:
            value = whole(self.to, self.body(data, path, name, scope))
            self.code.set(made, value.code)
            known = self.code.known
        complete = self.completed(data, value.shape)
        only = self.decided_by(frozenset(self.read), scope)
        if only is not None:
            with self.code.inner() as block_of_prototype:
                self.code.block += block
                with self.code.when(python.is_something(made)):
                    self.code.set(made, self.code.call(prototype, self.code.call(complete, made)))
            of = self.to.name(only).code
            remembered(self.to, of, made, block_of_prototype, is_weighed=False)
            complete = copy_of
        else:
            self.code.block += block
            self.code.known = known
        scope[name], self.shapes[name] = OBJECT | NULL, self.finalized_shape(value.shape)
        self.add(name, made, complete)

    def decided_by(self, read: frozenset[str], scope: Scope) -> str | None:
        """The one name that a document depends on, if memoizing by it pays: if it is text, a number or a boolean.

        None for a name of the notification, whose value seldom recurs, and while every expression is traced.
        """
        match list(read):
            case [only] if self.trace is None and only not in (*NOTIFICATION_SCOPE, GUARDS):
                return only if scope[only] <= SCALAR | NULL else None
        return None

    def completed(self, data: dict[str, Json], shape: Shape | None) -> Complete:
        """The function that completes what the mapping has built, as the format wants it."""
        complete: Complete = _as_built
        if isinstance(self.output, Finalizing):
            complete = self.output.finalizer(shape if isinstance(shape, Members) else None, check=self.check)
        if "$provisional" not in data or complete is _as_built:
            return complete

        def completed(built: Document) -> Document:
            document = complete(built)
            return built.__class__(document) if isinstance(built, Provisional) else document

        return completed

    def finalized_shape(self, shape: Shape | None) -> Shape | None:
        if isinstance(shape, Members) and isinstance(self.output, Finalizing):
            return self.output.finalized_shape(shape)
        return None  # a format that completes no documents asks for no shapes

    def check_document(self, data: Json, path: YamlPath, *, each_allowed: bool) -> None:
        if not isinstance(data, dict):
            raise self.error(path, f"a document is a mapping of property to value, not {kind_of(data)}")
        if "$each" in data and not each_allowed:
            raise self.error((*path, "$each"), "stands beside the document's name, not inside a case")
        if "$switch" in data:
            for case, member in data.items():
                if case not in ("$switch", "$when", "$each", "$provisional"):
                    self.check_document(member, (*path, case), each_allowed=False)


def _as_built(document: Document) -> Document:
    return document


def _prototypes(complete: Complete) -> Prototypes:
    return lambda made: [prototype(complete(document)) for document in made]


def _named(value: ast.expr) -> ast.Name:
    assert isinstance(value, ast.Name)  # noqa: S101 -- whoever calls has made it
    return value
