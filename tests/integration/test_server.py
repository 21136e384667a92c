"""`iocstream serve`, asked over its socket by clients that share nothing with it."""

import base64
import hashlib
import json
import re
import signal
import socket
import ssl
import threading
import time
from contextlib import closing

import certificates as certificate_files
import pytest
import requests
from integration.command import iocstream, iocstream_here
from integration.servers import section, serving_actions

from connector.actions import ACTIONS
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import StixObject
from connector.settings.server import new_token
from connector.simulator.api import Api, Fault
from connector.simulator.notifications import notifications
from connector.simulator.wsgi_server import serving

KEY = "canary-api-key"
CONFIGURATION = """
sources:
  virustotal: {{type: virustotal, api_key: {key}, api_url: "{api}/api/v3", since_hours: 168}}
journal: {{path: "{folder}/iocstream.db"}}
routes:
  events:
    mapping: cef
    sink: {{type: file, path: "{folder}/events.cef"}}
shutdown_seconds: 5
"""
RAISED = notifications(40)


@pytest.fixture(scope="module")
def api():
    with serving(Api(RAISED, key=KEY)) as url:
        yield url


def configured(folder, api_url):
    path = folder / "iocstream.yaml"
    path.write_text(CONFIGURATION.format(key=KEY, api=api_url, folder=folder))
    return path


@pytest.fixture(scope="module")
def server(api, tmp_path_factory):
    """A server shared by the tests that do not change its state."""
    with serving_actions(configured(tmp_path_factory.mktemp("server"), api)) as server:
        server.post("poll").raise_for_status()
        yield server


def problem(answer, status, code):
    """The problem details (RFC 9457) of an answer that must be one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    details = answer.json()
    assert details["status"] == status
    assert details["code"] == code
    assert details["type"] == "about:blank"
    assert details["title"]
    assert details["detail"]
    assert details["remedy"]
    assert "Traceback" not in answer.text
    return details


def test_an_action_answers_with_the_envelope_that_the_command_prints(server):
    over_http = server.post("list_notifications", {"limit": 3}, token="reader")
    assert over_http.status_code == 200
    assert over_http.headers["Cache-Control"] == "no-store"
    folder = server.process.args[server.process.args.index("-c") + 1]
    printed = iocstream_here("action", "list_notifications", "-p", "limit=3", "-c", folder, cwd=".")
    assert over_http.json() == json.loads(printed.stdout)
    assert len(over_http.json()["data"]["notifications"]) == 3


def test_a_judgement_has_the_name_of_the_token(server):
    parameters = {"verdict": "benign", "of": "observable", "value": "Ours.example", "until": "2100-01-01"}
    problem(server.post("judge", parameters, token="reader"), 403, "forbidden")

    stored = server.post("judge", parameters, token="soar").json()["data"]

    (found,) = server.post("list_judgements", {"in_force": True}, token="reader").json()["data"]["judgements"]
    assert stored == {**found, "concerns": 0, "named_by": 0, "naming": [], "shared": [], "not_shared": None}
    assert (found["by"], found["value"], found["until"]) == ("soar", "ours.example", "2100-01-01T00:00:00.000Z")
    problem(server.post("judge", {**parameters, "ruleset": "7"}), 422, "invalid_parameters")
    problem(server.post("judge", {**parameters, "of": "notification"}), 404, "not_found")


def test_what_was_done_in_part_is_an_answer_and_says_so(server):
    envelope = server.post("convert_notification", {"notification": RAISED[0], "mapping": "cef"}).json()
    assert (envelope["status"], envelope["errors"]) == ("success", [])
    refusal = problem(server.post("convert_notification", {"notification": {"a": 1}}), 422, "rejected")
    assert "notification" in refusal["detail"]


def test_every_error_is_problem_details(server):
    url, token = server.url, {"Authorization": f"Bearer {server.tokens['root']}"}
    problem(requests.get(f"{url}/nothing", headers=token, timeout=10), 404, "not_found")
    problem(server.post("nothing"), 404, "not_found")
    not_allowed = requests.get(f"{url}/actions/poll", headers=token, timeout=10)
    problem(not_allowed, 405, "method_not_allowed")
    assert not_allowed.headers["Allow"] == "POST"
    problem(server.post("get_notification", {"id": "404404"}), 404, "not_found")
    problem(server.post("push_notification", {"id": "1", "route": "nowhere"}), 404, "not_found")
    problem(server.post("delete_notification", {"id": "404404"}), 409, "not_delivered")
    faults = problem(server.post("list_notifications", {"limit": "5", "colour": "red"}), 422, "invalid_parameters")
    assert [fault["cause"].split(":")[0] for fault in faults["errors"]] == ["limit", "colour"]
    problem(server.post("poll", [1]), 422, "invalid_parameters")

    def sent(body, kind="application/json"):
        headers = token | {"Content-Type": kind}
        return requests.post(f"{url}/actions/get_status", data=body, headers=headers, timeout=10)

    problem(sent(b"{"), 400, "invalid_json")
    problem(sent(b"NaN"), 400, "invalid_json")
    problem(sent(b"\xff\xfe"), 400, "invalid_json")
    problem(sent(b'{"a":' * 5000 + b"1" + b"}" * 5000), 400, "invalid_json")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        problem(sent(b"{}", kind), 415, "unsupported_media_type")
    assert sent(b"").status_code == 200
    assert sent(b" {} ", "application/json; charset=utf-8").status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/actions/poll", "/actions/no-such-action", "/page/page.js", "/nothing", "/taxii2/"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PROPFIND", "OPTIONS", "QUX"])
def test_whoever_has_no_token_is_asked_for_one_and_learns_nothing_of_what_there_is(server, path, method):
    refused = requests.request(method, server.url + path, timeout=10)
    assert refused.status_code == 401
    assert "WWW-Authenticate" in refused.headers
    assert "Allow" not in refused.headers


@pytest.mark.parametrize(("path", "allowed"), [("/", "GET"), ("/actions/poll", "POST"), ("/taxii2/", "GET, HEAD")])
def test_a_method_that_nobody_knows_is_refused_with_those_that_there_are(server, path, allowed):
    headers = {"Authorization": f"Bearer {server.tokens['root']}"}
    refused = requests.request("PROPFIND", server.url + path, headers=headers, timeout=10)
    assert (refused.status_code, refused.headers["Allow"]) == (405, allowed)


def test_a_wrong_token_opens_nothing_and_says_how_to_get_one(server):
    good = server.tokens["reader"]

    def asked(authorization):
        headers = {} if authorization is None else {"Authorization": authorization}
        return requests.post(f"{server.url}/actions/get_status", headers=headers, timeout=10)

    basic = base64.b64encode
    wrong = [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {good}x",
        f"Bearer {good[:-1]}",
        f"Bearer {good.lower()}",
        good,
        "Bearer \u00e9\u00e9".encode().decode("latin-1"),
        "Basic !!!",
        "Basic " + basic(f"soar:{good}".encode()).decode(),
        "Basic " + basic(f":{good}".encode()).decode(),
        "Basic " + basic(b"reader:\xff\xfe").decode(),
        "Basic " + basic(b"reader").decode(),
    ]
    for authorization in wrong:
        refused = asked(authorization)
        problem(refused, 401, "unauthenticated")
        assert [each.split()[0] for each in refused.raw.headers.getlist("WWW-Authenticate")] == ["Bearer", "Basic"]
    assert asked(f"Bearer {good}").status_code == 200
    assert asked(f"bearer  {good}").status_code == 200
    assert asked(f"Token {good}").status_code == 200
    assert asked("Basic " + basic(f"reader:{good}".encode()).decode()).status_code == 200


@pytest.mark.parametrize("name", ACTIONS)
def test_a_token_does_what_its_scope_includes_and_nothing_more(server, name):
    ranks = {"puller": 0, "reader": 1, "soar": 2, "root": 3}
    needed = {"read": 1, "act": 2, "admin": 3}[ACTIONS[name].scope]
    for token, rank in ranks.items():
        answer = server.post(name, {"no such parameter": 1}, token=token)
        if rank < needed:
            problem(answer, 403, "forbidden")
            assert "insufficient_scope" in answer.headers["WWW-Authenticate"]
        else:
            problem(answer, 422, "invalid_parameters")


SPENDING = [
    ("list_notifications", {"where": "virustotal"}, 403, "forbidden"),
    ("get_notification", {"id": "404404"}, 404, "not_found"),
    ("get_notification", {"id": "404404", "where": "virustotal"}, 403, "forbidden"),
    ("convert_notification", {"id": "404404"}, 404, "not_found"),
    ("test_connectivity", {}, 403, "forbidden"),
]


def test_a_token_that_reads_spends_no_quota_whatever_it_asks(tmp_path):
    virustotal = Api(RAISED, key=KEY)
    with serving(virustotal) as url, serving_actions(configured(tmp_path, url)) as server:
        server.post("poll").raise_for_status()
        first = server.post("list_notifications", {"limit": 1}).json()["data"]["notifications"][0]["id"]
        free = [(name, each.example) for name, each in ACTIONS.items() if each.scope == "read" and each.cost == "none"]
        allowed = [
            *free,
            ("list_notifications", {"minimum_score": 50}),
            ("get_notification", {"id": first}),
            ("convert_notification", {"id": first}),
        ]
        before = virustotal.used
        for name, parameters in allowed:
            assert server.post(name, dict(parameters), token="reader").status_code == 200, name
        for name, parameters, status, code in SPENDING:
            details = problem(server.post(name, parameters, token="reader"), status, code)
            assert "act" in details["detail"], name
        assert virustotal.used == before
        for name, parameters, _, _ in SPENDING:
            spent = virustotal.used
            assert server.post(name, parameters, token="soar").status_code in (200, 404)
            assert virustotal.used > spent, name


def test_the_document_says_what_each_action_costs(server):
    document = requests.get(f"{server.url}/openapi.json", timeout=10).json()
    for name, each in ACTIONS.items():
        operation = document["paths"][f"/actions/{name}"]["post"]
        assert (operation["x-scope"], operation["x-cost"]) == (each.scope, each.cost)
        assert f"Cost at VirusTotal: {each.cost}." in operation["description"]


def test_tokens_and_keys_are_in_no_log_and_no_file(api, tmp_path):
    with serving_actions(configured(tmp_path, api)) as server:
        for token in (*server.tokens, None):
            server.post("get_status", token=token)
            server.post("poll", token=token)
            server.post("nothing", {"token": server.tokens["root"]}, token=token)
        requests.get(f"{server.url}/?token={server.tokens['root']}", timeout=10)
        assert server.end() == 0
        log = "".join(server.log)
        events = [json.loads(line) for line in server.log]
        assert {"serving", "action", "serving_ended"} <= {event["event"] for event in events}
        assert {event["token"] for event in events if event["event"] == "action"} == set(server.tokens)
        (tmp_path / "iocstream.yaml").rename(tmp_path / "read")
        for token in server.tokens.values():
            assert token not in log
            assert not any(token.encode() in path.read_bytes() for path in tmp_path.iterdir())
        assert KEY not in log


def raw(server, *pieces, pause=0.0, seconds=20):
    """Send bytes, piece by piece; what came back until the other side closed, and after how long."""
    host, port = server.url.removeprefix("http://").split(":")
    started = time.monotonic()
    received = b""
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
            while chunk := connection.recv(65536):
                received += chunk
                if b"\r\n\r\n" in received and b"Connection: close" not in received.title() and not pause:
                    break
        except ConnectionError:
            pass
    return received, time.monotonic() - started


def head(server, token="root", **headers):
    lines = ["POST /actions/get_status HTTP/1.1", "Host: x", "Content-Type: application/json"]
    lines += [f"Authorization: Bearer {server.tokens[token]}"] if token else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def test_who_asks_is_known_before_anything_of_the_body_is_read(server):
    for token, status in ((None, b"401"), ("puller", b"403")):
        answer, seconds = raw(server, head(server, token, Content_Length=1_000_000))
        assert answer.split()[1] == status
        assert seconds < 5


@pytest.fixture(scope="module")
def strict(api, tmp_path_factory):
    """A server with low limits."""
    folder = tmp_path_factory.mktemp("strict")
    limits = {"max_body_bytes": 2048, "request_seconds": 1.5, "max_concurrent_actions": 1, "action_seconds": 2}
    with serving_actions(configured(folder, api), **limits) as server:
        yield server


def test_a_body_that_is_too_large_is_refused_whether_its_length_is_told_or_not(strict):
    told, _ = raw(strict, head(strict, Content_Length=5000))
    assert told.split()[1] == b"413"
    chunk = b"400\r\n" + b" " * 1024 + b"\r\n"
    untold, _ = raw(strict, head(strict, Transfer_Encoding="chunked"), chunk * 3)
    assert untold.split()[1] == b"413"
    problem(strict.post("convert_notification", {"notification": {"a": "b" * 3000}}), 413, "too_large")
    assert strict.post("get_status").status_code == 200


def test_a_request_that_does_not_arrive_is_not_waited_for(strict):
    body, seconds = raw(strict, head(strict, Content_Length=20), b'{"a"', pause=0.1)
    assert body.split()[1] == b"408"
    assert 1 < seconds < 10
    for pieces in ([b""], [b"POST /acti"], [b"POST / HTTP/1.1\r\nHost:"] + [b"x"] * 30):
        nothing, seconds = raw(strict, *pieces, pause=0.1)
        assert nothing == b""
        assert 1 < seconds < 10
    assert strict.post("get_status").status_code == 200


@pytest.fixture(scope="module")
def large(api, tmp_path_factory):
    """A server with low limits, and an answer too long for the buffers of a socket."""
    folder = tmp_path_factory.mktemp("large")
    configuration = configured(folder, api)
    route = "  published: {mapping: stix21, sink: {type: collection, name: indicators}}\n"
    configuration.write_text(configuration.read_text().replace("routes:\n", "routes:\n" + route))
    with closing(SqliteJournal(SqliteSettings(path=folder / "iocstream.db"))) as journal:
        body = b'"%s"' % (b"x" * 8_000_000)
        assert all(journal.collections.store("indicators", [StixObject("x--1", "x", None, body)]))
    with serving_actions(configuration, request_seconds=1.5) as server:
        yield server


@pytest.mark.parametrize(
    ("taken", "pause", "is_whole"), [(300_000, 6, False), (300_000, 0.5, True), (8_000, 0.5, True), (100, 0.5, False)]
)
def test_an_answer_waits_for_a_slow_client_and_not_for_one_that_takes_next_to_nothing(large, taken, pause, is_whole):
    host, port = large.url.removeprefix("http://").split(":")
    request = "GET /taxii2/root/collections/indicators/objects/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    received = b""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536 if taken > 65536 else 4096)
        client.settimeout(20)
        client.connect((host, int(port)))
        client.sendall(f"{request}Authorization: Bearer {large.tokens['puller']}\r\n\r\n".encode())
        try:
            for _ in range(10):
                received += client.recv(taken, socket.MSG_WAITALL)
                time.sleep(pause)
                pause = 0 if pause > 1 else pause
            while chunk := client.recv(1_000_000):
                received += chunk
        except ConnectionError:
            assert not is_whole
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head)[1])
    assert length > 8_000_000
    assert (len(body) == length) == is_whole


def test_what_is_no_http_is_answered_and_closed(strict):
    answer, _ = raw(strict, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 \r\n\r\n")
    assert answer.split()[1] == b"400"
    answer, _ = raw(strict, b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 200_000 + b"\r\n\r\n")
    assert answer[:0] == b""
    assert b"Traceback" not in answer
    assert strict.post("get_status").status_code == 200


def test_one_token_cannot_ask_without_end(api, tmp_path):
    with serving_actions(configured(tmp_path, api), requests_per_minute=5) as server:
        server.post("poll")
        answers = [server.post("get_status", token="reader") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        problem(answers[-1], 429, "rate_limited")
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 13
        assert server.post("get_status", token="soar").status_code == 200


def test_an_action_that_takes_long_is_told_of_and_goes_on(tmp_path):
    api, hold = Api(RAISED, key=KEY), threading.Event()
    limits = {"max_concurrent_actions": 1, "action_seconds": 1}
    with serving(api) as url, serving_actions(configured(tmp_path, url), **limits) as server:
        api.faults.append(Fault(path="/ioc_stream", hold=hold))
        problem(server.post("poll"), 504, "timed_out")
        busy = server.post("get_status")
        problem(busy, 503, "busy")
        assert busy.headers["Retry-After"] == "1"
        hold.set()
        deadline = time.monotonic() + 20
        while server.post("get_status").status_code == 503 and time.monotonic() < deadline:
            time.sleep(0.1)
        status = server.post("get_status").json()
        assert status["data"]["routes"][0]["delivered"] == len(RAISED)


def test_two_polls_at_once_do_the_work_once(tmp_path):
    api, hold = Api(RAISED, key=KEY), threading.Event()
    with serving(api) as url, serving_actions(configured(tmp_path, url)) as server:
        api.faults.append(Fault(path="/ioc_stream", hold=hold))
        answers = []
        first = threading.Thread(target=lambda: answers.append(server.post("poll")))
        first.start()
        while not api.requests:
            time.sleep(0.05)
        second = problem(server.post("poll"), 409, "served_elsewhere")
        assert f"process {server.process.pid}" in second["detail"]
        hold.set()
        first.join(30)
        assert answers[0].json()["summary"]["new"] == len(RAISED)
        assert len((tmp_path / "events.cef").read_text().splitlines()) == len(RAISED)


def test_sigterm_lets_what_is_at_work_finish(tmp_path):
    api, hold = Api(RAISED, key=KEY), threading.Event()
    with serving(api) as url, serving_actions(configured(tmp_path, url)) as server:
        api.faults.append(Fault(path="/ioc_stream", hold=hold))
        answers = []
        asking = threading.Thread(
            target=lambda: answers.append(server.post("list_notifications", {"where": "virustotal"}))
        )
        asking.start()
        while not api.requests:
            time.sleep(0.05)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises(requests.ConnectionError):
            server.post("get_status")
        hold.set()
        asking.join(20)
        assert server.process.wait(20) == 0
        assert len(answers[0].json()["data"]["notifications"]) == len(RAISED)


def test_sigterm_does_not_wait_for_ever_and_nothing_is_lost(tmp_path):
    api, hold = Api(RAISED, key=KEY), threading.Event()
    with serving(api) as url:
        path = configured(tmp_path, url)
        path.write_text(path.read_text().replace("shutdown_seconds: 5", "shutdown_seconds: 1"))
        with serving_actions(path) as server:
            api.faults.append(Fault(path="/ioc_stream", hold=hold))
            answers = []
            asking = threading.Thread(target=lambda: answers.append(server.post("poll")))
            asking.start()
            while not api.requests:
                time.sleep(0.05)
            started = time.monotonic()
            assert server.end() == 0
            assert time.monotonic() - started < 15
            hold.set()
            asking.join(20)
            assert answers[0].json()["errors"][0]["code"] == "unavailable"
        envelope = json.loads(iocstream("action", "poll", "-c", path, cwd=tmp_path).stdout)
        assert envelope["summary"]["new"] == len(RAISED)


def test_a_client_that_goes_away_stops_nothing(tmp_path):
    api, hold = Api(RAISED, key=KEY), threading.Event()
    with serving(api) as url, serving_actions(configured(tmp_path, url)) as server:
        api.faults.append(Fault(path="/ioc_stream", hold=hold))
        with pytest.raises(requests.ReadTimeout):
            requests.post(
                f"{server.url}/actions/poll", headers={"Authorization": f"Bearer {server.tokens['soar']}"}, timeout=0.5
            )
        hold.set()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            status = server.post("get_status")
            if status.status_code == 200 and status.json()["data"]["routes"][0]["delivered"]:
                break
            time.sleep(0.1)
        assert status.json()["data"]["routes"][0]["delivered"] == len(RAISED)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    certificate_files.make(folder)
    return certificate_files.Certificates(folder)


def test_tls_and_client_certificates(api, tmp_path, certificates):
    tls = {"certificate": str(certificates.server), "key": str(certificates.server_key)}
    with serving_actions(configured(tmp_path, api), tls=tls | {"client_ca": str(certificates.ca)}) as server:
        assert server.url.startswith("https://")
        known = (str(certificates.client), str(certificates.client_key))
        answer = server.post("get_status", verify=str(certificates.ca), cert=known)
        assert answer.status_code == 200
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        for stranger in (None, (str(certificates.stranger), str(certificates.stranger_key))):
            with pytest.raises((requests.ConnectionError, ssl.SSLError)):
                server.post("get_status", verify=str(certificates.ca), cert=stranger)
        with pytest.raises(requests.exceptions.SSLError):
            server.post("get_status", cert=known)
        assert server.post("get_status", verify=str(certificates.ca), cert=known, token=None).status_code == 401


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tokens": []}, "there is no token"),
        ({"listen": "0.0.0.0:0"}, "in the clear on 0.0.0.0"),
        ({"listen": "nonsense"}, "must be ADDRESS:PORT"),
        ({"listen": "192.0.2.1:8640", "behind_proxy": True}, "cannot be listened on"),
        ({"tls": {"certificate": "gone.pem"}}, "no file {folder}/gone.pem"),
        ({"tls": {"certificate": "iocstream.yaml"}}, "cannot be used"),
        ({"tokens": [{"name": "a", "hash": "sha256:1", "scopes": ["read"]}]}, "hash"),
        ({"tokens": [{"name": "a", "hash": f"sha256:{'0' * 64}", "scopes": ["all"]}]}, "scopes"),
        ({"tokens": [{"name": "a", "hash": f"sha256:{'0' * 64}", "scopes": ["read"]}] * 2}, "two tokens are called a"),
    ],
)
def test_a_server_that_would_serve_nobody_or_everybody_does_not_start(api, tmp_path, options, said):
    path = configured(tmp_path, api)
    path.write_text(path.read_text() + section({"reader": new_token()}, **options))
    done = iocstream_here("serve", "-c", path, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said.format(folder=tmp_path) in done.stderr
    assert "server" in done.stderr


def test_without_the_extra_one_line_says_how_to_install_it(api, tmp_path):
    (tmp_path / "fastapi.py").write_text("raise ModuleNotFoundError(\"No module named 'fastapi'\", name='fastapi')\n")
    path = configured(tmp_path, api)
    hidden = {"PYTHONPATH": f"{tmp_path}:{iocstream.__globals__['ROOT']}"}
    done = iocstream("serve", "-c", path, cwd=tmp_path, env=hidden)
    assert done.returncode == 2
    assert "pip install 'iocstream-connector[server]'" in done.stderr
    assert iocstream("action", "--list", cwd=tmp_path, env=hidden).returncode == 0


def test_a_token_is_shown_once_and_opens_the_server(api, tmp_path):
    shown = iocstream_here(
        "token", "new", "playbooks", "--scope", "act", "--scope", "taxii:indicators", "--print", cwd=tmp_path
    )
    token, line = shown.stdout.splitlines()[0], shown.stdout.splitlines()[-1]
    assert re.fullmatch(r"iocs_[A-Za-z0-9_-]{43}", token)
    assert token not in line
    path = configured(tmp_path, api)
    path.write_text(path.read_text() + f"server:\n  listen: 127.0.0.1:0\n  tokens:\n{line}\n")
    from integration.command import started
    from integration.servers import Server

    with started("serve", "-c", path, cwd=tmp_path, stderr=-1) as process:
        try:
            server = Server(process, {"playbooks": token})
            assert server.post("poll", token="playbooks").status_code == 200
            assert server.post("delete_notification", {"id": "1"}, token="playbooks").status_code == 403
        finally:
            process.kill()
    made = json.loads(iocstream_here("token", "new", "x", "-s", "read", "--print", "--json", cwd=tmp_path).stdout)
    assert made["token"] != token
    assert made["scopes"] == ["read"]
    assert iocstream_here("token", "new", "x", "-s", "all", cwd=tmp_path).returncode == 2
    assert iocstream_here("token", "new", "a b", "-s", "read", cwd=tmp_path).returncode == 2


def test_the_documentation_loads_nothing_from_elsewhere(server):
    page = requests.get(f"{server.url}/docs", timeout=10)
    assert page.headers["Content-Type"].startswith("text/html")
    assert not re.search(r"<(script|link|img|iframe)\b|@import|url\(", page.text)
    for name in ACTIONS:
        assert f'id="{name}"' in page.text
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    style = re.search(r"<style>(.*?)</style>", page.text, re.DOTALL)[1]
    own = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{own}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert page.headers["Content-Security-Policy"] == policy
    assert "style=" not in page.text
