"""What every transport to a syslog receiver has in common."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from connector.model import Misconfigured


@dataclass(frozen=True, slots=True)
class Address:
    """Where a receiver listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class WrongReceiver(Misconfigured):
    """What answers there is no receiver of this kind. A person must act, unless it has worked before."""


class Connection(Protocol):
    """An open connection to a receiver. Not shared between threads."""

    def send(self, frames: Sequence[bytes]) -> Sequence[tuple[int, str]]:
        """Send all, in order; return the positions of those that cannot be delivered, each with the reason.

        Raises:
            Unavailable: some may have arrived. The connection is of no more use.
            Misconfigured: likewise.
        """
        ...

    def alive(self) -> bool:
        """Whether it can be used again, as far as can be told without sending."""
        ...

    def close(self) -> None:
        """Let the receiver read what was sent, then end it."""
        ...

    def abandon(self) -> None:
        """End it at once."""
        ...


def cause(error: OSError) -> str:
    """What the system or OpenSSL says of an error, in words."""
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    return words(reason) if reason else error.strerror or type(error).__name__


def words(reason: str) -> str:
    """OpenSSL's name of a reason, readable."""
    return reason.replace("_", " ").lower()
