"""The jmespath library, with our functions, and without the inputs on which it raises what is no JMESPath error."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from jmespath.exceptions import JMESPathTypeError
from jmespath.functions import Functions
from jmespath.visitor import Options, TreeInterpreter

from connector.mapping.language.budget import CHARACTERS, CONTAINERS, SMALL, current
from connector.mapping.language.functions import FUNCTIONS, Function, InvalidValueError, Parameter
from connector.mapping.language.json_types import ANY, ARRAY, BOOLEAN, NULL, NUMBER, OBJECT, STRING, Types, type_name
from connector.model import Json, Provisional

Node = Any
"""A node of the library's syntax tree: `type`, `children`, often `value`."""


_FEW = 16
"""Texts that may be joined before it is known how long they are together."""


class _Functions(Functions):
    """JMESPath's functions and ours, under one roof."""

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> Json:
        arguments = list(resolved_args)
        ours = CALLED_DIRECTLY.get(function_name)
        if ours is not None:
            return ours.apply(arguments)
        # The library goes by the names of Python's own types.
        arguments = [dict(each) if isinstance(each, Provisional) else each for each in arguments]
        check = _CHECKS.get(function_name)
        if check is not None:
            check(arguments)
        try:
            result = super().call_function(function_name, arguments)
        except ArithmeticError:
            raise InvalidValueError(f"{function_name}() was given numbers too large to reckon with") from None
        if type(result) is float and not math.isfinite(result):
            if function_name == "to_number":
                return None  # JSON has no such number
            raise InvalidValueError(f"{function_name}() made a number that JSON cannot write")
        return result


def _check_merge(arguments: Sequence[Any]) -> None:
    for argument in arguments:
        if not isinstance(argument, dict):
            raise JMESPathTypeError("merge", argument, type_name(argument), ["object"])


def _check_by(name: str, arguments: Sequence[Any]) -> None:
    # The specification wants one type for all keys; the library finds out by comparing them.
    match arguments:
        case [list() as items, reference] if hasattr(reference, "expression"):
            keys = [reference.visit(reference.expression, item) for item in items]
            if len({type_name(key) for key in keys}) > 1:
                raise JMESPathTypeError(name, keys, "array", ["array-string", "array-number"])


def base_types(types: Iterable[str]) -> Types:
    """What a signature's types are but for their elements: `array-number` is an array, none at all is anything."""
    return frozenset(name.split("-", 1)[0] for name in types) or ANY


_CHECKS: dict[str, Callable[[Sequence[Any]], None]] = {
    "merge": _check_merge,
    "max_by": partial(_check_by, "max_by"),
    "min_by": partial(_check_by, "min_by"),
}


class _Interpreter(TreeInterpreter):
    """Ordering text against a number is null, as the specification says, and no Python error."""

    def visit_comparator(self, node: Node, value: Json) -> Json:
        try:
            return super().visit_comparator(node, value)
        except TypeError:  # raised by Python's < between str and int, and by nothing else there
            return None


CALLS: Any = _Functions()
"""Calls a function by name: `CALLS.call_function(name, arguments)`."""

INTERPRETER: Any = _Interpreter(Options(custom_functions=CALLS))
"""Evaluates a node: `INTERPRETER.visit(node, value)`. Holds no state of an evaluation."""

SIGNATURES: dict[str, tuple[Node, ...]] = {
    name: tuple(entry["signature"]) for name, entry in Functions.FUNCTION_TABLE.items()
}
"""The parameters of JMESPath's own functions: `types`, and `variadic` on the last."""

RETURNS: dict[str, Types] = {
    "abs": NUMBER,
    "avg": NUMBER | NULL,
    "ceil": NUMBER,
    "contains": BOOLEAN,
    "ends_with": BOOLEAN,
    "floor": NUMBER,
    "join": STRING,
    "keys": ARRAY,
    "length": NUMBER,
    "map": ARRAY,
    "max": NUMBER | STRING | NULL,
    "merge": OBJECT,
    "min": NUMBER | STRING | NULL,
    "reverse": STRING | ARRAY,
    "sort": ARRAY,
    "sort_by": ARRAY,
    "starts_with": BOOLEAN,
    "sum": NUMBER,
    "to_array": ARRAY,
    "to_number": NUMBER | NULL,
    "to_string": STRING,
    "type": STRING,
    "values": ARRAY,
}
"""The types that JMESPath's own functions give (jmespath.org/specification.html#built-in-functions)."""


def _contains(subject: str | list[Json], search: Json) -> bool:
    if search.__class__ in CONTAINERS:
        budget = current()
        before = budget.left
        budget.weigh(search)
        budget.spend((before - budget.left) * len(subject))
    if isinstance(subject, str) and not isinstance(search, str):
        raise JMESPathTypeError("contains", search, type_name(search), ["string"])
    return search in subject


def _join(separator: str, items: list[str]) -> str:
    try:
        if len(items) > _FEW:
            current().spend((sum(map(len, items)) + len(separator) * len(items)) // CHARACTERS)
        joined = separator.join(items)
    except TypeError:  # an element is no text
        raise JMESPathTypeError("join", items, "array", ["array-string"]) from None
    if len(joined) > SMALL and len(items) <= _FEW:
        current().spend(len(joined) // CHARACTERS)
    return joined


def _to_string(value: Json) -> str:
    if isinstance(value, str):
        return value
    if value.__class__ in CONTAINERS:
        current().weigh(value)
    made = json.dumps(value, separators=(",", ":"), default=str)  # as the library has it
    if len(made) > SMALL:
        current().spend(len(made) // CHARACTERS)
    return made


_TEXT = {str}
_NUMBERS = {int, float}


def _check_sortable(name: str, items: list[Any]) -> None:
    if not _TEXT.issuperset(map(type, items)) and not _NUMBERS.issuperset(map(type, items)):
        raise JMESPathTypeError(name, items, "array", ["array-string", "array-number"])


def _sort(items: list[Any]) -> list[Any]:
    _check_sortable("sort", items)
    return sorted(items)


def _min(items: list[Any]) -> Json:
    _check_sortable("min", items)
    found = min(items, default=None)
    if found.__class__ is float and not math.isfinite(found):
        raise InvalidValueError("min() made a number that JSON cannot write")
    return found


def _not_null(*items: Json) -> Json:
    return next((item for item in items if item is not None), None)


def _built_in(name: str, call: Callable[..., Json]) -> Function:
    types = [base_types(parameter["types"]) for parameter in SIGNATURES[name]]
    parameters = tuple(Parameter(name, taken, passes_null=True) for taken in types)
    variadic = bool(SIGNATURES[name][-1].get("variadic"))
    return Function(name, call, parameters, variadic, RETURNS.get(name, ANY))


CALLED_DIRECTLY: dict[str, Function] = FUNCTIONS | {
    name: _built_in(name, call)
    for name, call in (
        ("contains", _contains),
        ("ends_with", str.endswith),
        ("join", _join),
        ("keys", list),
        ("length", len),
        ("min", _min),
        ("not_null", _not_null),
        ("sort", _sort),
        ("starts_with", str.startswith),
        ("to_string", _to_string),
        ("type", type_name),
    )
}
"""The functions that are called without the library: ours, and those of JMESPath's own that mappings call most."""
