"""One envelope: hand it over, wait until the server has processed it, and learn what became of each object."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connector.model import ConnectorError, Message, Unavailable
from connector.sinks.dealt import Dealt
from connector.sinks.taxii import status_resource
from connector.sinks.taxii.client import COUNTED_AS_FAILED, TaxiiClient, Trouble
from connector.sinks.taxii.collection import Collection
from connector.sinks.taxii.settings import TaxiiSettings
from connector.sinks.taxii.status_resource import Status

HEAD, COMMA, TAIL = b'{"objects":[', b",", b"]}"
_FIRST_POLL_SECONDS = 0.1
_SLOWEST_POLL_SECONDS = 5.0
NO_REASON = "the server counts it as failed and does not say why"
_ENOUGH_MISSING = 10

ObjectVersion = tuple[str, str | None]


def object_version(message: Message) -> ObjectVersion:
    """The id and version by which a server tells objects apart."""
    return message.id, message.version


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an envelope.

    Attributes:
        failed: what the server refused for good, with its words.
        suspects: objects that it may not have taken, and does not name.
        trouble: why it has taken none of the suspects; None when it has taken some.
        in_spite_of: the kind of trouble that there would be if the collection did not hold all of them, perhaps from
            before; else empty.
    """

    failed: Sequence[tuple[Message, str]] = ()
    suspects: Sequence[Message] = ()
    trouble: Trouble | None = None
    in_spite_of: str = ""


class Exchange:
    """Envelopes to one collection, one after another.

    Args:
        dealt: what is known to be in the collection, found there or accepted, is noted in it.
    """

    def __init__(
        self,
        client: TaxiiClient,
        settings: TaxiiSettings,
        dealt: Dealt[ObjectVersion],
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._settings = settings
        self._sleep = sleep
        self._clock = clock
        self._unprocessed: tuple[str | None, Sequence[Message]] | None = None
        self._dealt = dealt

    def send(self, collection: Collection, messages: Sequence[Message]) -> Outcome:
        """Send these as one envelope.

        Raises:
            Unavailable, Misconfigured: whatever it is, no object is at fault.
        """
        answer = self._client.post(collection.url, enveloped(messages))
        if isinstance(answer, Trouble):
            return Outcome(suspects=messages, trouble=answer)
        return self._outcome(collection, self._final_status(collection, answer), messages)

    def resume(self, collection: Collection) -> None:
        """Ask what has become of the envelope that the last `send` left unprocessed, so that it is not sent again."""
        unprocessed, self._unprocessed = self._unprocessed, None
        if unprocessed is None:
            return
        status_id, messages = unprocessed
        if collection.can_read:
            self.missing(collection, messages)
        elif status_id is not None:
            status = self._client.status(collection.root_url, status_id)
            if status is not None and not status.pending and not status.is_silent:
                verdict = status_resource.judge(status, messages)
                if not verdict.failed and not verdict.suspects:
                    self._dealt.take(map(object_version, messages))

    def missing(self, collection: Collection, messages: Sequence[Message]) -> Sequence[Message]:
        """Those that the collection does not hold; of the others this is noted.

        An object without versions is there when its id is.
        """
        self._look(collection, messages)
        return self._missing(collection, messages)

    def _missing(self, collection: Collection, messages: Sequence[Message]) -> Sequence[Message]:
        absent = 0
        for each in dict.fromkeys(map(object_version, messages)):
            if self._dealt.has_taken(each):
                continue
            if absent < _ENOUGH_MISSING and self._client.has(collection.url, *each):
                self._dealt.take([each])
            else:
                absent += 1
        return [message for message in messages if not self._dealt.has_taken(object_version(message))]

    def _look(self, collection: Collection, messages: Sequence[Message]) -> bool:
        """Ask the collection's manifest what it holds of these; whether it has one."""
        asked = [each for each in dict.fromkeys(map(object_version, messages)) if not self._dealt.has_taken(each)]
        listed = self._client.listed(collection.url, asked)
        if listed is None:
            return False
        self._dealt.take(listed)
        return True

    def forget_unprocessed(self) -> None:
        """There is nothing to resume: all was delivered, or it may be another collection."""
        self._unprocessed = None

    def real(self, collection: Collection, failed: Sequence[tuple[Message, str]]) -> Sequence[tuple[Message, str]]:
        """The failures that are real. medallion reports as failed what it already holds, against section 5.5."""
        if not collection.can_read:
            unread = " (the collection cannot be read, so perhaps it is there already)"
            return [(message, reason + unread) for message, reason in failed]
        return [(message, reason) for message, reason in failed if not self._holds(collection, message)]

    def _holds(self, collection: Collection, message: Message) -> bool:
        version = object_version(message)
        if not self._dealt.has_taken(version) and self._client.has(collection.url, *version):
            self._dealt.take([version])
        return self._dealt.has_taken(version)

    def _final_status(self, collection: Collection, status: Status) -> Status | ConnectorError:
        """Poll until the server has processed the envelope (section 4.3); the last status, or why there is none."""
        status_id, wait = status.id, _FIRST_POLL_SECONDS
        deadline = self._clock() + self._settings.status_timeout_seconds
        while status.pending and status_id is not None:
            left = deadline - self._clock()
            if left <= 0:
                break
            self._sleep(min(wait, left))
            wait = min(wait * 2, _SLOWEST_POLL_SECONDS)
            try:
                polled = self._client.status(collection.root_url, status_id)
            except ConnectorError as error:
                return error
            if polled is None:  # that it has forgotten the status says nothing, where the objects can be asked for
                return status if collection.can_read else status_resource.ACCEPTED
            status = polled
        return status

    def _outcome(self, collection: Collection, status: Status | ConnectorError, messages: Sequence[Message]) -> Outcome:
        if isinstance(status, ConnectorError) or status.pending or status.is_silent:
            return self._unfinished(collection, status, messages)
        verdict = status_resource.judge(status, messages)
        failed = self.real(collection, verdict.failed)
        if verdict.suspects and verdict.all_failed:
            left = self.missing(collection, verdict.suspects) if collection.can_read else verdict.suspects
            if left:
                error = Unavailable(
                    f"the server has accepted objects for the collection {collection.title!r} and reports that "
                    "they have failed, naming none; they are sent again"
                )
                return Outcome(failed, left, Trouble(COUNTED_AS_FAILED, NO_REASON, error))
            return Outcome(failed, in_spite_of=COUNTED_AS_FAILED)
        return Outcome(failed, verdict.suspects)

    def _unfinished(
        self, collection: Collection, status: Status | ConnectorError, messages: Sequence[Message]
    ) -> Outcome:
        """What became of an envelope that the server accepted, as far as the collection tells."""
        is_silent = isinstance(status, Status) and status.is_silent
        has_manifest = collection.can_read and self._look(collection, messages)
        if is_silent and not has_manifest:
            return Outcome()  # the acceptance is all there is to know
        self._unprocessed = (status.id if isinstance(status, Status) else None), messages
        left = self._missing(collection, messages) if collection.can_read else messages
        kind = "no status" if isinstance(status, ConnectorError) else "unprocessed"
        if not left:
            return Outcome(in_spite_of=kind)
        if isinstance(status, ConnectorError):
            return Outcome(suspects=left, trouble=Trouble(kind, str(status), status))
        seconds = self._settings.status_timeout_seconds
        words = "it says nothing of what became of them" if is_silent else f"it has not processed them in {seconds:g} s"
        error = Unavailable(
            f"the server has accepted objects for the collection {collection.title!r}, but {words}, and they are not "
            "there; they are sent again. If it is merely slow, raise status_timeout_seconds"
        )
        return Outcome(suspects=left, trouble=Trouble(kind, f"the server has accepted it, but {words}", error))


def enveloped(messages: Sequence[Message]) -> bytes:
    """The body of the request that brings these."""
    return HEAD + COMMA.join([message.body for message in messages]) + TAIL
