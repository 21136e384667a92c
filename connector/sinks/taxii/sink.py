"""Pushing STIX objects to a TAXII 2.1 collection (section 5.5), one envelope after another.

An envelope counts as delivered when the server has accepted it and its status is complete without our objects among
the failures. Whatever is left open is `Unavailable`: the caller sends the same bytes again, which the servers read as
duplicates. A failure that the server reports for an object it holds in this very version is such a duplicate.

An envelope that fails again and again, while the server answers well otherwise, has an object in it that
makes it fail: it is searched for, refused alone, and the others are delivered (`Search`).
"""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from http import HTTPStatus

from connector.model import ConnectorError, Message, Misconfigured, Refusal, Unavailable
from connector.plugin import CONTRACT, USER_AGENT, SinkKind
from connector.sinks.dealt import Dealt
from connector.sinks.taxii.client import COUNTED_AS_FAILED, TaxiiClient, Trouble
from connector.sinks.taxii.collection import Collection, find_collection
from connector.sinks.taxii.exchange import (
    COMMA,
    HEAD,
    NO_REASON,
    TAIL,
    Exchange,
    ObjectVersion,
    Outcome,
    object_version,
)
from connector.sinks.taxii.search import Search
from connector.sinks.taxii.settings import TaxiiSettings

__all__ = ["TaxiiSettings", "TaxiiSink"]

_FAILURES_BEFORE_SEARCH = 3
_REFUSALS_BEFORE_SEARCH = 2
"""Fewer, because what a person must mend is tried again a minute later at the earliest."""
_FORBIDDEN = str(HTTPStatus.FORBIDDEN.value)
"""The kind of answer that a firewall gives to one object. Each `run --once` would meet it for the first time."""
_MOST_PUT_OFF = 3
"""Envelopes."""


class TaxiiSink:
    """A `connector.ports.Sink` that is `Resumable`; for one thread, with one request under way at a time.

    Concurrent requests that share a new object make OpenTAXII lose batches, so there is no parallelism to configure.
    """

    def __init__(
        self,
        settings: TaxiiSettings,
        *,
        user_agent: str,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._user_agent = user_agent
        self._client = TaxiiClient(settings, user_agent=user_agent)
        # Of this batch, from the tries before an outage too: to find an object again takes as many failures again.
        self._dealt = Dealt(object_version)
        self._exchange = Exchange(self._client, settings, self._dealt, sleep=sleep, clock=clock)
        self._collection: Collection | None = None
        self._packing_bytes = 0
        self._known_good: Message | None = None
        # The envelope that failed last, and how often in a row.
        self._failing: frozenset[ObjectVersion] = frozenset()
        self._failures = 0
        self._met = ""  # the kind of the last trouble
        self._pleas: Counter[ObjectVersion] = Counter()
        self._taken_in_search: Message | None = None  # in the last one, if that came to no end

    def send(self, messages: Sequence[Message]) -> Sequence[Refusal]:
        """Send level after level; each envelope is processed before the next one goes out. See `Sink.send`."""
        if not messages:
            return ()
        ordered = sorted(messages, key=lambda message: message.dependency_level)
        left = self._dealt.left(ordered)
        if not left:
            return self._dealt.settled(ordered, keeps_others=True)
        try:
            collection = self._opened()
            self._exchange.resume(collection)
            self._deliver_all(collection, left)
        except Misconfigured:
            # Whatever a person changes on the server is seen when the route goes on.
            self._collection = None
            self._dealt.forget_taken()
            self._exchange.forget_unprocessed()
            raise
        self._exchange.forget_unprocessed()
        self._pleas.clear()
        self._failures = 0
        return self._dealt.settled(ordered, keeps_others=False)

    def dealt_with(self, messages: Sequence[Message]) -> int:
        """See `connector.ports.Resumable`."""
        return self._dealt.count(messages)

    def check(self) -> str:
        """Find the collection on a connection of its own; say what it takes. See `Sink.check`."""
        client = TaxiiClient(self._settings, user_agent=self._user_agent)
        try:
            collection = find_collection(client, self._settings)
        finally:
            client.close()
        return (
            f"the collection {collection.title!r} at {collection.url} takes objects, in requests below "
            f"{_limit(collection, self._settings)} bytes"
            + ("" if collection.can_read else "; it cannot be read, so a duplicate cannot be told from a failure")
        )

    def close(self) -> None:
        """Close the connections. See `Sink.close`."""
        self._collection = None
        self._client.close()

    def _opened(self) -> Collection:
        if self._collection is None:
            self._collection = find_collection(self._client, self._settings)
            self._packing_bytes = _limit(self._collection, self._settings)
        return self._collection

    def _fitting(self, messages: Sequence[Message]) -> int:
        """How many of the messages, from the first on, make an envelope; one at least."""
        size = len(HEAD) + len(TAIL) - len(COMMA)
        for count, message in enumerate(messages[: self._settings.max_envelope_objects]):
            size += len(COMMA) + len(message.body)
            if size >= self._packing_bytes:
                return max(count, 1)
        return min(len(messages), self._settings.max_envelope_objects)

    def _deliver_all(self, collection: Collection, ordered: Sequence[Message]) -> None:
        """Send level after level.

        What is forbidden before this sink has delivered anything may be forbidden alone, or all may be: what follows
        shows it. So the first envelopes are put off until another one is taken.
        """
        put_off: list[tuple[Sequence[Message], Misconfigured]] = []
        for _, level in itertools.groupby(ordered, key=lambda message: message.dependency_level):
            rest = self._dealt.left(level)
            while rest:
                count = self._fitting(rest)
                try:
                    self._deliver(collection, rest[:count])
                except Misconfigured as error:
                    if self._known_good is not None or self._met != _FORBIDDEN or len(put_off) >= _MOST_PUT_OFF:
                        raise (put_off[0][1] if put_off else error) from None
                    put_off.append((rest[:count], error))
                if self._known_good is not None:
                    for messages, _ in put_off:
                        if left := self._dealt.left(messages):
                            self._deliver(collection, left)
                    put_off.clear()
                del rest[:count]
        if put_off:
            raise put_off[0][1]

    def _deliver(self, collection: Collection, messages: Sequence[Message]) -> None:
        """Send these as one envelope; where an object in it may be at fault, find it. Keep what came of each."""
        size, limit = len(HEAD) + len(messages[0].body) + len(TAIL), _limit(collection, self._settings)
        if len(messages) == 1 and size >= limit:
            whose = (
                "the server's max_content_length" if limit == collection.max_content_length else "max_envelope_bytes"
            )
            self._refuse([Refusal(messages[0], f"with {size} bytes it is too large: {whose} is {limit}")])
            return
        outcome = self._exchange.send(collection, messages)
        refusals = [Refusal(message, reason) for message, reason in outcome.failed]
        not_taken = {id(message) for message in outcome.suspects} | {id(refusal.message) for refusal in refusals}
        taken = [message for message in messages if id(message) not in not_taken]
        if taken:
            self._known_good = taken[-1]
            self._dealt.take(map(object_version, taken))
        self._refuse(refusals)
        if outcome.suspects:
            self._search(collection, outcome)

    def _refuse(self, refusals: Sequence[Refusal]) -> None:
        for refusal in refusals:
            self._dealt.refuse(object_version(refusal.message), refusal.reason)

    def _search(self, collection: Collection, outcome: Outcome) -> None:
        """Find what the server does not take among the suspects, when it is time to."""
        trouble, suspects = outcome.trouble, outcome.suspects
        self._met = trouble.kind if trouble is not None else COUNTED_AS_FAILED
        if trouble is None:
            error = Unavailable(f"the server counts failures in the collection {collection.title!r} and names none")
            trouble = Trouble(COUNTED_AS_FAILED, NO_REASON, error)
        elif not trouble.blames_content:
            if not self._is_likely_an_object(trouble, suspects):
                raise trouble.error
            if collection.can_read and not trouble.asks_for_time:
                # A server may fail after it has stored them, as OpenTAXII 0.9 does.
                suspects = self._exchange.missing(collection, suspects)
        if not suspects:
            return
        search = Search(
            self._exchange,
            collection,
            trouble,
            self._dealt,
            known_good=self._known_good,
            taken_before=self._taken_before(suspects[0].dependency_level),
            pleas=self._pleas,
        )
        try:
            search.run(suspects)
            self._taken_in_search = None
        except ConnectorError as error:
            has_taken = search.taken not in (None, self._known_good, self._taken_in_search)
            error.has_progressed = has_taken or bool(search.refusals)
            if has_taken:
                self._taken_in_search = search.taken
            raise
        finally:
            self._refuse(search.refusals)
            self._known_good = search.taken or self._known_good
            if search.too_large is not None:
                # The server, or a proxy before it, takes less than it says: pack smaller from here on.
                self._packing_bytes = min(self._packing_bytes, search.too_large // 2)

    def _taken_before(self, dependency_level: int) -> Message | None:
        """What a search of this batch and level has taken that came to no end.

        No other object will do: a server may take what it holds already, or all of another level, and none of this one.
        """
        taken = self._taken_in_search
        if taken is None or taken.dependency_level != dependency_level:
            return None
        return taken if self._dealt.has_taken(object_version(taken)) else None

    def _is_likely_an_object(self, trouble: Trouble, messages: Sequence[Message]) -> bool:
        """Whether these have failed often enough, in whatever way, and the server answers well otherwise.

        The envelope need not be the same to the byte: what has come since may stand behind what failed.

        Raises:
            Unavailable, Misconfigured: it does not answer well.
        """
        versions = frozenset(map(object_version, messages))
        is_repeated = not versions.isdisjoint(self._failing)
        self._failing = versions
        self._failures = self._failures + 1 if is_repeated else 1
        is_refusal = isinstance(trouble.error, Misconfigured)
        if is_refusal and (self._known_good is not None or (trouble.kind == _FORBIDDEN and len(messages) > 1)):
            needed = 1  # there is another object to compare with
        else:
            needed = _REFUSALS_BEFORE_SEARCH if is_refusal else _FAILURES_BEFORE_SEARCH
        if self._failures < needed:
            return False
        find_collection(self._client, self._settings)
        return True


def _limit(collection: Collection, settings: TaxiiSettings) -> int:
    """Envelopes stay strictly below this many bytes: only then may the server not refuse their size (4.2.1)."""
    return min(collection.max_content_length or settings.max_envelope_bytes, settings.max_envelope_bytes)


KIND = SinkKind(
    contract=CONTRACT,
    settings=TaxiiSettings,
    make=lambda settings, around: TaxiiSink(settings, user_agent=USER_AGENT, sleep=around.sleep),
)
