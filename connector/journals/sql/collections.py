"""Collections in the store of the journal: append-only lists, read from any place at the cost of an index seek."""

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from connector.journals.sql.bodies import Bodies
from connector.journals.sql.dialect import Database, Transaction
from connector.journals.sql.rows import checksum, is_damaged, json_list
from connector.model import CollectedObject, Selection, StixObject
from connector.values import timestamps

_IS_LAST, _IS_FIRST = 1, 2
_AS_MODIFIED = ""
_PLACES = (3, 2, 1, 0)
"""Of a version among those of its object: the sum of both."""


class SqlCollections:
    """A `connector.ports.Collections`.

    The time that an object is added is this machine's, but always later than that of the one before: should many be
    added at once, or the clock be set back, it runs ahead of the clock until that has caught up.
    """

    def __init__(
        self, database: Database, bodies: Bodies, check: Callable[[], str], clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._bodies = bodies
        self.check = check
        self._clock = clock

    def store(self, collection: str, objects: Sequence[StixObject]) -> Sequence[bool]:
        """As `connector.ports.Collections.store`."""
        dated = [(each, None if each.version is None else timestamps.microseconds(each.version)) for each in objects]
        if not dated:
            return []
        with self._database.write() as db:
            writer = _CollectionWriter(db, self._bodies, collection, int(self._clock() * 1000))
            are_there = [writer.put(each, modified) for each, modified in dated]
            writer.finish()
        return are_there

    def objects(
        self, collection: str, selection: Selection, limit: int, max_bytes: int
    ) -> tuple[Sequence[CollectedObject], bool]:
        """As `connector.ports.Collections.objects`."""
        found: list[CollectedObject] = []
        size = 0
        with self._database.read() as db:
            selected = _selected(db, collection, selection, limit + 1)
            for added, *row in db.run("collected_objects", {"added": json_list(selected[:limit])}):
                version, body = stored_body(db, self._bodies, row)
                size += len(body or b"")
                if size > max_bytes and found:
                    break
                found.append(_collected(added, row[0], version, body))
        return found, len(found) < len(selected)

    def manifest(self, collection: str, selection: Selection, limit: int) -> tuple[Sequence[CollectedObject], bool]:
        """As `connector.ports.Collections.manifest`."""
        with self._database.read() as db:
            selected = _selected(db, collection, selection, limit + 1)
            rows = db.run("collected_manifest", {"added": json_list(selected[:limit])})
            found = [_collected(added, each, said_version(*version)) for added, each, *version in rows]
        return found, len(found) < len(selected)

    def holds(self, collection: str, object_id: str) -> bool:
        """As `connector.ports.Collections.holds`."""
        with self._database.read() as db:
            asked = {"collection": collection_id(db, collection), "object_id": object_id}
            return db.run("holds_object", asked).fetchone() is not None

    def state(self, collection: str) -> tuple[int, int]:
        """As `connector.ports.Collections.state`."""
        with self._database.read() as db:
            asked = {"collection": collection_id(db, collection)}
            (added,) = db.run("newest_added", {**asked, "places": json_list(_PLACES)}).fetchone()
            changed = db.run("times_changed", asked).fetchone()
        return -1 if added is None else added, changed[0] if changed else 0


class _CollectionWriter:
    """One collection, within the transaction that adds to it."""

    def __init__(self, db: Transaction, bodies: Bodies, collection: str, now: int) -> None:
        self._db = db
        self._bodies = bodies
        self._codec = bodies.newest(db, "objects")
        db.run("add_collection", {"name": collection})
        self._id = collection_id(db, collection)
        (last_added,) = db.run("last_added").fetchone()
        self._added = self._first = max(now, last_added + 1)
        self._types: dict[str, int] = {}

    def put(self, each: StixObject, modified: int | None) -> bool:
        """Add one; False when its version is there with other bytes."""
        db = self._db
        one: dict[str, Any] = {"collection": self._id, "object_id": each.id}
        if modified is None:
            if any(stored_body(db, self._bodies, row)[1] == each.body for row in db.run("bodies_of_object", one)):
                return True
            modified = self._added * 1000
        else:
            held = db.run("body_of_version", {**one, "modified": modified}).fetchone()
            if held is not None:
                return self._agrees(each, modified, stored_body(db, self._bodies, held)[1])
        oldest, newest = db.run("oldest_and_newest_version", one).fetchone()
        is_first, is_last = oldest is None or modified < oldest, newest is None or modified > newest
        if is_first and oldest is not None:
            db.run("lose_place", {**one, "modified": oldest, "place": _IS_FIRST})
        if is_last and newest is not None:
            db.run("lose_place", {**one, "modified": newest, "place": _IS_LAST})
        row = {"added": self._added, "type": self._type_id(each.type), "modified": modified}
        place = _IS_FIRST * is_first + _IS_LAST * is_last
        db.run("add_object", {**one, **row, "place": place, **self._stored(each, modified)})
        self._added += 1
        return True

    def finish(self) -> None:
        """Note how much was added; within the transaction, when everything is."""
        if self._added > self._first:
            self._bodies.grown(self._db, "objects", self._added - self._first)

    def _agrees(self, each: StixObject, modified: int, held: bytes | None) -> bool:
        """Whether what is held of a version is the same; what the disk garbled is mended.

        Two revocations are the same, whatever else they say: a replay on other terms may word one otherwise.
        """
        if held is None:
            key = {"collection": self._id, "object_id": each.id, "modified": modified}
            self._db.run("mend_object", {**key, **self._stored(each, modified)})
            self._db.run("count_change", {"collection": self._id})
        return held is None or held == each.body or (_revokes(held) and _revokes(each.body))

    def _stored(self, each: StixObject, modified: int) -> dict[str, Any]:
        body = self._codec.compressed(each.body)
        check = checksum(self._codec.number, body, each.id, each.version)
        version = _AS_MODIFIED if each.version == timestamps.stix(modified // 1000) else each.version
        return {"version": version, "checksum": check, "dictionary": self._codec.number, "body": body}

    def _type_id(self, name: str) -> int:
        if name not in self._types:
            asked = {"collection": self._id, "type": name}
            self._db.run("add_collection_type", asked)
            (self._types[name],) = self._db.run("collection_type_id", asked).fetchone()
        return self._types[name]


def collection_id(db: Transaction, name: str) -> int:
    """The number of a collection; 0 when there is none."""
    row = db.run("collection_id", {"name": name}).fetchone()
    return 0 if row is None else int(row[0])


def _selected(db: Transaction, collection: str, selection: Selection, limit: int) -> Sequence[int]:
    """When the first of what is selected were added, in order."""
    asked = {"collection": collection_id(db, collection), "after": selection.after, "limit": limit}
    types = None
    if selection.types is not None:
        rows = (
            db.run("collection_type_id", {"collection": asked["collection"], "type": each}).fetchone()
            for each in sorted(selection.types)
        )
        types = [int(row[0]) for row in rows if row is not None]
    lists = [_added(db, name, {**asked, **more}) for name, more in _lists(selection, types)]
    if len(lists) == 1:
        return lists[0]
    merged = (added for added, _ in itertools.groupby(heapq.merge(*lists)))
    return list(itertools.islice(merged, limit))


def _lists(selection: Selection, types: Sequence[int] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """The statements that together give what is selected; each gives it in order."""
    wanted = _IS_LAST * selection.last | _IS_FIRST * selection.first
    places = [place for place in _PLACES if selection.every or place & wanted]
    among = {
        "types": None if types is None else json_list(types),
        "versions": json_list(sorted(selection.versions)),
    }
    if selection.ids is not None:
        yield "list_of_ids", {**among, "places": json_list(places), "ids": json_list(sorted(selection.ids))}
        return
    if selection.versions and not selection.every:
        yield "list_of_versions", among
    for place in places:
        if types is None:
            yield "list", {"place": place}
        else:
            yield from (("list_of_type", {"place": place, "type": each}) for each in types)


def _added(db: Transaction, name: str, asked: dict[str, Any]) -> list[int]:
    return [added for (added,) in db.run(name, asked)]


def _revokes(body: bytes) -> bool:
    document = orjson.loads(body)
    return isinstance(document, dict) and document.get("revoked") is True


def stored_body(db: Transaction, bodies: Bodies, row: Sequence[Any]) -> tuple[str | None, bytes | None]:
    """The version as the object has it, and the JSON, of (object id, modified, version, checksum, dictionary, body).

    The JSON is None when it is damaged.
    """
    object_id, modified, version, check, dictionary, stored = row
    said = said_version(modified, version)
    if is_damaged(check, dictionary, stored, object_id, said):
        return said, None
    return said, bodies.read(db, dictionary, stored)


def said_version(modified: int, version: str | None) -> str | None:
    """The version as the object has it; None when it has none."""
    return timestamps.stix(modified // 1000) if version == _AS_MODIFIED else version


def _collected(added: int, object_id: str, version: str | None, body: bytes | None = b"") -> CollectedObject:
    return CollectedObject(added, object_id, version or timestamps.taxii(added), body or b"", damaged=body is None)
