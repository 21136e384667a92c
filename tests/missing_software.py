"""What a test needs and this machine lacks: on a user's machine the test skips, in continuous integration it fails."""

import os
from contextlib import contextmanager

import pytest


class Missing(Exception):
    """Something is not installed; the message says what, and what installs it."""


@contextmanager
def or_skip():
    """Skip for what turns out to be missing in the block; where `CI` is set, fail."""
    try:
        yield
    except Missing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
