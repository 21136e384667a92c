"""`iocstream schema`: JSON Schemas, for editors."""

import click

from connector.cli.command import print_json

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


@click.command()
@click.argument("of", type=click.Choice(["config", "mapping"]))
def schema(of: str) -> None:
    """Print a JSON Schema, for editors."""
    from connector import configuration, kinds
    from connector.mapping.schema import json_schema
    from connector.settings import config
    from connector.settings.producer import Producer

    if of == "mapping":
        print_json(json_schema(kinds.make_formats(Producer())))
    else:
        print_json(config.json_schema(configuration.Config, "IoC-Stream Connector configuration"))
