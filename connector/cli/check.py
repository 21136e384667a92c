"""`iocstream check`: what is wrong with a configuration, before a run shows it."""

from pathlib import Path

import click

from connector.cli.command import DONE, FAILED, config_option, json_option, load, print_json

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


@click.command()
@config_option
@json_option
def check(path: Path, *, as_json: bool) -> int:
    """Validate the configuration, try the mappings on their examples, probe sources and sinks. Moves nothing."""
    from connector.operations import check as checking

    findings = []
    for finding in checking.check(load(path)):
        findings.append(finding)
        if not as_json:
            click.echo(f"{finding.level:7}  {finding.part}: {finding.message}")
    bad = [finding for finding in findings if finding.level == "error"]
    if as_json:
        print_json([{"part": f.part, "level": f.level, "message": f.message} for f in findings])
    elif not bad:
        click.echo(f"{path} is in order")
    return FAILED if bad else DONE
