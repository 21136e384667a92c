"""A mapping's YAML as Python: one function for all that `let` and `emit` say, and one for `withdraw`."""

import ast
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from connector.mapping.compilation import checking
from connector.mapping.compilation.checking import NOTIFICATION_SCOPE, YIELDING, Scope
from connector.mapping.compilation.folding import GUARDS, folded, roots
from connector.mapping.compilation.proving import shape_of
from connector.mapping.compilation.writing import Value, fixed, list_of, object_of, remembered, text_of, whole
from connector.mapping.language import code as python
from connector.mapping.language import placeholders
from connector.mapping.language.budget import CHARACTERS, BudgetError, current
from connector.mapping.language.code import NONE, Code
from connector.mapping.language.expressions import ExpressionError, parse, shown, suggestion
from connector.mapping.language.generation import Evaluate, Expressions, Operand, compiled_in_scope
from connector.mapping.language.interpreter import Node
from connector.mapping.language.json_types import (
    ANY,
    ARRAY,
    BOOLEAN,
    NULL,
    OBJECT,
    SCALAR,
    STRING,
    Types,
    described,
    type_name,
)
from connector.mapping.language.placeholders import Placeholder
from connector.mapping.rendering.program import WITHDRAWN, Make, Program
from connector.mapping.rendering.values import ITEM, copy_of, prototype
from connector.model import Document, Json, Misconfigured, Provisional, Refused
from connector.ports import Finalizing, Format
from connector.settings.yamldoc import YamlDocument, YamlPath, dotted
from connector.values.shapes import Elements, Members, Shape, Text, shared

_TOP_LEVEL = ("format", "description", "match", "let", "claim", "emit", "withdraw")
_DIRECTIVES = ("$when", "$each", "$switch", "$default", "$provisional")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?\Z")


@dataclass(frozen=True, slots=True)
class Location:
    """Where an expression stands.

    Attributes:
        place: `file:line:column` of the value that holds it.
        path: the keys and indexes from the top of the file to it.
        expression: its text.
    """

    place: str
    path: YamlPath
    expression: str

    def __str__(self) -> str:
        return f"{self.place}: {dotted(self.path)}: in `{shown(self.expression, 200)}`"


Trace = Callable[[Location, Evaluate], Evaluate]
"""Something to put around every expression."""


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
            f"there is no such format{suggestion(str(name), formats)} (known: {', '.join(sorted(formats))})",
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


class _Expression(NamedTuple):
    """An expression, written.

    Attributes:
        operand: what stands for its value.
        types: what that may be, as the check found.
    """

    operand: Operand
    types: Types
    shape: Shape | None
    node: Node


class _Each(NamedTuple):
    """What a `$each` says, written.

    Attributes:
        made: the list of what the elements become, by a name.
        is_memoized: whether elements that are equal become the very same lists and objects.
    """

    made: ast.expr
    shape: Shape | None
    is_memoized: bool


Complete = Callable[[Document], Document]
"""Makes a document of what the mapping says of it, as the format wants it."""


class _Compiler:
    """Walks the YAML, and writes what it says into the function of the section that it is at.

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

    def check_name(self, name: str, path: YamlPath, scope: Scope) -> None:
        if not _NAME.match(name):
            raise self.error(path, "a name is made of letters, digits and _, to be written in expressions")
        if (name in scope and name not in self.yielding) or name == ITEM:
            raise self.error(path, f"the name {name} is already taken; choose another")

    def stands(self, name: str, value: ast.expr, *, in_scope: bool = True) -> None:
        """From here on, a name stands for something: in what is written, and in the scope that others see."""
        self.code.known = {path: found for path, found in self.code.known.items() if path[0] != name}
        self.code.known[name,] = value
        if in_scope:
            self.code.put(self.to.scope(), python.constant(name), value)

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

    def repeats_nothing(self, node: Node) -> bool:
        """Whether an expression only picks out of what holds nothing in two places, as the notification does not.

        Nor does what the YAML says the shape of: it is made of copies.
        """
        return roots(node).isdisjoint(self.repeating) and _only_picks(node)

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
        each = self.each(data, path, name, scope, are_documents=True)
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
                raise Refused(f"{location}: a document is an object, not {_kind_of(made)}", by="mapping")
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
            return Provisional(document) if built.__class__ is Provisional else document

        return completed

    def finalized_shape(self, shape: Shape | None) -> Shape | None:
        if isinstance(shape, Members) and isinstance(self.output, Finalizing):
            return self.output.finalized_shape(shape)
        return None  # a format that completes no documents asks for no shapes

    def check_document(self, data: Json, path: YamlPath, *, each_allowed: bool) -> None:
        if not isinstance(data, dict):
            raise self.error(path, f"a document is a mapping of property to value, not {_kind_of(data)}")
        if "$each" in data and not each_allowed:
            raise self.error((*path, "$each"), "stands beside the document's name, not inside a case")
        if "$switch" in data:
            for case, member in data.items():
                if case not in ("$switch", "$when", "$each", "$provisional"):
                    self.check_document(member, (*path, case), each_allowed=False)

    # Values

    def value(self, data: Json, path: YamlPath, key: str, scope: Scope) -> Value:
        match data:
            case str():
                return self.text(data, path, key, scope)
            case dict() if "$each" in data:
                each = self.each(data, path, key, scope, are_values=True)
                return Value(python.either(each.made, NONE), ARRAY | NULL, shape=Elements((each.shape,)))
            case dict():
                return self.body(data, path, key, scope)
            case list():
                return self.list_(data, path, key, scope)
            case None:
                raise self.error(path, "null can never appear: leave the property out")
            case float() if not math.isfinite(data):
                raise self.error(path, "JSON has no such number")
        return fixed(data, frozenset({type_name(data)}))

    def list_(self, data: list[Json], path: YamlPath, key: str, scope: Scope) -> Value:
        if not data:
            raise self.error(path, "an empty list can never appear: leave the property out")
        return list_of(self.to, [self.value(member, (*path, index), key, scope) for index, member in enumerate(data)])

    def body(self, data: dict[str, Json], path: YamlPath, key: str, scope: Scope) -> Value:
        """A section of the YAML as an object or a `$switch`, with `$when` and `$provisional`; not with `$each`."""
        for name in data:
            if name.startswith("$") and (
                name not in _DIRECTIVES
                or (name == "$default" and "$switch" not in data)
                or (name == "$provisional" and not _is_document(path))
            ):
                raise self.error(
                    (*path, name), f"there is no such directive here{suggestion(name, _DIRECTIVES)} ({_directives()})"
                )
        if "$when" not in data and "$provisional" not in data:
            return self.content(data, path, key, scope)
        found = self.code.fresh()
        self.code.set(found, NONE)
        with self.when(data, path, scope):
            value = whole(self.to, self.content(data, path, key, scope))
            self.code.set(found, value.code)
            if "$provisional" in data:
                self.provide(found, data["$provisional"], (*path, "$provisional"), scope)
        return Value(found, value.types | NULL, shape=value.shape)

    def when(self, data: dict[str, Json], path: YamlPath, scope: Scope) -> AbstractContextManager[None]:
        if "$when" not in data:
            return nullcontext()
        return self.code.when(self.test(data["$when"], (*path, "$when"), scope))

    def provide(self, found: ast.Name, data: Json, path: YamlPath, scope: Scope) -> None:
        """Make a document that there is `Provisional` when something holds."""
        with self.code.when(python.is_something(found)), self.code.when(self.test(data, path, scope)):
            self.code.set(found, self.code.call(Provisional, found))

    def content(self, data: dict[str, Json], path: YamlPath, key: str, scope: Scope) -> Value:
        content = {name: member for name, member in data.items() if name not in ("$when", "$each", "$provisional")}
        return self.switch(content, path, key, scope) if "$switch" in data else self.object_(content, path, scope)

    def object_(self, data: dict[str, Json], path: YamlPath, scope: Scope) -> Value:
        if not data:
            raise self.error(path, "an empty mapping can never appear: leave the property out")
        return object_of(
            self.to, {name: self.value(member, (*path, name), name, scope) for name, member in data.items()}
        )

    def switch(self, data: dict[str, Json], path: YamlPath, key: str, scope: Scope) -> Value:
        (chosen, _), types, _, _ = self.expression(data["$switch"], (*path, "$switch"), scope)
        if not types & SCALAR:
            raise self.error((*path, "$switch"), f"chooses by text, number or boolean, not by {described(types)}")
        names = [name for name in data if name not in ("$switch", "$default")]
        if not names:
            raise self.error(path, "a $switch needs at least one case beside it")
        for name in names:
            if not _reachable(name, types):
                raise self.error((*path, name), f"this case is never chosen: the value is {described(types)}")
        chosen, found = self.code.stored(chosen), self.code.fresh()
        if not types <= STRING | NULL:
            case_of = _case_of(self.location(data["$switch"], (*path, "$switch")))
            is_text = python.compare(python.class_of(chosen), ast.Is, python.name("str"))
            chosen = self.code.stored(python.choice(is_text, chosen, self.code.call(case_of, chosen)))
        values: list[Value] = []
        cases: list[tuple[str, list[ast.stmt]]] = []
        for name in (*names, *(("$default",) if "$default" in data else ())):
            with self.code.inner() as block:
                values.append(whole(self.to, self.value(data[name], (*path, name), key, scope)))
                self.code.set(found, values[-1].code)
            cases.append((name, block))
        if "$default" in data:
            _, default = cases.pop()
            otherwise: Types = frozenset()
        else:
            default, otherwise = [python.assign([found.id], NONE)], NULL
        self.code.match(chosen, cases, default)
        return Value(
            found, otherwise.union(*(value.types for value in values)), shape=shared([value.shape for value in values])
        )

    def each(
        self,
        data: dict[str, Json],
        path: YamlPath,
        key: str,
        scope: Scope,
        *,
        are_documents: bool = False,
        are_values: bool = False,
    ) -> _Each:
        """A list of what each element becomes; of several lists, each may depend on the element of those before it.

        Where what becomes of an element of the first list depends on nothing else, equal ones become the very same
        lists and objects, made once. It pays because many notifications in a row name the same ruleset or collection.
        So do not parts of documents (`are_values`), which share nothing; of documents prototypes are made.
        """
        given, place = data["$each"], (*path, "$each")
        if isinstance(given, dict) and not given:
            raise self.error(place, "names with a list each are expected here, or one list")
        is_named = isinstance(given, dict)
        lists = [(name, (*place, name)) for name in given] if is_named else [(ITEM, place)]
        inner, shapes, read, repeating = dict(scope), self.shapes, self.read, self.repeating
        self.shapes, self.read, self.repeating = dict(shapes), set(), set(repeating)
        made, kept = self.code.fresh(), self.code.fresh()
        names = [name for name, _ in lists]
        self.code.set(made, python.list_of([]))
        is_memoized, is_picked, value = False, False, Value(NONE, NULL)

        def loops(index: int) -> None:
            nonlocal read, is_memoized, is_picked, value
            if index == len(lists):
                value = whole(self.to, self.body(data, path, key, inner))
                found = self.code.stored(value.code)
                with self.code.when(python.is_something(found)):
                    self.code.do(python.method(kept, "append", found))
                return
            name, where = lists[index]
            if is_named:
                self.check_name(name, where, inner)
            with self.loop(name, given[name] if is_named else given, where, inner) as item:
                inner[name] = ANY
                (self.repeating.discard if self.repeats_nothing(self.last) else self.repeating.add)(name)
                if index == 0:  # names read to find the elements do not bear on what an element becomes
                    is_picked = self.repeats_nothing(self.last)
                    read |= self.read
                    self.read = set()
                if index > 0:
                    loops(index + 1)
                    return
                with self.code.inner() as block:
                    loops(1)
                is_memoized = self.trace is None and not are_values and self.read <= set(names)
                block.insert(0, python.assign([kept.id], python.list_of([]) if is_memoized else made))
                if not is_memoized:
                    self.code.block += block
                    return
                if are_documents:
                    make = _prototypes(self.completed(data, value.shape))
                    block.append(python.assign([kept.id], self.code.call(make, kept)))
                remembered(self.to, item, kept, block, is_weighed=not is_picked)
                self.code.do(python.method(made, "extend", kept))

        loops(0)
        self.shapes, self.read, self.repeating = shapes, read | self.read - set(names), repeating
        return _Each(made, value.shape, is_memoized)

    @contextmanager
    def loop(self, name: str, data: Json, path: YamlPath, scope: Scope) -> Iterator[ast.expr]:
        """What is written is done for each element of a list, which has a name."""
        (found, _), types, shape, _ = self.expression(data, path, scope)
        if not types & ARRAY:
            raise self.error(path, f"goes through a list, not through {described(types)}")
        self.shapes[name] = shape.shapes[0] if isinstance(shape, Elements) and len(shape.shapes) == 1 else None
        location, code, to = self.location(data, path), self.code, self.to
        items = code.stored(found)

        def refuse(found: Json) -> NoReturn:
            raise Refused(f"{location}: $each goes through a list, not through {type_name(found)}", by="mapping")

        def exceeded() -> Refused:
            return Refused(f"{location}: {BudgetError()}", by="mapping")

        with code.inner() as otherwise, code.when(python.is_something(items)):
            code.do(code.call(refuse, items))
        before = to.steps
        with code.inner() as then:
            outer, key = code.fresh(), python.constant(name)
            if self.trace:
                code.set(outer, python.method(to.scope(), "get", key))
            with code.each(items) as item:
                self.stands(name, item, in_scope=self.trace is not None)
                yield item
            if self.trace:
                code.put(to.scope(), key, outer)
        steps, to.steps = to.steps - before + 1, before + 1
        charge = to.charge(python.times(python.call(python.name("len"), items), steps), exceeded)
        code.branch(python.compare(python.class_of(items), ast.Is, python.name("list")), charge + then, otherwise)

    # Text and expressions

    def text(self, data: str, path: YamlPath, key: str, scope: Scope) -> Value:
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
                raise Refused(f"{location}: {_kind_of(found)} cannot stand inside text", by="mapping")
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
        try:
            return placeholders.parts(text) or [""]
        except ExpressionError as error:
            raise self.error(path, str(error)) from None

    def expression(self, data: Json, path: YamlPath, scope: Scope) -> _Expression:
        """Write an expression."""
        node, types = self.parsed(data, path, scope)
        self.to.types = scope
        shape = shape_of(node, self.shapes) or (Text() if types - NULL == STRING else None)
        traced = self.traced(node, data, path, scope)
        return _Expression(self.to.value(node, None) if traced is None else traced, types, shape, node)

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
            raise self.error(path, f"a JMESPath expression is expected here, not {_kind_of(data)}")
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
        return Location(self.source.place(path), path, expression)

    def error(self, path: YamlPath, message: str) -> Misconfigured:
        return self.source.error(path, message)


def _as_built(document: Document) -> Document:
    return document


def _prototypes(complete: Complete) -> Callable[[list[Document]], list[Json]]:
    return lambda made: [prototype(complete(document)) for document in made]


def _named(value: ast.expr) -> ast.Name:
    assert isinstance(value, ast.Name)  # noqa: S101 -- whoever calls has made it
    return value


def _only_picks(node: Node) -> bool:
    if node["type"].startswith("multi_select") or (node["type"], node.get("value")) == ("function_expression", "merge"):
        return False
    return all(_only_picks(child) for child in node["children"] if isinstance(child, dict))


def _case_of(location: Location) -> Callable[[Json], str | None]:
    def case(chosen: Json) -> str | None:
        if chosen is None:
            return None
        if isinstance(chosen, list | dict):
            raise Refused(
                f"{location}: $switch chooses by text, number or boolean, not by {_kind_of(chosen)}", by="mapping"
            )
        return json.dumps(chosen)

    return case


def _is_document(path: YamlPath) -> bool:
    return path[:-1] in (("emit",), ("withdraw",))


def _reachable(case: str, types: Types) -> bool:
    return bool(
        types & STRING or (types & BOOLEAN and case in ("true", "false")) or ("number" in types and _NUMBER.match(case))
    )


def _kind_of(value: Json) -> str:
    name = type_name(value)
    return f"an {name}" if name[0] in "ao" else name if name == "null" else f"a {name}"


def _directives() -> str:
    return f"known: {', '.join(_DIRECTIVES)}; $default beside $switch, $provisional on a document"
