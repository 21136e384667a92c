"""The journal in one SQLite file: for one machine, with nothing to install."""

import datetime
import heapq
import itertools
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import resources
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import Field

from connector.config import Settings
from connector.journals.database import Database, migrations, named_statements
from connector.journals.holder import Process
from connector.model import (
    Advance,
    ConnectorError,
    Entry,
    Gap,
    JournalStatus,
    Json,
    JsonObject,
    Notification,
    Page,
    RouteStatus,
    SourceStatus,
    Unavailable,
    Version,
)

LEASE_SECONDS = 60
PRUNE_ROWS = 1000
"""Rows that one transaction prunes, so that those who append and advance wait only shortly."""

_SQL = named_statements((resources.files(__package__) / "sqlite.sql").read_text(encoding="utf-8"))


class SqliteSettings(Settings):
    """A journal in one SQLite file."""

    type: Literal["sqlite"] = "sqlite"
    path: Path = Field(Path("iocstream.db"), description="The file, on a local disk; made with mode 0600 if missing.")
    retention_days: int = Field(
        30,
        ge=8,
        le=36_500,
        description="How long notifications that every route has dealt with are kept, for replays."
        " At least 8, because VirusTotal may repeat one for 7 days.",
    )
    busy_timeout_seconds: float = Field(
        10, gt=0, le=600, description="Longest wait for another process that is writing to the file."
    )


class SqliteJournal:
    """A `connector.ports.Journal`. Opens its file at first use.

    A lease is told from a dead one by the holder's process; where that cannot be asked (another machine or container),
    it ends 60 seconds after the holder last used it, by the clocks of both. A holder that lost its lease unawares is
    refused when it next writes.
    """

    def __init__(
        self, settings: SqliteSettings, *, process: Process | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = Database(
            settings.path, busy_timeout_seconds=settings.busy_timeout_seconds, migrations=migrations()
        )
        self._process = process or Process.current()
        self._clock = clock
        self._token = secrets.token_hex(16)
        self._leasing = threading.Lock()
        self._leases: dict[str, int] = {}  # name → when it expires unless it is renewed

    @contextmanager
    def lease(self, name: str) -> Iterator[None]:
        """As `connector.ports.Journal.lease`. A second entry by the same journal is refused too."""
        with self._leasing:
            if name in self._leases:
                raise Unavailable(f"{name} is already served by another thread of this process")
            with self._database.write() as db:
                expires = self._take(db, name)
            self._leases[name] = expires
        try:
            yield
        finally:
            self._release(name)

    def checkpoint(self, source: str) -> Json | None:
        """As `connector.ports.Journal.checkpoint`."""
        self._renew(source)
        with self._database.read() as db:
            row = db.execute(_SQL["checkpoint"], {"source": source}).fetchone()
        return None if row is None else self._decoded(row[0])

    def append(self, source: str, page: Page) -> int:
        """As `connector.ports.Journal.append`."""
        now = int(self._clock())
        bodies = [_encoded(notification.body) for notification in page.notifications]
        checkpoint = orjson.dumps(page.checkpoint)
        new = 0
        newest: int | None = None
        with self._database.write() as db:
            self._fence(db, source)
            source_id = _source_id(db, source)
            for notification, body in zip(page.notifications, bodies, strict=True):
                if db.execute(_SQL["remember"], (source_id, notification.id)).rowcount == 0:
                    continue
                date = notification.date
                raised = now if date is None else date
                db.execute(_SQL["store"], (source_id, notification.id, date, raised, body))
                new += 1
                if date is not None and (newest is None or date > newest):
                    newest = date
            moved = {"id": source_id, "checkpoint": checkpoint, "new": new, "newest": newest}
            db.execute(_SQL["move_checkpoint"], moved)
            if page.gap is not None:
                gap = {"source": source_id, "start": page.gap.start, "end": page.gap.end}
                db.execute(_SQL["store_gap"], gap)
        return new

    def pending(self, route: str, sources: Sequence[str], limit: int, after: int = 0) -> Sequence[Entry]:
        """As `connector.ports.Journal.pending`.

        A route's position is kept per source, so a source added to a route is read from its first notification.
        A body that the disk garbled comes as an empty object: the mapping refuses it, and the route goes on.
        """
        self._renew(route)
        with self._database.read() as db:
            entries = (_entries(db, route, source, limit, after) for source in dict.fromkeys(sources))
            return list(itertools.islice(heapq.merge(*entries, key=attrgetter("seq")), limit))

    def versions(self, route: str, object_ids: Sequence[str]) -> Mapping[str, Sequence[Version]]:
        """As `connector.ports.Journal.versions`."""
        if not object_ids:
            return {}
        found: dict[str, list[Version]] = {}
        with self._database.read() as db:
            asked = {"route": route, "object_ids": orjson.dumps(object_ids).decode()}
            for object_id, seq, digest, created, modified, sent in db.execute(_SQL["versions"], asked):
                version = Version(object_id, seq, digest, created, modified, sent=bool(sent))
                found.setdefault(object_id, []).append(version)
        return found

    def record(self, route: str, versions: Sequence[Version]) -> None:
        """As `connector.ports.Journal.record`; requires the lease on the route."""
        if not versions:
            return
        with self._database.write() as db:
            self._fence(db, route)
            _record(db, _route_id(db, route), versions)

    def advance(self, route: str, sources: Sequence[str], advance: Advance) -> None:
        """As `connector.ports.Journal.advance`.

        To advance to where the route already stands counts nothing: it is the repeat of a commit that seemed to fail.
        """
        with self._database.write() as db:
            self._fence(db, route)
            route_id = _route_id(db, route)
            is_new = False
            for source in dict.fromkeys(sources):
                to = {"route": route_id, "source": _source_id(db, source), "position": advance.position}
                is_new |= _position(db, route_id, to["source"]) < advance.position
                db.execute(_SQL["move_position"], to)
            if is_new:
                counts = {"delivered": advance.delivered, "filtered": advance.filtered, "refused": advance.refused}
                db.execute(_SQL["count_notifications"], {"route": route_id, **counts})
            db.executemany(
                _SQL["store_dead_letter"],
                [
                    (route_id, letter.seq, letter.object_id, letter.by, letter.reason, letter.document)
                    for letter in advance.dead_letters
                ],
            )
            _record(db, route_id, advance.sent)

    def report(self, name: str, report: JsonObject) -> None:
        """As `connector.ports.Journal.report`."""
        with self._database.write() as db:
            row = {"name": name, "report": orjson.dumps(report), "at": int(self._clock())}
            db.execute(_SQL["store_report"], row)

    def status(self, routes: Mapping[str, Sequence[str]]) -> JournalStatus:
        """As `connector.ports.Journal.status`.

        Sources are all that the journal or a route knows, by name. A source's `notifications` and `newest` count what
        was ever stored, `entries` what is there now. A route's position is that in the source where it is least far.
        """
        with self._database.read() as db:
            known = {row[1]: row for row in db.execute(_SQL["sources"])}
            names = sorted({*known, *itertools.chain.from_iterable(routes.values())})
            ids = {name: row[0] for name, row in known.items()}
            return JournalStatus(
                entries=sum(row[4] for row in known.values()),
                sources=[self._source_status(db, name, known.get(name)) for name in names],
                routes=[self._route_status(db, name, sources, ids) for name, sources in routes.items()],
            )

    def prune(self, before: int, routes: Mapping[str, Sequence[str]]) -> int:
        """As `connector.ports.Journal.prune`. A notification without a date counts as raised when it was stored.

        A route that is not in `routes` holds nothing back: its unread notifications and dead letters go too.
        """
        with self._database.read() as db:
            ids = {name: source_id for source_id, name, *_ in db.execute(_SQL["sources"])}
        return sum(self._prune_source(before, routes, name, source_id) for name, source_id in ids.items())

    def close(self) -> None:
        """As `connector.ports.Journal.close`; gives back the leases still held."""
        with self._leasing:
            if self._leases and self._database.is_open:
                with suppress(ConnectorError), self._database.write() as db:  # see _release
                    for name in self._leases:
                        db.execute(_SQL["release_lease"], {"name": name, "holder": self._token})
            self._leases.clear()
        self._database.close()

    def _take(self, db: sqlite3.Connection, name: str) -> int:
        now = int(self._clock())
        row = db.execute(_SQL["lease"], {"name": name}).fetchone()
        if row is not None and row[0] != self._token and not self._is_free(row, now):
            raise _served(name, row)
        lease = {
            "name": name,
            "holder": self._token,
            "host": self._process.host,
            "realm": self._process.realm,
            "pid": self._process.pid,
            "process_started": self._process.started,
            "since": now,
            "expires": now + LEASE_SECONDS,
        }
        db.execute(_SQL["take_lease"], lease)
        return now + LEASE_SECONDS

    def _is_free(self, row: Any, now: int) -> bool:
        _, host, realm, pid, started, _, expires = row
        holder = Process(host, realm, pid, started)
        if holder.is_neighbour_of(self._process) and holder != self._process:
            return holder.is_gone()
        return bool(expires <= now)

    def _release(self, name: str) -> None:
        with self._leasing:
            if self._leases.pop(name, None) is None:
                return  # the journal was closed first
            # If it cannot be given back now, this journal may still take it again, and others once it has expired or
            # this process has ended; what went wrong shows wherever the lease was needed for.
            with suppress(ConnectorError), self._database.write() as db:
                db.execute(_SQL["release_lease"], {"name": name, "holder": self._token})

    def _renew(self, name: str) -> None:
        """Renew a lease held while there is nothing to write, before half of its time is left."""
        if self._leases.get(name, self._clock() + LEASE_SECONDS) < self._clock() + LEASE_SECONDS / 2:
            with self._database.write() as db:
                self._fence(db, name)

    def _fence(self, db: sqlite3.Connection, name: str) -> None:
        """Make sure, inside the transaction that writes, that the lease is still held; renew it."""
        if name not in self._leases:
            raise RuntimeError(f"a write for {name} without its lease")
        expires = int(self._clock()) + LEASE_SECONDS
        renewed = {"name": name, "holder": self._token, "expires": expires}
        if db.execute(_SQL["renew_lease"], renewed).rowcount == 0:
            row = db.execute(_SQL["lease"], {"name": name}).fetchone()
            raise _served(name, row) if row else Unavailable(f"{name}: the lease was lost to another process")
        self._leases[name] = expires

    def _source_status(self, db: sqlite3.Connection, name: str, row: Any) -> SourceStatus:
        source_id, _, checkpoint, stored, _, newest = row or (0, name, None, 0, 0, None)
        gaps = [Gap(start, end) for start, end in db.execute(_SQL["gaps"], {"source": source_id})]
        return SourceStatus(name, self._decoded(checkpoint), stored, newest, gaps, self._report(db, name))

    def _route_status(
        self, db: sqlite3.Connection, name: str, sources: Sequence[str], ids: Mapping[str, int]
    ) -> RouteStatus:
        row = db.execute(_SQL["route"], {"route": name}).fetchone()
        route_id, delivered, filtered, refused = row or (0, 0, 0, 0)
        ranges = [
            {"source": ids[source], "position": _position(db, route_id, ids[source])}
            for source in dict.fromkeys(sources)
            if source in ids
        ]
        oldest = [date for at in ranges for (date,) in db.execute(_SQL["oldest_pending"], at) if date is not None]
        return RouteStatus(
            name=name,
            sources=tuple(sources),
            position=min((at["position"] for at in ranges), default=0),
            backlog=sum(db.execute(_SQL["backlog"], at).fetchone()[0] for at in ranges),
            oldest_pending=min(oldest, default=None),
            delivered=delivered,
            filtered=filtered,
            refused=refused,
            dead_letters=db.execute(_SQL["count_dead_letters"], {"route": route_id}).fetchone()[0],
            report=self._report(db, name),
        )

    def _report(self, db: sqlite3.Connection, name: str) -> JsonObject:
        row = db.execute(_SQL["report"], {"name": name}).fetchone()
        report: JsonObject = {} if row is None else self._decoded(row[0])
        return report

    def _prune_source(self, before: int, routes: Mapping[str, Sequence[str]], name: str, source_id: int) -> int:
        readers = [route for route, sources in routes.items() if name in sources]
        after = (-(2**63), 0)
        pruned = 0
        while True:
            with self._database.write() as db:
                positions = [_position(db, _route_id(db, route), source_id) for route in readers]
                rows = db.execute(
                    _SQL["prunable"],
                    {
                        "source": source_id,
                        "after_raised": after[0],
                        "after_seq": after[1],
                        "before": before,
                        "dealt_with": min(positions, default=2**63 - 1),
                        "routes": orjson.dumps(list(routes)).decode(),
                        "limit": PRUNE_ROWS,
                    },
                ).fetchall()
                seqs = [{"seq": seq} for seq, _ in rows]
                db.executemany(_SQL["prune"], seqs)
                db.executemany(_SQL["prune_dead_letters"], seqs)
                db.execute(_SQL["count_pruned"], {"id": source_id, "pruned": len(rows)})
            pruned += len(rows)
            if len(rows) < PRUNE_ROWS:
                return pruned
            after = (rows[-1][1], rows[-1][0])

    def _decoded(self, text: bytes | None) -> Json:
        try:
            return None if text is None else orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise self._database.damaged(f"a checkpoint or report is not JSON: {error}") from error


def _entries(db: sqlite3.Connection, route: str, source: str, limit: int, after: int) -> Iterator[Entry]:
    rows = db.execute(_SQL["pending"], {"route": route, "source": source, "limit": limit, "after": after})
    for seq, notification_id, date, body in rows:
        yield Entry(seq, source, Notification(notification_id, date, _body(body)))


def _encoded(body: JsonObject) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        # Nested over 254 levels deep, which no notification is: kept by its id, so that the mapping refuses it.
        return b"{}"


def _body(text: bytes) -> JsonObject:
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _source_id(db: sqlite3.Connection, source: str) -> int:
    db.execute(_SQL["know_source"], {"source": source})
    (source_id,) = db.execute(_SQL["source_id"], {"source": source}).fetchone()
    return int(source_id)


def _route_id(db: sqlite3.Connection, route: str) -> int:
    db.execute(_SQL["know_route"], {"route": route})
    (route_id,) = db.execute(_SQL["route_id"], {"route": route}).fetchone()
    return int(route_id)


def _position(db: sqlite3.Connection, route_id: int, source_id: int) -> int:
    row = db.execute(_SQL["position"], {"route": route_id, "source": source_id}).fetchone()
    return 0 if row is None else int(row[0])


def _record(db: sqlite3.Connection, route_id: int, versions: Sequence[Version]) -> None:
    rows = [(route_id, v.object_id, v.modified, v.created, v.seq, v.digest, v.sent) for v in versions]
    if db.executemany(_SQL["record_version"], rows).rowcount < len(rows):
        raise RuntimeError("two contents for one version of an object")


def _served(name: str, row: Any) -> Unavailable:
    _, host, _, pid, _, since, _ = row
    at = datetime.datetime.fromtimestamp(since, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Unavailable(f"{name} is served by process {pid} on {host} since {at}; one process at a time may serve it")
