"""A bounded pool of threads on which all parts take turns: waiting takes up no thread, and no part holds up others.

A part is a generator, run a step at a time. Parts that wait for the same server are in one lane, and lanes take turns.
"""

import contextvars
import heapq
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Generator, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from connector import room

THREADS = 24
"""The most threads in steps that have not taken long. A step may have a thread beside its own, the timer of an HTTP
exchange (`connector.clients.http`)."""
LANE_THREADS = THREADS // 4
"""The most of them in steps of one lane."""
SLOW_SECONDS = 1.0
"""A step that takes longer most likely waits for its server. It is *slow*, and another thread may take its place."""
MOST_THREADS = 256
"""The most threads, with those in slow steps."""
LANE_MOST_THREADS = MOST_THREADS // 4
"""The most threads in steps of one lane, with slow ones: a server that hangs takes up no more."""
SUSPECT_THREADS = MOST_THREADS // 2
LANE_SUSPECT_THREADS = LANE_MOST_THREADS // 2
"""The most threads in steps of suspects, and of one lane's. A task is *suspect* when its last step was slow: it leaves
the other half of the threads to those that are not, however many suspects there are."""
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
        ready: those that could take a step, and are not suspect.
        suspects: those that could, and are.
        at_work: how many are in a step.
        slow: how many of these steps are slow.
        suspects_at_work: how many of these are of suspects.
        is_in_line: whether its turn will come.
    """

    ready: "deque[_Task]" = field(default_factory=deque)
    suspects: "deque[_Task]" = field(default_factory=deque)
    at_work: int = 0
    slow: int = 0
    suspects_at_work: int = 0
    is_in_line: bool = False


@dataclass(slots=True, eq=False)
class _Task:
    """One part's steps.

    Attributes:
        since: when its step began, or when it became ready; by `time.monotonic`.
        due: the number under which it waits for its time; 0 when it does not.
        is_idle: whether waking it makes it ready.
        is_woken: whether it was woken since its last step began.
        is_slow: whether the step that it is in is slow.
        is_suspect: whether its last step was.
    """

    name: str
    steps: Steps[None]
    lane: _Lane
    since: float = 0.0
    due: int = 0
    is_idle: bool = False
    is_woken: bool = False
    is_slow: bool = False
    is_suspect: bool = False


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
        self._lanes = list(lanes.values())
        self._line: deque[_Lane] = deque()
        """The lanes whose turn it is."""
        self._waiting: list[tuple[float, int, _Task]] = []
        self._numbers = itertools.count(1)
        self._at_work: set[_Task] = set()
        self._threads = self._resting = 0
        self._slow = self._suspects_at_work = 0
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

    def hurry(self, names: Iterable[str]) -> None:
        """As `wake`; tasks that wait for a time take another step now, too."""
        with self._lock:
            for name in names:
                if (task := self._tasks.get(name)) is None:
                    continue
                if task.is_idle or task.due:
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
        """The tasks whose turn would be next in their lanes, and that found no thread for so many seconds.

        No suspects: these wait for each other. There are none unless all threads are in steps that do not end.
        """
        now = time.monotonic()
        with self._lock:
            heads = [lane.ready[0] for lane in self._line if lane.ready and self._queue(lane)]
        return [task.name for task in heads if now - task.since >= seconds]

    def _make_ready(self, task: _Task) -> None:
        task.due, task.is_idle = 0, False
        task.since = time.monotonic()
        (task.lane.suspects if task.is_suspect else task.lane.ready).append(task)
        self._line_up(task.lane)
        self._call_thread()

    def _line_up(self, lane: _Lane) -> None:
        if not lane.is_in_line and self._queue(lane):
            lane.is_in_line = True
            self._line.append(lane)

    def _queue(self, lane: _Lane) -> "deque[_Task] | None":
        """From which of a lane's queues the next task is to be taken; None when none of it may take a step now."""
        if lane.at_work - lane.slow >= LANE_THREADS or lane.at_work >= LANE_MOST_THREADS:
            return None
        open_queues = [lane.ready] if lane.ready else []
        if lane.suspects and lane.suspects_at_work < LANE_SUSPECT_THREADS and self._suspects_at_work < SUSPECT_THREADS:
            open_queues.append(lane.suspects)
        return min(open_queues, key=lambda queue: queue[0].since, default=None)

    def _next_queue(self) -> "deque[_Task] | None":
        """The queue from which the next task is to be taken, of the first lane in line.

        None when there is nothing to do, or enough threads do something already.
        """
        if len(self._at_work) - self._slow >= THREADS:
            return None
        while self._line:
            if queue := self._queue(self._line[0]):
                return queue
            self._line.popleft().is_in_line = False
        return None

    def _call_thread(self) -> None:
        if self._resting:
            self._work.notify()
        else:
            self._add_thread(EAGER_THREADS)

    def _add_thread(self, most: int) -> None:
        if self._threads >= min(most + self._slow, MOST_THREADS):
            return
        inherited = contextvars.copy_context()  # in which requests are counted for who caused them
        name = f"parts-{self._threads + 1}"
        thread = threading.Thread(target=inherited.run, args=(self._take_steps,), name=name, daemon=True)
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
                with room.step():
                    pause = next(task.steps, None)
            except BaseException as bug:  # noqa: BLE001 -- raised again in the caller's thread: it ends the program
                self._bugs.append(bug)
                self._stop.set()
            self._put_back(task, pause)

    def _next_task(self) -> _Task | None:
        """The task that a thread is to take a step of; None when the thread is to end."""
        with self._lock:
            while (queue := self._next_queue()) is None:
                if not self._tasks or self._threads - self._slow > THREADS:
                    self._threads -= 1
                    return None
                self._resting += 1
                self._work.wait()
                self._resting -= 1
            lane = self._line.popleft()
            lane.is_in_line = False
            task = queue.popleft()
            task.since = time.monotonic()
            task.is_woken = False
            self._at_work.add(task)
            lane.at_work += 1
            lane.suspects_at_work += task.is_suspect
            self._suspects_at_work += task.is_suspect
            self._line_up(lane)
            if self._next_queue() is not None:
                self._call_thread()
            return task

    def _put_back(self, task: _Task, pause: Pause | None) -> None:
        """What becomes of a task after a step: it waits, is ready again, or, without a pause, has ended."""
        with self._lock:
            now = time.monotonic()
            self._leave(task)
            task.is_slow, task.is_suspect = False, now - task.since > SLOW_SECONDS
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
                    if len(self._waiting) > 2 * len(self._tasks):  # of those that were woken before their time
                        self._waiting = [each for each in self._waiting if each[2].due == each[1]]
                        heapq.heapify(self._waiting)
                    heapq.heappush(self._waiting, (now + pause.seconds, task.due, task))
                    if self._waiting[0][2] is task:
                        self._clock.notify()
            self._line_up(task.lane)

    def _leave(self, task: _Task) -> None:
        """Take a task out of the counts of those at work."""
        lane = task.lane
        self._at_work.remove(task)
        lane.at_work -= 1
        lane.slow -= task.is_slow
        self._slow -= task.is_slow
        lane.suspects_at_work -= task.is_suspect
        self._suspects_at_work -= task.is_suspect
        if task.is_suspect and self._suspects_at_work == SUSPECT_THREADS - 1:  # others may have waited for that
            for each in self._lanes:
                self._line_up(each)

    def _see_to(self, now: float) -> None:
        """Make ready what has waited long enough, see which lanes are slow, and whether another thread is of use."""
        while self._waiting and self._waiting[0][0] <= now:
            _, number, task = heapq.heappop(self._waiting)
            if task.due == number:  # it was not woken meanwhile
                self._make_ready(task)
        for task in self._at_work:
            if not task.is_slow and now - task.since > SLOW_SECONDS:
                task.is_slow = True
                task.lane.slow += 1
                self._slow += 1
                self._line_up(task.lane)
        if self._next_queue() is not None:
            self._call_thread()
        seconds = now - self._seen_at
        if seconds >= GROWTH_SECONDS:
            used = time.process_time()
            if used - self._used < IDLE_PROCESSOR * seconds and self._is_short_of_threads(now):
                self._add_thread(THREADS)
            self._seen_at, self._used = now, used

    def _is_short_of_threads(self, now: float) -> bool:
        queue = self._next_queue()
        return queue is not None and not self._resting and now - queue[0].since >= GROWTH_SECONDS

    def _seconds_until_next(self) -> float:
        if self._next_queue() is not None:
            return GROWTH_SECONDS
        if len(self._at_work) > self._slow:  # a step may become slow
            return 2 * GROWTH_SECONDS
        due = self._waiting[0][0] - time.monotonic() if self._waiting else GLANCE_SECONDS
        return max(0.0, min(due, GLANCE_SECONDS))
