"""`iocstream find`: everything that the journal knows of one observable."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connector.cli.command import DONE, FAILED, config_option, json_option, load, print_json
from connector.values.display import printable

if TYPE_CHECKING:
    from connector.operations.known import Delivery

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


@click.command()
@click.argument("value")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="How many matches to look at, at most: the newest.",
)
@config_option
@json_option
def find(value: str, limit: int, path: Path, *, as_json: bool) -> int:
    """Show everything known of VALUE: its matches, where they were delivered, what was judged, what guards it.

    VALUE is a hash (MD5, SHA-1 or SHA-256), a URL, a domain or an address, also as reports write it
    (evil[.]example). The exit code is 1 when nothing is known.
    """
    from connector.actions.notification_brief import Found, NotificationResult
    from connector.model import JudgementFilter
    from connector.operations import guards, judgements
    from connector.operations.known import known

    plan = load(path, secrets=False)
    found = known(plan, value, limit)
    judged = judgements.find(plan, JudgementFilter(kind="observable", value=found.value), judgements.LIMIT)
    matches = [NotificationResult.brief(Found.of(each, plan), with_body=False) for each in found.entries]
    said: dict[str, Any] = {
        "value": found.value,
        "kind": found.kind,
        "matches": [each.model_dump(mode="json", exclude={"body", "change", "upheld_by"}) for each in matches],
        "more": found.more,
        "judgements": judged,
        "routes": [_route_json(each) for each in found.deliveries],
        "guards": guards.as_json(found.value, guards.look(plan, found.value))["matches"],
    }
    if as_json:
        print_json(said)
    else:
        _show(said)
    return DONE if matches or judged else FAILED


def _route_json(delivery: "Delivery") -> dict[str, Any]:
    return {
        "route": delivery.route,
        "receiver": delivery.receiver,
        "passed": delivery.passed,
        "waiting": delivery.waiting,
        "told": delivery.told,
        "held_back": list(delivery.withheld),
        "dead_letters": [
            {"id": stored.id, "by": stored.letter.by, "reason": stored.letter.reason}
            for stored in delivery.dead_letters
        ],
    }


def _show(said: Mapping[str, Any]) -> None:
    from connector.cli import terminal

    count, more = len(said["matches"]), " and more (--limit)" if said["more"] else ""
    matched = f"{count} match{'' if count == 1 else 'es'}{more}" if count else "the journal has no match of it"
    click.echo(f"{printable(said['value'])} ({said['kind']}): {matched}")
    if said["matches"]:
        columns = ("raised", "notification", "source", "verdict", "score", "judged", "rule")
        rows = [
            (
                (each["date"] or "-")[:16].replace("T", " "),
                each["id"],
                each["source"],
                each["verdict"],
                each["score"],
                each["judgement"],
                each["rule"] or ", ".join(each["rulesets"]) or None,
            )
            for each in said["matches"]
        ]
        terminal.table("Matches", columns, rows)
        routes = [
            (each["route"], each["passed"], each["waiting"], len(each["dead_letters"]), each["told"], each["receiver"])
            for each in said["routes"]
        ]
        terminal.table(
            "Routes", ("route", "passed", "waiting", "dead\nletters", "receiver was told", "receiver"), routes
        )
    for route in said["routes"]:
        for reason in route["held_back"]:
            terminal.print_line(f"{route['route']}: held back: {printable(reason)}")
        for each in route["dead_letters"]:
            terminal.print_line(f"{route['route']}: dead letter {each['id']}: {printable(each['reason'])}")
    for each in said["judgements"]:
        note = f": {each['note']}" if each["note"] else ""
        terminal.print_line(
            printable(f"judged {each['verdict']} by {each['by']} at {each['at']} ({each['state']}){note}")
        )
    guarding = dict.fromkeys(
        f"on the known-good list {each['list']}, as {each['entry']}: {each['effect']}"
        for each in said["guards"]
        if each["exception"] is None
    )
    for line in guarding:
        terminal.print_line(printable(line))
