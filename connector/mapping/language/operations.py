"""What generated code calls for the parts of JMESPath that are not written out in it (`generation`)."""

from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Any

from connector.mapping.language.budget import CHARACTERS, CONTAINERS, Budget, BudgetError, current
from connector.mapping.language.functions import Function
from connector.model import Json

NUMBERS = (int, float)
ORDERS: dict[str, Callable[[Any, Any], bool]] = {"lt": lt, "lte": le, "gt": gt, "gte": ge}


def is_false(value: Json) -> bool:
    """JMESPath's false: null, false, empty text, empty list, empty object. Zero is true."""
    return not value and value.__class__ not in NUMBERS


def equal(a: Json, b: Json) -> bool:
    """JMESPath's `==`: true and 1 are different things."""
    if a.__class__ in CONTAINERS and b.__class__ in CONTAINERS:
        current().weigh(a)
    return bool(a == b) and (type(a) is bool) is (type(b) is bool)


def ordered(compare: Callable[[Any, Any], bool], a: Json, b: Json) -> bool | None:
    """How two numbers or two texts compare; null for all else."""
    if (_is_number(a) and _is_number(b)) or (isinstance(a, str) and isinstance(b, str)):
        return compare(a, b)
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def element(items: list[Json], position: int) -> Json:
    """`items[position]`; null where there is none."""
    try:
        return items[position]
    except IndexError:
        return None


def part(items: list[Json], bounds: slice, budget: Budget) -> Json:
    """`items[bounds]`."""
    found = items[bounds]
    budget.left -= len(found)
    return found


def flat(items: list[Json], budget: Budget) -> list[Json]:
    """`items[]`: lists in it give their elements instead."""
    made: list[Json] = []
    for item in items:
        if item.__class__ is list:
            made += item
            if len(made) > budget.left:
                raise BudgetError
        else:
            made.append(item)
    budget.left -= len(made)
    return made


def flat_without_null(items: list[Json], budget: Budget) -> Json:
    """`items[]` where it ends there: without null."""
    made = flat(items, budget)
    return made if None not in made else [item for item in made if item is not None]


def without_null(items: list[Json], budget: Budget) -> Json:
    """`items[*]`; the list itself when nothing is missing in it."""
    budget.left -= len(items)
    return [item for item in items if item is not None] if None in items else items


def only_true(items: list[Json], budget: Budget) -> Json:
    """`items[?@]`; the list itself when all of it is true."""
    budget.left -= len(items)
    return items if all(items) else [item for item in items if item or item.__class__ in NUMBERS]


class _Expression:
    """An `&expression`, as the library's functions evaluate it; they know it by the name of its class."""

    expression = None

    def __init__(self, evaluate: Callable[[Any], Json], steps: int, budget: Budget) -> None:
        self._evaluate = evaluate
        self._steps = steps
        self._budget = budget

    def visit(self, _: None, value: Json) -> Json:
        self._budget.spend(self._steps)
        return self._evaluate(value)


Reference = _Expression
"""What generated code makes for the argument of a function that takes an expression (`&name`)."""


def checked(function: Function, budget: Budget, *arguments: Any) -> Json:
    """A call within a loop, where what the function goes through is counted."""
    for argument in arguments:
        if isinstance(argument, str):
            budget.left -= len(argument) // CHARACTERS
        elif isinstance(argument, list | dict):
            budget.left -= len(argument)
    if budget.left < 0:
        raise BudgetError
    return function.apply(arguments)
