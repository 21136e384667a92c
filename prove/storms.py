"""An API that answers badly in every way: each notification arrives, and one that is lost upstream is reported."""

import contextlib
import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from connector import app, configuration
from connector.pipeline import retry
from connector.pipeline.pool import Pause
from connector.simulator.api import Fault
from prove import canaries, parties
from prove.canaries import Sweep
from prove.defects import noticed
from prove.figures import Figure, must
from prove.nursery import Ended, Nursery, nursery
from prove.parties import Api

CONFIGURATION = """
sources:
  virustotal:
    # What is learned before an event is sent is in it, and not in what ought to arrive.
    {{type: virustotal, api_key: "${{VT_API_KEY}}", api_url: "{url}/api/v3", since_hours: 168, timeout_seconds: 5,
     reassess_hours: [], attack_techniques: false}}
routes:
  events:
    mapping: cef
    sink: {{type: file, path: events.cef}}
"""
DAY = 86400.0
HTML = b"<!doctype html><html><body><h1>Bad gateway</h1></body></html>"


class Site:
    """A connector's folder, and the API that it asks."""

    def __init__(self, children: Nursery, home: Path, api: Api, url: str, conduct: Mapping[str, float]) -> None:
        self._children = children
        self.home = home
        self.api = api
        self.raised: list[parties.Item] = []
        self.conduct = conduct
        (home / "iocstream.yaml").write_text(CONFIGURATION.format(url=url))

    def raises(self, items: list[parties.Item]) -> None:
        """Raise notifications."""
        self.api.add(items)
        self.raised += items

    def run(self, *arguments: str, **conduct: float) -> Ended:
        """Run a command; `run --once` unless another is given."""
        ended = self._children.run(
            self.home,
            *(arguments or ("run", "--once")),
            conduct={"quick_waits": 0.2, **self.conduct, **conduct},
            environment=canaries.ENVIRONMENT,
        )
        if "Traceback" in ended.err:
            raise AssertionError(ended.err)
        return ended

    def run_until_stored(self, tries: int = 20, **conduct: float) -> int:
        """Run again and again until everything is in the journal; how many runs it took."""
        ids = {parties.identifier(item) for item in self.raised}
        for attempt in range(1, tries + 1):
            self.run(**conduct)
            if parties.stored(self.home) >= ids:
                return attempt
        return tries

    def standing(self, **conduct: float) -> Any:
        """`status --json`."""
        return json.loads(self.run("status", "--json", **conduct).out)

    def lost(self, items: list[parties.Item] | None = None) -> int:
        """How many of the notifications raised, or of these, are not in the journal or have not been delivered."""
        items = self.raised if items is None else items
        ids = {parties.identifier(item) for item in items}
        not_stored = len(ids - parties.stored(self.home))
        return max(not_stored, len(parties.events_of(items) - set(parties.lines(self.home / "events.cef"))))


@contextmanager
def site(
    folder: Path, name: str, conduct: Mapping[str, float], clock: Callable[[], float] = time.time, wrap: Any = None
) -> Any:
    """A site for a storm; `wrap` makes another application of the API."""
    home = folder / name
    home.mkdir(parents=True)
    api = Api([], key=canaries.API_KEY, clock=clock)
    with nursery() as children, parties.serving(wrap(api) if wrap else api) as url:
        yield Site(children, home, api, url, conduct)


def _figure(what: str, here: Site, more: str = "", *, kept: bool = True, lost: int | None = None) -> Figure:
    count = here.lost() if lost is None else lost
    measured = f"{count} of {len(here.raised)} notifications lost"
    return must(what, f"{measured}{'; ' if more else ''}{more}", "0", kept=kept and count == 0)


class _Hour:
    """The API's clock, which a wait after an outage moves ahead, so that nobody waits for it."""

    def __init__(self) -> None:
        self.now = time.time()

    def pause(self, seconds: float) -> Pause:
        """Let the time pass."""
        self.now += seconds
        return Pause(0.0)


def hour_of_429(folder: Path, conduct: Mapping[str, float], retry_after: int | None) -> Figure:
    """429 for an hour of simulated time, with and without Retry-After."""
    hour = _Hour()
    start = hour.now
    refused: list[float] = []
    served: list[float] = []

    def wrap(api: Api) -> Any:
        def answer(environ: Any, start_response: Any) -> Any:
            if hour.now < start + 3600:
                refused.append(hour.now)
                headers = [("Content-Type", "application/json")]
                headers += [("Retry-After", str(retry_after))] if retry_after else []
                start_response("429 Too Many Requests", headers)
                return [b'{"error": {"code": "TooManyRequestsError", "message": "slow down"}}']
            served.append(hour.now)
            return api(environ, start_response)

        return answer

    with site(folder, f"hour-{retry_after}", conduct, clock=lambda: hour.now, wrap=wrap) as here:
        here.raises(parties.notifications(120, seed=3))
        ids = {parties.identifier(item) for item in here.raised}
        plan = configuration.load(here.home / "iocstream.yaml", canaries.ENVIRONMENT)
        journal = plan.settings.journal.model_copy(update={"path": here.home / "iocstream.db"})
        routes = {
            "events": plan.settings.routes["events"].model_copy(
                update={
                    "sink": plan.settings.routes["events"].sink.model_copy(
                        update={"path": str(here.home / "events.cef")}
                    )
                }
            )
        }
        settings = plan.settings.model_copy(update={"journal": journal, "routes": routes})
        stop = threading.Event()

        def stop_in_the_end() -> None:
            with contextlib.suppress(TimeoutError):
                parties.until(lambda: parties.stored(here.home) >= ids, 60, "everything is stored")
            stop.set()

        with mock.patch.object(retry, "Pause", hour.pause):
            threading.Thread(target=stop_in_the_end, daemon=True).start()
            app.run(configuration.Plan(settings, plan.mappings, plan.conditions), stop=stop)
        here.run()
        said = f"Retry-After {retry_after} s" if retry_after else "no Retry-After"
        after = served[0] - start - 3600 if served else float("inf")
        return _figure(
            f"429 for an hour ({said})",
            here,
            f"{len(refused)} requests in it, the next {after:.0f} s after it",
            kept=len(refused) < 120 and after < 2 * retry.MAX_BACKOFF_SECONDS,
        )


def cursors_refused(folder: Path, conduct: Mapping[str, float]) -> Figure:
    """Every fourth request makes all cursors invalid."""
    asked = [0]

    def wrap(api: Api) -> Any:
        def answer(environ: Any, start_response: Any) -> Any:
            asked[0] += 1
            if asked[0] % 4 == 0 and asked[0] < 120:
                api.expire_cursors()
            return api(environ, start_response)

        return answer

    with site(folder, "cursors", conduct, wrap=wrap) as here:
        here.raises(parties.notifications(200, seed=4))
        runs = here.run_until_stored(small_steps=7)
        return _figure("Cursors refused, at every fourth request", here, f"{asked[0]} requests, {runs} run(s)")


def shuffled_pages(folder: Path, conduct: Mapping[str, float]) -> Figure:
    """Pages in any order within themselves, with notifications of earlier pages among them."""
    chance = random.Random(5)
    seen: list[Any] = []
    repeats = [0]

    def shuffle(document: Any) -> Any:
        page = document.get("data")
        if isinstance(page, list) and page:
            again = chance.sample(seen, min(len(seen), 5))
            repeats[0] += len(again)
            seen.extend(page)
            page = page + again + page[:3]
            chance.shuffle(page)
            document["data"] = page
        return document

    with site(folder, "shuffled", conduct) as here:
        here.raises(parties.notifications(400, seed=6))
        here.api.faults.append(Fault(path="^/ioc_stream", times=10_000, edit=shuffle))
        here.run_until_stored()
        delivered = parties.lines(here.home / "events.cef")
        twice = len(delivered) - len(set(delivered))
        # By their ids: what an older match says that comes late is worded by what a newer one of the same says.
        events = parties.events_of(here.raised)
        lost = len(set(_ids(events)) - set(_ids(delivered)))
        told = f"{repeats[0]} repeats sent, {twice} delivered twice"
        kept = twice == 0 and len(delivered) == len(events)
        return _figure("Pages shuffled, with repeats", here, told, kept=kept, lost=lost)


def _ids(events: Iterable[bytes]) -> list[bytes]:
    """The notification that each event of CEF is of."""
    return [re.search(rb"externalId=(\S+)", event)[1] for event in events]


def nonsense(folder: Path, conduct: Mapping[str, float]) -> Figure:
    """What proxies, gateways and an API in trouble answer."""
    json_error = b'{"error": {"code": "TransientError", "message": "try again"}}'
    faults = [
        Fault(status=502, body=HTML),
        Fault(status=200, body=HTML),
        Fault(status=503, body=HTML, headers={"Retry-After": "1"}),
        Fault(status=500, body=json_error),
        Fault(status=504, body=b""),
        Fault(status=200, body=b""),
        Fault(status=200, body=b"null"),
        Fault(status=200, body=b'{"data": null}'),
        Fault(status=200, body=b'{"error": {"code": "x", "message": "y"}}'),
        Fault(cut_at=700),
        Fault(status=429, body=json_error),
        Fault(status=200, edit=lambda document: {**document, "meta": []}),
    ]
    chance = random.Random(7)
    with site(folder, "nonsense", conduct) as here:
        here.raises(parties.notifications(300, seed=8))
        for fault in faults * 2:
            fresh = Fault(
                fault.path, 1, chance.choice((None, True)), fault.status, fault.headers, fault.body, fault.cut_at
            )
            fresh.edit = fault.edit
            here.api.faults.append(fresh)
        runs = here.run_until_stored()
        return _figure(
            "HTML, empty, cut and senseless answers", here, f"{len(faults) * 2} of {len(faults)} kinds, {runs} run(s)"
        )


def broken_item(folder: Path, conduct: Mapping[str, float]) -> Figure:
    """One broken item in each page of 40: the other 39 arrive, and it is a dead letter."""
    broken: list[Any] = [None, 42, "x", [], {}, {"type": "file"}, {"id": {}, "type": []}, [[[{}]]]]
    with site(folder, "broken", conduct) as here:
        made = sorted(parties.notifications(40 * len(broken), seed=9), key=parties.position)
        here.raises(made)
        victims = {parties.identifier(made[40 * n + 17]): each for n, each in enumerate(broken)}

        def break_it(document: Any) -> Any:
            if isinstance(document.get("data"), list):
                document["data"] = [
                    victims.get(parties.identifier(item), item) if isinstance(item, dict) else item
                    for item in document["data"]
                ]
            return document

        here.api.faults.append(Fault(path="^/ioc_stream$", times=10_000, edit=break_it))
        ended = here.run()
        others = [item for item in made if parties.identifier(item) not in victims]
        letters = here.standing()["routes"][0]["dead_letters"] - parties.unconvertible(others, "cef")
        return _figure(
            "A broken item in each page of 40",
            here,
            f"{letters} of {len(broken)} broken ones are dead letters, exit code {ended.code}",
            kept=letters == len(broken) and ended.code == 1,
            lost=here.lost(others),
        )


def clock_steps(folder: Path, conduct: Mapping[str, float]) -> Figure:
    """The machine's clock is a day ahead, a day behind, and jumps while notifications come."""
    with site(folder, "clock", conduct) as here:
        pieces = parties.chunks(parties.notifications(320, seed=10), 40)
        wrong: list[dict[str, float]] = [
            {"clock_offset": DAY},
            {"clock_offset": -DAY},
            {"clock_steps": DAY},
            {},
            {"clock_steps": -DAY},
        ]
        for number, piece in enumerate(pieces):
            here.raises(piece)
            here.run(**wrong[number % len(wrong)])
        here.run()
        gaps = here.standing()["sources"][0]["lost"]
        return _figure("Clock steps of ±1 day", here, f"{len(pieces)} steps, {len(gaps)} gaps invented", kept=not gaps)


def overtaken(folder: Path, conduct: Mapping[str, float]) -> Figure:
    """The API forgets after 7 days what a stopped connector has not fetched: the loss is named."""
    now = time.time()
    ahead = [0.0]
    with site(folder, "overtaken", conduct, clock=lambda: now + ahead[0]) as here:
        first = parties.notifications(60, seed=11, now=now)
        here.raises(first)
        here.run()
        gone = parties.notifications(30, seed=12, now=now + 1.5 * DAY)
        gone = [item for item in gone if parties.position(item)[0] > now]
        here.api.add(gone)
        ahead[0] = 9 * DAY
        late = [
            i for i in parties.notifications(60, seed=13, now=now + ahead[0]) if parties.position(i)[0] > now + 7 * DAY
        ]
        here.raises(late)
        ended = here.run(clock_offset=ahead[0])
        found = here.standing(clock_offset=ahead[0])["sources"][0]["lost"]
        named = len(found) == 1 and "notifications_lost" in ended.err
        covered = named and all(
            found[0]["start"]
            <= time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(parties.position(item)[0]))
            <= found[0]["end"]
            for item in gone
        )
        return _figure(
            f"{len(gone)} notifications expired at the API while stopped for 9 days",
            here,
            f"named in status: {found[0]['start'][:16]} to {found[0]['end'][:16]}, exit code {ended.code}"
            if named
            else f"not named, exit code {ended.code}",
            kept=bool(covered) and ended.code == 1,
        )


STORMS: list[Callable[[Path, Mapping[str, float]], Figure]] = [
    lambda folder, conduct: hour_of_429(folder, conduct, None),
    lambda folder, conduct: hour_of_429(folder, conduct, 120),
    cursors_refused,
    shuffled_pages,
    nonsense,
    broken_item,
    clock_steps,
    overtaken,
]
DEFECTS = {
    "cursors_by_clock": cursors_refused,
    "whole_pages": broken_item,
    "watermark_by_clock": clock_steps,
    "silent_gap": overtaken,
}
"""Which storm must notice each of these."""


def prove(folder: Path, seed: int, *, quick: bool, sweep: Sweep) -> list[Figure]:  # noqa: ARG001 -- as every part
    """The figures of the storms, and of the defects they must notice."""
    figures = [storm(folder / "storms", {}) for storm in STORMS]
    sweep.folder(folder / "storms")
    figures += [noticed(defect, [storm(folder / defect, {defect: 1})]) for defect, storm in DEFECTS.items()]
    return figures
