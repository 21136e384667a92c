"""The HTTP sink against imitations of the receivers whose files come with the product, over real sockets."""

import itertools

import orjson
import pytest
from peers.http_receivers import Bulk, Hec, Sentinel, Webhook, json_answer
from unit.sinks.http_sinks import TIME, Sleeper, event

from connector.model import BUSY, Message, Misconfigured, Unavailable

LOGIN = {"client_id": "app", "client_secret": "client-secret-0000", "scope": "https://management.azure.com/.default"}


def stix(number, kind="indicator", level=1):
    version = "2026-01-01T00:00:00.000Z"
    body = {"type": kind, "id": f"{kind}--{number}", "modified": version}
    return Message(number, body["id"], orjson.dumps(body), TIME, version, level)


def numbers(receiver):
    return [each["event"]["n"] for each in receiver.taken]


def sent_to(receiver):
    """The bodies of the requests that brought messages."""
    return [body for method, path, _, body in receiver.requests if method == "POST" and not path.endswith("/ack")]


class TestWebhook:
    def test_a_body_is_signed_and_a_repeat_can_be_known(self, open_sink):
        receiver = Webhook(key=b"signing-key-0000")
        sink = open_sink(receiver, "webhook", signing_key="signing-key-0000")
        assert sink.send([event(1), event(2)]) == []
        assert sink.send([event(1)]) == []
        assert numbers(receiver) == [1, 2, 1]
        keys = [headers["Idempotency-Key"] for _, _, headers, _ in receiver.requests]
        assert keys[0] == keys[2] != keys[1]

    def test_what_is_signed_is_the_body_as_it_arrives(self, open_sink, tmp_path):
        file = tmp_path / "mine.yaml"
        file.write_text(
            "description: mine\n"
            "request: {url: '${{ url }}', framing: one, gzip: true,"
            " signature: {header: X-Hub-Signature-256, prefix: sha256=}}\n"
            "answers:\n- {when: status == `202`, then: delivered}\n"
        )
        receiver = Webhook(key=b"signing-key-0000")
        assert open_sink(receiver, str(file), signing_key="signing-key-0000").send([event(1)]) == []
        assert numbers(receiver) == [1]
        assert receiver.requests[0][2]["Content-Encoding"] == "gzip"

    def test_no_value_leads_to_another_address(self, open_sink, tmp_path):
        file = tmp_path / "mine.yaml"
        file.write_text(
            "description: mine\n"
            "request: {url: '${{ url }}/queues/${{ document.event.n }}/t', framing: one}\n"
            "answers:\n- {when: status == `202`, then: delivered}\n"
        )
        receiver = Webhook()
        sink = open_sink(receiver, str(file))
        values = ["a/b", "x?y=1#z", "%2e%2e/x", "..", "a/../../admin", "ü &\r\n", 7]
        refused = sink.send([event(value) for value in values])
        assert ["would lead to another address" in each.reason for each in refused] == [True, True]
        assert [path for _, path, _, _ in receiver.requests] == [
            f"/queues/{value}/t" for value in ("a/b", "x?y=1#z", "%2e%2e/x", "ü &\r\n", "7")
        ]

    def test_a_batch_that_had_to_stop_goes_on_where_it_stopped(self, open_sink):
        receiver = Webhook()
        sink = open_sink(receiver, "webhook")
        messages = [event(n) for n in range(6)]
        receiver.refuse = ['"n":1}']
        sink.send([event(9)])
        receiver.busy_after = 3
        with pytest.raises(Unavailable) as caught:
            sink.send(messages)
        assert caught.value.retry_after == 7
        assert sink.dealt_with(messages) == 3
        assert [refusal.message for refusal in sink.send(messages[:3])] == [messages[1]]
        assert sink.send(messages[3:]) == []
        assert numbers(receiver) == [9, 0, 2, 3, 4, 5]

    def test_a_message_that_makes_the_receiver_fail_each_time_is_refused_once_another_is_taken(self, open_sink):
        receiver = Webhook()
        receiver.break_at = ['"n":0}']
        sink = open_sink(receiver, "webhook")
        messages = [event(n) for n in range(3)]
        for _ in range(2):
            with pytest.raises(Unavailable):
                sink.send(messages)
        (refusal,) = sink.send(messages)
        assert refusal.message == messages[0]
        assert refusal.reason.endswith("it answered 500 oops")
        assert numbers(receiver) == [1, 2]

    def test_an_outage_is_never_taken_for_a_message_at_fault(self, open_sink):
        receiver = Webhook()
        receiver.break_at = ["event"]
        sink = open_sink(receiver, "webhook")
        for _ in range(8):
            with pytest.raises(Unavailable, match="it answered 500 oops"):
                sink.send([event(n) for n in range(3)])
        receiver.break_at = []
        assert sink.send([event(n) for n in range(3)]) == []

    def test_a_success_that_the_file_does_not_know_is_for_a_person(self, open_sink, tmp_path):
        file = tmp_path / "mine.yaml"
        file.write_text(
            "description: mine\nrequest: {url: '${{ url }}', framing: one}\n"
            "answers:\n- {when: 'body.stored', then: delivered}\n"
        )
        receiver = Webhook()
        sink = open_sink(receiver, str(file))
        with pytest.raises(Misconfigured, match=r"it answered 202, and .*mine.yaml does not say what that means"):
            sink.send([event(1)])

    def test_a_redirect_names_where_to_and_is_not_followed(self, open_sink):
        receiver = Webhook()
        receiver.answer_next(301, Location="https://elsewhere.example/")
        with pytest.raises(Misconfigured, match=r"https://elsewhere\.example/"):
            open_sink(receiver, "webhook").send([event(1)])
        assert receiver.taken == []

    def test_no_more_requests_are_sent_in_a_minute_than_may_be(self, open_sink):
        sleeper = Sleeper()
        sink = open_sink(Webhook(), "webhook", sleeper, requests_a_minute=30)
        sink.send([event(n) for n in range(4)])
        assert sleeper.slept == [2, 2, 2]

    def test_what_a_receiver_repeats_of_our_secrets_is_hidden(self, open_sink):
        receiver = Webhook()
        receiver.answer_next(400, b"bad header: Bearer token-0000 and other-0000", times=2)
        sink = open_sink(receiver, "webhook", token="token-0000", headers={"X-Other": "other-0000"})
        (refusal,) = sink.send([event(1)])
        assert refusal.reason == "it answered 400 bad header: *** and ***"


class TestSplunk:
    def test_events_arrive_many_in_a_request(self, open_sink):
        receiver = Hec()
        sink = open_sink(receiver, "splunk-hec", token=Hec.token)
        assert sink.send([event(n) for n in range(1200)]) == []
        assert numbers(receiver) == [*range(1200)]
        assert len(receiver.requests) == 3

    @pytest.mark.parametrize("acknowledges", [False, True])
    def test_the_event_at_fault_is_refused_alone(self, open_sink, acknowledges):
        receiver = Hec(acknowledges=acknowledges)
        sink = open_sink(receiver, "splunk-hec-acknowledged" if acknowledges else "splunk-hec", token=Hec.token)
        blank = Message(7, "notification-7", b'{"event":""}', TIME)
        messages = [*(event(n) for n in range(3)), blank, event(4), Message(8, "n-8", b'{"foo":1}', TIME), event(5)]
        refusals = sink.send(messages)
        assert [(each.message.seq, each.reason) for each in refusals] == [
            (7, "Event field cannot be blank"),
            (8, "Event field is required"),
        ]
        assert set(numbers(receiver)) == {0, 1, 2, 4, 5}
        assert acknowledges or numbers(receiver) == [0, 1, 2, 4, 5]

    def test_with_acknowledgement_nothing_is_delivered_before_it_is_indexed(self, open_sink):
        receiver = Hec(acknowledges=True)
        receiver.polls_before = 3
        sleeper = Sleeper()
        sink = open_sink(receiver, "splunk-hec-acknowledged", sleeper, token=Hec.token)
        assert sink.send([event(n) for n in range(1100)]) == []
        assert numbers(receiver) == [*range(1100)]
        assert len(sleeper.slept) == 3

    def test_what_was_accepted_is_not_sent_again_when_what_comes_after_has_to_wait(self, open_sink):
        receiver = Hec(acknowledges=True)
        sink = open_sink(receiver, "splunk-hec-acknowledged", token=Hec.token)
        messages = [event(n) for n in range(1100)]
        sink.send(messages[:1])
        receiver.answer_next(503, b"down for maintenance", after=2)
        with pytest.raises(Unavailable, match="503"):
            sink.send(messages)
        assert sink.send(messages) == []
        assert numbers(receiver) == [0, *range(1100)]

    def test_what_was_accepted_is_delivered_when_what_comes_after_is_for_a_person(self, open_sink):
        receiver = Hec(acknowledges=True)
        sink = open_sink(receiver, "splunk-hec-acknowledged", token=Hec.token)
        messages = [event(n) for n in range(501)]
        receiver.answer_next(400, b'{"text":"Incorrect index","code":7}', after=1, times=9)
        for _ in range(3):
            with pytest.raises(Misconfigured, match="Incorrect index"):
                sink.send(messages)
            assert sink.dealt_with(messages) == 500
        assert numbers(receiver) == [*range(500)]

    def test_what_has_an_index_of_its_own_that_is_not_there_holds_up_nothing(self, open_sink):
        receiver = Hec()
        messages = [event(n) for n in range(5)]
        messages[2] = Message(2, "n-2", b'{"event":"x","index":"elsewhere"}', TIME)
        (refusal,) = open_sink(receiver, "splunk-hec", token=Hec.token).send(messages)
        assert refusal.message == messages[2]
        assert sorted({*numbers(receiver)}) == [0, 1, 3, 4]

    def test_an_id_that_comes_again_confirms_only_the_request_that_it_came_for_last(self, open_sink):
        receiver = Hec(acknowledges=True)
        receiver._ids = itertools.repeat(0)
        sink = open_sink(receiver, "splunk-hec-acknowledged", token=Hec.token, max_batch_messages=1)
        messages = [event(n) for n in range(2)]
        with pytest.raises(Unavailable, match="sent again"):
            sink.send(messages)
        assert sink.dealt_with(messages) == 0
        assert sink.send(messages) == []
        assert numbers(receiver) == [1, 0]

    def test_where_nobody_can_be_asked_what_is_kept_a_person_is_and_nothing_is_sent_again(self, open_sink):
        class Forgetful(Hec):
            def _acks(self, channel, question):
                return json_answer(404, {"text": "not found"})

        receiver = Forgetful(acknowledges=True)
        sink = open_sink(receiver, "splunk-hec-acknowledged", token=Hec.token)
        for _ in range(3):
            with pytest.raises(Misconfigured, match=r"404.*when asked whether it keeps what it accepted"):
                sink.send([event(1)])
        assert sum(path == "/services/collector/event" for _, path, _, _ in receiver.requests) == 1

    def test_what_is_never_indexed_is_sent_again(self, open_sink):
        receiver = Hec(acknowledges=True)
        receiver.indexes = False
        sink = open_sink(receiver, "splunk-hec-acknowledged", token=Hec.token)
        messages = [event(1)]
        with pytest.raises(Unavailable, match="has not said in 120 s that it keeps them"):
            sink.send(messages)
        assert sink.dealt_with(messages) == 0
        receiver.indexes = True
        assert sink.send(messages) == []
        assert numbers(receiver) == [1]

    def test_while_nothing_is_ever_indexed_one_event_is_sent_again_and_a_person_is_told(self, open_sink):
        receiver = Hec(acknowledges=True)
        receiver.indexes = False
        sink = open_sink(receiver, "splunk-hec-acknowledged", token=Hec.token)
        messages = [event(n) for n in range(500)]
        for wait in (60, 120):
            with pytest.raises(Unavailable, match="has not said") as caught:
                sink.send(messages)
            assert caught.value.retry_after == wait
        for _ in range(3):
            with pytest.raises(Misconfigured, match="See there whether it confirms what it takes"):
                sink.send(messages)
        assert [body.count(b'"n":') for body in sent_to(receiver)] == [500, 1, 1, 1, 1]
        receiver.indexes = True
        assert sink.send(messages) == []
        assert numbers(receiver) == [*range(500)]
        receiver.indexes = False
        with pytest.raises(Unavailable):
            sink.send([event(501)])

    def test_without_acknowledgement_no_batch_is_sent_again(self, open_sink):
        receiver = Hec()
        sink = open_sink(receiver, "splunk-hec-acknowledged", token=Hec.token)
        messages = [event(n) for n in range(500)]
        for _ in range(4):
            with pytest.raises(Misconfigured, match="switch indexer acknowledgement on"):
                sink.send(messages)
        first, *others = [body.count(b'"n":') for body in sent_to(receiver)]
        assert first == 500
        assert set(others) == {1}
        assert len(others) <= 15
        receiver.acknowledges = True
        assert sink.send(messages) == []

    @pytest.mark.parametrize(
        ("token", "body", "words"),
        [
            ("wrong-token-0", {"n": 1}, "403.*Invalid token"),
            (Hec.token, {"n": 1, "index": "elsewhere"}, "Incorrect index"),
        ],
    )
    def test_what_is_of_the_token_is_for_a_person(self, open_sink, token, body, words):
        receiver = Hec()
        sink = open_sink(receiver, "splunk-hec", token=token)
        with pytest.raises(Misconfigured, match=words):
            sink.send([Message(1, "n", orjson.dumps({"event": body, **body}), TIME)])
        assert receiver.taken == []

    def test_without_acknowledgement_the_receiver_that_waits_for_it_says_what_to_do(self, open_sink):
        sink = open_sink(Hec(), "splunk-hec-acknowledged", token=Hec.token)
        with pytest.raises(Misconfigured, match="switch indexer acknowledgement on"):
            sink.send([event(1)])

    def test_the_probe_leaves_nothing_behind(self, open_sink):
        receiver = Hec()
        assert open_sink(receiver, "splunk-hec", token=Hec.token).check().endswith("takes messages")
        assert receiver.taken == []


class TestElasticsearch:
    def sink(self, open_sink, receiver, index="vt", **options):
        return open_sink(receiver, "elasticsearch", token=Bulk.api_key, options={"index": index}, **options)

    def test_a_document_is_there_once_however_often_it_is_sent(self, open_sink):
        receiver = Bulk()
        sink = self.sink(open_sink, receiver)
        for _ in range(2):
            assert sink.send([event(n) for n in range(5)]) == []
        assert numbers(receiver) == [*range(5)]

    def test_what_takes_back_a_match_is_there_beside_it(self, open_sink):
        receiver = Bulk()
        match = event(1)
        taken_back = Message(1, match.id, b'{"event":{"n":1,"withdrawn":true}}', TIME)
        assert self.sink(open_sink, receiver).send([match, taken_back]) == []
        assert len(receiver.taken) == 2

    def test_each_document_has_its_own_fate(self, open_sink):
        receiver = Bulk()
        receiver.refuse, receiver.busy = ['"n":2}'], {'"n":4}': 1}
        sink = self.sink(open_sink, receiver)
        messages = [event(n) for n in range(6)]
        with pytest.raises(Unavailable, match="rejected execution"):
            sink.send(messages)
        assert numbers(receiver) == [0, 1, 3, 5]
        assert sink.dealt_with(messages) == 4
        (refusal,) = sink.send(messages)
        assert refusal.message == messages[2]
        assert refusal.reason == "failed to parse field For input string"
        assert numbers(receiver) == [0, 1, 3, 5, 4]
        assert len(receiver.requests) == 2

    def test_a_document_that_has_to_wait_is_never_at_fault_however_long_that_takes(self, open_sink):
        receiver = Bulk()
        receiver.busy = {'"n":1}': 8}
        sink = self.sink(open_sink, receiver)
        messages = [event(n) for n in range(4)]
        for _ in range(8):
            with pytest.raises(Unavailable, match="rejected execution"):
                sink.send(messages)
        assert sink.send(messages) == []
        assert numbers(receiver) == [0, 2, 3, 1]
        assert len(receiver.requests) == 9

    def test_a_document_that_is_put_off_each_time_is_refused_once_others_are_taken(self, open_sink):
        receiver = Bulk()
        receiver.busy = {'"n":1}': 10**6, '"n":3}': 10**6}
        sleeper = Sleeper()
        sink = self.sink(open_sink, receiver, sleeper=sleeper)
        messages = [event(n) for n in range(6)]
        for _ in range(7):
            with pytest.raises(Unavailable, match="rejected execution"):
                sink.send(messages)
            sleeper.now += 9
        first, second = sink.send(messages)
        assert [first.message, second.message] == [messages[1], messages[3]]
        assert first.reason == f"{BUSY}: rejected execution"
        assert numbers(receiver) == [0, 2, 4, 5]
        assert sink.send([event(7)]) == []

    def test_what_was_put_off_and_is_taken_in_the_end_is_no_dead_letter(self, open_sink):
        receiver = Bulk()
        receiver.busy = {'"n":1}': 6}
        sleeper = Sleeper()
        sink = self.sink(open_sink, receiver, sleeper=sleeper)
        messages = [event(n) for n in range(4)]
        for _ in range(6):
            with pytest.raises(Unavailable):
                sink.send(messages)
            sleeper.now += 100
        assert sink.send(messages) == []
        assert numbers(receiver) == [0, 2, 3, 1]

    @pytest.mark.parametrize("by_document", [True, False])
    def test_an_outage_makes_no_dead_letters_however_long_it_lasts(self, open_sink, by_document):
        receiver = Bulk()
        sleeper = Sleeper()
        sink = self.sink(open_sink, receiver, sleeper=sleeper)
        assert sink.send([event(0)]) == []
        messages = [event(n) for n in range(1, 50)]
        if by_document:
            receiver.busy = {'"n"': 10**6}
            receiver.documents.clear()  # as where what is there cannot be looked for
        else:
            receiver.answer_next(429, times=10**4)
        for _ in range(30):
            before = len(receiver.requests)
            with pytest.raises(Unavailable):
                sink.send(messages)
            assert len(receiver.requests) <= before + 1
            sleeper.now += 300
        receiver.busy.clear()
        receiver._cues.clear()
        assert sink.send(messages) == []
        assert len(receiver.requests) <= before + 4

    def test_an_index_that_is_not_there_is_for_a_person(self, open_sink):
        with pytest.raises(Misconfigured, match=r"no such index \[elsewhere\]"):
            self.sink(open_sink, Bulk(), index="elsewhere").send([event(1), event(2)])

    def test_what_is_too_large_is_sent_in_parts_from_then_on(self, open_sink):
        receiver = Bulk()
        receiver.answer_next(413)
        sink = self.sink(open_sink, receiver)
        messages = [event(n, text="x" * 2000) for n in range(8)]
        assert sink.send(messages) == []
        assert len(receiver.requests) == 3
        assert sink.send([event(n, text="y" * 2000) for n in range(8)]) == []
        assert len(receiver.requests) == 5
        assert len(receiver.taken) == 16


class TestSentinel:
    def test_objects_arrive_a_hundred_a_request_by_dependency_level(self, open_sink):
        receiver = Sentinel()
        sink = open_sink(receiver, "sentinel", options={"workspace": "w-1"}, oauth=dict(LOGIN))
        messages = [stix(n, level=1) for n in range(150)] + [stix(1, "identity", 0)]
        assert sink.send(messages) == []
        assert len(receiver.taken) == 151
        assert receiver.taken[0]["type"] == "identity"
        assert len(receiver.given) == 1

    def test_what_it_does_not_take_is_left_out_and_holds_up_nothing(self, open_sink):
        receiver = Sentinel()
        sink = open_sink(receiver, "sentinel", options={"workspace": "w-1"}, oauth=dict(LOGIN))
        messages = [stix(1, "marking-definition", 0), stix(2), stix(3, "malware")]
        receiver.answer_next(503)
        with pytest.raises(Unavailable):
            sink.send(messages)
        assert sink.dealt_with(messages) == 1
        assert sink.send(messages) == []
        assert [each["id"] for each in receiver.taken] == ["indicator--2"]

    def test_what_is_refused_is_named_by_its_place(self, open_sink):
        receiver = Sentinel()
        receiver.refuse = {"indicator--3"}
        sink = open_sink(receiver, "sentinel", options={"workspace": "w-1"}, oauth=dict(LOGIN))
        (refusal,) = sink.send([stix(n) for n in range(5)])
        assert refusal.message == stix(3)
        assert refusal.reason == "Error for indicator--3; not taken"
        assert len(receiver.taken) == 4

    def test_a_token_that_is_no_longer_good_is_asked_for_anew(self, open_sink):
        receiver, sleeper = Sentinel(), Sleeper()
        sink = open_sink(receiver, "sentinel", sleeper, options={"workspace": "w-1"}, oauth=dict(LOGIN))
        sink.send([stix(1)])
        receiver.given.append("another")
        sink.send([stix(2)])
        sleeper.now += 3600
        sink.send([stix(3)])
        assert len(receiver.given) == 4
        assert len(receiver.taken) == 3

    def test_a_wrong_secret_is_for_a_person_and_is_not_shown(self, open_sink):
        login = {**LOGIN, "client_secret": "wrong-secret-0000"}
        sink = open_sink(Sentinel(), "sentinel", options={"workspace": "w-1"}, oauth=login)
        with pytest.raises(Misconfigured, match=r"AADSTS7000215.*Check client_id, client_secret") as caught:
            sink.send([stix(1)])
        assert "wrong-secret" not in str(caught.value)
