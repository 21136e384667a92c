"""`iocstream serve`: the page, the actions and the collections over HTTP."""

from pathlib import Path

import click

from connector.cli.allocation import keep_memory_small
from connector.cli.command import DONE, config_option, extra, load, stop_on_signals

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


@click.command()
@config_option
def serve(path: Path) -> int:
    """Serve the page and the actions over HTTP until SIGTERM: /, POST /actions/NAME, /openapi.json, /docs.

    It only answers. To fetch and deliver all the time, run `iocstream run` with the same configuration; otherwise the
    action `poll` fetches and delivers when it is called. Needs the extra of the package:
    pip install 'iocstream-connector[server]'
    """
    from connector import telemetry

    with extra("server", "the server"):
        from connector.server import listener
    keep_memory_small()
    plan = load(path)
    telemetry.configure()
    listener.serve(plan, stop_on_signals())
    return DONE
