"""The options of a syslog sink."""

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from connector.settings.config import ClientCertificate, ClientKey, ExistingFile
from connector.settings.parts import SinkSettings
from connector.sinks.syslog.frame import Facility, Framing, Severity

APP_NAME = "iocstream"
HOSTNAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}\Z")

Transport = Literal["relp-tls", "relp", "tls", "tcp", "udp"]

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*\Z")
_TAG_LENGTH = {"rfc3164": 32, "rfc5424": 48}
_ONLY_FOR: dict[str, tuple[tuple[Transport, ...], str]] = {
    "framing": (("tcp", "tls"), "a datagram or a RELP frame holds one event"),
    "replay_window_messages": (("tcp", "tls"), "over relp every event is acknowledged, and udp tells of no loss"),
    "replay_window_seconds": (("tcp", "tls"), "over relp every event is acknowledged, and udp tells of no loss"),
    "relp_window_messages": (("relp", "relp-tls"), "nothing else acknowledges events"),
    "packets_per_second": (("udp",), "elsewhere the receiver sets the pace"),
    "ca_bundle": (("tls", "relp-tls"), "nothing else is encrypted"),
    "client_certificate": (("tls", "relp-tls"), "nothing else is encrypted"),
    "client_key": (("tls", "relp-tls"), "nothing else is encrypted"),
    "server_name": (("tls", "relp-tls"), "nothing else is encrypted"),
}


class SyslogSettings(SinkSettings):
    """A syslog receiver, over RELP, TLS, TCP or UDP."""

    type: Literal["syslog"] = Field("syslog", description="The kind of sink: syslog.")
    host: str = Field(min_length=1, max_length=255, description="Name or address of the syslog receiver.")
    port: int = Field(
        ge=1,
        le=65535,
        description="Port of the syslog receiver. Usual ones are 514 for udp, 6514 for tls and 2514 for relp.",
    )
    transport: Transport = Field(
        description=(
            "How events travel. `relp`, where the receiver has it: it acknowledges every event, so none "
            "is lost. `tls` and `tcp` acknowledge none, so what was sent recently is sent again after a "
            "break. `udp` may lose events unnoticed. `relp-tls` and `tls` are encrypted and check the "
            "receiver's certificate."
        )
    )
    framing: Framing | None = Field(
        None,
        description=(
            "How events are told apart in a stream, for tcp and tls: `lf`, a line feed after each "
            "(default for tcp), or `octet`, its length before it (RFC 5425, default for tls). The "
            "receiver must expect the same."
        ),
    )
    header: Literal["rfc3164", "rfc5424"] = Field(
        "rfc3164",
        description=(
            "The format of the syslog header. The time in it is when the notification was raised, in "
            "UTC, so that a repeat has the same bytes. The default is the header in the specification of "
            "CEF."
        ),
    )
    tag: str = Field(
        APP_NAME,
        description=(
            "Name of the sender's program: the tag before the event in RFC 3164, the APP-NAME in RFC 5424. Empty, with "
            "RFC 3164: none, for a receiver that wants the event right behind the host name. rsyslog then takes `CEF:` "
            "itself for the tag, and writes and forwards `CEF: 0|`."
        ),
    )
    facility: Facility = Field(
        "local0",
        description="Syslog facility of every event. The default is one of those that syslog leaves to local use.",
    )
    severity: Severity = Field(
        "warning",
        description=(
            "Syslog severity, the same for all events. The default is high enough for the usual filters. "
            "How severe a match is stands in the event itself."
        ),
    )
    hostname: str | None = Field(
        None, description="Name or IPv4 address of the sender in the header. Without it: this machine's name."
    )
    max_frame_bytes: int = Field(
        8000,
        ge=480,
        le=65536,
        description=(
            "Longest event with its header, in bytes. A longer one is refused, because receivers cut or "
            "split it. rsyslog takes 8096 unless configured otherwise."
        ),
    )
    connect_timeout_seconds: float = Field(
        10,
        gt=0,
        le=600,
        description=("Longest wait, in seconds, for a connection, for a TLS handshake, and for a RELP session, each."),
    )
    send_timeout_seconds: float = Field(
        30,
        gt=0,
        le=3600,
        description=(
            "Longest wait, in seconds, while the receiver takes nothing of what is sent; over relp, "
            "while it acknowledges nothing."
        ),
    )
    relp_window_messages: int = Field(
        128,
        ge=1,
        le=1000,
        description=(
            "How many events may be on their way unacknowledged, for relp. A higher number is faster "
            "over long distances."
        ),
    )
    replay_window_messages: int = Field(
        10_000,
        ge=0,
        le=1_000_000,
        description=(
            "How many of the events sent last are sent again after a break, at most, for tcp and tls. "
            "The route's position waits for them. 0 sends none again, and loses what the receiver had "
            "not written."
        ),
    )
    replay_window_seconds: float = Field(
        30,
        gt=0,
        le=3600,
        description=(
            "How many seconds ago an event may have been sent to be sent again after a break, for tcp "
            "and tls. The default leaves a receiver 30 seconds to write what it has."
        ),
    )
    packets_per_second: int = Field(
        5000,
        ge=1,
        le=1_000_000,
        description=(
            "Most packets a second, for udp: one event each. Receivers lose what comes faster than they read."
        ),
    )
    ca_bundle: ExistingFile | None = Field(
        None,
        description=(
            "PEM file of the CA certificates to trust, for tls and relp-tls. Without it: those of the system."
        ),
    )
    client_certificate: ClientCertificate = None
    client_key: ClientKey = None
    server_name: str | None = Field(
        None,
        min_length=1,
        max_length=255,
        description="Name in the receiver's certificate, where it differs from `host`.",
    )

    def receiver(self) -> str:
        """See `connector.settings.parts.SinkSettings`."""
        return f"syslog {self.transport} {self.host}:{self.port}"

    @property
    def is_encrypted(self) -> bool:
        """Whether the transport is TLS, with or without RELP."""
        return self.transport in ("tls", "relp-tls")

    @property
    def is_relp(self) -> bool:
        """Whether the transport is RELP, with or without TLS."""
        return self.transport in ("relp", "relp-tls")

    @field_validator("host", "server_name")
    @classmethod
    def _one_word(cls, name: str | None) -> str | None:
        if name is not None and (not name.isprintable() or " " in name or "://" in name):
            raise ValueError("must be nothing but a name or an address")
        if name is not None and re.search(r"^[^:]*:[0-9]+$|\]", name):
            raise ValueError("must be nothing but a name or an address, without brackets: its port stands under port")
        return name

    @field_validator("hostname")
    @classmethod
    def _header_hostname(cls, hostname: str | None) -> str | None:
        if hostname is not None and not HOSTNAME.match(hostname):
            raise ValueError("must be a name or an IPv4 address; receivers take a part of an IPv6 address for a tag")
        return hostname

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        longest = _TAG_LENGTH[self.header]
        if not (self.tag or self.header == "rfc3164"):
            raise ValueError("tag must not be empty with header: rfc5424, which has a place for it")
        if self.tag and (not _TAG.match(self.tag) or len(self.tag) > longest):
            raise ValueError(f"tag must be 1 to {longest} letters, digits and any of _ . / - ({self.header})")
        for option in type(self).model_fields:  # in the order of the documentation
            transports, reason = _ONLY_FOR.get(option, ((self.transport,), ""))
            is_given = option in self.model_fields_set and getattr(self, option) is not None
            if is_given and self.transport not in transports:
                raise ValueError(f"{option} is for transport: {' or '.join(transports)}; {reason}")
        if self.client_key is not None and self.client_certificate is None:
            raise ValueError("client_key needs client_certificate")
        return self
