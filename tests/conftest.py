"""What holds for every test."""

import gc

import hypothesis_profiles

hypothesis_profiles.load()


def pytest_collection_finish():
    """What has been imported and collected stays: looking through it again and again takes an eighth of a run."""
    gc.collect()
    gc.freeze()
