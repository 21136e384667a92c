"""A bounded pool of threads on which all parts take turns: waiting takes up no thread, and no part holds up others.

A part is a generator, run a step at a time. Parts that wait for the same server are in one lane, and lanes take turns.
"""

import heapq
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Generator, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

THREADS = 24
"""The most threads. A step may have a thread beside its own, the timer of an HTTP exchange (`connector.http`)."""
LANE_THREADS = THREADS // 4
"""The most threads that are in steps of one lane at once: a server that hangs takes up no more."""
SLOW_THREADS = THREADS // 2
"""The most threads that are in steps of slow lanes at once: the others are for servers that answer."""
SLOW_SECONDS = 5.0
"""A lane is slow while a step of it takes longer than this, until one comes back sooner; and before its first step."""
EAGER_THREADS = 4
"""So many threads are started as soon as there is work for them, more only while work waits and the processor does not:
where it is busy, they would just contend for the interpreter."""
IDLE_PROCESSOR = 0.7
"""The processor waits while this process uses less than this part of one."""
GLANCE_SECONDS = 0.5
"""How often the pool looks whether it was asked to stop."""
GROWTH_SECONDS = 0.05
"""How often it looks whether another thread is of use, while work waits."""


@dataclass(frozen=True, slots=True)
class Pause:
    """What a task waits for before its next step: so many seconds, or that it is woken, if that comes first."""

    seconds: float = math.inf
    until_woken: bool = False


NOT_AT_ALL = Pause(0.0)

Result = TypeVar("Result")
Steps = Generator[Pause, None, Result]
"""What a part does, step by step; a pause between two steps."""


@dataclass(slots=True, eq=False)
class _Lane:
    """Tasks that wait for the same server.

    Attributes:
        ready: those that could take a step.
        at_work: how many are in a step.
        is_in_line: whether its turn will come.
    """

    ready: "deque[_Task]" = field(default_factory=deque)
    at_work: int = 0
    is_slow: bool = True
    is_in_line: bool = False


@dataclass(slots=True, eq=False)
class _Task:
    """One part's steps.

    Attributes:
        since: when its step began, or when it became ready; by `time.monotonic`.
        due: the number under which it waits for its time; 0 when it does not.
        is_idle: whether waking it makes it ready.
        is_woken: whether it was woken since its last step began.
    """

    name: str
    steps: Steps[None]
    lane: _Lane
    since: float = 0.0
    due: int = 0
    is_idle: bool = False
    is_woken: bool = False


class Pool:
    """Runs tasks until all have ended. One pool runs once; its threads end with the last task.

    Args:
        tasks: by name, each with what it shares with others that wait for the same server.
        stop: once it is set, nothing waits any longer: each task is expected to end with its next step.
    """

    def __init__(self, tasks: Mapping[str, tuple[Steps[None], Hashable]], stop: threading.Event) -> None:
        self._stop = stop
        lanes: dict[Hashable, _Lane] = {}
        self._tasks = {name: _Task(name, steps, lanes.setdefault(key, _Lane())) for name, (steps, key) in tasks.items()}
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._clock = threading.Condition(self._lock)
        self._lines: Mapping[bool, deque[_Lane]] = {True: deque(), False: deque()}
        """The lanes whose turn it is, slow ones and others; each has a task that is ready, and room for it."""
        self._waiting: list[tuple[float, int, _Task]] = []
        self._numbers = itertools.count(1)
        self._at_work: set[_Task] = set()
        self._threads = self._resting = 0
        self._bugs: list[BaseException] = []
        self._is_stopping = False
        self._seen_at, self._used = time.monotonic(), time.process_time()

    def run(self) -> None:
        """Run all tasks until they have ended or `stop` is set; then comes `end`. What a bug raises sets `stop`."""
        with self._lock:
            for task in self._tasks.values():
                self._make_ready(task)
            while self._tasks and not self._stop.is_set():
                self._clock.wait(self._seconds_until_next())
                self._see_to(time.monotonic())

    def end(self, seconds: float) -> None:
        """Let each task end, for at most so many seconds; those that take longer go on by themselves.

        Raises what a bug in a task has raised.
        """
        deadline = time.monotonic() + seconds
        with self._lock:
            self._is_stopping = True
            for task in self._tasks.values():
                if task.due or task.is_idle:
                    self._make_ready(task)
            self._waiting.clear()
            while self._tasks and (left := deadline - time.monotonic()) > 0:
                self._clock.wait(min(left, GROWTH_SECONDS))
                self._see_to(time.monotonic())
        if self._bugs:
            raise self._bugs[0]

    def wake(self, names: Iterable[str]) -> None:
        """Have idle tasks take another step; one that is at work or waits takes one more when it would be idle."""
        with self._lock:
            for name in names:
                if (task := self._tasks.get(name)) is None:
                    continue
                if task.is_idle:
                    self._make_ready(task)
                else:
                    task.is_woken = True

    def has_failed(self) -> bool:
        """Whether a task has raised something."""
        return bool(self._bugs)

    def unfinished(self) -> Sequence[str]:
        """The tasks that have not ended."""
        with self._lock:
            return list(self._tasks)

    def at_work(self, seconds: float = 0.0) -> Sequence[str]:
        """The tasks that have been in one step for so many seconds or longer."""
        now = time.monotonic()
        with self._lock:
            return [task.name for task in self._at_work if now - task.since >= seconds]

    def kept_waiting(self, seconds: float) -> Sequence[str]:
        """The tasks whose turn would be next in lanes that are not slow, and that found no thread for so many seconds.

        There are none unless all threads are in steps that do not end.
        """
        now = time.monotonic()
        with self._lock:
            heads = [lane.ready[0] for lane in self._lines[False]]
        return [task.name for task in heads if now - task.since >= seconds]

    def _make_ready(self, task: _Task) -> None:
        task.due, task.is_idle = 0, False
        task.since = time.monotonic()
        task.lane.ready.append(task)
        self._line_up(task.lane)
        self._call_thread()

    def _line_up(self, lane: _Lane) -> None:
        if lane.ready and lane.at_work < LANE_THREADS and not lane.is_in_line:
            lane.is_in_line = True
            self._lines[lane.is_slow].append(lane)

    def _mark(self, lane: _Lane, *, is_slow: bool) -> None:
        if lane.is_in_line and lane.is_slow != is_slow:
            self._lines[lane.is_slow].remove(lane)
            self._lines[is_slow].append(lane)
        lane.is_slow = is_slow

    def _next_line(self) -> "deque[_Lane] | None":
        """The line from which the next lane is to be taken; None when there is nothing to do."""
        slow, others = self._lines[True], self._lines[False]
        if slow and sum(task.lane.is_slow for task in self._at_work) < SLOW_THREADS:
            return slow
        return others or None

    def _call_thread(self) -> None:
        if self._resting:
            self._work.notify()
        else:
            self._add_thread(EAGER_THREADS)

    def _add_thread(self, most: int) -> None:
        if self._threads >= most:
            return
        thread = threading.Thread(target=self._take_steps, name=f"parts-{self._threads + 1}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system allows no more
            if not self._threads:
                raise
        else:
            self._threads += 1

    def _take_steps(self) -> None:
        """What each thread does: take the next step there is, until every task has ended."""
        while (task := self._next_task()) is not None:
            pause = None
            try:
                pause = next(task.steps, None)
            except BaseException as bug:  # noqa: BLE001 -- raised again in the caller's thread: it ends the program
                self._bugs.append(bug)
                self._stop.set()
            self._put_back(task, pause)

    def _next_task(self) -> _Task | None:
        with self._lock:
            while (line := self._next_line()) is None:
                if not self._tasks:
                    return None
                self._resting += 1
                self._work.wait()
                self._resting -= 1
            lane = line.popleft()
            lane.is_in_line = False
            task = lane.ready.popleft()
            lane.at_work += 1
            task.since = time.monotonic()
            task.is_woken = False
            self._at_work.add(task)
            self._line_up(lane)
            if self._next_line() is not None:
                self._call_thread()
            return task

    def _put_back(self, task: _Task, pause: Pause | None) -> None:
        """What becomes of a task after a step: it waits, is ready again, or, without a pause, has ended."""
        with self._lock:
            lane, now = task.lane, time.monotonic()
            self._at_work.remove(task)
            lane.at_work -= 1
            self._mark(lane, is_slow=now - task.since > SLOW_SECONDS)
            if pause is None:
                del self._tasks[task.name]
                if not self._tasks:
                    self._work.notify_all()
                    self._clock.notify()
            elif self._is_stopping or pause.seconds <= 0 or (pause.until_woken and task.is_woken):
                self._make_ready(task)
            else:
                task.is_idle = pause.until_woken
                if pause.seconds < math.inf:
                    task.due = next(self._numbers)
                    heapq.heappush(self._waiting, (now + pause.seconds, task.due, task))
                    if self._waiting[0][2] is task:
                        self._clock.notify()
            self._line_up(lane)

    def _see_to(self, now: float) -> None:
        """Make ready what has waited long enough, see which lanes are slow, and whether another thread is of use."""
        while self._waiting and self._waiting[0][0] <= now:
            _, number, task = heapq.heappop(self._waiting)
            if task.due == number:  # it was not woken meanwhile
                self._make_ready(task)
        for task in self._at_work:
            if now - task.since > SLOW_SECONDS:
                self._mark(task.lane, is_slow=True)
        seconds = now - self._seen_at
        if seconds >= GROWTH_SECONDS:
            used = time.process_time()
            if used - self._used < IDLE_PROCESSOR * seconds and self._is_short_of_threads(now):
                self._add_thread(THREADS)
            self._seen_at, self._used = now, used

    def _is_short_of_threads(self, now: float) -> bool:
        line = self._next_line()
        return line is not None and not self._resting and now - line[0].ready[0].since >= GROWTH_SECONDS

    def _seconds_until_next(self) -> float:
        if self._next_line() is not None:
            return GROWTH_SECONDS
        due = self._waiting[0][0] - time.monotonic() if self._waiting else GLANCE_SECONDS
        return max(0.0, min(due, GLANCE_SECONDS))
