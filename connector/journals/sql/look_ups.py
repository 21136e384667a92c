"""What notifications name and what was looked up of it, as the SQLite journal keeps it; within its transactions."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from connector.journals.sql.rows import decoded_object, json_list
from connector.journals.sql.statements import SQL
from connector.model import Entry, Json, JsonObject, LookUp, LookUpStatus, Subject
from connector.notification import subjects

DAY_SECONDS = 86_400


def mention(db: sqlite3.Connection, source_id: int, stored: Iterable[tuple[int, JsonObject]]) -> None:
    """Write down what notifications name, given as seq and body."""
    rows = [(source_id, seq, *subject) for seq, body in stored for subject in subjects(body)]
    named = {(source_id, *subject) for source_id, _, *subject in rows}
    db.executemany(SQL["know_subject"], sorted(named))
    db.executemany(SQL["mention"], rows)


def learned(db: sqlite3.Connection) -> int:
    """How much has been learned so far."""
    (count,) = db.execute(SQL["learned"]).fetchone()
    return int(count)


def with_context(db: sqlite3.Connection, entries: Sequence[Entry]) -> Sequence[Entry]:
    """The entries with what is known now of what they name."""
    so_far = learned(db)
    if not so_far or not entries:
        return entries
    named: dict[int, list[int]] = {}
    for seq, subject_id in db.execute(SQL["mentioned"], {"seqs": json_list([entry.seq for entry in entries])}):
        named.setdefault(seq, []).append(subject_id)
    ids = sorted({subject_id for found in named.values() for subject_id in found})
    rows = db.execute(SQL["known_of"], {"ids": json_list(ids)})
    known = {row[0]: (Subject(row[1], row[2]), decoded_object(row[3])) for row in rows}
    contexts = {seq: dict(known[each] for each in found if each in known) for seq, found in named.items()}
    return [replace(entry, context=contexts.get(entry.seq, {}), learned=so_far) for entry in entries]


def learn(db: sqlite3.Connection, source_id: int, look_up: LookUp) -> bool:
    """As `connector.ports.Journal.learn`; nothing for a subject that no entry names any more."""
    asked = {"source": source_id, "type": look_up.subject.type, "subject_id": look_up.subject.id}
    row = db.execute(SQL["subject"], asked).fetchone()
    if row is None:
        return False
    subject_id, digest = row
    answer: dict[str, Any] = {"id": subject_id, "asked_at": look_up.asked_at, "due": look_up.due}
    if look_up.state == "failed":
        db.execute(SQL["postpone"], answer)
        return False
    db.execute(SQL["answer"], {**answer, "state": look_up.state})
    if look_up.attributes is None:
        return False
    report = orjson.dumps(look_up.report) if look_up.report else None
    told = {"attributes": orjson.dumps(look_up.attributes), "digest": look_up.digest, "report": report}
    db.execute(SQL["store_attributes"], {"id": subject_id, **told})
    if look_up.digest == digest:
        return False
    so_far = learned(db) + 1
    db.execute(SQL["count_learned"], {"source": source_id, "learned": so_far})
    db.execute(SQL["mark_learned"], {"id": subject_id, "learned": so_far})
    db.execute(SQL["outdate"], {"source": source_id, "subject": subject_id, "learned": so_far})
    return True


def outdate_passed(db: sqlite3.Connection, passed: Mapping[str, int], known: int | None) -> None:
    """Mark as outdated what a route has passed of a source while more was learned; see `Advance.learned`."""
    if known is not None:
        db.execute(SQL["outdate_passed"], {**passed, "learned": known})


def revises(db: sqlite3.Connection, route_id: int, *, revises: bool) -> None:
    """Note whether what a route delivered can be outdated."""
    if db.execute(SQL["revises"], {"route": route_id, "revises": revises}).rowcount and not revises:
        db.execute(SQL["forget_all_outdated"], {"route": route_id})


def outdated(
    db: sqlite3.Connection, route: str, sources: Sequence[str], limit: int
) -> tuple[Sequence[int], Json] | None:
    """The seqs of outdated entries, and the mark that goes with them."""
    rows = db.execute(SQL["outdated"], {"route": route, "sources": json_list(sources), "limit": limit}).fetchall()
    if not rows:
        return None
    reached = dict(rows)  # the last of each subject stays
    return sorted({seq for _, seq in rows}), {"learned": learned(db), "reached": [*reached.items()]}


def record_redelivery(db: sqlite3.Connection, route_id: int, mark: Json) -> None:
    """Note that the entries of a mark have been rendered again."""
    for subject_id, reached in mark["reached"]:
        dealt_with = {"route": route_id, "subject": subject_id, "reached": reached, "learned": mark["learned"]}
        db.execute(SQL["move_outdated"], dealt_with)
        db.execute(SQL["forget_outdated"], {"route": route_id, "subject": subject_id})


def status(db: sqlite3.Connection, source_id: int, now: int) -> LookUpStatus:
    """What there is of a source, at a time in Unix seconds."""
    asked = {"source": source_id, "now": now, "midnight": now - now % DAY_SECONDS}
    known, absent, forbidden, waiting, today = db.execute(SQL["look_ups"], asked).fetchone()
    reports = db.execute(SQL["look_up_reports"], {"source": source_id})
    return LookUpStatus(
        known, absent, forbidden, waiting, today, {Subject(row[0], row[1]): decoded_object(row[2]) for row in reports}
    )
