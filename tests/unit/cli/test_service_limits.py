"""How many files `iocstream run` may have open."""

import resource

import pytest

from connector.cli.service import OPEN_FILES, allow_open_files


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
