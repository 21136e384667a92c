"""UDP to a syslog receiver."""

import errno
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from connector.model import Misconfigured, Unavailable
from connector.sinks.syslog.connection import Address, cause

_SHORTEST_SLEEP_SECONDS = 0.01


class Pace:
    """Spreads events over time, at most so many a second; short bursts go through, since no sleep is short enough."""

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / per_second
        self._clock, self._sleep = clock, sleep
        self._due = clock()

    def wait(self) -> None:
        """Return when the next one may go."""
        now = self._clock()
        self._due = max(self._due, now) + self._interval
        if self._due - now > _SHORTEST_SLEEP_SECONDS:
            self._sleep(self._due - now)


class Datagrams:
    """UDP. The socket is connected, so that the kernel reports a closed port; nothing else is ever reported."""

    def __init__(self, address: Address, pace: Pace, *, attempt: int = 0) -> None:
        """Resolve the name; `attempt` picks one of its addresses, so that a caller that counts tries all in turn.

        Raises:
            Unavailable: the name cannot be resolved, or no way leads there.
        """
        self._address = address
        self._pace = pace
        found = _resolve(address)
        family, target = found[attempt % len(found)]
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.connect(target)
        except OSError as error:
            self._socket.close()
            raise self._error(error) from None

    def send(self, frames: Sequence[bytes]) -> Sequence[tuple[int, str]]:
        """See `Connection`."""
        too_long = []
        for position, frame in enumerate(frames):
            self._pace.wait()
            try:
                self._socket.send(frame)
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    raise self._error(error) from None
                too_long.append((position, f"{len(frame)} bytes with its header are too long for a UDP datagram"))
        self._raise_reported()
        return too_long

    def alive(self) -> bool:
        """See `Connection`. A report on an earlier datagram comes too late for it and says nothing of the next."""
        self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return True

    def close(self) -> None:
        """See `Connection`."""
        self._socket.close()

    def abandon(self) -> None:
        """See `Connection`."""
        self._socket.close()

    def _raise_reported(self) -> None:
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise self._error(OSError(code, errno.errorcode.get(code, str(code))))

    def _error(self, error: OSError) -> Unavailable:
        if error.errno == errno.ECONNREFUSED:
            return Unavailable(f"nothing listens at {self._address} for UDP")
        return Unavailable(f"no way to send datagrams to {self._address}: {cause(error)}")


def _resolve(address: Address) -> list[tuple[int, Any]]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
    except UnicodeError:
        raise Misconfigured(f"{address.host!r} is not the name of a host") from None
    except socket.gaierror as error:
        raise Unavailable(f"the name {address.host} cannot be resolved: {error.strerror}") from None
    return [(family, target) for family, _, _, _, target in found]
