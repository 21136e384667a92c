"""Sources and routes by their names, and how far each route has come in each source."""

from collections.abc import Mapping, Sequence

from connector.journals.sql.dialect import Transaction

BEFORE_ALL, AFTER_ALL = -(2**63), 2**63 - 1
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
    """The last entry of a source that a route has dealt with; 0 before the first."""
    row = db.run("position", {"route": route_number, "source": source_number}).fetchone()
    return 0 if row is None else int(row[0])


def positions(db: Transaction, route: str, sources: Sequence[str]) -> Mapping[str, int]:
    """As `position`, by names; 0 too where the store has never heard of one."""
    rows = {source: db.run("named_position", {"route": route, "source": source}).fetchone() for source in sources}
    return {source: 0 if row is None else int(row[0]) for source, row in rows.items()}


def positions_since(db: Transaction, route: str | None, sources: Sequence[str], since: int | None) -> Mapping[str, int]:
    """As `connector.ports.Journal.positions_since`."""
    now = dict.fromkeys(sources, AFTER_ALL) if route is None else positions(db, route, sources)
    found = {}
    for source, reached in now.items():
        asked = {"source": source, "since": BEFORE_ALL if since is None else since}
        (first,) = db.run("first_since", asked).fetchone()
        found[source] = reached if first is None else min(reached, first - 1)
    return found
