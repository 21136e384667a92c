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

    A batch that failed several times is searched: its events go one by one, and none that is answered goes again but to
    see whether the receiver answers at all. An event at which the session ends, or that is never answered or by what is
    no RELP, is refused if the receiver answers others in between. While it answers none, it is an outage, and nothing
    is refused. What was found is kept until the batch is delivered.
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
        self._suspects: set[Event] = set()  # not answered when they were to show that the receiver answers others
        self._failures = 0

    def send(self, frames: Sequence[bytes]) -> Sequence[tuple[int, str]]:
        """See `connector.sinks.syslog.connection.Connection`."""
        events = _told_apart(frames)
        if events[0] != self._first:  # not the batch that failed before, with or without what has come since
            self._stepped_over.clear()
            self._suspects.clear()
            self._failures = 0
        self._first = events[0]
        if not self._is_searching:
            self._answers = {}
        while left := self._unanswered(events):
            error = self._try(left)
            if error is None or not self._unanswered(events):
                continue
            if self._is_searching:
                self._step_over(events, error)
                continue
            self._failures += 1
            if not self._is_searching:
                raise error
        self._first = None
        answers = self._answers | self._stepped_over
        return [(n, answers[event]) for n, event in enumerate(events) if answers[event]]

    @property
    def _is_searching(self) -> bool:
        return self._failures >= _FAILURES_BEFORE_SEARCH

    def _unanswered(self, events: Sequence[Event]) -> list[Event]:
        return [event for event in events if event not in self._answers and event not in self._stepped_over]

    def _step_over(self, events: Sequence[Event], error: Unavailable | WrongReceiver) -> None:
        """Find out whether the first unanswered event is why a session ended, and refuse it.

        Raises:
            Unavailable, WrongReceiver: the receiver answers no other event either.
        """
        stuck = self._unanswered(events)[0]
        for _ in range(_ROUNDS):
            again = self._try([stuck])
            if again is None:
                return
            if not self._answers_another(events, stuck):
                raise again
        self._stepped_over[stuck] = f"the receiver answers other events, and each time at this one: {error}"

    def _answers_another(self, events: Sequence[Event], stuck: Event) -> bool:
        """Whether the receiver answers another event: one that has not been tried, or at last one that it answered."""
        waiting = [event for event in self._unanswered(events) if event != stuck]
        waiting.sort(key=lambda event: event in self._suspects)
        answered = [event for event in reversed(events) if event in self._answers]
        if answered:  # each that waits may take as long as an answer is waited for
            waiting = [event for event in waiting if event not in self._suspects][:1]
        for event in [*waiting[:_OTHERS], *answered[:1]]:
            if self._try([event]) is None:
                return True
            self._suspects.add(event)
        return False

    def _try(self, events: Sequence[Event]) -> Unavailable | WrongReceiver | None:
        """Send events over one session; the reason why it broke, or None. Raises when the receiver opens no session."""
        session = self._connect()
        try:
            session.send([frame for frame, _ in events], one_by_one=self._is_searching)
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
