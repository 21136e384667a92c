"""What the log says of dead letters: the first of each reason at once, its repeats as a count."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from connector import telemetry
from connector.model import DeadLetter
from connector.pipeline.refused_streak import kind

SUM_UP_SECONDS = 600.0
"""How often repeats of a reason are summed up."""
MAX_REASONS = 1000


@dataclass(slots=True)
class _Told:
    letter: DeadLetter
    at: float
    repeats: int = 0


class RefusalLog:
    """The log of a route's dead letters: the first of each reason at once, its repeats as a count."""

    def __init__(self, route: str) -> None:
        self._route = route
        self._told: dict[tuple[str, str], _Told] = {}

    def tell(self, letters: Sequence[DeadLetter]) -> None:
        """Log dead letters that were made, or count them when their reason was logged."""
        for letter in letters:
            key = letter.by, kind(letter.reason)
            if told := self._told.get(key):
                told.repeats += 1
                continue
            if len(self._told) >= MAX_REASONS:
                self.sum_up(at_end=True)
            self._told[key] = _Told(letter, time.monotonic())
            telemetry.logger().error(
                "refused",
                part=self._route,
                notification=letter.notification_id,
                object=letter.object_id or None,
                by=letter.by,
                reason=letter.reason,
            )

    @property
    def has_repeats(self) -> bool:
        """Whether there is something to sum up, now or later."""
        return any(told.repeats for told in self._told.values())

    def sum_up(self, *, at_end: bool = False) -> None:
        """Log how often each reason came again, when it is time for that; a reason that did not will be new."""
        now = time.monotonic()
        for key, told in list(self._told.items()):
            if not at_end and now - told.at < SUM_UP_SECONDS:
                continue
            if told.repeats:
                telemetry.logger().error(
                    "refused_again", part=self._route, times=told.repeats, by=told.letter.by, reason=told.letter.reason
                )
                self._told[key] = _Told(told.letter, now)
            if at_end or not told.repeats:
                del self._told[key]
