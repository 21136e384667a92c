"""A running connector between an API and receivers that fail on cue, and an account of what must arrive.

What must arrive is known by names that stand for themselves: each notification is of a domain of its own. So this
account needs nothing of the connector's.
"""

import contextlib
import io
import json
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from werkzeug.wrappers import Request, Response

from connector import configuration
from connector.operations.status import status
from connector.simulator.taxii import MEDIA_TYPE, TaxiiReceiver
from prove import canaries, parties
from prove.figures import Figure, must
from prove.nursery import Child, Ended, Nursery

NAME = re.compile(rb"n(\d+)\.operation\.example")
STUCK_SECONDS = 60.0
"""What has not gone on for so long after the trouble has ended is stuck."""
STUCK_WITH_DEFECT_SECONDS = 6.0
DAY = 86400
CONDUCT: Mapping[str, float] = {"quick_waits": 0.2, "quick_returns": 0.2, "patience": 8}

Truth = Callable[[], Response]
Rule = Callable[[Request, Truth], Response | None]


class Gate:
    """Stands before a WSGI application and answers in its place when its rule says so.

    Attributes:
        rule: gets a request and how to have the truth; gives an answer, or None to pass on what is true.
        inflicted: how often it answered.
        asked, envelopes: how many requests there were, and how many of them brought something.
        last_at: when it last did (monotonic clock).
    """

    def __init__(self, application: Any) -> None:
        self._application = application
        self._lock = threading.Lock()
        self.rule: Rule = lambda _, __: None
        self.inflicted = 0
        self.asked = self.envelopes = 0
        self.last_at = time.monotonic()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Answer one request."""
        environ.pop("HTTP_ACCEPT_ENCODING", None)  # so that an answer can be changed
        request = Request(environ)
        body = request.get_data()

        def truth() -> Response:
            environ["wsgi.input"] = io.BytesIO(body)
            return Response.from_app(self._application, environ, buffered=True)

        with self._lock:
            self.asked += 1
            self.envelopes += request.method == "POST"
        answer = self.rule(request, truth)
        if answer is not None:
            with self._lock:
                self.inflicted += 1
                self.last_at = time.monotonic()
        return (answer or truth())(environ, start_response)

    def heals(self) -> None:
        """Pass everything on from here on."""
        self.rule = lambda _, __: None

    def refuses(self, answer: Response, times: int, *, on: str = "") -> None:
        """Give this answer to the next requests whose address has `on` in it."""
        left = [times]

        def rule(request: Request, _: Truth) -> Response | None:
            with self._lock:
                if left[0] <= 0 or on not in request.url:
                    return None
                left[0] -= 1
            return copied(answer)

        self.rule = rule


def said(status: int, body: Any, *, kind: str = "application/json", **headers: str) -> Response:
    """An answer: text as it is, anything else as JSON; headers as `Retry_After="3"`."""
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(text, status, named, content_type=kind)


def page(status: int) -> Response:
    """What a proxy, a front end or a log-in page answers."""
    return said(status, "<!doctype html><html><body><h1>Access to this page</h1></body></html>", kind="text/html")


def copied(answer: Response) -> Response:
    """The same once more."""
    return Response(answer.get_data(), answer.status, dict(answer.headers))


@dataclass
class Bench:
    """Where cases are run, and how.

    Attributes:
        is_short: whether a few examples of each kind are enough.
        conduct: what the connector has beside `CONDUCT`: a defect.
    """

    folder: Path
    children: Nursery
    seed: int = 1
    is_short: bool = False
    conduct: Mapping[str, float] = field(default_factory=dict)

    def some(self, every: Mapping[str, Any]) -> Mapping[str, Any]:
        """Examples of a kind: in the short form only the first two."""
        return dict([*every.items()][:2]) if self.is_short else every

    @property
    def behaviour(self) -> Mapping[str, float]:
        """How the connector runs; with a defect nobody waits for long."""
        return {**CONDUCT, **({"patience": 1} if self.conduct else {}), **self.conduct}

    @contextlib.contextmanager
    def scene(self, name: str, **options: Any) -> Iterator["Scene"]:
        """A scene of its own."""
        with Scene(self, name, **options) as scene:
            yield scene


class Scene:
    """A connector's folder, the API, a TAXII server, and what was raised.

    Attributes:
        raised: the numbers of the notifications that must arrive.
        arrivals: by route, how to ask its receiver for the numbers of what has arrived; each must have all of them.
        recovered: the longest time from the end of a trouble until everything had arrived, in seconds.
    """

    def __init__(self, bench: Bench, name: str, *, clock: Callable[[], float] = time.time) -> None:
        self.bench = bench
        self.home = bench.folder / name
        self.home.mkdir(parents=True)
        self.api = parties.Api([], key=canaries.API_KEY, clock=clock)
        self.api_gate = Gate(self.api)
        self.receiver = receiver()
        self.taxii_gate = Gate(self.receiver)
        self.arrivals: dict[str, Callable[[], set[int]]] = {
            "taxii": lambda: numbers_of(self.receiver),
            "events": self._events,
        }
        self.raised: set[int] = set()
        self.recovered = 0.0
        self.child: Child | None = None
        self.started_at = 0.0
        self._stack = ExitStack()
        self._next = 1
        self._stuck_after = STUCK_WITH_DEFECT_SECONDS if bench.conduct else STUCK_SECONDS

    def __enter__(self) -> Self:
        self.api_url = self._stack.enter_context(parties.serving(self.api_gate))
        self.taxii_url = self._stack.enter_context(parties.serving(self.taxii_gate)) + self.receiver.path
        self.configuration: dict[str, Any] = {
            "sources": {"virustotal": self.source(self.api_url)},
            "routes": {"events": into_file("events.jsonl"), "taxii": self.into_taxii(self.taxii_url)},
        }
        self.configure()
        return self

    def __exit__(self, *error: object) -> None:
        if self.child is not None:
            self.child.kill()
            with contextlib.suppress(TimeoutError):
                self.child.wait()
        self._stack.close()

    def source(self, url: str) -> dict[str, Any]:
        """The options of a source."""
        return {
            "type": "virustotal",
            "api_key": "${VT_API_KEY}",
            "api_url": f"{url}/api/v3",
            "since_hours": 168,
            "poll_seconds": 1,
            "timeout_seconds": 5,
            "look_ups_per_day": 0,
        }

    def into_taxii(self, url: str) -> dict[str, Any]:
        """A route into a TAXII collection."""
        login = {"username": canaries.USERNAME, "password": "${TAXII_PASSWORD}"}
        times = {"timeout_seconds": 5, "status_timeout_seconds": 0.5}
        return {"mapping": "stix21", "sink": {"type": "taxii", "collection_url": url, **login, **times}}

    def another_receiver(self) -> tuple[TaxiiReceiver, str]:
        """Another TAXII server, and the address of its collection."""
        made = receiver()
        return made, self._stack.enter_context(parties.serving(made)) + made.path

    def serve(self, application: Any) -> str:
        """Serve something else for as long as the scene lasts."""
        return str(self._stack.enter_context(parties.serving(application)))

    def enter(self, context: Any) -> Any:
        """Have something for as long as the scene lasts."""
        return self._stack.enter_context(context)

    def configure(self, **changes: Any) -> None:
        """Write the configuration; `changes` are sections of it."""
        self.configuration |= changes
        (self.home / "iocstream.yaml").write_text(json.dumps(self.configuration))

    def made(self, dates: Sequence[int]) -> list[parties.Item]:
        """Notifications of these dates that nobody has raised yet, each of a domain of its own."""
        items = []
        for date in dates:
            number, self._next = self._next, self._next + 1
            context = {
                "notification_id": notification_id(number),
                "notification_date": date,
                "origin": "hunting",
                "sources": [],
                "tags": [],
                "hunting_info": None,
            }
            items.append(
                {
                    "type": "domain",
                    "id": f"n{number}.operation.example",
                    "attributes": {"tld": "example"},
                    "context_attributes": context,
                }
            )
        return items

    def raises(self, dates: int | Sequence[int]) -> list[parties.Item]:
        """Raise notifications of these dates, or so many of now."""
        now = int(time.time())
        items = self.made([now - 5] * dates if isinstance(dates, int) else dates)
        self.api.add(items)
        self.raised |= {number(item) for item in items}
        return items

    def start(self, **conduct: float) -> None:
        """Start `iocstream run`."""
        behaviour = {**self.bench.behaviour, **conduct}
        self.started_at = time.monotonic()
        self.child = self.bench.children.start(self.home, "run", conduct=behaviour, environment=canaries.ENVIRONMENT)

    def stop(self, signal: int = 15) -> int:
        """End it; its exit code."""
        assert self.child is not None
        self.child.kill(signal)
        code = self.child.wait()
        self.child = None
        self.expect_no_bug()
        return code

    def run(self, *arguments: str, **conduct: float) -> Ended:
        """Run a command to its end; `run --once` unless another is given."""
        behaviour = {**self.bench.behaviour, **conduct}
        command = arguments or ("run", "--once")
        ended = self.bench.children.run(self.home, *command, conduct=behaviour, environment=canaries.ENVIRONMENT)
        self.expect_no_bug()
        return ended

    def expect_no_bug(self) -> None:
        """Nothing in the log may be a traceback."""
        said = (self.home / "err.log").read_text()
        if "Traceback" in said:
            raise AssertionError(said[said.index("Traceback") :][:2000])

    def parts(self) -> dict[str, Any]:
        """What `status` says of each source and route; nothing before there is a journal."""
        if not (self.home / "iocstream.db").exists():
            return {}
        known = status(configuration.load(self.home / "iocstream.yaml", canaries.ENVIRONMENT)).as_json()
        return {part["name"]: part for part in [*known["sources"], *known["routes"]]}

    def arrived(self, route: str) -> set[int]:
        """The numbers of what has arrived by a route."""
        return self.arrivals[route]()

    def _events(self) -> set[int]:
        path = self.home / "events.jsonl"
        return {int(found) for found in NAME.findall(path.read_bytes())} if path.exists() else set()

    def lost(self, excused: Collection[int] = ()) -> int:
        """How many have not arrived by each route."""
        wanted = self.raised.difference(excused)
        return len(wanted - set.intersection(*(self.arrived(route) for route in self.configuration["routes"])))

    def until_arrived(self, gate: Gate | None = None, excused: Collection[int] = ()) -> None:
        """Wait until everything has arrived; the time counts from when the gate last answered.

        Raises:
            TimeoutError: it is stuck.
        """
        asked_at = time.monotonic()
        self.until(lambda: self.lost(excused) == 0, "everything arrived")
        if gate is not None:
            self.recovered = max(self.recovered, time.monotonic() - max(asked_at, gate.last_at))

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until it holds; raises as `until_arrived` does."""
        parties.until(lambda: self._is_running() and holds(), self._stuck_after, what)

    def _is_running(self) -> bool:
        if self.child is not None and (code := self.child.poll()) is not None:
            self.child = None
            raise TimeoutError(f"the connector ended by itself with {code}")
        return True

    def letters(self) -> list[dict[str, Any]]:
        """The dead letters; while nothing runs."""
        return list(json.loads(self.run("rejected", "list", "--json").out))


def receiver() -> TaxiiReceiver:
    """A TAXII server with an empty collection."""
    return TaxiiReceiver(username=canaries.USERNAME, password=canaries.PASSWORD)


def into_file(path: str) -> dict[str, Any]:
    """A route into a file of JSON lines."""
    return {"mapping": "json", "sink": {"type": "file", "path": path}}


def notification_id(number: int) -> str:
    """Of a notification; ids do not grow with time, which the API does not promise."""
    return str(23_000_000_000 + number * 7_919 % 1_000_003)


def number(item: parties.Item) -> int:
    """The number in an item's name."""
    return int(str(item["id"]).split(".")[0][1:])


def numbers_of(server: TaxiiReceiver) -> set[int]:
    """The numbers of the indicators that a TAXII server has."""
    patterns = [each["pattern"].encode() for each in server.objects() if each["type"] == "indicator"]
    return {int(found) for pattern in patterns for found in NAME.findall(pattern)}


def dangling(objects: Sequence[Mapping[str, Any]]) -> int:
    """How many objects these refer to that are not among them."""
    known = {each["id"] for each in objects}
    named = {each[key] for each in objects for key in each if key.endswith("_ref")}
    named |= {one for each in objects for key in each if key.endswith("_refs") for one in each[key]}
    return len(named - known)


def taxii_error(status: int, title: str = "no") -> Response:
    """A TAXII server's own error (TAXII 2.1 section 3.6.1)."""
    return said(status, {"title": title, "http_status": str(status)}, kind=MEDIA_TYPE)


def api_error(status: int, code: str) -> Response:
    """VirusTotal's own error."""
    return said(status, {"error": {"code": code, "message": "no"}})


def outcome(
    what: str,
    scene: Scene,
    inflicted: int,
    *,
    excused: Collection[int] = (),
    more: str = "",
    kept: bool = True,
) -> Figure:
    """The figure of a case: how often the trouble was inflicted, what was lost, how long it took to go on."""
    lost = scene.lost(excused)
    parts = [f"inflicted {inflicted:,} times", f"{lost} of {len(scene.raised):,} lost"]
    parts += [more] if more else []
    parts += [f"goes on within {scene.recovered:.1f} s"] if scene.recovered else []
    return must(what, "; ".join(parts), "0 lost, goes on", kept=kept and lost == 0 and inflicted > 0)


def tried(what: str) -> Callable[[Callable[[Bench], Figure]], Callable[[Bench], Figure]]:
    """Make a case: one that gets stuck has a figure that says so."""

    def decorator(case: Callable[[Bench], Figure]) -> Callable[[Bench], Figure]:
        def run(bench: Bench) -> Figure:
            try:
                return case(bench)
            except TimeoutError as stuck:
                return must(what, f"stuck: {stuck}", "0 lost, goes on", kept=False)

        run.__name__ = case.__name__
        run.__doc__ = case.__doc__
        return run

    return decorator
