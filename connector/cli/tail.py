"""`iocstream tail`: what passes, and what a route makes of it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connector.cli.command import config_option, json_option, load, stop_on_signals
from connector.values.display import printable

if TYPE_CHECKING:
    from connector.actions.notification_brief import NotificationResult
    from connector.model import Message

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


@click.command()
@click.argument("route", required=False)
@click.option(
    "--last",
    type=click.IntRange(0, 1000),
    default=10,
    show_default=True,
    help="How many notifications that are there already to begin with.",
)
@click.option("--once", is_flag=True, help="End with what is there already, and follow nothing.")
@config_option
@json_option
def tail(route: str | None, last: int, path: Path, *, once: bool, as_json: bool) -> None:
    """Follow the journal: each notification as it is stored; with ROUTE, what the route makes of it.

    Nothing is sent, and no position moves. With --json each notification is a line. SIGTERM and Ctrl-C end it.
    """
    import orjson

    from connector.actions.notification_brief import Found, NotificationResult
    from connector.operations import following

    plan = load(path, secrets=False)
    for entry, journal in following.stored(plan, route, last, None if once else stop_on_signals()):
        if entry.is_unreadable:
            continue
        brief = NotificationResult.brief(Found.of(entry, plan), with_body=False)
        messages, why = ((), "") if route is None else following.made(plan, route, entry, journal)
        if as_json:
            line: dict[str, Any] = brief.model_dump(mode="json", exclude={"body", "change", "upheld_by"})
            if route is not None:
                line |= {"route": route, "messages": [_text(each) for each in messages], "nothing": why or None}
            sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
            sys.stdout.buffer.flush()
        else:
            _show(brief, messages, why)


def _show(brief: "NotificationResult", messages: "Sequence[Message]", why: str) -> None:
    matched = brief.rule or ", ".join(brief.rulesets) or brief.origin or "-"
    what = brief.entity_value or brief.unreadable or brief.id
    raised = (brief.date or "-")[:19].replace("T", " ")
    verdict = brief.verdict if brief.score is None else f"{brief.verdict} {brief.score}"
    click.echo(printable(f"{raised}  {brief.source}  {brief.entity_type or '-'}  {what}  {verdict}  {matched}"))
    for message in messages:
        click.echo(f"    {printable(_text(message))}")
    if why:
        click.echo(f"    nothing: {printable(why)}")
    sys.stdout.flush()


def _text(message: "Message") -> str:
    return message.body.decode("utf-8", "backslashreplace")
