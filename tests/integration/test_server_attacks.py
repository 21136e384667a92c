"""`iocstream serve` under attack, over its socket, by clients without a token and by one that has one."""

import socket

import pytest
import requests
from integration.servers import serving_actions

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


class TestRequests:
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
