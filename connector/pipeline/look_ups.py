"""When a source is asked about what notifications name: in the time until the next poll, so many times a day.

(`connector.sources.virustotal.subjects` says what is asked and what an answer means, `connector.journals.sql.look_ups`
how it is kept and what it makes outdated.)
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from connector import telemetry
from connector.model import ConnectorError, LookUp, Subject, Unavailable
from connector.pipeline.part import Part
from connector.pipeline.pool import NOT_AT_ALL, Steps
from connector.pipeline.retry import MAX_RETRY_AFTER_SECONDS, Attempts
from connector.ports import Journal, Source

FIRST_PAUSE_SECONDS = 60.0
PAUSE_SECONDS = 900.0
"""How long nothing is looked up after a look-up could not be answered: after each in a row twice as long as after the
one before, from the first pause up to this, unless the answer says longer."""
DAY_SECONDS = 86_400
ABOUT_SHARE = 0.75
"""The part of a day's look-ups that may be of what notifications are about; the rest is kept for what they name."""
AGAIN_SECONDS = 3600.0
"""After how long that subject is asked about again, likewise; others go first, in case the failure is due to it."""


class LookUps:
    """The look-ups of one source, so many a day (UTC) at most.

    One that cannot be answered is logged and shown by `status`; neither the source nor a route waits for it.
    """

    def __init__(
        self, part: Part, source: Source, per_day: int, *, journal: Journal, on_news: Callable[[], None]
    ) -> None:
        self._part = part
        self._source = source
        self._per_day = per_day
        self._journal = journal
        self._on_news = on_news
        self._paused_until = float("-inf")
        self._failures = 0
        self._failed: Counter[Subject] = Counter()

    def make(self, attempts: Attempts, seconds: float, stop: threading.Event) -> Steps[None]:
        """Look up what is due, each stored before the next is asked for, until so many seconds are over."""
        part, until = self._part, time.monotonic() + seconds
        if not self._per_day or time.monotonic() < self._paused_until:
            return
        looked_up, learned = part.looked_up, part.learned
        for subject in (yield from attempts.until_done(self._due)):
            if stop.is_set() or time.monotonic() >= until:
                break
            look_up = self._answer(subject)
            if (yield from attempts.until_done(partial(self._journal.learn, part.name, look_up))):
                part.learned += 1
                self._on_news()
            if part.look_up_trouble:
                break
            yield NOT_AT_ALL
        if part.looked_up > looked_up:
            answers, new = part.looked_up - looked_up, part.learned - learned
            telemetry.logger().info("looked_up", part=part.name, subjects=answers, new=new)

    def _due(self) -> Sequence[Subject]:
        """What is to be looked up, and no more than may be today."""
        name, now = self._part.name, int(time.time())
        today = self._journal.asked_since(name, now - now % DAY_SECONDS)
        about = max(0, int(self._per_day * ABOUT_SHARE) - today)
        return self._journal.due(name, now, self._per_day - today, about=about)

    def _answer(self, subject: Subject) -> LookUp:
        """What the source says of a subject; when it cannot, why, and then nothing is asked for a while."""
        part = self._part
        try:
            look_up = self._source.look_up(subject)
        except ConnectorError as error:
            part.look_up_trouble = str(error)
            self._failures += 1
            self._failed[subject] += 1
            said = error.retry_after if isinstance(error, Unavailable) else None
            pause = max(_doubled(self._failures, PAUSE_SECONDS), min(said or 0.0, MAX_RETRY_AFTER_SECONDS))
            self._paused_until = time.monotonic() + pause
            telemetry.logger().warning(
                "look_up_failed", part=part.name, type=subject.type, id=subject.id, reason=part.look_up_trouble
            )
            now = int(time.time())
            return LookUp(subject, "failed", now, now + int(_doubled(self._failed[subject], AGAIN_SECONDS)))
        part.looked_up += 1
        part.look_up_trouble = ""
        self._failures = 0
        del self._failed[subject]
        return look_up


def _doubled(times: int, longest: float) -> float:
    return float(min(longest, FIRST_PAUSE_SECONDS * 2 ** min(times - 1, 10)))
