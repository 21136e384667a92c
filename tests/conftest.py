"""What holds for every test."""

import gc
import os
import shutil
from pathlib import Path

import hypothesis_profiles

hypothesis_profiles.load()

MEMORY = Path("/dev/shm")
ROOM_BYTES = 2 * 2**30

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


def pytest_collection_finish():
    """What has been imported and collected stays: looking through it again and again takes an eighth of a run."""
    gc.collect()
    gc.freeze()
