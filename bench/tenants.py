"""Many sources and routes in one process: what they cost, as a ratio to one source and one route."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from measure import Row

LINES = 40_000
MANY, EACH = 200, 10
POLL_SECONDS = 60
IDLE_SECONDS = 60
SHUTDOWN_SECONDS = 30.0
PATIENCE_SECONDS = 1800.0
QUIET_SECONDS = 0.2
"""Processor seconds in two seconds: less is next to nothing."""
READY_LIMIT, THREADS_LIMIT, MEMORY_LIMIT, IDLE_LIMIT, LINES_LIMIT = 3.0, 64, 250, 5.0, 60.0


@dataclass(frozen=True, slots=True)
class Run:
    """What one run came to.

    Attributes:
        ready: processor seconds until it was ready, before the first request.
        begun: processor seconds until every source had been asked and every route had looked, and all was idle.
        idle: the part of a processor that it takes while there is nothing to do but a poll a minute, in percent.
        delivered: processor seconds for `LINES` lines, from the fetch on.
        end: seconds from SIGTERM to the end of the process.
        threads: the most there were.
        memory: the most there was, in MiB.
    """

    ready: float
    begun: float
    idle: float
    delivered: float
    end: float
    threads: int
    memory: float


def tenants() -> list[Row]:
    """One source with one route, and many."""
    one, many = _run(1, 1), _run(MANY, EACH)
    what = f"{MANY} sources of {EACH} routes each"
    rows = [Row(f"{what}, as a multiple of one source and one route", "")]
    for name, unit, first, second, limit in (
        ("processor seconds until ready", "s", one.ready, many.ready, READY_LIMIT),
        ("… until all have looked for work", "s", one.begun, many.begun, None),
        ("most threads", "", one.threads, many.threads, THREADS_LIMIT),
        ("most memory", "MiB", one.memory, many.memory, MEMORY_LIMIT),
        (f"idle, a poll every {POLL_SECONDS} s", "% of a processor", one.idle, many.idle, IDLE_LIMIT),
        (f"processor seconds for {LINES:,} lines", "s", one.delivered, many.delivered, LINES_LIMIT),
        ("seconds from SIGTERM to the end", "s", one.end, many.end, SHUTDOWN_SECONDS),
    ):
        ratio = f"{second / first:.1f} times" if first else "-"
        shown = f"{second:.0f}" if unit in ("", "MiB") else f"{second:.2f}"
        limit_shown = "" if limit is None else f"≤ {limit:g} {unit}".strip()
        met = None if limit is None else second <= limit
        rows.append(Row(f"  {name}", f"{shown} {unit}, {ratio}".replace(" ,", ","), limit_shown, met))
    return rows


def _run(sources: int, routes: int) -> Run:
    with tempfile.TemporaryDirectory() as name, _peers(LINES // (sources * routes)) as (api, *receivers):
        folder = Path(name)
        configuration = folder / "iocstream.yaml"
        configuration.write_text(json.dumps(_configuration(sources, routes, api, receivers)))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, (folder / "log").open("wb") as log:
            told.bind(str(folder / "notify"))
            told.settimeout(PATIENCE_SECONDS)
            process = subprocess.Popen(
                [sys.executable, "-m", "connector", "run", "--config", str(configuration)],
                env=os.environ | {"NOTIFY_SOCKET": str(folder / "notify")},
                stderr=log,
            )
            try:
                return _measured(process, told, api)
            finally:
                process.kill()
                process.wait()


def _measured(process: "subprocess.Popen[bytes]", told: socket.socket, api: int) -> Run:
    told.recv(4096)
    seen = psutil.Process(process.pid)
    threads = 0

    def used() -> float:
        nonlocal threads
        threads = max(threads, seen.num_threads())
        times = seen.cpu_times()
        return float(times.user + times.system)

    ready = used()
    begun = _when_quiet(used)
    time.sleep(IDLE_SECONDS)
    before = used()
    idle = 100 * (before - begun) / IDLE_SECONDS
    _ask(api, "go")
    until = time.monotonic() + PATIENCE_SECONDS
    while int(_ask(api, "lines")) < LINES:
        used()
        if time.monotonic() > until:
            raise SystemExit(f"only {int(_ask(api, 'lines'))} lines of {LINES} have come: nothing to measure")
        time.sleep(0.2)
    delivered = _when_quiet(used) - before
    memory = _peak(process.pid)
    told_at = time.monotonic()
    process.send_signal(signal.SIGTERM)
    if process.wait(PATIENCE_SECONDS) != 0:
        raise SystemExit(f"the run ended with {process.returncode}: nothing to measure")
    lines = int(_ask(api, "lines"))
    if lines != LINES:
        raise SystemExit(f"{lines} lines have come, and not {LINES}: nothing to measure")
    return Run(ready, begun, idle, delivered, time.monotonic() - told_at, threads, memory)


def _when_quiet(used: Callable[[], float]) -> float:
    """Processor seconds that were used when it had next to nothing to do for two seconds."""
    before = used()
    while True:
        for _ in range(20):
            time.sleep(0.1)
            now = used()
        if now - before < QUIET_SECONDS:
            return now
        before = now


def _configuration(sources: int, routes: int, api: int, receivers: list[int]) -> dict[str, object]:
    return {
        "sources": {
            f"source-{number}": {
                "type": "virustotal",
                "api_url": f"http://127.0.0.1:{api}",
                "api_key": f"key{number}",
                "poll_seconds": POLL_SECONDS,
                "look_ups_per_day": 0,
            }
            for number in range(sources)
        },
        "routes": {
            f"route-{number}-{each}": {
                "sources": [f"source-{number}"],
                "mapping": "cef",
                "sink": {
                    "type": "syslog",
                    "transport": "tcp",
                    "host": "127.0.0.1",
                    "port": receivers[(number + each) % len(receivers)],
                },
            }
            for number in range(sources)
            for each in range(routes)
        },
        "shutdown_seconds": SHUTDOWN_SECONDS,
    }


@contextmanager
def _peers(count: int) -> Iterator[list[int]]:
    program = Path(__file__).with_name("tenants_peers.py")
    with subprocess.Popen(
        [sys.executable, str(program), str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as peers:
        try:
            assert peers.stdout is not None
            yield json.loads(peers.stdout.readline())
        finally:
            peers.kill()


def _ask(port: int, what: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{what}", timeout=60) as answer:
        return bytes(answer.read())


def _peak(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
