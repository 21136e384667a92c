"""The journal in PostgreSQL beside that in a file: how many notifications a second each takes, gives, marks as done."""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pipeline
from measure import Row

from connector.journals.postgresql.journal import PostgresqlJournal
from connector.journals.postgresql.settings import PostgresqlSettings
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Advance, Notification, Page, Version
from connector.ports import Journal
from connector.simulator.notifications import notifications

COUNT, PAGE, BATCH = 10_000, 40, 500
FLOW = 10_000
GOAL = 0.5


def _pages() -> list[Page]:
    base = [item for item in notifications(1000) if item["context_attributes"]["notification_id"]]
    found = [Notification(str(number), 1_760_000_000 + number, base[number % len(base)]) for number in range(COUNT)]
    return [Page(found[start : start + PAGE], start) for start in range(0, COUNT, PAGE)]


def _rates(journal: Journal, pages: list[Page]) -> dict[str, float]:
    """Notifications a second, by what is done with them."""
    rates = {}
    with journal.lease("vt"), journal.lease("route"):
        journal.enlist("route", ["vt"], "here")
        began = time.perf_counter()
        for page in pages:
            journal.append("vt", page)
        rates["append, 40 in a page"] = COUNT / (time.perf_counter() - began)
        began, last = time.perf_counter(), 0
        while entries := journal.pending("route", ["vt"], BATCH, last):
            last = entries[-1].seq
        rates["pending, 500 in a batch"] = COUNT / (time.perf_counter() - began)
        began = time.perf_counter()
        for end in range(BATCH, COUNT + 1, BATCH):
            versions = [
                Version(f"indicator--00000000-0000-4000-8000-{seq:012x}", seq, b"d" * 16, "2026", "2026", sent=True)
                for seq in range(end - BATCH + 1, end + 1)
            ]
            journal.advance("route", ["vt"], Advance(end, BATCH, 0, 0, sent=versions, receiver="here"))
        rates["advance, with 500 versions"] = COUNT / (time.perf_counter() - began)
    return rates


def beside_each_other() -> list[Row]:
    """Both on the same disk, each commit waiting for it."""
    sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]
    from peers import postgresql  # noqa: PLC0415 -- of the tests

    if postgresql.programs() is None:
        return [Row("journal in PostgreSQL", "there is no server here (.ci/install-servers)")]
    server = postgresql.Server(is_durable=True, folder=Path(tempfile.gettempdir()))
    try:
        pages = _pages()
        opened: dict[str, Callable[[Path], Journal]] = {
            "SQLite": lambda folder: SqliteJournal(SqliteSettings(path=folder / "journal.db")),
            "PostgreSQL": lambda _: PostgresqlJournal(PostgresqlSettings(dsn=server.dsn)),
        }
        rates: dict[str, dict[str, float]] = {}
        for name, make in opened.items():
            with tempfile.TemporaryDirectory() as folder, closing(make(Path(folder))) as journal:
                rates[name] = _rates(journal, pages)
        sections = {"SQLite": "{}", "PostgreSQL": f"{{type: postgresql, dsn: {server.dsn}, schema_name: flow}}"}
        for name, section in sections.items():
            seconds, _ = pipeline.flow(FLOW, f"journal: {section}\n")
            rates[name]["file → journal → CEF → file"] = FLOW / seconds
    finally:
        server.remove()
    rows = []
    for what, beside in rates["SQLite"].items():
        rate = rates["PostgreSQL"][what]
        rows += [
            Row(f"{what}: SQLite", f"{beside:,.0f} a second"),
            Row("  PostgreSQL", f"{rate:,.0f} a second"),
            Row("  as a part of SQLite's", f"{rate / beside:.2f}", f"≥ {GOAL}", rate / beside >= GOAL),
        ]
    return rows
