"""A large journal in PostgreSQL: what a notification takes of it, and how fast it is when it is full.

`.venv/bin/python bench/scale.py 1000000`; docs/scale.md has the figures, and what follows for larger ones.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from connector.journals.postgresql.journal import PostgresqlJournal
from connector.journals.postgresql.settings import PostgresqlSettings
from connector.model import Advance, Notification, Page, Version
from connector.ports import Journal
from connector.simulator.notifications import notifications

PAGE, BATCH = 200, 500
SECONDS_APART = 1
BEGIN = 1_760_000_000
_SIZES = """
SELECT relname, n_live_tup, pg_table_size(relid), pg_indexes_size(relid)
FROM pg_stat_user_tables WHERE schemaname = 'iocstream' ORDER BY pg_total_relation_size(relid) DESC LIMIT 6
"""


def _pages(count: int) -> Iterator[Page]:
    """Simulated notifications of which no two have one id."""
    items: list[Any] = []
    for number, item in enumerate(notifications(count + count // 10)):
        if number >= count:
            break
        context = item["context_attributes"] | {"notification_id": str(number)}
        items.append(Notification(str(number), BEGIN + number * SECONDS_APART, item | {"context_attributes": context}))
        if len(items) == PAGE:
            yield Page(items, number)
            items = []


def _fill(journal: Journal, count: int) -> None:
    tenth = count // 10
    began, stored = time.perf_counter(), 0
    for page in _pages(count):
        journal.append("vt", page)
        stored += PAGE
        if stored % tenth == 0:
            print(f"append {stored:,}: {tenth / (time.perf_counter() - began):,.0f} a second", flush=True)
            began = time.perf_counter()


def _deliver(journal: Journal, count: int) -> None:
    tenth = count // 10
    began, last, done = time.perf_counter(), 0, 0
    while entries := journal.pending("route", ["vt"], BATCH, last):
        last = entries[-1].seq
        versions = [
            Version(
                f"indicator--00000000-0000-4000-8000-{entry.seq:012x}", entry.seq, b"d" * 16, "2026", "2026", sent=True
            )
            for entry in entries
        ]
        journal.advance("route", ["vt"], Advance(last, len(entries), 0, 0, sent=versions, receiver="here"))
        done += len(entries)
        if done % tenth == 0:
            rate = tenth / (time.perf_counter() - began)
            print(f"pending and advance {done:,}: {rate:,.0f} a second", flush=True)
            began = time.perf_counter()


def main() -> None:
    """Fill a journal, deliver all of it, forget half of it, and print sizes and times."""
    count = int(sys.argv[1]) // PAGE * PAGE
    sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]
    from peers import postgresql  # noqa: PLC0415 -- of the tests

    server = postgresql.Server(folder=Path(tempfile.gettempdir()))
    try:
        with closing(PostgresqlJournal(PostgresqlSettings(dsn=server.dsn))) as journal, server.admin() as db:

            def sizes(when: str) -> None:
                db.execute("VACUUM ANALYZE")
                for name, rows, table, index in db.execute(_SIZES):
                    print(f"{when}: {name}: {rows:,} rows, table {table:,} bytes, indexes {index:,} bytes", flush=True)
                (total,) = db.execute("SELECT pg_database_size(current_database())").fetchone()
                print(f"{when}: {total:,} bytes in all, {total / count:,.0f} a notification", flush=True)

            def status() -> None:
                began = time.perf_counter()
                journal.status({"route": ["vt"]})
                print(f"status: {time.perf_counter() - began:.2f} s", flush=True)

            with journal.lease("vt"), journal.lease("route"):
                journal.enlist("route", ["vt"], "here")
                _fill(journal, count)
                sizes("fetched")
                status()
                _deliver(journal, count)
                sizes("delivered")
                status()
                began, forgotten = time.perf_counter(), 0
                while pruned := journal.prune(BEGIN + count // 2 * SECONDS_APART, {"route": ["vt"]}):
                    forgotten += pruned
                seconds = time.perf_counter() - began
                print(f"{forgotten:,} forgotten: {forgotten / seconds:,.0f} a second", flush=True)
                sizes("half of it forgotten")
    finally:
        server.remove()


if __name__ == "__main__":
    main()
