"""What holds for every test."""

import gc
import os
import shutil
from pathlib import Path

import hypothesis_profiles
import pytest

hypothesis_profiles.load()

pytest.register_assert_rewrite("connector.contract", "integration.validators")

MEMORY = Path("/dev/shm")
ROOM_BYTES = 2 * 2**30
UNIT = Path(__file__).parent / "unit"

# What a test writes need not survive that the machine loses its power, and to wait for a disk takes longer than most
# tests: their folders are in memory, where there is room.
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM_BYTES:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_sessionstart(session):
    is_controller = session.config.getoption("numprocesses", None) and not hasattr(session.config, "workerinput")
    # What mutmut changes has to run in each test anew, or the test would not notice it.
    if not is_controller and "MUTANT_UNDER_TEST" not in os.environ:
        import shared_work  # the product with it, which takes a second

        shared_work.share()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items):
    """A module of unit tests goes to one worker: to hand over its tests one by one takes longer than most of them."""
    for item in items:
        if UNIT in item.path.parents:
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(UNIT).as_posix()))


def pytest_collection_finish():
    """What has been imported and collected stays: looking through it again and again takes an eighth of a run.

    So does looking every few hundred objects through mappings and journals that tests share.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
