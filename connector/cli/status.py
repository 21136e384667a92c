"""`iocstream status`: where every source and route is."""

from pathlib import Path

import click

from connector.cli.command import config_option, json_option, load, print_json

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


@click.command()
@config_option
@json_option
def status(path: Path, *, as_json: bool) -> None:
    """Show the status of sources and routes: watermark, lag, quota, position, backlog, dead letters; and of tokens."""
    from connector.cli import terminal, token
    from connector.operations import status as reporting

    plan = load(path, secrets=False)
    report = reporting.status(plan)
    tokens = [each.as_json() for each in plan.token_file().listed()]
    if as_json:
        print_json({**report.as_json(), "tokens": tokens})
    else:
        terminal.show_status(report)
        if tokens:
            token.show(tokens)
