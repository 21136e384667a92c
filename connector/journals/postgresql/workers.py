"""Which process serves which sources and routes, where several share a journal: evenly, and none is served twice.

The database decides, by its clock and in the transaction in which only one writes. What is decided here spreads the
work; that two never serve the same, the leases see to (`connector.journals.sql.leases`).
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

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
            db.run("see_worker", {**me, "could": orjson.dumps(kinds).decode()})
            db.run("forget_dead_workers", {"seconds": FORGOTTEN_SECONDS})
            leased = {name for (name,) in db.run("leases_of_others", {"holder": self._holder})}
            working = {each.holder: each for each in self._living(db) if not each.is_drained}
            allotted = [
                part
                for kind in range(len(kinds) if self._holder in working else 0)
                for part in share(self._holder, {holder: _able(each, kind) for holder, each in working.items()}, leased)
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

    def _living(self, db: Connection) -> Sequence[Worker]:
        return [each for each in _workers(db, self._seconds) if each.is_alive]


def drain(database: Database, name: str, *, is_drained: bool) -> None:
    """Have a worker give up all it serves and take nothing more, or take its share again.

    Raises:
        Misconfigured: there is no such worker.
    """
    with database.write() as db:
        if not db.run("drain_worker", {"name": name, "is_drained": int(is_drained)}).rowcount:
            known = ", ".join(each.name for each in _workers(db, 0)) or "none"
            raise Misconfigured(f"there is no worker {name!r}; there are: {known}")


class Able(NamedTuple):
    """What a worker could serve of one kind, as its configuration says, and what it serves of these."""

    could: Collection[str]
    serves: Collection[str]


def share(me: str, workers: Mapping[str, Able], leased: Collection[str]) -> Sequence[str]:
    """The parts of one kind that a worker is to serve.

    What nobody serves goes to who serves least of those that could. Who serves two more than another that could serve
    one of them gives it up. So all come to serve as many, or one more, and what only one could serve, that one does,
    as while a new configuration is brought out.

    Args:
        me: the worker.
        workers: all that take parts, in an order that is the same for all.
        leased: what others have not let go of yet, or hold for a command.
    """
    loads = {holder: len(able.serves) for holder, able in workers.items()}
    served = {part: holder for holder, able in workers.items() for part in able.serves}
    mine = [part for part in workers[me].could if served.get(part) == me and part not in leased]
    loads[me] = len(mine)
    for part in sorted({part for able in workers.values() for part in able.could}):
        if part in leased or part in served:
            continue
        least = min((holder for holder in workers if part in workers[holder].could), key=loads.__getitem__)
        loads[least] += 1
        if least == me:
            mine.append(part)
    for part in [*mine]:
        others = [holder for holder in workers if holder != me and part in workers[holder].could]
        least = min(others, key=loads.__getitem__, default=me)
        if loads[least] <= loads[me] - 2:
            loads[least] += 1
            loads[me] -= 1
            mine.remove(part)
    return mine


def _able(worker: Worker, kind: int) -> Able:
    could = worker.could[kind] if kind < len(worker.could) else ()
    return Able(could, [part for part in worker.parts if part in could])


def _workers(db: Connection, seconds: int) -> Sequence[Worker]:
    return [_worker(row) for row in db.run("workers", {"seconds": seconds})]


def _worker(row: Sequence[Any]) -> Worker:
    holder, name, since, seen, is_drained, could, parts, fetched, delivered, is_alive = row
    return Worker(
        holder, name, since, seen, is_drained, orjson.loads(could), orjson.loads(parts), fetched, delivered, is_alive
    )
