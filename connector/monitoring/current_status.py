"""The status report of a run, made anew at most once a second, however many ask."""

import threading
import time
from collections.abc import Callable

from connector.model import ConnectorError
from connector.monitoring.status import StatusReport

_FRESH_SECONDS = 1.0


class CurrentStatus:
    """What `iocstream status` would show now; safe for use from several threads."""

    def __init__(self, ask: Callable[[], StatusReport]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._known: tuple[StatusReport | None, str] = None, ""

    def now(self) -> tuple[StatusReport | None, str]:
        """The report; or None, and why the journal cannot be read."""
        with self._lock:
            if time.monotonic() - self._asked_at >= _FRESH_SECONDS:
                try:
                    self._known = self._ask(), ""
                except ConnectorError as error:
                    self._known = None, str(error)
                self._asked_at = time.monotonic()
            return self._known
