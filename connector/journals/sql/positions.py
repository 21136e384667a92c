"""Sources and routes by their names, and how far each route has come in each source.

A position has a checksum. One that the disk has changed counts as 0, so that entries are rather delivered twice than
never, until it is mended.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from connector.journals.sql.dialect import Transaction
from connector.journals.sql.rows import columns_checksum
from connector.model import Unavailable
from connector.ports import LAST

BEFORE_ALL, AFTER_ALL = -LAST - 1, LAST
"""Less and more than any seq or time: the ends of a 64-bit integer."""


def source_id(db: Transaction, source: str) -> int:
    """The number of a source, which gets one if it has none."""
    db.run("add_source", {"source": source})
    (number,) = db.run("source_id", {"source": source}).fetchone()
    return int(number)


def route_id(db: Transaction, route: str) -> int:
    """The number of a route, which gets one if it has none."""
    db.run("add_route", {"route": route})
    (number,) = db.run("route_id", {"route": route}).fetchone()
    return int(number)


def position(db: Transaction, route_number: int, source_number: int) -> int:
    """The last entry of a source that a route has dealt with; 0 before the first, and when it is damaged."""
    row = db.run("position", {"route": route_number, "source": source_number}).fetchone()
    return 0 if row is None or is_damaged(row) else int(row[2])


def known_position(db: Transaction, route_number: int, source_number: int) -> int:
    """As `position`, of a route that has read on from there.

    Raises:
        Unavailable: it is damaged; the route is to begin anew, as `Journal.pending` lets it.
    """
    row = db.run("position", {"route": route_number, "source": source_number}).fetchone()
    if row is not None and is_damaged(row):
        raise begins_anew()
    return 0 if row is None else int(row[2])


def begins_anew() -> Unavailable:
    """What stops a route that has read on from a position that is damaged."""
    return Unavailable("the disk has changed how far this route had come: it begins anew")


def positions(db: Transaction, route: str, sources: Sequence[str]) -> Mapping[str, int]:
    """As `position`, by names; 0 too where the store has never heard of one."""
    rows = _rows(db, route, sources)
    return {source: 0 if row is None or is_damaged(row) else int(row[2]) for source, row in rows.items()}


def damaged(db: Transaction, route: str, sources: Sequence[str]) -> Sequence[str]:
    """The sources in which the route's position is damaged."""
    return [source for source, row in _rows(db, route, sources).items() if row is not None and is_damaged(row)]


def is_damaged(row: Any) -> bool:
    """Whether a row of (route, source, seq, checksum) is not what was stored."""
    *said, check = row
    return bool(check != columns_checksum("position", *said))


def begin(db: Transaction, route_number: int, source_number: int) -> None:
    """Give a route a position in a source, before the first entry, if it has none."""
    db.run("add_position", _row(route_number, source_number, 0))


def move(db: Transaction, route_number: int, source_number: int, to: int) -> None:
    """Set the position of a route in a source."""
    db.run("set_position", _row(route_number, source_number, to))


def positions_since(db: Transaction, route: str | None, sources: Sequence[str], since: int | None) -> Mapping[str, int]:
    """As `connector.ports.Journal.positions_since`."""
    now = dict.fromkeys(sources, AFTER_ALL) if route is None else positions(db, route, sources)
    found = {}
    for source, reached in now.items():
        asked = {"source": source, "since": BEFORE_ALL if since is None else since}
        (first,) = db.run("first_since", asked).fetchone()
        found[source] = reached if first is None else min(reached, first - 1)
    return found


def _row(route: int, source: int, seq: int) -> Mapping[str, int]:
    check = columns_checksum("position", route, source, seq)
    return {"route": route, "source": source, "seq": seq, "checksum": check}


def _rows(db: Transaction, route: str, sources: Sequence[str]) -> Mapping[str, Any]:
    return {source: db.run("named_position", {"route": route, "source": source}).fetchone() for source in sources}
