"""Messages that a receiver puts off again and again: one that it has no time for may not hold up the rest for ever."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from connector.clients.http import NotConnected
from connector.model import Message
from connector.sinks.http.search import Tried

MOST_AT_ONCE = 20
"""So many are tried by themselves, one after the other."""
_TRIES = 6
_ITEM_SECONDS = 60.0
"""How long a message is put off at least, where the answer was about it alone."""
_REQUEST_SECONDS = 900.0
"""How long, where a request as a whole was put off (429, Retry-After): that seldom is for what is in it."""


class _Wait(NamedTuple):
    since: float
    tries: int
    tried: Tried


class Overdue:
    """What was put off, how often, and since when; `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waits: dict[Message, _Wait] = {}

    def note(self, tried: Tried) -> None:
        """Some were left; to be sent again, unless the receiver could not be reached or something else is wrong."""
        if tried.then != "again" or isinstance(tried.error, NotConnected):
            return
        now = self._clock()
        for message in tried.left:
            since, tries, _ = self._waits.get(message, (now, 0, None))
            self._waits[message] = _Wait(since, tries + 1, tried)

    def among(self, messages: Iterable[Message]) -> Sequence[tuple[Message, Tried]]:
        """Those of these that have waited long enough to see whether others are taken, with what they came to last."""
        if not self._waits:
            return ()
        now = self._clock()
        return [
            (message, wait.tried)
            for message in messages
            if (wait := self._waits.get(message)) is not None
            and wait.tries >= _TRIES
            and now - wait.since >= (_ITEM_SECONDS if wait.tried.is_by_message else _REQUEST_SECONDS)
        ]

    def forget(self, messages: Iterable[Message]) -> None:
        """These are dealt with."""
        for message in messages if self._waits else ():
            self._waits.pop(message, None)
