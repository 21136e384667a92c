"""A small RELP receiver on loopback (https://www.rsyslog.com/doc/relp.html), everything in memory."""

import socket
import ssl
from collections.abc import Callable

from connector.simulator.syslog import SyslogReceiver

_LONGEST_FRAME = 128 * 1024
_OFFERS = b"200 OK\nrelp_version=0\nrelp_software=iocstream-simulator\ncommands=syslog"


def accepting(_: bytes) -> bytes:
    """The verdict of a receiver that takes every event."""
    return b"200 OK"


class RelpReceiver(SyslogReceiver):
    """Listens as `SyslogReceiver` does and acknowledges each event, once it is kept.

    Attributes:
        verdict: what is answered to an event: `200 OK` keeps it, another code does not; None neither keeps it nor
            answers, and hangs up.
        opening: what is answered to `open`.
    """

    def __init__(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        super().__init__("tcp", port=port, tls=tls)
        self.verdict: Callable[[bytes], bytes | None] = accepting
        self.opening = _OFFERS

    def _read(self, connection: socket.socket) -> None:
        buffer = b""
        while chunk := connection.recv(_LONGEST_FRAME):
            buffer += chunk
            while (split := _first_frame(buffer)) is not None:
                transaction, command, data, buffer = split
                answer = self._answer(command, data)
                if answer is None:
                    return
                connection.sendall(_frame(transaction, b"rsp", answer))
                if command == b"close":
                    connection.sendall(_frame(b"0", b"serverclose", b""))
                    return
            if len(buffer) > _LONGEST_FRAME:
                return

    def _answer(self, command: bytes, data: bytes) -> bytes | None:
        if command == b"open":
            return self.opening
        if command == b"close":
            return b""
        if command != b"syslog":
            return b"500 command not offered"
        verdict = self.verdict(data)
        if verdict is not None and verdict.startswith(b"200"):
            self._keep(data)
        return verdict


def _frame(transaction: bytes, command: bytes, data: bytes) -> bytes:
    return b" ".join([transaction, command, b"%d" % len(data), *([data] if data else [])]) + b"\n"


def _first_frame(buffer: bytes) -> tuple[bytes, bytes, bytes, bytes] | None:
    """Transaction number, command and data of the first frame, and what follows; None while it is not complete."""
    transaction, _, rest = buffer.partition(b" ")
    command, _, rest = rest.partition(b" ")
    digits = rest[: len(rest) - len(rest.lstrip(b"0123456789"))]
    if len(digits) == len(rest):
        return None
    length, start = int(digits), len(digits) + (1 if int(digits) else 0)
    frame, follows = rest[start : start + length], rest[start + length :]
    return (transaction, command, frame, follows[1:]) if len(frame) == length and follows else None
