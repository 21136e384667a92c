"""`iocstream serve` under attack, over its socket, by clients without a token and by one that has one."""

import contextlib
import json
import os
import re
import select
import socket
import ssl
import time
from contextlib import closing
from pathlib import Path

import certificates
import psutil
import pytest
import requests
from integration.servers import serving_actions

from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import StixObject
from connector.server import acceptor
from connector.server.connection import READ_SECONDS

MOST_BYTES = 300 * 1000 * 1000
"""Of memory that the server takes, whoever sends what."""

ADDRESSES = 768 * 1024 * 1024
"""What `ulimit -v` allows the server that everybody attacks at once."""

CONFIGURATION = """
sources:
  files: {{type: file, path: "{folder}/in.jsonl"}}
journal: {{path: "{folder}/iocstream.db"}}
routes:
  published: {{mapping: stix21, sink: {{type: collection, name: indicators}}}}
"""


def configured(folder):
    (folder / "in.jsonl").touch()
    path = folder / "iocstream.yaml"
    path.write_text(CONFIGURATION.format(folder=folder))
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving_actions(configured(tmp_path_factory.mktemp("server"))) as server:
        yield server


def connected(server, *, receive_bytes=None):
    host, port = server.url.rpartition("/")[2].rsplit(":", 1)
    connection = socket.socket()
    connection.settimeout(30)
    if receive_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.connect((host, int(port)))
    return connection


def raw(server, *pieces):
    """What comes back until the server closes."""
    with connected(server) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionError:
            return b""


def request(server, path="/actions/get_status", method="POST", host="127.0.0.1", token="root", **headers):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {server.tokens[token]}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def answer(connection):
    """One answer on a connection that stays open."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1)
    length = int(re.search(rb"content-length: (\d+)", received)[1])
    return received + connection.recv(length, socket.MSG_WAITALL)


@contextlib.contextmanager
def crowd(server, count, sent=b""):
    """So many connections of clients without a token, which have sent this and then nothing."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(connected(server))
            with contextlib.suppress(ConnectionError):
                connection.sendall(sent)
        yield


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    certificates.make(folder)
    made = certificates.Certificates(folder)
    return made, {"certificate": str(made.server), "key": str(made.server_key)}


class TestConnections:
    @pytest.mark.parametrize(
        "sent", [b"", b"POST /actions/poll HTTP/1.1\r\nHost: x", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]
    )
    def test_nobody_is_kept_out_by_clients_without_a_token(self, tmp_path, sent):
        with serving_actions(configured(tmp_path)) as server, connected(server) as known:
            known.sendall(request(server, "/taxii2/", "GET"))
            assert answer(known).split()[1] == b"200"
            with crowd(server, 2 * (acceptor.MAX_STRANGERS + acceptor.MAX_KNOWN), sent):
                assert server.post("get_status").status_code == 200
                known.sendall(request(server, "/taxii2/", "GET"))
                assert answer(known).split()[1] == b"200"
                assert psutil.Process(server.process.pid).num_fds() < 2 * acceptor.MAX_STRANGERS
            said = [json.loads(line) for line in server.log]
            assert [each["client"] for each in said if each["event"] == "connections_ended"] == ["127.0.0.1"]
            assert len(said) < 10

    def test_nobody_is_kept_out_by_handshakes_that_never_end(self, tmp_path, tls):
        certificate, options = tls
        with serving_actions(configured(tmp_path), tls=options) as server:
            with crowd(server, 2 * acceptor.MAX_STRANGERS, b"\x16\x03\x01"):
                assert server.post("get_status", verify=str(certificate.ca)).status_code == 200
                assert psutil.Process(server.process.pid).num_fds() < 2 * acceptor.MAX_STRANGERS
            assert len(server.log) < 10

    def test_nobody_is_kept_out_when_no_file_is_left_and_the_log_stays_short(self, tmp_path):
        with serving_actions(configured(tmp_path)) as server:
            assert server.post("get_status").status_code == 200
            process = psutil.Process(server.process.pid)
            process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds() + 20, process.num_fds() + 20))
            with crowd(server, 100):
                for _ in range(3):
                    token = {"Authorization": f"Bearer {server.tokens['root']}"}
                    assert requests.get(f"{server.url}/taxii2/", headers=token, timeout=30).status_code == 200
            events = [json.loads(line)["event"] for line in server.log]
            assert "connections_not_accepted" in events
            assert len(events) < 10

    def test_more_clients_with_a_token_than_there_is_room_for_end_those_that_are_idle(self, tmp_path):
        most = acceptor.MAX_KNOWN + acceptor.MAX_STRANGERS + 50
        limits = {"requests_per_minute": 100_000}
        with serving_actions(configured(tmp_path), **limits) as server, contextlib.ExitStack() as stack:
            for _ in range(most):
                connection = stack.enter_context(connected(server))
                connection.sendall(request(server, "/taxii2/", "GET"))
                assert answer(connection).split()[1] == b"200"
            assert server.post("get_status").status_code == 200
            assert psutil.Process(server.process.pid).num_fds() < most

    def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one(self, server):
        soft, hard = psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_NOFILE)
        assert soft == hard

    def test_what_follows_a_refused_request_is_not_read_for_ever(self, server):
        head = b"POST /actions/poll HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        with connected(server) as connection:
            connection.sendall(head)
            assert answer(connection).split()[1] == b"401"
            with pytest.raises(ConnectionError):
                connection.sendall(b"1\r\nx\r\n" * 20_000_000)

    @pytest.mark.parametrize(("count", "size"), [(200, 1), (3_000, 64), (2, 100_000)])
    def test_a_body_may_come_in_chunks(self, server, count, size):
        asked = request(server, token="reader", Content_Type="application/json", Transfer_Encoding="chunked")
        text = b"{" + b" " * (count * size - 2) + b"}"
        chunks = (b"%x\r\n%b\r\n" % (size, text[at : at + size]) for at in range(0, len(text), size))
        with connected(server) as connection:
            connection.sendall(asked + b"".join(chunks) + b"0\r\n\r\n")
            assert answer(connection).split()[1] == b"200"

    def test_a_body_of_very_many_chunks_of_next_to_nothing_ends_the_connection(self, server):
        asked = request(server, token="reader", Content_Type="application/json", Transfer_Encoding="chunked")
        with connected(server) as connection:
            connection.sendall(asked + b"1\r\n \r\n" * 201)
            received = connection.recv(1000)
            assert received.startswith(b"HTTP/1.1 400")
            while received:
                received = connection.recv(1000)

    def test_who_sends_a_notification_with_a_wrong_token_can_read_that_it_is_one(self, server):
        told = requests.post(f"{server.url}/actions/poll", json={"a": "x" * 110_000}, timeout=30)
        assert told.status_code == 401
        assert told.json()["code"] == "unauthenticated"


def peak(server, what="VmHWM"):
    """The most memory that the process has had, in bytes; or, as VmPeak, addresses."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+) kB", status)[1]) * 1024


def filled(folder, count):
    """A configuration whose collection has so many objects of a million bytes, which do not compress."""
    path = configured(folder)
    with closing(SqliteJournal(SqliteSettings(path=folder / "iocstream.db"))) as journal:
        objects = [StixObject(f"x--{n}", "x", None, b'"%s"' % os.urandom(500_000).hex().encode()) for n in range(count)]
        assert all(journal.collections.store("indicators", objects))
    return path


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
class TestMemory:
    def test_readers_of_one_token_that_do_not_read_hold_little_and_keep_nobody_out(self, tmp_path):
        with serving_actions(filled(tmp_path, 8)) as server, contextlib.ExitStack() as stack:
            asked = request(server, "/taxii2/root/collections/indicators/objects/", "GET", token="puller")
            readers = [stack.enter_context(connected(server, receive_bytes=4096)) for _ in range(200)]
            for reader in readers:
                reader.sendall(asked)
            while readers and (answered := select.select(readers, [], [], 1)[0]):
                readers = [each for each in readers if each not in answered]
            assert server.post("get_status", token="reader").status_code == 200
            token = {"Authorization": f"Bearer {server.tokens['root']}"}
            page = requests.get(f"{server.url}/taxii2/root/collections/indicators/objects/", headers=token, timeout=30)
            assert page.json()["more"] is True
            assert peak(server) < MOST_BYTES

    def test_bodies_of_one_token_that_never_end_hold_little_and_keep_nobody_out(self, tmp_path):
        with serving_actions(configured(tmp_path)) as server, contextlib.ExitStack() as stack:
            size = 4 * 1024 * 1024
            asked = request(server, token="reader", Content_Type="application/json", Content_Length=size)
            asked += b" " * (size - 1)
            left = {}
            for _ in range(200):
                connection = stack.enter_context(connected(server))
                connection.setblocking(False)
                left[connection] = memoryview(asked)
            while writable := select.select([], [each for each in left if left[each]], [], 1)[1]:
                for connection in writable:
                    left[connection] = left[connection][connection.send(left[connection]) :]
            assert server.post("get_status", token="soar").status_code == 200
            assert peak(server) < MOST_BYTES

    def test_all_of_it_at_once_and_with_tls_stays_within_the_memory_that_is_promised(self, tmp_path, tls):
        certificate, options = tls
        trusting = ssl.create_default_context(cafile=certificate.ca)
        with serving_actions(filled(tmp_path, 4), tls=options) as server, contextlib.ExitStack() as stack:
            psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_AS, (ADDRESSES, ADDRESSES))
            page = request(server, "/taxii2/root/collections/indicators/objects/", "GET", token="puller")
            body = request(server, token="soar", Content_Type="application/json", Content_Length=4_000_000)
            public = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20
            for count, sent in ((120, page), (60, body + b'{"a":[' + b'{"":0},' * 10_000), (200, public)):
                for _ in range(count):
                    plain = stack.enter_context(connected(server, receive_bytes=4096))
                    connection = stack.enter_context(trusting.wrap_socket(plain, server_hostname="127.0.0.1"))
                    connection.setblocking(False)
                    with contextlib.suppress(ssl.SSLWantWriteError):
                        connection.send(sent)
            answer = server.post("get_status", token="reader", verify=str(certificate.ca))
            assert answer.status_code == 200
            assert peak(server) < MOST_BYTES
            assert peak(server, "VmPeak") < ADDRESSES

    def test_a_body_of_very_many_values_is_refused_and_not_read_twice(self, server):
        many = b'{"a":[' + b'{"":0},' * 599_000 + b"0]}"
        headers = {"Authorization": f"Bearer {server.tokens['reader']}", "Content-Type": "application/json"}
        for body, status in (
            (many, 413),
            (b'{"a":"' + b'\\"' * 2_000_000, 400),
            (b'{"a":"' + b"\\ud800" * 680_000 + b'"}', 400),
            (b'{"a":"' + b"x" * 4_000_000 + b'"}', 422),
            (b'{"a":"' + b"x" * 4_000_000 + b'\\ud800"}', 422),
            (b'{"a":"\\ud800"}', 422),
            (b"\xef\xbb\xbf{}", 200),
            (b"{}", 200),
        ):
            told = requests.post(f"{server.url}/actions/get_status", data=body, headers=headers, timeout=30)
            assert told.status_code == status, told.text
        assert peak(server) < MOST_BYTES


class TestRequests:
    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            (b"GET /taxii2/?match[id]=" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"431"),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 10_000 + b"\r\n", b"431"),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
            (b"G" * 60_000 + b" / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"431"),
            (b"nonsense\r\n\r\n" + b"x" * 100_000, b"400"),
        ],
        ids=["target", "headers", "another version", "method", "nonsense"],
    )
    def test_who_sends_no_request_can_read_why_it_is_none(self, server, sent, status):
        told = raw(server, sent)
        assert told.split()[1] == status
        assert told.count(b"HTTP/1.1 ") == 1
        assert int(re.search(rb"content-length: (\d+)", told)[1]) == len(told.partition(b"\r\n\r\n")[2])

    @pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"0x2\r\n"], ids=["no request", "no body"])
    def test_who_sends_no_request_is_not_kept(self, server, sent):
        if sent.startswith(b"0x"):
            sent = request(server, token="reader", Transfer_Encoding="chunked") + sent
        with connected(server) as connection:
            connection.sendall(sent)
            while connection.recv(65536):
                pass
            time.sleep(READ_SECONDS + 0.5)
            with pytest.raises(ConnectionError):  # noqa: PT012 -- the first tells that it is over
                for _ in range(2):
                    connection.sendall(b"x")
                    time.sleep(0.2)

    def test_what_follows_what_is_no_request_is_not_read_for_ever(self, server):
        with connected(server) as connection, pytest.raises(ConnectionError):
            connection.sendall(b"nonsense\r\n\r\n" + b"x" * 100_000_000)

    def test_a_request_with_two_lengths_is_refused_and_nothing_after_it_is_read(self, server):
        hidden = request(server, Connection="close")
        smuggling = request(server, Content_Length=4, Transfer_Encoding="chunked") + b"0\r\n\r\n" + hidden
        answer = raw(server, smuggling)
        assert answer.split()[1] == b"400"
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"connection: close" in answer.lower()
        old = request(server, Transfer_Encoding="chunked").replace(b"HTTP/1.1", b"HTTP/1.0")
        assert raw(server, old + b"0\r\n\r\n").split()[1] == b"400"

    def test_a_page_of_another_site_that_leads_its_name_here_is_answered_nothing(self, server):
        for host, status in (("evil.example", b"421"), (server.url.rpartition("/")[2], b"200"), ("localhost", b"200")):
            for path in ("/docs", "/taxii2/"):
                asked = request(server, path, "GET", host, token="root", Connection="close")
                assert raw(server, asked).split()[1] == status

    def test_a_name_of_this_server_can_be_given_and_then_no_other_is_taken(self, tmp_path):
        with serving_actions(configured(tmp_path), hosts=["SOC.example"]) as server:
            for host, status in (("soc.example:1", b"200"), ("127.0.0.1", b"200"), ("connector", b"421")):
                assert raw(server, request(server, host=host, Connection="close")).split()[1] == status

    def test_a_whole_url_is_a_target_too_and_its_host_is_what_counts(self, server):
        for target, status in (
            ("http://127.0.0.1/taxii2/?x=1", b"200"),
            ("HTTP://localhost:8640/taxii2/root/", b"200"),
            ("http://127.0.0.1", b"200"),
            ("http://evil.example/taxii2/", b"421"),
            ("http://root@127.0.0.1/taxii2/", b"421"),
            ("http://[/taxii2/", b"400"),
            ("http://127.0.0.1/tax%69i2/", b"200"),
        ):
            assert raw(server, request(server, target, "GET", Connection="close")).split()[1] == status, target

    @pytest.mark.parametrize("path", ["/openapi.json", "/taxii2/", "/nothing"])
    def test_what_is_no_page_lets_a_browser_run_nothing(self, server, path):
        policy = requests.get(server.url + path, timeout=30).headers["Content-Security-Policy"]
        assert policy == "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def test_clients_that_ask_for_pages_and_reset_the_connection_make_a_line_that_counts_them(tmp_path):
    """asyncio tells of each piece of an answer that nobody takes any more."""
    with serving_actions(filled(tmp_path, 4)) as server:
        asked = request(server, "/taxii2/root/collections/indicators/objects/", "GET", token="puller")
        for _ in range(8):
            with connected(server, receive_bytes=4096) as connection:
                connection.sendall(asked * 20)
                connection.recv(100)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        server.post("get_status").raise_for_status()
        assert server.end() == 0
        lines = [json.loads(line) for line in server.log]  # each is JSON
    told = [line for line in lines if "socket.send()" in line.get("message", "")]
    assert 1 <= len(told) <= 2
    assert sum(line["times"] for line in told) > len(told)


def test_a_request_with_two_logins_is_refused_and_none_of_them_chosen(server):
    """A proxy on the way may have looked at the other."""
    asked = request(server, Authorization=f"Bearer {server.tokens['reader']}", Content_Length="0", Connection="close")
    assert raw(server, asked).startswith(b"HTTP/1.1 400 ")
