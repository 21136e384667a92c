"""Notifications from a topic of Kafka, which another instance of the connector fills (mapping `raw`).

Where it stands in each partition is the source's checkpoint, which the journal stores with the page: nothing is
committed to Kafka, and the consumer group is of no account.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from connector import notification
from connector.clients.kafka import KafkaSettings, Troubles, explained, found_topic, imported
from connector.model import ANEW, Gap, Json, LookUp, Misconfigured, Notification, Page, Subject, Unavailable, Unreadable
from connector.plugin import CONTRACT, SourceKind
from connector.settings.parts import SourceSettings
from connector.values import jsontext
from connector.values.display import excerpt

PAGE_NOTIFICATIONS = 500
PAGE_BYTES = 32 * 1024 * 1024
"""A page also ends when what it has read takes this much memory."""
_MILLISECONDS = 1000
_MOST_WAIT_FOR_MORE_MS = 50
"""A broker that has nothing more says so after this time: a page ends there, and half a second is Kafka's default."""
_LONGEST_EXCERPT = 500


class KafkaSourceSettings(KafkaSettings, SourceSettings):
    """A topic of a Kafka cluster that holds notifications, one a message, as JSON in VirusTotal's shape."""

    type: Literal["kafka"] = Field("kafka", description="The kind of source: a topic of Kafka.")
    poll_seconds: int = Field(
        5,
        ge=1,
        le=86400,
        description="How many seconds to wait before looking for new messages. Looking costs little, so few.",
    )

    def waits_for(self) -> str:
        """See `connector.settings.parts.SourceSettings`."""
        return f"kafka {self.bootstrap_servers}"


class KafkaSource:
    """A `connector.ports.Source`; for one thread."""

    def __init__(self, settings: KafkaSourceSettings) -> None:
        self._settings = settings

    def pages(self, checkpoint: Json | None) -> Iterator[Page]:
        """Yield what is new in all partitions; see `connector.ports.Source`.

        What Kafka has deleted before it was read is a gap, from the last that was read to the first there is.
        """
        consumer, troubles = self._opened()
        try:
            reading = _Reading(consumer, troubles, self._settings, _restored(checkpoint, self._settings.topic))
            yield from reading.pages()
        finally:
            consumer.close()

    def check(self) -> str:
        """Say how much there is to read; see `connector.ports.Source`."""
        consumer, troubles = self._opened()
        try:
            topic = found_topic(consumer, troubles, self._settings)
            return f"the topic {self._settings.topic} has {len(topic.partitions)} partitions"
        finally:
            consumer.close()

    def quota(self) -> None:
        """Kafka has none."""

    def look_up(self, subject: Subject) -> LookUp:
        """A topic says no more than the notifications in it."""
        raise Unavailable(f"a topic of Kafka cannot be asked about the {subject.type} {subject.id}")

    def close(self) -> None:
        """Hold nothing open between pages."""

    def _opened(self) -> tuple[Any, Troubles]:
        def make() -> Any:
            from confluent_kafka import Consumer, KafkaException  # noqa: PLC0415 -- an extra

            troubles = Troubles()
            options = {
                **self._settings.client(),
                "group.id": "iocstream-connector",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",  # what is not there any more is a gap, of which somebody is told
                "isolation.level": "read_committed",
                "queued.max.messages.kbytes": PAGE_BYTES // 1024,
                "fetch.wait.max.ms": _MOST_WAIT_FOR_MORE_MS,
                "error_cb": troubles.note,
            }
            try:
                return Consumer(options), troubles
            except KafkaException as error:
                raise explained(error.args[0], self._settings) from None

        made: tuple[Any, Troubles] = imported(make)
        return made


class _Reading:
    """One walk through what is new.

    Args:
        reached: of each partition, the offset to go on from and when the last message read was written (Unix seconds).
    """

    def __init__(
        self, consumer: Any, troubles: Troubles, settings: KafkaSourceSettings, reached: Mapping[int, tuple[int, int]]
    ) -> None:
        self._consumer = consumer
        self._troubles = troubles
        self._settings = settings
        self._reached = dict(reached)
        self._found: list[Notification] = []
        self._unreadable: list[Unreadable] = []
        self._gap: Gap | None = None
        self._bytes = 0

    def pages(self) -> Iterator[Page]:
        from confluent_kafka import TopicPartition  # noqa: PLC0415 -- an extra

        before = dict(self._reached)
        topic = found_topic(self._consumer, self._troubles, self._settings)
        partitions = sorted(topic.partitions)
        begins = {}
        skipped = set()
        for partition in partitions:
            first, end = self._watermarks(partition)
            at = self._reached.get(partition, (0, 0))[0]
            if at > end:  # a topic of the same name, made anew
                at = first
            if at < first:
                skipped.add(partition) if partition in self._reached else None
                at = first
            begins[partition] = at
        self._consumer.assign([TopicPartition(self._settings.topic, each, begins[each]) for each in partitions])
        ended: set[int] = set()
        while len(ended) < len(partitions):
            message = self._consumer.poll(self._settings.timeout_seconds)
            if message is None:
                raise self._trouble(f"no message and no end of the topic in {self._settings.timeout_seconds:g} s")
            if (error := message.error()) is not None:
                if error.name() == "_PARTITION_EOF":
                    ended.add(message.partition())
                    continue
                raise explained(error, self._settings)
            self._take(message, is_after_gap=message.partition() in skipped)
            skipped.discard(message.partition())
            if len(self._found) + len(self._unreadable) >= PAGE_NOTIFICATIONS or self._bytes >= PAGE_BYTES:
                yield self._page()
                before = dict(self._reached)
        if self._reached != before or self._found or self._unreadable:
            yield self._page()

    def _watermarks(self, partition: int) -> tuple[int, int]:
        from confluent_kafka import KafkaException, TopicPartition  # noqa: PLC0415 -- an extra

        try:
            at = TopicPartition(self._settings.topic, partition)
            found: tuple[int, int] = self._consumer.get_watermark_offsets(at, timeout=self._settings.timeout_seconds)
        except KafkaException as error:
            known = self._troubles.for_a_person or self._troubles.last
            raise explained(known or error.args[0], self._settings) from None
        return found

    def _trouble(self, text: str) -> Exception:
        error = self._troubles.for_a_person
        if error is not None:
            return explained(error, self._settings)
        return Unavailable(f"{self._settings.bootstrap_servers}, topic {self._settings.topic}: {text}")

    def _take(self, message: Any, *, is_after_gap: bool) -> None:
        partition, offset, value = message.partition(), message.offset(), message.value() or b""
        _, milliseconds = message.timestamp()
        written = max(0, milliseconds) // _MILLISECONDS
        if is_after_gap:
            since = self._reached[partition][1]
            start = min(since, self._gap.start) if self._gap else since
            self._gap = Gap(start, max(written, self._gap.end if self._gap else 0))
        place = f"{self._settings.topic}, partition {partition}, offset {offset}"
        try:
            body = jsontext.decode(value, jsontext.MAX_DECODED_BYTES)
            self._found.append(notification.read(body))
            self._bytes += jsontext.decoded_bytes(value)
        except (ValueError, TypeError) as error:
            reason = f"{place}: is no notification: {error}"
            self._unreadable.append(Unreadable(place, reason, written, excerpt=excerpt(value, _LONGEST_EXCERPT)))
        self._reached[partition] = offset + 1, written

    def _page(self) -> Page:
        checkpoint = _Checkpoint(topic=self._settings.topic, reached=dict(sorted(self._reached.items())))
        page = Page(self._found, checkpoint.model_dump(mode="json"), self._gap, unreadable=self._unreadable)
        self._found, self._unreadable, self._gap, self._bytes = [], [], None, 0
        return page


class _Checkpoint(BaseModel):
    """Where a walk ended: of each partition, the offset to go on from and when the last message was written."""

    model_config = ConfigDict(frozen=True)

    topic: str
    reached: dict[int, tuple[int, int]]


def _restored(checkpoint: Json | None, topic: str) -> Mapping[int, tuple[int, int]]:
    """Where an earlier walk ended; nowhere, in another topic or after the journal has lost it."""
    if checkpoint in (None, ANEW):
        return {}
    try:
        known = _Checkpoint.model_validate(checkpoint)
    except pydantic.ValidationError:
        raise Misconfigured(
            "what the journal has under this source's name is not from a source of type kafka: "
            "give the source a name that the journal does not know"
        ) from None
    return known.reached if known.topic == topic else {}


KIND = SourceKind(contract=CONTRACT, settings=KafkaSourceSettings, make=KafkaSource)
