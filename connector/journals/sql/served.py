"""What the journal has ever served, and forgetting it when a person says so."""

from collections.abc import Mapping, Sequence

from connector.journals.sql.dialect import Database, Leases, Transaction
from connector.journals.sql.positions import position
from connector.model import ServedRoute

_OF_READING = (
    "delete_reading",
    "delete_dead_letters_of_reading",
    "delete_outdated_of_reading",
    "delete_withheld_of_reading",
    "delete_guarded_of_reading",
)
FORGET_ROWS = 1000
"""Notifications that one transaction forgets, so that others wait only shortly."""


def served_routes(db: Transaction, routes: Mapping[str, Sequence[str]]) -> Sequence[ServedRoute]:
    """As `connector.ports.Journal.served`."""
    return [
        _served(db, number, name, receiver, but=routes.get(name, ()))
        for number, name, receiver in db.run("routes").fetchall()
    ]


def forget_route(db: Transaction, route: str, sources: Sequence[str], receiver: str | None) -> None:
    """As `connector.ports.Journal.forget_route`."""
    row = db.run("route_id", {"route": route}).fetchone()
    if row is None:
        return
    one = {"route": row[0]}
    kept = (receiver, "") if sources else ()
    for ledger, of in db.run("ledgers_of_route", one).fetchall():
        if of not in kept:
            db.run("delete_versions", {"ledger": ledger})
            db.run("delete_claims", {"ledger": ledger})
            db.run("delete_ledger", {"ledger": ledger})
    for number, name in db.run("sources_of_route", one).fetchall():
        if name not in sources:
            for statement in _OF_READING:
                db.run(statement, {**one, "source": number})
    if not sources:
        for statement in ("delete_dead_letters", "delete_withheld", "delete_guarded", "delete_route"):
            db.run(statement, one)
        _forget_said(db, route)


def forget_source(database: Database, leases: Leases, source: str) -> None:
    """As `connector.ports.Journal.forget_source`; its notifications in several transactions."""
    with database.read() as db:
        row = db.run("source_id", {"source": source}).fetchone()
    if row is None:
        return
    one = {"source": row[0]}
    is_left = True
    while is_left:
        with database.write() as db:
            leases.fence(db, source)
            rows = [{"seq": seq} for (seq,) in db.run("some_notifications", {**one, "limit": FORGET_ROWS})]
            db.run_many("delete_dead_letters_of_notification", rows)
            db.run_many("delete_notification", rows)
            seen = db.run("delete_seen_of_source", {**one, "limit": FORGET_ROWS}).rowcount
            is_left = bool(rows) or seen > 0
    with database.write() as db:
        leases.fence(db, source)
        for statement in ("delete_unnamed_subjects", "delete_positions_in_source", "delete_gaps", "delete_source"):
            db.run(statement, one)
        forget_route(db, source, (), None)  # which has its own dead letters
        _forget_said(db, source)


def _forget_said(db: Transaction, name: str) -> None:
    for statement in ("delete_report", "delete_damage"):
        db.run(statement, {"name": name})


def _served(db: Transaction, number: int, name: str, receiver: str, *, but: Sequence[str]) -> ServedRoute:
    unread = {
        source: int(db.run("backlog", {"source": each, "position": position(db, number, each)}).fetchone()[0])
        for each, source in db.run("sources_of_route", {"route": number}).fetchall()
        if source not in but
    }
    receivers = [of for _, of in db.run("ledgers_of_route", {"route": number})]
    (dead_letters,) = db.run("count_dead_letters", {"route": number}).fetchone()
    return ServedRoute(name, receiver, [each for each in receivers if each not in (receiver, "")], unread, dead_letters)
