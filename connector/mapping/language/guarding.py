"""What is known of the values of the notification that is being rendered: `guarded` and `claimed` of mappings ask it.

It is not a name of the scope, since a function sees its arguments alone, wherever in an expression it stands.
"""

from collections.abc import Callable
from contextvars import ContextVar, Token

from connector.model import Guarded, JsonObject

Guard = Callable[[str], Guarded | None]
"""What guards a value that a notification merely names; None: nothing does."""

Claims = Callable[[str], JsonObject | None]
"""What is known of a value that a notification merely names, if one about it itself is claimed; None: none is."""

_claims: ContextVar[Claims | None] = ContextVar("claims", default=None)
_guard: ContextVar[Guard | None] = ContextVar("guard", default=None)


class Guarding:
    """While the block lasts, `guarded` and `claimed` ask these, unless a block around it has others.

    Args:
        guard: what guards values; None: what a block around has, or nothing.
        claims: what is said of them by themselves, likewise.
    """

    __slots__ = ("_claims", "_guard", "_tokens")

    def __init__(self, guard: Guard | None, claims: Claims | None = None) -> None:
        self._guard = guard
        self._claims = claims
        self._tokens: tuple[Token[Guard | None] | None, Token[Claims | None] | None] = (None, None)

    def __enter__(self) -> None:
        of_guard = _guard.set(self._guard) if self._guard is not None and _guard.get() is None else None
        of_claims = _claims.set(self._claims) if self._claims is not None and _claims.get() is None else None
        self._tokens = of_guard, of_claims

    def __exit__(self, *_: object) -> None:
        of_guard, of_claims = self._tokens
        self._tokens = None, None
        if of_guard is not None:
            _guard.reset(of_guard)
        if of_claims is not None:
            _claims.reset(of_claims)


def guarded(value: str) -> Guarded | None:
    """What guards a value here and now."""
    guard = _guard.get()
    return None if guard is None else guard(value)


def claimed(value: str) -> JsonObject | None:
    """What is known of a value that is claimed by itself, here and now."""
    claims = _claims.get()
    return None if claims is None else claims(value)
