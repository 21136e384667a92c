"""Our sources are held to their contract."""

import contextlib
import json
import time
from contextlib import contextmanager

import orjson
import pytest
from free_ports import reserve
from integration.simulated_virustotal import Clock, simulated
from integration.simulated_virustotal import source as virustotal_source
from peers import kafka as brokers

from connector.contract import SourceContract
from connector.kinds import SOURCES
from connector.model import Message, Misconfigured
from connector.simulator.api import Fault
from connector.sinks.kafka import KafkaSink, KafkaSinkSettings
from connector.sources.file.source import FileSource, FileSourceSettings
from connector.sources.kafka import KafkaSource, KafkaSourceSettings


class OurContract(SourceContract):
    def test_who_gives_a_source_the_checkpoint_of_another_is_told_what_to_do(self, feed):
        with pytest.raises(Misconfigured, match="give the source a name that the journal does not know"):
            list(feed.open().pages({"somebody": "else's"}))


class VirusTotalFeed:
    def __init__(self, api, url, clock):
        self.api, self.url, self.clock = api, url, clock

    def open(self):
        return virustotal_source(self.url)

    def add(self, bodies):
        self.clock.now += 1
        for body in bodies:
            body["context_attributes"]["notification_date"] = self.clock.now
        self.api.add(bodies)

    def fail(self):
        self.api.faults[:] = [Fault("/ioc_stream$", status=503, body=b"")]


class TestVirustotal(OurContract):
    @contextmanager
    def feeding(self, folder):
        clock = Clock()
        with simulated(clock=clock) as (api, url):
            yield VirusTotalFeed(api, url, clock)


def lines(bodies):
    return "".join(json.dumps(body) + "\n" for body in bodies)


class FileFeed:
    def __init__(self, folder):
        self.path = folder / "in.jsonl"
        self.path.touch()

    def open(self):
        return FileSource(FileSourceSettings(type="file", path=str(self.path)))

    def add(self, bodies):
        with self.path.open("a") as file:
            file.write(lines(bodies))

    def fail(self):  # nothing fails while a file is there; that a copy takes its place is the nearest to it
        copy = self.path.with_name("copy")
        copy.write_bytes(self.path.read_bytes())
        copy.replace(self.path)


class TestFile(OurContract):
    def feeding(self, folder):
        return contextlib.nullcontext(FileFeed(folder))


class FolderFeed:
    def __init__(self, folder):
        self.folder, self.count = folder, 0

    def open(self):
        return FileSource(FileSourceSettings(type="file", path=str(self.folder)))

    def add(self, bodies):
        (self.folder / f"{self.count:06}.jsonl").write_text(lines(bodies))
        self.count += 1

    def fail(self):
        (self.folder / "half.json").write_text("[\n")


class TestFolder(OurContract):
    def feeding(self, folder):
        return contextlib.nullcontext(FolderFeed(folder))


class KafkaFeed:
    def __init__(self, at, sink):
        self.at, self.sink, self.is_failing = at, sink, False

    def open(self):
        settings = KafkaSourceSettings(**self.at)
        if self.is_failing:
            self.is_failing = False
            # Shorter than may be set: nothing is there, and nothing is waited for.
            settings = settings.model_copy(
                update={"bootstrap_servers": f"127.0.0.1:{reserve()}", "timeout_seconds": 0.1}
            )
        return KafkaSource(settings)

    def add(self, bodies):
        now = int(time.time())
        self.sink.send([Message(n, str(n), orjson.dumps(body), now) for n, body in enumerate(bodies)])

    def fail(self):
        self.is_failing = True


@brokers.TOGETHER
class TestKafka(OurContract):
    @contextmanager
    def feeding(self, folder):
        brokers.needs_kafka()
        cluster = brokers.shared()
        topic = cluster.topic(f"feed-{folder.name}"[:200])
        at = {"bootstrap_servers": cluster.servers, "topic": topic, "tls": False, "timeout_seconds": 5}
        with contextlib.closing(KafkaSink(KafkaSinkSettings(**at))) as sink:
            yield KafkaFeed(at, sink)


def test_every_kind_of_source_is_held_to_the_contract():
    held = {name.removeprefix("Test").lower() for name in globals() if name.startswith("Test")}
    assert set(SOURCES) <= held
