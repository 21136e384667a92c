"""Messages to a topic of Kafka: delivered is what the brokers report as kept by all replicas in sync."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from pydantic import Field, field_validator

from connector.clients.kafka import KafkaSettings, Troubles, explained, found_topic, imported, outage, reason
from connector.mapping.language.json_types import ANY, STRING
from connector.mapping.template import Evaluated, NoValue, compile_expression
from connector.model import Json, JsonObject, Message, Misconfigured, Refusal, Unavailable
from connector.plugin import CONTRACT, SinkKind
from connector.settings.parts import SinkSettings
from connector.settings.yamldoc import YamlDocument
from connector.sinks.dealt import Dealt, itself
from connector.values import jsontext

OF_THE_MESSAGE = frozenset(("MSG_SIZE_TOO_LARGE", "INVALID_MSG", "INVALID_MSG_SIZE", "INVALID_RECORD"))
"""Errors for which a message is refused, by librdkafka's names for them."""
_POLL_SECONDS = 0.1
_KEY_SCOPE = {"document": ANY, "id": STRING}
_BATCH_BYTES = 64 * 1024
"""What goes to a broker together, unless one message is larger: far below what any broker takes, so that it is a
message by itself that is too large, and the order of the others stays."""
_LARGEST_MESSAGE = 100 * 1024 * 1024
"""Bytes, so that it is the brokers who say what is too large."""


def _compiled(key: str) -> Evaluated:
    return compile_expression(YamlDocument("key", key, {}), (), key, _KEY_SCOPE)


class KafkaSinkSettings(KafkaSettings, SinkSettings):
    """A topic of a Kafka cluster, to which messages are sent."""

    type: Literal["kafka"] = Field("kafka", description="The kind of sink: a topic of Kafka.")
    key: str | None = Field(
        None,
        description=(
            "JMESPath over `document`, the message if it is JSON, and `id`, that of the STIX object or the "
            "notification. Messages with the same key stay in order, and in one partition. Without it: `id`."
        ),
    )

    @field_validator("key")
    @classmethod
    def _is_expression(cls, key: str | None) -> str | None:
        try:
            if key is not None:
                _compiled(key)
        except Misconfigured as error:
            raise ValueError(str(error)) from None
        return key

    def receiver(self) -> str:
        """See `connector.settings.parts.SinkSettings`."""
        return f"kafka {self.bootstrap_servers} {self.topic}"

    def waits_for(self) -> str:
        """See `connector.settings.parts.SinkSettings`. The cluster, whatever the topic."""
        return f"kafka {self.bootstrap_servers}"


def producing(settings: KafkaSinkSettings) -> dict[str, Any]:
    """The options of librdkafka for a producer whose messages are there once, in order, at all replicas in sync."""
    return {
        **settings.client(),
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 5,
        "batch.size": _BATCH_BYTES,
        "compression.type": "zstd",
        "message.max.bytes": _LARGEST_MESSAGE,
        "delivery.timeout.ms": int(settings.timeout_seconds * 1000),
        "topic.metadata.propagation.max.ms": 5000,
    }


class _Reports:
    """What the brokers report of the messages of one call.

    Attributes:
        waiting: of how many messages nothing is known yet.
        errors: what went wrong, and is not the fault of a message.
        suspects: messages of which one is at fault, or all are, and the reason: brokers refuse what was sent together.
    """

    def __init__(self, settings: KafkaSinkSettings, dealt: Dealt[Message]) -> None:
        self._settings = settings
        self.waiting = 0
        self.errors: list[Any] = []
        self.suspects: dict[Message, str] = {}
        self._dealt = dealt

    def of(self, message: Message) -> Callable[[Any, Any], None]:
        """A function that librdkafka calls with what became of a message."""

        def report(error: Any, _: Any) -> None:
            self.waiting -= 1
            if error is None:
                self._dealt.take([message])
            elif error.name() in OF_THE_MESSAGE:
                self.suspects[message] = reason(error, self._settings)
            else:
                self.errors.append(error)

        return report


class KafkaSink:
    """A `connector.ports.Sink` that is `Resumable`; for one thread.

    The producer is idempotent (each message once, in order, as long as it lives), and asks for the acknowledgement of
    all replicas in sync. What it cannot tell after an outage is sent again.
    """

    def __init__(self, settings: KafkaSinkSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._troubles = Troubles()
        self._producer: Any = None
        self._dealt = Dealt(itself)
        self._key = None if settings.key is None else _compiled(settings.key)

    def __repr__(self) -> str:
        return f"KafkaSink({self._settings.receiver()!r})"

    def send(self, messages: Sequence[Message]) -> Sequence[Refusal]:
        """See `connector.ports.Sink`."""
        ordered = sorted(messages, key=lambda message: message.dependency_level)
        left = self._dealt.left(ordered)
        if left:
            self._deliver(left)
        return self._dealt.settled(ordered, keeps_others=not left)

    def dealt_with(self, messages: Sequence[Message]) -> int:
        """See `connector.ports.Resumable`."""
        return self._dealt.count(messages)

    def check(self) -> str:
        """See `connector.ports.Sink`."""
        producer, troubles = self._opened()
        try:
            topic = found_topic(producer, troubles, self._settings)
        finally:
            producer.purge()
        return f"the topic {self._settings.topic} has {len(topic.partitions)} partitions"

    def close(self) -> None:
        """See `connector.ports.Sink`."""
        if self._producer is not None:
            self._producer.purge()
            self._producer = None

    def _opened(self) -> tuple[Any, Troubles]:
        def make() -> Any:
            from confluent_kafka import KafkaException, Producer  # noqa: PLC0415 -- an extra

            troubles = Troubles()
            try:
                return Producer({**producing(self._settings), "error_cb": troubles.note}), troubles
            except KafkaException as error:
                raise explained(error.args[0], self._settings) from None

        made: tuple[Any, Troubles] = imported(make)
        return made

    def _deliver(self, messages: Sequence[Message]) -> None:
        """Send these, and wait for the report of each.

        Raises:
            Unavailable, Misconfigured: some are left.
        """
        if self._producer is None:
            self._producer, self._troubles = self._opened()
        self._troubles.forget()
        reports = self._reports(messages)
        if len(reports.suspects) == len(messages) == 1:
            self._dealt.refuse(messages[0], reports.suspects[messages[0]])
        for message in reports.suspects if len(messages) > 1 else ():
            if not reports.errors:
                self._deliver([message])
        self._raise_if_left(messages, reports)

    def _reports(self, messages: Sequence[Message]) -> "_Reports":
        """Hand over these, and wait for what the brokers report of each."""
        reports = _Reports(self._settings, self._dealt)
        deadline = self._clock() + self._settings.timeout_seconds
        for message in messages:
            if reports.errors or self._troubles.for_a_person is not None:
                break
            try:
                self._produce(message, self._key_of(message), reports)
            except NoValue as error:
                self._dealt.refuse(message, str(error))
            deadline = self._clock() + self._settings.timeout_seconds + 1
        while reports.waiting and self._troubles.for_a_person is None and self._clock() < deadline:
            self._producer.poll(_POLL_SECONDS)
        return reports

    def _produce(self, message: Message, key: bytes, reports: "_Reports") -> None:
        """Hand over a message, or refuse it at once."""
        from confluent_kafka import KafkaException  # noqa: PLC0415 -- an extra

        headers = {"id": message.id.encode(), "time": str(message.time).encode()}
        if message.version is not None:
            headers["version"] = message.version.encode()
        report = reports.of(message)
        while self._troubles.for_a_person is None:
            try:
                self._producer.produce(
                    self._settings.topic, value=message.body, key=key, headers=headers, on_delivery=report
                )
            except BufferError:  # as much is on its way as may be
                self._producer.poll(_POLL_SECONDS)
                continue
            except KafkaException as error:
                if error.args[0].name() not in OF_THE_MESSAGE:
                    self.close()  # after a fatal error it takes no message ever again
                    raise explained(error.args[0], self._settings) from None
                self._dealt.refuse(message, reason(error.args[0], self._settings))
                return
            reports.waiting += 1
            self._producer.poll(0)
            return

    def _raise_if_left(self, messages: Sequence[Message], reports: "_Reports") -> None:
        if all(message in self._dealt for message in messages):
            return
        error = self._troubles.for_a_person or next(iter(reports.errors), None)
        # What is still on its way may arrive, and will be sent again; its report is of no use any more.
        self.close()
        if error is None:
            last = self._troubles.last
            because = f": {outage(last, self._settings)}" if last is not None else ""
            raise Unavailable(
                f"{self._settings.bootstrap_servers} did not report within {self._settings.timeout_seconds:g} s what "
                f"became of {reports.waiting} messages{because}"
            )
        if error.name() == "_MSG_TIMED_OUT" and self._troubles.last is not None:
            error = self._troubles.last
        raise explained(error, self._settings)

    def _key_of(self, message: Message) -> bytes:
        if self._key is None:
            return message.id.encode()
        names: JsonObject = {"id": message.id, "document": _document(message.body)}
        found = self._key(names)
        return b"" if found is None else str(found).encode()


def _document(body: bytes) -> Json:
    try:
        return jsontext.decode(body)
    except ValueError:
        return None


KIND = SinkKind(contract=CONTRACT, settings=KafkaSinkSettings, make=lambda settings, _: KafkaSink(settings))
