"""The whole way through the journal: rate, and whether memory stays flat."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import Row

from connector.simulator.notifications import notifications

CONFIGURATION = """
sources:
  files: {type: file, path: notifications.jsonl}
routes:
  events:
    mapping: cef
    sink: {type: file, path: events.cef}
"""
SIZES = (10_000, 100_000)
MEMORY_LIMIT = 1.2
START_LIMIT_SECONDS = 0.3
_PROGRAM = """
import resource, sys
from pathlib import Path
from connector import app, configuration, telemetry
telemetry.configure(level="CRITICAL")
app.run(configuration.load(Path("iocstream.yaml")), once=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def flow(count: int, more: str = "") -> tuple[float, int]:
    """File source → journal → CEF → file with `count` notifications: seconds, and peak memory in KiB.

    `more` is what else the configuration says.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "iocstream.yaml").write_text(CONFIGURATION + more)
        base = [item for item in notifications(1000) if item["context_attributes"]["notification_id"]]
        with (folder / "notifications.jsonl").open("w") as file:
            for number in range(count):
                item = base[number % len(base)]
                context = item["context_attributes"] | {"notification_id": str(number)}
                file.write(json.dumps(item | {"context_attributes": context}) + "\n")
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM], cwd=folder, check=True, capture_output=True, text=True, env=os.environ
        )
        seconds = time.perf_counter() - started
        lines = (folder / "events.cef").read_bytes().count(b"\n")
        if lines != count:
            raise SystemExit(f"{count} notifications went in and {lines} events came out: nothing to measure")
        return seconds, int(done.stdout)


def memory() -> list[Row]:
    """Peak memory with ten times the notifications, and the rate."""
    (_, small), (seconds, large) = (flow(count) for count in SIZES)
    return [
        Row(f"{SIZES[1]:,} notifications, file → journal → CEF → file", f"{SIZES[1] / seconds:,.0f} a second"),
        Row(f"  peak memory at {SIZES[1]:,}", f"{large / 1024:.0f} MiB"),
        Row(
            f"  as a multiple of that at {SIZES[0]:,}",
            f"{large / small:.2f}",
            f"≤ {MEMORY_LIMIT}",
            large / small <= MEMORY_LIMIT,
        ),
    ]


def start_up() -> list[Row]:
    """`iocstream --help`, median of nine starts."""
    times = []
    for _ in range(9):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "connector", "--help"], check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    median = statistics.median(times)
    return [Row("iocstream --help", f"{median:.2f} s", f"< {START_LIMIT_SECONDS} s", median < START_LIMIT_SECONDS)]
