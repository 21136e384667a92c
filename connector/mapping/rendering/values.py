"""What a mapping's values become: a constant, or a function from the scope to the value, null when it is missing.

Missing is null, and an empty list or object that came of evaluating something. It never appears in a document: a
property is left out, an element is dropped.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from connector.mapping.language.closures import Evaluate, is_false
from connector.mapping.language.json_types import ARRAY, NULL, OBJECT, STRING, Types
from connector.model import Document, Json, Provisional, Refused
from connector.values.shapes import Elements, Members, Shape, Text, constant, shared

ITEM = "item"
"""The name of the element that `$each` is at."""


_CONTAINERS: frozenset[type] = frozenset((dict, list, Provisional))
_HOLLOW = _CONTAINERS | {type(None)}
_NONE: frozenset[type] = frozenset()
_NOTHING: dict[str, Json] = {}


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a mapping.

    Attributes:
        types: what it may be.
        constant: what it always is, when `evaluate` is None: text, a number or a boolean.
        evaluate: from the scope to the value.
        raw: whether `evaluate` gives just what an expression gave: `present` must take out what is missing in it.
        path: the names from the scope downwards, when `evaluate` does nothing but follow them.
        fixed: whether `evaluate` reads nothing of the scope, and gives the same each time.
        shape: what else is known of it.
    """

    types: Types
    constant: Json = None
    evaluate: Evaluate | None = None
    raw: bool = False
    path: Sequence[str] = ()
    fixed: bool = False
    shape: Shape | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether the value is the same for every notification."""
        return self.evaluate is None or self.fixed

    def function(self) -> Evaluate:
        """The value as a function of the scope, nothing missing in it."""
        constant, evaluate = self.constant, self.evaluate
        if evaluate is None:
            return lambda _: constant
        if self.path:
            return _reader(self.path)
        return _without_missing(evaluate) if self.raw else evaluate


def present(value: Json) -> Json:
    """A copy without null, empty lists and empty objects at any depth; null when nothing remains."""
    if isinstance(value, dict):
        return {name: kept for name, member in value.items() if (kept := present(member)) is not None} or None
    if isinstance(value, list):
        if _HOLLOW.isdisjoint(map(type, value)):
            return value.copy() or None
        return [
            kept
            for member in value
            if (kept := present(member) if member.__class__ in _CONTAINERS else member) is not None
        ] or None
    return value


def _without_missing(evaluate: Evaluate) -> Evaluate:
    def function(scope: Any) -> Json:
        found = evaluate(scope)
        return present(found) if found.__class__ in _CONTAINERS else found

    return function


def _reader(path: Sequence[str]) -> Evaluate:
    """What stands at a path, nothing missing in it."""
    root, *names = path

    def read(scope: Any) -> Json:
        found = scope[root]
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        return present(found) if found.__class__ in _CONTAINERS else found

    return read


_Read = Sequence[tuple[Sequence[str], Sequence[tuple[str, str]]]]
"""The names down to an object, then what to take from it: property and name there."""


_Computed = tuple[str, Evaluate, frozenset[type]]
"""A property, what it is, and the types of value in which something may be missing."""


def object_of(members: Mapping[str, Value]) -> Value:
    """An object with these properties; each time a new one."""
    # All keys are there from the start, in order; copying that is faster than inserting one by one.
    template = {name: member.constant for name, member in members.items()}
    # What is merely read from the scope is read right here, together with all that stands beside it: such members are
    # many, and a call costs more than the reading.
    read = _by_prefix({name: member.path for name, member in members.items() if member.path})
    # What is missing in a value is taken out right here, too, rather than in a call around it.
    computed = tuple(
        (name, member.evaluate, _CONTAINERS if member.raw else _NONE)
        for name, member in members.items()
        if member.evaluate is not None and not member.path
    )
    fixed = all(member.is_fixed for member in members.values())
    always = frozenset(name for name, member in members.items() if member.evaluate is None)
    shape = Members({name: member.shape for name, member in members.items()}, always)
    return Value(OBJECT | NULL, evaluate=_builder(template, read, computed), fixed=fixed, shape=shape)


def _builder(template: dict[str, Json], read: _Read, computed: Sequence[_Computed]) -> Evaluate:  # noqa: C901 -- a call costs more than what is done here
    def build(scope: Any) -> Json:
        made = template.copy()
        for steps, keys in read:
            inner = scope
            try:
                for step in steps:
                    inner = inner.get(step, _NOTHING)
                get = inner.get
            except AttributeError:  # of JSON's types only objects have `get`
                get = _NOTHING.get
            for name, key in keys:
                found = get(key)
                if found.__class__ is not str:  # as most are
                    found = present(found)
                if found is None:
                    del made[name]
                else:
                    made[name] = found
        for name, evaluate, hollow in computed:
            found = evaluate(scope)
            if found.__class__ in hollow:
                found = present(found)
            if found is None:
                del made[name]
            else:
                made[name] = found
        return made or None

    return build


def _by_prefix(paths: Mapping[str, Sequence[str]]) -> _Read:
    """Paths that differ in their last name alone, together."""
    groups: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for name, (*prefix, key) in paths.items():
        groups.setdefault(tuple(prefix), []).append((name, key))
    return tuple((prefix, tuple(keys)) for prefix, keys in groups.items())


def list_of(members: Sequence[Value]) -> Value:
    """A list of these elements; each time a new one."""
    shape = Elements(tuple(member.shape for member in members))
    if all(member.evaluate is None for member in members):
        constant = [member.constant for member in members]
        return Value(ARRAY, evaluate=lambda _: constant.copy(), fixed=True, shape=shape)
    fixed = all(member.is_fixed for member in members)
    functions = [member.function() for member in members]
    if len(functions) == 1:  # as most lists of a mapping are
        (only,) = functions
        return Value(
            ARRAY | NULL,
            evaluate=lambda scope: [found] if (found := only(scope)) is not None else None,
            fixed=fixed,
            shape=shape,
        )
    return Value(
        ARRAY | NULL,
        evaluate=lambda scope: [found for function in functions if (found := function(scope)) is not None] or None,
        fixed=fixed,
        shape=shape,
    )


def text_of(parts: Sequence[str | Evaluate]) -> Value:
    """Text made of literal parts and of functions that give text."""
    template = [part if isinstance(part, str) else "" for part in parts]
    computed = tuple((index, part) for index, part in enumerate(parts) if not isinstance(part, str))
    if not computed:
        text = "".join(template)
        return Value(STRING, constant=text, shape=constant(text))

    def build(scope: Any) -> str:
        filled = template.copy()
        for index, evaluate in computed:
            filled[index] = evaluate(scope)
        return "".join(filled)

    return Value(STRING, evaluate=build, shape=Text())


def when(wanted: Evaluate, value: Value) -> Value:
    """A value that is missing unless something holds."""
    function = value.function()

    def build(scope: Any) -> Json:
        found = wanted(scope)
        return function(scope) if found is True or not is_false(found) else None

    return Value(value.types | NULL, evaluate=build, shape=value.shape)


def switch(
    choose: Evaluate, case_of: Callable[[Json], str | None], cases: Mapping[str, Value], default: Value | None
) -> Value:
    """The value of the case that is chosen; else the default, else missing.

    Args:
        choose: from the scope to what chooses.
        case_of: the name of the case, of what chooses and is no text.
        cases: by name.
        default: None: missing.
    """
    functions: dict[str | None, Evaluate] = {name: value.function() for name, value in cases.items()}
    otherwise = default.function() if default else (lambda _: None)
    types = [value.types for value in cases.values()] + [default.types if default else NULL]
    function_of = functions.get

    def evaluate(scope: Any) -> Json:
        chosen = choose(scope)
        return function_of(chosen if chosen.__class__ is str else case_of(chosen), otherwise)(scope)

    return Value(
        frozenset().union(*types),
        evaluate=evaluate,
        shape=shared([value.shape for value in (*cases.values(), *([default] if default else []))]),
    )


def provisional(wanted: Evaluate, value: Value) -> Value:
    """A document that is `Provisional` when something holds."""
    function = value.function()

    def build(scope: Any) -> Json:
        found = function(scope)
        return found if found is None or is_false(wanted(scope)) else Provisional(found)

    return Value(value.types, evaluate=build, shape=value.shape)


Loop = tuple[str, Evaluate, Callable[[Json], Refused]]
"""The name of the element, the list that it is taken from, and why what is no list is refused."""


def for_each(loops: Sequence[Loop], body: Evaluate, *, is_memoized: bool = False) -> Callable[[Any], list[Json]]:
    """The list of what each element becomes, under its name in the scope; those that are missing are left out.

    Of several lists the later ones are gone through for each element of those before, and may be part of it.

    Args:
        loops: the lists.
        body: what an element becomes.
        is_memoized: whether equal elements of the first list become the very same lists and objects, made once. Only
            for a body that depends on nothing but that element. It pays because many notifications in a row name the
            same ruleset or collection.
    """
    (name, elements, refusal), *inner = loops
    inside = for_each(inner, body) if inner else None
    if is_memoized:
        inside = memoized(name, inside or _in_list(body))

    def build(scope: Any) -> list[Json]:
        found = elements(scope)
        if found.__class__ is not list:
            if found is None:
                return []
            raise refusal(found)
        if not found:
            return []
        outer = scope.get(name)
        made: list[Json] = []
        for item in found:
            scope[name] = item
            if inside is not None:
                made += inside(scope)
                continue
            value = body(scope)
            if value is not None:
                made.append(value)
        scope[name] = outer
        return made

    return build


_UNKNOWN = object()
_MEMO_RESULTS = 256
"""How many results each memoized function keeps."""
_MEMO_KEY_BYTES = 4096
"""The longest key, as JSON, under which a result is kept."""


def _in_list(body: Evaluate) -> Callable[[Any], list[Json]]:
    def build(scope: Any) -> list[Json]:
        value = body(scope)
        return [] if value is None else [value]

    return build


def memoized(name: str, evaluate: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The function with its latest results kept; it must depend on nothing but the value of one name in the scope."""
    known: dict[bytes, Any] = {}

    def build(scope: Any) -> Any:
        key = _key(scope[name])
        if key is None:
            return evaluate(scope)
        found = known.get(key, _UNKNOWN)
        if found is _UNKNOWN:
            found = evaluate(scope)
            if len(known) >= _MEMO_RESULTS:
                known.clear()
            known[key] = found
        return found

    return build


def _key(item: Json) -> bytes | None:
    """A key that no other JSON value has; None for a value that is large, or no JSON."""
    try:
        key = orjson.dumps(item)
    except TypeError:
        return None
    # orjson writes null for NaN and infinity, too.
    return key if len(key) <= _MEMO_KEY_BYTES and (b"null" not in key or _is_json(item)) else None


def _is_json(value: Json) -> bool:
    if isinstance(value, dict):
        return all(map(_is_json, value.values()))
    if isinstance(value, list):
        return all(map(_is_json, value))
    return not isinstance(value, float) or math.isfinite(value)


def prototype(document: Document) -> Json:
    """A document to make copies of, by `copy_of`, and the names of its properties that hold lists or objects."""
    return document, [name for name, value in document.items() if value.__class__ in _CONTAINERS]


def copy_of(original: Any) -> Document:
    """A copy of the document of a `prototype`, which shares no list or object with it or with other copies."""
    document, containers = original
    made: Document = Provisional(document) if isinstance(document, Provisional) else document.copy()
    for name in containers:
        made[name] = _copied(document[name])
    return made


def _copied(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _copied(member) if member.__class__ in _CONTAINERS else member for name, member in value.items()}
    return [_copied(member) if member.__class__ in _CONTAINERS else member for member in value]
