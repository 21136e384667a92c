"""`iocstream manifest`: what the product can do, and packages of it for platforms."""

from pathlib import Path

import click

from connector.cli.command import extra, print_json
from connector.values.suggestions import instead

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415

_BY_OPENAPI = ("tines", "n8n")
"""Platforms that have no package of their own."""


@click.command()
@click.option(
    "--for",
    "target",
    metavar="TARGET",
    help="Make the package for a platform: xsoar, splunk-soar, opencti, openapi, stackstorm, shuffle or fortisoar.",
)
@click.option(
    "--out", "folder", type=click.Path(path_type=Path, file_okay=False), help="Folder for the package: an empty one."
)
def manifest(target: str | None, folder: Path | None) -> None:
    """Print the manifest: what this product is and can do. With --for and --out, make a package of it.

    A package calls the actions of `iocstream serve`; docs/platforms/ says how to install and use each. Tines and n8n
    read that for openapi.
    """
    if (target is None) != (folder is None):
        raise click.UsageError("--for and --out go together: which platform, and where the package goes")
    if target is None or folder is None:
        from connector.packages import manifest as description

        print_json(description.manifest())
        return
    from connector.packages.targets import TARGETS

    if target in _BY_OPENAPI:
        raise click.UsageError(f"{target} reads what this makes: iocstream manifest --for openapi --out DIR")
    if target not in TARGETS:
        raise click.UsageError(f"there is no package for {target!r}{instead(target, TARGETS)}")
    with extra("server", f"the package for {target}"):
        package = TARGETS[target].package()
    for path in package.write(folder):
        click.echo(path)
