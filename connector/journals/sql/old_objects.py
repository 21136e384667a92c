"""Forgetting versions that nothing needs any more, and objects that have not been said for long.

A route looks through its ledger once a day, under its lease: nobody else changes that ledger meanwhile, nor the
collection that the route fills.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from connector.journals.sql.bodies import Bodies
from connector.journals.sql.collections import collection_id, stored_body
from connector.journals.sql.dialect import Database, Leases, Transaction
from connector.journals.sql.positions import AFTER_ALL, BEFORE_ALL
from connector.values import timestamps

LOOKED_AT = 1000
"""Rows that are read at once, and that one transaction forgets, so that others wait only shortly."""
FORGOTTEN_AT_ONCE = 100_000
"""Objects of a collection that are forgotten in a day, for the sake of memory; the rest on the next days."""
_ID = re.compile(rb'"([a-z0-9-]+--[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')
_SUPERSEDED, _NEWEST = (2, 0), (3, 1)
"""Places among the versions of an object."""


class OldObjects:
    """What one route has sent to one receiver, and is to be forgotten. Requires the lease on the route."""

    def __init__(self, database: Database, leases: Leases, bodies: Bodies, route: str, ledger: int) -> None:
        self._database = database
        self._leases = leases
        self._bodies = bodies
        self._route = route
        self._ledger = ledger

    def forget_versions(self, superseded_until: int, said_until: int) -> int:
        """Forget superseded versions, and objects, which no entry after these two has said; return how many rows."""
        count = 0
        after: Mapping[str, Any] = {"object_id": b"", "modified": ""}
        while True:
            asked = {"ledger": self._ledger, **after, "limit": LOOKED_AT}
            with self._database.read() as db:
                rows = db.run("ledger_after", asked).fetchall()
            is_last_page = len(rows) < LOOKED_AT
            # Whether the last row of a page is the newest of its object shows on the next page.
            decided = rows if is_last_page else rows[:-1]
            following = [row[0] for row in rows[1:]] + [""]
            old = [
                {"ledger": self._ledger, "object_id": object_id, "modified": modified}
                for (object_id, modified, said, _), next_id in zip(decided, following, strict=False)
                if said is not None and said <= (superseded_until if next_id == object_id else said_until)
            ]
            if old:
                with self._database.write() as db:
                    self._leases.fence(db, self._route)
                    count += db.run_many("delete_version", old)
            if is_last_page:
                return count
            after = {"object_id": decided[-1][3], "modified": decided[-1][1]}

    def forget_claims(self, said_until: int) -> None:
        """Forget what the receiver was told of observables, which no entry after this one has said."""
        after = {"observable": BEFORE_ALL, "seq": 0}
        while True:
            with self._database.read() as db:
                rows = db.run("claims_after", {"ledger": self._ledger, **after, "limit": LOOKED_AT}).fetchall()
            old = [
                {"ledger": self._ledger, "observable": observable, "seq": seq}
                for observable, seq, last_seq in rows
                if max(seq, last_seq) <= said_until
            ]
            if old:
                with self._database.write() as db:
                    self._leases.fence(db, self._route)
                    db.run_many("delete_claim", old)
            if len(rows) < LOOKED_AT:
                return
            after = {"observable": rows[-1][0], "seq": rows[-1][1]}

    def forget_collected(self, collection: str, before: int, now: int) -> int:
        """Forget what was added to a collection before a time (milliseconds); return how many objects.

        Superseded versions are; an object is when it is valid no more at `now` (microseconds) or revoked, and nothing
        that stays refers to it. It is then sent again if it is said again.
        """
        with self._database.read() as db:
            number = collection_id(db, collection)
        while self._forget_superseded(number, before):
            pass
        gone = self._old_and_unneeded(number, before, now)
        for start in range(0, len(gone), LOOKED_AT):
            part = gone[start : start + LOOKED_AT]
            with self._database.write() as db:
                self._leases.fence(db, self._route)
                db.run_many("delete_object", [{"collection": number, "object_id": each} for each in part])
                db.run_many("delete_versions_of", [{"ledger": self._ledger, "object_id": each} for each in part])
                db.run("count_change", {"collection": number})
        return len(gone)

    def _forget_superseded(self, collection: int, before: int) -> bool:
        """Forget some; whether there may be more."""
        with self._database.write() as db:
            self._leases.fence(db, self._route)
            rows = [row for place in _SUPERSEDED for row in self._rows(db, collection, place, -1, before)]
            for added, object_id, *_ in rows:
                db.run("delete_added", {"added": added})
                db.run("become_first", {"collection": collection, "object_id": object_id})
            if rows:
                db.run("count_change", {"collection": collection})
        return len(rows) >= LOOKED_AT

    def _old_and_unneeded(self, collection: int, before: int, now: int) -> Sequence[str]:
        """The ids of objects that were added before a time, are not valid any more, and that none of the rest names."""
        candidates: dict[str, frozenset[str]] = {}
        for object_id, body in self._bodies_of(collection, _NEWEST, -1, before):
            if body is not None and not _is_valid(body, now):
                candidates[object_id] = _named(body) - {object_id}
            if len(candidates) >= FORGOTTEN_AT_ONCE:
                break
        if not candidates:
            return []
        needed: list[str] = []
        for object_id, body in self._bodies_of(collection, (*_NEWEST, *_SUPERSEDED), -1, AFTER_ALL):
            if object_id not in candidates:
                needed += [each for each in _named(body or b"") if each in candidates]
                while needed:
                    needed += [each for each in candidates.pop(needed.pop(), ()) if each in candidates]
        return list(candidates)

    def _bodies_of(
        self, collection: int, places: Sequence[int], after: int, before: int
    ) -> Iterator[tuple[str, bytes | None]]:
        for place in places:
            reached = after
            while True:
                with self._database.read() as db:
                    rows = self._rows(db, collection, place, reached, before)
                    found = [(row[1], stored_body(db, self._bodies, row[1:])[1]) for row in rows]
                yield from found
                if len(rows) < LOOKED_AT:
                    break
                reached = rows[-1][0]

    def _rows(self, db: Transaction, collection: int, place: int, after: int, before: int) -> Sequence[Any]:
        asked = {"collection": collection, "place": place, "after": after, "before": before, "limit": LOOKED_AT}
        return db.run("objects_between", asked).fetchall()


def last_before(db: Transaction, day: int) -> int:
    """The last entry that was stored before a day (since 1970); 0 when that is not known."""
    row = db.run("last_before_day", {"day": day}).fetchone()
    return 0 if row is None else int(row[0])


def _is_valid(body: bytes, now: int) -> bool:
    """Whether an object says until when it is valid, that is not over (microseconds since 1970), and not revoked."""
    if b'"valid_until"' not in body:
        return False
    try:
        said = orjson.loads(body)
        return said.get("revoked") is not True and timestamps.microseconds(said["valid_until"]) > now
    except (ValueError, KeyError, TypeError):
        return False


def _named(body: bytes) -> frozenset[str]:
    """The ids of objects that an object names, its own among them."""
    return frozenset(match.decode() for match in _ID.findall(body))
