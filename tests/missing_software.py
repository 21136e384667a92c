"""Software that a test needs and this machine lacks: the test is skipped, and in continuous integration it fails."""

import os
from contextlib import contextmanager

import pytest


class Missing(Exception):
    """Something is not installed; the message says what, and what installs it."""


@contextmanager
def or_skip():
    """Skip the test when the block raises `Missing`; fail it where `CI` is set."""
    try:
        yield
    except Missing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
