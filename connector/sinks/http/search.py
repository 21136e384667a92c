"""Which message a receiver fails at, or a firewall before it stops, where the answer does not say so."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from connector.model import ConnectorError, Message
from connector.sinks.dealt import Dealt
from connector.sinks.http.receiver_file import Then

_FAILURES_BEFORE_SEARCH = 3
_OTHERS_FOR_PERSON = 3
"""Messages that are tried before a person is needed for all: a batch may hold several that a firewall stops."""
_RANDOM = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class Tried:
    """What a request came to; what was taken and refused of it is noted.

    Attributes:
        left: the messages that are not dealt with.
        then, reason: what is to be done about these, and why.
        error: what to raise when they are left for another time.
        is_failure: whether the receiver failed at the request as a whole, as it may at one of the messages.
        needs_person: whether the request as a whole is for a person.
        kind: what kind of request it was; None where the receiver has one alone, or it did not come so far.
        is_by_message: whether the answer said of each message what became of it.
    """

    left: Sequence[Message]
    then: Then
    reason: str
    error: ConnectorError
    is_failure: bool = False
    needs_person: bool = False
    kind: str | None = None
    is_by_message: bool = False

    @property
    def may_be_a_message(self) -> bool:
        """Whether one of the messages may be why, as well as an outage, the login or the settings."""
        return self.is_failure or self.needs_person


class Search:
    """Halves what fails or is for a person, for as long as another message is taken in between.

    While none is, it is an outage, or the login is wrong, and no message is at fault. Only a request of the same kind
    shows that: a receiver may fail at all that is new, and take each change. What has the same id or subject as a
    message that waits, waits behind it.

    Args:
        attempt: sends messages in one request.
        left: those of some messages that are not dealt with.
        subject: what a message is about, if the receiver's file says so.
        dealt: what is dealt with.
    """

    def __init__(
        self,
        attempt: Callable[[Sequence[Message]], Tried],
        left: Callable[[Sequence[Message]], Sequence[Message]],
        subject: Callable[[Message], str | None],
        dealt: Dealt[Message],
    ) -> None:
        self._attempt = attempt
        self._left = left
        self._subject = subject
        self._dealt = dealt
        self._failing: Message | None = None  # what came first in the request that failed last, and how often it did
        self._failures = 0
        self._taken: Counter[str | None] = Counter()  # requests, by kind, and under None all
        self._known_good: Message | None = None  # what was taken last
        self._alone: dict[Message, tuple[str | None, int]] = {}  # what failed by itself, and `_taken` of its kind then

    def note_taken(self, message: Message, kind: str | None) -> None:
        """A request of this kind was taken, and this message with it."""
        self._taken.update({None, kind})
        self._known_good = message

    def forget(self, messages: Iterable[Message]) -> None:
        """These are dealt with."""
        for message in messages if self._alone else ():
            self._alone.pop(message, None)

    def is_due(self, tried: Tried) -> bool:
        """Whether it is time to search: at once what is for a person, and what fails when it has failed often."""
        if tried.needs_person or not tried.is_failure:
            return tried.needs_person
        first = tried.left[0]
        self._failures = self._failures + 1 if first == self._failing else 1
        self._failing = first
        return self._failures >= _FAILURES_BEFORE_SEARCH

    def pieces(self, tried: Tried, batch: Sequence[Message]) -> Sequence[Sequence[Message]]:
        """What to send next of a request that failed or is for a person, the last first.

        Another message of the batch goes first: only if that is taken may one of these be at fault. One that has failed
        by itself before a request was taken, and fails by itself twice after it, is refused.

        Raises:
            Unavailable, Misconfigured: no other is taken.
        """
        if not tried.may_be_a_message:
            raise tried.error
        left = tried.left
        if len(left) == 1:
            now = tried.kind, self._taken[tried.kind]
            kind, before = self._alone.setdefault(left[0], now)
            if kind != tried.kind:
                self._alone[left[0]] = now
            elif self._taken[kind] > before:
                self._settle(left[0])
                return []
        error = self._tried_with_others(tried, batch)
        if error is not None:
            raise error
        left = self._left(left)
        return halves(left) if len(left) > 1 else [left]

    def witnessed(self, tried: Tried, waiting: Sequence[Message], batch: Sequence[Message]) -> ConnectorError | None:
        """None once a message that does not wait is taken by the same kind of request; else what is wrong.

        That is the next of the batch, or what was taken last, which may arrive twice by that.
        """
        before = self._taken[tried.kind]
        tied = self._named(waiting)
        waits = set(waiting)
        others = {message: self._names(message) for message in self._left(batch) if message not in waits}
        if first := self._first(others, tied, tried):
            another = self._attempt(first[:1])
            if self._taken[tried.kind] > before:
                return None
            if another.left and another.then not in ("refused", "smaller"):
                return another.error
        if self._known_good is None or not tied.isdisjoint(self._names(self._known_good)):
            return tried.error
        error = self._attempted_again(self._known_good).error
        return None if self._taken[tried.kind] > before else error

    def _settle(self, message: Message) -> None:
        """Refuse what failed by itself before and after others were taken, if it does so once more."""
        again = self._attempt([message])
        if not again.left:
            return
        if again.may_be_a_message:
            self._dealt.refuse(message, f"the receiver takes others, and never this one: {again.reason}")
        elif again.then in ("refused", "smaller"):
            self._dealt.refuse(message, again.reason)
        else:
            raise again.error

    def _tried_with_others(self, tried: Tried, batch: Sequence[Message]) -> ConnectorError | None:
        """None once another message is taken, which shows that it is no outage and not the login; else what is wrong.

        The next in order, or any once that was tried in vain; one of those that failed, where there are no others. At
        last what was taken before, which may arrive twice by that; while there is nothing such, more than one. Few are
        tried in vain, for in an outage none is taken. What another is refused for is left for its turn.
        """
        before = self._taken[tried.kind]
        known_good = self._known_good
        tied = self._named(tried.left)
        if known_good is not None and not tied.isdisjoint(self._names(known_good)):
            known_good = None
        others = {message: self._names(message) for message in self._left(batch)}
        for message in tried.left:
            others.pop(message, None)
        if not self._first(others, tied, tried) and len(tried.left) > 1:
            others, tied = {message: self._names(message) for message in tried.left}, set()
            most, is_any = (2 if known_good is None else 1), True  # as a rule one of two is not at fault
        else:
            most = _OTHERS_FOR_PERSON if tried.needs_person and known_good is None else 1
            is_any = tried.is_failure and self._failures > _FAILURES_BEFORE_SEARCH
        error = tried.error
        while most and (first := self._first(others, tied, tried)):
            other = _RANDOM.choice(first) if is_any else first[0]
            another = self._attempt([other])
            if self._taken[tried.kind] > before:
                return None
            names = others.pop(other)
            if another.left:
                most, is_any, error = most - 1, True, another.error
                tied |= names
                if not another.may_be_a_message and another.then not in ("refused", "smaller"):
                    return error
        if known_good is not None:
            error = self._attempted_again(known_good).error
        return None if self._taken[tried.kind] > before else error

    def _first(
        self, others: Mapping[Message, AbstractSet[str]], tied: AbstractSet[str], tried: Tried
    ) -> Sequence[Message]:
        """Of others, in order, those that wait for none before them; of the same dependency level, if any is."""
        waiting = set(tied)
        first = []
        for message, names in others.items():
            if waiting.isdisjoint(names):
                first.append(message)
            waiting |= names
        level = tried.left[0].dependency_level
        return [message for message in first if message.dependency_level == level] or first

    def _names(self, message: Message) -> AbstractSet[str]:
        """By which others are of the same notification or object, or about the same."""
        subject = self._subject(message)
        return {f"id {message.id}"} if subject is None else {f"id {message.id}", f"about {subject}"}

    def _named(self, messages: Iterable[Message]) -> set[str]:
        return {name for message in messages for name in self._names(message)}

    def _attempted_again(self, message: Message) -> Tried:
        """Send what was taken before, which changes nothing of what is known of it."""
        was_dealt_with = message in self._dealt
        tried = self._attempt([message])
        if was_dealt_with:
            self._dealt.take([message])
        else:
            self._dealt.settled([message], keeps_others=True)
        return tried


def halves(messages: Sequence[Message]) -> Sequence[Sequence[Message]]:
    """Two halves, the second first: to be taken from the end."""
    half = len(messages) // 2
    return [messages[half:], messages[:half]]
