"""Who serves which source and route: leases that a dead process leaves behind are told from those of a living one."""

import datetime
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from connector.journals.sql.dialect import Database, Transaction
from connector.journals.sql.process import Process
from connector.model import ConnectorError, LeaseHolder, Misconfigured, Unavailable

LEASE_SECONDS = 60
_LET_IT_END = "one process at a time may serve it, so let that one end first (SIGTERM loses nothing)"
_OFFERED = 0
"""When a lease expires that its holder has let go while something is wrong."""
_LOST = 0
"""Of a lease that was held and is another's: `renew` finds that out once more, and says whose."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who serves a source or route. Times are in Unix seconds.

    Attributes:
        is_held: whether its holder lives, or may live on another machine.
        is_here: whether the holder is a process of this machine.
    """

    name: str
    host: str
    process: int
    since: int
    expires: int
    is_held: bool
    is_here: bool


class Leases:
    """The leases that one open journal holds.

    A lease is told from a dead one by the holder's process; where that cannot be asked (another machine or container),
    it ends some time after the holder last used it. A holder that lost its lease unawares is refused when it next
    writes. What time it is, the statements say, which are the store's: by its own clock, or by this process's.

    Args:
        database: the store that has them.
        process: who holds them.
        clock: in seconds, for when to renew, and for the statements of a store that has no clock of its own.
        ends: whether a lease ends in that time also while its holder's process is seen to live on this machine.
        seconds: that time.

    Attributes:
        token: by which the leases of this journal are known.
    """

    def __init__(
        self,
        database: Database,
        process: Process,
        clock: Callable[[], float],
        *,
        ends: bool = False,
        seconds: int = LEASE_SECONDS,
    ) -> None:
        self._database = database
        self._process = process
        self._clock = clock
        self._ends = ends
        self._seconds = seconds
        self.token = secrets.token_hex(16)
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}  # name → when it expires unless it is renewed
        self._offered: set[str] = set()

    @contextmanager
    def hold(self, name: str, remedy: str = _LET_IT_END) -> Iterator[None]:
        """Hold a lease; a second entry by the same journal is refused too."""
        with self._lock:
            if name in self._held:
                raise Unavailable(f"{name} is already served by another thread of this process")
            with self._database.write() as db:
                self._take(db, name, remedy)
            self._held[name] = int(self._clock()) + self._seconds
            self._offered.discard(name)
        try:
            yield
        except (Unavailable, Misconfigured):
            self._offered.add(name)
            self._let_go(name, "offer_lease")
            raise
        finally:
            self._let_go(name, "release_lease")

    def renew(self, name: str) -> None:
        """Renew a lease held while there is nothing to write, before half of its time is left."""
        if self._held.get(name, self._clock() + self._seconds) < self._clock() + self._seconds / 2:
            with self._database.write() as db:
                self.fence(db, name)

    def renew_all(self) -> Sequence[str]:
        """As `connector.ports.Journal.renew_leases`, before half of the time of any is left: all at once."""
        expires = int(self._clock()) + self._seconds
        with self._lock:
            if min(self._held.values(), default=expires) >= expires - self._seconds / 2:
                return []
            with self._database.write() as db:
                db.run("renew_leases", {"holder": self.token, **self._times()})
                kept = {name for (name,) in db.run("leases_held", {"holder": self.token})}
            lost = [name for name in self._held if name not in kept]
            self._held.update({name: expires if name in kept else _LOST for name in self._held})
            return lost

    def fence(self, db: Transaction, name: str) -> None:
        """Make sure, inside the transaction that writes, that the lease is still held; renew it."""
        if name not in self._held:
            raise RuntimeError(f"a write for {name} without its lease")
        if db.run("renew_lease", {"name": name, "holder": self.token, **self._times()}).rowcount == 0:
            row = self._row(db, name)
            raise self._served(name, row) if row else Unavailable(f"{name}: the lease was lost to another process")
        self._held[name] = int(self._clock()) + self._seconds

    def is_anothers(self, db: Transaction, name: str) -> bool:
        """Whether another process, or journal of this one, holds the lease."""
        row = self._row(db, name)
        return row is not None and row[0] != self.token and not self._is_free(row)

    def holder(self, db: Transaction, name: str) -> LeaseHolder | None:
        """The living process that holds the lease, or has let it go after an error and nobody took it since."""
        row = self._row(db, name)
        if row is None:
            return None
        _, host, realm, pid, started, _, expires, now = row
        is_over = self._ends and _OFFERED < expires <= now
        is_alive = Process(host, realm, pid, started).is_alive(self._process, expires, now)
        return LeaseHolder(host, pid) if is_alive and not is_over else None

    def close(self) -> None:
        """Give back the leases still held or offered."""
        with self._lock:
            left = self._held.keys() | self._offered
            if left and self._database.is_open:
                with suppress(ConnectorError), self._database.write() as db:  # see _let_go
                    for name in left:
                        db.run("release_lease", {"name": name, "holder": self.token})
            self._held.clear()
            self._offered.clear()

    def _times(self) -> Mapping[str, int]:
        return {"now": int(self._clock()), "seconds": self._seconds}

    def _row(self, db: Transaction, name: str) -> Any:
        """(holder, host, realm, pid, when the process started, since, expires, now); None where there is no lease."""
        return db.run("lease", {"name": name, **self._times()}).fetchone()

    def _take(self, db: Transaction, name: str, remedy: str) -> None:
        if self.is_anothers(db, name):
            raise self._served(name, self._row(db, name), remedy)
        lease = {
            "name": name,
            "holder": self.token,
            "host": self._process.host,
            "realm": self._process.realm,
            "pid": self._process.pid,
            "process_started": self._process.started,
        }
        db.run("take_lease", {**lease, **self._times()})

    def _is_free(self, row: Any) -> bool:
        _, host, realm, pid, started, _, expires, now = row
        if expires == _OFFERED:
            return True
        holder = Process(host, realm, pid, started)
        if holder.is_neighbour_of(self._process) and holder != self._process:
            return holder.is_gone() or (self._ends and expires <= now)
        return bool(expires <= now)

    def _let_go(self, name: str, statement: str) -> None:
        with self._lock:
            if self._held.pop(name, None) is None:
                return  # it was offered, or the journal was closed first
            # If it cannot be given back now, this journal may still take it again, and others once it has expired or
            # this process has ended; what went wrong shows wherever the lease was needed for.
            with suppress(ConnectorError), self._database.write() as db:
                db.run(statement, {"name": name, "holder": self.token})

    def _served(self, name: str, row: Any, remedy: str = _LET_IT_END) -> Unavailable:
        _, host, realm, pid, started, since, *_ = row
        at = datetime.datetime.fromtimestamp(since, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if Process(host, realm, pid, started) == self._process:
            remedy = "that is this process, with what it began under its former configuration, which ends by itself"
        return Unavailable(f"{name} is served by process {pid} on {host} since {at}; {remedy}")


def listed(database: Database) -> Sequence[Lease]:
    """All leases that are written down, by name."""
    here = Process.current()
    with database.read() as db:
        rows = db.run("all_leases", {"now": int(time.time())}).fetchall()
    return [_lease(here, row) for row in rows]


def release(database: Database, name: str) -> None:
    """Take a lease from a holder on another machine, or one that is gone.

    A holder that lives after all is refused when it next writes.

    Raises:
        Misconfigured: there is no such lease, or its holder is a living process of this machine.
    """
    found = next((lease for lease in listed(database) if lease.name == name), None)
    if found is None:
        raise Misconfigured(f"nobody holds a lease on {name!r}")
    if found.is_here and found.is_held:
        raise Misconfigured(f"{name} is served by process {found.process} of this machine: end that one (SIGTERM)")
    with database.write() as db:
        db.run("delete_lease", {"name": name})


def _lease(here: Process, row: Any) -> Lease:
    name, host, realm, pid, started, since, expires, now = row
    process = Process(host, realm, pid, started)
    is_held = process.is_alive(here, expires, now)
    return Lease(name, host, pid, since, expires, is_held, process.is_neighbour_of(here))
