"""Times of several ways to do one thing, taken in turns so that a busy moment of the machine hits them all."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

ROUNDS = 31

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        what: what was measured, and against what.
        measured: as text, with its unit.
        limit: as text, with its unit; empty when there is none.
        met: whether the limit was kept; None when there is none.
    """

    what: str
    measured: str
    limit: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """How long several ways took, in seconds of processor time: of each one call a round."""

    of: Mapping[str, Sequence[float]]

    def median(self, way: str) -> float:
        """Of a call, in seconds."""
        return statistics.median(self.of[way])

    def ratio(self, way: str, other: str) -> float:
        """How many times as long as another a way took: the median of all rounds, in each of which both were near."""
        return statistics.median(one / two for one, two in zip(self.of[way], self.of[other], strict=True))


def taken(ways: Mapping[str, Callable[[T], object]], given: Callable[[], T]) -> Times:
    """Times of several ways, over rounds in which each has its turn.

    Args:
        ways: what is measured, by name.
        given: makes what the next call is about: each time something else, which nobody has seen before.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for call in ways.values():
        call(given())
    gc.collect()
    gc.disable()
    try:
        for turn in range(ROUNDS):
            # Whoever goes first finds the processor's caches cold.
            order = list(ways)[turn % len(ways) :] + list(ways)[: turn % len(ways)]
            for name in order:
                work = given()
                started = time.process_time()
                ways[name](work)
                times[name].append(time.process_time() - started)
    finally:
        gc.enable()
    return Times(times)
