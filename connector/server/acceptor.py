"""Takes connections in, as many as there is room for; who has shown no token has to go for others before who has.

uvicorn and asyncio take in whatever comes, until the process has no file left for one more, and then write a traceback
for each attempt.
"""

import asyncio
import errno
import resource
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from connector import telemetry
from connector.server.connection import Connection
from connector.server.notices import Notices
from connector.values.visitors import Visitors

MAX_STRANGERS = 256
"""Connections on which no token has been shown yet, at once. A client with one shows it in its first request."""
MAX_KNOWN = 256
"""Connections on which one has been shown, at once."""
RESERVED_FILES = 256
"""Open files left for everything else: the journal in each thread, requests of actions, the log."""
HANDSHAKE_SECONDS = 10.0
"""How long a TLS handshake may take, and afterwards the end of TLS."""
AGAIN_SECONDS = 0.5
"""How long nothing is taken in when the system lacks files or memory for it."""
FEWER_SECONDS = 60.0
"""How long fewer strangers are in than usual after that."""
TELL_SECONDS = 60.0
"""How often it is told that the system lacks them, at most."""
AT_ONCE = 16
"""How many are taken in before those that are in are served: the more, the fewer turns has whoever does a handshake
under a flood before it has to go for others."""
_FEWEST = 8
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Acceptor:
    """Takes in the connections of one listening socket. Used by one event loop; stands in for an `asyncio.Server`."""

    def __init__(
        self,
        listener: socket.socket,
        connect: Callable[[Callable[[], None]], Connection],
        notices: Notices,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Nothing is taken in before `start`.

        Args:
            listener: what is listened on.
            connect: makes the protocol of a connection, from what it is to call when the connection has ended.
            notices: hears of connections that are ended for others.
            tls: with it connections begin with a handshake.
        """
        self._listener = listener
        self._connect = connect
        self._notices = notices
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._strangers: Visitors[_Guest] = Visitors()
        self._known: Visitors[_Guest] = Visitors()
        self._max_strangers, self._max_known = _room()
        self._tasks: set[asyncio.Task[None]] = set()
        self._again: asyncio.TimerHandle | None = None
        self._normal_again: asyncio.TimerHandle | None = None
        self._tell_at = 0.0

    def start(self) -> None:
        """Take connections in."""
        self._listener.settimeout(0)
        self._again = None
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """Take no more in; those that are in stay."""
        if self._again is not None:
            self._again.cancel()
        self._loop.remove_reader(self._listener.fileno())

    async def wait_closed(self) -> None:
        """Nothing is to be waited for."""

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, (host, *_) = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._rest(error)
                    return
                continue  # a connection that ended before it was taken in
            guest = _Guest(connection, host)
            self._strangers.add(guest, host)
            task = self._loop.create_task(self._welcome(guest))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            if len(self._strangers) > self._max_strangers:
                self._make_room()

    async def _welcome(self, guest: "_Guest") -> None:
        def made() -> Connection:
            guest.protocol = self._connect(lambda: self._gone(guest))
            return guest.protocol

        seconds = HANDSHAKE_SECONDS if self._tls else None
        try:
            await self._loop.connect_accepted_socket(
                made, guest.connection, ssl=self._tls, ssl_handshake_timeout=seconds, ssl_shutdown_timeout=seconds
            )
        except (OSError, TimeoutError) as error:  # no TLS, or none in time
            # Its frames hold the future that holds it: all that TLS has of the connection would stay in memory.
            error.__traceback__ = None
            self._gone(guest)
        else:
            # Whoever has done a handshake has not kept the server waiting since: it has to go last.
            if self._tls is not None and self._strangers.remove(guest):
                self._strangers.add(guest, guest.host)

    def _gone(self, guest: "_Guest") -> None:
        self._strangers.remove(guest)
        self._known.remove(guest)

    def _make_room(self) -> None:
        """End the stranger that has to go first. Those who have shown a token meanwhile are none."""
        while (guest := self._strangers.first_to_go()) is not None:
            self._strangers.remove(guest)
            if not guest.has_token():
                self._end(guest)
                return
            self._known.add(guest, guest.host)
            if len(self._known) > self._max_known:
                idle = next((each for each in self._known if not each.is_answered()), guest)
                self._known.remove(idle)
                self._end(idle)
            if len(self._strangers) <= self._max_strangers:
                return

    def _end(self, guest: "_Guest") -> None:
        guest.end()
        self._notices.tell("connections_ended", guest.host)

    def _rest(self, error: OSError) -> None:
        """Take nothing in for a moment, and for a while not as many as before."""
        self._loop.remove_reader(self._listener.fileno())
        self._again = self._loop.call_later(AGAIN_SECONDS, self.start)
        self._max_strangers = max(_FEWEST, len(self._strangers) // 2)
        while len(self._strangers) > self._max_strangers:
            self._make_room()
        if self._normal_again is not None:
            self._normal_again.cancel()
        self._normal_again = self._loop.call_later(FEWER_SECONDS, self._allow_as_many_as_usual)
        if self._loop.time() >= self._tell_at:
            telemetry.logger().error("connections_not_accepted", reason=error.strerror)
            self._tell_at = self._loop.time() + TELL_SECONDS

    def _allow_as_many_as_usual(self) -> None:
        self._max_strangers, _ = _room()


class _Guest:
    """A connection that was taken in.

    Attributes:
        connection: its socket. The transport closes it.
        host: where it comes from.
        protocol: what speaks on it, from its handshake on.
    """

    def __init__(self, connection: socket.socket, host: str) -> None:
        self.connection = connection
        self.host = host
        self.protocol: Connection | None = None

    def has_token(self) -> bool:
        """Whether a token has been shown on it."""
        return self.protocol is not None and self.protocol.has_token()

    def is_answered(self) -> bool:
        """Whether a request on it is being answered."""
        return self.protocol is not None and self.protocol.is_answering()

    def end(self) -> None:
        """End it at once."""
        if self.protocol is not None and self.protocol.transport is not None:
            self.protocol.transport.abort()
        else:  # in its handshake
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)


def raise_file_limit() -> None:
    """Let the process open as many files as its hard limit allows: the usual soft limit is for programs of other times.

    (0pointer.net/blog/file-descriptor-limits.html)
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _room() -> tuple[int, int]:
    """How many strangers and how many others: fewer than usual where the process may open few files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_STRANGERS, MAX_KNOWN
    each = max(_FEWEST, (files - RESERVED_FILES) // 2)
    return min(MAX_STRANGERS, each), min(MAX_KNOWN, each)
