"""Measure, and print one table. A missed limit is shown in it; the exit code is 0 unless something breaks."""

import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version

import conversion
import guards
import pipeline
import size
import taxii
import tenants
from measure import Row
from rich.console import Console
from rich.table import Table

PACKAGES = ("orjson", "jmespath", "stix2", "cefevent", "fastapi", "uvicorn")

MEASUREMENTS: list[Callable[[], list[Row]]] = [
    conversion.stix,
    conversion.cef,
    conversion.others,
    pipeline.memory,
    pipeline.start_up,
    size.size,
    size.dry_run,
    taxii.taxii,
    tenants.tenants,
    guards.guards,
]


def main() -> None:
    """Print a line for each thing measured: of all parts, or of those named as arguments."""
    names = [measure.__name__ for measure in MEASUREMENTS]
    unknown = set(sys.argv[1:]) - set(names)
    if unknown:
        raise SystemExit(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = [measure for measure in MEASUREMENTS if measure.__name__ in (sys.argv[1:] or names)]
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    machine = f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}"
    table = Table(title="Speed and memory", caption=f"Python {platform.python_version()}, {packages}; {machine}")
    for heading, justify in (("", "left"), ("measured", "right"), ("limit", "right"), ("", "left")):
        table.add_column(heading, justify=justify)
    for measure in chosen:
        for row in measure():
            table.add_row(row.what, row.measured, row.limit, {True: "met", False: "MISSED", None: ""}[row.met])
    Console().print(table)


if __name__ == "__main__":
    main()
