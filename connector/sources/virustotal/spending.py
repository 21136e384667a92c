"""Who may spend quota at VirusTotal, and how many requests they sent: counted where requests are sent.

An action runs in a context of its own (`contextvars`), which the threads that it starts inherit. So whatever it does,
by whatever path, no request leaves for a caller who may not spend.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from connector.model import Misconfigured

DAY_SECONDS = 86_400


class NotAllowed(Misconfigured):
    """The caller may call the action, but not have it do this."""


class ShareSpent(NotAllowed):
    """The caller has had the requests that it may have a day.

    Attributes:
        retry_after: seconds until the next day begins.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DailyShare:
    """How many requests were sent for one token on this day (UTC), and how many may be. Safe for several threads."""

    def __init__(self, token: str, today: tuple[int, int] = (0, 0), clock: Callable[[], float] = time.time) -> None:
        """Without a limit.

        Args:
            token: its name.
            today: a day, in days since 1970, and how many requests were sent on it.
            clock: Unix seconds.
        """
        self.most: int | None = None
        self._token = token
        self._day, self._requests = today
        self._untold = 0
        self._clock = clock
        self._lock = threading.Lock()

    def take(self) -> None:
        """One more request is about to be sent. Raises ShareSpent when it is one too many."""
        with self._lock:
            self._must_be_left()
            self._requests += 1
            self._untold += 1

    def must_be_left(self) -> None:
        """Raises ShareSpent when no more may be sent today."""
        with self._lock:
            self._must_be_left()

    def told(self) -> tuple[int, int]:
        """The day, and how many requests were sent on it since this was last asked."""
        with self._lock:
            untold, self._untold = self._untold, 0
            return self._day, untold

    def not_told(self, day: int, requests: int) -> None:
        """What `told` answered is to be told again; what was spent on a day that is over counts no more."""
        with self._lock:
            if day == self._day:
                self._untold += requests

    def _must_be_left(self) -> None:
        day, second = divmod(self._clock(), DAY_SECONDS)
        if day != self._day:
            self._day, self._requests, self._untold = int(day), 0, 0
        if self.most is not None and self._requests >= self.most:
            raise ShareSpent(
                f"the token {self._token} has had the {self.most} requests to VirusTotal that it may have a day"
                " (quota_per_day); the next day begins at 00:00 UTC",
                DAY_SECONDS - second,
            )


class Spending:
    """What one caller spends. Safe for use from several threads.

    Attributes:
        is_allowed: whether the caller may spend anything.
        requests: how many requests were sent.
    """

    def __init__(self, *, is_allowed: bool = True, share: DailyShare | None = None) -> None:
        """Nothing is spent yet; `share` is what the caller may spend a day; None: as much as there is."""
        self.is_allowed = is_allowed
        self.requests = 0
        self._share = share
        self._lock = threading.Lock()

    def must_be_allowed(self) -> None:
        """Raises NotAllowed unless the caller may spend, ShareSpent unless something is left to it today."""
        if not self.is_allowed:
            raise NotAllowed("VirusTotal is asked only for a token of the scope act, because that costs quota")
        if self._share is not None:
            self._share.must_be_left()

    def count(self) -> None:
        """One more request is about to be sent.

        Raises:
            NotAllowed: the caller may not spend.
            ShareSpent: it has spent what it may today.
        """
        self.must_be_allowed()
        if self._share is not None:
            self._share.take()
        with self._lock:
            self.requests += 1


_current: ContextVar[Spending | None] = ContextVar("spending", default=None)


@contextmanager
def spent_by(spending: Spending) -> Iterator[None]:
    """Have every request that is sent in this block, and in threads that it starts, counted there."""
    token = _current.set(spending)
    try:
        yield
    finally:
        _current.reset(token)


def count() -> None:
    """A request to VirusTotal is about to be sent. Raises NotAllowed when that is for a caller who may not spend."""
    if (spending := _current.get()) is not None:
        spending.count()
