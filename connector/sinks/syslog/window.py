"""What a receiver that never answers may still lose: the messages of the recent past."""

import time
from collections import deque
from collections.abc import Callable


class ReplayWindow:
    """Counts the messages sent last, for so many seconds each and at most so many; 0 counts none.

    A receiver that dies takes with it what it had received and not yet written. The longer ago a message was sent on a
    connection that still stands, and the more were sent after it, the less likely it is among those.
    """

    def __init__(self, messages: int, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = messages
        self._seconds = seconds
        self._clock = clock
        self._sent: deque[tuple[float, int]] = deque()
        self._total = 0

    def __bool__(self) -> bool:
        """Whether any message is counted. Those whose time is over are counted until `count` is called."""
        return bool(self._sent)

    def add(self, messages: int) -> None:
        """Count messages that were sent just now."""
        if not messages or not self._limit:
            return
        self._sent.append((self._clock(), messages))
        self._total += messages
        while self._total - self._sent[0][1] >= self._limit:
            self._forget_oldest()

    def count(self) -> int:
        """How many are in it now, not counting those whose time is over."""
        over = self._clock() - self._seconds
        while self._sent and self._sent[0][0] <= over:
            self._forget_oldest()
        return min(self._total, self._limit)

    def seconds_left(self) -> float:
        """When the last of them will have left it."""
        return max(0.0, self._sent[-1][0] + self._seconds - self._clock()) if self._sent else 0.0

    def clear(self) -> None:
        """Count none: they have arrived, or will be sent again."""
        self._sent.clear()
        self._total = 0

    def _forget_oldest(self) -> None:
        self._total -= self._sent.popleft()[1]
