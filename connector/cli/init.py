"""`iocstream init`: a configuration to start from."""

import os
from importlib import resources
from pathlib import Path

import click

from connector.cli.command import config_option, json_option, print_json


@click.command()
@config_option
@json_option
def init(path: Path, *, as_json: bool) -> None:
    """Write a commented configuration file to start from."""
    try:
        # For its owner alone: sooner or later somebody writes a key into it.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(resources.files("connector.cli").joinpath("init.yaml").read_text("utf-8"))
    except FileExistsError:
        raise click.UsageError(f"{path} exists already; move it away or name another with --config") from None
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None
    if as_json:
        print_json({"wrote": str(path)})
        return
    click.echo(f"wrote {path}\nnext: set VT_API_KEY, then `iocstream check` and `iocstream run`")
