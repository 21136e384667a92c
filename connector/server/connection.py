"""A connection that does not wait for ever.

uvicorn sets no time limit on the line and headers of a request, nor on a client that does not read its answer.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class Connection(H11Protocol):
    """HTTP/1.1, whose request line and headers must arrive within so many seconds.

    A client that reads nothing of its answer for as long is cut off, since the answer waits in memory. A slow one that
    goes on reading is not.
    """

    def __init__(self, *args: Any, seconds: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._seconds = seconds
        self._too_late: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start the time for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Stop the time when a request is complete; start it at the first byte of the next one."""
        super().data_received(data)
        if self._is_answering():
            self._cancel()
        elif self._too_late is None:
            self._wait()

    def pause_writing(self) -> None:
        """The client has stopped reading: watch whether it goes on."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """The client reads on."""
        self._unwatch()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self._cancel()
        self._unwatch()
        super().connection_lost(exc)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._too_late = self.loop.call_later(self._seconds, self._give_up)

    def _cancel(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None

    def _give_up(self) -> None:
        self._too_late = None
        if not self._is_answering():
            self.transport.abort()

    def _watch(self) -> None:
        self._unwatch()
        left = self.transport.get_write_buffer_size()

        def look() -> None:
            if self.transport.get_write_buffer_size() < left:
                self._watch()
            else:
                self.transport.abort()

        self._stalled = self.loop.call_later(self._seconds, look)

    def _unwatch(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
