"""Who may spend quota at VirusTotal, and how many requests they sent: counted where requests are sent.

An action runs in a context of its own (`contextvars`), which the threads that it starts inherit. So whatever it does,
by whatever path, no request leaves for a caller who may not spend.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from connector.model import Misconfigured


class NotAllowed(Misconfigured):
    """The caller may call the action, but not have it do this."""


class Spending:
    """What one caller spends. Safe for use from several threads.

    Attributes:
        is_allowed: whether the caller may spend anything.
        requests: how many requests were sent.
    """

    def __init__(self, *, is_allowed: bool = True) -> None:
        self.is_allowed = is_allowed
        self.requests = 0
        self._lock = threading.Lock()

    def must_be_allowed(self) -> None:
        """Raises NotAllowed unless the caller may spend."""
        if not self.is_allowed:
            raise NotAllowed("VirusTotal is asked only for a token of the scope act, because that costs quota")

    def count(self) -> None:
        """One more request is about to be sent.

        Raises:
            NotAllowed: the caller may not spend.
        """
        self.must_be_allowed()
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
