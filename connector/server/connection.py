"""A connection to a client, which ends when the client is too slow, or sends what nobody asked for.

uvicorn sets no time limit on the line and headers of a request, nor on a client that does not read its answer; and it
reads what follows a request that it has refused, however much it is.
"""

import asyncio
import logging
import socket
import sys
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

READ_BYTES = 8 * 1024
"""How much is read at once. The HTTP library takes milliseconds for so many bytes of chunks of one byte each, and
nobody else is served meanwhile."""
WRITE_BYTES = 64 * 1024
"""How much of an answer waits to be sent before no more is made of it. With TLS asyncio has 512 KiB for each."""
IGNORED_BYTES = 128 * 1024
"""How much of a body is read and ignored after the answer. Whoever sends a notification with a wrong token can still
read that it is one."""
READ_SECONDS = 1.0
"""How long a client has time to read why what it sent is no request."""
MIN_BYTES_PER_SECOND = 1024
"""How fast a client must take its answer."""
FREE_CHUNKS = 200
CHUNK_BYTES = 64
"""A body may come in so many chunks of whatever size; beyond them, chunks have so many bytes on average. The HTTP
library takes as long for a chunk of one byte as for a thousand."""
_TOO_LONG = 431
"""Request Header Fields Too Large (RFC 6585 section 5)."""
_SHOWN = ("token", "reader")
_ACKNOWLEDGED = slice(120, 128)
"""`tcpi_bytes_acked` in Linux's `struct tcp_info` (linux/tcp.h)."""


def _do_nothing() -> None:
    """Nobody is to be told."""


class _ClientLog(logging.LoggerAdapter[logging.Logger]):
    """uvicorn's log, with the address of the client in each record: by that the log tells clients apart."""

    def __init__(self, log: logging.Logger, client: str) -> None:
        super().__init__(log, {"client": client})
        self.level = log.level


class _Requests(h11.Connection):
    """Reads requests, and none whose body comes in very many very small chunks."""

    def __init__(self, max_incomplete_event_size: int) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size)
        self._chunks = self._bytes = 0
        self.is_head_too_long = False

    def next_event(self) -> Any:
        """As in h11.

        Raises:
            h11.RemoteProtocolError: for what is no HTTP/1, and for such a body.
        """
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            self.is_head_too_long = error.error_status_hint == _TOO_LONG
            raise
        if isinstance(event, h11.Request):
            self._chunks = self._bytes = 0
            if not event.http_version.startswith(b"1."):
                self._process_error(self.their_role)
                raise h11.RemoteProtocolError("another version of HTTP")
        elif isinstance(event, h11.Data):
            self._chunks += event.chunk_end
            self._bytes += len(event.data)
            if self._chunks > FREE_CHUNKS and self._bytes < CHUNK_BYTES * self._chunks:
                self._process_error(self.their_role)
                raise h11.RemoteProtocolError("chunks that are too small")
        return event


class Connection(H11Protocol):
    """HTTP/1.1, whose request line and headers must arrive within `seconds`.

    A client that takes less than `MIN_BYTES_PER_SECOND` of its answer for that long is cut off, since the answer waits
    in memory.
    """

    def __init__(self, *args: Any, seconds: float, on_end: Callable[[], None] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.conn = _Requests(self.config.h11_max_incomplete_event_size or 16 * 1024)
        self._seconds = seconds
        self._on_end = on_end or _do_nothing
        self._request_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._ignored = 0
        self._is_no_http = False
        self._had_token = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start the time for the first request."""
        super().connection_made(transport)
        self.logger = _ClientLog(self.logger, self.client[0] if self.client else "")  # type: ignore[assignment]
        transport.max_size = READ_BYTES  # type: ignore[attr-defined]  # of asyncio's own, for what it asks the socket
        transport.set_write_buffer_limits(WRITE_BYTES)
        self._start_request_timer()

    def data_received(self, data: bytes) -> None:
        """Stop the time when a request is complete; start it at the first byte of the next one."""
        if self._is_answered_early() or self._is_no_http:
            self._ignored += len(data)
            if self._ignored > (0 if self._is_costly() else IGNORED_BYTES):
                self.transport.abort()
                return
        if self._is_no_http:
            return
        super().data_received(data)
        self._watch_the_time()

    def _watch_the_time(self) -> None:
        if self._is_no_http:
            return  # the end is near already
        if self.is_answering():
            self._stop_request_timer()
        elif self._request_timer is None:
            self._start_request_timer()

    def pause_writing(self) -> None:
        """The client does not take its answer as fast as it is made: watch how fast it does."""
        super().pause_writing()
        self._start_write_timer()

    def resume_writing(self) -> None:
        """The client reads on."""
        self._stop_write_timer()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers, and let go of what else would stay in memory, with all of TLS, until it is looked for."""
        self._stop_request_timer()
        self._stop_write_timer()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # uvicorn leaves it running when the client resets the connection
        self.cycle = None  # type: ignore[assignment]  # as before the first request: it knows this connection
        on_end, self._on_end = self._on_end, _do_nothing  # which may know this connection, too
        on_end()

    def send_400_response(self, msg: str) -> None:
        """Say why what came is no request, and end the connection once that can have been read.

        Were it closed at once, the system would tell the client that what it still sends is lost, and that client
        would read nothing.
        """
        self._is_no_http = True
        self._stop_request_timer()
        if self.cycle is not None and self.is_answering():  # no other answer follows
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # an answer is on its way already
            self.transport.close()
            return
        status, said = 400, msg
        if self.conn.is_head_too_long:  # type: ignore[attr-defined]
            status, said = _TOO_LONG, "The request line and headers are longer than 16 KiB: ask for less at once.\n"
        headers = [
            ("content-type", "text/plain; charset=utf-8"),
            ("content-length", str(len(said))),
            ("connection", "close"),
        ]
        for event in (h11.Response(status_code=status, headers=headers), h11.Data(said.encode()), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._request_timer = self.loop.call_later(READ_SECONDS, self.transport.close)

    def _unsupported_upgrade_warning(self) -> None:
        """No WebSocket is ever served: uvicorn's advice to install a library for it would mislead."""
        self.logger.warning("Unsupported upgrade request.")

    def has_token(self) -> bool:
        """Whether any request on it has shown a token that is known."""
        if not self._had_token and self.scope is not None:
            self._had_token = any(name in self.scope["state"] for name in _SHOWN)
        return self._had_token

    def is_answering(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _is_answered_early(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete and self.conn.their_state is h11.SEND_BODY

    def _is_costly(self) -> bool:
        """Whether what follows comes in chunks, of whatever size, from somebody without a token."""
        return not self.has_token() and any(name == b"transfer-encoding" for name, _ in self.headers or ())

    def _start_request_timer(self) -> None:
        self._request_timer = self.loop.call_later(self._seconds, self._give_up)

    def _stop_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _give_up(self) -> None:
        self._request_timer = None
        if not self.is_answering():
            self.transport.abort()

    def _start_write_timer(self) -> None:
        self._stop_write_timer()
        before = self._taken()

        def look() -> None:
            if self._taken() - before >= self._seconds * MIN_BYTES_PER_SECOND:
                self._start_write_timer()
            else:
                self.transport.abort()

        self._write_timer = self.loop.call_later(self._seconds, look)

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _taken(self) -> int:
        """How many bytes the client has acknowledged; where the system does not say, a number that grows alike.

        (While this is watched, nothing more is given to be sent.)
        """
        if sys.platform == "linux":
            connection = self.transport.get_extra_info("socket")
            told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKNOWLEDGED.stop)
            if len(told) == _ACKNOWLEDGED.stop:
                return int.from_bytes(told[_ACKNOWLEDGED], sys.byteorder)
        return -self.transport.get_write_buffer_size()
