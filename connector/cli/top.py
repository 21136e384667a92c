"""`iocstream top`: sources and routes as they are now, again and again."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connector.cli.command import config_option, json_option, load, stop_on_signals

if TYPE_CHECKING:
    from connector.monitoring.status import StatusReport

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


@click.command()
@click.option(
    "--every",
    type=click.FloatRange(0.2, 3600),
    default=2.0,
    show_default=True,
    help="Seconds between two looks into the journal.",
)
@click.option("--once", is_flag=True, help="Show the state after one interval, and exit.")
@config_option
@json_option
def top(every: float, path: Path, *, once: bool, as_json: bool) -> None:
    """Watch sources and routes live: how much comes and goes a minute, what waits, what is refused.

    At a terminal it is one picture that changes, until Ctrl-C; elsewhere, and with --json, a line for each source and
    route each time.
    """
    import orjson

    from connector.cli import terminal
    from connector.cli.rates import Rates
    from connector.operations import status as reporting

    plan = load(path, secrets=False)
    stop = stop_on_signals()

    def look() -> "StatusReport":
        return reporting.status(plan)

    rates = Rates(look(), time.monotonic())
    with terminal.Rolling(shows=sys.stdout.isatty() and not as_json and not once) as live:
        while not stop.wait(every):
            rows = rates.next(look(), time.monotonic())
            if as_json:
                sys.stdout.buffer.writelines(orjson.dumps(row) + b"\n" for row in rows)
                sys.stdout.buffer.flush()
            else:
                live.show(rows)
            if once:
                return
