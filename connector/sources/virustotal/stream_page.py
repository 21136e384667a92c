"""A page of the IoC Stream, as it was read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from connector import model


@dataclass(frozen=True, slots=True)
class StreamPage:
    """What was read at once.

    Attributes:
        items: as they came.
        cursor: to the next page; None at the end, and where `past` says how to go on.
        clock: the server's, in Unix seconds.
        unreadable: what was stepped over.
        past: the second (Unix time) after which to go on by date; None where the cursor leads on.
        is_ahead: whether it was read ahead. It has no cursor, and is not the end.
    """

    items: Sequence[Any]
    cursor: str | None
    clock: int
    unreadable: Sequence[model.Unreadable] = ()
    past: int | None = None
    is_ahead: bool = False
