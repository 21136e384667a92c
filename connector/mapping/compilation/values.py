"""Values of a mapping's YAML: lists, objects, `$switch` and `$each`, written as Python."""

import ast
import json
import math
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple, NoReturn

from connector.mapping.compilation.checking import Scope
from connector.mapping.compilation.location import Location
from connector.mapping.compilation.texts import Texts, kind_of
from connector.mapping.compilation.writing import Value, fixed, list_of, object_of, remembered, whole
from connector.mapping.language import code as python
from connector.mapping.language.budget import BudgetError
from connector.mapping.language.code import NONE
from connector.mapping.language.generation import Operand
from connector.mapping.language.json_types import (
    ANY,
    ARRAY,
    BOOLEAN,
    NULL,
    SCALAR,
    STRING,
    Types,
    described,
    type_name,
)
from connector.mapping.rendering.values import ITEM
from connector.model import Document, Json, Refused, provisional
from connector.settings.yamldoc import YamlPath
from connector.values.shapes import Elements, Shape, shared
from connector.values.suggestions import suggestion

_DIRECTIVES = ("$when", "$each", "$switch", "$default", "$provisional")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?\Z")


class Each(NamedTuple):
    """What a `$each` says, written.

    Attributes:
        made: the list of what the elements become, by a name.
        is_memoized: whether elements that are equal become the very same lists and objects.
    """

    made: ast.expr
    shape: Shape | None
    is_memoized: bool


Prototypes = Callable[[list[Document]], list[Json]]
"""Makes of documents what copies are made of."""


class Values(Texts):
    """As `Texts`, also what is made of several of them."""

    def value(self, data: Json, path: YamlPath, key: str, scope: Scope) -> Value:
        """A value, whatever it is."""
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
        """A list, of which members that are null are left out."""
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
        """What is written is done when `$when` holds, if there is one."""
        if "$when" not in data:
            return nullcontext()
        return self.code.when(self.test(data["$when"], (*path, "$when"), scope))

    def provide(self, found: ast.Name, data: Json, path: YamlPath, scope: Scope) -> None:
        """Make a document that there is `Provisional` when something holds, or `Yielding`, as that says."""
        with self.code.when(python.is_something(found)):
            value, types = self.expression(data, path, scope).operand
            why = self.code.stored(value)
            with self.code.when(self.to.truth(Operand(why, types))):
                self.code.set(found, self.code.call(provisional, found, why))

    def content(self, data: dict[str, Json], path: YamlPath, key: str, scope: Scope) -> Value:
        """What a section says beside its directives."""
        content = {name: member for name, member in data.items() if name not in ("$when", "$each", "$provisional")}
        return self.switch(content, path, key, scope) if "$switch" in data else self.object_(content, path, scope)

    def object_(self, data: dict[str, Json], path: YamlPath, scope: Scope) -> Value:
        """An object, of which members that are null are left out."""
        if not data:
            raise self.error(path, "an empty mapping can never appear: leave the property out")
        return object_of(
            self.to, {name: self.value(member, (*path, name), name, scope) for name, member in data.items()}
        )

    def switch(self, data: dict[str, Json], path: YamlPath, key: str, scope: Scope) -> Value:
        """What stands at the case that is chosen; null when none is."""
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
        are_values: bool = False,
        prototypes: Callable[[Shape | None], Prototypes] | None = None,
    ) -> Each:
        """A list of what each element becomes; of several lists, each may depend on the element of those before it.

        Where what becomes of an element of the first list depends on nothing else, equal ones become the very same
        lists and objects, made once. It pays because many notifications in a row name the same ruleset or collection.
        So do not parts of documents (`are_values`), which share nothing; of documents prototypes are made: `prototypes`
        has what makes them, by the shape of what they are made of.
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
                if prototypes is not None:
                    block.append(python.assign([kept.id], self.code.call(prototypes(value.shape), kept)))
                remembered(self.to, item, kept, block, is_weighed=not is_picked)
                self.code.do(python.method(made, "extend", kept))

        loops(0)
        self.shapes, self.read, self.repeating = shapes, read | self.read - set(names), repeating
        return Each(made, value.shape, is_memoized)

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

    def check_name(self, name: str, path: YamlPath, scope: Scope) -> None:
        """Refuse a name that cannot be written in expressions, or that is taken."""
        if not _NAME.match(name):
            raise self.error(path, "a name is made of letters, digits and _, to be written in expressions")
        if (name in scope and name not in self.yielding) or name == ITEM:
            raise self.error(path, f"the name {name} is already taken; choose another")


def _case_of(location: Location) -> Callable[[Json], str | None]:
    def case(chosen: Json) -> str | None:
        if chosen is None:
            return None
        if isinstance(chosen, list | dict):
            raise Refused(
                f"{location}: $switch chooses by text, number or boolean, not by {kind_of(chosen)}", by="mapping"
            )
        return json.dumps(chosen)

    return case


def _is_document(path: YamlPath) -> bool:
    return path[:-1] in (("emit",), ("withdraw",))


def _reachable(case: str, types: Types) -> bool:
    return bool(
        types & STRING or (types & BOOLEAN and case in ("true", "false")) or ("number" in types and _NUMBER.match(case))
    )


def _directives() -> str:
    return f"known: {', '.join(_DIRECTIVES)}; $default beside $switch, $provisional on a document"
