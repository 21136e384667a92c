"""What one token can take from the others, and from the quota: attacks on the socket of `iocstream serve`."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import requests
from integration.servers import serving_actions

from connector.actions import ACTIONS
from connector.simulator.api import Api, Fault
from connector.simulator.notifications import notifications
from connector.simulator.wsgi_server import serving

KEY = "canary-api-key"
RAISED = notifications(3)
SOURCES = 8


def configured(folder, api_url, sources=SOURCES):
    one = f'{{type: virustotal, api_key: {KEY}, api_url: "{api_url}/api/v3", since_hours: 168, look_ups_per_day: 0}}'
    named = "\n".join(f"  s{number}: {one}" for number in range(sources))
    path = folder / "iocstream.yaml"
    path.write_text(
        f"sources:\n{named}\njournal: {{path: iocstream.db}}\nshutdown_seconds: 1\n"
        "routes:\n  events: {mapping: cef, sink: {type: file, path: events.cef}}\n"
    )
    return path


ASKED = [
    *[("get_quota", {})] * 3,
    ("test_connectivity", {}),
    ("poll", {}),
    ("push_notification", {"id": "404404", "route": "events"}),
    ("list_notifications", {"where": "virustotal", "source": "s0"}),
    ("get_notification", {"id": "404404"}),
    ("get_notification", {"id": "404404", "where": "virustotal"}),
    ("convert_notification", {"id": "404404"}),
    ("delete_notification", {"id": "404404", "override": True}),
    ("judge", {"verdict": "benign", "of": "observable", "value": "ours.example", "share": True}),
    ("retry_rejected", {}),
    *[(each.name, dict(each.example)) for each in ACTIONS.values()],
]


def test_a_token_that_reads_has_no_request_sent_to_virustotal_whatever_it_asks(tmp_path):
    api = Api(RAISED, key=KEY)
    with serving(api) as url, serving_actions(configured(tmp_path, url)) as server:
        answers = [server.post(name, parameters, token="reader").status_code for name, parameters in ASKED]
        assert api.requests == []
        assert set(answers) <= {200, 403, 404, 500}

        assert server.post("get_quota", token="soar").status_code == 200
        assert len(api.requests) == 2  # of one key, however many sources have it


def test_actions_that_hang_hold_up_no_other_token(tmp_path):
    api, hold = Api(RAISED, key=KEY), threading.Event()
    with (
        serving(api) as url,
        serving_actions(configured(tmp_path, url, 1), queue_seconds=0.1, audit="audit.jsonl") as server,
        ThreadPoolExecutor(40) as clients,
    ):
        server.post("poll").raise_for_status()
        api.faults.append(Fault(path="/ioc_stream", times=100, hold=hold))
        asked = {"where": "virustotal", "source": "s0"}
        try:
            greedy = [clients.submit(server.post, "list_notifications", asked, token="soar") for _ in range(20)]
            greedy += [clients.submit(server.post, "list_notifications", asked, token="root") for _ in range(20)]
            while sum(each.done() for each in greedy) < 32:  # two tokens hold four places each
                threading.Event().wait(0.05)
            refused = [each.result() for each in greedy if each.done()]
            assert {each.status_code for each in refused} <= {429, 503}
            assert {each.headers["Retry-After"] for each in refused} == {"1"}

            others = [server.post("get_status", token="reader").status_code for _ in range(5)]
        finally:
            hold.set()
        assert others == [200] * 5
        assert [each.result().status_code for each in greedy].count(200) == 8
        assert server.end() == 0
    audited = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    turned_away = [line for line in audited if line["status"] in (429, 503)]
    assert sum(line["times"] for line in turned_away) == len(refused)
    assert len(turned_away) < len(refused) / 2


def test_whoever_waits_for_a_turn_gets_one(tmp_path):
    api, hold = Api(RAISED, key=KEY), threading.Event()
    with (
        serving(api) as url,
        serving_actions(configured(tmp_path, url, 1), queue_seconds=60) as server,
        ThreadPoolExecutor(8) as clients,
    ):
        server.post("poll").raise_for_status()
        api.faults.append(Fault(path="/ioc_stream", times=4, hold=hold))
        asked = {"where": "virustotal", "source": "s0"}
        waiting = [clients.submit(server.post, "list_notifications", asked, token="soar") for _ in range(8)]
        while len([each for each in api.requests if each.path.endswith("/ioc_stream")]) < 5:  # one is the poll's
            threading.Event().wait(0.05)
        hold.set()
        assert [each.result().status_code for each in waiting] == [200] * 8
        assert requests.get(f"{server.url}/docs", timeout=10).status_code == 200
