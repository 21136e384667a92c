"""One thing that a party cannot take, or cannot give: it holds up nothing else, and it is not lost without a word."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from werkzeug.wrappers import Request, Response

from connector.simulator.relp import RelpReceiver, accepting
from prove import parties
from prove.figures import Figure
from prove.operation.scene import (
    NAME,
    Bench,
    Rule,
    Scene,
    Truth,
    api_error,
    copied,
    into_file,
    notification_id,
    number,
    outcome,
    page,
    said,
    taxii_error,
    tried,
)

OBJECT_ANSWERS = {
    "500": taxii_error(500, "cannot be stored"),
    "403 in HTML": page(403),
    "400": taxii_error(400, "cannot be read"),
    "503": taxii_error(503),
    "422": taxii_error(422, "cannot be read"),
    "409": taxii_error(409),
    "200 in HTML": page(200),
    "404 in HTML": page(404),
    "302": said(302, "", Location="https://blocked.example/"),
}
"""What a server answers to an envelope with one certain object in it."""


@tried("An object at which a TAXII server or a firewall fails")
def object_that_fails(bench: Bench) -> Figure:
    """An envelope with it is refused each time, in each way; it is a dead letter, and all others arrive."""
    ways = bench.some(OBJECT_ANSWERS)
    with bench.scene("object") as scene:
        scene.start()
        poisoned: set[int] = set()
        for answer in ways.values():
            items = scene.made([int(time.time()) - 5] * 12)
            bad = number(items[5])
            poisoned.add(bad)
            scene.taxii_gate.rule = _refusing_object(bad, answer)
            scene.api.add(items)
            scene.raised |= {number(item) for item in items}
            scene.until_arrived(scene.taxii_gate, {*poisoned})
            _until_dead(scene, len(poisoned))
        scene.stop()
        named = {letter["notification"] for letter in scene.letters()}
        found = {each for each in poisoned if notification_id(each) in named}
        scene.taxii_gate.heals()
        scene.run("rejected", "retry", "--route", "taxii")
        again = scene.lost()
        return outcome(
            "An object at which a TAXII server or a firewall fails",
            scene,
            scene.taxii_gate.inflicted,
            more=f"{len(ways)} ways; {len(found)} of {len(poisoned)} are dead letters, retried in the end",
            kept=found == poisoned and again == 0,
        )


@tried("An event at which a RELP receiver fails")
def event_that_fails(bench: Bench) -> Figure:
    """It hangs up at one event, refuses it, never answers, or answers what is no RELP; the others arrive."""
    ways = bench.some({"hangs up": _hung_up, "refuses": _refused, "is silent": _silent, "garbles": _garbled})
    inflicted = [0]
    with bench.scene("event") as scene, RelpReceiver() as relp:
        sink = {"type": "syslog", "host": "127.0.0.1", "port": relp.port, "transport": "relp", "hostname": "vt-1"}
        sink |= {"connect_timeout_seconds": 2, "send_timeout_seconds": 1}
        scene.configure(routes={"events": {"mapping": "cef", "sink": sink}})
        poisoned: set[int] = set()

        scene.arrivals["events"] = lambda: {int(each) for line in relp.lines() for each in NAME.findall(line)}
        scene.start()
        for answer in ways.values():
            items = scene.made([int(time.time()) - 5] * 12)
            bad = b"n%d.operation.example" % number(items[5])
            poisoned.add(number(items[5]))

            def verdict(event: bytes, bad: bytes = bad, answer: Any = answer) -> bytes | None:
                if bad not in event:
                    return accepting(event)
                inflicted[0] += 1
                scene.api_gate.last_at = time.monotonic()
                return answer()  # type: ignore[no-any-return]

            relp.verdict = verdict
            scene.api.add(items)
            scene.raised |= {number(item) for item in items}
            scene.until_arrived(scene.api_gate, {*poisoned})
            _until_dead(scene, len(poisoned), "events")
        scene.stop()
        letters = len(scene.letters())
        return outcome(
            "An event at which a RELP receiver fails",
            scene,
            inflicted[0],
            excused=poisoned,
            more=f"{len(ways)} ways; {letters} of {len(poisoned)} are dead letters",
            kept=letters == len(poisoned),
        )


def _hung_up() -> None:
    return None


def _garbled() -> bytes:
    return b""  # an answer has a code


def _refused() -> bytes:
    return b"500 no"


def _silent() -> None:
    time.sleep(2)  # longer than anybody waits


def _body(change: Callable[[bytes, bytes], bytes]) -> Callable[[int], Rule]:
    """Change the body of every answer of the stream that has a certain item in it."""

    def of(bad: int) -> Rule:
        name = b'"n%d.operation.example"' % bad

        def rule(request: Request, truth: Truth) -> Response | None:
            if not request.path.endswith("/ioc_stream"):
                return None
            answer = truth()
            if name not in answer.get_data():
                return None
            return said(200, change(answer.get_data(), name), Date=str(answer.headers["Date"]))

        return rule

    return of


def _failing(bad: int) -> Rule:
    name = b'"n%d.operation.example"' % bad

    def rule(request: Request, truth: Truth) -> Response | None:
        if not request.path.endswith("/ioc_stream") or name not in truth().get_data():
            return None
        return api_error(500, "TransientError")

    return rule


def _failing_with_attributes(bad: int) -> Rule:
    whole = _failing(bad)
    return lambda request, truth: None if "descriptors_only" in request.args else whole(request, truth)


LARGE = 70 * 2**20
"""Bytes; more than any answer may have."""
ITEMS: Mapping[str, Callable[[int], Rule]] = {
    "NaN": _body(lambda body, name: body.replace(name, name + b',"odd":NaN')),
    "500 however it is asked": _failing,
    "a wrong byte of UTF-8": _body(lambda body, name: body.replace(name, name + b',"odd":"\xff"')),
    "1e400": _body(lambda body, name: body.replace(name, name + b',"odd":1e400')),
    "10,000 levels": _body(lambda body, name: body.replace(name, name + b',"odd":' + b"[" * 10_000 + b"]" * 10_000)),
    "500 with its attributes": _failing_with_attributes,
    "cut short": _body(lambda body, _: body[: len(body) // 2]),
    "70 MiB": _body(lambda body, name: body.replace(name, name + b',"odd":"' + b"x" * LARGE + b'"')),
}
"""What can be wrong with an item, so that an answer with it in it cannot be read."""


@tried("An item that cannot be read")
def item_that_cannot_be_read(bench: Bench) -> Figure:
    """One of a hundred, in each way: it is delivered, or a dead letter of the source; all others are delivered."""
    ways = bench.some(ITEMS)
    inflicted, lost, unnamed, total, slowest = 0, 0, 0, 0, 0.0
    for place, make in enumerate(ways.values()):
        with bench.scene(f"item-{place}") as scene:
            scene.configure(routes={"events": into_file("events.jsonl")})
            now = int(time.time())
            items = scene.raises(range(now - 1000, now - 500, 5))
            bad = number(items[45])
            scene.api_gate.rule = make(bad)
            scene.start()
            scene.until_arrived(None, {bad})
            slowest = max(slowest, time.monotonic() - scene.started_at)
            scene.stop()
            inflicted += scene.api_gate.inflicted
            is_named = bad in scene.arrived("events") or len(scene.letters()) == 1
            unnamed += not is_named
            lost += scene.lost({bad})
            total += len(items)
            last = scene
    return outcome(
        "An item that cannot be read",
        last,
        inflicted,
        excused={bad},
        more=f"{len(ways)} ways, {lost} of {total} others lost, {unnamed} not named, at most {slowest:.1f} s",
        kept=lost == 0 and unnamed == 0,
    )


CURSORS = {
    "400": api_error(400, "InvalidCursorError"),
    "414 in HTML": page(414),
    "500": api_error(500, "x"),
    "404": api_error(404, "NotFoundError"),
    "413 in HTML": page(413),
    "431 in HTML": page(431),
    "410": api_error(410, "Gone"),
}
MOST_REQUESTS = 60


@tried("Cursors that stay refused")
def cursors_that_stay_refused(bench: Bench) -> Figure:
    """Each cursor is refused, for good, in each way, or has 70,000 characters; 60 are of one second."""
    ways: dict[str, Rule] = {name: _refusing_cursors(answer) for name, answer in bench.some(CURSORS).items()}
    ways["70,000 characters"] = _long_cursors
    inflicted, lost, asked, codes = 0, 0, 0, set()
    for place, rule in enumerate(ways.values()):
        with bench.scene(f"cursor-{place}") as scene:
            scene.configure(routes={"events": into_file("events.jsonl")})
            now = int(time.time())
            scene.raises([*range(now - 5000, now - 3000, 10), *[now - 2500] * 60, *range(now - 2000, now - 1000, 10)])
            scene.api_gate.rule = rule
            codes.add(scene.run().code)
            inflicted += scene.api_gate.inflicted
            asked = max(asked, scene.api_gate.asked)
            lost += scene.lost()
            last = scene
    return outcome(
        "Cursors that stay refused",
        last,
        inflicted,
        more=f"{len(ways)} ways, {lost} lost in all, at most {asked} requests, exit code {', '.join(map(str, codes))}",
        kept=lost == 0 and asked <= MOST_REQUESTS and codes == {0},
    )


@tried("`run --once` takes up a walk that was interrupted")
def once_after_an_interruption(bench: Bench) -> Figure:
    """It also brings what has come since."""
    with bench.scene("once") as scene:
        now = int(time.time())
        scene.raises(range(now - 3000, now - 1000, 10))

        def broken(request: Request, _: Truth) -> Response | None:
            return page(503) if "cursor" in request.args and scene.api_gate.asked > 2 else None

        scene.api_gate.rule = broken
        first = scene.run(patience=1)
        stored = len(parties.stored(scene.home))
        scene.api_gate.heals()
        scene.raises(range(now - 900, now - 500, 10))
        second = scene.run()
        return outcome(
            "`run --once` takes up a walk that was interrupted",
            scene,
            scene.api_gate.inflicted,
            more=f"exit codes {first.code}, {second.code}",
            kept=(first.code, second.code) == (1, 0) and 0 < stored < len(scene.raised),
        )


def _refusing_object(bad: int, answer: Response) -> Rule:
    name = re.compile(rb"n%d\.operation\.example" % bad)

    def rule(request: Request, _: Truth) -> Response | None:
        objects = orjson.loads(request.get_data())["objects"] if request.method == "POST" else []
        is_poisoned = any(each["type"] == "indicator" and name.search(orjson.dumps(each)) for each in objects)
        return copied(answer) if is_poisoned else None

    return rule


def _refusing_cursors(answer: Response) -> Rule:
    return lambda request, _: copied(answer) if "cursor" in request.args else None


def _long_cursors(request: Request, truth: Truth) -> Response | None:
    if "cursor" in request.args:
        return page(414)
    answer: Any = orjson.loads(truth().get_data())
    if not answer.get("meta", {}).get("cursor"):
        return None
    answer["meta"]["cursor"] = "x" * 70_000
    return said(200, answer)


def _until_dead(scene: Scene, count: int, route: str = "taxii") -> None:
    scene.until(lambda: scene.parts()[route]["dead_letters"] >= count, "there is a dead letter")


CASES = (
    object_that_fails,
    event_that_fails,
    item_that_cannot_be_read,
    cursors_that_stay_refused,
    once_after_an_interruption,
)
