"""What every sink must do (`connector.ports.Sink`), whatever it sends to; and `Confirmation`, of those that have it.

A new sink adds its receiver to `RECEIVERS`: a context manager that yields an object with the methods of `Receiver`.
"""

import contextlib
import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol

import certificates
import orjson
import pytest

from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.kinds import SINKS
from connector.model import Message, Refusal, Selection, Unavailable
from connector.ports import Confirmation, Sink
from connector.simulator.relp import RelpReceiver
from connector.simulator.syslog import SyslogReceiver
from connector.simulator.taxii import TaxiiReceiver
from connector.simulator.wsgi_server import serving
from connector.sinks.collection import CollectionSettings, CollectionSink
from connector.sinks.file.sink import FileSink, FileSinkSettings
from connector.sinks.syslog.sink import SyslogSettings, SyslogSink
from connector.sinks.taxii.sink import TaxiiSettings, TaxiiSink

SECRET = "hush-hush"
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


@contextmanager
def taxii(tmp_path):
    class Taxii:
        def __init__(self, stack):
            self.receiver = TaxiiReceiver(username="pusher", password=SECRET, max_content_length=1000)
            self.receiver.refuse = {"indicator--refused"}
            self.serving = stack.enter_context(ExitStack())
            self.url = self.serving.enter_context(serving(self.receiver))

        def sink(self):
            settings = TaxiiSettings(
                collection_url=self.url + self.receiver.path, username="pusher", password=SECRET, timeout_seconds=5
            )
            return TaxiiSink(settings, user_agent="iocstream-test/1")

        def received(self, count):
            return [orjson.dumps(each) for each in self.receiver.objects()]

        @contextmanager
        def outage(self):
            self.serving.close()
            yield
            self.serving.enter_context(serving(self.receiver, int(self.url.rsplit(":", 1)[1])))

        def refused(self):
            return message("refused")

    with ExitStack() as stack:
        yield Taxii(stack)


@contextmanager
def syslog(tmp_path, *, transport, framing=None):
    class Syslog:
        def __init__(self, stack):
            self.options = {"framing": framing, "hostname": "vt-1", "tag": "vt"}
            tls = None
            if transport in ("tls", "relp-tls"):
                made = certificates.make(tmp_path)
                tls = made.server_context(ask_client=True)
                self.options |= {"ca_bundle": made.ca, "client_certificate": made.client}
            if transport in ("relp", "relp-tls"):
                self.receiver = RelpReceiver(tls=tls)
            else:
                self.receiver = SyslogReceiver("udp" if transport == "udp" else "tcp", tls=tls)
            self.listening = stack.enter_context(ExitStack())
            self.listening.enter_context(self.receiver)

        def sink(self):
            return SyslogSink(
                SyslogSettings(host="127.0.0.1", port=self.receiver.port, transport=transport, **self.options)
            )

        def received(self, count):
            self.receiver.wait_for(count, seconds=5)
            return [line.partition(b" vt-1 vt: ")[2] for line in self.receiver.lines()]

        def outage(self):
            # A closed port shows over UDP, but no probe can see it.
            return None if transport == "udp" else self.stopped()

        @contextmanager
        def stopped(self):
            self.listening.close()
            yield
            self.listening.enter_context(self.receiver)

        def refused(self):
            return message("long" * 2000)

    with ExitStack() as stack:
        yield Syslog(stack)


@contextmanager
def file(tmp_path, *, layout):
    class File:
        path = tmp_path / "folder" / "out"

        def sink(self):
            return FileSink(FileSinkSettings(path=str(self.path), layout=layout))

        def received(self, count):
            lines = self.path.read_bytes().splitlines() if self.path.exists() else []
            if layout == "stix-bundle" and lines:
                assert len(orjson.loads(self.path.read_bytes())["objects"]) == len(lines) - 2
                return [line.removesuffix(b",") for line in lines[1:-1]]
            return lines

        def outage(self):
            return None

        def refused(self):
            return None

    yield File()


@contextmanager
def collection(tmp_path):
    class Collection:
        def sink(self):
            return CollectionSink(CollectionSettings(name="iocs"), journal.collections)

        def received(self, count):
            return [each.body for each in journal.collections.objects("iocs", Selection(), 100, 100_000)[0]]

        def outage(self):
            return None

        def refused(self):
            return Message(1, "event", b"CEF:0|VirusTotal|", 1_767_225_600)

    with contextlib.closing(SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"))) as journal:
        yield Collection()


RECEIVERS: dict[str, Callable[..., AbstractContextManager[Receiver]]] = {
    "taxii": taxii,
    "syslog-udp": functools.partial(syslog, transport="udp"),
    "syslog-tcp": functools.partial(syslog, transport="tcp"),
    "syslog-tcp-octet": functools.partial(syslog, transport="tcp", framing="octet"),
    "syslog-tls": functools.partial(syslog, transport="tls"),
    "syslog-relp": functools.partial(syslog, transport="relp"),
    "syslog-relp-tls": functools.partial(syslog, transport="relp-tls"),
    "file-lines": functools.partial(file, layout="lines"),
    "file-stix-bundle": functools.partial(file, layout="stix-bundle"),
    "collection": collection,
}


@pytest.fixture(params=RECEIVERS)
def receiver(request, tmp_path):
    with RECEIVERS[request.param](tmp_path) as receiver:
        yield receiver


@pytest.fixture
def sink(receiver):
    with contextlib.closing(receiver.sink()) as sink:
        yield sink


def message(name, dependency_level=1):
    document = {"type": "indicator", "id": f"indicator--{name}", "modified": VERSION, "name": "ünïcödé | = \\ ' \""}
    return Message(1, document["id"], orjson.dumps(document), 1_767_225_600, VERSION, dependency_level)


def send_until_it_shows(sink, messages):
    # A stream's first writes may land in a buffer before an outage shows.
    for _ in range(20):
        sink.send(messages)


def bodies(messages):
    return [each.body for each in messages]


def test_everything_arrives_by_dependency_level_and_then_as_given(receiver, sink):
    messages = [message(n, dependency_level=2 - n % 3) for n in range(12)]
    assert list(sink.send(messages)) == []
    assert receiver.received(12) == bodies(sorted(messages, key=lambda each: each.dependency_level))


def test_nothing_to_send_is_sent_without_a_word(receiver, confirming_sink):
    sink = confirming_sink
    with receiver.outage() or contextlib.nullcontext():
        assert list(sink.send([])) == []
    assert list(receiver.received(0)) == []


def test_one_batch_after_another_goes_through_the_same_sink(receiver, sink):
    messages = [message(n) for n in range(6)]
    for each in messages:
        assert list(sink.send([each])) == []
    assert receiver.received(6) == bodies(messages)


def test_what_an_outage_kept_back_arrives_when_the_same_batch_is_sent_again(receiver, sink):
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


def test_a_batch_sent_twice_is_not_refused(receiver, sink):
    messages = [message(n) for n in range(3)]
    assert list(sink.send(messages)) == []
    assert list(sink.send(messages)) == []
    assert set(receiver.received(3)) == set(bodies(messages))


def test_a_refusal_is_returned_with_its_reason_and_the_others_arrive(receiver, sink):
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


def test_a_closed_sink_can_send_again(receiver, sink):
    messages = [message(n) for n in range(2)]
    sink.close()
    sink.send(messages[:1])
    sink.close()
    sink.close()
    sink.send(messages[1:])
    assert receiver.received(2) == bodies(messages)


@pytest.fixture
def confirming_sink(receiver, sink):
    if not isinstance(sink, Confirmation):
        pytest.skip("what this sink has sent is there")
    return sink


def test_syslog_alone_has_to_wait_for_what_it_has_sent(receiver, sink):
    assert isinstance(sink, Confirmation) == isinstance(sink, SyslogSink)


def test_after_finishing_nothing_is_unconfirmed_and_more_can_be_sent(receiver, confirming_sink):
    sink, messages = confirming_sink, [message(n) for n in range(6)]
    for half in (messages[:3], messages[3:]):
        sink.send(half)
        assert 0 <= sink.unconfirmed() <= 3
        sink.finish()
        assert sink.unconfirmed() == 0
        sink.finish()
    assert receiver.received(6) == bodies(messages)


def test_an_end_of_the_connection_leaves_nothing_unconfirmed_without_a_word(receiver, confirming_sink):
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


def test_a_check_says_one_sentence_and_leaves_nothing_behind(receiver, sink):
    messages = [message(n) for n in range(2)]
    sink.send(messages[:1])
    said = sink.check()
    assert said
    assert said.isprintable()
    sink.send(messages[1:])
    assert receiver.received(2) == bodies(messages)


def test_a_check_during_an_outage_is_unavailable(receiver, sink):
    outage = receiver.outage()
    if outage is None:
        pytest.skip("no outage shows on this transport")
    with outage, pytest.raises(Unavailable):
        sink.check()


def test_no_secret_shows_in_what_a_sink_says_of_itself(receiver, sink):
    sink.send([message(1)])
    said = [repr(sink), repr(vars(sink)) if hasattr(sink, "__dict__") else "", sink.check()]
    outage = receiver.outage()
    if outage is not None:
        with outage, pytest.raises(Unavailable) as caught:
            send_until_it_shows(sink, [message(1)])
        said.append(str(caught.value))
    assert SECRET not in "".join(said)


def test_every_kind_of_sink_is_held_to_the_contract():
    assert {name.partition("-")[0] for name in RECEIVERS} == set(SINKS)
