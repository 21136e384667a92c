"""The commands for plugins: `plugin …`."""

from pathlib import Path

import click

from connector.cli.command import config_option, json_option, print_json

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415

_KINDS = ("sink", "source", "format", "journal", "function")
"""The kinds that there is a template for; a test holds it against them."""


@click.group()
def plugin() -> None:
    """List the plugins that are installed, and start one of your own; docs/plugins.md says what a plugin must do."""


@plugin.command(name="list")
@config_option
@json_option
def list_(*, path: Path, as_json: bool) -> None:
    """List the plugins that are installed, and whether the configuration names them.

    Only those that it names are imported; of the others it is not known for which version of the contract they were
    written. Without a configuration nothing is imported.
    """
    from connector import configuration, entry_points
    from connector.cli import terminal
    from connector.operations import plugins
    from connector.values.display import printable

    found, wrong = plugins.installed((lambda: configuration.load(path)) if path.exists() else None)
    if wrong is not None:
        click.echo(f"warning: {path} cannot be loaded: {printable(wrong)}", err=True)
    for fault in entry_points.unread():
        click.echo(f"warning: {printable(fault)}", err=True)
    if as_json:
        print_json(
            [
                {
                    "group": each.offer.group,
                    "name": each.offer.name,
                    "distribution": each.offer.distribution,
                    "version": each.offer.version,
                    "object": each.offer.entry_point.value,
                    "contract": each.contract,
                    "named": each.named,
                }
                for each in found
            ]
        )
        return
    if not found:
        click.echo("no plugins are installed")
        return
    rows = [
        (
            each.offer.group,
            each.offer.name,
            each.offer.distribution,
            each.offer.version,
            each.contract,
            {True: "yes", False: "no", None: None}[each.named],
        )
        for each in found
    ]
    terminal.table("Plugins", ("group", "name", "distribution", "version", "contract", "named"), rows)


@plugin.command()
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("name")
@click.option(
    "--into",
    "parent",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    show_default=True,
    help="Folder in which that of the plugin is made.",
)
@json_option
def new(kind: str, name: str, parent: Path, *, as_json: bool) -> None:
    """Start a plugin from a template: a package that works, with tests that pass. Overwrites nothing.

    NAME is what configurations or mappings will call it by: small letters, digits and _.
    """
    from connector.authoring import plugins

    folder = plugins.start(kind, name, parent)
    if as_json:
        print_json({"wrote": str(folder)})
        return
    click.echo(
        f"wrote {folder}\n"
        f"next: `pip install --editable '{folder}[test]'` into the environment of iocstream, `pytest {folder}`, "
        f"and then change src/iocstream_{name}/__init__.py"
    )
