"""Servers and proxies that echo what they were sent, wherever an answer has room for it: no secret is in any error."""

import base64
import contextlib
import itertools
import socketserver
import threading
import traceback
from urllib.parse import quote, unquote

import orjson
import pytest
from integration.simulated_virustotal import settings as virustotal

from connector.model import ConnectorError, Message
from connector.sinks.http.settings import HttpSinkSettings
from connector.sinks.http.sink import HttpSink
from connector.sinks.taxii.settings import TaxiiSettings
from connector.sinks.taxii.sink import TaxiiSink
from connector.sources.virustotal.source import VirusTotalSource

JSON = b"Content-Type: application/taxii+json;version=2.1\r\n"
CANARY = "cAnary/1+2~%s~Zx"
"""With what URLs and Base64 write in two ways; `%s` is whose it is."""


def _answer(head, body=b"", kind=JSON):
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (head, kind, len(body), body)


def _body(said):
    return orjson.dumps({
        "error": {"code": said, "message": said}, "title": said, "description": said, "id": said, "status": said,
        "can_write": False, "data": [said], "meta": {"cursor": said}, "error_description": said,
    })  # fmt: skip


ANSWERS = {
    "status line": lambda said: b"HTTP/1.1 %s x\r\n\r\n" % said,
    "no status line": lambda said: said + b"\r\n\r\n",
    "reason": lambda said: _answer(b"407 " + said, b"x", b""),
    "encoding": lambda said: _answer(b"200 OK", b"x", JSON + b"Content-Encoding: %s\r\n" % said),
    "location": lambda said: _answer(b"302 x", b"", b"Location: http://%s/%s\r\n" % (said.split()[-1][:200], said)),
    "odd location": lambda said: _answer(b"302 x", b"", b"Location: http://[%s\r\n" % said),
    "header without a colon": lambda said: _answer(b"500 x", b"x", said + b"\r\n"),
    "text": lambda said: _answer(b"500 x", b"<html>" + said, b"Content-Type: text/html\r\n"),
    "refusal": lambda said: _answer(b"400 x", _body(said.decode("latin-1"))),
    "login refused": lambda said: _answer(b"401 x", _body(said.decode("latin-1"))),
    "later": lambda said: _answer(b"429 x", _body(said.decode("latin-1"))),
    "success": lambda said: _answer(b"200 OK", _body(said.decode("latin-1"))),
    "broken JSON": lambda said: _answer(b"200 OK", b'{"data": [' + said),
    "cut anywhere": lambda said: _answer(b"500 x", b" " * 150 + said, b"Content-Type: text/html\r\n"),
}
SPELLINGS = {
    "as it is": lambda text: text,
    "upper case": str.upper,
    "percent-encoded": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "quoted": lambda text: quote(text, safe=""),
    "Base64": lambda text: " ".join(base64.b64encode(b"x" * n + text.encode()).decode() for n in range(3)),
}


def told(text, canaries):
    """Those of the secrets, or halves of them, that are in a text in any of the spellings."""
    lower = text.lower()
    parts = [part for canary in canaries for part in (canary, canary[:9], canary[-9:])]
    spelt = {spelling(part).lower() for part in parts for name, spelling in SPELLINGS.items() if "Base64" not in name}
    # The middle of what is Base64, which does not rest on what stands beside it.
    for canary in canaries:
        for before in range(3):
            spelt.add(base64.b64encode(b"x" * before + canary.encode()).decode()[4:-4].lower())
    return [each for each in spelt if each in lower]


@pytest.fixture(scope="module")
def echoing():
    """A server, and proxy, that says all headers it was sent, and what they are when they are decoded."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                answer, spelling = server.says
                first, sent, length = self.rfile.readline(), [], 0
                while (line := self.rfile.readline().strip()) and len(sent) < 100:
                    name, _, value = line.decode("latin-1").partition(": ")
                    length = int(value) if name.lower() == "content-length" else length
                    if name.lower() in ("authorization", "proxy-authorization", "x-apikey", "x-key", "x-own"):
                        sent.append(value)
                        if value.startswith("Basic "):
                            sent.append(base64.b64decode(value.partition(" ")[2]).decode())
                body = self.rfile.read(length)
                if b"client_secret=" in body:
                    sent.append(body.decode().partition("client_secret=")[2].partition("&")[0])
                if b"/hooks/" in first:
                    path = first.split(b" ")[1].partition(b"/hooks/")[2].decode()
                    sent += [path, *path.split("/"), unquote(path)]
                self.wfile.write(answer(spelling(" ".join(sent)).encode("latin-1", "replace")))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def proxy(place):
    return f"http://user:{quote(CANARY % 'proxy', safe='')}@{place}"


def source(place, **options):
    api = virustotal(f"http://{place}/api/v3", api_key=CANARY % "key", proxy=proxy(place), **options)
    return lambda: list(VirusTotalSource(api, user_agent="x").pages(None))


def taxii(place, **login):
    made = TaxiiSettings(
        collection_url=f"http://{place}/api/collections/c/", timeout_seconds=5, proxy=proxy(place), **login
    )
    sink = TaxiiSink(made, user_agent="x")
    return lambda: sink.send([Message("indicator--1", "1", b"{}", 0)]) if login.get("token") else sink.check()


def http(place, path="hook", **login):
    made = HttpSinkSettings(url=f"http://{place}/{path}", timeout_seconds=5, proxy=proxy(place), **login)
    sink = HttpSink(made, user_agent="x")
    return lambda: sink.send([Message("1", None, b"{}", 0)])


CLIENTS = {
    "VirusTotal": source,
    "TAXII password": lambda place: taxii(place, username="u", password=CANARY % "password"),
    "TAXII token": lambda place: taxii(place, token=CANARY % "token"),
    "HTTP key": lambda place: http(place, api_key=CANARY % "key", api_key_header="X-Key"),
    "HTTP header": lambda place: http(place, headers={"X-Own": CANARY % "own"}),
    "HTTP path": lambda place: http(place, f"hooks/T0001/{quote(CANARY % 'path', safe='')}"),
    "OAuth": lambda place: http(
        place, oauth={"token_url": f"http://{place}/t", "client_id": "i", "client_secret": CANARY % "oauth"}
    ),
    "OAuth, Basic": lambda place: http(
        place,
        oauth={
            "token_url": f"http://{place}/t", "client_id": "i", "client_secret": CANARY % "oauth", "send_as": "basic",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_no_error_repeats_a_secret_that_is_echoed(client, answer, echoing, caplog):
    canaries = [CANARY % whose for whose in ("key", "proxy", "password", "token", "own", "path", "oauth")]
    canaries += [quote(canary, safe="") for canary in canaries]
    place = f"127.0.0.1:{echoing.server_address[1]}"
    for name, spelling in SPELLINGS.items():
        echoing.says = ANSWERS[answer], spelling
        try:
            said = repr(CLIENTS[client](place)())
        except ConnectorError as error:
            said = "".join(traceback.format_exception(error)) + repr(error)
        assert told(said + caplog.text, canaries) == [], name


@pytest.mark.parametrize(
    "body", [b'{"data": [], "meta": {"cursor": "x-%s-y"}}', b'{"data": [NaN], "meta": {"cursor": "x-%s"}}']
)
def test_a_cursor_that_holds_the_key_is_not_kept(body, echoing):
    """It would stand in the journal, and in each address that a proxy writes down."""
    echoing.says = (lambda _: _answer(b"200 OK", body % quote(CANARY % "key").encode())), str
    place = f"127.0.0.1:{echoing.server_address[1]}"
    some = VirusTotalSource(virustotal(f"http://{place}/api/v3", api_key=CANARY % "key"), user_agent="x")
    kept = []
    with contextlib.suppress(ConnectorError):
        kept += [page.checkpoint for page in itertools.islice(some.pages(None), 3)]
    assert told(repr(kept), [CANARY % "key"]) == []
