"""A small syslog receiver on loopback: UDP, TCP or TLS, either framing, everything in memory."""

import contextlib
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

_LONGEST_FRAME = 64 * 1024
_MOST_LINES = 200_000
_RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
_HANDSHAKE_SECONDS = 10


class SyslogReceiver:
    """Listens for as long as a `with` block lasts, and again at the same port in the next one.

    Over TCP it tells the framings of RFC 6587 apart by the first byte, as rsyslog does. With `tls`, a server's context,
    it speaks TLS. What has arrived stays from block to block.

    Attributes:
        port: where it listens, on 127.0.0.1; 0 until the first block, unless one was given.
    """

    def __init__(
        self, transport: Literal["udp", "tcp"] = "tcp", *, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.port = port
        self._transport = transport
        self._tls = tls
        self._changed = threading.Condition()
        self._lines: deque[bytes] = deque(maxlen=_MOST_LINES)
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._open = False

    def __enter__(self) -> Self:
        udp = self._transport == "udp"
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
        try:
            if udp:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            else:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))
            if not udp:
                listener.listen()
        except BaseException:
            listener.close()
            raise
        self.port = listener.getsockname()[1]
        self._open = True
        self._start(self._receive if udp else self._accept, listener)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._changed:
            self._open = False
            for connection in self._connections:
                with contextlib.suppress(OSError):  # the other side has ended it already
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)  # of TCP: its thread is inside TLS
        kind_of_socket = socket.SOCK_DGRAM if self._transport == "udp" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind_of_socket) as own:
            own.connect(("127.0.0.1", self.port))  # wakes the listening thread
            if self._transport == "udp":
                own.send(b"")
            while self._threads:
                self._threads.pop().join()

    def lines(self) -> list[bytes]:
        """The messages so far, with their headers, without their framing."""
        with self._changed:
            return list(self._lines)

    def connections(self) -> int:
        """How many are open."""
        with self._changed:
            return len(self._connections)

    def wait_for(self, count: int, *, seconds: float) -> bool:
        """Whether so many messages have arrived, now or within `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._lines) >= count, timeout=seconds)

    def _start(self, serve: Callable[[socket.socket], None], connection: socket.socket) -> None:
        thread = threading.Thread(target=serve, args=(connection,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _receive(self, listener: socket.socket) -> None:
        with listener:
            while True:
                datagram = listener.recv(_LONGEST_FRAME)
                if not self._open:
                    return
                self._keep(datagram)

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while True:
                connection, _ = listener.accept()
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                with self._changed:
                    if not self._open:
                        connection.close()
                        return
                    self._connections.add(connection)
                    self._start(self._converse, connection)

    def _converse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # the sender broke off, or refuses our certificate
            if isinstance(connection, ssl.SSLSocket):
                connection.settimeout(_HANDSHAKE_SECONDS)
                connection.do_handshake()
                connection.settimeout(None)
            self._read(connection)
        with self._changed:
            self._connections.discard(connection)
            self._changed.notify_all()

    def _read(self, connection: socket.socket) -> None:
        buffer = b""
        while chunk := connection.recv(_LONGEST_FRAME):
            buffer += chunk
            while (split := _first_frame(buffer)) is not None:
                frame, buffer = split
                self._keep(frame)
            if len(buffer) > _LONGEST_FRAME:
                return

    def _keep(self, line: bytes) -> None:
        with self._changed:
            self._lines.append(line)
            self._changed.notify_all()


def _first_frame(buffer: bytes) -> tuple[bytes, bytes] | None:
    """The first frame and what follows; None while it is not complete."""
    if not buffer[:1].isdigit():
        frame, ended, rest = buffer.partition(b"\n")
        return (frame, rest) if ended else None
    digits, blank, rest = buffer.partition(b" ")
    length = int(digits) if digits.isdigit() and len(digits) <= len(str(_LONGEST_FRAME)) else None
    if length is None:
        # Not a length: all that follows is beyond reading, as it would be to any receiver.
        return None
    return (rest[:length], rest[length:]) if blank and len(rest) >= length else None
