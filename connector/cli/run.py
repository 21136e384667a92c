"""`iocstream run`: fetch and deliver. As a service it is in `service`."""

import sys
from pathlib import Path

import click

from connector.cli.allocation import keep_memory_small
from connector.cli.command import (
    config_option,
    exit_code,
    json_option,
    load,
    part_json,
    print_json,
    print_parts,
    sinks_use_stdout,
    stop_on_signals,
)

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


@click.command()
@config_option
@click.option("--once", is_flag=True, help="Fetch what is new, deliver what is pending, and exit.")
@json_option
def run(path: Path, *, once: bool, as_json: bool) -> int:
    """Fetch and deliver until SIGTERM; SIGHUP takes up a changed configuration."""
    from connector import app, configuration, telemetry
    from connector.cli import terminal
    from connector.cli.service import Service, allow_open_files

    keep_memory_small()
    plan = load(path)
    allow_open_files()
    uses_stdout = sinks_use_stdout(plan, as_json=as_json)
    if once and sys.stderr.isatty():
        with terminal.PartProgress() as progress:
            telemetry.configure(level="WARNING")
            parts = app.run(plan, once=True, stop=stop_on_signals(), on_progress=progress)
    elif once:
        telemetry.configure()
        parts = app.run(plan, once=True, stop=stop_on_signals())
    else:
        telemetry.configure()
        parts = Service(lambda: configuration.load(path)).run(plan)
    if as_json:
        print_json([part_json(part) for part in parts])
    elif once:
        print_parts(parts, err=uses_stdout)
    return exit_code(parts, once=once)
