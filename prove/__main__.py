"""Run the proofs and print one table: `python -m prove [--quick] [PART …]`; exit code 1 when a promise is broken."""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from prove import disks, faults, fuzz, hostile, kills, leaks, storms
from prove.canaries import Sweep
from prove.figures import Figure, NotProven, must

PARTS = {part.__name__.rpartition(".")[2]: part for part in (kills, faults, storms, disks, hostile, fuzz, leaks)}


def main() -> int:
    """Every part in turn, then the search of all that they left for secrets."""
    parser = argparse.ArgumentParser(prog="prove", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short form of each part")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of all that is left to chance")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"out of {', '.join(PARTS)}; all by default")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.parts if name not in PARTS]:
        parser.error(f"there is no part {unknown[0]}; there is {', '.join(PARTS)}")
    console = Console()
    table = Table(title=f"What was proven (seed {chosen.seed})")
    for heading in ("", "measured", "promised", ""):
        table.add_column(heading, overflow="fold")
    sweep, broken = Sweep(), 0
    for name in chosen.parts or PARTS:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                figures = PARTS[name].prove(Path(folder), chosen.seed, quick=chosen.quick, sweep=sweep)
            except NotProven as missing:
                figures = [must(name, f"could not be run: {missing}", "", kept=False)]
        broken += _add(table, figures)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    found = must(
        "Secrets in what all this left behind",
        f"{len(sweep.found)} in {sweep.files:,} files, {sweep.bytes / 2**20:,.0f} MiB",
        "0",
        kept=not sweep.found,
    )
    broken += _add(table, [found])
    console.print(table)
    for where in sweep.found[:20]:
        console.print(where, markup=False)
    return 1 if broken else 0


def _add(table: Table, figures: list[Figure]) -> int:
    words = {True: "kept", False: "BROKEN", None: ""}
    for figure in figures:
        table.add_row(figure.what, figure.measured, figure.promise, words[figure.kept])
    return sum(figure.kept is False for figure in figures)


if __name__ == "__main__":
    sys.exit(main())
