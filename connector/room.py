"""Memory for what is larger than usual, of which all parts of the process together have no more than there is.

What others send may be hundreds of times larger than usual, from every server at once, and every route reads it from
the journal. What a part needs beside that little for which nobody asks is taken from one of the rooms below, and given
back when its step ends. A step asks for them in this order alone, so that none waits in a circle:

1. `PAGES`: the text of a page of a source.
2. `ROOM`: notifications, decoded: of a page, or as they are read from the journal.
3. `ANSWERS`: the text of any other answer: of a receiver, of a look-up.
4. `DECODED`: such an answer, decoded.
"""

import gc
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from connector.model import Unavailable

MOST = 96 * 1024 * 1024
"""Bytes that notifications take together, as `connector.values.jsontext.decoded_bytes` counts them."""
MOST_PAGES = 24 * 1024 * 1024
"""Bytes of the texts of pages."""
MOST_ANSWERS = 16 * 1024 * 1024
"""Bytes of the texts of other answers."""
MOST_DECODED = 32 * 1024 * 1024
"""Bytes that other answers take together, decoded."""
SMALL = 4 * 1024 * 1024
"""A step that needs no more than this is *small*: a third of each room is for small ones alone."""
FREE = 256 * 1024
"""Bytes for which no step asks."""
SECONDS = 30.0
"""How long a step waits for room where it would lose what it has to ask for again."""

HOLD_SECONDS = 10.0
"""How long an answer may keep others waiting."""

_PIECE = 64 * 1024
_GLANCE_SECONDS = 1.0


class _Step:
    """What a step needs, by what for, and how much it has taken."""

    def __init__(self) -> None:
        self.needs: Counter[str] = Counter()
        self.held = 0
        self.since = 0.0
        self.cut: Callable[[], object] | None = None
        """What ends its wait for somebody else, if it is in one."""


class _Now(threading.local):
    """The step of a thread; None outside of any."""

    step: _Step | None = None


class Room:
    """One room of a process; safe for use from several threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._small = self._large = 0
        """What small steps hold, and the others."""
        self._beyond: _Step | None = None
        """The one step that has got more than there was."""
        self._line: deque[_Step] = deque()
        """The steps that wait and are not small, in the order in which they came: none is passed by for ever."""
        self._holders: set[_Step] = set()
        self._change = threading.Condition()
        self._now = _Now()

    @contextmanager
    def step(self) -> Iterator[None]:
        """A step of a part, in this thread: what it takes is given back when it ends."""
        self._now.step = _Step()
        try:
            yield
        finally:
            self.give_back()
            self._now.step = None

    def take(
        self,
        count: int,
        seconds: float = 0.0,
        *,
        what: str = "",
        can_wait: bool = False,
        cut: Callable[[], object] | None = None,
    ) -> bool:
        """Have room for so many bytes in all, for one thing, in this step; False when there is none in so many seconds.

        A step that is alone gets what it needs, and so does one that has room already and could not end otherwise: one
        such step at a time. What is no step, such as a command, does not ask.

        Args:
            count: bytes, with those taken for the same before.
            seconds: how long to wait.
            what: what for.
            can_wait: whether the step can go on with what it has, so that others come first.
            cut: is called, in another thread, when this step has held room for `HOLD_SECONDS` and others wait.
        """
        step = self._now.step
        if step is None:
            return True
        before, step.needs[what] = step.needs[what], max(step.needs[what], count)
        needed = step.needs.total()
        if needed <= (step.held or FREE):
            return True
        with self._change:
            if self._waited(step, needed, time.monotonic() + seconds, can_wait=can_wait):
                self._hold(step, -(-needed // _PIECE) * _PIECE)
                step.cut = cut
                return True
        step.needs[what] = before
        return False

    def needed(self, count: int, *, what: str = "") -> int:
        """How many bytes this step would need in all, with so many for one thing."""
        step = self._now.step
        return count if step is None else step.needs.total() - step.needs[what] + count

    def add(self, count: int, *, what: str, most: int) -> bool:
        """Have room for so many bytes more, for one thing; False when it can do without, because there is none."""
        step = self._now.step
        needed = count + (0 if step is None else step.needs[what])
        return needed <= most and self.take(needed, what=what, can_wait=True)

    def give_back(self) -> None:
        """Give back all that this step has taken."""
        step = self._now.step
        if step is not None:
            step.needs.clear()
            step.cut = None
            if step.held:
                with self._change:
                    self._hold(step, 0)
                    self._beyond = None if self._beyond is step else self._beyond
                    self._change.notify_all()

    @property
    def is_large(self) -> bool:
        """Whether this step is not small."""
        step = self._now.step
        return step is not None and step.held > SMALL

    def keep(self) -> None:
        """What this step holds keeps nobody waiting by the fault of others any more."""
        if (step := self._now.step) is not None:
            step.cut = None

    def reserve(self, count: int, seconds: float) -> bool:
        """Have room for so many bytes, whatever they will be for; False when there is none in so many seconds."""
        self.give_back()
        is_there = self.take(count, seconds)
        if (step := self._now.step) is not None:
            step.needs.clear()
        return is_there

    def _hold(self, step: _Step, count: int) -> None:
        step.since = step.since if step.held else time.monotonic()
        self._holders.discard(step)
        if count:
            self._holders.add(step)
        for held, sign in ((step.held, -1), (count, 1)):
            if held > SMALL:
                self._large += sign * held
            else:
                self._small += sign * held
        step.held = count

    def _waited(self, step: _Step, needed: int, deadline: float, *, can_wait: bool) -> bool:
        if needed > SMALL:
            self._line.append(step)
        try:
            while not self._has_room(step, needed, can_wait=can_wait):
                if (left := deadline - time.monotonic()) <= 0:
                    return False
                self._cut_the_slowest()
                self._change.wait(min(left, _GLANCE_SECONDS))
            return True
        finally:
            if needed > SMALL:
                self._line.remove(step)
                self._change.notify_all()

    def _cut_the_slowest(self) -> None:
        """End the exchange that keeps others waiting, so that nobody holds room by sending next to nothing."""
        slow = [each for each in self._holders if each.cut and time.monotonic() - each.since > HOLD_SECONDS]
        if slow:
            slowest = min(slow, key=lambda each: each.since)
            cut, slowest.cut = slowest.cut, None
            if cut is not None:
                cut()

    def _has_room(self, step: _Step, needed: int, *, can_wait: bool) -> bool:
        for_small = self._most // 3
        if needed <= SMALL:
            small = self._small - step.held + needed
            if small <= for_small or small + self._large <= self._most:
                return True
        else:
            others = self._large - (step.held if step.held > SMALL else 0)
            if self._line[0] is step and (not others or others + needed <= self._most - for_small):
                return True
        if can_wait or not step.held or self._beyond not in (None, step):
            return False
        self._beyond = step  # what it waits for might be held by one that waits for it
        return True


PAGES = Room(MOST_PAGES)
ROOM = Room(MOST)
ANSWERS = Room(MOST_ANSWERS)
DECODED = Room(MOST_DECODED)


@contextmanager
def step() -> Iterator[None]:
    """A step of a part, in this thread: it may take room, and gives all of it back when it ends."""
    with ExitStack() as rooms:
        for each in (PAGES, ROOM, ANSWERS, DECODED):
            rooms.enter_context(each.step())
        try:
            yield
        finally:
            if ROOM.is_large or DECODED.is_large:
                gc.collect(1)  # an error that holds what was in hand would keep it until very many objects are there


class NoRoom(Unavailable):
    """There was none for so many bytes: the step is to be taken again later."""

    def __init__(self, count: int) -> None:
        super().__init__("other parts have so large notifications in hand that there is no memory for more")
        self.count = count
