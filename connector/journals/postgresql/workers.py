"""Which process serves which sources and routes, where several share a journal: evenly, and none is served twice.

The database decides, by its clock and in the transaction in which only one writes. What is decided here spreads the
work; that two never serve the same, the leases see to (`connector.journals.sql.leases`).
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

import orjson

from connector.journals.postgresql.database import Connection, Database
from connector.journals.sql.process import Process
from connector.model import ConnectorError, Misconfigured, Worker

FORGOTTEN_SECONDS = 3600
"""How long a dead worker is still listed."""


class Workers:
    """This process among those that share a journal.

    Args:
        database: the journal's.
        holder: the token of this process's leases.
        process: this process.
        seconds: after how long without a sign of life a worker counts as dead.
    """

    def __init__(self, database: Database, holder: str, process: Process, seconds: int) -> None:
        self._database = database
        self._holder = holder
        self._name = f"{process.host}/{process.pid}"
        self._seconds = seconds
        self._is_known = False

    def allot(self, kinds: Sequence[Sequence[str]], fetched: int, delivered: int) -> Collection[str]:
        """As `connector.ports.SharedJournal.allot`."""
        me = {"holder": self._holder, "name": self._name, "fetched": fetched, "delivered": delivered}
        with self._database.write() as db:
            db.run("see_worker", me)
            db.run("forget_dead_workers", {"seconds": FORGOTTEN_SECONDS})
            living = {each.holder: each for each in _workers(db, self._seconds) if each.is_alive}
            taken = {name for (name,) in db.run("leases_of_others", {"holder": self._holder})}
            taken |= {part for each in living.values() if each.holder != self._holder for part in each.parts}
            mine = living[self._holder].parts
            working = [each.holder for each in living.values() if not each.is_drained]
            allotted = [
                part
                for number, parts in enumerate(kinds)
                # Who has one more of one kind has not one more of the next as well.
                for part in share(parts, mine, taken, working if number % 2 else working[::-1], self._holder)
            ]
            db.run("allot", {"holder": self._holder, "parts": orjson.dumps(allotted).decode()})
        self._is_known = True
        return frozenset(allotted)

    def listed(self) -> Sequence[Worker]:
        """As `connector.ports.SharedJournal.workers`."""
        with self._database.read() as db:
            return _workers(db, self._seconds)

    def leave(self) -> None:
        """Have the others take over at once."""
        if self._is_known:
            self._is_known = False
            with suppress(ConnectorError), self._database.write() as db:  # else they do it when they miss this one
                db.run("forget_worker", {"holder": self._holder})


def drain(database: Database, name: str, *, is_drained: bool) -> None:
    """Have a worker give up all it serves and take nothing more, or take its share again.

    Raises:
        Misconfigured: there is no such worker.
    """
    with database.write() as db:
        if not db.run("drain_worker", {"name": name, "is_drained": is_drained}).rowcount:
            known = ", ".join(each.name for each in _workers(db, 0)) or "none"
            raise Misconfigured(f"there is no worker {name!r}; there are: {known}")


def share(
    parts: Sequence[str], mine: Collection[str], taken: Collection[str], working: Sequence[str], me: str
) -> Sequence[str]:
    """The parts of one kind that a worker is to serve: as many as every other, or one more.

    Args:
        parts: all of the kind.
        mine: what it serves until now.
        taken: what others serve, or have not given up yet.
        working: all that take parts, in an order that is the same for all.
        me: which of these it is; another serves nothing.
    """
    if me not in working:
        return []
    each, over = divmod(len(parts), len(working))
    most = each + (working.index(me) < over)
    kept = [part for part in parts if part in mine and part not in taken][:most]
    free = [part for part in parts if part not in taken and part not in kept]
    return kept + free[: most - len(kept)]


def _workers(db: Connection, seconds: int) -> Sequence[Worker]:
    return [_worker(row) for row in db.run("workers", {"seconds": seconds})]


def _worker(row: Sequence[Any]) -> Worker:
    holder, name, since, seen, is_drained, parts, fetched, delivered, is_alive = row
    return Worker(holder, name, since, seen, is_drained, orjson.loads(parts), fetched, delivered, is_alive)
