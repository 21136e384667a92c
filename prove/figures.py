"""What a proof measured, and whether it is what was promised."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        what: what was done.
        measured: as text, with its unit.
        promise: as text; empty when nothing is promised and the figure merely tells.
        kept: whether the promise was kept; None when there is none.
    """

    what: str
    measured: str
    promise: str = ""
    kept: bool | None = None


def lost(what: str, count: int, of: int, unit: str = "notifications") -> Figure:
    """The commonest figure: how many were lost. The promise is none."""
    return Figure(what, f"{count} of {of:,} {unit} lost", "0", kept=count == 0)


def must(what: str, measured: str, promise: str, *, kept: bool) -> Figure:
    """A figure with a promise."""
    return Figure(what, measured, promise, kept)


def broken(figures: Iterable[Figure]) -> list[Figure]:
    """Those whose promise was not kept."""
    return [figure for figure in figures if figure.kept is False]
