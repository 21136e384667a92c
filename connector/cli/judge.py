"""`iocstream judge`: say what a notification, an observable or a rule is worth, take it back, list what was said."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from connector.cli.command import DONE, FAILED, config_option, json_option, load, print_json
from connector.values.display import printable

if TYPE_CHECKING:
    from connector.model import Judged
    from connector.operations.sharing import Audience

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415

_VERDICTS: dict[str, str] = {
    "true_positive": "Say that it is what it was taken for. Receivers that have it are told so.",
    "false_positive": (
        "Say that it is not what it was taken for: what was delivered of it is withdrawn, and nothing more of it is"
        " delivered."
    ),
    "benign": (
        "Say that it matched rightly and does no harm: what was delivered of it is withdrawn, and nothing more of it"
        " is delivered."
    ),
    "none": "Take back what was said of it: what was withheld of it is delivered.",
}


@click.group()
def judge() -> None:
    """Judge a notification, an observable or a rule: what is wrong is withdrawn at its receivers, and muted.

    What is said of a notification goes before what is said of its observable, and that before what is said of its
    rule. The newest word on the same decides until its time is over or it is taken back. A process that serves the
    routes takes it up within seconds.
    """


def _target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option("--notification", metavar="ID", help="Id of the notification that is judged."),
            click.option(
                "--observable", metavar="VALUE", help="Observable that is judged: a file's hash, URL, domain, address."
            ),
            click.option("--rule", metavar="NAME", help="Name of the rule that is judged, with all that it matches."),
            click.option("--ruleset", metavar="ID", default="", help="Id of the rule's ruleset. Without it: any."),
            click.option("--source", metavar="NAME", default="", help="Only what this source raises. Without it: any."),
        )
    ):
        command = option(command)
    return command


def _judged(notification: str | None, observable: str | None, rule: str | None, ruleset: str, source: str) -> "Judged":
    from connector.model import Judged

    given: dict[Literal["notification", "observable", "rule"], str | None] = {
        "notification": notification,
        "observable": observable,
        "rule": rule,
    }
    named = [(kind, value) for kind, value in given.items() if value is not None]
    if len(named) != 1:
        raise click.UsageError("say what is judged: one of --notification, --observable and --rule")
    ((kind, value),) = named
    if ruleset and kind != "rule":
        raise click.UsageError("--ruleset goes with --rule alone")
    return Judged(kind, value, ruleset, source)


def _verdict_command(verdict: Any, text: str) -> click.Command:
    def command(
        path: Path,
        *,
        note: str,
        by: str | None,
        until: str | None = None,
        share: bool = False,
        yes: bool = False,
        as_json: bool,
        **judged: Any,
    ) -> int:
        from connector.model import ConnectorError, Judgement
        from connector.operations import judgements, sharing

        who = by if by is not None else judgements.user_name()
        if not who:
            raise click.UsageError("say who judges, with --by: the user who runs this has no name")
        said = Judgement(_judged(**judged), verdict, who, note, None if until is None else _seconds(until))
        plan = load(path)
        where = sharing.audience(plan, said) if share else None
        is_meant = where is not None and _is_meant(where, yes=yes)
        stored = judgements.judge(plan, said)
        code = DONE
        if where is not None:
            try:
                stored["shared"] = list(sharing.share(plan, where, said)) if is_meant else []
            except ConnectorError as error:
                click.echo(f"error: it is judged, and not shared: {printable(str(error))}", err=True)
                stored["shared"], code = [], FAILED
        if as_json:
            print_json(stored)
            return code
        click.echo(
            f"judgement {stored['id']}: {printable(judgements.name_of(said.judged))}:"
            f" {'taken back' if verdict == 'none' else verdict.replace('_', ' ')};"
            f" {printable(judgements.concerned_text(stored))}"
        )
        if "shared" in stored:
            click.echo(f"told at VirusTotal: {' and '.join(stored['shared']) or 'nothing'}")
        return code

    options: list[Callable[..., Any]] = [
        _target_options,
        click.option("--note", default="", help="Why, in a few words; it goes out with the judgement."),
        click.option("--by", metavar="NAME", help="Name of whoever judges. Without it: the user who runs this."),
        click.option(
            "--until",
            metavar="TIME",
            help="When it is over, such as 2026-01-31 or 2026-01-31T08:00:00Z. Without it: never.",
        ),
        click.option(
            "--share",
            is_flag=True,
            help="Publish it at VirusTotal, as far as the option `share` of the source allows; asks first.",
        ),
        click.option("--yes", is_flag=True, help="Publish without asking. Needed where nobody can answer."),
        config_option,
        json_option,
    ]
    if verdict == "none":
        del options[3:6]
    for option in reversed(options):
        command = option(command)
    return click.command(name=verdict, help=text)(command)


for _verdict, _text in _VERDICTS.items():
    judge.add_command(_verdict_command(_verdict, _text))


@judge.command("list")
@click.option(
    "--of", "kind", type=click.Choice(("notification", "observable", "rule")), help="Only judgements of this kind."
)
@click.option("--value", help="Only judgements of exactly this notification, observable or rule.")
@click.option("--verdict", type=click.Choice(tuple(_VERDICTS)), help="Only judgements with this verdict.")
@click.option("--source", help="Only judgements that were made for this source.")
@click.option("--by", help="Only judgements by this person or token.")
@click.option("--in-force", is_flag=True, help="Only judgements that decide now.")
@click.option("--before", type=click.IntRange(min=1), help="Only judgements with a lower id: the next page.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=100,
    show_default=True,
    help="How many to list, at most.",
)
@config_option
@json_option
def list_(path: Path, *, limit: int, as_json: bool, **wanted: Any) -> None:
    """List what was judged, the newest first."""
    from connector.cli import terminal
    from connector.model import JudgementFilter
    from connector.operations import judgements

    found = judgements.find(load(path, secrets=False), JudgementFilter(**wanted), limit)
    if as_json:
        print_json(found)
    elif not found:
        click.echo("there are no such judgements")
    else:
        columns = ("id", "verdict", "what", "source", "by", "at", "until", "state", "note")
        rows = [
            (
                str(each["id"]),
                each["verdict"],
                f"{each['of']} {each['value']}",
                each["source"] or "all",
                each["by"],
                _minute(each["at"]),
                _minute(each["until"]),
                each["state"],
                each["note"],
            )
            for each in found
        ]
        terminal.table("Judgements", columns, rows)


@judge.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many to list, at most.")
@config_option
@json_option
def rules(path: Path, *, limit: int, as_json: bool) -> None:
    """List what the matches of each rule were judged: those with the most false positives, to be tuned, first."""
    from connector.cli import terminal
    from connector.operations import judgements

    found = judgements.rules(load(path, secrets=False), limit)
    if as_json:
        print_json(found)
    elif not found:
        click.echo("nothing that a rule matched has been judged")
    else:
        columns = ("rule", "ruleset", "source", "judged", "true\npositive", "false\npositive", "benign", "precision")
        rows = [
            (
                each["name"],
                each["ruleset"],
                each["source"],
                each["judged"],
                each["true_positive"],
                each["false_positive"],
                each["benign"],
                f"{each['precision']:.0%}",
            )
            for each in found
        ]
        terminal.table("Rules", columns, rows)


def _is_meant(where: "Audience", *, yes: bool) -> bool:
    """Whether somebody says that a judgement is to be published."""
    what = f"a {' and a '.join(where.told_as)} about {printable(where.entity_id)} at VirusTotal, for everyone to read"
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError(f"--share would publish {what}; say --yes if that is meant")
    return click.confirm(f"Publish {what}?", err=True)


def _seconds(text: str) -> int:
    from connector.values.timestamps import unix_seconds

    try:
        return unix_seconds(text)
    except ValueError as error:
        raise click.UsageError(f"--until {text} {error}") from None


def _minute(text: str | None) -> str | None:
    return None if text is None else text[:16].replace("T", " ")
