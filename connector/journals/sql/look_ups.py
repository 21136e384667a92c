"""What notifications name (subjects), what was looked up of it, and which delivered entries that makes outdated.

The journal counts what it learns: each look-up that says something new raises the count by one. A subject keeps the
count at which it was last learned of, an entry read for delivery the count of that moment (`Entry.learned`): what it
names and was learned later, it was delivered without.

What an entry is about, its entity, is a subject like those that it names, with a rank of its own: the others are looked
up first. The entity's digest is that of what the last entry says of it, until something else is learned.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import orjson

from connector.journals.sql.bodies import Bodies
from connector.journals.sql.dialect import Transaction
from connector.journals.sql.rows import checksum, decoded_object, is_damaged, json_list
from connector.model import Ahead, Entry, Json, JsonObject, LookUp, LookUpStatus, Subject
from connector.notification import ENTITIES, TECHNIQUES, entity, subjects
from connector.values import assessments, jsontext, news

DAY_SECONDS = 86_400
CONTEXT_BYTES = 32 * 1024 * 1024
"""Memory that what is known of what entries name may take, decoded: beyond it, they come without the rest."""
_ABOUT = 1
"""The rank of what entries are about; that of what they name is 0."""


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


def add_entities(
    db: Transaction, source_id: int, stored: Iterable[tuple[int, JsonObject]], ahead: Ahead, now: int
) -> None:
    """Write down what notifications are about, so that it is looked up again."""
    rows: list[dict[str, Any]] = []
    techniques: list[dict[str, Any]] = []
    for seq, body in stored:
        found = entity(body)
        if found is None:
            continue
        subject, attributes = found
        row = {
            "source": source_id,
            "type": subject.type,
            "subject_id": subject.id,
            "seq": seq,
            "rank": _ABOUT,
            "now": now,
        }
        if ahead.seconds is not None:
            # Of what was not told, whatever is learned is news.
            is_told = bool(attributes) and (subject.type != "url" or bool(attributes.get("url")))
            digest = assessments.meaning(attributes) if is_told else None
            rows.append({**row, "due": now + ahead.seconds, "digest": digest})
        if ahead.techniques and subject.type == "file" and assessments.is_bad(attributes):
            techniques.append({**row, "type": TECHNIQUES, "due": now})
    if rows:
        db.run_many("add_entity", rows)
        db.run_many("add_mention", rows)
    if techniques:
        db.run_many("add_follower", techniques)
        db.run_many("add_mention", techniques)


def learned_so_far(db: Transaction) -> int:
    """How much has been learned so far."""
    (count,) = db.run("learned_so_far").fetchone()
    return int(count)


def due(db: Transaction, source: str, now: int, limit: int, about: int) -> Sequence[Subject]:
    """As `connector.ports.Journal.due`."""
    rows = db.run("due_subjects", {"source": source, "now": now, "limit": max(0, limit)}).fetchall()
    if (left := min(about, limit - len(rows))) > 0:
        rows += db.run("due_entities", {"source": source, "now": now, "limit": left}).fetchall()
    return [Subject(*row) for row in rows]


def with_context(db: Transaction, bodies: Bodies, entries: Sequence[Entry], *, whole: bool = True) -> Sequence[Entry]:
    """The entries with what is known now of what they name, and is not more of one entry than `CONTEXT_BYTES`.

    Unless `whole`, only as many of them, from the first on, as have not more than that together, or one.
    """
    learned = learned_so_far(db)
    if not learned or not entries:
        return entries
    named: dict[int, list[int]] = {}
    for seq, subject_id in db.run("mentions_in", {"seqs": json_list([entry.seq for entry in entries])}):
        named.setdefault(seq, []).append(subject_id)
    ids = sorted({subject_id for found in named.values() for subject_id in found})
    answers = _Answers(db, bodies, {row[0]: row for row in db.run("known_subjects", {"ids": json_list(ids)})})
    told: list[Entry] = []
    for entry in entries:
        context: dict[Subject, JsonObject] = {}
        newest, size = None, 0
        for number in named.get(entry.seq, ()):
            answer = answers.take(number, CONTEXT_BYTES - size)
            if answer is None:
                continue
            size += answer.bytes
            if answer.subject.type not in ENTITIES or answer.subject.type == "url":
                context[answer.subject] = answer.attributes
            if answer.subject.type in ENTITIES and entry.seq <= answer.until:  # a later one says itself what is newer
                newest = answer.text
        if not whole and told and answers.bytes > CONTEXT_BYTES:
            break
        told.append(replace(entry, context=context, learned=learned, entity=newest))
    return told


@dataclass
class _Answer:
    """What was looked up of a subject: as JSON, and the memory that it takes when it is decoded.

    Attributes:
        until: the last entry that this is newer than.
    """

    subject: Subject
    until: int
    text: bytes
    bytes: int

    @cached_property
    def attributes(self) -> JsonObject:
        """Decoded, once for all entries that name the subject."""
        return decoded_object(self.text)


class _Answers:
    """What was looked up of the subjects that a batch names; what is damaged or too large is read once too.

    Attributes:
        bytes: the memory that all takes which was taken.

    Args:
        rows: of the statement `known_subjects`, by subject.
    """

    def __init__(self, db: Transaction, bodies: Bodies, rows: Mapping[int, Any]) -> None:
        self.bytes = 0
        self._db = db
        self._bodies = bodies
        self._rows = rows
        self._taken: dict[int, _Answer] = {}
        self._sizes: dict[int, float] = {}  # infinite for what is damaged

    def take(self, number: int, room: int) -> _Answer | None:
        """What was looked up of a subject; None when that is nothing, damaged, or more than there is room for."""
        if number not in self._rows or self._sizes.get(number, 0) > room:
            return None
        answer = self._taken.get(number)
        if answer is None:
            answer = _answer(self._db, self._bodies, self._rows[number])
            self._sizes[number] = math.inf if answer is None else answer.bytes
            if answer is None or answer.bytes > room:
                return None
            self._taken[number] = answer
            self.bytes += answer.bytes
        return answer


def _answer(db: Transaction, bodies: Bodies, row: Any) -> _Answer | None:
    """None for a row that is damaged."""
    _, kind, subject_id, *stored, until = row
    text = body(db, bodies, *stored)
    return None if text is None else _Answer(Subject(kind, subject_id), until or 0, text, jsontext.decoded_bytes(text))


def body(db: Transaction, bodies: Bodies, attributes: bytes, dictionary: int | None, check: int | None) -> bytes | None:
    """Attributes as JSON; None when they are damaged."""
    return None if is_damaged(check, dictionary, attributes) else bodies.read(db, dictionary, attributes)


def learn(db: Transaction, bodies: Bodies, source_id: int, look_up: LookUp) -> bool:
    """As `connector.ports.Journal.learn`; nothing for a subject that no entry names any more."""
    asked = {"source": source_id, "type": look_up.subject.type, "subject_id": look_up.subject.id}
    at = look_up.asked_at
    db.run("note_look_up", {"source": source_id, "asked_at": at})
    db.run("forget_look_ups", {"source": source_id, "before": at - 2 * DAY_SECONDS})
    row = db.run("subject", asked).fetchone()
    if row is None:
        return False
    subject_id, digest, named_at = row
    due = next((named_at + each for each in look_up.again if named_at + each > at), look_up.due)
    answer: dict[str, Any] = {"id": subject_id, "asked_at": at, "due": look_up.due if look_up.state != "known" else due}
    if look_up.state == "failed":
        db.run("postpone_look_up", answer)
        return False
    db.run("store_answer", {**answer, "state": look_up.state})
    if look_up.attributes is None:
        return False
    for follower in look_up.leads_to:
        row = {
            "source": source_id,
            "type": follower.type,
            "subject_id": follower.id,
            "rank": _ABOUT,
            "due": at,
            "now": at,
        }
        db.run("add_follower", row)
        db.run("share_mentions", {**row, "of": subject_id})
    is_entity = look_up.subject.type in ENTITIES
    has_changed = digest is None or news.is_news(digest, look_up.digest)
    if is_entity and not has_changed:
        return False
    report = orjson.dumps(look_up.report) if look_up.report else None
    codec = bodies.newest(db, "notifications")
    stored = codec.compressed(orjson.dumps(look_up.attributes))
    told = {"digest": look_up.digest, "report": report, "dictionary": codec.number, "attributes": stored}
    db.run("store_attributes", {"id": subject_id, **told, "checksum": checksum(codec.number, stored)})
    if not has_changed:
        return False
    if is_entity:
        db.run("reach_entries", {"id": subject_id})
    outdate(db, source_id, subject_id)
    if look_up.subject.type == "url":
        db.run("retry_what_lacked", {"subject": subject_id})
    return True


def outdate(db: Transaction, source_id: int, subject_id: int, *, always: bool = False) -> None:
    """Count that something was learned of a subject: the entries that name it and were delivered are outdated.

    With `always` also for routes that send nothing of what is learned later.
    """
    learned = learned_so_far(db) + 1
    db.run("count_learned", {"source": source_id, "learned": learned})
    db.run("mark_learned", {"id": subject_id, "learned": learned})
    db.run("outdate_delivered", {"source": source_id, "subject": subject_id, "learned": learned, "always": always})


def outdate_read(db: Transaction, passed: Mapping[str, int], learned: int | None, *, revises: bool) -> None:
    """Mark as outdated what a route passes now and has read before the last that was learned; see `Advance`."""
    if learned is not None:
        db.run("outdate_read", {**passed, "learned": learned, "revises": revises})


def set_revises(db: Transaction, route_id: int, *, revises: bool) -> None:
    """Note whether what a route has delivered can be outdated; once it cannot, nothing of it is."""
    has_changed = db.run("set_revises", {"route": route_id, "revises": revises}).rowcount > 0
    if has_changed and not revises:
        db.run("delete_all_outdated", {"route": route_id})


class OutdatedMention(NamedTuple):
    """An entry that a route has delivered, and a subject that it names and of which more was learned since.

    Attributes:
        judged: what of the entry an analyst has judged, if it is that (`Outdated.judged`).
    """

    subject: int
    seq: int
    judged: str | None


def outdated(db: Transaction, route: str, sources: Sequence[str], limit: int) -> Sequence[OutdatedMention]:
    """What makes entries outdated, subject by subject, each with its entries in order."""
    asked = {"route": route, "sources": json_list(sources), "limit": limit}
    return [OutdatedMention(*row) for row in db.run("outdated", asked)]


def outdated_mark(db: Transaction, dealt_with: Sequence[OutdatedMention]) -> Json:
    """What `record_redelivery` is told when these have been dealt with: of each subject, the first ones."""
    reached = {each.subject: each.seq for each in dealt_with}  # the last of each subject stays
    return {"learned": learned_so_far(db), "reached": [*reached.items()]}


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
