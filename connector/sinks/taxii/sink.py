"""Pushing STIX objects to a TAXII 2.1 collection (section 5.5), one envelope after another.

An envelope counts as delivered when the server has accepted it and its status is complete without our objects among
the failures. Whatever is left open is `Unavailable`: the caller sends the same bytes again, which the servers read as
duplicates. A failure that the server reports for an object it holds in this very version is such a duplicate.
"""

import itertools
import time
from collections.abc import Callable, Sequence

from connector.model import Message, Misconfigured, Refusal, Unavailable
from connector.sinks.taxii import status_resource
from connector.sinks.taxii.client import Complaint, TaxiiClient
from connector.sinks.taxii.collection import Collection, find_collection
from connector.sinks.taxii.settings import TaxiiSettings
from connector.sinks.taxii.status_resource import Status

__all__ = ["TaxiiSettings", "TaxiiSink"]

_HEAD, _COMMA, _TAIL = b'{"objects":[', b",", b"]}"
_FIRST_POLL_SECONDS = 0.1
_SLOWEST_POLL_SECONDS = 5.0


class TaxiiSink:
    """A `connector.ports.Sink`; for one thread, with one request under way at a time.

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
        self._sleep = sleep
        self._clock = clock
        self._client = TaxiiClient(settings, user_agent=user_agent)
        self._collection: Collection | None = None
        self._packing_bytes = 0
        # Found in the collection by this send or by the tries before it that an outage ended: not asked for again.
        self._held: set[tuple[str, str | None]] = set()

    def send(self, messages: Sequence[Message]) -> Sequence[Refusal]:
        """Send level after level; each envelope is processed before the next one goes out. See `Sink.send`."""
        if not messages:
            return ()
        refusals: list[Refusal] = []
        try:
            collection = self._opened()
            ordered = sorted(messages, key=lambda message: message.dependency_level)
            for _, dependency_level in itertools.groupby(ordered, key=lambda message: message.dependency_level):
                rest = list(dependency_level)
                while rest:
                    count = self._fitting(rest)
                    refusals += self._deliver(collection, rest[:count])
                    del rest[:count]
        except Misconfigured:
            # Whatever a person changes on the server is seen when they let the route go on.
            self._collection = None
            raise
        self._held.clear()
        return refusals

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
        size = len(_HEAD) + len(_TAIL) - len(_COMMA)
        for count, message in enumerate(messages[: self._settings.max_envelope_objects]):
            size += len(_COMMA) + len(message.body)
            if size >= self._packing_bytes:
                return max(count, 1)
        return min(len(messages), self._settings.max_envelope_objects)

    def _deliver(self, collection: Collection, messages: Sequence[Message]) -> list[Refusal]:
        """Send these as one envelope; where the server blames the envelope, find the objects at fault by halving.

        Halving ends at single objects, so n objects cost at most 2n - 1 requests; an outage ends it at once.
        """
        envelope = _HEAD + _COMMA.join([message.body for message in messages]) + _TAIL
        limit = _limit(collection, self._settings)
        if len(messages) == 1 and len(envelope) >= limit:
            whose = (
                "the server's max_content_length" if limit == collection.max_content_length else "max_envelope_bytes"
            )
            return [Refusal(messages[0], f"with {len(envelope)} bytes it is too large: {whose} is {limit}")]
        answer = self._client.post(collection.url, envelope)
        if isinstance(answer, Complaint):
            if len(messages) == 1:
                return [Refusal(messages[0], answer.words)]
            if answer.too_large:
                # The server, or a proxy before it, takes less than it says: pack smaller from here on.
                self._packing_bytes = min(self._packing_bytes, len(envelope) // 2)
            return self._deliver_halves(collection, messages)
        verdict = status_resource.judge(self._settled(collection, answer), messages)
        refusals = self._refused(collection, verdict.failed)
        if len(verdict.suspects) == 1:
            reason = "the server counts it as failed and does not say why"
            return refusals + self._refused(collection, [(verdict.suspects[0], reason)])
        if verdict.suspects:
            return refusals + self._deliver_halves(collection, verdict.suspects)
        return refusals

    def _deliver_halves(self, collection: Collection, messages: Sequence[Message]) -> list[Refusal]:
        middle = (len(messages) + 1) // 2
        return self._deliver(collection, messages[:middle]) + self._deliver(collection, messages[middle:])

    def _settled(self, collection: Collection, status: Status) -> Status:
        """Poll until the server has processed the envelope (section 4.3).

        A server that no longer knows the status has accepted the envelope all the same, and said so.

        Raises:
            Unavailable: it has not within `status_timeout_seconds`; sent again, the envelope is a duplicate.
        """
        status_id, wait = status.id, _FIRST_POLL_SECONDS
        deadline = self._clock() + self._settings.status_timeout_seconds
        while status.pending and status_id is not None:
            left = deadline - self._clock()
            if left <= 0:
                raise Unavailable(
                    f"the server has accepted objects for the collection {collection.title!r}, but has not processed "
                    f"them within {self._settings.status_timeout_seconds:g} s; they are sent again. "
                    "If it is merely slow, raise status_timeout_seconds"
                )
            self._sleep(min(wait, left))
            wait = min(wait * 2, _SLOWEST_POLL_SECONDS)
            status = self._client.status(collection.root_url, status_id) or status_resource.ACCEPTED
        return status

    def _refused(self, collection: Collection, failed: Sequence[tuple[Message, str]]) -> list[Refusal]:
        """The failures that are real. medallion reports as failed what it already holds, against section 5.5."""
        if not collection.can_read:
            unread = " (the collection cannot be read, so perhaps it is there already)"
            return [Refusal(message, reason + unread) for message, reason in failed]
        return [Refusal(message, reason) for message, reason in failed if not self._holds(collection, message)]

    def _holds(self, collection: Collection, message: Message) -> bool:
        version = message.id, message.version
        if version not in self._held and self._client.has(collection.url, *version):
            self._held.add(version)
        return version in self._held


def _limit(collection: Collection, settings: TaxiiSettings) -> int:
    """Envelopes stay strictly below this many bytes: only then may the server not refuse their size (4.2.1)."""
    return min(collection.max_content_length or settings.max_envelope_bytes, settings.max_envelope_bytes)
