"""Our sinks are held to their contract; a new one adds its receiver to `RECEIVERS`."""

import contextlib
import functools
import random
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, contextmanager

import certificates
import orjson
import pytest
from peers import kafka as brokers
from peers.http_receivers import Webhook

from connector.contract.sinks import SECRET, Receiver, SinkContract, message
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.kinds import SINKS
from connector.model import Message, Selection
from connector.ports import Confirmation
from connector.simulator.relp import RelpReceiver
from connector.simulator.syslog import SyslogReceiver
from connector.simulator.taxii import TaxiiReceiver
from connector.simulator.wsgi_server import serving
from connector.sinks.collection import CollectionSettings, CollectionSink
from connector.sinks.file.sink import FileSink, FileSinkSettings
from connector.sinks.http.sink import HttpSink, HttpSinkSettings
from connector.sinks.kafka import KafkaSink, KafkaSinkSettings
from connector.sinks.syslog.sink import SyslogSettings, SyslogSink
from connector.sinks.taxii.sink import TaxiiSettings, TaxiiSink


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
def http(tmp_path):
    class Http:
        def __init__(self, stack):
            self.receiver = Webhook(login=f"Bearer {SECRET}")
            self.receiver.refuse = ["indicator--refused"]
            self.serving = stack.enter_context(ExitStack())
            self.url = self.serving.enter_context(serving(self.receiver))

        def sink(self):
            return HttpSink(
                HttpSinkSettings(url=f"{self.url}/{SECRET}", token=SECRET, timeout_seconds=5),
                user_agent="iocstream-test/1",
            )

        def received(self, count):
            return [orjson.dumps(each) for each in self.receiver.taken]

        @contextmanager
        def outage(self):
            self.serving.close()
            yield
            self.serving.enter_context(serving(self.receiver, int(self.url.rsplit(":", 1)[1])))

        def refused(self):
            return message("refused")

    with ExitStack() as stack:
        yield Http(stack)


@contextmanager
def kafka(tmp_path):
    brokers.needs_kafka()
    cluster = brokers.shared()
    topic = cluster.topic(f"contract-{tmp_path.name}"[:200])

    class Kafka:
        def sink(self):
            return KafkaSink(
                KafkaSinkSettings(
                    bootstrap_servers=cluster.sasl,
                    topic=topic,
                    tls=False,
                    username="contract",
                    password=SECRET,
                    timeout_seconds=2,
                )
            )

        def received(self, count):
            return [value for _, value, _ in cluster.messages(topic)]

        def outage(self):
            return cluster.brokers[0].frozen()

        def refused(self):
            return message(random.Random(1).randbytes(100_000).hex())

    yield Kafka()


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
    "http": http,
    "kafka": kafka,
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


class TestSinks(SinkContract):
    @pytest.fixture(
        params=[pytest.param(name, marks=brokers.TOGETHER if name == "kafka" else ()) for name in RECEIVERS]
    )
    def receiver(self, request, tmp_path):
        with RECEIVERS[request.param](tmp_path) as receiver:
            yield receiver

    def test_syslog_alone_has_to_wait_for_what_it_has_sent(self, receiver, sink):
        assert isinstance(sink, Confirmation) == isinstance(sink, SyslogSink)


def test_every_kind_of_sink_is_held_to_the_contract():
    assert {name.partition("-")[0] for name in RECEIVERS} == set(SINKS)
