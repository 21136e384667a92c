"""Notifications: storing each once, and reading them in order."""

import heapq
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from operator import attrgetter, itemgetter

import orjson

from connector.journals.sql import dead_letters, look_ups, positions
from connector.journals.sql.dialect import Transaction
from connector.journals.sql.positions import AFTER_ALL
from connector.journals.sql.rows import checksum, encoded_body, entry, json_list
from connector.model import UNREADABLE, DeadLetter, Entry, JsonObject, Page, Unreadable

READ_BYTES = 16 * 1024 * 1024
"""Bodies that are read at once end with the one that reaches so many, for the sake of memory."""

_SEQ = attrgetter("seq")


def store(db: Transaction, source: str, page: Page, now: int) -> int:
    """Store what is new of a page, its gap and its checkpoint; return how many notifications were new."""
    source_id = positions.source_id(db, source)
    stored: list[tuple[int, JsonObject]] = []
    newest: int | None = None
    for notification in page.notifications:
        key = {"source": source_id, "notification_id": notification.id}
        if db.run("add_seen", key).rowcount == 0:
            continue
        date = notification.date
        raised = now if date is None else date
        body = encoded_body(notification.body)
        row = {**key, "date": date, "raised": raised, "checksum": checksum(notification.id, date, body), "body": body}
        stored.append((db.insert("add_notification", row), notification.body))
        if date is not None and (newest is None or date > newest):
            newest = date
    look_ups.add_mentions(db, source_id, stored)
    letters = [letter for each in page.unreadable if (letter := _set_aside(db, source_id, each, now))]
    if letters:
        dead_letters.replace(db, positions.route_id(db, source), [], letters, now)
    checkpoint = orjson.dumps(page.checkpoint)
    db.run(
        "move_checkpoint",
        {"id": source_id, "checkpoint": checkpoint, "new": len(stored) + len(letters), "newest": newest},
    )
    if page.gap is not None:
        db.run("add_gap", {"source": source_id, "start": page.gap.start, "end": page.gap.end})
    return len(stored)


def _set_aside(db: Transaction, source_id: int, unreadable: Unreadable, now: int) -> DeadLetter | None:
    """Keep an entry that stands for what could not be read; None when there is one already."""
    notification_id = UNREADABLE + unreadable.id
    key = {"source": source_id, "notification_id": notification_id}
    if db.run("add_seen", key).rowcount == 0:
        return None
    body = encoded_body({"unreadable": asdict(unreadable)})
    raised = now if unreadable.date is None else unreadable.date
    check = checksum(notification_id, unreadable.date, body)
    row = {**key, "date": unreadable.date, "raised": raised, "checksum": check, "body": body}
    seq = db.insert("add_notification", row)
    return DeadLetter(seq, "source", unreadable.reason)


def after(db: Transaction, reached: Mapping[str, int], limit: int, read_to: int) -> Sequence[Entry]:
    """The next entries after these positions, by source, and after the entry `read_to`, in order."""
    walks = (
        db.run("entries_after", {"source": source, "after": max(read_to, position), "limit": limit})
        for source, position in reached.items()
    )
    found, size = [], 0
    for row in itertools.islice(heapq.merge(*walks, key=itemgetter(0)), limit):
        found.append(entry(row))
        size += len(row[-1]) if isinstance(row[-1], bytes) else 0  # the disk may have changed what it is
        if size >= READ_BYTES:
            break
    return look_ups.with_context(db, found)


def numbered(db: Transaction, seqs: Sequence[int]) -> Sequence[Entry]:
    """These entries, in order; what was pruned is missing."""
    rows = db.run("numbered_entries", {"seqs": json_list(seqs)})
    return look_ups.with_context(db, [entry(row) for row in rows])


def find(db: Transaction, sources: Sequence[str], notification_id: str) -> Sequence[Entry]:
    """The entries of these sources that have this notification, in order."""
    asked = ({"source": source, "notification_id": notification_id} for source in dict.fromkeys(sources))
    found = [entry(row) for each in asked for row in db.run("find_entry", each)]
    return look_ups.with_context(db, sorted(found, key=_SEQ))


def latest(db: Transaction, sources: Sequence[str], limit: int, before: int | None) -> Sequence[Entry]:
    """The entries of these sources that were stored last, the newest first."""
    asked = ({"source": each, "before": AFTER_ALL if before is None else before, "limit": limit} for each in sources)
    walks = (map(entry, db.run("latest_entries", each)) for each in asked)
    return list(itertools.islice(heapq.merge(*walks, key=_SEQ, reverse=True), limit))
