"""The TAXII server beside medallion and OpenTAXII: the same objects, the same questions, in turns."""

import base64
import io
import itertools
import os
import socket
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlencode, urlsplit

import orjson
import requests
from measure import Row

from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Selection, StixObject
from connector.settings.server import hashed
from connector.values.timestamps import taxii as taxii_timestamp

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
COUNT = 500
"""Objects. medallion compares each with every other for each page: four times as many take it half a minute."""
NEW = 10
"""Of these, how many a poll finds."""
PAGE = 50
DEEP = COUNT - 2 * PAGE
ROUNDS = 5
WARM_SECONDS = 0.2
"""How long a server is asked before it is measured: its first answers after another server's turn are slow."""
READERS = 10
LARGE = 100_000
IDENTITY = 10
"""One object in so many is an identity."""
MEDIA_TYPE = "application/taxii+json;version=2.1"
NAMESPACE = uuid.UUID("7f3ee7e2-6d3c-4b8f-9a3f-5e1e0f1c7f10")
AIM, DEEP_AIM = 1.0, 10.0
_PEERS = {"medallion": "medallion", "OpenTAXII": "opentaxii"}
_CONFIGURATION = """
journal: {path: journal.db}
sources:
  files: {type: file, path: in.jsonl}
routes:
  iocs: {mapping: stix21, sink: {type: collection, name: iocs}}
server:
  listen: 127.0.0.1:%d
  requests_per_minute: 1000000
  tokens:
    - {name: bench, hash: '%s', scopes: [taxii]}
"""


@dataclass(frozen=True)
class Answer:
    """An answer as received. It is parsed after the time has been taken."""

    headers: Mapping[bytes, bytes]
    body: bytes

    def resource(self) -> dict[str, Any]:
        """The envelope."""
        return orjson.loads(self.body)

    def objects(self) -> int:
        """How many there are in it."""
        return len(self.resource().get("objects", ()))

    def last_added(self) -> str:
        """When the last of them was added."""
        return self.headers[b"x-taxii-date-added-last"].decode()


@dataclass
class Server:
    """A server under measurement, asked over one connection if the server keeps it open.

    The client is hardly there, lest it be measured: `http.client` takes as long as some of the answers.
    """

    collection: str
    login: tuple[str, str]
    since: str = ""
    _connection: BinaryIO | None = field(default=None, repr=False)

    def ask(self, **parameters: Any) -> Answer:
        """Objects, whole."""
        named = {f"match[{name}]" if name in ("type", "version") else name: each for name, each in parameters.items()}
        url = urlsplit(f"{self.collection}objects/")
        known = base64.b64encode(":".join(self.login).encode()).decode()
        lines = (
            f"GET {url.path}?{urlencode(named)} HTTP/1.1",
            f"Host: {url.netloc}",
            f"Accept: {MEDIA_TYPE}",
            f"Authorization: Basic {known}",
        )
        if self._connection is None:
            with socket.create_connection((url.hostname, url.port), timeout=600) as opened:
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connection = opened.makefile("rwb", buffering=1 << 20)
        self._connection.write("\r\n".join((*lines, "", "")).encode())
        self._connection.flush()
        version, status, _ = self._connection.readline().split(b" ", 2)
        pairs = (line.split(b":", 1) for line in iter(self._connection.readline, b"\r\n"))
        headers = {name.lower(): value.strip() for name, value in pairs}
        body = self._connection.read(int(headers[b"content-length"]))
        if version == b"HTTP/1.0" or headers.get(b"connection", b"").lower() == b"close":
            self._connection.close()
            self._connection = None
        if int(status) == HTTPStatus.INTERNAL_SERVER_ERROR:
            return Answer(headers, b"{}")  # as medallion answers now and then when several read at once
        if int(status) != HTTPStatus.OK:
            raise SystemExit(f"{self.collection} answered {status.decode()}: nothing to measure")
        return Answer(headers, body)

    def add(self, objects: Sequence[StixObject]) -> None:
        """As a producer adds them."""
        body = b'{"objects":[%s]}' % b",".join(each.body for each in objects)
        headers = {"Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE}
        answer = requests.post(f"{self.collection}objects/", body, auth=self.login, headers=headers, timeout=600)
        if answer.json()["success_count"] != len(objects):
            raise SystemExit(f"{self.collection} did not take the objects: nothing to measure")


def objects(count: int) -> Iterator[StixObject]:
    """Indicators and identities, of about 700 bytes each."""
    version = "2026-01-01T00:00:00.000Z"
    for n in range(count):
        kind = "identity" if n % IDENTITY == 0 else "indicator"
        document: dict[str, Any] = {
            "type": kind,
            "spec_version": "2.1",
            "id": f"{kind}--{uuid.uuid5(NAMESPACE, str(n))}",
            "created": version,
            "modified": version,
            "name": f"{n:064x}",
            "description": "What a YARA rule matched. " * 8,
        }
        if kind == "indicator":
            document |= {
                "pattern": f"[file:hashes.'SHA-256' = '{n:064x}']",
                "pattern_type": "stix",
                "valid_from": version,
                "indicator_types": ["anomalous-activity"],
            }
        yield StixObject(document["id"], kind, version, orjson.dumps(document))


Asking = Callable[[], Sequence[Answer]]


@contextmanager
def served(folder: Path, held: Sequence[StixObject]) -> Iterator[Server]:
    """This server, as people run it."""
    from free_ports import reserve  # noqa: PLC0415 -- likewise
    from peers import taxii as peers  # noqa: PLC0415 -- after the path is set

    port = reserve()
    (folder / "iocstream.yaml").write_text(_CONFIGURATION % (port, hashed("token")))
    with closing(SqliteJournal(SqliteSettings(path=folder / "journal.db"))) as journal:
        for start in range(0, len(held), 10_000):
            journal.collections.store("iocs", held[start : start + 10_000])
    command = [sys.executable, "-m", "connector", "serve"]
    with peers._running(command, folder, '"url"', {"PYTHONPATH": str(ROOT)}):  # noqa: SLF001 -- how a peer is started
        yield Server(f"http://127.0.0.1:{port}/taxii2/root/collections/iocs/", ("bench", "token"))


@contextmanager
def _peer(name: str, folder: Path, held: Sequence[StixObject]) -> Iterator[Server]:
    from peers import taxii as peers  # noqa: PLC0415 -- after the path is set

    running = peers.medallion(folder) if name == "medallion" else peers.opentaxii(folder)
    with running as peer:
        server = Server(peer.collection_url("rw"), (peers.USERNAME, peers.PASSWORD))
        for start, end in itertools.pairwise((0, DEEP, COUNT - NEW, COUNT)):
            server.add(held[start:end])  # to which medallion gives one date
            time.sleep(0.1)
        yield server


def _first(server: Server) -> Asking:
    return lambda: [server.ask(limit=PAGE)]


def _deep(server: Server) -> Asking:
    # medallion keeps what is left of the list that it made for the first page, for this client and half a minute: its
    # `next` is as good as once, and costs it no search. Ours and OpenTAXII's look it up.
    token = server.ask(limit=DEEP).resource()["next"]
    return lambda: [server.ask(limit=PAGE, next=token)]


def _deep_by_date(server: Server) -> Asking:
    after = server.ask(limit=DEEP).last_added()
    return lambda: [server.ask(limit=PAGE, added_after=after)]


def _by_type(server: Server) -> Asking:
    return lambda: [server.ask(limit=PAGE, type="identity")]


def _poll(server: Server) -> Asking:
    return lambda: [server.ask(added_after=server.since)]


def _poll_in_vain(server: Server) -> Asking:
    return lambda: [server.ask(added_after="2099-01-01T00:00:00.000000Z")]


def _readers(server: Server) -> Asking:
    others = [Server(server.collection, server.login) for _ in range(READERS)]

    def read() -> list[Answer]:
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(lambda other: other.ask(limit=PAGE), others))

    return read


_QUESTIONS: dict[str, tuple[Callable[[Server], Asking], int, float]] = {
    f"first page of {PAGE}": (_first, PAGE, AIM),
    f"page of {PAGE} after {DEEP:,}, by next": (_deep, PAGE, DEEP_AIM),
    f"page of {PAGE} after {DEEP:,}, by date": (_deep_by_date, PAGE, DEEP_AIM),
    f"page of {PAGE} of a type": (_by_type, PAGE, AIM),
    f"poll that finds {NEW}": (_poll, NEW, AIM),
    "poll that finds nothing": (_poll_in_vain, 0, AIM),
    f"{READERS} readers at once, a page each": (_readers, PAGE * READERS, AIM),
}


def taxii() -> list[Row]:
    """Wall-clock times of this server's answers, and how many times as long the others take."""
    held = list(objects(COUNT))
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(io.StringIO()))  # what the peers logged is of no interest here
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers: dict[str, Server] = {}
        for name, peer in _PEERS.items():
            if (ROOT / ".peers" / peer / "ready").exists():
                (folder / peer).mkdir()
                servers[f"{name} {_version(peer)}"] = stack.enter_context(_peer(name, folder / peer, held))
        (folder / "this").mkdir()
        this = stack.enter_context(served(folder / "this", held))
        servers = {"": this, **servers}
        for server in servers.values():
            server.since = _since(server)
        rows = [Row(f"TAXII server, {COUNT:,} objects; `make peers` installs others to compare", "")]
        for question, (prepare, expected, aim) in _QUESTIONS.items():
            times, lost = _times(servers, prepare, expected, question)
            rows.append(Row(f"  {question}", f"{times[''] * 1000:.1f} ms"))
            for name, seconds in times.items():
                if name:
                    ratio = seconds / times[""]
                    what = f"    {name}: times as long"
                    if name in lost:
                        what += f" (and gave {lost[name]} of {expected})"
                    rows.append(Row(what, f"{ratio:,.1f}", f"> {aim:.0f}", ratio > aim))
    return [*rows, *_large()]


def _times(
    servers: dict[str, Server], prepare: Callable[[Server], Asking], expected: int, question: str
) -> tuple[dict[str, float], dict[str, int]]:
    """By server the seconds of its best turn, and the fewest objects given by those that gave too few.

    The best, since an answer of a millisecond suffers more from a busy machine than one of a second.
    """
    taken: dict[str, list[float]] = {name: [] for name in servers}
    lost: dict[str, int] = {}
    for _ in range(ROUNDS):
        for name, server in servers.items():
            until = time.perf_counter() + WARM_SECONDS
            while time.perf_counter() < until:
                prepare(server)()
            ask = prepare(server)
            started = time.perf_counter()
            answers = ask()
            taken[name].append(time.perf_counter() - started)
            found = sum(answer.objects() for answer in answers)
            if (
                found < expected and name
            ):  # medallion does, when several read at once: it sorts its list for each of them
                lost[name] = min(found, lost.get(name, expected))
            elif found != expected:
                raise SystemExit(f"{question}: {name or 'this server'} gave {found} objects, not {expected}")
    return {name: min(each) for name, each in taken.items()}, lost


def _since(server: Server) -> str:
    """When the last but NEW was added, in the server's own words."""
    return server.ask(limit=COUNT - NEW).last_added()


def _large() -> list[Row]:
    """A poll where there are many more objects, and the memory that the server then takes."""
    import psutil  # noqa: PLC0415 -- for this alone

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        held = list(objects(LARGE))
        with served(folder, held) as server:
            (process,) = [
                each for each in psutil.Process(os.getpid()).children() if "serve" in " ".join(each.cmdline())
            ]
            with closing(SqliteJournal(SqliteSettings(path=folder / "journal.db"))) as journal:
                newest, _ = journal.collections.state("iocs")
                last, _ = journal.collections.manifest("iocs", Selection(after=newest - NEW), NEW)
            server.since = taxii_timestamp(last[0].added - 1)
            polls = [_timed(lambda: server.ask(added_after=server.since)) for _ in range(ROUNDS * 3)]
            token, walked = None, 0
            started = time.perf_counter()
            while token is not None or not walked:
                page = server.ask(limit=1000, **({"next": token} if token else {})).resource()
                walked += len(page["objects"])
                token = page.get("next")
            seconds = time.perf_counter() - started
            memory = process.memory_info().rss
    if walked != LARGE:
        raise SystemExit(f"{walked} of {LARGE} objects were read: nothing to measure")
    return [
        Row(f"  poll that finds {NEW}, of {LARGE:,} objects", f"{statistics.median(polls) * 1000:.1f} ms"),
        Row(f"  all {LARGE:,}, in pages of 1,000", f"{walked / seconds:,.0f} a second"),
        Row("  the server's memory after that", f"{memory / 2**20:.0f} MiB"),
    ]


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _version(peer: str) -> str:
    paths = [str(path) for path in (ROOT / ".peers" / peer).glob("lib/python*/site-packages")]
    return next(each.version for each in distributions(path=paths) if each.metadata["Name"].lower() == peer)
