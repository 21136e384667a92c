"""`iocstream convert`: notifications from a file, converted without a journal."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connector.cli.command import DONE, FAILED, chosen_withholding, guards_option, guards_route_option, open_input
from connector.values.display import printable

if TYPE_CHECKING:
    from connector.model import Message

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), default="-")
@click.option(
    "-m",
    "--mapping",
    "using",
    default="stix21",
    show_default=True,
    help="A bundled mapping by name, or the path of a file.",
)
@click.option("-p", "--profile", help="Name of a profile of the mapping, such as opencti, sentinel or arcsight.")
@click.option("-o", "--overlay", "overlays", multiple=True, help="File that changes the mapping; may be repeated.")
@guards_option
@guards_route_option
def convert(
    file: Path,
    *,
    using: str,
    profile: str | None,
    overlays: Sequence[str],
    guards_from: Path | None,
    guards_route: str | None,
) -> int:
    """Convert notifications from FILE (or stdin) to STIX or CEF on stdout, without a journal.

    FILE holds an API page, a list, a single object or JSON Lines, in either shape of a notification. What cannot be
    converted, such as a broken line of JSON Lines, is named on stderr; the rest is still converted, and the exit code
    is 1. With --config, what its guards suppress or its journal knows to be judged wrong is not converted, and named
    on stderr, too.
    """
    from connector import configuration
    from connector.formats.stix.bundle import bundle
    from connector.operations.convert import convert as converted
    from connector.sources.file.source import read_bodies

    troubles = read = wanted = made_nothing = 0

    def tell(trouble: object) -> None:
        nonlocal troubles
        troubles += 1
        click.echo(f"not converted: {printable(str(trouble))}", err=True)

    newest: dict[str, Message] = {}
    output = sys.stdout.buffer
    as_bundle = configuration.load_mapping(using, None, profile, overlays).format_name == "stix"
    with open_input(file) as stream, chosen_withholding(guards_from, guards_route) as withheld:
        bodies = read_bodies(stream, str(file), tell)
        guards, judged = withheld
        for conversion in converted(bodies, using, profile=profile, overlays=overlays, guards=guards, judged=judged):
            read += 1
            wanted += conversion.wanted
            made_nothing += conversion.made_nothing
            if conversion.refusal:
                item = conversion.entry
                tell(f"notification {item.notification.id}, number {item.seq}: {conversion.refusal}")
            elif conversion.withheld:
                held_back = f"notification {conversion.entry.notification.id}: {conversion.withheld.reason}"
                click.echo(f"held back: {printable(held_back)}", err=True)
            elif as_bundle:
                newest |= {message.id: message for message in conversion.messages}
            else:
                output.writelines(message.body + b"\n" for message in conversion.messages)
    if newest:
        output.write(bundle(newest.values()) + b"\n")
    output.flush()
    if troubles:
        click.echo(f"{troubles} not converted", err=True)
    if made_nothing:
        click.echo(
            f"the mapping made nothing of {made_nothing} of {read} notifications: a path in it may be misspelt",
            err=True,
        )
    if not (wanted or troubles):
        where = "the input" if str(file) == "-" else str(file)
        said = f"the mapping is for none of the {read} notifications" if read else "there is no notification"
        click.echo(f"{said} in {where}", err=True)
    return FAILED if troubles or read == made_nothing else DONE
