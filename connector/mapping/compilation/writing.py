"""How a mapping's objects, lists and texts are made: the Python for each, around that of their expressions."""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from connector.mapping.language import code as python
from connector.mapping.language.budget import CONTAINERS, SMALL, STEPS_OF_LIST, STEPS_OF_OBJECT
from connector.mapping.language.code import NONE
from connector.mapping.language.generation import Expressions
from connector.mapping.language.json_types import ARRAY, NULL, OBJECT, STRING, Types
from connector.mapping.rendering.values import Memo, key_of, present, put_present, remember
from connector.model import Json
from connector.values.shapes import Elements, Members, Shape, Text, constant


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a mapping, of which all has been written that it takes to make it.

    Attributes:
        code: what stands for it, to be used once.
        types: what it may be, null where it may be missing.
        raw: whether it is just what an expression gave: `whole` must take out what is missing in it.
        shape: what else is known of it.
        is_fixed: whether it is the same for every notification.
        constant: what it then is.
    """

    code: ast.expr
    types: Types
    raw: bool = False
    shape: Shape | None = None
    is_fixed: bool = False
    constant: Json = None

    @property
    def may_be_missing(self) -> bool:
        """Whether there may be nothing, once what is missing in it is taken out."""
        return bool(self.types & NULL) or (self.raw and bool(self.types & (ARRAY | OBJECT)))


def fixed(data: Json, types: Types) -> Value:
    """Text, a number or a boolean that the mapping says itself."""
    return Value(python.constant(data), types, shape=constant(data), is_fixed=True, constant=data)


def whole(to: Expressions, value: Value) -> Value:
    """The value, nothing missing in it."""
    if not value.raw or not value.types & (ARRAY | OBJECT):
        return value
    found = to.code.fresh()
    to.code.set(found, value.code)
    test = python.compare(python.class_of(found), ast.In, to.code.constant(CONTAINERS))
    with to.code.when(test):
        to.code.set(found, to.code.call(present, found, to.budget()))
    return Value(found, value.types | NULL, shape=value.shape)


def object_of(to: Expressions, members: Mapping[str, Value]) -> Value:
    """An object with these properties; each time a new one."""
    always = frozenset(
        name for name, member in members.items() if member.is_fixed and not isinstance(member.constant, list | dict)
    )
    shape = Members({name: member.shape for name, member in members.items()}, always)
    if all(member.is_fixed for member in members.values()):
        made = python.dict_of([(name, member.code) for name, member in members.items()])
        held = {name: member.constant for name, member in members.items()}
        to.steps += STEPS_OF_OBJECT + len(members)
        return Value(made, OBJECT | NULL, shape=shape, is_fixed=True, constant=held)
    target, code = to.code.fresh(), to.code
    to.steps += STEPS_OF_OBJECT + len(members)
    given = list(members.items())
    first: list[tuple[str, ast.expr]] = []
    while given and not given[0][1].may_be_missing:
        name, value = given.pop(0)
        first.append((name, value.code))
    code.set(target, python.dict_of(first))
    is_certain = bool(first)
    for name, value in given:
        key = python.constant(name)
        if not value.may_be_missing:
            is_certain = True
            code.put(target, key, value.code)
            continue
        found = code.stored(value.code)
        if not value.raw or not value.types & (ARRAY | OBJECT):
            with code.when(python.is_something(found)):
                code.put(target, key, found)
            continue
        with code.inner() as as_it_is:
            code.put(target, key, found)
        with code.inner() as otherwise, code.when(python.is_something(found)):
            code.do(code.call(put_present, target, key, found, to.budget()))
        code.branch(python.compare(python.class_of(found), ast.Is, python.name("str")), as_it_is, otherwise)
    if is_certain:
        return Value(target, OBJECT, shape=shape)
    return Value(python.either(target, NONE), OBJECT | NULL, shape=shape)


def list_of(to: Expressions, members: Sequence[Value]) -> Value:
    """A list of these elements; each time a new one."""
    shape, code = Elements(tuple(member.shape for member in members)), to.code
    if all(member.is_fixed for member in members):
        made = python.list_of([member.code for member in members])
        to.steps += STEPS_OF_LIST + len(members)
        types = ARRAY | NULL if any(isinstance(member.constant, list | dict) for member in members) else ARRAY
        return Value(made, types, shape=shape, is_fixed=True, constant=[member.constant for member in members])
    to.steps += STEPS_OF_LIST + len(members)
    given = [whole(to, member) for member in members]
    if not any(member.may_be_missing for member in given):
        return Value(python.list_of([member.code for member in given]), ARRAY, shape=shape)
    if len(given) == 1:  # as most lists of a mapping are
        found = code.stored(given[0].code)
        made = python.choice(python.is_something(found), python.list_of([found]), NONE)
        return Value(made, ARRAY | NULL, shape=shape)
    target = code.fresh()
    code.set(target, python.list_of([]))
    for member in given:
        found = code.stored(member.code)
        with code.when(python.is_something(found)):
            code.do(python.method(target, "append", found))
    return Value(python.either(target, NONE), ARRAY | NULL, shape=shape)


def text_of(to: Expressions, parts: Sequence[str | ast.expr], check: Callable[[str], None]) -> Value:
    """Text made of literal parts, and of others that are text.

    Args:
        to: where it is written.
        parts: of which it is made.
        check: what is done with a text that is long.
    """
    if all(isinstance(part, str) for part in parts):
        return fixed("".join(map(str, parts)), STRING)
    made = python.text_of([python.constant(part) if isinstance(part, str) else part for part in parts])
    found = to.code.stored(made)
    size = python.call(python.name("len"), found)
    with to.code.when(python.compare(size, ast.Gt, python.constant(SMALL))):
        to.code.do(to.code.call(check, found))
    return Value(found, STRING, shape=Text())


def remembered(to: Expressions, of: ast.expr, target: ast.Name, block: list[ast.stmt], *, is_weighed: bool) -> None:
    """What a block makes under a name, made once for all equal values of something.

    Args:
        to: where it is written.
        of: the value on which it depends alone, by a name.
        target: the name under which the block makes it.
        block: makes it.
        is_weighed: whether it is counted what is in the value, which may hold one thing many times.
    """
    code = to.code
    memo: Memo = {}
    kept = code.constant(memo)
    key = code.fresh()
    if is_weighed:
        with code.when(python.compare(python.class_of(of), ast.In, code.constant(CONTAINERS))):
            code.do(python.method(to.budget(), "weigh", of))
    code.set(key, code.call(key_of, of))
    code.set(target, python.method(kept, "get", key))
    with code.when(python.is_none(target)):
        code.block += block
        code.do(code.call(remember, kept, key, target))
