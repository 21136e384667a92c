"""`iocstream demo`: everything on this machine only. What it does is in `demonstration`."""

import sys
from pathlib import Path

import click

from connector.cli.command import extra, json_option, stop_on_signals

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


@click.command()
@click.option(
    "--count",
    type=click.IntRange(1, 100_000),
    default=400,
    show_default=True,
    help="How many notifications to simulate.",
)
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path, file_okay=False), default="demo", show_default=True,
    help="Folder for the files that the demo writes. It replaces those of an earlier demo, and no others.",
)  # fmt: skip
@click.option(
    "--no-serve", is_flag=True, help="End with the table and serve no page. Without a terminal that is always so."
)
@json_option
def demo(count: int, folder: Path, *, no_serve: bool, as_json: bool) -> None:
    """Run everything with a simulated VirusTotal and two receivers, on this machine only.

    At a terminal it ends by serving a page on loopback, until Ctrl-C. Needs the extra of the package:
    pip install 'iocstream-connector[demo]'
    """
    with extra("demo", "the demonstration"):
        from connector.cli import demonstration

    serves = sys.stdout.isatty() and not no_serve and not as_json
    demonstration.demonstrate(folder, count, stop_on_signals if serves else None, as_json=as_json)
