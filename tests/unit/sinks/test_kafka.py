"""The sink for Kafka without a broker: its options, and what it does when librdkafka fails."""

import pydantic
import pytest
from confluent_kafka import KafkaError, KafkaException

from connector.clients.kafka import Troubles, explained
from connector.model import Message, Unavailable
from connector.sinks.kafka import KafkaSink, KafkaSinkSettings

OAUTH = {"token_url": "https://login.example/token", "client_id": "a", "client_secret": "client-secret-0000"}


def settings(**options):
    return KafkaSinkSettings(bootstrap_servers="broker.example:9093", topic="t", **options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"oauth": {**OAUTH, "send_as": "body"}}, "send_as is of no use here"),
        ({"oauth": {**OAUTH, "token_url": "http://login.example/token"}}, "use https://, or set allow_http: true"),
        ({"oauth": OAUTH, "username": "u", "password": "p"}, "give one login"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, sentence):
    with pytest.raises(pydantic.ValidationError) as caught:
        settings(**options)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("token_url", "options"),
    [("http://127.0.0.1:1/token", {}), ("http://login.example/token", {"allow_http": True})],
)
def test_a_token_is_asked_for_without_encryption_on_this_machine_or_where_that_is_allowed(token_url, options):
    assert settings(oauth={**OAUTH, "token_url": token_url}, **options).oauth.token_url == token_url


@pytest.mark.parametrize("secret", ["hush-hush/1", "https://hush.example/a"])
def test_what_librdkafka_and_brokers_say_is_shown_without_secrets_and_as_one_line(secret):
    error = KafkaError(KafkaError._FAIL, f"token\n for {secret}\x1b[2J {secret.upper()}: refused")
    known = settings(username="u", password=secret)
    for said in (str(explained(error, known)), str(explained(KafkaError(KafkaError._SSL, secret), known))):
        assert secret not in said.lower()
        assert said.isprintable()
        assert "***" in said


class Producer:
    """As librdkafka's, after a fatal error: it takes nothing any more."""

    def __init__(self, error):
        self.error = error
        self.taken = []
        self.reports = []

    def produce(self, topic, value, key, headers, on_delivery):
        if self.error is not None:
            raise KafkaException(KafkaError(self.error))
        self.taken.append(value)
        self.reports.append(on_delivery)

    def poll(self, seconds):
        while self.reports:
            self.reports.pop()(None, None)

    def purge(self):
        self.reports.clear()


@pytest.mark.parametrize("error", [KafkaError._FATAL, KafkaError._STATE])
def test_after_a_fatal_error_the_producer_is_made_anew(monkeypatch, error):
    made = [Producer(error), Producer(None)]
    sink = KafkaSink(settings())
    monkeypatch.setattr(sink, "_opened", lambda: (made[0], Troubles()))
    message = Message(1, "indicator--1", b"{}", 0)
    with pytest.raises(Unavailable):
        sink.send([message])
    made.pop(0)
    assert sink.send([message]) == []
    assert made[0].taken == [b"{}"]
