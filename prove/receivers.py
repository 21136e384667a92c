"""SIGKILL at random moments while the connector delivers to Splunk's HEC, to `_bulk` and to Kafka: nothing may be lost.

HEC (with acknowledgement) and `_bulk` are the imitations of the tests, on sockets; Kafka is a real broker. What has
arrived is compared with what the mappings make of the notifications. `_bulk` puts some documents off again and again:
they become dead letters and are retried by themselves, while the connector is killed.
"""

import itertools
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self

import orjson

from connector import convert
from connector.model import BUSY
from prove import canaries, parties
from prove.canaries import Sweep
from prove.defects import noticed
from prove.figures import Figure, lost, must
from prove.kills import NOTIFICATIONS_PER_KILL, Tally, campaigns, kill
from prove.nursery import nursery
from prove.parties import Api, Item

CONFIGURATION = """
sources:
  virustotal:
    type: virustotal
    api_key: "${{VT_API_KEY}}"
    api_url: "{url}/api/v3"
    since_hours: 168
    poll_seconds: 1
    look_ups_per_day: 0
routes:
  hec:
    mapping: splunk-hec
    sink: {{type: http, to: splunk-hec-acknowledged, url: "{hec}", token: "${{HEC_TOKEN}}"}}
  bulk:
    mapping: ecs
    sink: {{type: http, to: elasticsearch, url: "{bulk}", token: "${{BULK_KEY}}", options: {{index: vt}}}}
  kafka:
    mapping: ecs
    sink: {{type: kafka, bootstrap_servers: "{kafka}", topic: {topic}, tls: false}}
"""
MAPPINGS = {"hec": "splunk-hec", "bulk": "ecs", "kafka": "ecs"}
ROUTES = {
    "hec": "… indexed by Splunk's HEC with acknowledgement (imitation)",
    "bulk": "… in the index behind _bulk (imitation)",
    "kafka": "… in a topic of Kafka",
}
LATEST_KILL_SECONDS = 1.0
"""After the first sign of work: as long as it takes to find a broker, and to ask Splunk twice."""
QUESTIONS = 1
"""How often Splunk is asked in vain whether it has indexed a request; one that it is not asked about is not indexed."""
TAKES_BACK = b'"withdrawn_by":'
PUT_OFF = 8
"""One in so many notifications is put off by `_bulk`, and as many times."""
OVERDUE_SECONDS = 0.01
OLD_ENOUGH_SECONDS = 2.0
"""A dead letter is then due to be retried when a run begins; it is dated in whole seconds."""
DEFECTS = ("advance_before_send", "accepted_is_delivered")


class Bench:
    """The broker and the nursery that campaigns share; each has a topic and imitations of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._numbers = itertools.count()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._nursery = stack.enter_context(nursery())
            self._kafka = stack.enter_context(parties.kafka(self._folder / "kafka"))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def campaign(self, kills: int, seed: int, conduct: Mapping[str, float]) -> Tally:
        """One journal, killed so many times; then it is let finish."""
        number = next(self._numbers)
        raised = parties.notifications(max(kills * NOTIFICATIONS_PER_KILL, 60), seed=seed)
        tally = Tally(notifications=len(raised))
        home = self._folder / f"killed-{number}"
        home.mkdir(parents=True)
        hec, bulk = parties.http_receivers.Hec(acknowledges=True), parties.http_receivers.Bulk()
        hec.polls_before = QUESTIONS
        bulk.busy = {parties.identifier(item): PUT_OFF for item in raised[::PUT_OFF]}
        topic = self._kafka.topic(f"t{number}")
        api = Api([], key=canaries.API_KEY)
        environment = {**canaries.ENVIRONMENT, "HEC_TOKEN": hec.token, "BULK_KEY": bulk.api_key}
        with parties.serving(api) as url, parties.serving(hec) as to_hec, parties.serving(bulk) as to_bulk:
            text = CONFIGURATION.format(
                url=url,
                hec=to_hec,
                bulk=to_bulk,
                kafka=self._kafka.servers,
                topic=topic,
            )
            (home / "iocstream.yaml").write_text(text)
            options: dict[str, Any] = {
                "conduct": {"small_steps": 3, "quick_waits": 0.2, "soon_overdue": OVERDUE_SECONDS, **conduct},
                "environment": environment,
            }
            kill(
                partial(self._nursery.start, home, "run", **options),
                api,
                raised,
                seed,
                tally,
                kills=kills,
                latest=LATEST_KILL_SECONDS,
            )
            tally.by_killed = {
                "hec": len(hec.taken),
                "bulk": len(bulk.taken),
                "kafka": len(self._kafka.messages(topic)),
            }
            last = {"quick_waits": 0.2, "soon_overdue": OVERDUE_SECONDS}
            self._nursery.run(home, "run", "--once", conduct=last, environment=environment)  # with what is put off
            bulk.busy = {}
            time.sleep(OLD_ENOUGH_SECONDS)
            ended = self._nursery.run(home, "run", "--once", conduct=last, environment=environment)
        if ended.code not in (0, 1) or "waiting" in ended.err:  # 1: what nothing can be made of
            tally.complaints.append(f"the last run: {ended!r}")
        said = (home / "err.log").read_text()
        tally.put_off = sum('"refused"' in line and BUSY in line for line in said.splitlines())
        if "Traceback" in said:
            tally.complaints.append(said[said.index("Traceback") :][:2000])
        tally.sweep.folder(home)
        tally.not_stored = len({parties.identifier(item) for item in raised} - parties.stored(home))
        _compare(
            tally,
            raised,
            {
                "hec": [orjson.dumps(event) for event in hec.taken],
                "bulk": [orjson.dumps(document) for document in bulk.taken],
                "kafka": [value for _, value, _ in self._kafka.messages(topic)],
            },
        )
        # What Splunk was not asked about it had taken all the same; `_bulk` stores nothing twice.
        tally.repeats["hec"] = _sent(hec, "/services/collector/event", b'{"time":') - len(
            {*map(orjson.dumps, hec.taken)}
        )
        tally.repeats["bulk"] = _sent(bulk, "/_bulk", b'{"create":') - len(bulk.taken)
        return tally


def _sent(receiver: Any, path: str, beginning: bytes) -> int:
    """How many events came in requests to a path, each of which begins so."""
    return sum(int(body.count(beginning)) for _, to, _, body in receiver.requests if to == path)


def _compare(tally: Tally, raised: Sequence[Item], arrived: Mapping[str, Sequence[bytes]]) -> None:
    looked_up = parties.looked_up(sorted(raised, key=parties.position))
    for route, found in arrived.items():
        true = {message.body for each in convert(looked_up, MAPPINGS[route]) for message in each.messages}
        # Events that take back what was said are made of what is in the journal; a conversion knows nothing of it.
        others = [event for event in set(found) - true if TAKES_BACK not in event]
        tally.expected[route] = len(true)
        tally.lost[route] = len(true - set(found))
        tally.alien[route] = len(others)
        tally.repeats[route] = len(found) - len(set(found))


def figures(tally: Tally, kills: int) -> list[Figure]:
    """What campaigns with so many kills in all have shown."""
    alien = sum(tally.alien.values())
    return [
        must(
            "SIGKILL at random moments, notifications arriving",
            f"{tally.kills} kills, {tally.early} of them while it started",
            f"{kills}",
            kept=tally.kills >= kills and not tally.complaints,
        ),
        lost("… stored in the journal", tally.not_stored, tally.notifications),
        *(lost(label, tally.lost[route], tally.expected[route], "events") for route, label in ROUTES.items()),
        Figure(
            "… delivered by lives that were killed",
            ", ".join(f"{route} {count:,}" for route, count in sorted(tally.by_killed.items())),
        ),
        must("… events that no mapping makes", f"{alien}", "0", kept=alien == 0),
        must(
            "… documents that _bulk put off became dead letters, which were retried by themselves",
            f"{tally.put_off:,}",
            "> 0",
            kept=tally.put_off > 0,
        ),
        Figure("… repeats", ", ".join(f"{name} {count:,}" for name, count in sorted(tally.repeats.items()))),
        *(must("… complaint", text[:300], "none", kept=False) for text in tally.complaints[:5]),
    ]


def prove(folder: Path, seed: int, *, quick: bool, sweep: Sweep) -> list[Figure]:
    """The figures of the kills, and of the same harness with defects."""
    kills, some, each = (20, 10, 10) if quick else (500, 40, 25)
    tally = campaigns(folder / "receivers", kills, seed, per_campaign=each, bench=Bench)
    sweep.add(tally.sweep)
    found = figures(tally, kills)
    for number, defect in enumerate(DEFECTS, start=1):
        other = campaigns(
            folder / f"receivers-{defect}",
            some,
            seed + 1000 * number,
            per_campaign=min(each, 20),
            conduct={defect: 1},
            bench=Bench,
        )
        other.complaints.clear()
        found.append(noticed(defect, figures(other, other.kills)))
    return found
