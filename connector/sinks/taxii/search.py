"""Finding the objects at fault in an envelope that a server does not take, and delivering the others."""

import secrets
from collections import Counter, deque
from collections.abc import Sequence

from connector.model import ConnectorError, Message, Refusal
from connector.sinks.dealt import Dealt
from connector.sinks.taxii.client import Trouble
from connector.sinks.taxii.collection import Collection
from connector.sinks.taxii.exchange import Exchange, ObjectVersion, enveloped, object_version

_SAMPLES = 5
_ROUNDS = (1, 2, 1)
"""How often an object that is taken goes before each of the tries of one that is not. Not evenly: requests that a load
balancer deals out in turn, to a backend that works and one that does not, would look like good and bad objects."""
_PATIENCE = 16
"""Requests that may fail before it is asked whether the server takes any of the objects by itself."""
_PLEAS = 3
"""How many searches must come upon an object for which the server asks for time, before that counts as its fault."""


class Search:
    """Finds the objects at fault by halving what is not taken; for one envelope.

    While the server takes none of the objects it is an outage, and nothing is refused. What the server does not blame
    on the content itself is tried again, each time right after an object that it does take. Objects may be at fault in
    several ways: an answer of another kind than those before ends the search only if the server does not take what it
    has taken before. n objects cost at most 2n - 1 requests, 8 more for each of those at fault, and a few to tell an
    outage early.

    Attributes:
        refusals: of what the server refuses, as far as it is found.
        taken: the object that the server has taken last; None while it has taken none.
        too_large: the size of the smallest envelope that was refused for its size, in bytes; None when none was.
    """

    def __init__(
        self,
        exchange: Exchange,
        collection: Collection,
        trouble: Trouble,
        dealt: Dealt[ObjectVersion],
        *,
        known_good: Message | None,
        taken_before: Message | None,
        pleas: Counter[ObjectVersion],
    ) -> None:
        """Begin with an envelope's trouble.

        Args:
            exchange: brings envelopes to the server.
            collection: where they go.
            trouble: why the envelope was not taken.
            dealt: where it is noted what the server takes.
            known_good: the object that the server took last, if any.
            taken_before: one that it took in a search of the same batch, which came to no end; if any.
            pleas: how many searches came upon an object for which the server asks for time; counted on here.
        """
        self._exchange = exchange
        self._collection = collection
        self._trouble = trouble
        self._dealt = dealt
        self._known_good = known_good
        self._taken_before = taken_before
        self._pleas = pleas
        self._put_off: ConnectorError | None = None
        self._kinds = {trouble.kind}  # of answers that are given to some objects while others are taken
        self._envelope: Sequence[Message] = ()
        self._untaken = 0
        self._alone: deque[tuple[Message, Trouble, bool]] = deque()  # whether the server had taken others before
        self.refusals: list[Refusal] = []
        self.taken: Message | None = None
        self.too_large: int | None = None

    def run(self, messages: Sequence[Message]) -> None:
        """Find what the server refuses of these; it has the others.

        Raises:
            Unavailable, Misconfigured: it takes none of them, or something else came between, or it asks for time.
        """
        if len(messages) == 1:
            self._only(messages[0])
        else:
            self._among(messages)
        if self._put_off is not None:
            raise self._put_off

    def _only(self, message: Message) -> None:
        """Tell a fault of the only object from an outage by the object that was taken before it."""
        self.taken = self._known_good
        if self.taken is None and not self._trouble.blames_content:
            raise self._trouble.error
        if self._trouble.is_verdict and self.taken is not None:
            if not self._takes(self.taken, self._trouble):
                raise self._trouble.error
            if not self._send([message])[0]:  # the server has begun to take objects meanwhile
                return
        self._refuse(message, self._trouble)

    def _among(self, messages: Sequence[Message]) -> None:
        if self._taken_before is not None:
            if not self._takes(self._taken_before, self._trouble):
                raise self._trouble.error
            self.taken = self._taken_before
        self._envelope = messages
        self._note_size(self._trouble, messages)
        self._halve(messages)
        if self._alone:  # none was taken
            raise self._alone[-1][1].error

    def _halve(self, messages: Sequence[Message]) -> None:
        middle = (len(messages) + 1) // 2
        for half in (messages[:middle], messages[middle:]):
            if self.taken is None and self._untaken == _PATIENCE < len(self._envelope):
                self._sample()
            left, trouble = self._send(half)
            self._untaken += bool(left)
            if len(left) > 1:
                self._halve(left)
            elif left:
                self._alone.append((left[0], trouble or self._trouble, self.taken is not None))
            self._settle()

    def _settle(self) -> None:
        """Refuse what was not taken alone, as soon as another object is taken: what is found is kept."""
        while self._alone and self.taken is not None:
            message, trouble, is_told_apart = self._alone.popleft()
            # A server that took nothing by then may have begun to take objects since.
            if is_told_apart or self._send([message])[0]:
                self._refuse(message, trouble)

    def _sample(self) -> None:
        """Find an object of the envelope that the server takes by itself, so that searching on makes sense."""
        # From the end: the search begins at the front, which the server has not taken so far.
        step = len(self._envelope) // _SAMPLES
        for message in self._envelope[::-step][:_SAMPLES]:
            if not self._send([message])[0]:
                return
        raise self._trouble.error

    def _send(self, messages: Sequence[Message]) -> tuple[Sequence[Message], Trouble | None]:
        """Send some; return those among which are objects at fault, and the trouble if the server took none of them."""
        outcome = self._exchange.send(self._collection, messages)
        trouble = outcome.trouble
        if trouble is not None and not trouble.is_verdict:
            self._see_whether_others_are_taken(trouble)
        self.refusals += [Refusal(message, reason) for message, reason in outcome.failed]
        self._note_size(trouble, messages)
        not_taken = {id(message) for message, _ in outcome.failed} | {id(message) for message in outcome.suspects}
        taken = [message for message in messages if id(message) not in not_taken]
        if taken:
            self.taken = taken[-1]
            self._dealt.take(map(object_version, taken))
        return outcome.suspects, trouble

    def _see_whether_others_are_taken(self, trouble: Trouble) -> None:
        if trouble.kind in self._kinds and not trouble.asks_for_time:
            return
        control = self.taken or self._known_good
        if control is None and trouble.asks_for_time and self._envelope:
            # One request more, and not many, of a server that may want fewer.
            control = secrets.choice(self._envelope)
        if control is None:
            return
        if not self._takes(control, trouble):
            raise trouble.error
        self._known_good = control
        self._kinds.add(trouble.kind)

    def _refuse(self, message: Message, trouble: Trouble) -> None:
        if trouble.is_verdict:
            self.refusals.append(Refusal(message, trouble.words))
            return
        for controls in _ROUNDS:
            if self.taken is None or not all(self._takes(self.taken, trouble) for _ in range(controls)):
                raise trouble.error
            if not self._send([message])[0]:
                return
        if trouble.asks_for_time:
            self._pleas[object_version(message)] += 1
            if self._pleas[object_version(message)] < _PLEAS:
                self._put_off = trouble.error
                return
        reason = f"the server takes other objects, and each time answers to this one: {trouble.words}"
        self.refusals.append(Refusal(message, reason))

    def _takes(self, message: Message, trouble: Trouble) -> bool:
        """Whether the server takes an object that it has taken before, and does not merely hold it from then."""
        outcome = self._exchange.send(self._collection, [message])
        return outcome.trouble is None and outcome.in_spite_of != trouble.kind

    def _note_size(self, trouble: Trouble | None, messages: Sequence[Message]) -> None:
        if trouble is not None and trouble.is_too_large and len(messages) > 1:
            size = len(enveloped(messages))
            self.too_large = size if self.too_large is None else min(size, self.too_large)
