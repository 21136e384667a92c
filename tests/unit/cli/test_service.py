"""`iocstream run` as a service: one plan after another, and how many files it may have open."""

import gc
import itertools
import resource
import signal
import sys
import threading
import time
import weakref

import pytest

from connector.cli import service
from connector.cli.service import OPEN_FILES, Service, allow_open_files

PATIENCE = 20.0


@pytest.fixture
def often_switched():
    """Threads take turns at nearly every instruction."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("often_switched")
def test_a_configuration_that_is_taken_up_at_any_moment_ends_no_service(monkeypatch):
    taken = []

    def run(plan, *, stop, on_start):
        taken.append(plan)
        assert stop.wait(PATIENCE)
        return [plan]

    plans = itertools.count(1)
    monkeypatch.setattr(service.app, "run", run)
    monkeypatch.setattr(service.signal, "signal", lambda *_: None)
    monkeypatch.setattr(service, "_hung_up", lambda: False)
    at_work = Service(lambda: next(plans))
    thread = threading.Thread(target=lambda: at_work.run(0))
    thread.start()
    for number in range(1, 1001):
        at_work._receive(signal.SIGHUP, None)
        if number % 10 == 0:
            until = time.monotonic() + PATIENCE
            while taken[-1:] != [number]:
                assert thread.is_alive()
                assert time.monotonic() < until
    at_work._receive(signal.SIGTERM, None)
    thread.join(PATIENCE)
    assert not thread.is_alive()


class Plan:
    """As a plan that has run is: its parts refer to each other."""

    def __init__(self):
        self.itself = self


def test_a_former_configuration_is_not_kept_in_memory_beside_the_next(monkeypatch):
    plans, started = [], threading.Semaphore(0)

    def run(plan, *, stop, on_start):
        plans.append(weakref.ref(plan))
        on_start(None)
        started.release()
        assert stop.wait(PATIENCE)
        return []

    monkeypatch.setattr(service.app, "run", run)
    monkeypatch.setattr(service.signal, "signal", lambda *_: None)
    monkeypatch.setattr(service, "_hung_up", lambda: False)
    at_work = Service(Plan)
    thread = threading.Thread(target=lambda: at_work.run(Plan()))
    gc.disable()
    try:
        thread.start()
        for _ in range(3):
            assert started.acquire(timeout=PATIENCE)
            at_work._receive(signal.SIGHUP, None)
        assert started.acquire(timeout=PATIENCE)
        assert [plan() is not None for plan in plans] == [False, False, False, True]
    finally:
        gc.enable()
        at_work._receive(signal.SIGTERM, None)
        thread.join(PATIENCE)


@pytest.fixture
def soft_limit():
    """Sets the limit that a process may raise by itself, and puts it back."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda number: resource.setrlimit(resource.RLIMIT_NOFILE, (number, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_low_limit_is_raised_as_far_as_the_system_allows(soft_limit):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft_limit(512)
    allow_open_files()
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, hard)


def test_a_limit_that_is_high_enough_stays(soft_limit, monkeypatch):
    monkeypatch.setattr("connector.cli.service.OPEN_FILES", 100)
    soft_limit(512)
    allow_open_files()
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 512
