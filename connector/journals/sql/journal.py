"""The verbs of the journal, each with its transaction."""

import heapq
import itertools
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from operator import attrgetter, itemgetter
from typing import Any

import orjson

from connector.journals.sql import look_ups
from connector.journals.sql.rows import dead_letter, encoded_body, entry, json_list
from connector.journals.sql.statements import SQL
from connector.journals.sqlite.database import Database
from connector.journals.sqlite.leases import Leases
from connector.model import (
    Advance,
    DeadLetter,
    Entry,
    Gap,
    JournalStatus,
    Json,
    JsonObject,
    LookUp,
    Outdated,
    Page,
    Redelivery,
    RouteStatus,
    SourceStatus,
    StoredDeadLetter,
    Subject,
    Version,
)
from connector.ports import Collections

PRUNE_ROWS = 1000
"""Rows that one transaction prunes, so that those who append and advance wait only shortly."""
READ_BYTES = 16 * 1024 * 1024
"""Bodies that are read at once end with the one that reaches so many, for the sake of memory."""
PAGE_ROWS = 200
"""Dead letters that are read at once."""

_BEGINNING, _END = -(2**63), 2**63 - 1
_SEQ = attrgetter("seq")


class SqlJournal:
    """A `connector.ports.Journal` over any SQL store."""

    def __init__(
        self, database: Database, leases: Leases, collections: Collections, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._leases = leases
        self._clock = clock
        self.collections = collections

    def lease(self, name: str) -> AbstractContextManager[None]:
        """As `connector.ports.Journal.lease`. A second entry by the same journal is refused too."""
        return self._leases.hold(name)

    def checkpoint(self, source: str) -> Json | None:
        """As `connector.ports.Journal.checkpoint`."""
        self._leases.renew(source)
        with self._database.read() as db:
            row = db.execute(SQL["checkpoint"], {"source": source}).fetchone()
        return None if row is None else self._decoded(row[0])

    def append(self, source: str, page: Page) -> int:
        """As `connector.ports.Journal.append`."""
        now = int(self._clock())
        bodies = [encoded_body(notification.body) for notification in page.notifications]
        checkpoint = orjson.dumps(page.checkpoint)
        stored: list[tuple[int, JsonObject]] = []
        newest: int | None = None
        with self._database.write() as db:
            self._leases.fence(db, source)
            source_id = _source_id(db, source)
            for notification, body in zip(page.notifications, bodies, strict=True):
                if db.execute(SQL["remember"], (source_id, notification.id)).rowcount == 0:
                    continue
                date = notification.date
                raised = now if date is None else date
                row = db.execute(SQL["store"], (source_id, notification.id, date, raised, body))
                stored.append((row.lastrowid or 0, notification.body))
                if date is not None and (newest is None or date > newest):
                    newest = date
            look_ups.mention(db, source_id, stored)
            moved = {"id": source_id, "checkpoint": checkpoint, "new": len(stored), "newest": newest}
            db.execute(SQL["move_checkpoint"], moved)
            if page.gap is not None:
                gap = {"source": source_id, "start": page.gap.start, "end": page.gap.end}
                db.execute(SQL["store_gap"], gap)
        return len(stored)

    def due(self, source: str, now: int, limit: int) -> Sequence[Subject]:
        """As `connector.ports.Journal.due`."""
        asked = {"source": source, "now": now, "limit": max(0, limit)}
        with self._database.read() as db:
            return [Subject(*row) for row in db.execute(SQL["due"], asked)]

    def learn(self, source: str, look_up: LookUp) -> bool:
        """As `connector.ports.Journal.learn`."""
        with self._database.write() as db:
            self._leases.fence(db, source)
            return look_ups.learn(db, _source_id(db, source), look_up)

    def entries(self, seqs: Sequence[int]) -> Sequence[Entry]:
        """As `connector.ports.Journal.entries`."""
        with self._database.read() as db:
            return _entries(db, seqs)

    def find(self, sources: Sequence[str], notification_id: str) -> Sequence[Entry]:
        """As `connector.ports.Journal.find`."""
        with self._database.read() as db:
            asked = ({"source": source, "notification_id": notification_id} for source in dict.fromkeys(sources))
            found = [entry(row) for each in asked for row in db.execute(SQL["find"], each)]
            return look_ups.with_context(db, sorted(found, key=_SEQ))

    def pending(self, route: str, sources: Sequence[str], limit: int, after: int = 0) -> Sequence[Entry]:
        """As `connector.ports.Journal.pending`.

        A route's position is kept per source, so a source added to a route is read from its first notification.
        A body that the disk garbled comes as an empty object: the mapping refuses it, and the route goes on.
        """
        self._leases.renew(route)
        with self._database.read() as db:
            return _history(db, {source: _stands_at(db, route, source) for source in sources}, limit, after)

    def history(self, positions: Mapping[str, int], limit: int, after: int = 0) -> Sequence[Entry]:
        """As `connector.ports.Journal.history`."""
        with self._database.read() as db:
            return _history(db, positions, limit, after)

    def latest(self, sources: Sequence[str], limit: int, before: int | None = None) -> Sequence[Entry]:
        """As `connector.ports.Journal.latest`."""
        with self._database.read() as db:
            asked = ({"source": each, "before": _END if before is None else before, "limit": limit} for each in sources)
            walks = (map(entry, db.execute(SQL["latest"], each)) for each in asked)
            return list(itertools.islice(heapq.merge(*walks, key=_SEQ, reverse=True), limit))

    def positions_since(self, route: str | None, sources: Sequence[str], since: int | None) -> Mapping[str, int]:
        """As `connector.ports.Journal.positions_since`. A notification without a date was raised when it was stored."""
        positions = {}
        with self._database.read() as db:
            for source in sources:
                asked = {"source": source, "since": _BEGINNING if since is None else since}
                (first,) = db.execute(SQL["first_since"], asked).fetchone()
                stands_at = _END if route is None else _stands_at(db, route, source)
                positions[source] = stands_at if first is None else min(stands_at, first - 1)
        return positions

    def versions(self, route: str, object_ids: Sequence[str]) -> Mapping[str, Sequence[Version]]:
        """As `connector.ports.Journal.versions`."""
        if not object_ids:
            return {}
        found: dict[str, list[Version]] = {}
        with self._database.read() as db:
            asked = {"route": route, "object_ids": json_list(object_ids)}
            for object_id, seq, digest, created, modified, sent, last_seq in db.execute(SQL["versions"], asked):
                version = Version(object_id, seq, digest, created, modified, sent=bool(sent), last_seq=last_seq)
                found.setdefault(object_id, []).append(version)
        return found

    def record(self, route: str, versions: Sequence[Version]) -> None:
        """As `connector.ports.Journal.record`; requires the lease on the route."""
        if not versions:
            return
        with self._database.write() as db:
            self._leases.fence(db, route)
            _record(db, _route_id(db, route), versions)

    def mark_unsent(self, route: str, versions: Sequence[Version]) -> None:
        """As `connector.ports.Outbox.mark_unsent`."""
        if not versions:
            return
        with self._database.write() as db:
            self._leases.fence(db, route)
            route_id = _route_id(db, route)
            db.executemany(SQL["mark_unsent"], [(route_id, each.object_id, each.modified) for each in versions])

    def advance(self, route: str, sources: Sequence[str], advance: Advance) -> None:
        """As `connector.ports.Outbox.advance`.

        To advance to where the route already stands counts nothing: it is the repeat of a commit that seemed to fail.
        """
        with self._database.write() as db:
            self._leases.fence(db, route)
            route_id = _route_id(db, route)
            is_new = False
            replaced = []
            for source in dict.fromkeys(sources):
                source_id = _source_id(db, source)
                before = _position(db, route_id, source_id)
                is_new |= before < advance.position
                passed = {"route": route_id, "source": source_id, "after": before, "until": advance.position}
                replaced += db.execute(SQL["dead_letters_between"], passed).fetchall()
                look_ups.outdate_passed(db, passed, advance.learned)
                to = {"route": route_id, "source": source_id, "position": advance.position}
                db.execute(SQL["move_position"], to)
            if is_new:
                _count(db, route_id, advance)
                look_ups.revises(db, route_id, revises=advance.learned is not None)
            self._replace_dead_letters(db, route_id, replaced, advance.dead_letters)
            _record(db, route_id, advance.sent)

    def rewind(self, route: str, positions: Mapping[str, int]) -> None:
        """As `connector.ports.Outbox.rewind`."""
        with self._database.write() as db:
            self._leases.fence(db, route)
            route_id = _route_id(db, route)
            for source, position in positions.items():
                to = {"route": route_id, "source": _source_id(db, source), "position": position}
                db.execute(SQL["rewind"], to)

    def record_redelivery(self, route: str, redelivery: Redelivery) -> None:
        """As `connector.ports.Outbox.record_redelivery`."""
        with self._database.write() as db:
            self._leases.fence(db, route)
            route_id = _route_id(db, route)
            replaced = db.execute(
                SQL["dead_letters_of"], {"route": route_id, "seqs": json_list(redelivery.seqs)}
            ).fetchall()
            _count(db, route_id, redelivery)
            self._replace_dead_letters(db, route_id, replaced, redelivery.dead_letters)
            _record(db, route_id, redelivery.sent)
            if redelivery.mark is not None:
                look_ups.record_redelivery(db, route_id, redelivery.mark)

    def outdated(self, route: str, sources: Sequence[str], limit: int) -> Outdated | None:
        """As `connector.ports.Outbox.outdated`."""
        with self._database.read() as db:
            found = look_ups.outdated(db, route, sources, limit)
            if found is None:
                return None
            seqs, mark = found
            asked = {"route": _known_route(db, route), "seqs": json_list(seqs)}
            letters = db.execute(SQL["dead_letters_of"], asked)
            return Outdated(_entries(db, seqs), mark, {(seq, object_id) for _, seq, object_id in letters})

    def dead_letters(self, route: str | None = None, ids: Sequence[int] | None = None) -> Iterator[StoredDeadLetter]:
        """As `connector.ports.Journal.dead_letters`."""
        if ids is not None:
            with self._database.read() as db:
                rows = db.execute(SQL["numbered_dead_letters"], {"ids": json_list(ids)}).fetchall()
            yield from map(dead_letter, rows)
            return
        after_seq = after_id = 0
        while True:
            asked = {"route": route, "after_seq": after_seq, "after_id": after_id, "limit": PAGE_ROWS}
            with self._database.read() as db:
                rows = db.execute(SQL["dead_letters"], asked).fetchall()
            for stored in map(dead_letter, rows):
                yield stored
                after_seq, after_id = stored.letter.seq, stored.id
            if len(rows) < PAGE_ROWS:
                return

    def ask_retry(self, ids: Sequence[int]) -> int:
        """As `connector.ports.Journal.ask_retry`."""
        with self._database.write() as db:
            return db.execute(SQL["ask_retry"], {"ids": json_list(ids)}).rowcount

    def to_retry(self, route: str, limit: int) -> Sequence[Entry]:
        """As `connector.ports.Outbox.to_retry`."""
        with self._database.read() as db:
            return _entries(db, [seq for (seq,) in db.execute(SQL["to_retry"], {"route": route, "limit": limit})])

    def drop(self, ids: Sequence[int]) -> int:
        """As `connector.ports.Journal.drop`."""
        if not ids:
            return 0
        with self._database.write() as db:
            db.execute(SQL["count_dropped"], {"ids": json_list(ids)})
            return db.executemany(SQL["clear_dead_letter"], [{"id": each} for each in ids]).rowcount

    def report(self, name: str, report: JsonObject) -> None:
        """As `connector.ports.Journal.report`."""
        with self._database.write() as db:
            if not self._leases.is_anothers(db, name):
                row = {"name": name, "report": orjson.dumps(report), "at": int(self._clock())}
                db.execute(SQL["store_report"], row)

    def status(self, routes: Mapping[str, Sequence[str]]) -> JournalStatus:
        """As `connector.ports.Journal.status`.

        Sources are all that the journal or a route knows, by name. A source's `notifications` and `newest` count what
        was ever stored, `entries` what is there now. A route's position is that in the source where it is least far.
        """
        with self._database.read() as db:
            known = {row[1]: row for row in db.execute(SQL["sources"])}
            names = sorted({*known, *itertools.chain.from_iterable(routes.values())})
            ids = {name: row[0] for name, row in known.items()}
            others = db.execute(SQL["other_dead_letters"], {"routes": json_list(list(routes))})
            return JournalStatus(
                entries=sum(row[4] for row in known.values()),
                sources=[self._source_status(db, name, known.get(name)) for name in names],
                routes=[self._route_status(db, name, sources, ids) for name, sources in routes.items()],
                other_dead_letters=dict(others.fetchall()),
            )

    def prune(self, before: int, routes: Mapping[str, Sequence[str]]) -> int:
        """As `connector.ports.Journal.prune`. A notification without a date counts as raised when it was stored.

        A route that is not in `routes` holds nothing back that it has not read.
        """
        with self._database.read() as db:
            ids = {name: source_id for source_id, name, *_ in db.execute(SQL["sources"])}
        return sum(self._prune_source(before, routes, name, source_id) for name, source_id in ids.items())

    def close(self) -> None:
        """As `connector.ports.Journal.close`; gives back the leases still held."""
        self._leases.close()
        self._database.close()

    def _source_status(self, db: sqlite3.Connection, name: str, row: Any) -> SourceStatus:
        source_id, _, checkpoint, stored, _, newest, pruned_until = row or (0, name, None, 0, 0, None, None)
        return SourceStatus(
            name=name,
            checkpoint=self._decoded(checkpoint),
            notifications=stored,
            newest=newest,
            gaps=[Gap(start, end) for start, end in db.execute(SQL["gaps"], {"source": source_id})],
            report=self._report(db, name),
            pruned_until=pruned_until,
            served_by=self._leases.holder(db, name),
            look_ups=look_ups.status(db, source_id, int(self._clock())),
        )

    def _route_status(
        self, db: sqlite3.Connection, name: str, sources: Sequence[str], ids: Mapping[str, int]
    ) -> RouteStatus:
        row = db.execute(SQL["route"], {"route": name}).fetchone()
        route_id, delivered, filtered, refused, dropped = row or (0, 0, 0, 0, 0)
        ranges = [
            {"source": ids[source], "position": _position(db, route_id, ids[source])}
            for source in dict.fromkeys(sources)
            if source in ids
        ]
        oldest = [date for at in ranges for (date,) in db.execute(SQL["oldest_pending"], at) if date is not None]
        return RouteStatus(
            name=name,
            sources=tuple(sources),
            position=min((at["position"] for at in ranges), default=0),
            backlog=sum(db.execute(SQL["backlog"], at).fetchone()[0] for at in ranges),
            oldest_pending=min(oldest, default=None),
            delivered=delivered,
            filtered=filtered,
            refused=refused,
            dead_letters=db.execute(SQL["count_dead_letters"], {"route": route_id}).fetchone()[0],
            report=self._report(db, name),
            dropped=dropped,
            served_by=self._leases.holder(db, name),
            outdated=db.execute(SQL["count_outdated"], {"route": route_id}).fetchone()[0],
        )

    def _report(self, db: sqlite3.Connection, name: str) -> JsonObject:
        row = db.execute(SQL["report"], {"name": name}).fetchone()
        report: JsonObject = {} if row is None else self._decoded(row[0])
        return report

    def _prune_source(self, before: int, routes: Mapping[str, Sequence[str]], name: str, source_id: int) -> int:
        readers = [route for route, sources in routes.items() if name in sources]
        after = (_BEGINNING, 0)
        pruned = 0
        while True:
            with self._database.write() as db:
                positions = [_position(db, _route_id(db, route), source_id) for route in readers]
                rows = db.execute(
                    SQL["prunable"],
                    {
                        "source": source_id,
                        "after_raised": after[0],
                        "after_seq": after[1],
                        "before": before,
                        "dealt_with": min(positions, default=2**63 - 1),
                        "limit": PRUNE_ROWS,
                    },
                ).fetchall()
                seqs = [{"seq": seq} for seq, _ in rows]
                db.executemany(SQL["prune"], seqs)
                until = rows[-1][1] if rows else None
                db.execute(SQL["count_pruned"], {"id": source_id, "pruned": len(rows), "until": until})
            pruned += len(rows)
            if len(rows) < PRUNE_ROWS:
                break
            after = (rows[-1][1], rows[-1][0])
        if pruned:
            with self._database.write() as db:
                db.execute(SQL["forget_subjects"], {"source": source_id})
        return pruned

    def _replace_dead_letters(
        self, db: sqlite3.Connection, route_id: int, replaced: Sequence[Any], letters: Sequence[DeadLetter]
    ) -> None:
        now = int(self._clock())
        rows = [(route_id, each.seq, each.object_id, each.by, each.reason, each.document, now) for each in letters]
        db.executemany(SQL["store_dead_letter"], rows)
        kept = {(each.seq, each.object_id) for each in letters}
        gone = [{"id": number} for number, seq, object_id in replaced if (seq, object_id) not in kept]
        db.executemany(SQL["clear_dead_letter"], gone)

    def _decoded(self, text: bytes | None) -> Json:
        try:
            return None if text is None else orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise self._database.damaged(f"a checkpoint or report is not JSON: {error}") from error


def _history(db: sqlite3.Connection, positions: Mapping[str, int], limit: int, after: int) -> Sequence[Entry]:
    walks = (
        db.execute(SQL["history"], {"source": source, "after": max(after, position), "limit": limit})
        for source, position in positions.items()
    )
    found, size = [], 0
    for row in itertools.islice(heapq.merge(*walks, key=itemgetter(0)), limit):
        found.append(entry(row))
        size += len(row[-1])
        if size >= READ_BYTES:
            break
    return look_ups.with_context(db, found)


def _entries(db: sqlite3.Connection, seqs: Sequence[int]) -> Sequence[Entry]:
    rows = db.execute(SQL["entries"], {"seqs": json_list(seqs)})
    return look_ups.with_context(db, [entry(row) for row in rows])


def _source_id(db: sqlite3.Connection, source: str) -> int:
    db.execute(SQL["know_source"], {"source": source})
    (source_id,) = db.execute(SQL["source_id"], {"source": source}).fetchone()
    return int(source_id)


def _route_id(db: sqlite3.Connection, route: str) -> int:
    db.execute(SQL["know_route"], {"route": route})
    (route_id,) = db.execute(SQL["route_id"], {"route": route}).fetchone()
    return int(route_id)


def _known_route(db: sqlite3.Connection, route: str) -> int:
    row = db.execute(SQL["route_id"], {"route": route}).fetchone()
    return 0 if row is None else int(row[0])


def _position(db: sqlite3.Connection, route_id: int, source_id: int) -> int:
    row = db.execute(SQL["position"], {"route": route_id, "source": source_id}).fetchone()
    return 0 if row is None else int(row[0])


def _stands_at(db: sqlite3.Connection, route: str, source: str) -> int:
    row = db.execute(SQL["stands_at"], {"route": route, "source": source}).fetchone()
    return 0 if row is None else int(row[0])


def _count(db: sqlite3.Connection, route_id: int, step: Advance | Redelivery) -> None:
    counts = {"delivered": step.delivered, "filtered": step.filtered, "refused": step.refused}
    db.execute(SQL["count_notifications"], {"route": route_id, **counts})


def _record(db: sqlite3.Connection, route_id: int, versions: Sequence[Version]) -> None:
    rows = [(route_id, v.object_id, v.modified, v.created, v.seq, v.digest, v.sent, v.last_seq) for v in versions]
    if db.executemany(SQL["record_version"], rows).rowcount < len(rows):
        raise RuntimeError("two contents for one version of an object")
