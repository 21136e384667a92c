"""Times of several ways to do one thing, taken in turns so that a busy moment of the machine hits them all."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

ROUNDS = 21

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


def medians(ways: Mapping[str, Callable[[T], object]], given: Callable[[], T]) -> dict[str, float]:
    """Median seconds of processor time of one call of each way, over rounds in which each has its turn.

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
    return {name: statistics.median(taken) for name, taken in times.items()}
