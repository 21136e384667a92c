"""A connection to a client, which ends when the client is too slow.

uvicorn sets no time limit on the line and headers of a request, nor on a client that does not read its answer.
"""

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class _ClientLog(logging.LoggerAdapter[logging.Logger]):
    """uvicorn's log, with the address of the client in each record: by that the log tells clients apart."""

    def __init__(self, log: logging.Logger, client: str) -> None:
        super().__init__(log, {"client": client})
        self.level = log.level


class Connection(H11Protocol):
    """HTTP/1.1, whose request line and headers must arrive within `seconds`.

    A client that reads nothing of its answer for that long is cut off, since the answer waits in memory. A client that
    reads slowly is not.
    """

    def __init__(self, *args: Any, seconds: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._seconds = seconds
        self._request_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start the time for the first request."""
        super().connection_made(transport)
        self.logger = _ClientLog(self.logger, self.client[0] if self.client else "")  # type: ignore[assignment]
        self._start_request_timer()

    def data_received(self, data: bytes) -> None:
        """Stop the time when a request is complete; start it at the first byte of the next one."""
        super().data_received(data)
        if self._is_answering():
            self._stop_request_timer()
        elif self._request_timer is None:
            self._start_request_timer()

    def pause_writing(self) -> None:
        """The client has stopped reading: watch whether it goes on."""
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

    def _unsupported_upgrade_warning(self) -> None:
        """No WebSocket is ever served: uvicorn's advice to install a library for it would mislead."""
        self.logger.warning("Unsupported upgrade request.")

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _start_request_timer(self) -> None:
        self._request_timer = self.loop.call_later(self._seconds, self._give_up)

    def _stop_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _give_up(self) -> None:
        self._request_timer = None
        if not self._is_answering():
            self.transport.abort()

    def _start_write_timer(self) -> None:
        self._stop_write_timer()
        left = self.transport.get_write_buffer_size()

        def look() -> None:
            if self.transport.get_write_buffer_size() < left:
                self._start_write_timer()
            else:
                self.transport.abort()

        self._write_timer = self.loop.call_later(self._seconds, look)

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
