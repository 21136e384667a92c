"""Large answers and batches have room one after the other; what is usual, and what is alone, never waits."""

import contextlib
import threading
import time

import pytest

from connector import room as rooms
from connector.room import FREE, SMALL, Room

MANY = 2 * SMALL


@pytest.fixture
def room():
    return Room(most=6 * SMALL)


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
        assert room.take(SMALL)
        room.give_back()
        threading.Timer(0.2, other.end).start()
        began = time.monotonic()
        assert room.take(2 * MANY, seconds=10)
        assert time.monotonic() - began < 5


def test_who_needs_most_is_not_passed_by_by_those_who_need_less(room, other):
    with room.step():
        waiting = threading.Thread(target=lambda: Other(room, 10 * SMALL).__enter__().end())
        waiting.start()
        time.sleep(0.1)
        assert not room.take(SMALL + 1)
        other.end()
        waiting.join(10)
        assert not waiting.is_alive()
        assert room.take(SMALL + 1)


def test_a_step_that_is_alone_gets_more_than_there_is(room):
    for _ in range(2):
        with room.step():
            assert room.take(10 * SMALL)


def test_a_step_that_has_room_gets_the_rest_that_it_needs(room, other):
    with room.step():
        assert room.take(SMALL)
        assert room.take(10 * SMALL)


def test_a_step_that_could_do_without_more_gets_none_that_is_not_there(room, other):
    with room.step():
        assert room.take(SMALL)
        assert not room.take(10 * SMALL, can_wait=True)
        assert room.take(SMALL, what="something else")


def test_only_one_step_at_a_time_gets_more_than_there_is(room, other):
    got = []

    def need():
        with room.step():
            got.append(room.take(FREE + 1) and room.take(10 * SMALL))
            both.wait(10)

    both = threading.Barrier(2)
    threads = [threading.Thread(target=need) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(10)
    assert sorted(got) == [False, True]


def test_room_for_different_things_adds_up_and_for_the_same_does_not(room):
    with room.step():
        assert room.take(SMALL, what="a page")
        assert room.take(SMALL, what="a page")
        assert room.needed(SMALL, what="a page") == SMALL
        assert room.needed(1, what="its URLs") == SMALL + 1


def test_an_answer_that_keeps_others_waiting_is_cut(room, monkeypatch):
    monkeypatch.setattr(rooms, "HOLD_SECONDS", 0.0)
    monkeypatch.setattr(rooms, "_GLANCE_SECONDS", 0.05)
    cut = threading.Event()
    taken = threading.Event()

    def trickle():
        with room.step():
            room.take(6 * SMALL, cut=cut.set)
            taken.set()
            cut.wait(10)

    thread = threading.Thread(target=trickle)
    thread.start()
    assert taken.wait(10)
    with room.step():
        assert room.take(6 * SMALL, seconds=10)
    assert cut.is_set()
    thread.join(10)


def test_what_a_step_took_is_given_back_also_when_it_fails_whatever_room_it_is_of():
    with contextlib.suppress(KeyError), rooms.step():
        assert rooms.PAGES.take(SMALL + 1)
        assert rooms.DECODED.take(SMALL + 1)
        raise KeyError
    with rooms.step():
        assert rooms.PAGES.take(rooms.MOST_PAGES // 2)


def test_what_a_step_took_is_given_back_also_when_it_fails(room):
    with contextlib.suppress(KeyError), room.step():
        assert room.take(3 * SMALL)
        raise KeyError
    with Other(room):
        pass


def test_what_is_no_step_does_not_ask(room, other):
    assert room.take(10 * SMALL)
