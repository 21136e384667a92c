"""What every sink must do (`connector.ports.Sink`), whatever it sends to; and `Confirmation`, of those that have it."""

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import orjson
import pytest

from connector.model import Message, Refusal, Unavailable
from connector.ports import Confirmation, Sink

SECRET = "hush-hush"
"""The password of the sinks that the suite asks for."""
VERSION = "2026-01-01T00:00:00.000Z"


class Receiver(Protocol):
    """What the suite asks of the other side of a sink."""

    def sink(self) -> Sink:
        """A new sink that sends here, with SECRET as its password if it has one."""

    def received(self, count: int) -> Sequence[bytes]:
        """The bodies that arrived, in order, as soon as there are `count` of them (or clearly will not be)."""

    def outage(self) -> AbstractContextManager[None]:
        """Take nothing while the block lasts. None: no outage shows on this transport."""

    def refused(self) -> Message | None:
        """A message that is refused for good; None if nothing is ever refused."""


def message(name, dependency_level=1):
    document = {"type": "indicator", "id": f"indicator--{name}", "modified": VERSION, "name": "ünïcödé | = \\ ' \""}
    return Message(1, document["id"], orjson.dumps(document), 1_767_225_600, VERSION, dependency_level)


def send_until_it_shows(sink, messages):
    # A stream's first writes may land in a buffer before an outage shows.
    for _ in range(20):
        sink.send(messages)


def bodies(messages):
    return [each.body for each in messages]


class SinkContract:
    """What every sink must do; derive from it, and have `receiving` serve the other side."""

    def receiving(self, folder: Path) -> AbstractContextManager[Receiver]:
        """The other side of a new sink, for as long as the block lasts; `folder` is empty."""
        raise NotImplementedError

    @pytest.fixture
    def receiver(self, tmp_path):
        with self.receiving(tmp_path) as receiver:
            yield receiver

    @pytest.fixture
    def sink(self, receiver):
        with contextlib.closing(receiver.sink()) as sink:
            yield sink

    def test_everything_arrives_by_dependency_level_and_then_as_given(self, receiver, sink):
        messages = [message(n, dependency_level=2 - n % 3) for n in range(12)]
        assert list(sink.send(messages)) == []
        assert receiver.received(12) == bodies(sorted(messages, key=lambda each: each.dependency_level))

    def test_nothing_to_send_is_sent_without_a_word(self, receiver, confirming_sink):
        sink = confirming_sink
        with receiver.outage() or contextlib.nullcontext():
            assert list(sink.send([])) == []
        assert list(receiver.received(0)) == []

    def test_one_batch_after_another_goes_through_the_same_sink(self, receiver, sink):
        messages = [message(n) for n in range(6)]
        for each in messages:
            assert list(sink.send([each])) == []
        assert receiver.received(6) == bodies(messages)

    def test_what_an_outage_kept_back_arrives_when_the_same_batch_is_sent_again(self, receiver, sink):
        messages = [message(n) for n in range(6)]
        outage = receiver.outage()
        if outage is None:
            pytest.skip("no outage shows on this transport")
        sink.send(messages[:1])
        with outage:
            for _ in range(2):
                with pytest.raises(Unavailable):
                    send_until_it_shows(sink, messages)
        assert list(sink.send(messages)) == []
        assert set(bodies(messages)) <= set(receiver.received(7))

    def test_a_batch_sent_twice_is_not_refused(self, receiver, sink):
        messages = [message(n) for n in range(3)]
        assert list(sink.send(messages)) == []
        assert list(sink.send(messages)) == []
        assert set(receiver.received(3)) == set(bodies(messages))

    def test_a_refusal_is_returned_with_its_reason_and_the_others_arrive(self, receiver, sink):
        refused = receiver.refused()
        if refused is None:
            pytest.skip("this sink refuses nothing")
        others = [message(n) for n in range(4)]
        (refusal,) = sink.send([*others[:2], refused, *others[2:]])
        assert isinstance(refusal, Refusal)
        assert refusal.message == refused
        assert refusal.reason
        assert refusal.reason.isprintable()
        assert receiver.received(4) == bodies(others)

    def test_a_closed_sink_can_send_again(self, receiver, sink):
        messages = [message(n) for n in range(2)]
        sink.close()
        sink.send(messages[:1])
        sink.close()
        sink.close()
        sink.send(messages[1:])
        assert receiver.received(2) == bodies(messages)

    @pytest.fixture
    def confirming_sink(self, receiver, sink):
        if not isinstance(sink, Confirmation):
            pytest.skip("what this sink has sent is there")
        return sink

    def test_after_finishing_nothing_is_unconfirmed_and_more_can_be_sent(self, receiver, confirming_sink):
        sink, messages = confirming_sink, [message(n) for n in range(6)]
        for half in (messages[:3], messages[3:]):
            sink.send(half)
            assert 0 <= sink.unconfirmed() <= 3
            sink.finish()
            assert sink.unconfirmed() == 0
            sink.finish()
        assert receiver.received(6) == bodies(messages)

    def test_an_end_of_the_connection_leaves_nothing_unconfirmed_without_a_word(self, receiver, confirming_sink):
        sink = confirming_sink
        outage = receiver.outage()
        if outage is None:
            pytest.skip("no outage shows on this transport")
        sink.send([message(1)])
        was_unconfirmed = sink.unconfirmed()
        with outage:
            if was_unconfirmed:
                with pytest.raises(Unavailable):
                    sink.unconfirmed()
            assert sink.unconfirmed() == 0

    def test_a_check_says_one_sentence_and_leaves_nothing_behind(self, receiver, sink):
        messages = [message(n) for n in range(2)]
        sink.send(messages[:1])
        said = sink.check()
        assert said
        assert said.isprintable()
        sink.send(messages[1:])
        assert receiver.received(2) == bodies(messages)

    def test_a_check_during_an_outage_is_unavailable(self, receiver, sink):
        outage = receiver.outage()
        if outage is None:
            pytest.skip("no outage shows on this transport")
        with outage, pytest.raises(Unavailable):
            sink.check()

    def test_no_secret_shows_in_what_a_sink_says_of_itself(self, receiver, sink):
        sink.send([message(1)])
        said = [repr(sink), repr(vars(sink)) if hasattr(sink, "__dict__") else "", sink.check()]
        outage = receiver.outage()
        if outage is not None:
            with outage, pytest.raises(Unavailable) as caught:
                send_until_it_shows(sink, [message(1)])
            said.append(str(caught.value))
        assert SECRET not in "".join(said)
