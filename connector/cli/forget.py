"""`iocstream forget`: gives up what the journal holds for a route or source that is no longer configured."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connector.cli.command import DONE, FAILED, config_option, json_option, load, print_json

if TYPE_CHECKING:
    from connector.operations.forget import Kind

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415

_yes_option = click.option("--yes", is_flag=True, help="Forget without asking. Needed where nobody can answer.")


@click.group()
def forget() -> None:
    """Give up what the journal holds for a route or source that is no longer configured."""


@forget.command()
@click.argument("name")
@_yes_option
@config_option
@json_option
def route(name: str, path: Path, *, yes: bool, as_json: bool) -> int:
    """Forget the route NAME: its position, its dead letters, and what it has sent.

    Until then the journal keeps every notification that the route has not delivered. Of a route that is still
    configured, only the sources that it reads no more and the receivers that it sends to no more are forgotten.
    """
    return _forget("route", name, path, yes=yes, as_json=as_json)


@forget.command()
@click.argument("name")
@_yes_option
@config_option
@json_option
def source(name: str, path: Path, *, yes: bool, as_json: bool) -> int:
    """Forget the source NAME: its notifications, delivered or not, and how far it was read."""
    return _forget("source", name, path, yes=yes, as_json=as_json)


def _forget(kind: "Kind", name: str, path: Path, *, yes: bool, as_json: bool) -> int:
    from connector.cli.terminal import former_part
    from connector.operations import forget as forgetting

    plan = load(path, secrets=False)
    part = forgetting.held(plan, kind, name)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(f"{former_part(part)}; say --yes if that is meant")
        click.echo(former_part(part), err=True)
        if not click.confirm("Forget it for good?", err=True):
            click.echo("nothing was forgotten", err=True)
            return FAILED
    forgotten = forgetting.forget(plan, kind, name)
    if as_json:
        print_json(forgotten.model_dump(mode="json"))
    else:
        click.echo(f"forgot the {kind} {name}")
    return DONE
