"""The HTTP sink against imitations of receivers of logs and records, over real sockets."""

import sys

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from peers.log_receivers import Datadog, DatadogStix, KafkaRest, SecOps
from unit.sinks.http_sinks import TIME, event

from connector.model import Message, Misconfigured, Unavailable
from connector.sinks.http.exchange import Exchange
from connector.sinks.http.sink import HttpSinkSettings

SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class TestDatadog:
    def sink(self, open_sink, receiver, key=Datadog.api_key):
        return open_sink(receiver, "datadog", api_key=key, api_key_header="DD-API-KEY")

    def test_logs_arrive_many_in_a_request_and_say_whose_they_are(self, open_sink):
        receiver = Datadog()
        assert self.sink(open_sink, receiver).send([event(n) for n in range(1500)]) == []
        assert [each["event"]["n"] for each in receiver.taken] == [*range(1500)]
        assert len(receiver.requests) == 2
        about = {"ddsource": "virustotal", "service": "virustotal-iocstream", "ddtags": "source:virustotal"}
        assert receiver.taken[0] == {"event": {"n": 0}, **about}

    def test_a_log_is_dated_by_its_arrival_however_old_it_is(self, open_sink):
        receiver = Datadog()
        old = Message(1, "n-1", b'{"@timestamp":"2020-01-01T00:00:00Z","message":"m"}', TIME)
        self.sink(open_sink, receiver).send([old])
        assert "@timestamp" not in receiver.taken[0]

    def test_a_log_that_spoils_its_request_is_refused_alone(self, open_sink):
        receiver = Datadog()
        receiver.refuse = ['"n":5}']
        (refusal,) = self.sink(open_sink, receiver).send([event(n) for n in range(8)])
        assert refusal.message == event(5)
        assert "Invalid payload" in refusal.reason
        assert [each["event"]["n"] for each in receiver.taken] == [0, 1, 2, 3, 4, 6, 7]

    def test_a_wrong_key_is_for_a_person(self, open_sink):
        with pytest.raises(Misconfigured, match="403"):
            self.sink(open_sink, Datadog(), key="wrong-key-0000").send([event(1)])


class TestKafkaRest:
    def sink(self, open_sink, receiver, topic="vt"):
        login = {"username": "producer", "password": "rest-password-0000"}
        return open_sink(receiver, "kafka-rest", options={"topic": topic}, **login)

    def test_records_have_the_key_that_the_sink_of_kafka_gives(self, open_sink):
        receiver = KafkaRest()
        sink = self.sink(open_sink, receiver)
        assert sink.check().endswith("takes messages")
        assert sink.send([event(1), event(2)]) == []
        assert receiver.taken == [{"key": f"notification-{n}", "value": {"event": {"n": n}}} for n in (1, 2)]

    def test_each_record_has_its_own_fate(self, open_sink):
        receiver = KafkaRest()
        receiver.largest, receiver.busy = 200, {"notification-4": 1}
        sink = self.sink(open_sink, receiver)
        messages = [event(0), event(1, text="x" * 300), *(event(n) for n in range(2, 6))]
        with pytest.raises(Unavailable, match="not the leader"):
            sink.send(messages)
        assert sink.dealt_with(messages) == 4
        (refusal,) = sink.send(messages)
        assert refusal.message == messages[1]
        assert refusal.reason.startswith("The message is 3")
        assert [orjson.loads(orjson.dumps(each["value"]))["event"]["n"] for each in receiver.taken] == [0, 2, 3, 5, 4]

    @pytest.mark.parametrize(
        ("topic", "readers_only", "words"),
        [("elsewhere", False, "Topic not found"), ("vt", True, "Not authorized to access topics")],
    )
    def test_a_topic_that_is_not_there_or_not_to_be_written_is_for_a_person(
        self, open_sink, topic, readers_only, words
    ):
        receiver = KafkaRest()
        receiver.readers_only = readers_only
        with pytest.raises(Misconfigured, match=words):
            self.sink(open_sink, receiver, topic).send([event(1), event(2)])
        assert receiver.taken == []

    def test_a_record_that_speaks_of_authorization_is_no_missing_right(self, open_sink):
        receiver = KafkaRest()
        error = {"error_code": 1, "error": "Cannot encode authorization.example"}
        receiver.answer_next(200, orjson.dumps({"offsets": [error]}), Content_Type="application/json")
        (refusal,) = self.sink(open_sink, receiver).send([event(1)])
        assert refusal.reason == error["error"]


class TestDatadogStix:
    def sink(self, open_sink, receiver, **more):
        login = {"api_key": DatadogStix.api_key, "api_key_header": "DD-API-KEY"}
        keys = {"DD-APPLICATION-KEY": DatadogStix.application_key}
        return open_sink(receiver, "datadog-stix", headers=keys, **login, **more)

    def indicator(self, number, pattern):
        indicator = {"type": "indicator", "id": f"indicator--{number}", "pattern": pattern}
        return Message(number, f"indicator--{number}", orjson.dumps(indicator), TIME)

    def test_what_it_takes_arrives_what_it_does_not_is_left_out_and_what_it_cannot_parse_is_refused(self, open_sink):
        receiver = DatadogStix()
        receiver.refuse = ["broken"]
        patterns = [
            *(f"[domain-name:value = '{n}.example']" for n in range(5)),
            "[url:value = 'https://a.example/']",
            "[domain-name:value = broken",
            "[ipv4-addr:value = '192.0.2.1']",
        ]
        messages = [self.indicator(n, pattern) for n, pattern in enumerate(patterns)]
        other = Message(9, "malware--9", b'{"type":"malware","id":"malware--9"}', TIME)
        (refusal,) = self.sink(open_sink, receiver).send([*messages, other])
        assert (refusal.message, refusal.reason) == (messages[6], "Datadog cannot parse its pattern")
        assert {each["id"] for each in receiver.taken} == {f"indicator--{n}" for n in (0, 1, 2, 3, 4, 7)}
        assert not any(b"malware--9" in body for *_, body in receiver.requests)

    def test_a_key_that_lacks_the_permission_is_for_a_person(self, open_sink):
        receiver = DatadogStix()
        receiver.application_key = "another"
        with pytest.raises(Misconfigured, match="reference_tables_write"):
            self.sink(open_sink, receiver).send([self.indicator(1, "a")])

    def test_the_feed_has_its_name_in_a_header(self):
        settings = HttpSinkSettings(to="datadog-stix", options={"vendor": "vt"})
        names = Exchange(settings, user_agent="a").names
        made = settings.compiled.requests.made([self.indicator(1, "a")], names, None)
        assert made.headers["ti_vendor"] == "vt"
        assert made.url == "https://api.datadoghq.com/api/v2/security/threat-intel/stix"


class TestGoogleSecOps:
    def sink(self, open_sink, receiver, log_type=SecOps.log_type, **login):
        options = {"project": "my-project", "region": "eu", "instance": SecOps.instance, "log_type": log_type}
        oauth = {
            "client_id": "client",
            "client_secret": SecOps.client_secret,
            "refresh_token": SecOps.refresh_token,
            **login,
        }
        return open_sink(receiver, "google-secops", options=options, oauth=oauth)

    def entity(self, number):
        about = {"entity_type": "FILE", "collected_timestamp": "2026-01-01T00:00:00Z", "product_entity_id": str(number)}
        return Message(number, f"n-{number}", orjson.dumps({"metadata": about, "entity": {"port": number}}), TIME)

    def test_the_entity_at_fault_is_found_in_a_request_that_is_refused_as_a_whole(self, open_sink):
        receiver = SecOps()
        receiver.refuse = ['"port":3}']
        (refusal,) = self.sink(open_sink, receiver).send([self.entity(n) for n in range(1, 7)])
        assert refusal.message == self.entity(3)
        assert refusal.reason == "generic::invalid_argument: entity is not valid"
        assert [each["entity"]["port"] for each in receiver.taken] == [1, 2, 4, 5, 6]
        assert len(receiver.given) == 1

    def test_a_token_that_is_no_longer_good_is_asked_for_by_the_same_refresh_token(self, open_sink):
        receiver = SecOps()
        sink = self.sink(open_sink, receiver)
        sink.send([self.entity(1)])
        receiver.given.append("another")
        sink.send([self.entity(2)])
        assert len(receiver.taken) == 2

    def test_a_refresh_token_that_is_not_good_is_for_a_person_and_is_not_shown(self, open_sink):
        sink = self.sink(open_sink, SecOps(), refresh_token="wrong-refresh-0000")
        with pytest.raises(Misconfigured, match=r"gives out no token .*invalid_grant") as caught:
            sink.send([self.entity(1)])
        assert "wrong-refresh" not in str(caught.value)

    def test_a_service_account_signs_what_it_asks_with(self, open_sink):
        receiver = SecOps()
        account = {"client_id": SecOps.account, "private_key": SecOps.private_key, "scope": SCOPE}
        by_key = {**account, "client_secret": None, "refresh_token": None}
        assert self.sink(open_sink, receiver, **by_key).send([self.entity(1)]) == []
        assert len(receiver.taken) == 1

        class Other(SecOps):
            _key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

        with pytest.raises(
            Misconfigured, match=r"Invalid JWT Signature\. *\)\. Check client_id, private_key"
        ) as caught:
            self.sink(open_sink, Other(), **by_key).send([self.entity(1)])
        for line in SecOps.private_key.splitlines()[1:-1]:
            assert line not in str(caught.value)

    @pytest.mark.parametrize("key", ["no key at all", SecOps.private_key[:900]])
    def test_what_is_no_key_is_for_a_person_and_is_not_shown(self, open_sink, key):
        by_key = {"client_secret": None, "refresh_token": None, "private_key": key}
        with pytest.raises(Misconfigured, match="is no private RSA key in PEM") as caught:
            self.sink(open_sink, SecOps(), **by_key).send([self.entity(1)])
        assert key[40:80] not in str(caught.value) or len(key) < 80

    def test_without_the_library_that_signs_it_says_what_to_install(self, open_sink, monkeypatch):
        monkeypatch.setitem(sys.modules, "jwt", None)
        by_key = {"client_secret": None, "refresh_token": None, "private_key": SecOps.private_key}
        with pytest.raises(Misconfigured, match=r"pip install 'iocstream-connector\[jwt\]'"):
            self.sink(open_sink, SecOps(), **by_key).send([self.entity(1)])

    def test_an_entity_whose_name_speaks_of_a_log_type_is_no_wrong_setting(self, open_sink):
        receiver = SecOps()
        message = "Invalid value at 'inline_source.entities[0].entity.hostname': \"logtype.example\""
        receiver.answer_next(400, orjson.dumps({"error": {"message": message}}), Content_Type="application/json")
        (refusal,) = self.sink(open_sink, receiver).send([self.entity(1)])
        assert refusal.reason == message

    def test_a_log_type_that_is_not_known_and_a_permission_that_lacks_are_for_a_person(self, open_sink):
        receiver = SecOps()
        with pytest.raises(Misconfigured, match="log_type OTHER is not valid"):
            self.sink(open_sink, receiver, log_type="OTHER").send([self.entity(1), self.entity(2)])
        receiver.may_import = False
        with pytest.raises(Misconfigured, match=r"chronicle\.entities\.import is needed"):
            self.sink(open_sink, receiver).send([self.entity(1)])
