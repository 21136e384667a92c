"""What strangers can do to the log of `iocstream serve`, tried over its socket."""

import json
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from integration.servers import serving_actions

TIMES = 300


@pytest.fixture
def configuration(tmp_path):
    path = tmp_path / "iocstream.yaml"
    path.write_text(
        "sources: {feed: {type: file, path: notifications.json}}\njournal: {path: iocstream.db}\nshutdown_seconds: 1\n"
        "routes: {events: {mapping: cef, sink: {type: file, path: events.cef}}}\n"
    )
    (tmp_path / "notifications.json").write_text("[]")
    return path


def sent(server, content):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(content)
        return connection.recv(65536)


def told(server, event):
    return [line for line in map(json.loads, server.log) if line["event"] == event]


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        (
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n",
            {"Unsupported upgrade request."},
        ),
        (b"\x16\x03\x01 junk\r\n\r\n", {"Invalid HTTP request received."}),
        (
            b"POST /actions/get_status HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n",
            {"Invalid HTTP request received."},
        ),
    ],
)
def test_junk_makes_a_line_of_each_kind_and_then_its_number(configuration, content, messages):
    with serving_actions(configuration) as server, ThreadPoolExecutor(8) as clients:
        assert all(clients.map(lambda _: sent(server, content), range(TIMES)))
        assert server.end() == 0
    lines = told(server, "http_server")
    times = Counter()
    for line in lines:
        times[line["message"]] += line["times"]
    assert times == dict.fromkeys(messages, TIMES)
    assert {line["client"] for line in lines} == {"127.0.0.1"}
    assert len(lines) == 2 * len(messages)


def test_a_client_that_hangs_up_in_a_body_makes_no_line(configuration):
    with serving_actions(configuration) as server:
        token = server.tokens["reader"].encode()
        head = b"POST /actions/get_status HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + token
        for _ in range(3):
            host, port = server.url.removeprefix("http://").split(":")
            with socket.create_connection((host, int(port)), timeout=20) as connection:
                connection.sendall(head + b"\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
                assert server.post("get_status").status_code == 200  # and so that one has arrived
        assert server.end() == 0
    lines = [json.loads(line) for line in server.log]
    assert [line for line in lines if line["level"] == "error"] == []
    assert [line["status"] for line in lines if line.get("token") == "reader"] == [400] * 3


def test_wrong_tokens_are_counted_and_slowed_down_and_hold_up_no_right_one_from_the_same_address(configuration):
    wrong = {"Authorization": "Bearer canary"}
    with serving_actions(configuration) as server, ThreadPoolExecutor(20) as clients:

        def guess(_):
            answer = requests.post(f"{server.url}/actions/get_status", headers=wrong, timeout=30)
            return answer.status_code

        assert [guess(0) for _ in range(20)] == [401] * 20
        guessing = [clients.submit(guess, number) for number in range(TIMES)]
        while not any(each.done() and each.result() == 429 for each in guessing):
            threading.Event().wait(0.01)
        right = [server.post("list_judgements", token="reader").status_code for _ in range(20)]
        answers = Counter(each.result() for each in guessing)
        assert server.end() == 0
    assert 401 not in right
    assert 429 not in right
    assert answers.keys() == {401, 429}
    assert answers[429] > answers[401]
    lines = told(server, "login_refused")
    assert sum(line["times"] for line in lines) == TIMES + 20
    assert {line["client"] for line in lines} == {"127.0.0.1"}
    assert len(lines) <= 3
    assert "canary" not in "".join(server.log)


def test_behind_a_proxy_a_client_is_the_address_that_the_proxy_adds(configuration):
    with serving_actions(configuration, behind_proxy=True) as server:
        for said in ("203.0.113.1, 198.51.100.9", "198.51.100.9", "junk, 198.51.100.10", "198.51.100.9, junk"):
            headers = {"Authorization": "Bearer canary", "X-Forwarded-For": said}
            assert requests.get(f"{server.url}/", headers=headers, timeout=10).status_code == 401
        assert server.end() == 0
    times = Counter()
    for line in told(server, "login_refused"):
        times[line["client"]] += line["times"]
    assert times == {"198.51.100.9": 2, "198.51.100.10": 1, "127.0.0.1": 1}
