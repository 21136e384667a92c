"""What a message costs that goes to an HTTP API or to Kafka, beside clients that send the same and do nothing else.

Seconds are those of this process, its threads and the kernel on its behalf; receivers are processes of their own.
"""

import gzip
import hashlib
import itertools
import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import orjson
import requests
from confluent_kafka import Producer
from measure import Row, taken

from connector import configuration, notification
from connector.model import Message
from connector.settings import producer as producers
from connector.simulator.notifications import notifications
from connector.sinks.http.settings import HttpSinkSettings
from connector.sinks.http.sink import HttpSink
from connector.sinks.kafka import KafkaSink, KafkaSinkSettings, producing
from connector.version import USER_AGENT

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
COUNT = 500
"""Messages in a batch: as many as a route deals with at once."""
BARE_LIMIT = 2.0
HTTP_LIMIT = 5_000
KAFKA_LIMIT = 20_000
TIME = 1_767_225_600

Send = Callable[[Sequence[Message]], object]


def http() -> list[Row]:
    """The HTTP sink, to imitations of `_bulk` and of Splunk's HTTP Event Collector."""
    from peers import http_receivers  # noqa: PLC0415 -- after the path is set

    Bulk, Hec = http_receivers.Bulk, http_receivers.Hec  # noqa: N806 -- classes
    rows = []
    with _served(Bulk) as url, requests.Session() as session:
        session.headers.update({"Authorization": f"ApiKey {Bulk.api_key}", "Content-Type": "application/x-ndjson"})
        options = {"to": "elasticsearch", "token": Bulk.api_key, "options": {"index": Bulk.index}}
        rows += _compared("_bulk", "ecs", _sink(url, options), lambda batch: _bulk(session, url, Bulk.index, batch))
    with _served(Hec) as url, requests.Session() as session:
        session.headers["Authorization"] = f"Splunk {Hec.token}"
        options = {"to": "splunk-hec", "token": Hec.token}
        rows += _compared("HEC", "splunk-hec", _sink(url, options), lambda batch: _hec(session, url, batch))
    return rows


def _sink(url: str, options: dict[str, object]) -> Send:
    sink = HttpSink(HttpSinkSettings.model_validate({"url": url, **options}), user_agent=USER_AGENT)
    return sink.send


def _bulk(session: requests.Session, url: str, index: str, batch: Sequence[Message]) -> None:
    lines = []
    for message in batch:
        digest = hashlib.sha256(message.body).hexdigest()
        lines += [orjson.dumps({"create": {"_index": index, "_id": digest}}), message.body]
    body = gzip.compress(b"\n".join([*lines, b""]), 1)
    answer = session.post(f"{url}/_bulk", body, headers={"Content-Encoding": "gzip"}, timeout=60)
    if orjson.loads(answer.content)["errors"]:
        raise SystemExit("the imitation refuses documents: nothing to measure")


def _hec(session: requests.Session, url: str, batch: Sequence[Message]) -> None:
    body = b"".join(message.body for message in batch)
    answer = session.post(f"{url}/services/collector/event", body, timeout=60)
    if orjson.loads(answer.content)["code"] != 0:
        raise SystemExit("the imitation refuses events: nothing to measure")


def kafka() -> list[Row]:
    """The sink for Kafka, to a broker on this machine."""
    from peers import kafka as brokers  # noqa: PLC0415 -- likewise

    if not (brokers.JARS.parent / "ready").exists():
        return [Row("Kafka: `make .peers/kafka/ready` installs a broker to measure with", "")]
    with tempfile.TemporaryDirectory() as folder, brokers.cluster(Path(folder)) as cluster:
        options = {"bootstrap_servers": cluster.servers, "topic": cluster.topic("t"), "tls": False}
        settings = KafkaSinkSettings.model_validate(options)
        with closing(KafkaSink(settings)) as sink:
            producer = Producer(producing(settings))
            bare = partial(_produce, producer, settings.topic)
            return _compared("Kafka", "ecs", sink.send, bare, KAFKA_LIMIT)


def _produce(producer: Producer, topic: str, batch: Sequence[Message]) -> None:
    reported = []
    for message in batch:
        headers: list[tuple[str, str | bytes | None]] = [
            ("id", message.id.encode()),
            ("time", str(message.time).encode()),
        ]
        key = message.id.encode()
        producer.produce(topic, message.body, key, headers=headers, on_delivery=lambda error, _: reported.append(error))
        producer.poll(0)
    producer.flush(60)
    if any(reported) or len(reported) != len(batch):
        raise SystemExit("the broker does not take messages: nothing to measure")


def _compared(name: str, mapping: str, send: Send, bare: Send, least: int = HTTP_LIMIT) -> list[Row]:
    given = _batches(mapping)
    size = sum(len(message.body) for message in next(given)) / COUNT
    times = taken({"sink": send, "bare": bare}, given.__next__)
    rate, ratio = COUNT / times.median("sink"), times.ratio("sink", "bare")
    return [
        Row(f"{name}: messages of {size:,.0f} bytes", f"{rate:,.0f} a CPU s", f"≥ {least:,}", rate >= least),
        Row("  CPU, as a multiple of a bare client", f"{ratio:.2f}", f"≤ {BARE_LIMIT:g}", ratio <= BARE_LIMIT),
    ]


def _batches(mapping: str) -> Iterator[list[Message]]:
    """Batches of messages as a mapping makes them, each message unlike all others."""
    compiled = configuration.load_mapping(mapping, producers.Producer())
    bodies = [
        compiled.format.encode(document)
        for item in notifications(2 * COUNT)
        for document in compiled.render(notification.view(notification.read(item))) or ()
    ]
    for start in itertools.count(0, COUNT):
        numbered = zip(range(start, start + COUNT), itertools.cycle(bodies), strict=False)
        yield [Message(n, str(n), b'{"n":%d,' % n + body[1:], TIME) for n, body in numbered]


@contextmanager
def _served(imitation: type) -> Iterator[str]:
    receive, send = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(imitation, send))
    process.start()
    try:
        yield receive.recv()
    finally:
        receive.send("enough")
        process.join()


def _serve(imitation: type, asked: Connection) -> None:
    from connector.simulator.wsgi_server import serving  # noqa: PLC0415 -- in the other process

    with serving(imitation()) as url:
        asked.send(url)
        asked.recv()
