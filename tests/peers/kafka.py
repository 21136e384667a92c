"""Apache Kafka brokers, as `make .peers/kafka/ready` fetched them: each a process with a log of its own on loopback."""

import atexit
import functools
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from free_ports import reserve

ROOT = Path(__file__).parents[2]
JARS = ROOT / ".peers" / "kafka" / "lib"
CLUSTER = "4L6g3nShT-eMCtK--X86sw"
USERS = {"connector": "kafka-password-0000", "contract": "hush-hush"}
TOGETHER = pytest.mark.xdist_group("kafka")
"""For tests of the shared cluster: in one worker, which needs to start one."""
_STARTING_SECONDS = 60


def needs_kafka():
    """Skips where the broker or Java is not."""
    if not (JARS.parent / "ready").exists():
        pytest.skip("there is no Kafka (make .peers/kafka/ready)")


class Broker:
    """One broker, or one of several that share a cluster."""

    def __init__(self, folder, number, ports, voters, options):
        self.number = number
        self.port = ports[0]
        self.folder = folder
        self.process = None
        lines = {
            "process.roles": "broker,controller",
            "node.id": number,
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://127.0.0.1:{ports[0]},CONTROLLER://127.0.0.1:{ports[1]}"
            + (f",SASL://127.0.0.1:{ports[2]}" if len(ports) > 2 else ""),
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{ports[0]}"
            + (f",SASL://127.0.0.1:{ports[2]}" if len(ports) > 2 else ""),
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": folder / "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "group.initial.rebalance.delay.ms": 0,
            "message.max.bytes": 100_000,
            **options,
        }
        if len(ports) > 2:
            lines |= {
                "sasl.enabled.mechanisms": "PLAIN",
                "listener.name.sasl.plain.sasl.jaas.config": (
                    "org.apache.kafka.common.security.plain.PlainLoginModule required "
                    + " ".join(f'user_{name}="{password}"' for name, password in USERS.items())
                    + ";"
                ),
            }
        folder.mkdir(parents=True, exist_ok=True)
        self.configuration = folder / "server.properties"
        self.configuration.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        self._java("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(self.configuration))

    def _command(self, *arguments):
        return ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{JARS}/*", *arguments]

    def _java(self, *arguments):
        subprocess.run(self._command(*arguments), check=True, capture_output=True, timeout=_STARTING_SECONDS)

    def start(self):
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command("kafka.Kafka", str(self.configuration)), stdout=log, stderr=log, cwd=self.folder
            )

    @contextmanager
    def frozen(self):
        """Alive, and silent."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()


class Cluster:
    """Brokers, and what a test asks of them from the side."""

    def __init__(self, brokers, sasl_port=None):
        self.brokers = brokers
        self.servers = ",".join(f"127.0.0.1:{broker.port}" for broker in brokers)
        self.sasl = f"127.0.0.1:{sasl_port}" if sasl_port else None

    def wait(self):
        deadline = time.monotonic() + _STARTING_SECONDS
        while True:
            try:
                found = self.admin.list_topics(timeout=2).brokers
                if len(found) == sum(broker.process.poll() is None for broker in self.brokers):
                    return
            except KafkaException:
                pass
            assert time.monotonic() < deadline, (self.brokers[0].folder / "log").read_text()[-3000:]
            time.sleep(0.2)

    @functools.cached_property
    def admin(self):
        """Kept: what it was asked ends with it."""
        return AdminClient({"bootstrap.servers": self.servers, "log_level": 0})

    def topic(self, name, partitions=1, replicas=1, **configuration):
        options = {key.replace("_", "."): str(value) for key, value in configuration.items()}
        wanted = NewTopic(name, partitions, replicas, config=options)
        for _ in range(10):
            (made,) = self.admin.create_topics([wanted]).values()
            try:
                made.result(30)
            except KafkaException as error:  # the connection over which the cluster was found gives way to others
                if error.args[0].name() == "TOPIC_ALREADY_EXISTS":
                    break
                if not error.args[0].name().startswith("_DESTROY"):
                    raise
            else:
                break
        deadline = time.monotonic() + _STARTING_SECONDS
        while (found := self.admin.list_topics(name, timeout=30).topics[name]).error or len(
            found.partitions
        ) < partitions:
            assert time.monotonic() < deadline, found.error  # that it was made is told before anybody can see it
            time.sleep(0.02)
        return name

    def messages(self, topic, partitions=1):
        """Everything in a topic, partition by partition: key, value, headers."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": "test", "log_level": 0})
        found = []
        try:
            for partition in range(partitions):
                at = TopicPartition(topic, partition, 0)
                _, end = consumer.get_watermark_offsets(at, timeout=30)
                consumer.assign([at])
                while len(found) < end or partition:
                    message = consumer.poll(5)
                    if message is None:
                        break
                    found.append((message.key(), message.value(), dict(message.headers() or ())))
                    if message.offset() + 1 >= end:
                        break
        finally:
            consumer.close()
        return found


@contextmanager
def cluster(folder, count=1, *, sasl=False, **options):
    """Start so many brokers that form one cluster; they end with the block."""
    needs_kafka()
    ports = [[reserve() for _ in range(3 if sasl else 2)] for _ in range(count)]
    voters = ",".join(f"{number}@127.0.0.1:{ports[number][1]}" for number in range(count))
    named = {key.replace("_", "."): value for key, value in options.items()}
    with ExitStack() as stack:
        brokers = [Broker(folder / str(number), number, ports[number], voters, named) for number in range(count)]
        for broker in brokers:
            stack.callback(broker.stop)
            broker.start()
        made = Cluster(brokers, ports[0][2] if sasl else None)
        made.wait()
        yield made


@functools.cache
def shared():
    """A cluster of one broker for all tests of this process, which ends with it."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return stack.enter_context(cluster(folder, sasl=True))
