"""Who read what and who did what is written down, and nothing secret with it."""

import json
import stat
import threading
import time

import pytest
import requests
from integration.command import iocstream_here
from integration.servers import section, serving_actions

from connector.settings.server import new_token
from connector.simulator.api import Api, Fault
from connector.simulator.notifications import notifications
from connector.simulator.wsgi_server import serving

KEY = "canary-api-key"
RAISED = notifications(3)
NOTE = "canary-note"


def configured(folder, api_url):
    path = folder / "iocstream.yaml"
    path.write_text(
        f'sources:\n  virustotal: {{type: virustotal, api_key: {KEY}, api_url: "{api_url}/api/v3", since_hours: 168}}\n'
        "journal: {path: iocstream.db}\nshutdown_seconds: 1\n"
        "routes:\n  published: {mapping: stix21, sink: {type: collection, name: indicators}}\n"
    )
    return path


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def written(path, number=1):
    """The file, once it has so many lines: each is written when its answer has been sent."""
    deadline = time.monotonic() + 30
    while len(lines(path)) < number and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    return path


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """What the audit and the log have of some requests, and the bytes of the answers to those."""
    folder = tmp_path_factory.mktemp("audit")
    path = folder / "audit.jsonl"
    sizes = {}
    with serving(Api(RAISED, key=KEY)) as url, serving_actions(configured(folder, url), audit="audit.jsonl") as server:
        for name, parameters, token in (
            ("poll", None, "root"),
            ("list_notifications", {"where": "virustotal", "limit": 2}, "soar"),
            ("list_notifications", {"limit": 2, "since": "2020-01-01"}, "reader"),
            ("get_notification", {"id": "4" * 250}, "reader"),
            ("delete_notification", {"id": RAISED[0]["id"]}, "reader"),
            ("judge", {"verdict": "benign", "of": "observable", "value": "ours.example", "note": NOTE}, "soar"),
            ("convert_notification", {"notification": RAISED[0], "mapping": "cef"}, "reader"),
            ("no-such-action", {"token": "canary"}, "reader"),
            ("get_status", None, None),
        ):
            answer = server.post(name, parameters, token=token, headers={"Accept-Encoding": "identity"})
            sizes[name, token] = len(answer.content)

        def read(resource, token="puller"):
            headers = {"Authorization": f"Bearer {server.tokens[token]}", "Accept-Encoding": "identity"}
            return requests.get(f"{server.url}/taxii2/root/{resource}", headers=headers, timeout=10)

        objects = read("collections/indicators/objects/?match[type]=indicator&token=canary")
        sizes["objects"] = len(objects.content)
        sizes["number"] = len(objects.json()["objects"])
        read("collections/indicators/objects/", "reader")
        read("collections/")
        assert server.end() == 0
        secrets = [*server.tokens.values(), KEY, NOTE, "canary"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return lines(path), sizes, path.read_text() + "".join(server.log), secrets


def test_each_action_is_a_line_with_who_from_where_what_and_how_much(audited):
    found, sizes, _, _ = audited
    assert {(line["logger"], line["client"]) for line in found} == {("audit", "127.0.0.1")}
    actions = [line for line in found if line["event"] == "action"]
    assert [(line["token"], line["action"], line["status"], line.get("outcome")) for line in actions] == [
        ("root", "poll", 200, "success"),
        ("soar", "list_notifications", 200, "success"),
        ("reader", "list_notifications", 200, "success"),
        ("reader", "get_notification", 404, "not_found"),
        ("reader", "delete_notification", 403, None),
        ("soar", "judge", 200, "success"),
        ("reader", "convert_notification", 200, "success"),
        ("reader", None, 404, None),
    ]
    assert [line["bytes"] for line in actions[1:3]] == [
        sizes["list_notifications", "soar"],
        sizes["list_notifications", "reader"],
    ]
    assert actions[0]["summary"]["new"] == len(RAISED)
    assert actions[2]["summary"] == {"listed": 2}
    assert actions[2]["parameters"] == {"limit": 2, "since": 1577836800}
    assert actions[3]["parameters"]["id"] == "4" * 200 + "…"
    assert [line["quota"] for line in actions[1:4]] == [1, 0, 0]
    assert actions[0]["quota"] > 1
    assert actions[5]["parameters"]["value"] == "ours.example"
    assert actions[6]["parameters"] == {"mapping": "cef"}


def test_each_read_of_a_collection_is_a_line(audited):
    found, sizes, _, _ = audited
    reads = [line for line in found if line["event"] == "taxii_read"]
    assert [(line["token"], line["resource"], line["status"], line.get("objects")) for line in reads] == [
        ("puller", "objects", 200, sizes["number"]),
        ("reader", "objects", 404, None),
        ("puller", "collections", 200, None),
    ]
    assert (reads[0]["collection"], reads[0]["bytes"]) == ("indicators", sizes["objects"])


def test_no_secret_and_no_text_of_a_request_is_in_it(audited):
    _, _, text, secrets = audited
    assert [secret for secret in secrets if secret in text] == []


def test_without_a_file_the_audit_is_in_the_log_by_a_name_of_its_own_and_rotation_loses_nothing(tmp_path):
    with serving(Api(RAISED, key=KEY)) as url:
        with serving_actions(configured(tmp_path, url)) as server:
            server.post("get_quota", token="soar")
            assert server.end() == 0
        (told,) = [line for line in map(json.loads, server.log) if line.get("logger") == "audit"]
        assert (told["event"], told["action"], told["quota"]) == ("action", "get_quota", 2)

        second = tmp_path / "second"
        second.mkdir()
        with serving_actions(configured(second, url), audit="audit.jsonl") as server:
            server.post("get_quota", token="soar")
            written(second / "audit.jsonl").rename(second / "audit.1")
            server.post("get_quota", token="soar")
            written(second / "audit.jsonl").unlink()
            (second / "audit.jsonl").mkdir()
            server.post("get_quota", token="soar")
            assert server.end() == 0
        assert len(lines(second / "audit.1")) == 1
        events = [json.loads(line) for line in server.log]
        assert [line["event"] for line in events if "audit" in (line.get("logger"), line["event"][:5])] == [
            "audit_unwritten",
            "action",
        ]


def test_an_action_that_nobody_waits_for_any_more_is_told_of_when_it_ends(tmp_path):
    api, hold = Api(RAISED, key=KEY), threading.Event()
    path = tmp_path / "audit.jsonl"
    with serving(api) as url, serving_actions(configured(tmp_path, url), audit=str(path), action_seconds=1) as server:
        api.faults.append(Fault(path="/ioc_stream", hold=hold))
        assert server.post("poll").status_code == 504
        hold.set()
        written(path, 2)
    first, second = lines(path)
    assert (first["event"], first["status"]) == ("action", 504)
    assert (second["event"], second["outcome"], second["summary"]["new"]) == ("action_ended", "success", len(RAISED))
    assert second["quota"] >= first["quota"] > 0


def test_a_file_that_cannot_be_written_keeps_the_server_from_starting(tmp_path):
    path = configured(tmp_path, "http://127.0.0.1:9")
    path.write_text(path.read_text() + section({"reader": new_token()}, audit="nowhere/audit.jsonl"))
    done = iocstream_here("serve", "-c", path, cwd=tmp_path)
    assert done.returncode == 2
    assert "server.audit" in done.stderr
    assert "nowhere/audit.jsonl" in done.stderr


def test_what_is_refused_for_its_number_is_a_line_of_each_kind_and_then_its_true_number(tmp_path):
    path = configured(tmp_path, "http://127.0.0.1:9")
    options = {"audit": "audit.jsonl", "requests_per_minute": 1, "max_concurrent_actions_per_token": 1}
    with serving_actions(path, **options) as server, requests.Session() as session:
        wanted = {}
        for token, resource, times in (
            ("reader", "actions/list_notifications", 40),
            ("reader", "actions/get_status", 2),
            ("soar", "actions/list_notifications", 5),
            ("soar", "actions/no-such-action-canary", 3),
            ("soar", "nothing", 3),
            ("puller", "taxii2/root/collections/canary/objects/", 30),
        ):
            headers = {"Authorization": f"Bearer {server.tokens[token]}"}
            for _ in range(times):
                ask = session.get if resource.startswith("taxii2") else session.post
                status = ask(f"{server.url}/{resource}", headers=headers, timeout=30).status_code
                wanted[token, resource, status] = wanted.get((token, resource, status), 0) + 1
        assert server.end() == 0
    found, outcomes = {}, set()
    for line in lines(tmp_path / "audit.jsonl"):
        assert (line["logger"], line["client"]) == ("audit", "127.0.0.1")
        what = line.get("action", line.get("resource"))
        key = (line["token"], line["event"], what, line["status"])
        found.setdefault(key, []).append(line.get("times", 1))
        if line["status"] == 429:
            outcomes.add(line["outcome"])
    assert {key: sum(times) for key, times in found.items()} == {
        ("reader", "action", "list_notifications", 200): wanted["reader", "actions/list_notifications", 200],
        ("reader", "action", "list_notifications", 429): wanted["reader", "actions/list_notifications", 429],
        ("reader", "action", "get_status", 429): wanted["reader", "actions/get_status", 429],
        ("soar", "action", "list_notifications", 200): wanted["soar", "actions/list_notifications", 200],
        ("soar", "action", "list_notifications", 429): wanted["soar", "actions/list_notifications", 429],
        ("soar", "action", None, 429): wanted["soar", "actions/no-such-action-canary", 429],
        ("puller", "taxii_read", "objects", 404): wanted["puller", "taxii2/root/collections/canary/objects/", 404],
        ("puller", "taxii_read", "objects", 429): wanted["puller", "taxii2/root/collections/canary/objects/", 429],
    }
    assert outcomes == {"rate_limited"}
    assert sum(map(len, found.values())) < sum(wanted.values()) / 3
    assert "canary" not in (tmp_path / "audit.jsonl").read_text().replace('"collection_id": "canary"', "")
