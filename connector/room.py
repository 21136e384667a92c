"""Memory for large answers and batches, of which all parts of the process together have no more than there is.

What VirusTotal sends may be hundreds of times larger than usual, to every source at once, and every route reads it from
the journal. A step of a part that needs little does not ask. One that needs much has room for as long as it lasts.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from connector.model import Unavailable

MOST = 128 * 1024 * 1024
"""Bytes that large answers and batches take together, as `connector.values.jsontext.decoded_bytes` counts them."""
FREE = 16 * 1024 * 1024
"""Bytes for which no step asks: many times what usual notifications take."""
SECONDS = 30.0
"""How long a step waits for room where it would lose what it has to ask for again."""


class Room:
    """The room of one process; safe for use from several threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._held = 0
        self._line: deque[object] = deque()
        """Those that wait, in the order in which they came: who needs most is not passed by for ever."""
        self._change = threading.Condition()
        self._of_thread = threading.local()

    @contextmanager
    def step(self) -> Iterator[None]:
        """A step of a part, in this thread: what it takes is given back when it ends."""
        self._of_thread.held = 0
        try:
            yield
        finally:
            held, self._of_thread.held = self._of_thread.held, None
            if held:
                with self._change:
                    self._held -= held
                    self._change.notify_all()

    def take(self, count: int, seconds: float = 0.0) -> bool:
        """Have room for so many bytes in all, in this step; False when there is none, also after so many seconds.

        A step that has room already gets what it needs: it could not end otherwise. So does one that is alone, and
        what is no step, such as a command.
        """
        mine: int | None = getattr(self._of_thread, "held", None)
        if mine is None or count <= max(mine, FREE):
            return True
        with self._change:
            if not mine and not self._waited(count, time.monotonic() + seconds):
                return False
            self._held += count - mine
        self._of_thread.held = count
        return True

    def _waited(self, count: int, deadline: float) -> bool:
        me = object()
        self._line.append(me)
        try:
            while self._line[0] is not me or (self._held and self._held + count > self._most):
                if (left := deadline - time.monotonic()) <= 0:
                    return False
                self._change.wait(left)
            return True
        finally:
            self._line.remove(me)
            self._change.notify_all()


ROOM = Room()
"""That of this process."""


class NoRoom(Unavailable):
    """There was none for so many bytes: the step is to be taken again later."""

    def __init__(self, count: int) -> None:
        super().__init__("other parts have so large notifications in hand that there is no memory for more")
        self.count = count
