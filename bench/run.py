"""Measure, and print a line for each thing measured. A missed limit is shown; the exit code is 0 unless it breaks."""

import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version

import conversion
import guards
import journals
import pipeline
import size
import taxii
import tenants
from measure import Row

import receivers

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
    receivers.http,
    receivers.kafka,
    tenants.tenants,
    guards.guards,
    journals.beside_each_other,
]

_WIDTH = 72


def main() -> None:
    """Print a line for each thing measured: of all parts, or of those named as arguments."""
    names = [measure.__name__ for measure in MEASUREMENTS]
    unknown = set(sys.argv[1:]) - set(names)
    if unknown:
        raise SystemExit(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = [measure for measure in MEASUREMENTS if measure.__name__ in (sys.argv[1:] or names)]
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    machine = f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}"
    print(f"Speed and memory: Python {platform.python_version()}, {packages}; {machine}")
    print(f"{'':{_WIDTH}}{'measured':>16}{'limit':>14}", flush=True)
    for measure in chosen:
        for row in measure():
            met = {True: "  met", False: "  MISSED", None: ""}[row.met]
            print(f"{row.what:{_WIDTH}}{row.measured:>16}{row.limit:>14}{met}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
