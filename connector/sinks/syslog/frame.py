"""Bytes of syslog: headers of RFC 3164 and RFC 5424, and the framings of RFC 6587. Pure."""

import re
from dataclasses import dataclass
from time import gmtime
from typing import Literal, Protocol, get_args

Facility = Literal[
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
]  # fmt: skip
"""RFC 5424 section 6.2.1, without 12 to 15, whose names differ from system to system."""
Severity = Literal["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]
"""RFC 5424 section 6.2.1, in the order of their codes."""
Framing = Literal["lf", "octet"]

_FACILITY_CODES: dict[str, int] = dict(zip(get_args(Facility), (*range(12), *range(16, 24)), strict=True))
_SEVERITY_CODES: dict[str, int] = {name: code for code, name in enumerate(get_args(Severity))}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# C0 controls and DEL, C1 controls, U+2028 and U+2029, as they stand in UTF-8. No other character contains these bytes.
_CONTROLS = re.compile(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]")


def priority(facility: Facility, severity: Severity) -> int:
    """PRI: eight times the facility plus the severity (RFC 5424 section 6.2.1)."""
    return _FACILITY_CODES[facility] * 8 + _SEVERITY_CODES[severity]


class Header(Protocol):
    """What stands in front of a body."""

    def at(self, time: int) -> bytes:
        """The header of an event of this time, in Unix seconds, ending where the body begins."""
        ...


@dataclass(frozen=True, slots=True)
class Rfc3164Header:
    """`<PRI>Mmm dd hh:mm:ss host ` and, with a tag, `tag: ` (RFC 3164 section 4.1). The time is UTC.

    RFC 3164 has no zone and no year. A day below ten is padded with a blank.
    """

    priority: int
    hostname: str
    tag: str

    def at(self, time: int) -> bytes:
        """See `Header`."""
        t = gmtime(time)
        tag = f"{self.tag}: " if self.tag else ""
        clock = f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
        return f"<{self.priority}>{_MONTHS[t.tm_mon - 1]} {t.tm_mday:2d} {clock} {self.hostname} {tag}".encode("ascii")


@dataclass(frozen=True, slots=True)
class Rfc5424Header:
    """`<PRI>1 2023-05-17T08:12:05.000Z host app-name - - - ` (RFC 5424 section 6).

    No byte order mark: rsyslog would leave it in front of the body. Milliseconds, because QRadar asks for them.
    """

    priority: int
    hostname: str
    app_name: str

    def at(self, time: int) -> bytes:
        """See `Header`."""
        t = gmtime(time)
        date = f"{t.tm_year:04d}-{t.tm_mon:02d}-{t.tm_mday:02d}"
        clock = f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}.000Z"
        return f"<{self.priority}>1 {date}T{clock} {self.hostname} {self.app_name} - - - ".encode("ascii")


def without_controls(body: bytes) -> bytes:
    """The body with a blank for each control character, so that no body can end a frame or be rewritten on receipt."""
    return _CONTROLS.sub(b" ", body) if _CONTROLS.search(body) else body


def framed(message: bytes, framing: Framing | None) -> bytes:
    """A message as it stands in a stream: ended by a line feed, or preceded by its length in bytes (RFC 6587 3.4).

    None leaves it as it is, for a datagram.
    """
    match framing:
        case "octet":
            return b"%d %b" % (len(message), message)
        case "lf":
            return message + b"\n"
        case None:
            return message
