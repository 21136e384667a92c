"""What notifications name (subjects), what was looked up of it, and which delivered entries that makes outdated.

The journal counts what it learns: each look-up that says something new raises the count by one. A subject keeps the
count at which it was last learned of, an entry read for delivery the count of that moment (`Entry.learned`): what it
names and was learned later, it was delivered without.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from connector.journals.sql.dialect import Transaction
from connector.journals.sql.rows import decoded_object, json_list
from connector.model import Entry, Json, JsonObject, LookUp, LookUpStatus, Subject
from connector.notification import subjects

DAY_SECONDS = 86_400


def add_mentions(db: Transaction, source_id: int, stored: Iterable[tuple[int, JsonObject]]) -> None:
    """Write down what notifications name, given as seq and body."""
    rows = [
        {"source": source_id, "seq": seq, "type": subject.type, "subject_id": subject.id}
        for seq, body in stored
        for subject in subjects(body)
    ]
    named = sorted({(row["type"], row["subject_id"]) for row in rows})
    db.run_many("add_subject", [{"source": source_id, "type": kind, "subject_id": each} for kind, each in named])
    db.run_many("add_mention", rows)


def learned_so_far(db: Transaction) -> int:
    """How much has been learned so far."""
    (count,) = db.run("learned_so_far").fetchone()
    return int(count)


def due(db: Transaction, source: str, now: int, limit: int) -> Sequence[Subject]:
    """As `connector.ports.Journal.due`."""
    rows = db.run("due_subjects", {"source": source, "now": now, "limit": max(0, limit)})
    return [Subject(*row) for row in rows]


def with_context(db: Transaction, entries: Sequence[Entry]) -> Sequence[Entry]:
    """The entries with what is known now of what they name."""
    learned = learned_so_far(db)
    if not learned or not entries:
        return entries
    named: dict[int, list[int]] = {}
    for seq, subject_id in db.run("mentions_in", {"seqs": json_list([entry.seq for entry in entries])}):
        named.setdefault(seq, []).append(subject_id)
    ids = sorted({subject_id for found in named.values() for subject_id in found})
    rows = db.run("known_subjects", {"ids": json_list(ids)})
    known = {row[0]: (Subject(row[1], row[2]), decoded_object(row[3])) for row in rows}
    contexts = {seq: dict(known[each] for each in found if each in known) for seq, found in named.items()}
    return [replace(entry, context=contexts.get(entry.seq, {}), learned=learned) for entry in entries]


def learn(db: Transaction, source_id: int, look_up: LookUp) -> bool:
    """As `connector.ports.Journal.learn`; nothing for a subject that no entry names any more."""
    asked = {"source": source_id, "type": look_up.subject.type, "subject_id": look_up.subject.id}
    row = db.run("subject", asked).fetchone()
    if row is None:
        return False
    subject_id, digest = row
    answer: dict[str, Any] = {"id": subject_id, "asked_at": look_up.asked_at, "due": look_up.due}
    if look_up.state == "failed":
        db.run("postpone_look_up", answer)
        return False
    db.run("store_answer", {**answer, "state": look_up.state})
    if look_up.attributes is None:
        return False
    report = orjson.dumps(look_up.report) if look_up.report else None
    told = {"attributes": orjson.dumps(look_up.attributes), "digest": look_up.digest, "report": report}
    db.run("store_attributes", {"id": subject_id, **told})
    if look_up.digest == digest:
        return False
    outdate(db, source_id, subject_id)
    if look_up.subject.type == "url":
        db.run("retry_what_lacked", {"subject": subject_id})
    return True


def outdate(db: Transaction, source_id: int, subject_id: int) -> None:
    """Count that something was learned of a subject: the entries that name it and were delivered are outdated."""
    learned = learned_so_far(db) + 1
    db.run("count_learned", {"source": source_id, "learned": learned})
    db.run("mark_learned", {"id": subject_id, "learned": learned})
    db.run("outdate_delivered", {"source": source_id, "subject": subject_id, "learned": learned})


def outdate_read(db: Transaction, passed: Mapping[str, int], learned: int | None) -> None:
    """Mark as outdated what a route passes now and has read before the last that was learned; see `Advance.learned`."""
    if learned is not None:
        db.run("outdate_read", {**passed, "learned": learned})


def set_revises(db: Transaction, route_id: int, *, revises: bool) -> None:
    """Note whether what a route has delivered can be outdated; once it cannot, nothing of it is."""
    has_changed = db.run("set_revises", {"route": route_id, "revises": revises}).rowcount > 0
    if has_changed and not revises:
        db.run("delete_all_outdated", {"route": route_id})


def outdated(db: Transaction, route: str, sources: Sequence[str], limit: int) -> tuple[Sequence[int], Json] | None:
    """The seqs of outdated entries, and the mark that goes with them."""
    rows = db.run("outdated", {"route": route, "sources": json_list(sources), "limit": limit}).fetchall()
    if not rows:
        return None
    reached = dict(rows)  # the last of each subject stays
    return sorted({seq for _, seq in rows}), {"learned": learned_so_far(db), "reached": [*reached.items()]}


def record_redelivery(db: Transaction, route_id: int, mark: Json) -> None:
    """Note that the entries of a mark have been rendered again."""
    for subject_id, reached in mark["reached"]:
        dealt_with = {"route": route_id, "subject": subject_id, "reached": reached, "learned": mark["learned"]}
        db.run("move_outdated", dealt_with)
        db.run("delete_outdated", {"route": route_id, "subject": subject_id})


def status(db: Transaction, source_id: int, now: int) -> LookUpStatus:
    """What there is of a source, at a time in Unix seconds."""
    asked = {"source": source_id, "now": now, "midnight": now - now % DAY_SECONDS}
    known, absent, forbidden, waiting, today = db.run("count_look_ups", asked).fetchone()
    rows = db.run("look_up_reports", {"source": source_id})
    reports = {Subject(row[0], row[1]): decoded_object(row[2]) for row in rows}
    return LookUpStatus(known, absent, forbidden, waiting, today, reports)
