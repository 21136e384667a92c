"""A mapping's YAML as nested Python functions: one for each property that is not literal."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from connector.mapping.compilation import checking
from connector.mapping.compilation.checking import NOTIFICATION_SCOPE, YIELDING, Scope
from connector.mapping.compilation.folding import GUARDS, folded, roots
from connector.mapping.compilation.proving import shape_of
from connector.mapping.language import placeholders
from connector.mapping.language.closures import Evaluate, compiled_in_scope, path_of
from connector.mapping.language.expressions import ExpressionError, parse, shown, suggestion
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
from connector.mapping.rendering.program import WITHDRAWN, Emit, Let, Program
from connector.mapping.rendering.values import (
    ITEM,
    Loop,
    Value,
    copy_of,
    for_each,
    list_of,
    memoized,
    object_of,
    prototype,
    provisional,
    switch,
    text_of,
    when,
)
from connector.model import Document, Json, Misconfigured, Provisional, Refused
from connector.ports import Finalizing, Format
from connector.settings.yamldoc import YamlDocument, YamlPath, dotted
from connector.values.shapes import Elements, Members, Shape, Text, constant

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
    evaluate: Evaluate
    types: Types
    shape: Shape | None


class _Each(NamedTuple):
    """What a `$each` says.

    Attributes:
        is_memoizable: whether what an element of the first list becomes depends on that element alone.
    """

    loops: Sequence[Loop]
    body: Value
    is_memoizable: bool

    def function(self) -> Callable[[Any], list[Json]]:
        return for_each(self.loops, self.body.function())


class _Compiler:
    """Walks the YAML. Every method is given a value, its path in the file, and the scope that its expressions see."""

    def __init__(self, document: YamlDocument, output: Format, trace: Trace | None, *, check: bool) -> None:
        self.source = document
        self.output = output
        self.trace = trace
        self.check = check
        self.fixed: dict[str, Json] = {}
        self.shapes: dict[str, Shape | None] = {}  # of the names in scope
        self.read: set[str] = set()  # the names that expressions have read, as far as compiled
        self.yielding = set(YIELDING)  # those that the mapping has not taken

    def program(self) -> Program:
        data = self.source.data
        names = self.output.names
        scope: dict[str, Types] = {
            **NOTIFICATION_SCOPE,
            **{name: frozenset({type_name(value)}) for name, value in names.items()},
        }
        match = self.expression(data["match"], ("match",), scope).evaluate if "match" in data else None
        lets = [let for name, data in self.named("let", scope) if (let := self.let(name, data, scope)) is not None]
        claim = self.expression(data["claim"], ("claim",), scope).evaluate if "claim" in data else None
        before = dict(scope)
        emits = [self.emit("emit", name, data, scope) for name, data in self.named("emit", scope)]
        withdraws = self.withdraws(before, scope) if "withdraw" in data else []
        return Program(match, tuple(lets), claim, tuple(emits), tuple(withdraws), {**names, **self.fixed})

    def withdraws(self, before: Scope, scope: dict[str, Types]) -> list[Emit]:
        """What is under `withdraw`; a name there may be one of `emit`, which is not in the scope `before` that."""
        self.check_name(WITHDRAWN, ("withdraw",), scope)
        scope[WITHDRAWN], self.shapes[WITHDRAWN] = OBJECT, None
        named = self.named("withdraw", {**before, WITHDRAWN: OBJECT})
        return [self.emit("withdraw", name, data, scope) for name, data in named]

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

    def let(self, name: str, data: Json, scope: dict[str, Types]) -> Let | None:
        """A name and its value; None for a value that never changes: it is made here, and copied when it is read."""
        path = ("let", name)
        lone = self.lone_expression(data, path)
        if lone is not None:  # unlike a property, a name keeps an empty list or object that its expression gives
            evaluate, types, self.shapes[name] = self.expression(lone, path, scope)
        elif isinstance(data, dict) and "$each" in data:
            each = self.each(data, path, name, scope)
            build = for_each(each.loops, each.body.function(), is_memoized=each.is_memoizable)
            evaluate, types, self.shapes[name] = _list_or_null(build), ARRAY | NULL, Elements((each.body.shape,))
        else:
            value = self.value(data, path, name, scope)
            evaluate, types, self.shapes[name] = value.function(), value.types, value.shape
            if value.is_fixed:
                self.fixed[name], scope[name] = evaluate({}), types
                return None
        scope[name] = types
        return name, evaluate

    def emit(self, section: str, name: str, data: Json, scope: dict[str, Types]) -> Emit:
        path = (section, name)
        if (lone := self.lone_expression(data, path)) is not None:
            return self.expressed(name, lone, path, scope)
        self.check_document(data, path, each_allowed=True)
        return self.documents(name, data, path, scope) if "$each" in data else self.document(name, data, path, scope)

    def documents(self, name: str, data: dict[str, Json], path: YamlPath, scope: dict[str, Types]) -> Emit:
        """A document for each element of a list."""
        each = self.each(data, path, name, scope)
        scope[name], self.shapes[name] = ARRAY, Elements((self.finalized_shape(each.body.shape),))
        complete = self.completed(data, each.body.shape)
        if not each.is_memoizable:
            return Emit(name, is_list=True, build=each.function(), complete=complete)
        made = _prototypes(each.body.function(), complete)
        return Emit(name, is_list=True, build=for_each(each.loops, made, is_memoized=True), complete=copy_of)

    def expressed(self, name: str, data: str, path: YamlPath, scope: dict[str, Types]) -> Emit:
        """The document, or list of documents, that an expression gives."""
        evaluate, types, _ = self.expression(data, path, scope)
        if not types & (OBJECT | ARRAY):
            raise self.error(path, f"a document is an object, and the expression gives {described(types)}")
        is_list = not types & OBJECT
        build = Value(types, evaluate=evaluate, raw=True).function()
        complete, location = self.completed({}, None), self.location(data, path)

        def completed(made: Json) -> Document:
            if not isinstance(made, dict):
                raise Refused(f"{location}: a document is an object, not {_kind_of(made)}", by="mapping")
            return complete(made)

        scope[name], self.shapes[name] = ARRAY | NULL if is_list else OBJECT | NULL, None
        return Emit(name, is_list=is_list, build=build, complete=completed)

    def document(self, name: str, data: dict[str, Json], path: YamlPath, scope: dict[str, Types]) -> Emit:
        """One document; memoized where all of it depends on one name."""
        self.read = set()
        value = self.body(data, path, name, scope)
        build, complete = value.function(), self.completed(data, value.shape)
        only = self.decided_by(frozenset(self.read), scope)
        if only is not None:
            build, complete = memoized(only, _prototypes(build, complete)), copy_of
        scope[name], self.shapes[name] = OBJECT | NULL, self.finalized_shape(value.shape)
        return Emit(name, is_list=False, build=build, complete=complete)

    def decided_by(self, read: frozenset[str], scope: Scope) -> str | None:
        """The one name that a document depends on, if memoizing by it pays: if it is text, a number or a boolean.

        None for a name of the notification, whose value seldom recurs, and while every expression is traced.
        """
        match list(read):
            case [only] if self.trace is None and only not in (*NOTIFICATION_SCOPE, GUARDS):
                return only if scope[only] <= SCALAR | NULL else None
        return None

    def completed(self, data: dict[str, Json], shape: Shape | None) -> Callable[[Document], Document]:
        """The function that completes what the mapping has built, as the format wants it."""
        complete: Callable[[Document], Document] = _as_built
        if isinstance(self.output, Finalizing):
            complete = self.output.finalizer(shape if isinstance(shape, Members) else None, check=self.check)
        if "$provisional" not in data:
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
                each = self.each(data, path, key, scope)
                return Value(ARRAY | NULL, evaluate=_list_or_null(each.function()), shape=Elements((each.body.shape,)))
            case dict():
                return self.body(data, path, key, scope)
            case list():
                return self.list_(data, path, key, scope)
            case None:
                raise self.error(path, "null can never appear: leave the property out")
            case float() if not math.isfinite(data):
                raise self.error(path, "JSON has no such number")
        return Value(frozenset({type_name(data)}), constant=data, shape=constant(data))

    def list_(self, data: list[Json], path: YamlPath, key: str, scope: Scope) -> Value:
        if not data:
            raise self.error(path, "an empty list can never appear: leave the property out")
        members = [self.value(member, (*path, index), key, scope) for index, member in enumerate(data)]
        return list_of(members)

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
        content = {name: member for name, member in data.items() if name not in ("$when", "$each", "$provisional")}
        value = self.switch(content, path, key, scope) if "$switch" in data else self.object_(content, path, scope)
        if "$provisional" in data:
            wanted = self.expression(data["$provisional"], (*path, "$provisional"), scope).evaluate
            value = provisional(wanted, value)
        if "$when" not in data:
            return value
        wanted = self.expression(data["$when"], (*path, "$when"), scope).evaluate
        return when(wanted, value)

    def object_(self, data: dict[str, Json], path: YamlPath, scope: Scope) -> Value:
        if not data:
            raise self.error(path, "an empty mapping can never appear: leave the property out")
        members = {name: self.value(member, (*path, name), name, scope) for name, member in data.items()}
        return object_of(members)

    def switch(self, data: dict[str, Json], path: YamlPath, key: str, scope: Scope) -> Value:
        choose, types, _ = self.expression(data["$switch"], (*path, "$switch"), scope)
        if not types & SCALAR:
            raise self.error((*path, "$switch"), f"chooses by text, number or boolean, not by {described(types)}")
        names = [name for name in data if name not in ("$switch", "$default")]
        if not names:
            raise self.error(path, "a $switch needs at least one case beside it")
        for name in names:
            if not _reachable(name, types):
                raise self.error((*path, name), f"this case is never chosen: the value is {described(types)}")
        cases = {name: self.value(data[name], (*path, name), key, scope) for name in names}
        default = self.value(data["$default"], (*path, "$default"), key, scope) if "$default" in data else None
        return switch(choose, _case_of(self.location(data["$switch"], (*path, "$switch"))), cases, default)

    def each(self, data: dict[str, Json], path: YamlPath, key: str, scope: Scope) -> _Each:
        given, place = data["$each"], (*path, "$each")
        if isinstance(given, dict) and not given:
            raise self.error(place, "names with a list each are expected here, or one list")
        is_named = isinstance(given, dict)
        lists = [(name, (*place, name)) for name in given] if is_named else [(ITEM, place)]
        inner, shapes, read = dict(scope), self.shapes, self.read
        self.shapes, self.read = dict(shapes), set()
        loops = []
        for name, where in lists:
            if is_named:
                self.check_name(name, where, inner)
            loops.append(self.loop(name, given[name] if is_named else given, where, inner))
            inner[name] = ANY
            if len(loops) == 1:  # names read to find the elements do not bear on what an element becomes
                read |= self.read
                self.read = set()
        body = self.body(data, path, key, inner)
        is_memoizable = self.trace is None and self.read <= {name for name, _ in lists}
        self.shapes, self.read = shapes, read | self.read - {name for name, _ in lists}
        return _Each(loops, body, is_memoizable)

    def loop(self, name: str, data: Json, path: YamlPath, scope: Scope) -> Loop:
        elements, types, shape = self.expression(data, path, scope)
        if not types & ARRAY:
            raise self.error(path, f"goes through a list, not through {described(types)}")
        self.shapes[name] = shape.shapes[0] if isinstance(shape, Elements) and len(shape.shapes) == 1 else None
        location = self.location(data, path)

        def refusal(found: Json) -> Refused:
            return Refused(f"{location}: $each goes through a list, not through {type_name(found)}", by="mapping")

        return name, elements, refusal

    # Text and expressions

    def text(self, data: str, path: YamlPath, key: str, scope: Scope) -> Value:
        lone = self.lone_expression(data, path)
        if lone is not None:
            evaluate, types, shape = self.expression(lone, path, scope)
            names = path_of(parse(lone))
            raw = bool(names or types & (ARRAY | OBJECT))
            return Value(types, evaluate=evaluate, raw=raw, path=() if self.trace else names, shape=shape)
        parts = self.parts(data, path)
        return text_of([part if isinstance(part, str) else self.filled(part, path, key, scope) for part in parts])

    def filled(self, part: Placeholder, path: YamlPath, key: str, scope: Scope) -> Evaluate:
        """What a placeholder becomes in text."""
        evaluate, types, _ = self.expression(part.expression, path, scope)
        if not types & SCALAR:
            raise self.error(path, f"`{part.expression}` is {described(types)}, which cannot stand inside text")
        quote = self.output.quote
        location = self.location(part.expression, path)

        def fill(values: Any) -> str:
            found = evaluate(values)
            if found.__class__ is str:
                return quote(key, found)
            if found is None:
                raise Refused(f"{location}: it has no value, and the text around it needs one", by="mapping")
            if isinstance(found, list | dict) or (isinstance(found, float) and not math.isfinite(found)):
                raise Refused(f"{location}: {_kind_of(found)} cannot stand inside text", by="mapping")
            return quote(key, found)

        return fill

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

    def expression(self, data: Json, path: YamlPath, scope: Scope) -> "_Expression":
        if not isinstance(data, str):
            raise self.error(path, f"a JMESPath expression is expected here, not {_kind_of(data)}")
        try:
            node = parse(data)
            types = checking.check(data, node, scope)
        except ExpressionError as error:
            raise self.error(path, f"in `{shown(data, 200)}`: {error}") from None
        node = folded(node, {**self.output.names, **self.fixed})
        evaluate = compiled_in_scope(node)
        self.read |= roots(node)
        if self.trace:
            evaluate = self.trace(self.location(data, path), evaluate)
        shape = shape_of(node, self.shapes) or (Text() if types - NULL == STRING else None)
        return _Expression(evaluate, types, shape)

    def location(self, expression: str, path: YamlPath) -> Location:
        return Location(self.source.place(path), path, expression)

    def error(self, path: YamlPath, message: str) -> Misconfigured:
        return self.source.error(path, message)


def _list_or_null(build: Callable[[Any], list[Json]]) -> Evaluate:
    return lambda values: build(values) or None


def _as_built(document: Document) -> Document:
    return document


def _prototypes(build: Evaluate, complete: Callable[[Document], Document]) -> Evaluate:
    def made(values: Any) -> Json:
        document = build(values)
        return None if document is None else prototype(complete(document))

    return made


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
