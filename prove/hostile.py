"""Hostile peers, mappings and configurations: memory and time stay bounded, and there is one clear error."""

import functools
import gzip
import json
import socket
import socketserver
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prove import canaries, parties
from prove.canaries import Sweep
from prove.defects import noticed
from prove.figures import Figure, must
from prove.nursery import Nursery, nursery
from prove.parties import Api

MAX_MIB = 300
MAX_SECONDS = 30
"""Of processor time, which does not depend on other load; the limit of elapsed time is LONGEST_SECONDS."""
LONGEST_SECONDS = 120
TIMEOUT_SECONDS = 2
MIB = 1024 * 1024

CONFIGURATION = """
sources:
  virustotal:
    type: virustotal
    api_key: "${{VT_API_KEY}}"
    api_url: "http://127.0.0.1:{api}/api/v3"
    since_hours: 168
    timeout_seconds: {timeout}
routes:
  out:
    mapping: {mapping}
    sink: {sink}
"""
FILE = "{type: file, path: out.txt}"
TAXII = (
    '{{type: taxii, collection_url: "http://127.0.0.1:{port}/root/collections/c/", username: u,'
    ' password: "${{TAXII_PASSWORD}}", timeout_seconds: 2, status_timeout_seconds: 2}}'
)
SYSLOG = (
    "{{type: syslog, host: 127.0.0.1, port: {port}, transport: {transport}, hostname: vt-1,"
    " connect_timeout_seconds: 2, send_timeout_seconds: 2}}"
)


@dataclass
class Peer:
    """A server on a socket that answers as it is told.

    Attributes:
        asked: what it received, a request each.
    """

    port: int
    asked: list[bytes] = field(default_factory=list)


@contextmanager
def hostile(answer: Callable[[socket.socket, bytes], None]) -> Iterator[Peer]:
    """Serve; `answer` gets the connection and the first bytes of each request."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                while request := _request(self.request):
                    peer.asked.append(request)
                    answer(self.request, request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            pass  # the connector hung up, which is what it should do

    with Server(("127.0.0.1", 0), Handler) as server:
        peer = Peer(server.server_address[1])
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield peer
        finally:
            server.shutdown()


def _request(connection: socket.socket) -> bytes:
    """A whole HTTP request if it says its length; otherwise the first bytes received."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
        head, ended, body = received.partition(b"\r\n\r\n")
        if not ended:
            if not received[:4].isalpha():
                return received
            continue
        length = next(
            (int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length:")), 0
        )
        if len(body) >= length:
            return received
    return received


def _answered(body: bytes, *, status: str = "200 OK", more: str = "", kind: str = "application/json") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def endless(connection: socket.socket, _: bytes) -> None:
    """A body without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        connection.sendall(b" " * 65536)


def gzip_bomb(connection: socket.socket, _: bytes) -> None:
    """10 GiB of zeros in 10 MiB."""
    packer = zlib.compressobj(9, wbits=31)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\r\n")
    zeros = bytes(MIB)
    connection.sendall(packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH))
    # After a full flush each MiB of zeros becomes the same bytes: those of one are sent again and again.
    again = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    for _n in range(10 * 1024 - 1):
        connection.sendall(again)
    connection.close()


def gzip_of_gzip(connection: socket.socket, _: bytes) -> None:
    """Compressed a hundred times, and said to be."""
    body = gzip.compress(bytes(MIB))
    for _n in range(99):
        body = gzip.compress(body)
    connection.sendall(_answered(body, more=f"Content-Encoding: {', '.join(['gzip'] * 100)}\r\n"))


def deep(connection: socket.socket, _: bytes) -> None:
    """A million levels of JSON."""
    connection.sendall(_answered(b'{"data": ' + b"[" * 1_000_000))


def wide(connection: socket.socket, _: bytes) -> None:
    """Two million empty objects."""
    connection.sendall(_answered(b'{"data": [' + b",".join([b"{}"] * 2_000_000) + b"]}"))


def widest(connection: socket.socket, _: bytes) -> None:
    """60 MiB of empty objects."""
    connection.sendall(_widest_answer())


@functools.cache
def _widest_answer() -> bytes:
    return _answered(b'{"data": [' + b"{}," * (20 * MIB) + b"{}]}")


def headers(connection: socket.socket, _: bytes) -> None:
    """Headers without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-Header: " + b"x" * 1000 + b"\r\n")


def one_header(connection: socket.socket, _: bytes) -> None:
    """One header without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Header: ")
    while True:
        connection.sendall(b"x" * 65536)


def drip(connection: socket.socket, _: bytes) -> None:
    """A byte each 50 ms, for ever."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Header: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def shouting(connection: socket.socket, _: bytes) -> None:
    """Bytes without sense or end."""
    while True:
        connection.sendall(b"\x00\xff\x16\x03 rsp 999999999999 " * 1000)


def huge_frame(connection: socket.socket, _: bytes) -> None:
    """A RELP frame that says it has a terabyte."""
    connection.sendall(b"1 rsp 1099511627776 200 OK")
    while True:
        connection.sendall(b"x" * 65536)


HTTP = (endless, gzip_bomb, gzip_of_gzip, deep, wide, headers, one_header, drip)
SOME = (gzip_bomb, deep, wide, drip)


class Trial:
    """Runs the connector against what means harm, and measures."""

    def __init__(self, folder: Path, children: Nursery, conduct: Mapping[str, float] | None = None) -> None:
        self._folder = folder
        self._children = children
        self._conduct = conduct or {}
        self.figures: list[Figure] = []

    def home(self, name: str) -> Path:
        """A new folder."""
        made = self._folder / name.replace(" ", "-").replace(":", "").replace("/", "-")
        made.mkdir(parents=True)
        return made

    def run(
        self,
        what: str,
        home: Path,
        *arguments: str,
        codes: tuple[int, ...] = (1, 2),
        says: str = "",
        many_lines: bool = False,
    ) -> None:
        """Run `run --once`, or another command; the exit code, the error and the bounds must be as they should."""
        started = time.monotonic()
        ended = self._children.run(
            home,
            *(arguments or ("run", "--once")),
            conduct={"quick_waits": 0.2, "patience": 1, **self._conduct},
            environment=canaries.ENVIRONMENT,
            timeout=LONGEST_SECONDS,
        )
        seconds = time.monotonic() - started
        said = [line for line in ended.err.splitlines() if line and not line.startswith("{")]
        errors = [line for line in said if not line.startswith("`iocstream explain ")]
        bounded = ended.peak_mib < MAX_MIB and ended.processor_seconds < MAX_SECONDS
        clear = "Traceback" not in ended.err and (says in ended.err) and (len(errors) <= 1 or many_lines)
        self.figures.append(
            must(
                what,
                f"exit code {ended.code}, {ended.peak_mib:.0f} MiB, {ended.processor_seconds:.1f} s of {seconds:.1f} s"
                + ("" if clear else f"; unclear: {ended.err[-200:]!r}"),
                f"< {MAX_MIB} MiB, < {MAX_SECONDS} s of a processor",
                kept=bounded and clear and ended.code in codes,
            )
        )

    def against_api(self, answer: Callable[[socket.socket, bytes], None], timeout: float = TIMEOUT_SECONDS) -> None:
        """An API that answers so."""
        home = self.home(f"api {answer.__name__}")
        with hostile(answer) as peer:
            _configure(home, peer.port, "cef", FILE, timeout)
            self.run(f"API: {_about(answer)}", home, codes=(0, 1, 2))

    def against_taxii(self, answer: Callable[[socket.socket, bytes], None]) -> None:
        """A TAXII server that answers so."""
        home = self.home(f"taxii {answer.__name__}")
        with hostile(answer) as peer, _honest_api() as port:
            _configure(home, port, "stix21", TAXII.format(port=peer.port))
            self.run(f"TAXII: {_about(answer)}", home)

    def against_syslog(self, answer: Callable[[socket.socket, bytes], None], transport: str) -> None:
        """A syslog receiver that answers so."""
        home = self.home(f"{transport} {answer.__name__}")
        with hostile(answer) as peer, _honest_api() as port:
            _configure(home, port, "cef", SYSLOG.format(port=peer.port, transport=transport))
            self.run(f"{transport}: {_about(answer)}", home)


def _about(answer: Callable[..., None]) -> str:
    text = (answer.__doc__ or "").rstrip(".")
    return text[0].lower() + text[1:]


@contextmanager
def _honest_api(items: list[parties.Item] | None = None) -> Iterator[int]:
    with parties.serving(Api(items or parties.notifications(40, seed=30), key=canaries.API_KEY)) as url:
        yield int(url.rpartition(":")[2])


def _configure(home: Path, api: int, mapping: str, sink: str, timeout: float = TIMEOUT_SECONDS) -> None:
    text = CONFIGURATION.format(api=api, timeout=timeout, mapping=mapping, sink=sink)
    (home / "iocstream.yaml").write_text(text)


def redirects(trial: Trial) -> None:
    """A redirect to another host: nothing is sent there, the key least of all."""

    def there(connection: socket.socket, _: bytes) -> None:
        connection.sendall(_answered(b"{}"))

    for who in ("api", "taxii"):
        with hostile(there) as other:
            answer = _answered(
                b"", status="307 Temporary Redirect", more=f"Location: http://127.0.0.1:{other.port}/\r\n"
            )

            def redirect(connection: socket.socket, _: bytes, answer: bytes = answer) -> None:
                connection.sendall(answer)

            home = trial.home(f"redirect {who}")
            with hostile(redirect) as peer, _honest_api() as port:
                if who == "api":
                    _configure(home, peer.port, "cef", FILE)
                else:
                    _configure(home, port, "stix21", TAXII.format(port=peer.port))
                trial.run(f"{who.upper()}: a redirect to another host", home, codes=(2,), says="redirects")
            told = len(other.asked)
            trial.figures.append(must("… requests to that host", str(told), "0", kept=told == 0))


def injections(trial: Trial) -> None:
    """Line feeds in what goes into requests: cursors, ids of URLs, ids of TAXII statuses."""
    evil = "x\r\nX-Evil: 1\r\n\r\nGET /evil HTTP/1.1\r\n"
    item = {
        "type": "url",
        "id": "0" * 64,
        "context_attributes": {"notification_id": evil, "notification_date": int(time.time()) - 5, "origin": "hunting"},
    }
    page = {"data": [item], "meta": {"cursor": evil}}

    def api(connection: socket.socket, request: bytes) -> None:
        last = b"cursor=" in request
        connection.sendall(_answered(json.dumps({**page, "meta": {}} if last else page).encode()))

    def taxii(connection: socket.socket, request: bytes) -> None:
        if request.startswith(b"POST"):
            body = json.dumps({"id": evil, "status": "pending"}).encode()
            connection.sendall(_answered(body, status="202 Accepted", kind="application/taxii+json;version=2.1"))
        else:
            body = json.dumps({"id": "c", "title": evil, "can_write": True, "can_read": True, "status": "complete"})
            connection.sendall(_answered(body.encode(), kind="application/taxii+json;version=2.1"))

    home = trial.home("injection api")
    with hostile(api) as peer:
        _configure(home, peer.port, "cef", FILE)
        trial.run("API: line feeds in cursors and ids", home, codes=(0, 1))
        asked = peer.asked
    home = trial.home("injection taxii")
    with hostile(taxii) as peer, _honest_api() as port:
        _configure(home, port, "stix21", TAXII.format(port=peer.port))
        trial.run("TAXII: line feeds in ids and titles", home, codes=(0, 1, 2))
        asked = asked + peer.asked
    injected = sum(b"\r\nX-Evil" in each or b"GET /evil" in each for each in asked)
    trial.figures.append(must("… headers or requests injected", str(injected), "0", kept=injected == 0))


def dirt(trial: Trial) -> None:
    """Control characters and Unicode in every field, and a snippet of 10 MB."""
    made = parties.notifications(80, seed=31)
    nasty = "".join(map(chr, [*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, 0x202E, 0x1F600, 0x3C2]))
    dirty = [_dirtied(item, nasty) for item in made]
    for item in dirty[:3]:
        item["context_attributes"]["hunting_info"] = {"rule_name": "r", "snippet": nasty + "A|=\\\n" * 2_000_000}
    with hostile(shouting) as _, _honest_api(dirty) as port:
        for mapping in ("cef", "stix21"):
            home = trial.home(f"dirt {mapping}")
            _configure(home, port, mapping, FILE)
            trial.run(f"Controls in every field, 10 MB snippets: {mapping}", home, codes=(0, 1), many_lines=True)
            lines = parties.lines(home / "out.txt")
            bad = sum(any(c < 0x20 for c in line) for line in lines)
            longest = max(map(len, lines), default=0)
            trial.figures.append(
                must(f"… {len(lines)} lines, the longest {longest:,} bytes", f"{bad} with controls", "0", kept=bad == 0)
            )


def _dirtied(value: Any, nasty: str, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _dirtied(child, nasty, name) for name, child in value.items()}
    if isinstance(value, list):
        return [_dirtied(child, nasty) for child in value]
    # Ids, types and dates stay, so that it is still a notification.
    if isinstance(value, str) and key not in ("id", "type", "notification_id", "origin"):
        return nasty + value + nasty
    return value


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
DEEP_YAML = "a: " + "[" * 100_000
LONG_YAML = "a: " + "x" * (8 * MIB)
QUADRATIC_YAML = "".join(f"? &a{n} k{n}\n: *a{n}\n" for n in range(35_000))


BOMBS = {
    "aliases of aliases": BOMB,
    "100,000 levels": DEEP_YAML,
    "8 MiB": LONG_YAML,
    "35,000 anchors": QUADRATIC_YAML,
}


def yaml_bombs(trial: Trial, bombs: Mapping[str, str]) -> None:
    """As a configuration and as a mapping."""
    for name, bomb in bombs.items():
        home = trial.home(f"configuration {name}")
        (home / "iocstream.yaml").write_text(bomb)
        # One error, which for a file full of options that are none names the first twenty.
        trial.run(f"Configuration: {name}", home, "check", codes=(2,), says="error: ", many_lines=True)
        home = trial.home(f"mapping {name}")
        (home / "bomb.yaml").write_text(bomb)
        _configure(home, 9, "bomb.yaml", FILE)
        trial.run(f"Mapping: {name}", home, "check", codes=(2,), says="error: ")


def regular_expressions(trial: Trial) -> None:
    """JMESPath that nests without end, in a filter."""
    home = trial.home("nested filter")
    _configure(home, 9, "cef", FILE)
    text = (home / "iocstream.yaml").read_text()
    (home / "iocstream.yaml").write_text(text + '    when: "' + "(" * 5000 + "a" + ")" * 5000 + '"\n')
    trial.run("Filter: 5,000 brackets", home, "check", codes=(2,), says="error: ")


DEFECTS: Mapping[str, Callable[[Trial], None]] = {
    "generous_limits": lambda trial: trial.against_api(gzip_bomb, timeout=20),
    "followed_redirects": redirects,
}
"""Which attempt must notice each of these."""


def prove(folder: Path, seed: int, *, quick: bool, sweep: Sweep) -> list[Figure]:  # noqa: ARG001 -- as every part
    """The figures of what means harm."""
    folder = folder / "hostile"
    with nursery() as children:
        trial = Trial(folder, children)
        if not quick:
            _widest_answer()
            trial.against_api(widest)
        for answer in SOME if quick else HTTP:
            trial.against_api(answer)
            trial.against_taxii(answer)
        for transport in ("tcp", "relp"):
            trial.against_syslog(shouting, transport)
        trial.against_syslog(huge_frame, "relp")
        for attempt in (redirects, injections, dirt, regular_expressions):
            attempt(trial)
        yaml_bombs(trial, {"aliases of aliases": BOMB} if quick else BOMBS)
        sweep.folder(folder)
        defects = []
        for defect, attempt in DEFECTS.items():
            worse = Trial(folder / defect, children, {defect: 1})
            attempt(worse)
            defects.append(noticed(defect, worse.figures))
    return trial.figures + defects
