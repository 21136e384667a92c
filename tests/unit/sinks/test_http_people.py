"""The HTTP sink against imitations of what reaches people, over real sockets."""

import orjson
import pytest
from peers.people_receivers import Jira, PagerDuty, Slack, Teams
from unit.sinks.http_sinks import TIME, Sleeper
from werkzeug.wrappers import Response

from connector.model import Message, Misconfigured, Unavailable
from connector.simulator.wsgi_server import serving
from connector.sinks.http.sink import HttpSink, HttpSinkSettings


def message(number, document):
    return Message(number, f"notification-{number}", orjson.dumps(document), TIME)


def said(number, text="hello"):
    return message(number, {"text": f"{text} {number}"})


def card(number):
    content = {"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock", "text": f"card {number}"}]}
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": content}
    return message(number, {"type": "message", "attachments": [attachment]})


def alert(number, action="trigger", **payload):
    payload = {"summary": f"alert {number}", "source": "test", "severity": "error", **payload}
    return message(number, {"event_action": action, "dedup_key": f"k-{number}", "payload": payload})


class TestSlack:
    @pytest.fixture
    def receiver(self):
        return Slack()

    @pytest.fixture
    def open_at(self):
        def open_at(url, sleeper=None, path=Slack.path):
            sleeper = sleeper or Sleeper()
            settings = HttpSinkSettings(to="slack", url=url + path, timeout_seconds=5)
            return HttpSink(settings, user_agent="iocstream-test/1", sleep=sleeper.sleep, clock=sleeper)

        return open_at

    def test_a_message_a_second_arrives(self, receiver, open_at):
        sleeper = Sleeper()
        with serving(receiver) as url:
            assert open_at(url, sleeper).send([said(n) for n in range(3)]) == []
        assert [each["text"] for each in receiver.taken] == ["hello 0", "hello 1", "hello 2"]
        assert sleeper.slept == [1, 1]

    def test_what_is_no_message_is_refused_alone(self, receiver, open_at):
        receiver.refuse = ["hello 1"]
        with serving(receiver) as url:
            refusals = open_at(url).send([said(0), said(1), message(2, {"text": ""}), said(3)])
        assert [(each.message.seq, each.reason) for each in refusals] == [(1, "invalid_blocks"), (2, "no_text")]
        assert len(receiver.taken) == 2

    def test_it_is_waited_for_as_long_as_it_says(self, receiver, open_at):
        receiver.answer_next(429, b"rate_limited", Retry_After="30")
        with serving(receiver) as url, pytest.raises(Unavailable) as caught:
            open_at(url).send([said(0)])
        assert caught.value.retry_after == 30

    @pytest.mark.parametrize("gone", ["no_service", "channel_not_found", "channel_is_archived"])
    def test_a_webhook_that_is_gone_is_for_a_person(self, receiver, open_at, gone):
        receiver.gone = gone
        with (
            serving(receiver) as url,
            pytest.raises(Misconfigured, match=f"it answered {gone}: is the webhook") as caught,
        ):
            open_at(url).send([said(0)])
        assert "slack-secret" not in str(caught.value)

    def test_a_page_of_a_proxy_is_no_delivery(self, receiver, open_at):
        receiver.answer_next(200, b"<html>Please sign in</html>")
        with serving(receiver) as url, pytest.raises(Misconfigured, match="does not say what that means"):
            open_at(url).send([said(0)])

    def test_a_message_that_a_firewall_answers_with_a_page_holds_up_nothing(self, receiver, open_at, monkeypatch):
        page, answer = Response("<html>Request rejected. Support ID 1</html>"), Slack.answer
        monkeypatch.setattr(Slack, "answer", lambda *given: page if b"hello 1" in given[2] else answer(*given))
        with serving(receiver) as url:
            (refusal,) = open_at(url).send([said(n) for n in range(4)])
        assert refusal.message == said(1)
        assert {each["text"] for each in receiver.taken} == {"hello 0", "hello 2", "hello 3"}


class TestTeams:
    def test_a_card_arrives_and_one_that_does_not_fit_is_refused(self):
        receiver = Teams()
        receiver.refuse = ["card 1"]
        with serving(receiver) as url:
            (refusal,) = opened(url).send([card(0), card(1), card(2)])
        assert refusal.message == card(1)
        assert refusal.reason == "The input body does not match the schema."
        assert len(receiver.taken) == 2

    def test_a_workflow_that_is_off_gone_or_not_signed_for_is_for_a_person(self):
        receiver = Teams()
        with serving(receiver) as url:
            with pytest.raises(Misconfigured, match="DirectApiAuthorizationRequired: is the workflow"):
                opened(url, signature="wrong-0000").send([card(0)])
            with pytest.raises(Misconfigured, match="WorkflowNotFound"):
                opened(url, path="/workflows/1111").send([card(0)])
            receiver.is_on = False
            with pytest.raises(Misconfigured, match="is not enabled") as caught:
                opened(url).send([card(0)])
        assert Teams.signature not in str(caught.value)
        assert receiver.taken == []


def opened(url, path=Teams.path, signature=Teams.signature):
    sleeper = Sleeper()
    settings = HttpSinkSettings(to="teams", url=f"{url}{path}?api-version=1&sig={signature}", timeout_seconds=5)
    return HttpSink(settings, user_agent="iocstream-test/1", sleep=sleeper.sleep, clock=sleeper)


class TestPagerDuty:
    def test_alerts_are_opened_once_and_resolved(self, open_sink):
        receiver = PagerDuty()
        sink = open_sink(receiver, "pagerduty", token=PagerDuty.routing_key)
        assert sink.send([alert(1), alert(2), alert(1), alert(1, "resolve")]) == []
        assert receiver.open.keys() == {"k-2"}
        assert all("Authorization" not in headers for _, _, headers, _ in receiver.requests)

    def test_what_is_resolved_is_not_resolved_before_it_is_triggered(self, open_sink):
        receiver = PagerDuty()
        sink = open_sink(receiver, "pagerduty", token=PagerDuty.routing_key)
        receiver.answer_next(500, times=3)
        messages = [alert(1), alert(1, "resolve"), alert(2)]
        for _ in range(2):
            with pytest.raises(Unavailable):
                sink.send(messages)
        assert sink.send(messages) == []
        taken = [(each["event_action"], each["dedup_key"]) for each in receiver.taken]
        assert taken == [("trigger", "k-2"), ("trigger", "k-1"), ("resolve", "k-1")]

    def test_a_message_that_speaks_of_routing_is_no_wrong_key(self, open_sink):
        receiver = PagerDuty()
        sink = open_sink(receiver, "pagerduty", token=PagerDuty.routing_key)
        errors = orjson.dumps({"message": "Event object is invalid", "errors": ["no routing_key.example here"]})
        receiver.answer_next(400, errors, Content_Type="application/json")
        (refusal,) = sink.send([alert(1), alert(2)])
        assert "routing_key.example" in refusal.reason

    def test_an_event_that_is_invalid_is_refused_with_what_is_wrong(self, open_sink):
        receiver = PagerDuty()
        sink = open_sink(receiver, "pagerduty", token=PagerDuty.routing_key)
        (refusal,) = sink.send([alert(1), alert(2, severity="worst"), alert(3)])
        assert refusal.message == alert(2, severity="worst")
        assert refusal.reason.startswith("Event object is invalid; 'payload.severity' is invalid")
        assert receiver.open.keys() == {"k-1", "k-3"}

    def test_a_key_that_is_not_known_is_for_a_person_and_is_not_shown(self, open_sink):
        sink = open_sink(PagerDuty(), "pagerduty", token="wrong-key-0000-0000")
        with pytest.raises(Misconfigured, match="does not take the integration key: 'routing_key'") as caught:
            sink.send([alert(1)])
        assert "wrong-key" not in str(caught.value)

    def test_a_message_that_is_no_object_is_refused_and_the_key_stays_unseen(self, open_sink):
        sink = open_sink(PagerDuty(), "pagerduty", token=PagerDuty.routing_key)
        (refusal,) = sink.send([message(1, ["a", "list"])])
        assert "request.item" in refusal.reason
        assert PagerDuty.routing_key not in refusal.reason


def issue(number, kind="match", key="iocstream-a", text="hello"):
    paragraph = {"type": "paragraph", "content": [{"type": "text", "text": f"{text} {number}"}]}
    document = {"type": "doc", "version": 1, "content": [paragraph]}
    return message(number, {"kind": kind, "key": key, "summary": f"{text} {number}", "labels": [key], "text": document})


class TestJira:
    def sink(self, open_sink, receiver, project="SEC", **options):
        login = {"username": "bot@example.com", "password": "jira-token-0000"}
        return open_sink(receiver, "jira", options={"project": project, **options}, **login)

    def test_the_first_match_opens_an_issue_and_what_comes_later_are_comments(self, open_sink):
        receiver = Jira()
        sink = self.sink(open_sink, receiver)
        assert sink.check().endswith("takes messages")
        assert sink.send([issue(1), issue(2), issue(3, key="iocstream-b"), issue(4, kind="withdrawal")]) == []
        assert {key: len(each["comments"]) for key, each in receiver.issues.items()} == {"SEC-1": 2, "SEC-2": 0}

    def test_a_match_after_the_issue_is_done_opens_another_and_a_withdrawal_does_not(self, open_sink):
        receiver = Jira()
        sink = self.sink(open_sink, receiver)
        sink.send([issue(1)])
        receiver.issues["SEC-1"]["done"] = True
        assert sink.send([issue(2, kind="withdrawal"), issue(3)]) == []
        assert {key: len(each["comments"]) for key, each in receiver.issues.items()} == {"SEC-1": 1, "SEC-2": 0}

    def test_what_jira_does_not_take_is_refused_alone_with_its_reason(self, open_sink):
        receiver = Jira()
        receiver.refuse = ["hello 2"]
        (refusal,) = self.sink(open_sink, receiver).send([issue(n, key=f"iocstream-{n}") for n in range(1, 4)])
        assert refusal.reason == "CONTENT_LIMIT_EXCEEDED"
        assert receiver.issues.keys() == {"SEC-1", "SEC-2"}

    def test_a_comment_on_an_issue_that_is_gone_is_refused_alone(self, open_sink, monkeypatch):
        receiver = Jira()
        sink = self.sink(open_sink, receiver)
        sink.send([issue(1)])
        gone, answer = {"errorMessages": ["Issue does not exist or you do not have permission to see it."]}, Jira.answer
        said = Response(orjson.dumps(gone), 404, mimetype="application/json")
        monkeypatch.setattr(Jira, "answer", lambda *given: said if "comment" in given[1].path else answer(*given))
        (refusal,) = sink.send([issue(2), issue(3, key="iocstream-b")])
        assert refusal.message == issue(2)
        assert receiver.issues.keys() == {"SEC-1", "SEC-2"}

    @pytest.mark.parametrize(
        ("options", "words"),
        [({"project": "OTHER"}, "does not exist for the field 'project'"), ({"issue_type": "Bug"}, "valid issue type")],
    )
    def test_a_project_or_type_that_is_not_there_is_for_a_person(self, open_sink, options, words):
        receiver = Jira()
        with pytest.raises(Misconfigured, match=words):
            self.sink(open_sink, receiver, **options).send([issue(1)])
        assert receiver.issues == {}

    @pytest.mark.parametrize("path", ["/rest/api/3/search/jql", "/rest/api/3/issue"])
    def test_either_request_may_be_one_too_many(self, open_sink, monkeypatch, path):
        receiver, real = Jira(), Jira.answer

        def answer(self, request, body):
            if request.path == path:
                return Response(status=429, headers={"Retry-After": "9"})
            return real(self, request, body)

        monkeypatch.setattr(Jira, "answer", answer)
        with pytest.raises(Unavailable) as caught:
            self.sink(open_sink, receiver).send([issue(1)])
        assert caught.value.retry_after == 9

    def test_a_page_of_a_proxy_does_not_say_that_nothing_is_there(self, open_sink, monkeypatch):
        monkeypatch.setattr(Jira, "_search", lambda *_: Response("<html>Please sign in</html>"))
        receiver = Jira()
        with pytest.raises(Misconfigured, match="does not say what that means"):
            self.sink(open_sink, receiver).send([issue(1)])
        assert receiver.issues == {}
