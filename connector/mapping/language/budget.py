"""How much work a mapping may make of one notification.

Work is counted in steps: about one for each part of an expression that is evaluated for an element of a list, for each
element or member that is copied, and for every few characters of text that is made. What is not within a loop is not
counted, since a file cannot say much of it. So a step takes a tenth of a microsecond or less, and as many bytes as an
element of a list, or a short text.

It is not a name of the scope, as the guard is not (`guarding`): functions see their arguments alone.
"""

from collections.abc import Iterable
from contextvars import ContextVar, Token
from typing import Any

from jmespath.exceptions import JMESPathError

from connector.model import Provisional, Yielding

STEPS = 10_000_000
"""For one notification and mapping. The bundled mappings need 9,000 at most for what VirusTotal sends."""
SMALL = 1_000
"""Characters or elements that a function takes without being counted."""
CHARACTERS = 4
"""Of text, for a step."""
MAX_OUTPUT = 16 * 1024 * 1024
"""Characters of text in all documents of one notification."""
FEW_PLACES = 2_000
"""Places of a mapping at which text may stand: with no more of them, and of the steps no more than `FEW_STEPS`, nothing
that fits into an answer of VirusTotal becomes an output that needs to be measured."""
FEW_STEPS = 100_000
STEPS_OF_LIST = 6
"""For making a list, beside those for its elements: as much memory as this many of them takes."""
STEPS_OF_OBJECT = 15
"""For making an object, likewise."""

CONTAINERS: frozenset[type] = frozenset((dict, list, Provisional, Yielding))


class BudgetError(JMESPathError):
    """A mapping makes more of a notification than it may."""

    def __init__(self) -> None:
        super().__init__(f"this takes more than the {STEPS:,} steps that a mapping may take for one notification")


class Budget:
    """What is left of the steps; below zero, once they are spent.

    Generated code takes from `left` and looks at it itself.
    """

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = STEPS

    def spend(self, steps: int) -> None:
        """Take steps.

        Raises:
            BudgetError: there are not as many.
        """
        self.left -= steps
        if self.left < 0:
            raise BudgetError

    def weigh(self, value: Any) -> None:
        """Take a step for each element and member, at any depth, counted wherever it stands.

        A mapping may put one list into another twice, and that into a third: it then is small, but all that goes
        through it takes as long as if it were large.

        Raises:
            BudgetError: it is too large.
        """
        self.left -= len(value) + STEPS_OF_LIST
        if self.left < 0:
            raise BudgetError
        members: Iterable[Any] = value.values() if isinstance(value, dict) else value
        if not CONTAINERS.isdisjoint(map(type, members)):
            for member in members:
                if member.__class__ in CONTAINERS:
                    self.weigh(member)


def measure(documents: Iterable[Any]) -> None:
    """See that documents are no larger than they may be: one text may stand at a thousand places of them.

    Raises:
        OutputError: they are.
    """
    left = MAX_OUTPUT
    waiting: list[Any] = [*documents]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            left -= len(value)
        elif isinstance(value, dict):
            left -= sum(map(len, value))
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        left -= 1
        if left < 0:
            raise OutputError


class OutputError(JMESPathError):
    """A mapping makes documents of a notification that are larger than they may be."""

    def __init__(self) -> None:
        super().__init__(f"its documents have more than {MAX_OUTPUT // 2**20} million characters")


_budget: ContextVar[Budget | None] = ContextVar("budget", default=None)


class Budgeting:
    """While the block lasts, what is evaluated has one budget together."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token: Token[Budget | None] = _budget.set(Budget())

    def __exit__(self, *_: object) -> None:
        _budget.reset(self._token)


def current() -> Budget:
    """The budget of the block around; outside of one, one of its own."""
    return _budget.get() or Budget()
