"""What is done about an outage, or where a person must act: wait, and do the same again.

The waits between tries of sources and routes are timed here; those between look-ups in `look_ups`.

(A dead letter that is retried on command is another matter: `redeliver`.)
"""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

import tenacity

from connector import telemetry
from connector.model import Misconfigured, Unavailable
from connector.pipeline.part import Part, State
from connector.ports import Journal

MAX_BACKOFF_SECONDS = 300.0
"""The longest that is waited between two tries, unless a Retry-After says longer."""
MAX_RETRY_AFTER_SECONDS = 3600.0
"""The longest that a Retry-After is believed: its date may be any, and to ask once an hour costs nobody much."""
BLOCKED_WAIT_SECONDS = 60.0
"""How long is waited before what needs a person is tried again; twice as long each time."""
MAX_BLOCKED_WAIT_SECONDS = 900.0
"""The longest that is waited between two tries of what needs a person."""

Result = TypeVar("Result")

_backoff = tenacity.wait_random_exponential(multiplier=1, max=MAX_BACKOFF_SECONDS)


class Stopping(Exception):
    """The runner was asked to stop while a part was waiting."""


class Worker:
    """One part's thread: holds its lease while all goes well, waits and repeats while something is wrong."""

    def __init__(
        self,
        part: Part,
        journal: Journal,
        stop: threading.Event,
        patience: float | None,
        *,
        say: Callable[[State, str], None],
        begin: Callable[[], None],
    ) -> None:
        self._part = part
        self._journal = journal
        self._stop = stop
        self._patience = patience
        self._say = say
        self._begin = begin
        self._lease = ExitStack()
        self._leased = False
        self._has_begun = False
        self._blocked_tries = 0
        self._blocked_by = ""

    def patiently(self, step: Callable[[], Result]) -> Result:
        """Repeat a step while it is `Unavailable` or `Misconfigured`, which is `blocked` until a person has acted.

        An outage is waited out by exponential backoff with jitter, Retry-After respected. What needs a person is tried
        again more seldom, and not at all when there is a patience. The lease is given up meanwhile, so that another
        process may try.

        Raises:
            Unavailable: the patience is used up, or would be by waiting as long as it takes; or the runner was asked to
                stop.
            Misconfigured: a person must act, and there is a patience, or the runner was asked to stop.
            Stopping: the runner was asked to stop.
        """
        temporary = Unavailable if self.is_once else (Unavailable, Misconfigured)
        limit = [] if self._patience is None else [tenacity.stop_before_delay(self._patience)]
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(temporary),
            wait=self._wait_seconds,
            stop=tenacity.stop_any(tenacity.stop_when_event_set(self._stop), *limit),
            sleep=tenacity.sleep_using_event(self._stop),
            before_sleep=self._tell,
            reraise=True,
        )
        return retrying(lambda: self._try(step))

    @property
    def name(self) -> str:
        """Whose thread it is."""
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
        """Give the lease up."""
        if self._leased:
            self._leased = False
            self._lease.close()

    def _try(self, step: Callable[[], Result]) -> Result:
        if self._stop.is_set():
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
                self._blocked_tries += 1
            if self._leased:
                self._leased = False
                self._lease.__exit__(type(error), error, error.__traceback__)  # so that the journal knows why
            raise
        self._part.succeeded_at = time.time()
        self._blocked_tries = 0
        if self._part.state in ("waiting", "blocked"):
            self._say("running", "")
        if self._blocked_by:
            self._blocked_by = ""
            telemetry.logger().info("unblocked", part=self._part.name)
        return result

    def _wait_seconds(self, state: tenacity.RetryCallState) -> float:
        if self._blocked_tries and isinstance(_error(state), Misconfigured):
            # No power of two that cannot be a float, however long it takes a person.
            return min(BLOCKED_WAIT_SECONDS * (1 << min(self._blocked_tries - 1, 30)), MAX_BLOCKED_WAIT_SECONDS)
        return _wait_seconds(state)

    def _tell(self, state: tenacity.RetryCallState) -> None:
        error = _error(state)
        if isinstance(error, Misconfigured):
            self.block(error)
            return
        seconds = state.next_action.sleep if state.next_action else 0.0
        self._say("waiting", self._part.message)
        telemetry.logger().warning(
            "waiting",
            part=self._part.name,
            seconds=round(seconds, 1),
            attempt=state.attempt_number,
            reason=self._part.message,
        )


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _wait_seconds(state: tenacity.RetryCallState) -> float:
    error = _error(state)
    said = error.retry_after if isinstance(error, Unavailable) else None
    return max(min(said or 0.0, MAX_RETRY_AFTER_SECONDS), _backoff(state))
