"""Notifications: storing each once, and reading them in order."""

import heapq
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from operator import attrgetter, itemgetter
from typing import Any

from connector.journals.sql import damage, dead_letters, judgements, look_ups, positions
from connector.journals.sql.bodies import Bodies, Codec
from connector.journals.sql.dialect import Transaction
from connector.journals.sql.positions import AFTER_ALL
from connector.journals.sql.pruning import DAY_SECONDS
from connector.journals.sql.rows import checksum, decoded_object, encoded_body, is_damaged, json_list
from connector.model import UNREADABLE, DeadLetter, Entry, JsonObject, Notification, Page, Unreadable
from connector.values import jsontext

READ_BYTES = 64 * 1024 * 1024
"""Memory that bodies which are read at once may take, decoded; one alone may take more."""

_SEQ = attrgetter("seq")


class MoreThanFits(Exception):
    """These entries take more memory than those that are read at once may."""


def store(db: Transaction, bodies: Bodies, source: str, page: Page, now: int) -> int:
    """Store what is new of a page, its gap and its checkpoint; return how many notifications were new."""
    source_id = positions.source_id(db, source)
    codec = bodies.newest(db, "notifications")
    added = ((_add(db, codec, source_id, notification, now), notification) for notification in page.notifications)
    stored = [(seq, notification) for seq, notification in added if seq is not None]
    look_ups.add_mentions(db, source_id, [(seq, notification.body) for seq, notification in stored])
    if page.looks_up is not None:
        look_ups.add_entities(db, source_id, [(seq, each.body) for seq, each in stored], page.looks_up, now)
    letters = [letter for each in page.unreadable if (letter := _set_aside(db, codec, source_id, each, now))]
    if letters:
        dead_letters.replace(db, positions.route_id(db, source), [], letters, now)
    new = len(stored) + len(letters)
    dates = [each.date for _, each in stored if each.date is not None]
    at = {**damage.checkpoint_row(source_id, page.checkpoint), "newest": max(dates, default=None)}
    db.run("move_checkpoint", {"id": source_id, "new": new, **at})
    if page.gap is not None:
        db.run("add_gap", {"source": source_id, "start": page.gap.start, "end": page.gap.end})
    if new:
        last = max([seq for seq, _ in stored] + [letter.seq for letter in letters])
        db.run("reach_day", {"day": now // DAY_SECONDS, "seq": last})
        bodies.grown(db, "notifications", new)
    return len(stored)


def _add(db: Transaction, codec: Codec, source_id: int, notification: Notification, now: int) -> int | None:
    """Store a notification; its number, or None when it is known."""
    date = notification.date
    raised = now if date is None else date
    key = {"source": source_id, "notification_id": notification.id, "raised": raised}
    if db.run("add_seen", key).rowcount == 0:
        return None
    stored = codec.compressed(encoded_body(notification.body))
    check = checksum(codec.number, stored, date, notification.id)
    row = {"date": date, "checksum": check, "dictionary": codec.number, **judgements.traits(notification.body)}
    return db.insert("add_notification", {**key, **row, "body": stored})


def _set_aside(db: Transaction, codec: Codec, source_id: int, unreadable: Unreadable, now: int) -> DeadLetter | None:
    """Keep an entry that stands for what could not be read; None when there is one already."""
    body = {"unreadable": asdict(unreadable)}
    seq = _add(db, codec, source_id, Notification(UNREADABLE + unreadable.id, unreadable.date, body), now)
    return None if seq is None else DeadLetter(seq, "source", unreadable.reason)


def mend(db: Transaction, bodies: Bodies, source: str, seq: int, notification: Notification) -> bool:
    """As `connector.ports.Journal.mend`."""
    for row in db.run("numbered_entries", {"seqs": json_list([seq])}).fetchall():
        _, of_source, notification_id, *_ = row
        if (of_source, notification_id) != (source, notification.id):
            return False
        if _body(db, bodies, row) is not None:
            return True
        codec = bodies.newest(db, "notifications")
        stored = codec.compressed(encoded_body(notification.body))
        check = checksum(codec.number, stored, notification.date, notification.id)
        whole = {"date": notification.date, "checksum": check, "dictionary": codec.number, "body": stored}
        whole |= judgements.traits(notification.body)
        if db.run("mend_notification", {"seq": seq, **whole}).rowcount == 0:
            return False
        db.run("retry_mended", {"seq": seq})
        return True
    return False


def after(db: Transaction, bodies: Bodies, reached: Mapping[str, int], limit: int, read_to: int) -> Sequence[Entry]:
    """The next entries after these positions, by source, and after the entry `read_to`, in order."""
    walks = (
        db.run("entries_after", {"source": source, "after": max(read_to, position), "limit": limit})
        for source, position in reached.items()
    )
    found: list[Entry] = []
    size = 0
    for row in itertools.islice(heapq.merge(*walks, key=itemgetter(0)), limit):
        stored = _body(db, bodies, row)
        size += jsontext.decoded_bytes(stored or b"")
        if found and size > READ_BYTES:
            break
        found.append(_entry(row, stored))
    return judgements.with_judgements(db, look_ups.with_context(db, bodies, found, whole=False))


def numbered(db: Transaction, bodies: Bodies, seqs: Sequence[int], *, bounded: bool = False) -> Sequence[Entry]:
    """These entries, in order; what was pruned is missing.

    Raises:
        MoreThanFits: they are several, which together take too much memory; with `bounded`.
    """
    found: list[Entry] = []
    size = 0
    for row in db.run("numbered_entries", {"seqs": json_list(seqs)}):
        stored = _body(db, bodies, row)
        size += jsontext.decoded_bytes(stored or b"")
        if bounded and found and size > READ_BYTES:
            raise MoreThanFits
        found.append(_entry(row, stored))
    told = look_ups.with_context(db, bodies, found, whole=not bounded)
    if len(told) < len(found):
        raise MoreThanFits
    return judgements.with_judgements(db, told)


def find(db: Transaction, bodies: Bodies, sources: Sequence[str], notification_id: str) -> Sequence[Entry]:
    """The entries of these sources that have this notification, in order."""
    asked = ({"source": source, "notification_id": notification_id} for source in dict.fromkeys(sources))
    found = [_entry(row, _body(db, bodies, row)) for each in asked for row in db.run("find_entry", each)]
    return _with_what_is_known(db, bodies, sorted(found, key=_SEQ))


def latest(db: Transaction, bodies: Bodies, sources: Sequence[str], limit: int, before: int | None) -> Sequence[Entry]:
    """The entries of these sources that were stored last, the newest first."""
    asked = ({"source": each, "before": AFTER_ALL if before is None else before, "limit": limit} for each in sources)
    walks = (db.run("latest_entries", each) for each in asked)
    rows = itertools.islice(heapq.merge(*walks, key=itemgetter(0), reverse=True), limit)
    return judgements.with_judgements(db, [_entry(row, _body(db, bodies, row)) for row in rows])


def _with_what_is_known(db: Transaction, bodies: Bodies, found: Sequence[Entry]) -> Sequence[Entry]:
    return judgements.with_judgements(db, look_ups.with_context(db, bodies, found))


def body(db: Transaction, bodies: Bodies, row: Any) -> JsonObject:
    """The body in a row of the statements that read entries; empty when it is damaged."""
    found = _body(db, bodies, row)
    return {} if found is None else decoded_object(found)


def _body(db: Transaction, bodies: Bodies, row: Any) -> bytes | None:
    """The JSON of (seq, source, notification id, date, checksum, dictionary, body); None when it is damaged."""
    _, _, notification_id, date, check, dictionary, stored = row
    if is_damaged(check, dictionary, stored, date, notification_id):
        return None
    return bodies.read(db, dictionary, stored)


def _entry(row: Any, found: bytes | None) -> Entry:
    """What the disk garbled is empty."""
    seq, source, notification_id, date, *_ = row
    said = Notification(notification_id, date, {} if found is None else decoded_object(found))
    return Entry(seq, source, said, damaged=found is None)
