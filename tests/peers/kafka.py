"""Apache Kafka brokers, as `make .peers/kafka/ready` fetched them: each a process with a log of its own on loopback."""

import atexit
import functools
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import certificates
import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives import serialization
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


SECURED = {"SASL": "SASL_PLAINTEXT", "SASL_TLS": "SASL_SSL", "TLS": "SSL"}
"""Listeners with logins: SASL by PLAIN, SCRAM or OAUTHBEARER, with TLS or without; TLS with a client certificate."""


class Broker:
    """One broker, or one of several that share a cluster.

    Attributes:
        listening: the address of each listener for clients.
    """

    def __init__(self, folder, number, ports, *, voters, options, certificates=None):
        self.number = number
        self.port = ports[0]
        names = ("PLAINTEXT", *(SECURED if certificates else ()))
        self.listening = dict(zip(names, (f"127.0.0.1:{port}" for port in (ports[0], *ports[2:])), strict=True))
        addresses = ",".join(f"{name}://{address}" for name, address in self.listening.items())
        self.folder = folder
        self.process = None
        lines = {
            "process.roles": "broker,controller",
            "node.id": number,
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{addresses},CONTROLLER://127.0.0.1:{ports[1]}",
            "advertised.listeners": addresses,
            "listener.security.protocol.map": ",".join(
                f"{name}:{protocol}"
                for name, protocol in {"CONTROLLER": "PLAINTEXT", "PLAINTEXT": "PLAINTEXT", **SECURED}.items()
            ),
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": folder / "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "group.initial.rebalance.delay.ms": 0,
            "message.max.bytes": 100_000,
            **options,
        }
        folder.mkdir(parents=True, exist_ok=True)
        if certificates:
            lines |= _logins() | _tls(folder, certificates)
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


def _logins():
    """Who may log in by SASL; who may do what: all of them everything, but for topics with rules of their own."""
    modules = {
        "plain": "plain.PlainLoginModule required "
        + " ".join(f'user_{name}="{password}"' for name, password in USERS.items()),
        "scram-sha-256": "scram.ScramLoginModule required",
        "scram-sha-512": "scram.ScramLoginModule required",
        "oauthbearer": 'oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker"',
    }
    return {
        "sasl.enabled.mechanisms": ",".join(each.upper() for each in modules),
        **{
            f"listener.name.{listener}.{mechanism}.sasl.jaas.config": f"org.apache.kafka.common.security.{module};"
            for listener in ("sasl", "sasl_tls")
            for mechanism, module in modules.items()
        },
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "true",
    }


def _tls(folder, certificates):
    """The broker's certificate, in the form that Kafka reads; without SASL a client must have one, too."""
    key = serialization.load_pem_private_key(certificates.server_key.read_bytes(), None)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain = certificates.server.read_text().partition("-----BEGIN CERTIFICATE-----")
    (folder / "keystore.pem").write_text(f"{pem.decode()}{chain[1]}{chain[2]}")
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": folder / "keystore.pem",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": certificates.ca,
        "listener.name.tls.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/",
    }


class Cluster:
    """Brokers, and what a test asks of them from the side."""

    def __init__(self, brokers, certificates=None):
        self.brokers = brokers
        self.servers = ",".join(f"127.0.0.1:{broker.port}" for broker in brokers)
        self.certificates = certificates
        self.sasl, self.sasl_tls, self.tls = (brokers[0].listening.get(name) for name in SECURED)

    def know(self, user, password, mechanism):
        """Have a user by SCRAM."""
        info = ScramCredentialInfo(ScramMechanism[mechanism.replace("-", "_")], 4096)
        asked = [UserScramCredentialUpsertion(user, info, password.encode())]
        for made in self.admin.alter_user_scram_credentials(asked).values():
            made.result(30)

    def allow(self, user, topic, operation):
        """Have a rule for a topic; who has none there may do nothing with it."""
        whose, what = f"User:{user}", (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL)
        rule = AclBinding(*what, whose, "*", operation, AclPermissionType.ALLOW)
        for made in self.admin.create_acls([rule]).values():
            made.result(30)

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
def cluster(folder, count=1, *, secured=False, **options):
    """Start so many brokers that form one cluster; they end with the block."""
    needs_kafka()
    ports = [[reserve() for _ in range(2 + len(SECURED) * secured)] for _ in range(count)]
    folder.mkdir(parents=True, exist_ok=True)
    made_for_tls = certificates.make(folder) if secured else None
    voters = ",".join(f"{number}@127.0.0.1:{ports[number][1]}" for number in range(count))
    named = {key.replace("_", "."): value for key, value in options.items()}
    with ExitStack() as stack:
        brokers = [
            Broker(folder / str(number), number, ports[number], voters=voters, options=named, certificates=made_for_tls)
            for number in range(count)
        ]
        for broker in brokers:
            stack.callback(broker.stop)
            broker.start()
        made = Cluster(brokers, made_for_tls)
        made.wait()
        yield made


@functools.cache
def shared():
    """A cluster of one broker for all tests of this process, which ends with it."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return stack.enter_context(cluster(folder, secured=True))
