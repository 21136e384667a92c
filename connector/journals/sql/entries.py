"""Notifications: storing each once, and reading them in order."""

import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from operator import attrgetter, itemgetter
from typing import Any

from connector.journals.sql import damage, dead_letters, judgements, look_ups, named_hosts, positions
from connector.journals.sql.bodies import Bodies, Codec
from connector.journals.sql.dialect import Transaction
from connector.journals.sql.positions import AFTER_ALL
from connector.journals.sql.pruning import DAY_SECONDS
from connector.journals.sql.rows import checksum, decoded_object, encoded_body, is_damaged, json_list
from connector.model import UNREADABLE, Appended, DeadLetter, Entry, JsonObject, Notification, Page, Unreadable
from connector.notification import bounded_id
from connector.room import ROOM, NoRoom
from connector.values import jsontext

READ_BYTES = 32 * 1024 * 1024
"""Memory that bodies which are read at once may take, decoded; one alone may take more."""

_SEQ = attrgetter("seq")


def store(db: Transaction, bodies: Bodies, source: str, page: Page, now: int) -> Appended:
    """Store what is new of a page, its gap and its checkpoint."""
    source_id = positions.source_id(db, source)
    codec = bodies.newest(db, "notifications")
    stored = _add(db, codec, source_id, [_with_bounded_id(each) for each in page.notifications], now)
    said = [(seq, notification.body) for seq, notification in stored]
    look_ups.add_mentions(db, source_id, said)
    named_hosts.add(db, source_id, said)
    named_hosts.note_verdicts(db, [body for _, body in said])
    if page.looks_up is not None:
        look_ups.add_entities(db, source_id, [(seq, each.body) for seq, each in stored], page.looks_up, now)
    set_aside = _set_aside(db, codec, source_id, page.unreadable, now)
    letters = [DeadLetter(seq, "source", each.reason) for seq, each in set_aside]
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
    return Appended(len(stored), [each for _, each in set_aside])


def _add(
    db: Transaction, codec: Codec, source_id: int, notifications: Sequence[Notification], now: int
) -> Sequence[tuple[int, Notification]]:
    """Store those of some notifications that are not known; with their numbers."""
    keys = [
        {"source": source_id, "notification_id": each.id, "raised": now if each.date is None else each.date}
        for each in notifications
    ]
    are_new = db.run_each("add_seen", keys)
    new = [(each, key) for each, key, is_new in zip(notifications, keys, are_new, strict=True) if is_new]
    numbers = db.run_each("add_notification", [{**key, **_columns(codec, each)} for each, key in new])
    return [(seq, each) for (each, _), ((seq,),) in zip(new, numbers, strict=True)]


def _with_bounded_id(notification: Notification) -> Notification:
    """The same, under an id that an index of any store takes."""
    identifier = bounded_id(notification.id)
    return notification if identifier == notification.id else replace(notification, id=identifier)


def _columns(codec: Codec, notification: Notification) -> Mapping[str, Any]:
    """What a row has of a notification, beside its id."""
    stored = codec.compressed(encoded_body(notification.body))
    check = checksum(codec.number, stored, notification.date, notification.id)
    row = {"date": notification.date, "checksum": check, "dictionary": codec.number, "body": stored}
    return {**row, **judgements.traits(notification.body)}


def _set_aside(
    db: Transaction, codec: Codec, source_id: int, unreadable: Sequence[Unreadable], now: int
) -> Sequence[tuple[int, Unreadable]]:
    """Keep entries that stand for what could not be read, but for those that there are; with their numbers."""
    by_id: dict[str, Unreadable] = {}
    for each in unreadable:
        by_id.setdefault(bounded_id(UNREADABLE + each.id), each)
    stand_ins = [Notification(name, each.date, {"unreadable": asdict(each)}) for name, each in by_id.items()]
    return [(seq, by_id[notification.id]) for seq, notification in _add(db, codec, source_id, stand_ins, now)]


def mend(db: Transaction, bodies: Bodies, source: str, seq: int, notification: Notification) -> bool:
    """As `connector.ports.Journal.mend`."""
    notification = _with_bounded_id(notification)
    for row in db.run("numbered_entries", {"seqs": json_list([seq])}).fetchall():
        _, of_source, notification_id, *_ = row
        if (of_source, notification_id) != (source, notification.id):
            return False
        if text(db, bodies, row) is not None:
            return True
        whole = _columns(bodies.newest(db, "notifications"), notification)
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
        stored = text(db, bodies, row)
        size += jsontext.decoded_bytes(stored or b"")
        if not _fits(found, size, "read"):
            break
        found.append(_entry(row, stored))
    return judgements.with_judgements(db, look_ups.with_context(db, bodies, found, whole=False))


def _fits(found: Sequence[Entry], size: int, what: str = "read beside") -> bool:
    """Whether one more entry, with which all take so much memory, may be read with those that are.

    Raises:
        NoRoom: not even that one may, now.
    """
    if found and size > READ_BYTES:
        return False
    if ROOM.take(size, what=what, can_wait=bool(found)):
        return True
    if not found:
        raise NoRoom(ROOM.needed(size, what=what))
    return False


def are_whole(db: Transaction, bodies: Bodies, seqs: Sequence[int]) -> Iterator[tuple[int, str, bool]]:
    """Number and source of these entries, in order, and whether each is as it was stored; none of what was pruned."""
    for seq in sorted(seqs):
        for row in db.run("numbered_entries", {"seqs": json_list([seq])}).fetchall():
            yield row[0], row[1], text(db, bodies, row) is not None


def newest_that_fit(db: Transaction, bodies: Bodies, seqs: Sequence[int]) -> Sequence[Entry]:
    """As many of these entries, the newest first, as together take no more memory than they may, or one."""
    found: list[Entry] = []
    size = 0
    for seq in sorted(seqs, reverse=True):
        for row in db.run("numbered_entries", {"seqs": json_list([seq])}).fetchall():
            stored = text(db, bodies, row)
            size += jsontext.decoded_bytes(stored or b"")
            if not _fits(found, size):
                return _with_what_is_known(db, bodies, found)
            found.append(_entry(row, stored))
    return _with_what_is_known(db, bodies, found)


def that_fit(db: Transaction, bodies: Bodies, seqs: Sequence[int]) -> tuple[Sequence[Entry], int]:
    """As many of these entries, in order, as together take no more memory than they may, or one.

    With the number of the first that is left. What was pruned is missing.
    """
    found: list[Entry] = []
    size, left = 0, AFTER_ALL
    for row in db.run("numbered_entries", {"seqs": json_list(seqs)}):
        stored = text(db, bodies, row)
        size += jsontext.decoded_bytes(stored or b"")
        if not _fits(found, size):
            left = row[0]
            break
        found.append(_entry(row, stored))
    told = look_ups.with_context(db, bodies, found, whole=False)
    if len(told) < len(found):
        left = found[len(told)].seq
    return judgements.with_judgements(db, told), left


def find(db: Transaction, bodies: Bodies, sources: Sequence[str], notification_id: str) -> Sequence[Entry]:
    """The entries of these sources that have this notification, in order: as many as may be read at once, or one."""
    asked = ({"source": source, "notification_id": bounded_id(notification_id)} for source in dict.fromkeys(sources))
    rows = (row for each in asked for row in db.run("find_entry", each).fetchall())
    return _with_what_is_known(db, bodies, sorted(_read(db, bodies, rows), key=_SEQ))


def latest(db: Transaction, bodies: Bodies, sources: Sequence[str], limit: int, before: int | None) -> Sequence[Entry]:
    """The entries of these sources that were stored last, the newest first: as many as may be read at once, or one."""
    asked = ({"source": each, "before": AFTER_ALL if before is None else before, "limit": limit} for each in sources)
    walks = (db.run("latest_entries", each) for each in asked)
    rows = itertools.islice(heapq.merge(*walks, key=itemgetter(0), reverse=True), limit)
    return judgements.with_judgements(db, _read(db, bodies, rows))


def _read(db: Transaction, bodies: Bodies, rows: Iterable[Any]) -> list[Entry]:
    """As many of these as together take no more memory than they may, or one."""
    found: list[Entry] = []
    size = 0
    for row in rows:
        stored = text(db, bodies, row)
        size += jsontext.decoded_bytes(stored or b"")
        if not _fits(found, size):
            break
        found.append(_entry(row, stored))
    return found


def _with_what_is_known(db: Transaction, bodies: Bodies, found: Sequence[Entry]) -> Sequence[Entry]:
    return judgements.with_judgements(db, look_ups.with_context(db, bodies, found))


def body(db: Transaction, bodies: Bodies, row: Any) -> JsonObject:
    """The body in a row of the statements that read entries; empty when it is damaged."""
    found = text(db, bodies, row)
    return {} if found is None else decoded_object(found)


def text(db: Transaction, bodies: Bodies, row: Any) -> bytes | None:
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
