"""docs/receivers.md is true: its routes are loaded, and deliver every simulated notification to what they are for."""

import json
import re
import time
from datetime import datetime
from pathlib import Path

import orjson
import pytest
from integration.command import iocstream_here
from peers.http_receivers import Bulk, Hec, Imitation, Sentinel, Webhook, json_answer
from peers.log_receivers import Datadog, DatadogStix, KafkaRest, SecOps
from peers.misp import Misp
from peers.people_receivers import Jira, PagerDuty, Slack, Teams

from connector import configuration
from connector.app import make_route
from connector.model import Message
from connector.simulator.notifications import notifications
from connector.simulator.wsgi_server import serving
from connector.sinks.http import receiver_file
from connector.sinks.http.sink import HttpSink, HttpSinkSettings

PAGE = (Path(__file__).parents[2] / "docs" / "receivers.md").read_text("utf-8")
ROUTES = {
    re.search(r"\n  (to-[a-z-]+):", routes)[1]: routes
    for routes in re.findall(r"```yaml\n(routes:\n.*?)```", PAGE, re.DOTALL)
}
OWN = re.search(r"```yaml\n(description: Our ticket.*?)```", PAGE, re.DOTALL)[1]
SECRETS = {
    "HEC_TOKEN": Hec.token,
    "ELASTICSEARCH_API_KEY": Bulk.api_key,
    "SENTINEL_SECRET": "client-secret-0000",
    "GOOGLE_PRIVATE_KEY": SecOps.private_key,
    "DATADOG_API_KEY": Datadog.api_key,
    "DATADOG_APPLICATION_KEY": DatadogStix.application_key,
    "KAFKA_REST_PASSWORD": "rest-password-0000",
    "MISP_KEY": Misp.key,
    "JIRA_API_TOKEN": "jira-token-0000",
    "PAGERDUTY_KEY": PagerDuty.routing_key,
    "SLACK_WEBHOOK": f"https://hooks.slack.com{Slack.path}",
    "TEAMS_WORKFLOW": f"https://prod.example.com{Teams.path}?sig={Teams.signature}",
    "WEBHOOK_KEY": "webhook-key-0000",
}
REFUSE_BY_PLACE = {"to-splunk", "to-elasticsearch", "to-sentinel"}
"""What these refuse tests/unit/sinks/test_http.py has."""
WITHDRAWN = {
    "to-slack": "Withdrawn: file",
    "to-teams": "Withdrawn: file",
    "to-pagerduty": "resolve",
    "to-jira": "This is withdrawn.",
    "to-misp": "'type': '1'",
}
COUNT = 60
REFUSED = "23600501992"  # of a malicious file
REFUSED_FILE = "31400d86bd5001a03285e5754692eb328a0c8531401b3bc8c5"


class AnyWorkspace(Sentinel):
    workspace = "00000000-0000-0000-0000-000000000000"


class AnyIndex(Bulk):
    index = "logs-iocstream"


class AnyTopic(KafkaRest):
    topic = "virustotal-iocstream"


RECEIVERS = {
    "to-splunk": lambda: Hec(acknowledges=True),
    "to-elasticsearch": AnyIndex,
    "to-sentinel": AnyWorkspace,
    "to-google-secops": SecOps,
    "to-datadog": Datadog,
    "to-datadog-stix": DatadogStix,
    "to-kafka-rest": AnyTopic,
    "to-misp": Misp,
    "to-slack": Slack,
    "to-teams": Teams,
    "to-pagerduty": PagerDuty,
    "to-jira": Jira,
    "to-webhook": lambda: Webhook(key=b"webhook-key-0000"),
}


def written(tmp_path, name, url):
    routes = ROUTES[name]
    for variable in ("SLACK_WEBHOOK", "TEAMS_WORKFLOW"):
        routes = routes.replace(f"${{{variable}}}", SECRETS[variable])
    routes = re.sub(r"token_url: \S+", f"token_url: {url}/token", routes)
    routes = re.sub(r"url: https://[^/\s]+", f"url: {url}", routes)
    routes = re.sub(r"\n      to: .*\n", r"\g<0>      requests_a_minute: 60000\n", routes)
    if "\n      url: " not in routes:
        routes = re.sub(r"\n      to: .*\n", rf"\g<0>      url: {url}\n", routes)
    items = notifications(COUNT, seed=3)
    (tmp_path / "in.jsonl").write_bytes(b"".join(orjson.dumps(item) + b"\n" for item in items))
    (tmp_path / "iocstream.yaml").write_text(f"sources:\n  file: {{type: file, path: in.jsonl}}\n{routes}")


def route_of(done):
    (route,) = [part for part in json.loads(done.stdout) if part["kind"] == "route"]
    return route


def test_there_is_a_route_for_each_receiver_and_a_line_in_the_table(tmp_path, monkeypatch):
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    used = set()
    for name, routes in ROUTES.items():
        path = tmp_path / f"{name}.yaml"
        path.write_text(f"sources:\n  file: {{type: file, path: '-'}}\n{routes}")
        used |= {route.sink.to for route in configuration.load(path).settings.routes.values()}
    assert used | {"splunk-hec"} == receiver_file.bundled().keys()
    assert all(f"\n| `{name}` |" in PAGE for name in receiver_file.bundled())


@pytest.mark.parametrize("name", ROUTES)
def test_a_route_of_the_page_delivers_to_what_it_is_for(tmp_path, name):
    receiver = RECEIVERS[name]()
    with serving(receiver) as url:
        written(tmp_path, name, url)
        checked = iocstream_here("check", cwd=tmp_path, env=SECRETS)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert not receiver.taken
        done = iocstream_here("run", "--once", "--json", cwd=tmp_path, env=SECRETS)
        route = route_of(done)
        assert route["state"] == "done", done.stderr
        assert route["delivered"] + route["refused"] + route["filtered"] == COUNT
        assert route["delivered"] >= (COUNT - route["filtered"]) * 0.9
        assert receiver.taken
        again = iocstream_here("run", "--once", "--json", cwd=tmp_path, env=SECRETS)
        taken = len(receiver.taken)
        assert route_of(again)["delivered"] == 0
        assert len(receiver.taken) == taken


class Tickets(Imitation):
    """What the example of a file of one's own is for."""

    def answer(self, request, body):
        if request.headers["Authorization"] != "Token ticket-token-0000":
            return json_answer(401, {})
        assert request.path.startswith("/api/queues/soc")
        if request.method == "GET":
            return json_answer(200, {})
        asked = orjson.loads(body)
        assert asked["source"] == "iocstream"
        results = []
        for ticket in asked["tickets"]:
            valid = ticket["n"] != 2
            self.taken += [ticket] if valid else []
            results.append({"created": True} if valid else {"code": "INVALID", "message": "no title"})
        return json_answer(207, {"results": results})


def test_the_file_of_ones_own_on_the_page_works(tmp_path):
    (tmp_path / "mine.yaml").write_text(OWN)
    receiver = Tickets()
    with serving(receiver) as url:
        settings = HttpSinkSettings(
            to=str(tmp_path / "mine.yaml"), url=url, token="ticket-token-0000", options={"queue": "soc"}
        )
        sink = HttpSink(settings, user_agent="iocstream-test/1")
        assert sink.check().endswith("takes messages")
        messages = [message(n) for n in range(4)]
        (refusal,) = sink.send(messages)
    assert (refusal.message, refusal.reason) == (messages[2], "no title")
    assert [ticket["n"] for ticket in receiver.taken] == [0, 1, 3]


def message(number):
    return Message(number, f"n-{number}", orjson.dumps({"n": number}), 0)


@pytest.mark.parametrize("name", sorted(ROUTES.keys() - REFUSE_BY_PLACE))
def test_one_message_that_is_refused_and_one_request_too_many_hold_up_nothing(tmp_path, name):
    receiver = RECEIVERS[name]()
    receiver.refuse = [REFUSED_FILE if name in ("to-misp", "to-datadog-stix") else REFUSED]
    receiver.answer_next(429, Retry_After="1")
    with serving(receiver) as url:
        written(tmp_path, name, url)
        done = iocstream_here("run", "--once", "--json", cwd=tmp_path, env=SECRETS)
        assert '"seconds": 1.0, "attempt": 1' in done.stderr
        route = route_of(done)
        assert route["state"] == "done", done.stderr
        by_receiver = [reason for reason in route["reasons"] if reason.startswith("sink: ")]
        assert [route["reasons"][reason] for reason in by_receiver] == [1]
        assert REFUSED not in str(receiver.taken)
        dead = json.loads(iocstream_here("rejected", "list", "--json", cwd=tmp_path, env=SECRETS).stdout)
        assert [letter["notification"] for letter in dead if letter["by"] == "sink"] == [REFUSED], dead[0]


def test_status_says_until_when_a_receiver_asked_to_be_left_in_peace(tmp_path):
    receiver = RECEIVERS["to-webhook"]()
    receiver.answer_next(503, Retry_After="1800")
    with serving(receiver) as url:
        written(tmp_path, "to-webhook", url)
        done = iocstream_here("run", "--once", cwd=tmp_path, env=SECRETS)
        assert re.search(r"to-webhook: waiting: .* it answered 503.*; not to be asked again before 20", done.stdout)
        (route,) = json.loads(iocstream_here("status", "--json", cwd=tmp_path, env=SECRETS).stdout)["routes"]
        assert 1700 < datetime.fromisoformat(route["retry_at"]).timestamp() - time.time() <= 1801
        assert route["message"].endswith("it answered 503")
        said = iocstream_here("status", cwd=tmp_path, env=SECRETS).stdout
        assert f"(tries again at {route['retry_at'][:19].replace('T', ' ')} UTC)" in said
        iocstream_here("run", "--once", cwd=tmp_path, env=SECRETS)
        (route,) = json.loads(iocstream_here("status", "--json", cwd=tmp_path, env=SECRETS).stdout)["routes"]
        assert (route["state"], route["retry_at"], route["message"]) == ("done", None, None)


@pytest.mark.parametrize("name", WITHDRAWN)
def test_what_turns_out_benign_is_taken_back(tmp_path, name):
    receiver, told = RECEIVERS[name](), WITHDRAWN[name]
    with serving(receiver) as url:
        written(tmp_path, name, url)
        items = [orjson.loads(line) for line in (tmp_path / "in.jsonl").read_bytes().splitlines()]
        (item,) = [item for item in items if item["context_attributes"]["notification_id"] == REFUSED]
        (tmp_path / "in.jsonl").write_bytes(orjson.dumps(item))
        iocstream_here("run", "--once", cwd=tmp_path, env=SECRETS)
        assert told not in str(receiver.taken)
        item["context_attributes"] |= {"notification_id": "99", "notification_date": 1_790_000_000}
        item["attributes"]["gti_assessment"]["verdict"]["value"] = "VERDICT_BENIGN"
        (tmp_path / "in.jsonl").write_bytes(orjson.dumps(item))
        done = iocstream_here("run", "--once", "--json", cwd=tmp_path, env=SECRETS)
        assert route_of(done)["withdrawn"] == 1, done.stderr
    assert told in str(receiver.taken[-1])
    assert len(receiver.taken) == (5 if name == "to-misp" else 2)


def test_what_goes_out_a_message_a_second_is_recorded_every_ten_seconds(tmp_path, monkeypatch):
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    batches = {}
    for name in ("to-slack", "to-webhook"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(f"sources:\n  file: {{type: file, path: '-'}}\n{ROUTES[name]}")
        batches[name] = make_route(configuration.load(path), name, None).batch
    assert batches == {"to-slack": 10, "to-webhook": 500}


@pytest.mark.parametrize("name", ["to-slack", "to-teams", "to-pagerduty", "to-jira", "to-misp"])
def test_what_an_analyst_confirms_is_told_once_more_with_who_and_why(tmp_path, name):
    receiver = RECEIVERS[name]()
    with serving(receiver) as url:
        written(tmp_path, name, url)
        iocstream_here("run", "--once", cwd=tmp_path, env=SECRETS)
        told = len(receiver.taken)
        judged = iocstream_here(
            "judge", "true_positive", "--notification", REFUSED, "--note", "seen at the gate", cwd=tmp_path, env=SECRETS
        )
        assert judged.returncode == 0, judged.stderr
        iocstream_here("run", "--once", cwd=tmp_path, env=SECRETS)
    assert "seen at the gate" in str(receiver.taken[told:])
