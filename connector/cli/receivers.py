"""`iocstream receivers`: what an HTTP sink can send to, and the file that says how."""

from typing import TYPE_CHECKING

import click

from connector.cli.command import json_option, print_json

if TYPE_CHECKING:
    from connector.sinks.http.receiver_file import ReceiverFile

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


@click.group()
def receivers() -> None:
    """Show what a sink of `type: http` can send to; docs/receivers.md says how to describe another."""


@receivers.command(name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the receivers that come along."""
    from connector.cli import terminal
    from connector.sinks.http import receiver_file

    found = {name: receiver_file.read(path)[1] for name, path in receiver_file.bundled().items()}
    if as_json:
        print_json([{"name": name, **_described(each)} for name, each in found.items()])
        return
    rows = [
        (name, ", ".join(each.takes or ["any"]), ", ".join(each.options), each.description)
        for name, each in found.items()
    ]
    terminal.table("Receivers", ("to", "takes", "options", "what it is"), rows)


@receivers.command()
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Print the file of a receiver, to copy and change."""
    from connector.sinks.http import receiver_file

    if as_json:
        print_json({"name": name, **_described(receiver_file.read(receiver_file.path_of(name))[1])})
        return
    click.echo(receiver_file.path_of(name).read_text("utf-8"), nl=False)


def _described(file: "ReceiverFile") -> dict[str, object]:
    return {
        "description": file.description,
        "documentation": file.documentation,
        "takes": file.takes,
        "url": file.url,
        "options": {name: option.model_dump() for name, option in file.options.items()},
    }
