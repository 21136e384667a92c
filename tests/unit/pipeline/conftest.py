"""A journal, a receiver, and a route of STIX or of events into it."""

import pytest
from pipeline_receivers import Clock, Sink, opened, route_into


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def journal(tmp_path, clock):
    with opened(tmp_path, clock) as journal:
        yield journal


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def stix(sink):
    return route_into(sink, "stix21")


@pytest.fixture
def cef(sink):
    return route_into(sink, "cef")
