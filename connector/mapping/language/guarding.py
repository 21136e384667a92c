"""What guards the values of the notification that is being rendered: the function `guarded` of mappings asks it.

It is not a name of the scope, since a function sees its arguments alone, wherever in an expression it stands.
"""

from collections.abc import Callable
from contextvars import ContextVar, Token

from connector.model import Guarded

Guard = Callable[[str], Guarded | None]
"""What guards a value that a notification merely names; None: nothing does."""

_guard: ContextVar[Guard | None] = ContextVar("guard", default=None)


class Guarding:
    """While the block lasts, `guarded` asks this, unless a block around it has another.

    Args:
        guard: what is asked; None: what a block around has, or nothing.
    """

    __slots__ = ("_guard", "_token")

    def __init__(self, guard: Guard | None) -> None:
        self._guard = guard
        self._token: Token[Guard | None] | None = None

    def __enter__(self) -> None:
        if self._guard is not None and _guard.get() is None:
            self._token = _guard.set(self._guard)

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _guard.reset(self._token)
            self._token = None


def guarded(value: str) -> Guarded | None:
    """What guards a value here and now."""
    guard = _guard.get()
    return None if guard is None else guard(value)
