"""`iocstream guarded`: what known-good lists say of a value, and what was held back for them."""

from pathlib import Path

import click

from connector.cli.command import config_option, json_option, load, print_json
from connector.values.display import printable

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


@click.group()
def guarded() -> None:
    """See what known-good lists guard, and why."""


@guarded.command("list")
@config_option
@click.option("-r", "--route", help="Only what this route has held back. Without it: all.")
@click.option("-l", "--list", "list_name", help="Only what this list has held back, by its name. Without it: all.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many values to list at most."
)
@json_option
def list_(path: Path, route: str | None, list_name: str | None, limit: int, *, as_json: bool) -> None:
    """List what is not said to be bad because a known-good list has it, with the notification: the newest first."""
    from connector.cli import terminal
    from connector.operations import guards

    found = guards.held_back(load(path, secrets=False), route, list_name, limit)
    if as_json:
        print_json(found)
    elif not found:
        click.echo("nothing is held back for a known-good list")
    else:
        columns = ("route", "notification", "raised", "value", "as", "list", "entry")
        rows = [tuple(each[column] for column in columns) for each in found]
        terminal.table("Held back for known-good lists", columns, rows)


@guarded.command()
@click.argument("value")
@config_option
@json_option
def check(value: str, path: Path, *, as_json: bool) -> None:
    """Say which list guards VALUE, where it stands there and what comes of it: of a host, address, URL or hash."""
    from connector.operations import guards

    found = guards.look(load(path, secrets=False), value)
    if as_json:
        print_json(guards.as_json(value, found))
    elif not found:
        click.echo(f"no list guards {printable(value)} ({guards.kind(value) or 'no host, address, URL or hash'})")
    for each in [] if as_json else found:
        where = " and ".join(
            f"{what} {name}" for what, name in (("route", each.route), ("source", each.source)) if name
        )
        what = "named by a notification" if each.is_derived else "that a notification is about"
        effect = each.effect if each.confidence is None else f"{each.effect}, confidence at most {each.confidence}"
        place = f"{each.file}:{each.line}" if each.line else each.file
        click.echo(f"{where or 'everywhere'}: a value {what}: {effect}")
        click.echo(f"    on the list {each.list}, as {each.entry}: {place}")
        if each.exception is not None:
            click.echo(f"    but not guarded: {each.exception} is an exception")
