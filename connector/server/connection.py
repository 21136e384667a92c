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
MIN_BYTES_PER_SECOND = 1024
"""How fast a client must take its answer."""
_SHOWN = ("token", "reader")
_ACKNOWLEDGED = slice(120, 128)
"""`tcpi_bytes_acked` in Linux's `struct tcp_info` (linux/tcp.h)."""


class _ClientLog(logging.LoggerAdapter[logging.Logger]):
    """uvicorn's log, with the address of the client in each record: by that the log tells clients apart."""

    def __init__(self, log: logging.Logger, client: str) -> None:
        super().__init__(log, {"client": client})
        self.level = log.level


class Connection(H11Protocol):
    """HTTP/1.1, whose request line and headers must arrive within `seconds`.

    A client that takes less than `MIN_BYTES_PER_SECOND` of its answer for that long is cut off, since the answer waits
    in memory.
    """

    def __init__(self, *args: Any, seconds: float, on_end: Callable[[], None] = lambda: None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._seconds = seconds
        self._on_end = on_end
        self._request_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._ignored = 0
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
        if self._is_answered_early():
            self._ignored += len(data)
            if self._ignored > (0 if self._is_costly() else IGNORED_BYTES):
                self.transport.abort()
                return
        super().data_received(data)
        if self.conn.their_state is h11.ERROR and self.cycle is not None and self.is_answering():
            # What followed is no HTTP: uvicorn has said so, and closes. Nothing else can be answered.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
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
        """Stop all timers."""
        self._stop_request_timer()
        self._stop_write_timer()
        super().connection_lost(exc)
        self._on_end()

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
        return not self.has_token() and any(name == b"transfer-encoding" for name, _ in self.headers)

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
