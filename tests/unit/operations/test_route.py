"""Work on command ends as it does, or in time when the program is to end."""

import threading
import time

import pytest

from connector.configuration import NotFound
from connector.model import Misconfigured
from connector.operations.route import Interrupted, open_route, until_stopped


def test_work_gives_what_it_returns_and_raises_what_it_raises():
    assert until_stopped(lambda: 7, threading.Event(), 0.0) == 7
    with pytest.raises(Misconfigured, match="no good"):
        until_stopped(failing, threading.Event(), 0.0)


def failing():
    raise Misconfigured("no good")


def test_work_that_hangs_is_left_behind_once_the_time_to_stop_is_over():
    stop, never = threading.Event(), threading.Event()
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        until_stopped(lambda: never.wait(20), stop, 0.3)
    assert 0.4 <= time.monotonic() - began < 5
    never.set()


def test_work_that_ends_within_the_time_to_stop_is_waited_for():
    stop = threading.Event()
    stop.set()
    assert until_stopped(lambda: time.sleep(0.2) or "done", stop, 10.0) == "done"


def test_the_sink_of_a_route_is_closed_whatever_happens(world):
    with pytest.raises(Misconfigured), open_route(world.plan, "all", Collections(), threading.Event()):
        raise Misconfigured("no good")
    assert world.receivers["all"].closed == 1


class Collections:
    collections = None


def test_a_route_that_there_is_not_is_named_with_those_that_there_are(world):
    with pytest.raises(NotFound, match="there is no route 'none'; there is all, hunted"):
        world.plan.route("none")
    with pytest.raises(NotFound, match="there is no source 'none'; there is saved"):
        world.plan.source("none")
