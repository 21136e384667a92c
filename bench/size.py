"""What a notification takes of the journal's file, and what is given back when it is forgotten."""

import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from measure import Row

from connector.simulator.notifications import notifications

COUNT = 20_000
KEPT_DAYS = 10
SPAN_DAYS = 100
COLLECTION_DAYS, YEAR_DAYS = 8, 365
"""`keep_days` of the collection, and for how long those indicators of the mapping are valid that are valid longest."""
LIMITS = {"CEF alone": 1000, "a STIX collection": 3000}
ROUTES = {
    "CEF alone": "events: {mapping: cef, sink: {type: file, path: events.cef}}",
    "a STIX collection": "objects: {mapping: stix21, sink: {type: collection, name: iocs}}",
}
DRY_RUN_LIMIT = 1.2
_CONFIGURATION = """
sources:
  files: {{type: file, path: notifications.jsonl}}
routes:
  {route}
"""
_RUN = """
import resource, sys
from pathlib import Path
from connector import app, configuration, telemetry
telemetry.configure(level="CRITICAL")
app.run(configuration.load(Path("iocstream.yaml")), once=True)
"""
_PRUNE = """
from pathlib import Path
from connector import configuration, kinds
plan = configuration.load(Path("iocstream.yaml"))
journal = kinds.make_journal(plan.settings.journal)
newest = max(each.newest for each in journal.status({}).sources)
print(journal.prune(newest - %d * 86400, plan.reads()))
journal.close()
"""
_FORGET = """
from pathlib import Path
from connector import configuration
from connector.journals.sqlite.journal import SqliteJournal
from connector.model import Notification, Page, Selection
plan = configuration.load(Path("iocstream.yaml"))
now = %d
journal = SqliteJournal(plan.settings.journal, clock=lambda: now)
with journal.lease("files"):
    journal.append("files", Page([Notification("later", now, {})], None))
with journal.lease("objects"):
    forgotten = journal.forget_old("objects", plan.route("objects").sink.receiver(), "iocs", %d)
every, is_more = journal.collections.manifest("iocs", Selection(every=True), 1_000_000)
print(forgotten, len(every), sum(each.id.startswith("indicator--") for each in every))
journal.prune(0, plan.reads())  # gives back what is free
journal.close()
"""
_DRY_RUN = """
import resource
from pathlib import Path
from connector import configuration
from connector.operations.replay import dry_run
part = dry_run(configuration.load(Path("iocstream.yaml")), "objects", None)
print(part.messages, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _program(folder: Path, text: str) -> Sequence[int]:
    done = subprocess.run([sys.executable, "-c", text], cwd=folder, check=True, capture_output=True, text=True)
    return [int(word) for word in done.stdout.split()]


def _filled(folder: Path, kind: str, count: int) -> tuple[float, int]:
    """A journal in a folder that has dealt with so many notifications, no two alike.

    Returns bytes of one as JSON, and when the newest was raised.
    """
    (folder / "iocstream.yaml").write_text(_CONFIGURATION.format(route=ROUTES[kind]))
    items = [item for item in notifications(count) if item["context_attributes"]["notification_id"]]
    newest = max(item["context_attributes"]["notification_date"] for item in items)
    size = 0
    with (folder / "notifications.jsonl").open("w") as file:
        for number, item in enumerate(items):
            age = (len(items) - number) * SPAN_DAYS * 86_400 // len(items)
            context = item["context_attributes"] | {"notification_date": newest - age}
            line = json.dumps(item | {"context_attributes": context}, separators=(",", ":"), ensure_ascii=False)
            size += len(line.encode())
            file.write(line + "\n")
    _program(folder, _RUN)
    return size / len(items), newest


def _bytes(folder: Path) -> int:
    path = folder / "iocstream.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


def size() -> list[Row]:
    """Bytes on disk for a notification, before and after pruning, and after a collection has forgotten objects."""
    rows = []
    for kind, limit in LIMITS.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            raw, newest = _filled(folder, kind, COUNT)
            before = _bytes(folder)
            each = before / COUNT
            rows += [
                Row(
                    f"{COUNT:,} notifications of {raw:,.0f} bytes, {kind}",
                    f"{each:,.0f} bytes each",
                    f"≤ {limit:,}",
                    each <= limit,
                ),
                Row("  as a multiple of the raw JSON", f"{each / raw:.2f}"),
            ]
            (pruned,) = _program(folder, _PRUNE % KEPT_DAYS)
            after = _bytes(folder)
            rows.append(
                Row(
                    f"  the file after {pruned:,} of them were pruned",
                    f"{after / before:.2f} of it",
                    "< 1",
                    after < before,
                )
            )
            if kind == "a STIX collection":
                # Half of those that are valid for a year are valid still.
                later = newest + (YEAR_DAYS - SPAN_DAYS // 2) * 86_400
                forgotten, kept, indicators = _program(folder, _FORGET % (later, COLLECTION_DAYS))
                left = _bytes(folder)
                rows.append(
                    Row(
                        f"  the file after `keep_days`: {forgotten:,} rows are forgotten, {kept:,} objects stay, of"
                        f" which {indicators:,} are indicators that are valid",
                        f"{left / before:.2f} of it",
                        "< 0.9",
                        left < 0.9 * before,
                    )
                )
    return rows


def dry_run() -> list[Row]:
    """Peak memory of a dry run with four times the notifications."""
    peaks = []
    for count in (COUNT // 4, COUNT):
        with tempfile.TemporaryDirectory() as name:
            _filled(Path(name), "a STIX collection", count)
            peaks.append(_program(Path(name), _DRY_RUN)[-1])
    small, large = peaks
    return [
        Row(f"peak memory of a dry run of {COUNT:,} notifications", f"{large / 1024:.0f} MiB"),
        Row(
            f"  as a multiple of that of {COUNT // 4:,}",
            f"{large / small:.2f}",
            f"≤ {DRY_RUN_LIMIT}",
            large / small <= DRY_RUN_LIMIT,
        ),
    ]
