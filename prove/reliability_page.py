"""The figures of a run, written into a page between its marks: `docs/reliability.md` has no figure by hand."""

import os
import platform
import re
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from prove.figures import Figure

_MARKS = "<!-- figures of {0} -->\n", "\n<!-- end of {0} -->"


def write(
    page: Path, seed: int, minutes: float, figures: Mapping[str, Sequence[Figure]], took: Mapping[str, float]
) -> None:
    """Replace what stands between the marks of each part, and of the run when all parts were run.

    Args:
        page: of Markdown, with `<!-- figures of NAME -->` and `<!-- end of NAME -->` for each part, and for `run`.
        seed: of the run.
        minutes: how long all of it took.
        figures: by the name of the part.
        took: the seconds of each part.

    Raises:
        ValueError: the page has no marks for a part.
    """
    text = page.read_text("utf-8")
    for name, found in figures.items():
        lines = [f"`make prove PART={name} SEED={seed}`, {took[name]:.0f} s.", "", *_table(found)]
        text = _between(text, name, "\n".join(lines))
    if figures.keys() == _parts(text):
        text = _between(text, "run", _run(seed, minutes))
    page.write_text(text, "utf-8")


def _parts(text: str) -> set[str]:
    """The parts that a page has figures of."""
    return set(re.findall("<!-- figures of ([a-z]+) -->", text)) - {"run"}


def _run(seed: int, minutes: float) -> str:
    return (
        f"One run of `make prove SEED={seed}`, {minutes:.0f} minutes, on {platform.system()} {platform.machine()},\n"
        f"{os.cpu_count()} processors, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}."
    )


def _table(figures: Sequence[Figure]) -> list[str]:
    rows = [("what", "measured", "promised"), ("---", "---", "---")]
    rows += [(each.what, each.measured, each.promise) for each in figures]
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]


def _between(text: str, name: str, content: str) -> str:
    begin, end = (re.escape(mark.format(name)) for mark in _MARKS)
    changed, count = re.subn(f"({begin}).*?({end})", lambda found: found[1] + content + found[2], text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"the page must have the marks of {name} once, and has them {count} times")
    return changed
