"""`iocstream schema`: JSON Schemas, for editors."""

import click

from connector.cli.command import print_json

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


@click.command()
@click.argument("of", type=click.Choice(["config", "mapping"]))
@click.option(
    "--plugins",
    "with_plugins",
    is_flag=True,
    help="Import every plugin that is installed, for the options of its kind.",
)
def schema(of: str, *, with_plugins: bool) -> None:
    """Print a JSON Schema, for editors."""
    from connector import configuration, kinds
    from connector.mapping.schema import json_schema
    from connector.operations import plugins
    from connector.settings import config
    from connector.settings.producer import Producer

    for wrong in plugins.import_all() if with_plugins else ():
        click.echo(f"warning: left out: {wrong}", err=True)
    if of == "mapping":
        print_json(json_schema(kinds.make_formats(Producer())))
    else:
        print_json(config.json_schema(configuration.Config, "IoC-Stream Connector configuration"))
