"""Every login for Kafka, TLS, and rights that are missing, against a real broker."""

import base64
import json
import re
import time
from contextlib import closing

import orjson
import pytest
from confluent_kafka.admin import AclOperation
from integration.command import iocstream_here
from peers.http_receivers import Imitation, json_answer
from peers.kafka import TOGETHER, USERS, needs_kafka, shared

from connector.model import Message, Misconfigured, Unavailable
from connector.simulator.notifications import notifications
from connector.simulator.wsgi_server import serving
from connector.sinks.kafka import KafkaSink, KafkaSinkSettings
from connector.sources.kafka import KafkaSource, KafkaSourceSettings

pytestmark = TOGETHER
TIME = 1_767_225_600
SCRAM_PASSWORD = "scram-password-0000"


@pytest.fixture(scope="module")
def kafka():
    needs_kafka()
    made = shared()
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
        made.know("scram", SCRAM_PASSWORD, mechanism)
    return made


@pytest.fixture
def topic(kafka, request):
    return kafka.topic(re.sub(r"[^A-Za-z0-9]+", "-", request.node.name))


def message(number, **more):
    return Message(number, f"n-{number}", orjson.dumps({"n": number, **more}), TIME)


def sink(servers, topic, **options):
    return closing(KafkaSink(KafkaSinkSettings(bootstrap_servers=servers, topic=topic, timeout_seconds=10, **options)))


def numbers(kafka, topic):
    return [orjson.loads(value)["n"] for _, value, _ in kafka.messages(topic)]


def refused(servers, topic, error=Misconfigured, **options):
    """What is said when it sends, and when it checks."""
    said = []
    with sink(servers, topic, **options) as to:
        for call in (lambda: to.send([message(1)]), to.check):
            with pytest.raises(error) as caught:
                call()
            said.append(str(caught.value))
    return said


class Tokens(Imitation):
    """Gives out tokens that a broker without a key believes: for whom it is asked, by Basic."""

    def answer(self, request, body):
        login = base64.b64decode(request.headers.get("Authorization", "Basic ").split()[1]).decode()
        if login != "oauth-client:oauth-secret-0000":
            return json_answer(401, {"error": "invalid_client"})
        claims = {"sub": "oauth-client", "iat": time.time(), "exp": time.time() + 300}
        parts = ({"alg": "none"}, claims)
        token = ".".join(base64.urlsafe_b64encode(orjson.dumps(part)).decode().rstrip("=") for part in parts)
        return json_answer(200, {"access_token": f"{token}.", "token_type": "Bearer", "expires_in": 300})


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize(
    ("mechanism", "login"),
    [
        ("PLAIN", ("connector", USERS["connector"])),
        ("SCRAM-SHA-256", ("scram", SCRAM_PASSWORD)),
        ("SCRAM-SHA-512", ("scram", SCRAM_PASSWORD)),
    ],
)
def test_a_login_by_each_mechanism(kafka, topic, mechanism, login, encrypted):
    user, password = login
    servers = kafka.sasl_tls if encrypted else kafka.sasl
    options = {"ca_bundle": kafka.certificates.ca} if encrypted else {"tls": False}
    with sink(servers, topic, sasl=mechanism, username=user, password=password, **options) as to:
        assert to.send([message(1)]) == []
        assert to.check() == f"the topic {topic} has 1 partitions"
    assert numbers(kafka, topic) == [1]
    for said in refused(servers, topic, sasl=mechanism, username=user, password="wrong-password", **options):
        assert "the login is refused" in said
        assert "Check sasl, username and password" in said
        assert "wrong-password" not in said


def test_a_login_by_oauth(kafka, topic):
    with serving(Tokens()) as url:
        oauth = {"token_url": f"{url}/token", "client_id": "oauth-client", "client_secret": "oauth-secret-0000"}
        with sink(kafka.sasl, topic, tls=False, oauth=oauth) as to:
            assert to.send([message(1)]) == []
        assert numbers(kafka, topic) == [1]
        for said in refused(kafka.sasl, topic, tls=False, oauth={**oauth, "client_secret": "wrong-secret-00"}):
            assert "oauth" in said
            assert "wrong-secret" not in said


def test_a_client_certificate(kafka, topic):
    made = kafka.certificates
    kafka.allow("sender.test", topic, AclOperation.WRITE)
    options = {"ca_bundle": made.ca, "client_certificate": made.client, "client_key": made.client_key}
    with sink(kafka.tls, topic, **options) as to:
        assert to.send([message(1)]) == []
    assert numbers(kafka, topic) == [1]
    other = {"client_certificate": made.not_permitted, "client_key": made.not_permitted_key}
    for said in refused(kafka.tls, topic, **{**options, **other}):
        assert "this login has not the right to" in said
    for said in refused(kafka.tls, topic, ca_bundle=made.ca):
        assert "set client_certificate" in said


def test_a_certificate_that_is_not_trusted_or_for_another_name_is_for_a_person(kafka, topic):
    options = {"username": "connector", "password": USERS["connector"]}
    for said in refused(kafka.sasl_tls, topic, **options):
        assert "TLS failed" in said
        assert "set ca_bundle" in said
    for said in refused(kafka.sasl_tls, topic, ca_bundle=kafka.certificates.other_ca, **options):
        assert "set ca_bundle" in said


def test_a_broker_that_hangs_up_names_the_option_that_may_be_wrong(kafka, topic):
    """It may as well be an outage, which is waited out."""
    login = {"username": "connector", "password": USERS["connector"]}
    for said in refused(kafka.servers, topic, Unavailable):
        assert "set tls: false" in said
    for said in refused(kafka.tls, topic, Unavailable, tls=False):
        assert "set tls: true" in said
    for said in refused(kafka.sasl_tls, topic, Unavailable, tls=False, **login):
        assert "set tls: true" in said
    for said in refused(kafka.sasl, topic, Unavailable, tls=False):
        assert "if it wants a login, set username and password, or oauth" in said
    for said in refused(kafka.servers, topic, tls=False, **login):
        assert "the login is refused" in said


def test_a_right_that_is_missing_blocks_its_route_alone(kafka, topic, tmp_path):
    kafka.allow("connector", topic, AclOperation.WRITE)
    denied = kafka.topic(f"{topic}-denied")
    kafka.allow("contract", denied, AclOperation.WRITE)
    items = notifications(40, seed=5)
    (tmp_path / "in.jsonl").write_bytes(b"".join(orjson.dumps(item) + b"\n" for item in items))
    at = f"type: kafka, bootstrap_servers: '{kafka.sasl}', tls: false, username: connector, password: '${{PASSWORD}}'"
    (tmp_path / "iocstream.yaml").write_text(
        "sources: {in: {type: file, path: in.jsonl}}\nroutes:\n"
        f"  may: {{mapping: raw, sink: {{{at}, topic: {topic}}}}}\n"
        f"  may-not: {{mapping: raw, sink: {{{at}, topic: {denied}}}}}\n"
        "  file: {mapping: raw, sink: {type: file, path: out.jsonl}}\n"
    )
    secrets = {"PASSWORD": USERS["connector"]}
    checked = iocstream_here("check", cwd=tmp_path, env=secrets)
    assert checked.returncode == 1
    assert f"topic {denied}: this login has not the right to" in checked.stdout
    done = iocstream_here("run", "--once", "--json", cwd=tmp_path, env=secrets)
    assert done.returncode == 2
    parts = {part["name"]: part for part in json.loads(done.stdout)}
    assert parts["may"]["state"] == parts["file"]["state"] == "done"
    assert parts["may-not"]["state"] == "blocked"
    assert f"topic {denied}: this login has not the right to" in parts["may-not"]["message"]
    assert len(kafka.messages(topic)) == 40
    kafka.allow("connector", denied, AclOperation.WRITE)
    done = iocstream_here("run", "--once", "--json", cwd=tmp_path, env=secrets)
    assert done.returncode == 0, done.stderr
    assert len(kafka.messages(denied)) == 40
    assert len(kafka.messages(topic)) == 40


def test_a_source_says_which_right_it_lacks(kafka, topic):
    kafka.allow("contract", topic, AclOperation.READ)
    settings = KafkaSourceSettings(
        type="kafka",
        bootstrap_servers=kafka.sasl,
        topic=topic,
        tls=False,
        username="connector",
        password=USERS["connector"],
        timeout_seconds=10,
    )
    for call in (KafkaSource(settings).check, lambda: [*KafkaSource(settings).pages(None)]):
        with pytest.raises(Misconfigured, match="this login has not the right to"):
            call()
    kafka.allow("connector", topic, AclOperation.READ)
    assert [*KafkaSource(settings).pages(None)] == []


def test_a_login_that_may_see_a_topic_and_not_write_to_it(kafka, topic):
    kafka.allow("connector", topic, AclOperation.DESCRIBE)
    with sink(kafka.sasl, topic, tls=False, username="connector", password=USERS["connector"]) as to:
        with pytest.raises(Misconfigured, match="this login has not the right to"):
            to.send([message(n) for n in range(100)])
        kafka.allow("connector", topic, AclOperation.WRITE)
        deadline = time.monotonic() + 30
        while True:
            try:
                assert to.send([message(n) for n in range(100)]) == []
                break
            except Misconfigured:
                assert time.monotonic() < deadline
    assert sorted(set(numbers(kafka, topic))) == [*range(100)]
