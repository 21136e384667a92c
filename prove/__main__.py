"""Run the proof and print one table; exit 1 when a promise is broken or a part could not be run."""

import argparse
import contextlib
import importlib
import itertools
import os
import platform
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from prove import reliability_page
from prove.canaries import Sweep
from prove.figures import Figure, broken, must
from prove.parties import Missing

PARTS = (
    "kills",
    "receivers",
    "withdrawals",
    "faults",
    "storms",
    "operation",
    "disks",
    "hostile",
    "backlog",
    "fuzz",
    "leaks",
)
TOGETHER = (
    (("kills", "storms", "disks", "hostile"), ("receivers", "faults", "backlog", "operation", "withdrawals")),
    (("fuzz",),),
    (("leaks",),),
)
"""What runs side by side: the second lane mostly waits. The last part tells what was searched of all others."""
VERDICT = {True: "kept", False: "BROKEN", None: ""}


def main() -> int:
    """Parse the command line, run the parts, print the table."""
    parser = argparse.ArgumentParser(prog="python -m prove", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short form")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part; may be given several times")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="of all that is random")
    parser.add_argument("--into", type=Path, help="a page to write the figures into: docs/reliability.md")
    parser.add_argument("--keep", type=Path, help="a folder for what the runs leave behind; default: none is kept")
    options = parser.parse_args()
    if options.into and options.quick:
        parser.error("the figures of the short form belong into no page")
    console = Console(width=None if sys.stdout.isatty() else 160, file=os.fdopen(os.dup(1), "w"))
    console.print(f"seed {options.seed}; what cannot be run here says why")
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prove-")))
        folder.mkdir(parents=True, exist_ok=True)
        # What servers and connectors print goes to a file, which --keep keeps.
        chatter = stack.enter_context((folder / "chatter.log").open("w"))
        stack.enter_context(contextlib.redirect_stdout(chatter))
        stack.enter_context(contextlib.redirect_stderr(chatter))
        sweep = Sweep()
        figures: dict[str, list[Figure]] = {}
        took: dict[str, float] = {}

        def run(lane: Sequence[str]) -> Sweep:
            mine = Sweep()
            for name in lane:
                started = time.monotonic()
                searched = sweep if name == "leaks" else mine
                figures[name] = _figures(name, folder, options.seed, searched, quick=options.quick)
                took[name] = time.monotonic() - started
                # A run that is cut short has said what it found.
                _show(console, {name: figures[name]}, f"{name}: {took[name]:.0f} s")
            return mine

        wanted = options.only or PARTS
        begun = time.monotonic()
        for lanes in TOGETHER:
            with ThreadPoolExecutor(len(lanes)) as pool:
                for searched in pool.map(run, [[name for name in lane if name in wanted] for lane in lanes]):
                    sweep.add(searched)
    _show(console, {name: figures[name] for name in PARTS if name in figures}, "The proof")
    if options.into:
        whole = {name: figures[name] for name in PARTS if name in figures}
        reliability_page.write(options.into, options.seed, (time.monotonic() - begun) / 60, whole, took)
    return 1 if broken(itertools.chain.from_iterable(figures.values())) else 0


def _figures(name: str, folder: Path, seed: int, sweep: Sweep, *, quick: bool) -> list[Figure]:
    prove: Callable[..., list[Figure]] = importlib.import_module(f"prove.{name}").prove
    try:
        return prove(folder, seed, quick=quick, sweep=sweep)
    except Missing as missing:
        return [must(name, f"not run: {missing}", "to be run", kept=False)]
    except Exception as error:  # noqa: BLE001 -- the other parts have their say all the same
        traceback.print_exc()
        where = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {error}"
        return [must(name, f"did not finish: {what[:300]}", "to finish", kept=False)]


def _show(console: Console, figures: dict[str, list[Figure]], title: str) -> None:
    machine = (
        f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}"
    )
    table = Table(title=title, caption=machine)
    for heading in ("", "what", "measured", "promised", ""):
        table.add_column(heading)
    for name, found in figures.items():
        for number, figure in enumerate(found):
            verdict = VERDICT[figure.kept]
            table.add_row("" if number else name, figure.what, figure.measured, figure.promise, verdict)
        table.add_section()
    console.print(table, markup=False)


if __name__ == "__main__":
    sys.exit(main())
