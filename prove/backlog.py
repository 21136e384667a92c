"""TAXII under load: three pushers on one collection, a slow server, one that hangs up, and 50,000 objects waiting."""

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from connector import convert
from connector.simulator.taxii import TaxiiReceiver
from prove import canaries, parties
from prove.canaries import Sweep
from prove.defects import noticed
from prove.figures import Figure, must
from prove.nursery import Ended, Nursery, nursery
from prove.parties import Item
from prove.proxy import HEALTHY, proxy

CONFIGURATION = """
sources: {{file: {{type: file, path: stream.jsonl}}}}
routes:
  taxii:
    mapping: stix21
    sink: {{type: taxii, collection_url: "{url}", username: {username}, password: "${{TAXII_PASSWORD}}"{more}}}
"""
UNUSED = "http://127.0.0.1:9/root/collections/c/"
LONGEST_SECONDS = 600
PATIENCE_SECONDS = 180
"""For a server that fails all the while: each run begins the batch anew, which takes medallion a minute."""
OBJECTS_EACH = 4.3
"""STIX objects of a simulated notification, at least on average."""


def _home(folder: Path, name: str, items: list[Item], url: str, more: str = "") -> Path:
    home = folder / name
    home.mkdir(parents=True)
    (home / "stream.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    _configure(home, url, more)
    return home


def _configure(home: Path, url: str, more: str = "") -> None:
    text = CONFIGURATION.format(url=url, username=canaries.USERNAME, more=more)
    (home / "iocstream.yaml").write_text(text)


def _run(children: Nursery, home: Path, **conduct: float) -> Ended:
    ended = children.run(
        home,
        "run",
        "--once",
        conduct={"quick_waits": 0.5, **conduct},
        environment=canaries.ENVIRONMENT,
        timeout=LONGEST_SECONDS,
    )
    if "Traceback" in ended.err:
        raise AssertionError(ended.err)
    return ended


def _run_until_done(children: Nursery, home: Path) -> list[Ended]:
    """As cron would: an outage that is longer than a run's patience is left to the next one."""
    ended = [_run(children, home, patience=PATIENCE_SECONDS)]
    while ended[-1].code == 1 and len(ended) < 5:
        ended.append(_run(children, home, patience=PATIENCE_SECONDS))
    return ended


def _stream(count: int, seed: int) -> list[Item]:
    made = sorted(parties.notifications(count, seed=seed), key=parties.position)
    return [item for item, each in zip(made, convert(made, "stix21"), strict=True) if each.refusal is None]


def _expected(items: list[Item]) -> dict[tuple[str, str], Item]:
    found = [json.loads(message.body) for each in convert(items, "stix21") for message in each.messages]
    return parties.objects(found)


def _receiver() -> TaxiiReceiver:
    return TaxiiReceiver(username=canaries.USERNAME, password=canaries.PASSWORD)


def pushers(folder: Path, count: int, which: str) -> list[Figure]:
    """Three connectors push the same stream into one collection at once.

    Both servers fail under that, and say so in what they print: medallion sorts a list that other requests read, and
    keeps no two requests from storing the same; OpenTAXII rolls back the later one of two that bring a new object.
    """
    items = _stream(count, 50)
    with ExitStack() as stack:
        serve = parties.medallion if which == "medallion" else parties.opentaxii
        peer = stack.enter_context(serve(folder / which))
        url = peer.collection_url("rw")
        nurseries = [stack.enter_context(nursery()) for _ in range(3)]
        homes = [_home(folder, f"{which}-pusher-{n}", items, url, ", max_envelope_objects: 40") for n in range(3)]
        started = time.monotonic()
        with ThreadPoolExecutor(3) as pool:
            ended = list(pool.map(_run_until_done, nurseries, homes))
        took = time.monotonic() - started
        stored = peer.objects(url)
    found, true = parties.objects(stored), _expected(items)
    missing = len(true.keys() - found.keys())
    differ = sum(true.get(key) != item for key, item in found.items())
    runs = [run for each in ended for run in each]
    failed = sum(run.err.count("cannot answer now (500)") for run in runs)
    letters = sum(run.err.count('"event": "refused"') for run in runs)
    return [
        must(
            f"TAXII: three pushers on one collection ({which})",
            f"{missing} of {len(true):,} objects lost, {differ} differ, {letters} dead letters, "
            f"exit codes {', '.join(str(each[-1].code) for each in ended)}",
            "0",
            kept=not (missing or differ or letters) and all(each[-1].code == 0 for each in ended),
        ),
        Figure(
            "… throughput and peak memory of each",
            f"{len(true) / took:,.0f} objects/s, {max(run.peak_mib for run in runs):.0f} MiB, "
            f"runs {', '.join(str(len(each)) for each in ended)}",
        ),
        Figure(
            f"… errors of {which}'s own",
            f"answers of 500: {failed}{_named(peer.errors())}; objects stored twice: {len(stored) - len(found)}",
        ),
    ]


def _named(errors: Mapping[str, int]) -> str:
    found = "; ".join(f"{count} of {text[:120]}" for text, count in errors.items())
    return f" ({found})" if found else ""


def slow_server(folder: Path, seconds: float) -> Figure:
    """Each request takes so long."""
    receiver = _receiver()
    posts = [0]

    def slow(environ: Any, start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "POST":
            posts[0] += 1
            time.sleep(seconds)
        return receiver(environ, start_response)

    items = _stream(60, 51)
    with nursery() as children, parties.serving(slow) as url:
        started = time.monotonic()
        ended = _run(children, _home(folder, "slow", items, url + receiver.path))
        took = time.monotonic() - started
    missing = len(_expected(items).keys() - parties.objects(receiver.objects()).keys())
    return must(
        f"TAXII: {seconds:g} s a request",
        f"{missing} objects lost, {posts[0]} requests, {took:.0f} s, {ended.peak_mib:.0f} MiB, exit code {ended.code}",
        "0 lost, none sent twice",
        kept=missing == 0 and posts[0] <= 4 and ended.code == 0,
    )


def hanging_up(folder: Path, count: int, **conduct: float) -> Figure:
    """The server hangs up in the middle of requests and answers."""
    receiver = _receiver()
    items = _stream(count, 52)
    with nursery() as children, parties.serving(receiver) as url, proxy(int(url.rpartition(":")[2])) as between:
        between.fault = "truncation"
        between.heals_after = 20
        address = f"http://{between.address}{receiver.path}"
        home = _home(folder, "hanging-up", items, address, ", max_envelope_objects: 50")
        started = time.monotonic()
        ended = _run(children, home, **conduct)
        took = time.monotonic() - started
        between.fault = HEALTHY
        cut = between.inflicted["truncation"]
    found, true = parties.objects(receiver.objects()), _expected(items)
    differ = sum(found.get(key) != item for key, item in true.items())
    return must(
        "TAXII: a server that closes mid-body",
        f"{cut} times; {differ} of {len(true):,} objects lost or different, {took:.0f} s, {ended.peak_mib:.0f} MiB, "
        f"exit code {ended.code}",
        "0",
        kept=differ == 0 and cut >= 10 and ended.code == 0,
    )


def backlog(folder: Path, objects: int) -> list[Figure]:
    """So many objects have been waiting for a server that comes back."""
    receiver = _receiver()
    items = _stream(int(objects / OBJECTS_EACH) + 100, 53)
    with nursery() as children, parties.serving(receiver) as url:
        home = _home(folder, "backlog", items, UNUSED)
        stored = _run(children, home, patience=1)
        _configure(home, url + receiver.path)
        started = time.monotonic()
        ended = _run(children, home)
        took = time.monotonic() - started
    found, true = parties.objects(receiver.objects()), _expected(items)
    differ = sum(found.get(key) != item for key, item in true.items())
    waited = stored.code == 1 and not differ
    return [
        must(
            f"TAXII: a backlog of {len(true):,} objects",
            f"{differ} lost or different, exit code {ended.code}",
            "0",
            kept=waited and ended.code == 0 and len(true) >= objects,
        ),
        Figure(
            "… throughput, into the simulator's receiver",
            f"{len(true) / took:,.0f} objects/s, {len(items) / took:,.0f} notifications/s, {took:.0f} s",
        ),
        must("… peak memory", f"{ended.peak_mib:.0f} MiB", "< 256 MiB", kept=ended.peak_mib < 256),
    ]


def prove(folder: Path, seed: int, *, quick: bool, sweep: Sweep) -> list[Figure]:  # noqa: ARG001 -- as every part
    """The figures of TAXII."""
    folder = folder / "backlog"
    with ThreadPoolExecutor(1) as aside:
        slow = aside.submit(slow_server, folder, 3 if quick else 30)
        figures = [
            *pushers(folder, 60 if quick else 100, "medallion"),
            *pushers(folder, 60 if quick else 100, "opentaxii"),
            hanging_up(folder, 200),
            *backlog(folder, 5_000 if quick else 50_000),
            slow.result(),
        ]
    for home in folder.iterdir():
        if (home / "iocstream.yaml").exists():
            sweep.folder(home)
    figures.append(noticed("forget_outages", [hanging_up(folder / "defect", 200, forget_outages=1)]))
    return figures
