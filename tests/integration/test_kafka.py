"""The sink and the source for Kafka against real brokers."""

import json
import random
import time
from contextlib import closing

import orjson
import pytest
from confluent_kafka import TopicPartition
from integration.command import iocstream_here
from peers.kafka import TOGETHER, USERS, cluster, needs_kafka, shared

from connector.model import Message, Misconfigured, Unavailable
from connector.simulator.notifications import notifications
from connector.sinks.kafka import KafkaSink, KafkaSinkSettings
from connector.sources.kafka import KafkaSource, KafkaSourceSettings

pytestmark = TOGETHER
TIME = 1_767_225_600


@pytest.fixture
def kafka():
    needs_kafka()
    return shared()


@pytest.fixture
def topic(kafka, request):
    return kafka.topic(f"t{abs(hash(request.node.name))}")


def message(number, **more):
    return Message(
        number, f"indicator--{number}", orjson.dumps({"n": number, **more}), TIME, "2026-01-01T00:00:00.000Z"
    )


def sink(kafka, topic, **options):
    options = {"bootstrap_servers": kafka.servers, "tls": False, "timeout_seconds": 10, **options}
    return closing(KafkaSink(KafkaSinkSettings(topic=topic, **options)))


def source(kafka, topic):
    return KafkaSource(
        KafkaSourceSettings(type="kafka", bootstrap_servers=kafka.servers, topic=topic, tls=False, timeout_seconds=10)
    )


def numbers(kafka, topic, **more):
    return [orjson.loads(value)["n"] for _, value, _ in kafka.messages(topic, **more)]


def test_messages_arrive_in_order_with_what_identifies_them(kafka, topic):
    with sink(kafka, topic) as to:
        assert to.send([message(n) for n in range(2000)]) == []
    found = kafka.messages(topic)
    assert [orjson.loads(value)["n"] for _, value, _ in found] == [*range(2000)]
    key, _, headers = found[7]
    assert key == b"indicator--7"
    assert headers == {"id": b"indicator--7", "time": b"1767225600", "version": b"2026-01-01T00:00:00.000Z"}


def test_messages_of_one_key_are_in_one_partition(kafka, request):
    topic = kafka.topic("keyed", partitions=4)
    with sink(kafka, topic, key="document.about") as to:
        to.send([message(n, about=f"d{n % 8}.example") for n in range(80)])
    found = [(key, orjson.loads(value)["n"]) for key, value, _ in kafka.messages(topic, partitions=4)]
    assert len(found) == 80
    for each in {key for key, _ in found}:
        of_key = [n for key, n in found if key == each]
        assert of_key == sorted(of_key)
        assert len(of_key) == 10


def test_a_message_that_is_too_large_is_refused_alone(kafka, topic):
    with sink(kafka, topic) as to:
        noise = random.Random(1).randbytes(400_000).hex()
        (refusal,) = to.send([message(1), message(2, noise=noise), message(3)])
    assert refusal.message.seq == 2
    assert "MSG_SIZE_TOO_LARGE" in refusal.reason
    assert numbers(kafka, topic) == [1, 3]


def test_a_topic_that_is_not_there_is_for_a_person(kafka):
    with sink(kafka, "nowhere") as to:
        for call in (lambda: to.send([message(1)]), to.check):
            with pytest.raises(Misconfigured, match=r"topic nowhere: there is no such topic"):
                call()


def test_a_login_is_checked_and_never_shown(kafka, topic):
    options = {"bootstrap_servers": kafka.sasl, "username": "connector"}
    with sink(kafka, topic, password=USERS["connector"], **options) as to:
        assert to.send([message(1)]) == []
        assert to.check() == f"the topic {topic} has 1 partitions"
    with sink(kafka, topic, password="wrong-password-0", **options) as to:
        for call in (lambda: to.send([message(2)]), to.check):
            with pytest.raises(Misconfigured, match="the login is refused") as caught:
                call()
            assert "wrong-password" not in str(caught.value) + repr(to) + repr(vars(to))
    assert numbers(kafka, topic) == [1]


def test_what_was_read_is_not_read_again_and_what_comes_later_is(kafka, topic):
    items = notifications(1300, seed=4)
    with sink(kafka, topic) as to:
        to.send([Message(n, str(n), orjson.dumps(item), TIME) for n, item in enumerate(items)])
        pages = [*source(kafka, topic).pages(None)]
        assert [len(page.notifications) for page in pages] == [500, 500, 300]
        assert [each.body for page in pages for each in page.notifications] == items
        checkpoint = json.loads(json.dumps(pages[1].checkpoint))
        assert [each.body for page in source(kafka, topic).pages(checkpoint) for each in page.notifications] == items[
            1000:
        ]
        checkpoint = pages[-1].checkpoint
        assert [*source(kafka, topic).pages(checkpoint)] == []
        to.send([Message(9, "9", b"no json", TIME), Message(10, "10", orjson.dumps(items[0]), TIME)])
        (page,) = source(kafka, topic).pages(checkpoint)
    assert [each.body for each in page.notifications] == items[:1]
    (unreadable,) = page.unreadable
    assert unreadable.id == f"{topic}, partition 0, offset 1300"
    assert unreadable.excerpt == "no json"


def test_what_kafka_deleted_before_it_was_read_is_a_gap(kafka, topic):
    items = notifications(20, seed=4)
    with sink(kafka, topic) as to:
        to.send([Message(n, str(n), orjson.dumps(item), TIME) for n, item in enumerate(items[:5])])
        (page,) = source(kafka, topic).pages(None)
        to.send([Message(n, str(n), orjson.dumps(item), TIME) for n, item in enumerate(items[5:])])
    (deleted,) = kafka.admin.delete_records([TopicPartition(topic, 0, 12)]).values()
    deleted.result(30)
    (rest,) = source(kafka, topic).pages(page.checkpoint)
    assert [each.body for each in rest.notifications] == items[12:]
    assert 0 <= rest.gap.end - rest.gap.start < 60
    assert page.gap is None


def test_one_fetcher_fills_a_topic_from_which_others_deliver(kafka, topic, tmp_path):
    items = notifications(150, seed=5)
    for name in ("fetcher", "site"):
        (tmp_path / name).mkdir()
    (tmp_path / "fetcher" / "in.jsonl").write_bytes(b"".join(orjson.dumps(item) + b"\n" for item in items))
    at = f"bootstrap_servers: {kafka.servers}\n      topic: {topic}\n      tls: false\n"
    (tmp_path / "fetcher" / "iocstream.yaml").write_text(
        "sources:\n  vt: {type: file, path: in.jsonl}\n"
        f"routes:\n  out:\n    mapping: raw\n    sink:\n      type: kafka\n      {at}"
    )
    (tmp_path / "site" / "iocstream.yaml").write_text(
        f"sources:\n  topic:\n      type: kafka\n      {at}"
        "routes:\n  out:\n    mapping: cef\n    sink: {type: file, path: events.log}\n"
    )
    done = iocstream_here("run", "--once", cwd=tmp_path / "fetcher")
    assert done.returncode == 0, done.stderr
    for _ in range(2):
        iocstream_here("run", "--once", cwd=tmp_path / "site")
    (tmp_path / "in.jsonl").write_bytes((tmp_path / "fetcher" / "in.jsonl").read_bytes())
    direct = iocstream_here("convert", "--mapping", "cef", "in.jsonl", cwd=tmp_path)
    assert (tmp_path / "site" / "events.log").read_text() == direct.stdout


def test_nothing_is_lost_while_the_broker_dies_and_comes_back(tmp_path):
    with cluster(tmp_path) as kafka:
        topic = kafka.topic("t")
        (broker,) = kafka.brokers
        with sink(kafka, topic, timeout_seconds=3) as to:
            sent = [message(n) for n in range(3000)]
            to.send(sent[:1000])
            broker.kill()
            with pytest.raises(Unavailable, match=r"did not report|Connect|refused|timed out|Disconnected|down"):
                to.send(sent[1000:2000])
            with pytest.raises(Unavailable):
                to.check()
            broker.start()
            kafka.wait()
            deadline = time.monotonic() + 60
            while True:
                try:
                    assert to.send(sent[1000:]) == []
                    break
                except Unavailable:
                    assert time.monotonic() < deadline
        assert sorted(set(numbers(kafka, topic))) == [*range(3000)]


def test_a_leader_that_is_gone_is_followed_by_another(tmp_path):
    with cluster(tmp_path, 3) as kafka:
        topic = kafka.topic("t", replicas=3, min_insync_replicas=2)
        with sink(kafka, topic, timeout_seconds=30) as to:
            to.send([message(n) for n in range(500)])
            leader = kafka.admin.list_topics(topic, timeout=10).topics[topic].partitions[0].leader
            kafka.brokers[leader].kill()
            assert to.send([message(n) for n in range(500, 1000)]) == []
        assert sorted(set(numbers(kafka, topic))) == [*range(1000)]
