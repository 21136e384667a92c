"""Events to a syslog receiver: over RELP, TCP, TLS or UDP."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from connector.model import Message, Misconfigured, Refusal, Unavailable
from connector.plugin import CONTRACT, SinkKind
from connector.sinks.syslog.connection import Address, Connection, WrongReceiver
from connector.sinks.syslog.datagrams import Datagrams, Pace
from connector.sinks.syslog.frame import (
    Framing,
    Header,
    Rfc3164Header,
    Rfc5424Header,
    framed,
    priority,
    without_controls,
)
from connector.sinks.syslog.relp import RelpSession
from connector.sinks.syslog.relp_delivery import RelpDelivery
from connector.sinks.syslog.settings import HOSTNAME, SyslogSettings
from connector.sinks.syslog.stream import Stream
from connector.sinks.syslog.tls import Tls
from connector.sinks.syslog.window import ReplayWindow

__all__ = ["SyslogSettings", "SyslogSink"]

_FINISH_SECONDS = 30.0
"""At most this long a receiver is given to read the rest and end the connection."""


class SyslogSink:
    """Puts a header and a framing around each message and writes it. One connection, kept; not shared by threads.

    Only RELP acknowledges events. Over TCP and TLS a message counts as accepted when the receiver's machine has it and
    the connection still stands (see `Stream`), and stays unconfirmed for a while (see `ReplayWindow`). Over UDP it
    counts as accepted when it was sent.

    RELP alone can tell an event at which the receiver fails from an outage (see `RelpDelivery`): over TCP, TLS and UDP
    nobody knows at which event a connection ended.
    """

    def __init__(self, settings: SyslogSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._address = Address(settings.host, settings.port)
        self._header = _header(settings)
        self._framing: Framing | None = None
        streams = settings.transport in ("tcp", "tls")
        if streams:
            self._framing = settings.framing or ("octet" if settings.transport == "tls" else "lf")
        self._pace = Pace(settings.packets_per_second)
        self._tls: Tls | None = None
        if settings.is_encrypted:
            self._tls = Tls(
                settings.ca_bundle,
                settings.client_certificate,
                settings.client_key,
                settings.server_name or settings.host,
            )
        self._window = ReplayWindow(
            settings.replay_window_messages if streams else 0, settings.replay_window_seconds, clock=clock
        )
        self._connection: Connection | None = None
        self._relp_delivery = RelpDelivery(self._relp_session, self._abandon)
        self._datagram_sockets = 0
        self._has_delivered = False
        self._ended_in_order = False

    def send(self, messages: Sequence[Message]) -> Sequence[Refusal]:
        """See `connector.ports.Sink`."""
        refusals: list[Refusal] = []
        going: list[Message] = []
        frames: list[bytes] = []
        for message in sorted(messages, key=lambda each: each.dependency_level):
            content = self._header.at(message.time) + without_controls(message.body)
            if len(content) > self._settings.max_frame_bytes:
                refusals.append(Refusal(message, self._too_long(len(content))))
                continue
            going.append(message)
            frames.append(framed(content, self._framing))
        if not frames:
            return refusals
        with self._abandoning():
            sender = self._relp_delivery if self._settings.is_relp else self._connected()
            refused = sender.send(frames)
        self._has_delivered = True
        self._window.add(len(frames) - len(refused))
        return [*refusals, *(Refusal(going[position], reason) for position, reason in refused)]

    def unconfirmed(self) -> int:
        """See `connector.ports.Confirmation`."""
        if not self._window:
            return 0
        # The connection before the clock: a break is noticed however late we look.
        with self._abandoning():
            self._raise_if_broken()
        if self._window and not self._window.count():
            self._ended_in_order = False  # all of it left the window on a connection that stands
        return self._window.count()

    def finish(self) -> None:
        """See `connector.ports.Confirmation`."""
        if not self._window:
            return
        with self._abandoning():
            self._raise_if_broken()
            seconds = min(_FINISH_SECONDS, self._window.seconds_left())
            if isinstance(self._connection, Stream) and not self._connection.finish(seconds):
                self._raise_if_any_unconfirmed()
        self._abandon()

    def check(self) -> str:
        """See `connector.ports.Sink`. Over UDP nothing can be learnt, and nothing is sent."""
        if self._settings.transport == "udp":
            Datagrams(self._address, self._pace).close()
            return f"{self._address} is where datagrams will go; UDP cannot tell whether anyone receives them"
        connection = self._relp() if self._settings.is_relp else self._stream()
        version = connection.tls_version
        connection.close()
        what = "RELP sessions" if self._settings.is_relp else "connections"
        if self._tls is None:
            return f"{self._address} takes {what}"
        return f"{self._address} takes {version} {what} and has a valid certificate for {self._tls.server_name}"

    def close(self) -> None:
        """See `connector.ports.Sink`."""
        connection, self._connection = self._connection, None
        self._window.clear()
        if connection is not None:
            connection.close()

    def _connected(self) -> Connection:
        self._raise_if_broken()
        if self._connection is not None and not self._connection.alive():
            # Ended while idle, as receivers and firewalls do, with nothing unconfirmed on it.
            self._abandon()
        if self._connection is None:
            if self._settings.transport == "udp":
                self._connection = self._datagrams()
            else:
                self._connection = self._relp() if self._settings.is_relp else self._stream()
        return self._connection

    def _raise_if_broken(self) -> None:
        """Abandon a connection that has ended; raise `Unavailable` where what is unconfirmed on it must be sent again.

        A receiver that read everything and ended in good order may have died, with all of it in memory; or it may end
        idle connections by habit. Nobody can tell, so the first time it counts as dead, and everything is sent again.
        When that connection ends in good order too, it is a habit: sending again would never come to an end.
        """
        if not self._window or not isinstance(self._connection, Stream) or self._connection.alive():
            return
        try:
            in_order = self._connection.finish(0.0)
        except Unavailable:
            in_order = False
        is_habit = in_order and self._ended_in_order
        self._ended_in_order = in_order
        self._abandon()
        if not is_habit:
            raise Unavailable(f"{self._address} ended the connection; what was sent last will be sent again")

    def _raise_if_any_unconfirmed(self) -> None:
        if self._window.count():
            raise Unavailable(
                f"{self._address} did not end the connection within {_FINISH_SECONDS:g} s, so it is not known whether "
                "it has read everything; what was sent last will be sent again"
            )

    @contextmanager
    def _abandoning(self) -> Iterator[None]:
        """Abandon the connection when anything is raised: it may have ended in the middle of a frame."""
        try:
            yield
        except WrongReceiver as error:
            self._abandon()
            if not self._has_delivered:
                raise
            # What understood us before is not misconfigured: something between us garbles, or it is being replaced.
            raise Unavailable(str(error)) from None
        except BaseException:
            self._abandon()
            raise

    def _stream(self) -> Stream:
        return Stream(
            self._address,
            self._tls,
            connect_timeout=self._settings.connect_timeout_seconds,
            send_timeout=self._settings.send_timeout_seconds,
            vanished_after=self._settings.replay_window_seconds,
        )

    def _relp_session(self) -> RelpSession:
        connection = self._connected()
        assert isinstance(connection, RelpSession)  # noqa: S101 -- what is_relp says
        return connection

    def _relp(self) -> RelpSession:
        return RelpSession(
            self._address,
            self._tls,
            connect_timeout=self._settings.connect_timeout_seconds,
            send_timeout=self._settings.send_timeout_seconds,
            window=self._settings.relp_window_messages,
        )

    def _datagrams(self) -> Datagrams:
        self._datagram_sockets += 1
        return Datagrams(self._address, self._pace, attempt=self._datagram_sockets - 1)

    def _abandon(self) -> None:
        """End the connection; what was unconfirmed on it will be sent again."""
        connection, self._connection = self._connection, None
        self._window.clear()
        if connection is not None:
            connection.abandon()

    def _too_long(self, size: int) -> str:
        return (
            f"it takes {size} bytes with its header, more than max_frame_bytes ({self._settings.max_frame_bytes}); "
            "raise that if the receiver takes more, or map fewer or shorter fields"
        )


def _header(settings: SyslogSettings) -> Header:
    hostname = settings.hostname or socket.gethostname()
    if not HOSTNAME.match(hostname):
        raise Misconfigured(f"this machine's name {hostname!r} cannot stand in a syslog header: set hostname")
    pri = priority(settings.facility, settings.severity)
    if settings.header == "rfc5424":
        return Rfc5424Header(pri, hostname, settings.tag)
    return Rfc3164Header(pri, hostname, settings.tag)


KIND = SinkKind(contract=CONTRACT, settings=SyslogSettings, make=lambda settings, _: SyslogSink(settings))
