"""When dead letters of what a receiver had no time for (`connector.model.BUSY`) are retried: after growing pauses."""

import math
import time

from connector.model import BUSY
from connector.pipeline.send import BatchOutcome
from connector.ports import Outbox

FIRST_PAUSE_SECONDS = 600.0
LONGEST_PAUSE_SECONDS = 6 * 3600.0


class BusyLetters:
    """Those of one route. The pause is twice as long after each retry in vain, and short again in the next run."""

    def __init__(self, route: str) -> None:
        self._route = route
        self._pause = FIRST_PAUSE_SECONDS
        self._due_at = -math.inf  # those of an earlier run
        self._is_retried = False

    @property
    def seconds_left(self) -> float:
        """Until it is time to retry them; infinite when there are none."""
        return max(0.0, self._due_at - time.monotonic())

    def ask(self, journal: Outbox) -> None:
        """Ask for their retry, if it is time; when a run begins, of those that were refused a pause ago or longer."""
        if self.seconds_left:
            return
        begins = self._due_at == -math.inf
        until = int(time.time() - (FIRST_PAUSE_SECONDS if begins else 0))
        self._due_at = time.monotonic() + FIRST_PAUSE_SECONDS if begins else math.inf
        self._is_retried = journal.ask_retry_of(self._route, BUSY, until) > 0

    def note(self, batch: BatchOutcome, *, retried: bool = False) -> None:
        """Take into account what became of a batch, or of a retry."""
        if not any(letter.reason.startswith(BUSY) for letter in batch.dead_letters):
            return
        if retried and self._is_retried:
            self._pause = FIRST_PAUSE_SECONDS if batch.messages else min(self._pause * 2, LONGEST_PAUSE_SECONDS)
            self._is_retried = False
        self._due_at = min(self._due_at, time.monotonic() + self._pause)
