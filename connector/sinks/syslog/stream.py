"""Syslog over TCP or TLS (RFC 6587, RFC 5425): the receiver answers nothing."""

import contextlib
import sys
import time
from collections.abc import Sequence

from connector.model import ConnectorError, Unavailable
from connector.sinks.syslog.channel import Channel
from connector.sinks.syslog.connection import Address, WrongReceiver
from connector.sinks.syslog.tls import Tls, speaks_tls
from connector.values.display import excerpt

_CHUNK_BYTES = 64 * 1024
_LINGER_SECONDS = 1.0
_VERDICT_SECONDS = 0.2
"""How long to wait for an objection of the receiver, once for each connection."""
_ENDED_AT_ONCE = (
    " right after the TLS handshake: either there is no receiver behind it, or it does not accept this client; "
    "if it asks for a client certificate, set client_certificate to one whose name it permits"
)


class Stream:
    """A TCP or TLS connection. The receiver never speaks on it (RFC 6587), so whatever can be read is news of its end.

    Syslog has no acknowledgement. What is done instead: the connection is looked at before each write and after the
    last one, and `send` returns only when the receiver's machine has acknowledged every byte (on Linux, where the
    kernel tells). What the receiver had taken from the network and not yet read when it died stays unknown.
    """

    def __init__(
        self,
        address: Address,
        tls: Tls | None,
        *,
        connect_timeout: float,
        send_timeout: float,
        vanished_after: float | None = None,
    ) -> None:
        """Connect, and for TLS wait a moment for the receiver's verdict on our certificate. See `Channel`.

        Raises:
            Unavailable: no connection in time.
            Misconfigured: a certificate was refused, ours or theirs, or the other side is no syslog receiver.
        """
        self._address = address
        self._send_timeout = send_timeout
        self._channel = Channel(address, tls, connect_timeout=connect_timeout, vanished_after=vanished_after)
        # Without TLS, whatever listens there says at the first bytes that it is no syslog receiver, or expects TLS.
        self._verdict = 0.0 if tls else _VERDICT_SECONDS
        if tls:
            # With TLS 1.3 the handshake ends before the receiver has seen our certificate, and rsyslog checks names
            # after it with any version. Its answer takes one round trip, and a connection has just taken three.
            try:
                self._look(max(_VERDICT_SECONDS, self._channel.setup_seconds), _ENDED_AT_ONCE)
            except BaseException:
                self.abandon()
                raise

    @property
    def tls_version(self) -> str | None:
        """`TLSv1.3` and the like; None without TLS."""
        return self._channel.tls_version

    def send(self, frames: Sequence[bytes]) -> Sequence[tuple[int, str]]:
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
        self._wait_until_received()
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

    def finish(self, seconds: float) -> bool:
        """End it; whether the receiver showed, within `seconds`, that it has read everything.

        A receiver that ends the connection too, and does not reset it, has read everything.

        Raises:
            Unavailable: it showed that it has not. The connection is of no more use.
            Misconfigured: likewise.
        """
        return self._channel.end(seconds)

    def close(self) -> None:
        """See `Connection`."""
        with contextlib.suppress(ConnectorError):  # the other side may be gone already, which is no news now
            self._channel.end(_LINGER_SECONDS)
        self.abandon()

    def abandon(self) -> None:
        """See `Connection`."""
        self._channel.abandon()

    def _write(self, data: bytes) -> None:
        self._look()
        try:
            self._channel.write(data, self._send_timeout)
        except Unavailable:
            self._look()  # the reason for the end can often still be read
            raise

    def _wait_until_received(self) -> None:
        """Wait until the receiver's kernel has all of it, for as long as it goes on taking some."""
        pause = 0.0
        left, deadline = sys.maxsize, 0.0
        while True:
            self._look(pause)
            unacknowledged = self._channel.unacknowledged()
            if not unacknowledged:
                break
            now = time.monotonic()
            if unacknowledged < left:
                left, deadline = unacknowledged, now + self._send_timeout
            elif now > deadline:
                raise Unavailable(f"{self._address} took nothing for {self._send_timeout:g} s")
            pause = min(0.05, pause * 2 or 0.001)

    def _look(self, wait: float = 0.0, when: str = "") -> None:
        """Raise if the receiver has ended the connection, now or within `wait` seconds."""
        said = self._channel.read(wait)
        if said is None:
            return
        if not said:
            raise Unavailable(f"{self._address} closed the connection{when}")
        if speaks_tls(said):
            raise WrongReceiver(f"{self._address} speaks TLS: set transport: tls")
        raise WrongReceiver(
            f"{self._address} answers ({excerpt(said)!r}), which no syslog receiver does: check host, port, transport"
        )
