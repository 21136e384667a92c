"""`iocstream check`: what is wrong with a configuration, before a run shows it."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connector.cli.command import DONE, FAILED, config_option, json_option, load, print_json

if TYPE_CHECKING:
    from connector.operations.check import Finding

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


@click.command()
@config_option
@json_option
def check(path: Path, *, as_json: bool) -> int:
    """Validate the configuration, try the mappings on their examples, probe sources and sinks. Moves nothing."""
    from connector.cli import terminal
    from connector.model import Misconfigured
    from connector.operations import check as checking
    from connector.operations.check import Finding

    findings: list[Finding] = []
    try:
        plan = load(path)
    except (Misconfigured, click.UsageError) as error:
        if as_json:
            said = error.message if isinstance(error, click.UsageError) else str(error)
            _print(Finding("configuration", "error", each) for each in said.splitlines())
        raise
    with terminal.Waiting() as waiting:
        for finding in checking.check(plan, waiting.begin):
            waiting.end()
            findings.append(finding)
            if not as_json:
                click.echo(f"{finding.level:7}  {finding.part}: {finding.message}")
    bad = [finding for finding in findings if finding.level == "error"]
    if as_json:
        _print(findings)
    elif not bad:
        click.echo(f"{path} is in order")
    return FAILED if bad else DONE


def _print(findings: "Iterable[Finding]") -> None:
    print_json([asdict(finding) for finding in findings])
