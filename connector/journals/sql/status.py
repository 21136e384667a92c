"""What `status` shows of sources and routes."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson

from connector.journals.sql import damage, judging, look_ups, positions
from connector.journals.sql.dialect import Database, Leases, Transaction
from connector.journals.sql.rows import json_list
from connector.model import Damage, Gap, JournalStatus, Json, JsonObject, RouteStatus, SourceStatus

RULES = 20
"""How many rules the status has, of those whose matches were judged."""


class StatusReader:
    """Reads the status within one transaction; `now` is in Unix seconds."""

    def __init__(self, db: Transaction, database: Database, leases: Leases, now: int) -> None:
        self._db = db
        self._database = database
        self._leases = leases
        self._now = now

    def journal(self, routes: Mapping[str, Sequence[str]], seen: Collection[str] | None) -> JournalStatus:
        """As `connector.ports.Journal.status`; `seen` are the sources that are told of."""
        known = {row[1]: row for row in self._db.run("sources") if seen is None or row[1] in seen}
        names = sorted({*known, *itertools.chain.from_iterable(routes.values())})
        ids = {name: row[0] for name, row in known.items()}
        # Those of a source have its name; those of other routes may be of any source.
        others = self._db.run("count_other_dead_letters", {"routes": json_list(list(routes))}).fetchall()
        return JournalStatus(
            entries=sum(row[4] for row in known.values()),
            sources=[self._source(name, known.get(name)) for name in names],
            routes=[self._route(name, sources, ids) for name, sources in routes.items()],
            other_dead_letters={name: count for name, count in others if seen is None or name in seen},
            rules=judging.rule_records(self._db, RULES, seen),
        )

    def _source(self, name: str, row: Any) -> SourceStatus:
        source_id, _, checkpoint, stored, _, newest, pruned_until, check = row or (
            0,
            name,
            None,
            0,
            0,
            None,
            None,
            None,
        )
        is_damaged = damage.is_checkpoint_damaged(source_id, checkpoint, check)
        return SourceStatus(
            name=name,
            checkpoint=None if is_damaged else decoded(checkpoint, self._database),
            notifications=stored,
            newest=newest,
            gaps=[Gap(start, end) for start, end in self._db.run("gaps", {"source": source_id})],
            report=reported(self._db, self._database, name),
            pruned_until=pruned_until,
            damage=Damage(damage.OF_CHECKPOINT, self._now) if is_damaged else damage.last(self._db, name),
            served_by=self._leases.holder(self._db, name),
            look_ups=look_ups.status(self._db, source_id, self._now),
        )

    def _route(self, name: str, sources: Sequence[str], ids: Mapping[str, int]) -> RouteStatus:
        db = self._db
        row = db.run("route", {"route": name}).fetchone()
        route_id, delivered, filtered, refused, dropped, withdrawn = row or (0, 0, 0, 0, 0, 0)
        ranges = [
            {"source": ids[source], "position": positions.position(db, route_id, ids[source])}
            for source in dict.fromkeys(sources)
            if source in ids
        ]
        oldest = [date for at in ranges for (date,) in db.run("oldest_pending", at) if date is not None]
        wrong = positions.damaged(db, name, sources)
        guarded, guarded_hosts = db.run("count_guarded", {"route": route_id}).fetchone()
        return RouteStatus(
            name=name,
            sources=tuple(sources),
            position=min((at["position"] for at in ranges), default=0),
            backlog=sum(db.run("backlog", at).fetchone()[0] for at in ranges),
            oldest_pending=min(oldest, default=None),
            delivered=delivered,
            filtered=filtered,
            refused=refused,
            dead_letters=db.run("count_dead_letters", {"route": route_id}).fetchone()[0],
            report=reported(db, self._database, name),
            dropped=dropped,
            withdrawn=withdrawn,
            muted=db.run("count_muted", {"route": route_id}).fetchone()[0],
            guarded=guarded,
            guarded_hosts=guarded_hosts,
            damage=Damage(damage.OF_POSITION.format(", ".join(wrong)), self._now) if wrong else damage.last(db, name),
            served_by=self._leases.holder(db, name),
            outdated=db.run("count_outdated", {"route": route_id}).fetchone()[0],
        )


def reported(db: Transaction, database: Database, name: str) -> JsonObject:
    """As `connector.ports.Journal.reported`."""
    row = db.run("report", {"name": name}).fetchone()
    report: JsonObject = {} if row is None else decoded(row[0], database)
    return report


def decoded(text: bytes | None, database: Database) -> Json:
    """A checkpoint or report.

    Raises:
        Misconfigured: it is no JSON; the store is damaged.
    """
    try:
        return None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise database.damaged(f"a checkpoint or report is not JSON: {error}") from error
