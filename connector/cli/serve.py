"""`iocstream serve`: the page, the actions and the collections over HTTP."""

from pathlib import Path

import click

from connector.cli.command import DONE, config_option, load, stop_on_signals

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


@click.command()
@config_option
def serve(path: Path) -> int:
    """Serve the page and the actions over HTTP until SIGTERM: /, POST /actions/NAME, /openapi.json, /docs.

    It only answers. `iocstream run` beside it, on the same configuration, fetches and delivers all the time; without
    it the action `poll` does so whenever it is called. Needs the extra of the package:
    pip install 'iocstream-connector[server]'
    """
    from connector import telemetry

    try:
        from connector.server import listener
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "connector":
            raise
        raise click.UsageError(
            f"the server needs {error.name}, which is not installed: pip install 'iocstream-connector[server]'"
        ) from None
    plan = load(path)
    telemetry.configure()
    listener.serve(plan, stop_on_signals())
    return DONE
