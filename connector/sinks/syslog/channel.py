"""A TCP or TLS connection: bytes out, bytes in, and what its failures mean."""

import contextlib
import fcntl
import select
import socket
import ssl
import struct
import sys
import termios
import time

from connector.model import Misconfigured, Unavailable
from connector.sinks.syslog.connection import Address, cause
from connector.sinks.syslog.tls import Tls, secured, tls_error

_READ_BYTES = 64 * 1024
"""More than a TLS record holds, so that nothing read from the network stays behind where no poll would see it."""
_MOST_RECORDS = 64
"""Read at one look: session tickets are a handful, and a receiver that never stops must not hold us."""


class Channel:
    """One connection, made by the constructor, for one thread.

    Attributes:
        setup_seconds: how long it took to make it: three round trips with TLS 1.3.
    """

    def __init__(
        self, address: Address, tls: Tls | None, *, connect_timeout: float, vanished_after: float | None = None
    ) -> None:
        """Connect; shake hands.

        Args:
            address: of the receiver.
            tls: None for plain TCP.
            connect_timeout: seconds, for the connection and again for the handshake.
            vanished_after: seconds after which a machine that is gone without a word is noticed, where the system
                can be told so; otherwise its own default, which is hours.

        Raises:
            Unavailable: no connection in time.
            Misconfigured: a certificate is not accepted, or a file cannot be used.
        """
        self._address = address
        # Before the connection is made, so that a bad file leaves nothing open.
        context = tls.context() if tls else None
        started = time.monotonic()
        self._socket = _connected(address, connect_timeout, vanished_after)
        if tls and context:
            self._socket = secured(self._socket, context, tls.server_name, address)
        self.setup_seconds = time.monotonic() - started

    @property
    def tls_version(self) -> str | None:
        """`TLSv1.3` and the like; None without TLS."""
        return self._socket.version() if isinstance(self._socket, ssl.SSLSocket) else None

    def write(self, data: bytes, timeout: float) -> None:
        """Hand all of it to this machine's kernel within `timeout` seconds.

        Raises:
            Unavailable: it could not. The reason can often be read.
        """
        self._socket.settimeout(timeout)
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise Unavailable(f"{self._address} took nothing for {timeout:g} s") from None
        except OSError as error:
            raise Unavailable(f"the connection to {self._address} broke: {cause(error)}") from None

    def read(self, seconds: float = 0.0) -> bytes | None:
        """What the other side says, now or within `seconds`; None if nothing, empty when it has ended.

        Raises:
            Unavailable: it broke the connection.
            Misconfigured: it refuses us, and says so.
        """
        deadline = time.monotonic() + seconds
        for _ in range(_MOST_RECORDS):
            if not _readable(self._socket, deadline - time.monotonic()):
                return None
            self._socket.settimeout(0)
            try:
                return self._socket.recv(_READ_BYTES)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                continue  # TLS's own business (a session ticket)
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                return b""
            except ssl.SSLError as error:
                raise tls_error(error, self._address) from None
            except OSError as error:
                raise self._broken(error) from None
        return None

    def unacknowledged(self) -> int:
        """Bytes that the other machine has not acknowledged: SIOCOUTQ (man 7 tcp). Zero where no system tells."""
        if sys.platform != "linux":
            return 0
        answer = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
        return int(struct.unpack("i", answer)[0])

    def end(self, seconds: float) -> bool:
        """Say that nothing more will come; whether the other side ended in turn, within `seconds`.

        A machine whose program left something unread resets the connection instead of ending it. Until the end is
        read here, closing would have our own kernel do the same, and throw away what is under way.

        Raises:
            Unavailable: the connection broke.
            Misconfigured: it refuses us, and says so.
        """
        deadline = time.monotonic() + seconds
        self._say_end()
        while said := self.read(deadline - time.monotonic()):
            if time.monotonic() > deadline:
                return False
        return said is not None and self._tcp_ended(deadline)

    def abandon(self) -> None:
        """Close it as it is."""
        self._socket.close()

    def _say_end(self) -> None:
        self.read()  # a refusal that waits there; ending TLS would read it and say nothing
        self._socket.settimeout(0)
        try:
            if isinstance(self._socket, ssl.SSLSocket):
                with contextlib.suppress(ssl.SSLError):
                    self._socket.unwrap()  # sends close_notify; rsyslog does not send its own
            # Of TCP alone: what TLS has still to say can then be read.
            socket.socket.shutdown(self._socket, socket.SHUT_WR)
        except OSError as error:
            raise self._broken(error) from None

    def _tcp_ended(self, deadline: float) -> bool:
        """Whether TCP has ended; the end of TLS alone does not show that everything was read."""
        while _readable(self._socket, deadline - time.monotonic()):
            try:
                if not socket.socket.recv(self._socket, _READ_BYTES):
                    return True
            except OSError as error:
                raise self._broken(error) from None
            if time.monotonic() > deadline:
                break
        return False

    def _broken(self, error: OSError) -> Unavailable:
        return Unavailable(f"{self._address} broke the connection: {cause(error)}")


def _connected(address: Address, timeout: float, vanished_after: float | None) -> socket.socket:
    try:
        connection = socket.create_connection((address.host, address.port), timeout=timeout)
    except UnicodeError:
        raise Misconfigured(f"{address.host!r} is not the name of a host") from None
    except socket.gaierror as error:
        raise Unavailable(f"the name {address.host} cannot be resolved: {error.strerror}") from None
    except TimeoutError:
        raise Unavailable(f"{address} did not answer within {timeout:g} s") from None
    except OSError as error:
        raise Unavailable(f"{address} cannot be reached: {cause(error)}") from None
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if vanished_after is not None and sys.platform == "linux":
        sixth = max(1, int(vanished_after / 6))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2 * sixth)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, sixth)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    return connection


def _readable(connection: socket.socket, seconds: float) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))
