"""`iocstream init`: a configuration to start from."""

import os
import re
import sys
from importlib import resources
from pathlib import Path

import click

from connector.cli.command import config_option, json_option, print_json
from connector.cli.templates import TEMPLATES, configuration, reference

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415

_A_REFERENCE = re.compile(r"\$\{[^{}\s]+\}|[A-Za-z_][A-Za-z0-9_]*|\S*/\S*")
_KEY_DIGITS = re.compile(r"[0-9a-fA-F]{64}")
"""What an API key of VirusTotal looks like."""


@click.command()
@click.option(
    "-t",
    "--template",
    type=click.Choice(tuple(TEMPLATES)),
    help="Receiver to write a route for. Without it: asked at a terminal, else a file with examples in comments.",
)
@click.option(
    "--to", "address", metavar="ADDRESS", default="", help="Address of the receiver. Without it: one to be replaced."
)
@click.option(
    "--key",
    metavar="NAME|PATH",
    default="VT_API_KEY",
    show_default=True,
    help="Where the API key is kept: an environment variable by its name, or a file by its path.",
)
@click.option(
    "--api-url", metavar="URL", default="", help="Address of the API where it is not VirusTotal's, as in `simulate`."
)
@config_option
@json_option
def init(template: str | None, address: str, key: str, api_url: str, path: Path, *, as_json: bool) -> None:
    """Write a configuration file to start from.

    At a terminal it asks for the key's place and the receiver, and tries both. With --template it asks nothing.
    """
    if path.exists():
        raise click.UsageError(f"{path} exists already; move it away or name another with --config")
    asks = template is None and not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    if asks:
        template, key, address = _asked()
    _must_be_reference(key)
    if template is None:
        if address or api_url or key != "VT_API_KEY":
            raise click.UsageError("--to, --key and --api-url go with --template: say which receiver")
        text = resources.files("connector.cli").joinpath("init.yaml").read_text("utf-8")
    else:
        if address and not TEMPLATES[template].address:
            raise click.UsageError(f"the template {template} has no address: leave --to out")
        text = configuration(template, reference(key), address, api_url)
    _write(path, text)
    secrets = TEMPLATES[template].secrets if template is not None else ()
    named = [*([key] if reference(key) == f"${{{key}}}" else []), *secrets]
    if as_json:
        print_json({"wrote": str(path), "variables": named})
        return
    click.echo(f"wrote {path}")
    missing = [name for name in named if not os.environ.get(name)]
    if asks and not missing:
        _try(path)
    first = f"set {', '.join(missing)}, then " if missing else ""
    click.echo(f"next: {first}`iocstream check` and `iocstream run`")


def _asked() -> tuple[str, str, str]:
    """The receiver, where the key is and the receiver's address, from whoever sits there."""
    click.echo("Where do notifications go?")
    for name, each in TEMPLATES.items():
        click.echo(f"  {name:14} {each.title}")
    template = click.prompt("Receiver", type=click.Choice(tuple(TEMPLATES)), default="file", show_choices=False)
    example = TEMPLATES[template].address
    address = click.prompt("Its address", default=example) if example else ""
    click.echo("The API key is not written into the file: it is read from an environment variable, or from a file.")
    while True:
        key = click.prompt("Name of the variable, or path of the file", default="VT_API_KEY")
        try:
            _must_be_reference(key)
        except click.UsageError as error:
            click.echo(error.message)
            continue
        return template, key, address


def _must_be_reference(key: str) -> None:
    if _KEY_DIGITS.fullmatch(key.strip()):
        raise click.UsageError(
            "this looks like the key itself, which belongs into no configuration: name the variable or file that has it"
        )
    if not _A_REFERENCE.fullmatch(key.strip()):
        raise click.UsageError("the place of the key is the name of an environment variable, or the path of a file")


def _write(path: Path, text: str) -> None:
    try:
        # For its owner alone: sooner or later somebody writes a key into it.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise click.UsageError(f"{path} exists already; move it away or name another with --config") from None
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None


def _try(path: Path) -> None:
    """Probe source and receiver, and say what was found."""
    from connector import configuration as configurations
    from connector.cli import terminal
    from connector.model import Misconfigured
    from connector.operations import check as checking

    try:
        plan = configurations.load(path)
    except Misconfigured as error:
        click.echo(f"error    {error}")
        return
    with terminal.Waiting() as waiting:
        for finding in checking.check(plan, waiting.begin):
            waiting.end()
            click.echo(f"{finding.level:7}  {finding.part}: {finding.message}")
