"""What the suite asks of the place that a journal keeps things in."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import pytest

from connector.ports import Journal


class Store(Protocol):
    """An empty place for a journal."""

    def open(self, clock: Callable[[], float] = time.time, *, ledger_days: int = 400) -> Journal:
        """A journal on it, as often as one likes; what one has stored another finds. `clock` gives Unix seconds."""


@runtime_checkable
class DamagedStore(Store, Protocol):
    """A store whose content a test can change behind the journal's back, as a failing disk would."""

    def garble(self, seq: int, column: str, value: object) -> None:
        """Change what is stored of an entry: its `body`, its `date` or its `notification_id`."""

    def garble_objects(self, numbers: Sequence[int]) -> None:
        """Change a bit of the stored objects of collections with these numbers, in the order they were added."""


class OnStore:
    """Tests of a journal: derived classes say on which store."""

    def make_store(self, folder: Path) -> Store:
        """An empty store, in a folder of its own if it likes."""
        raise NotImplementedError

    def make_damaged_store(self, folder: Path) -> DamagedStore:
        """The same, for tests of what the disk garbles; those are skipped where no test can."""
        store = self.make_store(folder)
        if not isinstance(store, DamagedStore):
            pytest.skip("nothing that this journal has stored can be garbled by a test")
        return store
