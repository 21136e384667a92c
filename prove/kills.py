"""SIGKILL at random moments, with every kind of sink and while notifications keep coming: nothing may be lost.

A campaign is one journal and one set of receivers, killed again and again; then it is let finish. What has arrived is
compared with an undisturbed run over the same notifications, object by object and line by line.
"""

import contextlib
import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from prove import canaries, parties
from prove.canaries import Sweep
from prove.defects import noticed
from prove.figures import Figure, lost, must
from prove.nursery import Child, nursery
from prove.parties import Api, Item

CONFIGURATION = """
sources:
  virustotal:
    type: virustotal
    api_key: "${{VT_API_KEY}}"
    api_url: "{url}/api/v3"
    since_hours: 168
    poll_seconds: 1
    look_ups_per_day: 0  # what is learned makes versions, and when it is learned differs between runs
routes:
  taxii:
    mapping: stix21
    sink: {{type: taxii, collection_url: "{collection}", username: {username}, password: "${{TAXII_PASSWORD}}"}}
  bundle:
    mapping: stix21
    sink: {{type: file, path: indicators.json, layout: stix-bundle}}
  events:
    mapping: cef
    sink: {{type: file, path: events.cef}}
"""
SYSLOG = """
  {name}:
    mapping: cef
    sink: {{type: syslog, host: 127.0.0.1, port: {port}, transport: {name}, hostname: vt-1}}
"""
SYSLOG_ROUTES = ("relp", "tcp")
ROUTES = {
    "taxii": "… delivered to TAXII (medallion)",
    "relp": "… delivered over RELP (rsyslog)",
    "tcp": "… delivered over syslog TCP (rsyslog)",
    "bundle": "… in the STIX bundle file",
    "events": "… in the file of CEF lines",
}
DEFECTS = ("advance_before_send", "checkpoint_before_page", "modified_by_clock")
LATEST_KILL_SECONDS = 0.5
"""After the first sign of work; the work of one life takes about as long."""
NOTIFICATIONS_PER_KILL = 8
SETTLE_SECONDS = 10


@dataclass(slots=True)
class Tally:
    """What campaigns came to. Counts of what was lost are by route, in objects or events; repeats likewise.

    Attributes:
        alien: what arrived and should not have: objects that differ, lines that nobody sent.
        by_killed: how much had arrived after the last kill.
        early: kills that came before the connector had asked for anything.
        put_off: how often the log tells of what a receiver had no time for.
        complaints: tracebacks, and exit codes that should not be.
    """

    kills: int = 0
    early: int = 0
    notifications: int = 0
    not_stored: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    alien: dict[str, int] = field(default_factory=dict)
    repeats: dict[str, int] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)
    by_killed: dict[str, int] = field(default_factory=dict)
    put_off: int = 0
    complaints: list[str] = field(default_factory=list)
    sweep: Sweep = field(default_factory=Sweep)

    def add(self, other: "Tally") -> None:
        """Add another campaign's."""
        self.kills += other.kills
        self.early += other.early
        self.notifications += other.notifications
        self.not_stored += other.not_stored
        self.put_off += other.put_off
        for mine, theirs in (
            (self.lost, other.lost),
            (self.alien, other.alien),
            (self.repeats, other.repeats),
            (self.expected, other.expected),
            (self.by_killed, other.by_killed),
        ):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        self.complaints += other.complaints
        self.sweep.add(other.sweep)


class Bench:
    """The syslog server and the nursery that campaigns share, one after another.

    Each campaign has a TAXII server of its own: medallion looks through all it holds for each answer.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._numbers = itertools.count()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.nursery = stack.enter_context(nursery())
            self.rsyslog = stack.enter_context(parties.rsyslog(self._folder / "rsyslog"))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def campaign(self, kills: int, seed: int, conduct: Mapping[str, float]) -> Tally:
        """One journal, killed so many times; and an undisturbed run to hold it against."""
        number = next(self._numbers)
        with parties.medallion(self._folder / f"medallion-{number}", ["killed", "undisturbed"]) as peer:
            return self._campaign(number, peer, kills, seed, conduct)

    def _campaign(self, number: int, peer: Any, kills: int, seed: int, conduct: Mapping[str, float]) -> Tally:
        raised = parties.notifications(max(kills * NOTIFICATIONS_PER_KILL, 60), seed=seed)
        tally = Tally(notifications=len(raised))
        outcomes = []
        for name in ("killed", "undisturbed"):
            home = self._folder / f"{name}-{number}"
            home.mkdir(parents=True)
            collection = peer.collection_url(name)
            api = Api([], key=canaries.API_KEY)
            with parties.serving(api) as url:
                text = CONFIGURATION.format(url=url, collection=collection, username=canaries.USERNAME)
                if name == "killed":
                    ports = self.rsyslog.ports
                    text += "".join(SYSLOG.format(name=route, port=ports[route]) for route in SYSLOG_ROUTES)
                (home / "iocstream.yaml").write_text(text)
                before = {route: len(self.rsyslog.stored(route)) for route in SYSLOG_ROUTES}
                if name == "killed":
                    options = {"conduct": {"small_steps": 3, **conduct}, "environment": canaries.ENVIRONMENT}
                    kill(partial(self.nursery.start, home, "run", **options), api, raised, seed, tally, kills=kills)
                else:
                    api.add(raised)
                ended = self.nursery.run(home, "run", "--once", environment=canaries.ENVIRONMENT)
            # 1 is the dead letters: the simulator raises a few notifications that nothing can be made of.
            if ended.code not in (0, 1) or "waiting" in ended.err:
                tally.complaints.append(f"the last run: {ended!r}")
            if name == "killed":
                arrived = self._arrived(parties.events_of(raised), before)
            said = (home / "err.log").read_text()
            if "Traceback" in said:
                tally.complaints.append(said[said.index("Traceback") :][:2000])
            outcomes.append((parties.objects(peer.objects(collection)), _bundle(home)))
            tally.sweep.folder(home)
        _compare(tally, self._folder / f"killed-{number}", raised, outcomes, arrived)
        return tally

    def _arrived(self, expected: set[bytes], before: Mapping[str, int]) -> Mapping[str, Sequence[bytes]]:
        """What the server wrote down, as soon as nothing is missing or it has had time enough."""
        found: dict[str, Sequence[bytes]] = {}

        def complete() -> bool:
            for route in SYSLOG_ROUTES:
                found[route] = parties.messages(self.rsyslog.stored(route)[before[route] :])
            return all(expected <= set(each) for each in found.values())

        with contextlib.suppress(TimeoutError):
            parties.until(complete, SETTLE_SECONDS, "all events are written down")
        return found


def kill(
    start: Callable[[], Child],
    api: Api,
    raised: Sequence[Item],
    seed: int,
    tally: Tally,
    *,
    kills: int,
    latest: float = LATEST_KILL_SECONDS,
) -> None:
    """Start it and kill it so many times, while these are raised: at most `latest` seconds after it begins to work."""
    chance = random.Random(seed)
    pieces = iter(parties.chunks(raised, NOTIFICATIONS_PER_KILL // 2))
    asked = threading.Event()
    api.requests = Noticed(asked)
    while tally.kills < kills:
        api.add(next(pieces, ()))
        asked.clear()
        child = start()
        moment = chance.uniform(0, latest)
        if chance.random() < 0.04:
            time.sleep(moment / 10)
            tally.early += 1
        else:
            asked.wait(10)
            time.sleep(moment / 2)
            api.add(next(pieces, ()))
            time.sleep(moment / 2)
        if child.kill():
            tally.kills += 1
        code = child.wait()
        if code != -9:
            tally.complaints.append(f"it had ended by itself with {code} before it was killed")
            break
    for piece in pieces:
        api.add(piece)


class Noticed(list[Any]):
    """The API's list of requests, which tells when one comes."""

    def __init__(self, event: threading.Event) -> None:
        """Set this event then."""
        super().__init__()
        self._event = event

    def append(self, _: Any) -> None:
        """One has come."""
        self._event.set()


def _bundle(home: Path) -> Mapping[tuple[str, str], Item]:
    return parties.objects(json.loads((home / "indicators.json").read_bytes())["objects"])


def _compare(
    tally: Tally,
    home: Path,
    raised: Sequence[Item],
    outcomes: Sequence[Any],
    arrived: Mapping[str, Sequence[bytes]],
) -> None:
    (collection, bundle), (true_collection, true_bundle) = outcomes
    tally.not_stored = len({parties.identifier(item) for item in raised} - parties.stored(home))
    for name, found, true in (("taxii", collection, true_collection), ("bundle", bundle, true_bundle)):
        tally.expected[name] = len(true)
        tally.lost[name] = len(true.keys() - found.keys())
        tally.alien[name] = sum(true.get(key) != item for key, item in found.items())
    true_events = parties.events_of(raised)
    for name, found_lines in {"events": parties.lines(home / "events.cef"), **arrived}.items():
        tally.expected[name] = len(true_events)
        tally.lost[name] = len(true_events - set(found_lines))
        tally.alien[name] = len(set(found_lines) - true_events)
        tally.repeats[name] = len(found_lines) - len(set(found_lines))
    path = home / "indicators.json"
    tally.repeats["bundle"] = path.read_bytes().count(b'\n{"') - len(bundle)


def campaigns(
    folder: Path,
    kills: int,
    seed: int,
    *,
    per_campaign: int = 25,
    conduct: Mapping[str, float] | None = None,
    bench: Callable[[Path], Any] | None = None,
) -> Tally:
    """As many campaigns as it takes, on a bench for each processor."""
    make = bench or Bench
    counts = [min(per_campaign, kills - done) for done in range(0, kills, per_campaign)]
    benches = min(parties.processors(), 4, len(counts))

    def run(number: int) -> Tally:
        total = Tally()
        mine = range(number, len(counts), benches)
        with make(folder / f"bench-{number}") as mine_alone:
            for index in mine:
                total.add(mine_alone.campaign(counts[index], seed + index, conduct or {}))
        return total

    total = Tally()
    with ThreadPoolExecutor(benches) as pool:
        for tally in pool.map(run, range(benches)):
            total.add(tally)
    return total


def figures(tally: Tally, kills: int) -> list[Figure]:
    """What campaigns with so many kills in all have shown."""
    units = {"taxii": "objects", "bundle": "objects"}
    different = tally.alien["taxii"] + tally.alien["bundle"]
    return [
        must(
            "SIGKILL at random moments, notifications arriving",
            f"{tally.kills} kills, {tally.early} of them while it started",
            f"{kills}",
            kept=tally.kills >= kills and not tally.complaints,
        ),
        lost("… stored in the journal", tally.not_stored, tally.notifications),
        *(
            lost(label, tally.lost[route], tally.expected[route], units.get(route, "events"))
            for route, label in ROUTES.items()
        ),
        must(
            "… TAXII and bundle against an undisturbed run, object by object",
            f"{different} differ",
            "0",
            kept=different == 0,
        ),
        Figure("… repeats", ", ".join(f"{name} {count:,}" for name, count in sorted(tally.repeats.items()))),
        *(must("… complaint", text[:300], "none", kept=False) for text in tally.complaints[:5]),
    ]


def prove(folder: Path, seed: int, *, quick: bool, sweep: Sweep) -> list[Figure]:
    """The figures of the kills, and of the same harness with defects."""
    kills, some, each = (20, 10, 10) if quick else (500, 40, 25)
    tally = campaigns(folder / "kills", kills, seed, per_campaign=each)
    sweep.add(tally.sweep)
    found = figures(tally, kills)
    for number, defect in enumerate(DEFECTS, start=1):
        other = campaigns(folder / defect, some, seed + 1000 * number, per_campaign=min(each, 20), conduct={defect: 1})
        # A defect that ends the program has shown nothing yet: what counts is what was lost, or differs.
        found.append(noticed(defect, figures(replace(other, complaints=[]), other.kills)))
    return found
