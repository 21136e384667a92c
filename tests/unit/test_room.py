"""Large answers and batches have room one after the other; what is usual, and what is alone, never waits."""

import contextlib
import threading
import time

import pytest

from connector.room import FREE, Room

MANY = 2 * FREE


@pytest.fixture
def room():
    return Room(most=4 * FREE)


@pytest.fixture
def other(room):
    """Another step, which takes and lets go as it is told."""
    with Other(room) as other:
        yield other


class Other:
    def __init__(self, room, count=MANY):
        self._count = count
        self._room, self._taken, self._end = room, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._step)

    def _step(self):
        with self._room.step():
            assert self._room.take(self._count, seconds=10)
            self._taken.set()
            self._end.wait(10)

    def __enter__(self):
        self._thread.start()
        assert self._taken.wait(10)
        return self

    def end(self):
        self._end.set()
        self._thread.join(10)

    def __exit__(self, *error):
        self.end()


def test_what_needs_little_never_waits(room, other):
    with room.step():
        assert room.take(FREE)


def test_what_needs_much_waits_until_another_step_has_ended(room, other):
    with room.step():
        assert not room.take(2 * MANY)
        threading.Timer(0.2, other.end).start()
        began = time.monotonic()
        assert room.take(2 * MANY, seconds=10)
        assert time.monotonic() - began < 5


def test_who_needs_most_is_not_passed_by_by_those_who_need_less(room, other):
    with room.step():
        waiting = threading.Thread(target=lambda: Other(room, 10 * FREE).__enter__().end())
        waiting.start()
        time.sleep(0.1)
        assert not room.take(FREE + 1)
        other.end()
        waiting.join(10)
        assert not waiting.is_alive()
        assert room.take(FREE + 1)


def test_a_step_that_is_alone_gets_more_than_there_is(room):
    for _ in range(2):
        with room.step():
            assert room.take(10 * FREE)


def test_a_step_that_has_room_gets_the_rest_that_it_needs(room, other):
    with room.step():
        assert room.take(FREE + 1)
        assert room.take(10 * FREE)


def test_what_a_step_took_is_given_back_also_when_it_fails(room):
    with contextlib.suppress(KeyError), room.step():
        assert room.take(3 * FREE)
        raise KeyError
    with Other(room):
        pass


def test_what_is_no_step_does_not_ask(room, other):
    assert room.take(10 * FREE)
