"""Who serves which source and route: leases that a dead process leaves behind are told from those of a living one."""

import datetime
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from connector.journals.sql.dialect import Transaction
from connector.journals.sqlite.database import Database
from connector.journals.sqlite.process import Process
from connector.model import ConnectorError, LeaseHolder, Misconfigured, Unavailable

LEASE_SECONDS = 60
_OFFERED = 0
"""When a lease expires that its holder has let go while something is wrong."""
_LOST = 0
"""Of a lease that was held and is another's: `renew` finds that out once more, and says whose."""


class Leases:
    """The leases that one open journal holds.

    A lease is told from a dead one by the holder's process; where that cannot be asked (another machine or container),
    it ends 60 seconds after the holder last used it, by the clocks of both. A holder that lost its lease unawares is
    refused when it next writes.
    """

    def __init__(self, database: Database, process: Process, clock: Callable[[], float]) -> None:
        self._database = database
        self._process = process
        self._clock = clock
        self._token = secrets.token_hex(16)
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}  # name → when it expires unless it is renewed
        self._offered: set[str] = set()

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Hold a lease; a second entry by the same journal is refused too."""
        with self._lock:
            if name in self._held:
                raise Unavailable(f"{name} is already served by another thread of this process")
            with self._database.write() as db:
                expires = self._take(db, name)
            self._held[name] = expires
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
        if self._held.get(name, self._clock() + LEASE_SECONDS) < self._clock() + LEASE_SECONDS / 2:
            with self._database.write() as db:
                self.fence(db, name)

    def renew_all(self) -> Sequence[str]:
        """As `connector.ports.Journal.renew_leases`, before half of the time of any is left: all at once."""
        expires = int(self._clock()) + LEASE_SECONDS
        with self._lock:
            if min(self._held.values(), default=expires) >= expires - LEASE_SECONDS / 2:
                return []
            with self._database.write() as db:
                db.run("renew_leases", {"holder": self._token, "expires": expires})
                kept = {name for (name,) in db.run("leases_held", {"holder": self._token})}
            lost = [name for name in self._held if name not in kept]
            self._held.update({name: expires if name in kept else _LOST for name in self._held})
            return lost

    def fence(self, db: Transaction, name: str) -> None:
        """Make sure, inside the transaction that writes, that the lease is still held; renew it."""
        if name not in self._held:
            raise RuntimeError(f"a write for {name} without its lease")
        expires = int(self._clock()) + LEASE_SECONDS
        renewed = {"name": name, "holder": self._token, "expires": expires}
        if db.run("renew_lease", renewed).rowcount == 0:
            row = db.run("lease", {"name": name}).fetchone()
            raise self._served(name, row) if row else Unavailable(f"{name}: the lease was lost to another process")
        self._held[name] = expires

    def is_anothers(self, db: Transaction, name: str) -> bool:
        """Whether another process, or journal of this one, holds the lease."""
        row = db.run("lease", {"name": name}).fetchone()
        return row is not None and row[0] != self._token and not self._is_free(row, int(self._clock()))

    def holder(self, db: Transaction, name: str) -> LeaseHolder | None:
        """The living process that holds the lease, or has let it go after an error and nobody took it since."""
        row = db.run("lease", {"name": name}).fetchone()
        if row is None:
            return None
        _, host, realm, pid, started, _, expires = row
        process = Process(host, realm, pid, started)
        return LeaseHolder(host, pid) if process.is_alive(self._process, expires, self._clock()) else None

    def close(self) -> None:
        """Give back the leases still held or offered."""
        with self._lock:
            left = self._held.keys() | self._offered
            if left and self._database.is_open:
                with suppress(ConnectorError), self._database.write() as db:  # see _let_go
                    for name in left:
                        db.run("release_lease", {"name": name, "holder": self._token})
            self._held.clear()
            self._offered.clear()

    def _take(self, db: Transaction, name: str) -> int:
        now = int(self._clock())
        if self.is_anothers(db, name):
            raise self._served(name, db.run("lease", {"name": name}).fetchone())
        lease = {
            "name": name,
            "holder": self._token,
            "host": self._process.host,
            "realm": self._process.realm,
            "pid": self._process.pid,
            "process_started": self._process.started,
            "since": now,
            "expires": now + LEASE_SECONDS,
        }
        db.run("take_lease", lease)
        return now + LEASE_SECONDS

    def _is_free(self, row: Any, now: int) -> bool:
        _, host, realm, pid, started, _, expires = row
        if expires == _OFFERED:
            return True
        holder = Process(host, realm, pid, started)
        if holder.is_neighbour_of(self._process) and holder != self._process:
            return holder.is_gone()
        return bool(expires <= now)

    def _let_go(self, name: str, statement: str) -> None:
        with self._lock:
            if self._held.pop(name, None) is None:
                return  # it was offered, or the journal was closed first
            # If it cannot be given back now, this journal may still take it again, and others once it has expired or
            # this process has ended; what went wrong shows wherever the lease was needed for.
            with suppress(ConnectorError), self._database.write() as db:
                db.run(statement, {"name": name, "holder": self._token})

    def _served(self, name: str, row: Any) -> Unavailable:
        _, host, realm, pid, started, since, _ = row
        at = datetime.datetime.fromtimestamp(since, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        remedy = "one process at a time may serve it, so let that one end first (SIGTERM loses nothing)"
        if Process(host, realm, pid, started) == self._process:
            remedy = "that is this process, with what it began under its former configuration, which ends by itself"
        return Unavailable(f"{name} is served by process {pid} on {host} since {at}; {remedy}")
