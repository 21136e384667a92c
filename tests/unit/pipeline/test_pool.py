"""Turns on a bounded pool of threads: who gets one, who waits for whom, and how all end. Tasks do what a test says."""

import threading
import time
from contextlib import contextmanager

import pytest

from connector.pipeline import pool as module
from connector.pipeline.pool import NOT_AT_ALL, Pause, Pool

UNTIL_WOKEN = Pause(until_woken=True)

PATIENCE = 20.0
"""How long anything is waited for that will happen."""


def eventually(holds):
    """Whether something comes true soon."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.002)
    return False


@pytest.fixture
def stop():
    return threading.Event()


@pytest.fixture
def released():
    """Set when the test has ended: whatever hangs goes on then."""
    event = threading.Event()
    yield event
    event.set()


@contextmanager
def running(pool, stop, seconds=PATIENCE):
    """The pool in a thread, ended with the block."""

    def run():
        pool.run()
        pool.end(seconds)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the pool does not end"


def idle(stop, seen, name):
    """A task that waits until it is woken, again and again."""
    while not stop.is_set():
        seen.append(name)
        yield UNTIL_WOKEN


def hang(released, seen=None, name=""):
    """A task whose first step ends only with the test."""
    if seen is not None:
        seen.append(name)
    assert released.wait(3 * PATIENCE)
    yield NOT_AT_ALL


def counting(steps, seen, name):
    for _ in range(steps):
        seen.append(name)
        yield NOT_AT_ALL


def lanes(tasks):
    """Each in a lane of its own."""
    return {name: (steps, name) for name, steps in tasks.items()}


def test_it_runs_every_task_to_its_end(stop):
    seen = []
    pool = Pool(lanes({name: counting(3, seen, name) for name in "abc"}), stop)
    pool.run()
    assert sorted(seen) == [*"aaabbbccc"]
    assert (pool.unfinished(), pool.at_work(), pool.has_failed(), stop.is_set()) == ([], [], False, False)


def test_without_tasks_there_is_nothing_to_do(stop):
    Pool({}, stop).run()


def test_tasks_take_turns(stop, monkeypatch):
    monkeypatch.setattr(module, "THREADS", 1)
    monkeypatch.setattr(module, "EAGER_THREADS", 1)
    seen = []
    Pool(lanes({name: counting(3, seen, name) for name in "abc"}), stop).run()
    assert seen == [*"abcabcabc"]


def test_lanes_take_turns_however_many_tasks_one_has(stop, monkeypatch):
    monkeypatch.setattr(module, "THREADS", 1)
    monkeypatch.setattr(module, "EAGER_THREADS", 1)
    seen = []
    crowd = {f"crowd{number}": (counting(1, seen, "crowd"), "crowd") for number in range(5)}
    Pool({**crowd, "one": (counting(3, seen, "one"), "one")}, stop).run()
    assert seen == ["crowd", "one"] * 3 + ["crowd"] * 2


def test_a_task_is_never_in_two_steps_at_once(stop):
    at_once, most = [], []

    def steps():
        for _ in range(200):
            at_once.append(1)
            most.append(len(at_once))
            at_once.pop()
            yield NOT_AT_ALL

    pool = Pool({"a": (steps(), "x"), **{f"b{number}": (counting(200, [], ""), "x") for number in range(5)}}, stop)
    waker = threading.Thread(target=lambda: [pool.wake(["a"]) for _ in range(2000)])
    waker.start()
    pool.run()
    waker.join()
    assert set(most) == {1}


def test_waiting_takes_up_no_thread(stop):
    seen, done = [], threading.Event()
    tasks = {f"idle{number}": idle(stop, seen, number) for number in range(300)}

    def waiting():
        while not stop.is_set():
            yield Pause(3600.0)

    before = threading.active_count()
    pool = Pool(lanes({**tasks, **{f"wait{number}": waiting() for number in range(300)}}), stop)
    with running(pool, stop):
        assert eventually(lambda: len(seen) == 300 and pool.at_work() == [])
        assert threading.active_count() - before <= module.EAGER_THREADS + 1
        done.set()


def test_a_task_goes_on_when_its_time_has_come_and_not_before(stop):
    at = []

    def steps():
        at.append(time.monotonic())
        yield Pause(0.2)
        at.append(time.monotonic())
        yield Pause(0.01)
        at.append(time.monotonic())

    Pool({"a": (steps(), "a")}, stop).run()
    assert at[1] - at[0] >= 0.2
    assert at[2] - at[1] >= 0.01


def test_those_that_wait_go_on_in_the_order_of_their_times(stop, monkeypatch):
    monkeypatch.setattr(module, "EAGER_THREADS", 1)
    monkeypatch.setattr(module, "THREADS", 1)
    seen = []

    def steps(seconds):
        yield Pause(seconds)
        seen.append(seconds)

    Pool(lanes({str(seconds): steps(seconds) for seconds in (0.3, 0.1, 0.2)}), stop).run()
    assert seen == [0.1, 0.2, 0.3]


def test_an_idle_task_goes_on_when_it_is_woken(stop):
    seen = []
    pool = Pool(lanes({"a": idle(stop, seen, "a"), "b": idle(stop, seen, "b")}), stop)
    with running(pool, stop):
        assert eventually(lambda: sorted(seen) == ["a", "b"])
        pool.wake(["nobody", "a"])
        assert eventually(lambda: seen.count("a") == 2)
        assert seen.count("b") == 1


def test_tasks_that_are_woken_together_are_at_work_together_on_threads_that_end_with_the_process(stop):
    meeting = threading.Barrier(3)

    def steps():
        yield UNTIL_WOKEN
        meeting.wait(PATIENCE)
        yield NOT_AT_ALL

    pool = Pool(lanes({name: steps() for name in "abc"}), stop)
    with running(pool, stop):
        assert eventually(lambda: all(task.is_idle for task in pool._tasks.values()))
        pool.wake("abc")
        assert eventually(lambda: pool.unfinished() == [])
        assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("parts-"))
    assert not meeting.broken


def test_an_idle_task_goes_on_after_a_time_unless_it_is_woken_before(stop):
    at = []

    def steps():
        yield Pause(0.2, until_woken=True)
        at.append(time.monotonic())
        yield Pause(3600.0, until_woken=True)
        at.append(time.monotonic())
        yield Pause(0.4, until_woken=True)
        at.append(time.monotonic())

    began = time.monotonic()
    pool = Pool(lanes({"a": steps()}), stop)
    with running(pool, stop):
        assert eventually(lambda: len(at) == 1 and pool.at_work() == [])
        pool.wake(["a"])
        assert eventually(lambda: len(at) == 3)
    assert at[0] - began >= 0.2
    assert at[2] - at[1] >= 0.4, "the time of a wait that was cut short does not end a later one"


def test_waits_that_were_cut_short_are_not_kept(stop):
    seen = []

    def steps():
        while not stop.is_set():
            seen.append(1)
            yield Pause(3600.0, until_woken=True)

    pool = Pool(lanes({"a": steps()}), stop)
    with running(pool, stop):
        for count in range(1, 51):
            assert eventually(lambda count=count: len(seen) == count and pool._tasks["a"].is_idle)
            pool.wake(["a"])
        assert len(pool._waiting) <= 3


def test_a_task_that_is_woken_while_it_is_at_work_looks_once_more(stop):
    seen, entered, go_on = [], threading.Event(), threading.Event()

    def steps():
        while not stop.is_set():
            seen.append(1)
            entered.set()
            assert go_on.wait(PATIENCE)
            yield UNTIL_WOKEN

    pool = Pool(lanes({"a": steps()}), stop)
    with running(pool, stop):
        assert entered.wait(PATIENCE)
        pool.wake(["a"])
        go_on.set()
        assert eventually(lambda: len(seen) == 2)
        assert eventually(lambda: pool.at_work() == [])
        assert len(seen) == 2


def test_a_wait_for_a_time_is_not_cut_short_by_waking(stop):
    seen = []

    def steps():
        yield Pause(0.3)
        seen.append(time.monotonic())
        yield UNTIL_WOKEN
        seen.append(time.monotonic())

    pool = Pool(lanes({"a": steps()}), stop)
    began = time.monotonic()
    with running(pool, stop):
        assert eventually(lambda: pool.at_work() == [])
        pool.wake(["a"])
        assert eventually(lambda: len(seen) == 1)
        assert seen[0] - began >= 0.3
        assert len(seen) == 1, "what woke it was seen to by the step after the wait"


@pytest.fixture
def soon_slow(monkeypatch):
    """A step is slow at once, and threads come whatever the processor does."""
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.1)
    monkeypatch.setattr(module, "IDLE_PROCESSOR", 100.0)


def test_a_server_that_does_not_answer_soon_has_a_part_of_the_threads(stop, released):
    seen = []
    crowd = {f"hang{number}": (hang(released, seen, "hang"), "server") for number in range(40)}
    pool = Pool({**crowd, "other": (counting(5, seen, "other"), "another server")}, stop)
    with running(pool, stop):
        assert eventually(lambda: seen.count("other") == 5)
        assert eventually(lambda: seen.count("hang") == module.LANE_THREADS)
        assert seen.index("other") <= module.LANE_THREADS
        released.set()


@pytest.mark.usefixtures("soon_slow")
def test_a_server_that_hangs_never_has_all_threads(stop, released, monkeypatch):
    monkeypatch.setattr(module, "LANE_MOST_THREADS", 8)
    seen = []
    crowd = {f"hang{number}": (hang(released, seen, "hang"), "server") for number in range(40)}

    def late():
        yield Pause(0.5)
        yield from counting(5, seen, "late")

    pool = Pool({**crowd, "late": (late(), "another server")}, stop)
    with running(pool, stop):
        assert eventually(lambda: len(pool.at_work()) == 8)
        assert eventually(lambda: seen.count("late") == 5)
        assert seen.count("hang") == 8
        released.set()


@pytest.mark.usefixtures("soon_slow")
def test_however_many_servers_hang_the_others_are_served(stop, released):
    seen, count = [], 3 * module.THREADS
    tasks = {f"hang{number}": hang(released, seen, "hang") for number in range(count)}
    good = {f"good{number}": counting(1, seen, "good") for number in range(5)}
    pool = Pool(lanes({**tasks, **good}), stop)
    with running(pool, stop):
        assert eventually(lambda: seen.count("good") == 5)
        assert eventually(lambda: len(pool.at_work()) == count)
        released.set()


@pytest.mark.usefixtures("soon_slow")
def test_there_is_a_bound_to_all_threads(stop, released, monkeypatch):
    monkeypatch.setattr(module, "MOST_THREADS", 10)
    before, seen = threading.active_count(), []
    pool = Pool(lanes({str(number): hang(released, seen, number) for number in range(30)}), stop)
    with running(pool, stop):
        assert eventually(lambda: len(seen) == 10)
        time.sleep(0.5)
        assert len(seen) == 10
        assert threading.active_count() - before <= 10 + 1
        released.set()


@pytest.mark.usefixtures("soon_slow")
def test_threads_that_came_for_slow_steps_end_after_them(stop, released):
    before = threading.active_count()
    crowd = {f"hang{number}": hang(released) for number in range(3 * module.THREADS)}
    pool = Pool(lanes({**crowd, "rests": idle(stop, [], "")}), stop)
    with running(pool, stop):
        assert eventually(lambda: len(pool.at_work()) == 3 * module.THREADS)
        released.set()
        assert eventually(lambda: pool.unfinished() == ["rests"])
        assert eventually(lambda: threading.active_count() - before <= module.THREADS + 1)


def slow_at_first(*, then):
    """A task whose first step is slow, by the fixture `soon_slow`."""
    time.sleep(0.3)
    yield NOT_AT_ALL
    yield from then


@pytest.mark.usefixtures("soon_slow")
@pytest.mark.parametrize("bound", ["SUSPECT_THREADS", "LANE_SUSPECT_THREADS"])
def test_suspects_leave_threads_to_those_that_are_not(stop, released, monkeypatch, bound):
    monkeypatch.setattr(module, bound, 2)
    seen = []
    key = "server" if bound == "LANE_SUSPECT_THREADS" else None
    hung = {f"hang{number}": slow_at_first(then=hang(released, seen, "hang")) for number in range(5)}

    def late():
        yield Pause(1.5)
        yield from counting(3, seen, "late")

    tasks = lanes({**hung, "late": late()})
    pool = Pool({name: (steps, key or lane) for name, (steps, lane) in tasks.items()}, stop)
    with running(pool, stop):
        assert eventually(lambda: seen.count("late") == 3)
        assert seen.count("hang") == 2
        released.set()
        assert eventually(lambda: seen.count("hang") == 5)


@pytest.mark.usefixtures("soon_slow")
def test_a_task_is_suspect_no_more_once_a_step_of_it_was_not_slow(stop, released, monkeypatch):
    monkeypatch.setattr(module, "SUSPECT_THREADS", 1)
    seen, hung = [], []

    def hang_when_woken():
        yield UNTIL_WOKEN
        yield from hang(released, hung)

    tasks = {"recovers": slow_at_first(then=idle(stop, seen, "")), "hangs": slow_at_first(then=hang_when_woken())}
    pool = Pool(lanes(tasks), stop)
    with running(pool, stop):
        assert eventually(lambda: all(task.is_idle for task in pool._tasks.values()))
        assert not any(task.is_suspect for task in pool._tasks.values())
        pool.wake(["hangs"])
        assert eventually(lambda: hung)
        pool.wake(["recovers"])
        assert eventually(lambda: len(seen) == 2)
        released.set()


@pytest.mark.usefixtures("soon_slow")
def test_a_suspect_has_its_turn_among_many_that_are_not(stop, monkeypatch):
    monkeypatch.setattr(module, "LANE_THREADS", 1)
    seen = []

    def steps():
        time.sleep(0.3)
        yield NOT_AT_ALL
        seen.append("suspect")

    def busy():
        for _ in range(40):
            time.sleep(0.005)
            seen.append("busy")
            yield NOT_AT_ALL

    crowd = {f"busy{number}": (busy(), "server") for number in range(5)}
    Pool({"suspect": (steps(), "server"), **crowd}, stop).run()
    assert seen.count("suspect") == 1
    assert seen[-1] == "busy"


def test_more_threads_come_while_work_waits_and_the_processor_does_not(stop, released):
    count = module.THREADS
    pool = Pool(lanes({f"{number}": hang(released) for number in range(count)}), stop)
    with running(pool, stop):
        assert eventually(lambda: len(pool.at_work()) == count)
        released.set()


def test_no_more_threads_come_while_the_processor_is_busy(stop, monkeypatch):
    monkeypatch.setattr(module, "IDLE_PROCESSOR", 0.0)
    most = []

    def steps():
        for _ in range(20):
            most.append(len(pool.at_work()))
            time.sleep(0.01)
            yield NOT_AT_ALL

    pool = Pool(lanes({str(number): steps() for number in range(20)}), stop)
    pool.run()
    assert max(most) == module.EAGER_THREADS


def test_no_thread_comes_while_one_rests(stop, monkeypatch):
    monkeypatch.setattr(module, "IDLE_PROCESSOR", 100.0)
    before, most = threading.active_count(), []

    def steps():
        for _ in range(40):
            most.append(threading.active_count() - before)
            yield Pause(0.06)

    Pool(lanes({str(number): steps() for number in range(3)}), stop).run()
    assert max(most) < 2 * module.EAGER_THREADS


def test_a_system_that_allows_no_more_threads_is_made_do_with(stop, monkeypatch):
    start, started = threading.Thread.start, []

    def refusing(thread):
        if thread.name.startswith("parts-"):
            if started:
                raise RuntimeError("can't start new thread")
            started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refusing)
    seen = []
    Pool(lanes({name: counting(3, seen, name) for name in "abc"}), stop).run()
    assert sorted(seen) == [*"aaabbbccc"]


def test_a_system_that_allows_no_thread_at_all_is_said_to(stop, monkeypatch):
    def refusing(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refusing)
    with pytest.raises(RuntimeError, match="can't start"):
        Pool(lanes({"a": counting(1, [], "a")}), stop).run()


def test_stopping_waits_neither_for_a_time_nor_for_a_wake_up(stop):
    ended = []

    def waiting():
        yield Pause(3600.0)
        ended.append("waited")

    def resting():
        yield UNTIL_WOKEN
        ended.append("rested")

    def stubborn():
        while not stop.is_set():
            yield Pause(3600.0)
        yield Pause(3600.0)
        yield UNTIL_WOKEN
        ended.append("stubborn")

    pool = Pool(lanes({"a": waiting(), "b": resting(), "c": stubborn()}), stop)
    with running(pool, stop):
        assert eventually(lambda: pool.at_work() == [])
    assert sorted(ended) == ["rested", "stubborn", "waited"]
    assert pool.unfinished() == []


def test_stopping_waits_no_longer_than_it_may_and_what_is_left_goes_on_by_itself(stop, released):
    ended, entered = [], threading.Event()

    def hanging():
        entered.set()
        assert released.wait(PATIENCE)
        yield NOT_AT_ALL
        ended.append(1)

    pool = Pool(lanes({"a": hanging(), "b": idle(stop, [], "")}), stop)
    with running(pool, stop, seconds=0.1):
        assert entered.wait(PATIENCE)
    assert (pool.unfinished(), pool.at_work(), ended) == (["a"], ["a"], [])
    released.set()
    assert eventually(lambda: pool.unfinished() == [])
    assert ended == [1]


def test_a_bug_stops_everything_and_is_raised_in_the_end(stop):
    def buggy():
        yield NOT_AT_ALL
        raise ZeroDivisionError("bug")

    pool = Pool(lanes({"a": buggy(), "b": idle(stop, [], "")}), stop)
    pool.run()
    assert (stop.is_set(), pool.has_failed()) == (True, True)
    with pytest.raises(ZeroDivisionError):
        pool.end(PATIENCE)
    assert pool.unfinished() == []


def test_it_is_known_who_is_long_in_a_step_and_who_finds_no_thread(stop, released, monkeypatch):
    monkeypatch.setattr(module, "THREADS", 1)
    monkeypatch.setattr(module, "EAGER_THREADS", 1)
    seen = []

    def hang_when_woken():
        yield UNTIL_WOKEN
        yield from hang(released, seen, "hangs")

    pool = Pool(lanes({"hangs": hang_when_woken(), "waits": idle(stop, seen, "waits")}), stop)
    with running(pool, stop):
        assert eventually(lambda: seen == ["waits"] and pool.at_work() == [])
        pool.wake(["hangs"])
        assert eventually(lambda: "hangs" in seen)
        pool.wake(["waits"])
        assert eventually(lambda: pool.at_work(0.1) == ["hangs"])
        assert eventually(lambda: pool.kept_waiting(0.1) == ["waits"])
        assert pool.at_work(1000.0) == pool.kept_waiting(1000.0) == []
        released.set()
    assert pool.at_work() == pool.kept_waiting(0.0) == []


def test_those_that_wait_for_a_slow_server_are_not_kept_waiting(stop, released, monkeypatch):
    monkeypatch.setattr(module, "LANE_THREADS", 1)
    pool = Pool({name: (hang(released), "server") for name in ("first", "second")}, stop)
    with running(pool, stop):
        assert eventually(lambda: pool.at_work(0.2) == ["first"])
        assert pool.kept_waiting(0.0) == []
        released.set()


def test_its_threads_end_with_its_tasks(stop):
    before = threading.active_count()
    Pool(lanes({name: counting(3, [], name) for name in "abcdefgh"}), stop).run()
    assert eventually(lambda: threading.active_count() <= before)
