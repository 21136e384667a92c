"""A TCP or TLS connection to a syslog receiver."""

import contextlib
import fcntl
import select
import socket
import ssl
import struct
import sys
import termios
import time
from collections.abc import Sequence

from connector.model import Misconfigured, Unavailable
from connector.sinks.syslog_connection import Address, cause
from connector.sinks.syslog_tls import Tls, secured, tls_error

_CHUNK_BYTES = 64 * 1024
_LINGER_SECONDS = 1.0
_VERDICT_SECONDS = 0.2
"""How long a stranger is given to object, once for each connection."""
_MOST_RECORDS = 64
"""Read at one look: session tickets are a handful, and a receiver that never stops must not hold us."""
_ENDED_AT_ONCE = (
    " right after the TLS handshake: either nothing stands behind it, or it does not accept this client; "
    "if it asks for a client certificate, set client_certificate to one whose name it permits"
)


class Stream:
    """A TCP or TLS connection. The receiver never speaks on it (RFC 6587), so whatever can be read is news of its end.

    Syslog has no acknowledgement. What is done instead: the connection is looked at before each write and after the
    last one, and `send` returns only when the receiver's machine has acknowledged every byte (on Linux, where the
    kernel tells). What the receiver had taken from the network and not yet read when it died stays unknown.
    """

    def __init__(self, address: Address, tls: Tls | None, *, connect_timeout: float, send_timeout: float) -> None:
        """Connect, and for TLS wait a moment for the receiver's verdict on our certificate.

        Raises:
            Unavailable: no connection in time.
            Misconfigured: a certificate was refused, ours or theirs, or the other side is no syslog receiver.
        """
        self._address = address
        self._send_timeout = send_timeout
        # Without TLS, whatever listens there says at the first bytes that it is no syslog receiver, or expects TLS.
        self._verdict = 0.0 if tls else _VERDICT_SECONDS
        # Before the connection is made, so that a bad file leaves nothing open.
        context = tls.context() if tls else None
        started = time.monotonic()
        self._socket = _connected(address, connect_timeout)
        if tls and context:
            self._socket = secured(self._socket, context, tls.server_name, address)
            # With TLS 1.3 the handshake ends before the receiver has seen our certificate, and rsyslog checks names
            # after it with any version. Its answer takes one round trip, and a connection has just taken three.
            verdict = max(_VERDICT_SECONDS, time.monotonic() - started)
            try:
                self._look(verdict, _ENDED_AT_ONCE)
            except BaseException:
                self.abandon()
                raise

    @property
    def tls_version(self) -> str | None:
        """`TLSv1.3` and the like; None without TLS."""
        return self._socket.version() if isinstance(self._socket, ssl.SSLSocket) else None

    def send(self, frames: Sequence[bytes]) -> Sequence[int]:
        """See `Connection`; nothing is too long for a stream."""
        chunk: list[bytes] = []
        size = 0
        for frame in frames:
            chunk.append(frame)
            size += len(frame)
            if size >= _CHUNK_BYTES:
                self._write(b"".join(chunk))
                chunk, size = [], 0
        if chunk:
            self._write(b"".join(chunk))
        self._settle()
        self._look(self._verdict)
        self._verdict = 0.0
        return ()

    def alive(self) -> bool:
        """See `Connection`."""
        try:
            self._look()
        except Unavailable:
            return False
        return True

    def close(self) -> None:
        """See `Connection`. Closing with something unread would make the kernel throw away what is under way."""
        with contextlib.suppress(OSError):  # the other side may be gone already, which is no news now
            self._socket.settimeout(0)
            if isinstance(self._socket, ssl.SSLSocket):
                with contextlib.suppress(OSError):
                    self._socket.unwrap()  # sends close_notify; rsyslog does not send its own
            self._socket.shutdown(socket.SHUT_WR)
            deadline = time.monotonic() + _LINGER_SECONDS
            while (left := deadline - time.monotonic()) > 0 and _readable(self._socket, left):
                if not self._socket.recv(_CHUNK_BYTES):
                    break
        self.abandon()

    def abandon(self) -> None:
        """See `Connection`."""
        self._socket.close()

    def _write(self, data: bytes) -> None:
        self._look()
        self._socket.settimeout(self._send_timeout)
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise self._stuck() from None
        except OSError as error:
            self._look()  # why it was closed often stands there to be read
            raise Unavailable(f"the connection to {self._address} broke: {cause(error)}") from None

    def _settle(self) -> None:
        """Wait until the receiver's kernel has all of it, for as long as it goes on taking some."""
        pause = 0.0
        left, deadline = sys.maxsize, 0.0
        while True:
            self._look(pause)
            unacknowledged = _unacknowledged(self._socket)
            if not unacknowledged:
                break
            now = time.monotonic()
            if unacknowledged < left:
                left, deadline = unacknowledged, now + self._send_timeout
            elif now > deadline:
                raise self._stuck()
            pause = min(0.05, pause * 2 or 0.001)

    def _look(self, wait: float = 0.0, when: str = "") -> None:
        """Raise if the receiver has ended the connection, now or within so many seconds."""
        deadline = time.monotonic() + wait
        for _ in range(_MOST_RECORDS):
            if not _readable(self._socket, deadline - time.monotonic()):
                return
            self._socket.settimeout(0)
            try:
                said = self._socket.recv(256)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                continue  # TLS's own business (a session ticket)
            except ssl.SSLEOFError:
                said = b""
            except ssl.SSLError as error:
                raise tls_error(error, self._address) from None
            except OSError as error:
                raise Unavailable(f"{self._address} broke the connection: {cause(error)}") from None
            if not said:
                raise Unavailable(f"{self._address} closed the connection{when}")
            raise _speaks(said, self._address)

    def _stuck(self) -> Unavailable:
        return Unavailable(f"{self._address} took nothing for {self._send_timeout:g} s")


def _connected(address: Address, timeout: float) -> socket.socket:
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
    # A receiver that vanished while nothing was sent is noticed before the next event is.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return connection


def _readable(connection: socket.socket, seconds: float) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def _unacknowledged(connection: socket.socket) -> int:
    """Bytes that the other machine has not acknowledged: SIOCOUTQ (man 7 tcp). Zero where the system cannot tell."""
    if sys.platform != "linux":
        return 0
    answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])


def _speaks(said: bytes, address: Address) -> Misconfigured:
    if said[:2] == b"\x15\x03":  # a TLS alert (RFC 8446 section 5.1)
        return Misconfigured(f"{address} speaks TLS: set transport: tls")
    excerpt = "".join(c if c.isprintable() else " " for c in said[:40].decode("utf-8", errors="replace")).strip()
    return Misconfigured(f"{address} answers ({excerpt!r}), which no syslog receiver does: check host, port, transport")
