"""A batch of events over RELP: over as many sessions as it takes, and past an event at which the receiver fails."""

from collections import Counter
from collections.abc import Callable, Sequence

from connector.model import Unavailable
from connector.sinks.syslog.connection import WrongReceiver
from connector.sinks.syslog.relp import RelpSession

_FAILURES_BEFORE_SEARCH = 3
_ROUNDS = 2
_OTHERS = 5

Event = tuple[bytes, int]
"""A frame, and which of the same frames in its batch."""


class RelpDelivery:
    """Sends batches, each as a whole again after a break, and steps over an event at which session after session ends.

    Such an event, or one that is never answered or by what is no RELP, is refused if the receiver answers others in
    between, which may arrive twice by that. While it answers none, it is an outage, and nothing is refused.
    """

    def __init__(self, connect: Callable[[], RelpSession], abandon: Callable[[], None]) -> None:
        """Prepare.

        Args:
            connect: gives the open session, or opens one.
            abandon: lets go of a session that broke.
        """
        self._connect = connect
        self._abandon = abandon
        self._first: Event | None = None
        self._answers: dict[Event, str] = {}
        self._stepped_over: dict[Event, str] = {}
        self._stuck_at: Event | None = None
        self._failures = 0

    def send(self, frames: Sequence[bytes]) -> Sequence[tuple[int, str]]:
        """See `connector.sinks.syslog.connection.Connection`."""
        events = _told_apart(frames)
        if events[0] != self._first:  # not the batch that failed before, with or without what has come since
            self._stepped_over.clear()
            self._failures = 0
        self._first = events[0]
        self._answers = {}
        while left := self._unanswered(events):
            error = self._try(left)
            if error is not None and self._unanswered(events):
                self._step_over(events, error)
        self._first = None
        answers = self._answers | self._stepped_over
        return [(n, answers[event]) for n, event in enumerate(events) if answers[event]]

    def _unanswered(self, events: Sequence[Event]) -> list[Event]:
        return [event for event in events if event not in self._answers and event not in self._stepped_over]

    def _step_over(self, events: Sequence[Event], error: Unavailable | WrongReceiver) -> None:
        """Count a failure at the first unanswered event; after a few, find out whether it is the cause, and refuse it.

        Raises:
            Unavailable, WrongReceiver: not yet, or it is not.
        """
        stuck, *waiting = self._unanswered(events)
        self._failures = self._failures + 1 if stuck == self._stuck_at else 1
        self._stuck_at = stuck
        if self._failures < _FAILURES_BEFORE_SEARCH:
            raise error
        others = [*waiting, *(event for event in events if event in self._answers)]
        for _ in range(_ROUNDS):
            again = self._try([stuck])
            if again is None:
                return
            if not any(self._try([event]) is None for event in others[:_OTHERS]):
                raise again
            others = others[1:] + others[:1]
        self._stepped_over[stuck] = f"the receiver answers other events, and each time at this one: {error}"

    def _try(self, events: Sequence[Event]) -> Unavailable | WrongReceiver | None:
        """Send events over one session; the reason why it broke, or None. Raises when the receiver opens no session."""
        session = self._connect()
        try:
            session.send([frame for frame, _ in events])
        except (Unavailable, WrongReceiver) as error:
            self._abandon()
            return error
        finally:
            self._answers.update({events[n]: reason for n, reason in session.answers.items()})
        return None


def _told_apart(frames: Sequence[bytes]) -> Sequence[Event]:
    seen: Counter[bytes] = Counter()
    events = []
    for frame in frames:
        events.append((frame, seen[frame]))
        seen[frame] += 1
    return events
