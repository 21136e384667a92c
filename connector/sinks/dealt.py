"""What became of the messages of a batch, for sinks that deliver it in several pieces (`connector.ports.Resumable`).

A batch may have to stop when some of it is there. What was dealt with by then, in turn or out of turn, is kept here,
and answered from here when it is sent again.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

from connector.model import Message, Refusal

_MOST = 20_000
"""Messages that are kept beyond a batch that was dealt with."""

Key = TypeVar("Key", bound=Hashable)


class Dealt(Generic[Key]):
    """What is dealt with: taken by the receiver, or refused. For one thread.

    Args:
        key: what a message is known by.
        most: how much is kept when a batch is done.
    """

    def __init__(self, key: Callable[[Message], Key], most: int = _MOST) -> None:
        self._key = key
        self._most = most
        self._taken: set[Key] = set()
        self._refused: dict[Key, str] = {}

    def take(self, keys: Iterable[Key]) -> None:
        """The receiver has these."""
        self._taken.update(keys)

    def refuse(self, key: Key, reason: str) -> None:
        """The receiver will never have this one."""
        self._refused[key] = reason

    def __contains__(self, key: Key) -> bool:
        return key in self._taken or key in self._refused

    def has_taken(self, key: Key) -> bool:
        """Whether the receiver is known to have this one."""
        return key in self._taken

    def left(self, messages: Iterable[Message]) -> list[Message]:
        """Those that are not dealt with."""
        if not self._taken and not self._refused:
            return [*messages]
        return [message for message in messages if self._key(message) not in self]

    def count(self, messages: Sequence[Message]) -> int:
        """How many of these are dealt with, from the first to the one before the first that is not."""
        left = (place for place, message in enumerate(messages) if self._key(message) not in self)
        return next(left, len(messages))

    def settled(self, messages: Sequence[Message], *, keeps_others: bool) -> list[Refusal]:
        """The refusals among these, which are all dealt with, and are forgotten now.

        Args:
            messages: as they were sent.
            keeps_others: whether the others have their turn yet. They have not when nothing of these had to be sent, as
                of the first part of a batch that had to stop; what is never sent again in turn must not be answered
                from here when it is sent again for another reason.
        """
        refused = [message for message in messages if self._key(message) in self._refused] if self._refused else []
        refusals = [Refusal(message, self._refused[self._key(message)]) for message in refused]
        for message in refused:
            self._refused.pop(self._key(message), None)
        self._taken.difference_update(map(self._key, messages))
        if not keeps_others or len(self._taken) + len(self._refused) > self._most:
            self.forget_taken()
            self._refused.clear()
        return refusals

    def forget_taken(self) -> None:
        """Forget what was taken: it may be another receiver from now on."""
        self._taken.clear()


def itself(message: Message) -> Message:
    """The key of sinks that tell messages apart by all that they are."""
    return message
