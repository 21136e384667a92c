"""`iocstream replay`: deliver again what was delivered."""

import json
import sys
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connector.cli.command import (
    DONE,
    config_option,
    exit_code,
    json_option,
    load,
    part_json,
    print_json,
    print_json_with_list,
    print_parts,
    sinks_use_stdout,
    stop_on_signals,
)
from connector.values.display import printable
from connector.values.timestamps import unix_seconds

if TYPE_CHECKING:
    from connector.configuration import Plan
    from connector.pipeline.part import Part

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


class _Time(click.ParamType[int]):
    """A date, or a date with a time and an offset, as Unix seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See `connector.values.timestamps.unix_seconds`."""
        text = str(value).strip()
        try:
            return unix_seconds(text)
        except ValueError as error:
            self.fail(f"{text!r} {error}", param, ctx)


@click.command()
@click.argument("route")
@click.option(
    "--since", type=_Time(), help="Replay what was raised at this time or later: 2026-01-31, or 2026-01-31T08:00:00Z."
)
@click.option("--from-start", is_flag=True, help="Replay all that the journal has.")
@click.option("--notification", metavar="ID", help="Replay only this notification; the route's position stays.")
@click.option("--dry-run", is_flag=True, help="Send nothing; only say what would be sent.")
@config_option
@json_option
def replay(
    route: str,
    since: int | None,
    notification: str | None,
    path: Path,
    *,
    from_start: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Deliver on ROUTE again what it has delivered.

    Where the mapping is unchanged, the same bytes are sent, with all objects that they refer to. With --since and
    --from-start the route is set back and delivers from there; if that is cut off, the route continues when it next
    runs. A process that serves the route must end first, except for --dry-run.
    """
    from connector.operations import replay as replaying

    if (since is not None) + from_start + (notification is not None) != 1:
        raise click.UsageError("say what: one of --since, --from-start and --notification")
    plan = load(path)
    if notification is None:
        _tell_what_was_pruned(plan, route, since)
    if dry_run:
        with tempfile.TemporaryFile("w+") as ids:  # of all objects that were ever sent, perhaps

            def tell(each: str) -> None:
                ids.write(json.dumps(each) + "\n")

            told = tell if as_json else lambda _: None
            part = (
                replaying.dry_run(plan, route, since, tell=told)
                if notification is None
                else replaying.dry_run_one(plan, route, notification, tell=told)
            )
            ids.seek(0)
            _show_dry_run(part, ids if as_json else None)
        return DONE
    uses_stdout = sinks_use_stdout(plan, as_json=as_json)
    stop = stop_on_signals()
    part = (
        _replayed(plan, route, since, stop)
        if notification is None
        else replaying.resend(plan, route, notification, stop=stop)
    )
    if as_json:
        print_json(part_json(part))
    else:
        print_parts([part], err=uses_stdout)
    return exit_code([part], once=True)


def _replayed(plan: "Plan", route: str, since: int | None, stop: threading.Event) -> "Part":
    from connector import telemetry
    from connector.cli import terminal
    from connector.operations import replay as replaying

    if not sys.stderr.isatty():
        telemetry.configure()
        return replaying.replay(plan, route, since, stop=stop)
    totals = {route: 0}
    with terminal.PartProgress(totals) as progress:
        telemetry.configure(level="WARNING")
        return replaying.replay(
            plan, route, since, stop=stop, on_start=lambda total: totals.update({route: total}), on_progress=progress
        )


def _tell_what_was_pruned(plan: "Plan", route: str, since: int | None) -> None:
    from connector.operations import replay as replaying
    from connector.values.timestamps import timestamp

    until = replaying.pruned_until(plan, route)
    if until is not None and (since is None or since <= until):
        click.echo(
            f"{route}: the journal has notifications raised after {timestamp(until)}; older ones were pruned"
            " (journal.retention_days), but for what was refused or not yet delivered",
            err=True,
        )


def _show_dry_run(part: "Part", ids: Iterable[str] | None) -> None:
    """In words; or, with the ids, each a line of JSON, as JSON."""
    if ids is not None:
        print_json_with_list(part_json(part), "ids", ids)
        return
    click.echo(
        f"{part.name}: would send {part.messages} objects or events for {part.delivered} notifications"
        + (f", {part.filtered} filtered out" if part.filtered else "")
        + (f", {part.withdrawn} would take back what was delivered" if part.withdrawn else "")
        + (f", {part.made_nothing} made nothing of" if part.made_nothing else "")
        + (f", {part.refused} refused" if part.refused else "")
    )
    for reason, times in part.reasons.most_common():
        click.echo(f"{part.name}: would be refused {times} times by {printable(reason)}", err=True)
