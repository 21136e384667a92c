"""Forgetting notifications that every route has dealt with, subjects with the last that names them, and ids later."""

from collections.abc import Sequence
from dataclasses import dataclass

from connector.journals.sql.dialect import Database
from connector.journals.sql.positions import AFTER_ALL, BEFORE_ALL, position, route_id

DAY_SECONDS = 86_400
PRUNE_ROWS = 1000
"""Rows that one transaction prunes, so that those who append and advance wait only shortly."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days things are kept.

    Attributes:
        notifications: after every route has dealt with them.
        ids: of notifications, after they were raised; never for less long than the notification.
        objects: what a route has sent, after a notification last said it.
    """

    notifications: int
    ids: int
    objects: int


def prune_source(database: Database, source_id: int, readers: Sequence[str], before: int) -> int:
    """Prune what one source raised before a time (Unix seconds) and its readers have dealt with; return how many.

    Its readers are these routes, and all that the journal has ever served.
    """
    after_raised, after_seq = BEFORE_ALL, 0
    pruned = 0
    while True:
        with database.write() as db:
            known = {number for (number,) in db.run("readers", {"source": source_id})}
            known |= {route_id(db, route) for route in readers}
            positions = [position(db, number, source_id) for number in known]
            asked = {"source": source_id, "after_raised": after_raised, "after_seq": after_seq, "before": before}
            dealt_with = min(positions, default=AFTER_ALL)
            rows = db.run("prunable", {**asked, "dealt_with": dealt_with, "limit": PRUNE_ROWS}).fetchall()
            db.run_many("delete_notification", [{"seq": seq} for seq, _ in rows])
            until = rows[-1][1] if rows else None
            db.run("count_pruned", {"id": source_id, "pruned": len(rows), "until": until})
        pruned += len(rows)
        if len(rows) < PRUNE_ROWS:
            break
        after_seq, after_raised = rows[-1]
    if pruned:
        with database.write() as db:
            db.run("delete_unnamed_subjects", {"source": source_id})
    return pruned


def forget_ids(database: Database, source_id: int, before: int) -> None:
    """Forget the ids of what was raised before a time (Unix seconds), but for those of notifications that are kept."""
    after_raised, after_id = BEFORE_ALL, ""
    while True:
        with database.write() as db:
            asked = {"source": source_id, "after_raised": after_raised, "after_id": after_id, "before": before}
            rows = db.run("old_ids", {**asked, "limit": PRUNE_ROWS}).fetchall()
            gone = [{"source": source_id, "notification_id": each} for _, each, is_kept in rows if not is_kept]
            db.run_many("delete_id", gone)
        if len(rows) < PRUNE_ROWS:
            return
        after_raised, after_id, _ = rows[-1]
