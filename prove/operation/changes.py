"""What people and disks change between two runs: nothing is lost by it without a word."""

import json
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Request, Response

from prove import canaries, parties
from prove.figures import Figure
from prove.operation.scene import (
    DAY,
    NAME,
    Bench,
    Truth,
    dangling,
    into_file,
    number,
    numbers_of,
    outcome,
    page,
    tried,
)

SPAN = 3000
"""Seconds of the stream that a walk is about; more than the overlap, so that the overlap of the next does not reach."""


@tried("Late notifications, behind walks that are killed")
def late_items_and_kills(bench: Bench) -> Figure:
    """A walk is killed on its way; what then appears behind it arrives all the same."""
    rounds = 2 if bench.is_short else 12
    chance = random.Random(bench.seed)
    late = 0
    with bench.scene("late") as scene:
        scene.configure(routes={"events": into_file("events.jsonl")})
        begin = int(time.time()) - (rounds + 1) * SPAN
        for _ in range(rounds):
            scene.raises(sorted(chance.randrange(begin, begin + SPAN) for _ in range(60)))
            reached, free = threading.Event(), threading.Event()
            scene.api_gate.rule = _held(chance.randrange(3, 7), reached, free)
            scene.start(small_steps=7)
            scene.until(reached.is_set, "the walk is on its way")
            scene.stop(9)
            free.set()
            scene.api_gate.heals()
            scene.raises([chance.randrange(begin - 600, begin + 600) for _ in range(5)])
            late += 5
            scene.start(small_steps=7)
            scene.until_arrived(scene.api_gate)
            scene.stop()
            begin += SPAN
        return outcome("Late notifications, behind walks that are killed", scene, rounds, more=f"{late} of them late")


def _held(count: int, reached: threading.Event, free: threading.Event) -> Callable[..., Response | None]:
    """Keep the question for a page waiting, after so many."""
    left = [count]

    def rule(request: Request, _: Truth) -> Response | None:
        if "cursor" not in request.args:
            return None
        left[0] -= 1
        if left[0] > 0:
            return None
        reached.set()
        free.wait(20)
        return page(503)

    return rule


@tried("Another configuration, over the same journal")
def another_configuration(bench: Bench) -> Figure:
    """A run with other routes prunes what all others have dealt with, and nothing else."""
    ahead = [0.0]
    with bench.scene("foreign", clock=lambda: time.time() + ahead[0]) as scene:
        whole = dict(scene.configuration["routes"])
        scene.configure(journal={"retention_days": 8})
        scene.raises(20)
        scene.run()
        scene.taxii_gate.rule = lambda request, _: page(503) if request.method == "POST" else None
        scene.raises(30)
        scene.run(patience=1)
        stored = _entries(scene.home)
        ahead[0] = 9 * DAY
        scene.raises([int(time.time() + ahead[0]) - 60] * 5)
        scene.configure(routes={"events": whole["events"]})
        scene.run(clock_offset=ahead[0])
        pruned = stored + 5 - _entries(scene.home)
        scene.configure(routes=whole)
        scene.taxii_gate.heals()
        scene.run(clock_offset=ahead[0])
        return outcome(
            "Another configuration, over the same journal", scene, pruned, more="as many pruned", kept=pruned == 20
        )


@tried("A route is given another receiver")
def other_receivers(bench: Bench) -> Figure:
    """Another collection, a bundle that is rotated away: each has all that its objects refer to."""
    with bench.scene("receivers") as scene:
        bundle = {"mapping": "stix21", "sink": {"type": "file", "path": "out.json", "layout": "stix-bundle"}}
        scene.configure(routes={"taxii": scene.configuration["routes"]["taxii"], "bundle": bundle})
        bundles = [scene.home / "out.json"]
        scene.arrivals["bundle"] = lambda: {
            int(each) for path in bundles for each in NAME.findall(path.read_bytes() if path.exists() else b"")
        }
        servers = [scene.receiver]
        scene.arrivals["taxii"] = lambda: set().union(*(numbers_of(each) for each in servers))
        changes = 2 if bench.is_short else 5
        for change in range(changes + 1):
            if change:
                server, url = scene.another_receiver()
                servers.append(server)
                scene.configure(routes={"taxii": scene.into_taxii(url), "bundle": bundle})
                bundles.append((scene.home / "out.json").rename(scene.home / f"out.{change}.json"))
            scene.raises(10)
            scene.run()
        missing = sum(dangling(each.objects()) for each in servers)
        missing += sum(dangling(json.loads(path.read_bytes())["objects"]) for path in bundles)
        return outcome(
            "A route is given another receiver",
            scene,
            changes * 2,
            more=f"{missing} references to what is not there",
            kept=missing == 0 and all(each.objects() for each in servers),
        )


@tried("Bits flipped in the journal")
def flipped_bits(bench: Bench) -> Figure:
    """What was delivered before is delivered again, after a bit of some notifications was flipped on the disk.

    While the API is away, what is damaged is a dead letter; then it is fetched again and delivered, too.
    """
    chance = random.Random(bench.seed)
    with bench.scene("bits") as scene:
        scene.configure(routes={"events": into_file("events.jsonl")})
        items = scene.raises(60)
        scene.run()
        events = scene.home / "events.jsonl"
        before = parties.lines(events)
        scene.api_gate.rule = lambda _, __: page(503)
        flipped = 0
        with closing(sqlite3.connect(scene.home / "iocstream.db")) as db:
            for seq, body in db.execute("SELECT seq, body FROM notifications ORDER BY seq").fetchall()[::2]:
                changed = bytearray(body)
                changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
                db.execute("UPDATE notifications SET body = ? WHERE seq = ?", (bytes(changed), seq))
                flipped += 1
            db.commit()
        scene.run("replay", "events", "--from-start")
        after = parties.lines(events)[len(before) :]
        altered = len(set(after) - set(before))
        letters = len([each for each in scene.letters() if each["route"] == "events"])
        scene.api_gate.heals()
        scene.run()
        mended = len(parties.lines(events)) - len(before) - len(after)
        left = len(scene.letters())
        return outcome(
            "Bits flipped in the journal",
            scene,
            flipped,
            more=f"{altered} delivered altered, {letters} dead letters, {mended} mended, {len(after)} others again",
            kept=(altered, left) == (0, 0) and letters == mended == flipped == len(items) - len(after),
        )


@tried("The journal is gone, empty, or another's")
def journal_taken_away(bench: Bench) -> Figure:
    """It is an error, and no fresh start; with the journal back, everything goes on."""
    inflicted, unsaid = 0, 0
    with bench.scene("taken") as scene, bench.scene("other") as other:
        scene.configure(routes={"events": into_file("events.jsonl")})
        scene.raises(20)
        scene.run()
        other.configure(routes={"events": into_file("events.jsonl")})
        other.raises(5)
        other.run()
        for take in (_gone, _emptied, lambda path: path.write_bytes((other.home / "iocstream.db").read_bytes())):
            journal = scene.home / "iocstream.db"
            kept = journal.read_bytes()
            take(journal)
            before = scene.arrived("events")
            scene.raises(5)
            ended = scene.run(patience=1)
            inflicted += 1
            unsaid += ended.code != 2 or "estore a backup" not in ended.err or scene.arrived("events") != before
            journal.write_bytes(kept)
            scene.run()
        return outcome(
            "The journal is gone, empty, or another's", scene, inflicted, more=f"{unsaid} not said", kept=unsaid == 0
        )


def _gone(path: Path) -> None:
    path.unlink()


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


@tried("A source is pointed at another API")
def another_upstream(bench: Bench) -> Figure:
    """It does not go on with the watermark of the first; under another name all of the second arrives."""
    with bench.scene("upstream") as scene:
        scene.configure(routes={"events": into_file("events.jsonl")})
        scene.raises(20)
        scene.run()
        url = scene.serve(second := parties.Api([], key=canaries.API_KEY))
        older = scene.made([int(time.time()) - 2 * DAY] * 20)
        for item in older:
            item["context_attributes"]["notification_id"] += "1"
        second.add(older)
        scene.raised |= {number(item) for item in older}
        scene.configure(sources={"virustotal": scene.source(url)})
        ended = scene.run(patience=1)
        is_said = ended.code == 2 and "iocstream forget source" in ended.err
        scene.configure(sources={"second": scene.source(url)})
        scene.run()
        return outcome(
            "A source is pointed at another API",
            scene,
            1,
            more="said" if is_said else f"not said, exit code {ended.code}",
            kept=is_said,
        )


@tried("A first run that is not answered for 3 days")
def first_run_unanswered(bench: Bench) -> Figure:
    """The window of a first run counts from when it first asked."""
    ahead = [0.0]
    with bench.scene("first", clock=lambda: time.time() + ahead[0]) as scene:
        source = scene.configuration["sources"]["virustotal"] | {"since_hours": 24}
        scene.configure(routes={"events": into_file("events.jsonl")}, sources={"virustotal": source})
        scene.raises([int(time.time()) - 20 * 3600] * 10)
        scene.api_gate.rule = lambda _, __: page(503)
        scene.run(patience=1)
        inflicted = scene.api_gate.inflicted
        ahead[0] = 3 * DAY
        scene.api_gate.heals()
        scene.run(clock_offset=ahead[0])
        return outcome("A first run that is not answered for 3 days", scene, inflicted)


@tried("A command from another folder")
def another_folder(bench: Bench) -> Figure:
    """It finds the same journal and the same files: nothing is sent again, nothing is missed."""
    with bench.scene("folder") as scene:
        scene.raises(10)
        scene.run()
        before = len(parties.lines(scene.home / "events.jsonl"))
        elsewhere = scene.home / "elsewhere"
        elsewhere.mkdir()
        scene.raises(10)
        bench.children.run(
            elsewhere,
            "run",
            "--once",
            "--config",
            "../iocstream.yaml",
            conduct=bench.behaviour,
            environment=canaries.ENVIRONMENT,
        )
        again = len(parties.lines(scene.home / "events.jsonl")) - before - 10
        return outcome("A command from another folder", scene, 1, more=f"{again} sent again", kept=again == 0)


@tried("A mapping with misspelt paths")
def mapping_that_makes_nothing(bench: Bench) -> Figure:
    """What it makes nothing of is counted apart and ends with exit code 1; corrected, a replay delivers it."""
    with bench.scene("nothing") as scene:
        mapping = scene.home / "mine.yaml"
        route = {"mapping": "mine.yaml", "sink": {"type": "file", "path": "events.jsonl"}}
        scene.configure(routes={"events": route})
        _map(mapping, "tdl")
        scene.raises(10)
        ended = scene.run()
        made_nothing = scene.parts()["events"]["made_nothing"]
        delivered = scene.parts()["events"]["delivered"]
        _map(mapping, "tld")
        scene.run("replay", "events", "--from-start")
        return outcome(
            "A mapping with misspelt paths",
            scene,
            made_nothing,
            more=f"exit code {ended.code}, {delivered} counted as delivered",
            kept=(ended.code, delivered) == (1, 0),
        )


def _map(path: Path, name: str) -> None:
    """A mapping for entities that have a property."""
    emit: Any = {"line": {"$when": f"entity.{name} != `null`", "value": "${{ entity_value }}"}}
    path.write_text(json.dumps({"format": "json", "description": "One value", "emit": emit}))


def _entries(home: Path) -> int:
    """How many notifications the journal has, by SQLite alone."""
    with closing(sqlite3.connect(f"{(home / 'iocstream.db').as_uri()}?mode=ro", uri=True)) as db:
        (count,) = db.execute("SELECT count(*) FROM notifications").fetchone()
    return int(count)


CASES = (
    late_items_and_kills,
    another_configuration,
    other_receivers,
    flipped_bits,
    journal_taken_away,
    another_upstream,
    first_run_unanswered,
    another_folder,
    mapping_that_makes_nothing,
)
