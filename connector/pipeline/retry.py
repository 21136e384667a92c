"""What is done about an outage, or where a person must act: wait, and do the same again.

The waits between tries of sources and routes are decided here; those between look-ups in `look_ups`.

(A dead letter that is retried on command is another matter: `redeliver`.)
"""

import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from connector import telemetry
from connector.model import Misconfigured, Unavailable
from connector.pipeline.part import Part, State
from connector.pipeline.pool import Pause, Result, Steps
from connector.ports import Journal

FIRST_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 300.0
"""The longest that is waited between two tries, unless a Retry-After says longer."""
MAX_RETRY_AFTER_SECONDS = 3600.0
"""The longest that a Retry-After is believed: its date may be any, and to ask once an hour costs nobody much."""
BLOCKED_WAIT_SECONDS = 60.0
"""How long is waited before what needs a person is tried again; twice as long each time."""
MAX_BLOCKED_WAIT_SECONDS = 900.0
"""The longest that is waited between two tries of what needs a person."""


class Stopping(Exception):
    """A part is to do nothing more: the runner was asked to stop, or another process is to serve the part."""


class Attempts:
    """One part's steps: under its lease while all goes well, waited for and repeated while something is wrong."""

    def __init__(
        self,
        part: Part,
        journal: Journal,
        stop: threading.Event,
        patience: float | None,
        *,
        say: Callable[[State, str], None],
        begin: Callable[[], None],
        is_ours: Callable[[], bool] = lambda: True,
    ) -> None:
        self._part = part
        self._journal = journal
        self._stop = stop
        self._patience = patience
        self._say = say
        self._begin = begin
        self._is_ours = is_ours
        self._lease = ExitStack()
        self._leased = False
        self._has_begun = False
        self._blocked_tries = 0
        self._blocked_by = ""

    def until_done(self, step: Callable[[], Result]) -> Steps[Result]:
        """Repeat a step while it is `Unavailable` or `Misconfigured`, which is `blocked` until a person has acted.

        An outage is waited out by exponential backoff with jitter, Retry-After respected; progress begins it anew. What
        needs a person is tried again more seldom, and not at all when there is a patience. The lease is given up
        meanwhile, so that another process may try.

        Raises:
            Unavailable: the patience is used up, or would be by waiting as long as it takes; or the runner was asked to
                stop.
            Misconfigured: a person must act, and there is a patience, or the runner was asked to stop.
            Stopping: the runner was asked to stop, or the part is not ours any more.
        """
        began, tries = time.monotonic(), 0
        while True:
            try:
                return self._try(step)
            except (Unavailable, Misconfigured) as error:
                tries = 1 if error.has_progressed else tries + 1
                seconds = self._wait_seconds(error, tries)
                if self._stop.is_set() or self._is_given_up(error, time.monotonic() - began + seconds):
                    self._give_up(error)
                    raise
                self._part.retry_at = time.time() + seconds
                self._tell(error, seconds, tries)
            yield Pause(seconds)

    @property
    def name(self) -> str:
        """Whose steps they are."""
        return self._part.name

    @property
    def is_once(self) -> bool:
        """Whether the runner ends when there is nothing left to do."""
        return self._patience is not None

    def block(self, error: Misconfigured) -> None:
        """Say that a person must act, and how; the log has it once, however often it is tried."""
        self._say("blocked", str(error))
        if str(error) != self._blocked_by:
            self._blocked_by = str(error)
            telemetry.logger().error("blocked", part=self._part.name, reason=str(error))

    def release(self) -> None:
        """Give the lease up; what comes next is a beginning."""
        self._has_begun = False
        if self._leased:
            self._leased = False
            self._lease.close()

    def _try(self, step: Callable[[], Result]) -> Result:
        if self._stop.is_set() or not self._is_ours():
            raise Stopping
        try:
            if not self._leased:
                self._lease.enter_context(self._journal.lease(self._part.name))
                self._leased = True
            if not self._has_begun:
                self._begin()
                self._has_begun = True
            result = step()
        except (Unavailable, Misconfigured) as error:
            if isinstance(error, Unavailable):
                self._part.state, self._part.message = "waiting", str(error)
            else:
                self._blocked_tries = 1 if error.has_progressed else self._blocked_tries + 1
            if self._leased:
                self._leased = False
                self._lease.__exit__(type(error), error, error.__traceback__)  # so that the journal knows why
            raise
        self._part.succeeded_at = time.time()
        self._blocked_tries = 0
        self._part.retry_at = None
        if self._part.state in ("waiting", "blocked"):
            self._say("running", "")
        if self._blocked_by:
            self._blocked_by = ""
            telemetry.logger().info("unblocked", part=self._part.name)
        return result

    def _is_given_up(self, error: Unavailable | Misconfigured, seconds: float) -> bool:
        return self._patience is not None and (isinstance(error, Misconfigured) or seconds >= self._patience)

    def _give_up(self, error: Unavailable | Misconfigured) -> None:
        """Say why an outage is left for the next run, and how long the other side wants to be left in peace."""
        if self._patience is None or not self._has_begun or isinstance(error, Misconfigured):
            return
        asked = error.retry_after
        self._part.retry_at = None if asked is None else time.time() + min(asked, MAX_RETRY_AFTER_SECONDS)
        self._say("waiting", self._part.message)

    def _wait_seconds(self, error: Unavailable | Misconfigured, tries: int) -> float:
        if isinstance(error, Misconfigured):
            # No power of two that cannot be a float, however long it takes a person.
            return min(BLOCKED_WAIT_SECONDS * (1 << min(self._blocked_tries - 1, 30)), MAX_BLOCKED_WAIT_SECONDS)
        return max(min(error.retry_after or 0.0, MAX_RETRY_AFTER_SECONDS), _backoff(tries))

    def _tell(self, error: Unavailable | Misconfigured, seconds: float, tries: int) -> None:
        if isinstance(error, Misconfigured):
            self.block(error)
            return
        self._say("waiting", self._part.message)
        telemetry.logger().warning(
            "waiting", part=self._part.name, seconds=round(seconds, 1), attempt=tries, reason=self._part.message
        )


def _backoff(tries: int) -> float:
    longest = min(FIRST_BACKOFF_SECONDS * 2 ** min(tries - 1, 30), MAX_BACKOFF_SECONDS)
    return random.uniform(0.0, longest)  # noqa: S311 -- no secret: so that not all ask again at the same moment
