"""Events to a syslog receiver over UDP, TCP or TLS."""

import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from connector.config import Settings
from connector.model import Message, Misconfigured, Refusal
from connector.sinks.syslog_connection import Address, Connection
from connector.sinks.syslog_datagrams import Datagrams, Pace
from connector.sinks.syslog_frame import (
    Facility,
    Framing,
    Header,
    Rfc3164Header,
    Rfc5424Header,
    Severity,
    framed,
    priority,
    without_controls,
)
from connector.sinks.syslog_stream import Stream
from connector.sinks.syslog_tls import Tls

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*\Z")
_TAG_LENGTH = {"rfc3164": 32, "rfc5424": 48}
_APP_NAME = "iocstream"
_HOSTNAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}\Z")
_TLS_OPTIONS = ("ca_bundle", "client_certificate", "client_key", "server_name")


class SyslogSettings(Settings):
    """Which syslog receiver to send to, how, and with which header."""

    type: Literal["syslog"] = "syslog"
    host: str = Field(min_length=1, max_length=255, description="Name or address of the receiver.")
    port: int = Field(ge=1, le=65535, description="Its port; 514 for UDP and 6514 for TLS are usual.")
    transport: Literal["udp", "tcp", "tls"] = Field(
        description="`tls` is encrypted and knows the receiver by its certificate; `udp` may lose events unnoticed."
    )
    framing: Framing | None = Field(
        None,
        description="How events are told apart in a stream: `lf`, a line feed after each (usual for tcp, its default), "
        "or `octet`, its length before it (RFC 5425, default for tls). The receiver must expect the same. Not for udp.",
    )
    header: Literal["rfc3164", "rfc5424"] = Field(
        "rfc3164",
        description="Its time is when the notification was raised, in UTC, so that a repeat has the same bytes.",
    )
    tag: str | None = Field(
        None,
        description="RFC 3164: the tag before the event, none by default. "
        f"RFC 5424: the APP-NAME, `{_APP_NAME}` by default.",
    )
    facility: Facility = Field("local0", description="Syslog facility.")
    severity: Severity = Field(
        "warning",
        description="Syslog severity, the same for all events: high enough for the usual filters. "
        "How severe a match is stands in the event.",
    )
    hostname: str | None = Field(
        None, description="The sender in the header: a name or an IPv4 address; default: this machine's name."
    )
    max_frame_bytes: int = Field(
        8000,
        ge=480,
        le=65536,
        description="Longest event with its header, in bytes; a longer one is refused, as receivers cut or split it. "
        "rsyslog takes 8096 unless configured otherwise.",
    )
    connect_timeout_seconds: float = Field(
        10, gt=0, le=600, description="Longest wait for a connection, and for a TLS handshake."
    )
    send_timeout_seconds: float = Field(
        30, gt=0, le=3600, description="Longest wait while the receiver takes nothing of what is sent."
    )
    packets_per_second: int = Field(
        5000, ge=1, le=1_000_000, description="For udp: the pace; receivers lose what comes faster than they read."
    )
    ca_bundle: Path | None = Field(None, description="PEM file of the CA certificates to trust instead of the usual.")
    client_certificate: Path | None = Field(None, description="PEM file of a client certificate.")
    client_key: Path | None = Field(None, description="PEM file of its key, unless it is in the certificate's file.")
    server_name: str | None = Field(
        None, min_length=1, max_length=255, description="The name in the receiver's certificate, when it is not `host`."
    )

    @field_validator("host", "server_name")
    @classmethod
    def _one_word(cls, name: str | None) -> str | None:
        if name is not None and (not name.isprintable() or " " in name or "://" in name):
            raise ValueError("must be a name or an address alone")
        return name

    @field_validator("hostname")
    @classmethod
    def _header_hostname(cls, hostname: str | None) -> str | None:
        if hostname is not None and not _HOSTNAME.match(hostname):
            raise ValueError("must be a name or an IPv4 address; receivers take a part of an IPv6 address for a tag")
        return hostname

    @field_validator("ca_bundle", "client_certificate", "client_key")
    @classmethod
    def _readable(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError(f"no file {path}")
        return path

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.tag is not None:
            longest = _TAG_LENGTH[self.header]
            if not _TAG.match(self.tag) or len(self.tag) > longest:
                raise ValueError(f"tag must be 1 to {longest} letters, digits and any of _ . / - ({self.header})")
        if self.transport == "udp" and self.framing is not None:
            raise ValueError("framing is for tcp and tls; over udp each event is a datagram of its own")
        if self.transport != "udp" and "packets_per_second" in self.model_fields_set:
            raise ValueError("packets_per_second is for udp; over tcp and tls the receiver sets the pace")
        if self.transport != "tls":
            given = [option for option in _TLS_OPTIONS if getattr(self, option) is not None]
            if given:
                raise ValueError(f"{given[0]} is for transport: tls")
        if self.client_key is not None and self.client_certificate is None:
            raise ValueError("client_key needs client_certificate")
        return self


class SyslogSink:
    """Puts a header and a framing around each message and writes it. One connection, kept; not shared by threads.

    Syslog acknowledges nothing: over UDP a message counts as accepted when it is on its way, over TCP and TLS when the
    receiver's machine has it and the connection still stands (see `Stream`).
    """

    def __init__(self, settings: SyslogSettings) -> None:
        self._settings = settings
        self._address = Address(settings.host, settings.port)
        self._header = _header(settings)
        self._framing: Framing | None = None
        if settings.transport != "udp":
            self._framing = settings.framing or ("octet" if settings.transport == "tls" else "lf")
        self._pace = Pace(settings.packets_per_second)
        self._tls: Tls | None = None
        if settings.transport == "tls":
            self._tls = Tls(
                settings.ca_bundle,
                settings.client_certificate,
                settings.client_key,
                settings.server_name or settings.host,
            )
        self._connection: Connection | None = None
        self._datagram_sockets = 0

    def send(self, messages: Sequence[Message]) -> Sequence[Refusal]:
        """See `connector.ports.Sink`."""
        refusals: list[Refusal] = []
        going: list[Message] = []
        frames: list[bytes] = []
        for message in sorted(messages, key=lambda each: each.wave):
            content = self._header.at(message.time) + without_controls(message.body)
            if len(content) > self._settings.max_frame_bytes:
                refusals.append(Refusal(message, self._too_long(len(content))))
                continue
            going.append(message)
            frames.append(framed(content, self._framing))
        if not frames:
            return refusals
        try:
            positions = self._connected().send(frames)
        except BaseException:
            # Whatever it was, the connection may end within a frame.
            self._abandon()
            raise
        refusals += [
            Refusal(going[position], f"{len(frames[position])} bytes with its header are too long for a UDP datagram")
            for position in positions
        ]
        return refusals

    def unconfirmed(self) -> int:
        """See `connector.ports.Sink`."""
        return 0

    def finish(self) -> None:
        """See `connector.ports.Sink`."""

    def check(self) -> str:
        """See `connector.ports.Sink`. Over UDP nothing can be learnt, and nothing is sent."""
        if self._settings.transport == "udp":
            Datagrams(self._address, self._pace).close()
            return f"{self._address} is where datagrams will go; UDP cannot tell whether anyone receives them"
        stream = self._stream()
        version = stream.tls_version
        stream.close()
        if self._tls is None:
            return f"{self._address} takes connections"
        return f"{self._address} takes {version} connections and has a valid certificate for {self._tls.server_name}"

    def close(self) -> None:
        """See `connector.ports.Sink`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> Connection:
        if self._connection is not None and not self._connection.alive():
            # Ended while idle, as receivers and firewalls do; nothing of this batch was on it.
            self._abandon()
        if self._connection is None:
            self._connection = self._datagrams() if self._settings.transport == "udp" else self._stream()
        return self._connection

    def _stream(self) -> Stream:
        return Stream(
            self._address,
            self._tls,
            connect_timeout=self._settings.connect_timeout_seconds,
            send_timeout=self._settings.send_timeout_seconds,
        )

    def _datagrams(self) -> Datagrams:
        self._datagram_sockets += 1
        return Datagrams(self._address, self._pace, attempt=self._datagram_sockets - 1)

    def _abandon(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()

    def _too_long(self, size: int) -> str:
        return (
            f"it takes {size} bytes with its header, more than max_frame_bytes ({self._settings.max_frame_bytes}); "
            "raise that if the receiver takes more, or map fewer or shorter fields"
        )


def _header(settings: SyslogSettings) -> Header:
    hostname = settings.hostname or socket.gethostname()
    if not _HOSTNAME.match(hostname):
        raise Misconfigured(f"this machine's name {hostname!r} cannot stand in a syslog header: set hostname")
    pri = priority(settings.facility, settings.severity)
    if settings.header == "rfc5424":
        return Rfc5424Header(pri, hostname, settings.tag or _APP_NAME)
    return Rfc3164Header(pri, hostname, settings.tag)
