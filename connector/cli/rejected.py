"""`iocstream rejected`: list, show, retry, skip, export and drop dead letters."""

import itertools
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import click

from connector.cli.command import (
    DONE,
    FAILED,
    config_option,
    exit_code,
    json_option,
    load,
    part_json,
    print_json,
    print_parts,
    sinks_use_stdout,
    stop_on_signals,
)
from connector.values.display import printable

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415

_LISTED = 20
"""Dead letters that are listed for people, where they do not say how many."""
_route_option = click.option("-r", "--route", help="Only the dead letters of this route. Without it: all.")


@click.group()
def rejected() -> None:
    """List and show dead letters; retry, export or drop them; make one of a notification that is to be skipped."""


@rejected.command("list")
@click.option("--reason", default="", help="Only those whose reason has this text in it.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help=f"How many to list, at most, those refused last first. Without it: {_LISTED}; with --json all.",
)
@config_option
@_route_option
@json_option
def list_(path: Path, route: str | None, reason: str, limit: int | None, *, as_json: bool) -> None:
    """List the dead letters: how many were refused for which reason, and each with who refused it and when."""
    from connector.cli import terminal
    from connector.operations import dead_letters

    found = dead_letters.find(load(path, secrets=False), route, reason)
    newest = sorted(found, key=lambda each: (each["refused_at"] or "", each["id"]), reverse=True)
    if as_json:
        print_json(found if limit is None else newest[:limit])
    elif not found:
        click.echo("there are no such dead letters" if route or reason else "there are no dead letters")
    else:
        groups = dead_letters.by_reason(found)
        terminal.table(
            "By reason", ("dead\nletters", "route", "by", "reason"), [tuple(each.values()) for each in groups]
        )
        columns = ("id", "route", "notification", "refused at", "by", "reason")
        rows = [
            (
                str(each["id"]),
                each["route"],
                each["notification"],
                (each["refused_at"] or "-")[:19].replace("T", " "),
                each["by"],
                each["reason"],
            )
            for each in newest[: limit or _LISTED]
        ]
        terminal.table("Dead letters", columns, rows)
        if len(found) > len(rows):
            click.echo(f"and {len(found) - len(rows)} more; --limit lists them, --reason and --route choose")


@rejected.command()
@click.argument("number", metavar="ID", type=int)
@config_option
@json_option
def show(number: int, path: Path, *, as_json: bool) -> None:
    """Show a dead letter: why, the document that was refused, and the notification as VirusTotal sent it."""
    from connector.operations import dead_letters

    letter = dead_letters.get(load(path, secrets=False), number)
    if as_json:
        print_json(letter)
    else:
        _show(letter)


@rejected.command()
@click.argument("numbers", metavar="[ID]...", type=int, nargs=-1)
@config_option
@_route_option
@json_option
def retry(numbers: tuple[int, ...], path: Path, route: str | None, *, as_json: bool) -> int:
    """Deliver dead letters with the current mapping: those with these IDs, or all of a route, or all.

    The whole notification is converted again, and what its receiver does not have is sent. A notification that is
    delivered is no longer a dead letter; one that is refused again has the new reason. A process that serves the route
    must end first.
    """
    from connector.operations import dead_letters

    plan = load(path)
    uses_stdout = sinks_use_stdout(plan, as_json=as_json)
    parts = dead_letters.retry(plan, route, numbers, stop_on_signals())
    if as_json:
        print_json([part_json(part) for part in parts])
    elif not parts:
        click.echo("there are no dead letters", err=uses_stdout)
    else:
        print_parts(parts, err=uses_stdout)
    return exit_code(parts, once=True)


@rejected.command()
@click.argument("route")
@click.argument("notification")
@config_option
@json_option
def skip(route: str, notification: str, path: Path, *, as_json: bool) -> None:
    """Set NOTIFICATION aside: ROUTE goes on without it, and it becomes a dead letter, to be retried or dropped.

    For what holds a route up, as a last resort. A process that serves the route takes it up when it next tries.
    """
    from connector.operations import dead_letters

    dead_letters.skip(load(path, secrets=False), route, notification)
    if as_json:
        print_json({"route": route, "skipped": notification})
        return
    click.echo(f"{route} goes on without the notification {notification}, which is a dead letter")


@rejected.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, dir_okay=False))
@config_option
@_route_option
@json_option
def export(file: Path, path: Path, route: str | None, *, as_json: bool) -> None:
    """Write the refused notifications to FILE (- is stdout), with the reasons. They stay dead letters.

    The output is JSON Lines, which `iocstream convert` and a source of `type: file` can read: `data` is what VirusTotal
    sent, `rejected` says who refused it and why.
    """
    from connector.operations import dead_letters

    lines = dead_letters.export(load(path, secrets=False), route)
    if str(file) == "-":
        sys.stdout.buffer.writelines(lines)
        sys.stdout.buffer.flush()
        return
    first = list(itertools.islice(lines, 1))  # what is wrong with the journal shows before a file is made
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise click.UsageError(f"{file} exists already; move it away, or name another") from None
    except OSError as error:
        raise click.UsageError(f"{file} cannot be made: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as output:
            count = _written(itertools.chain(first, lines), output)
    except OSError as error:
        file.unlink(missing_ok=True)
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from None
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    if as_json:
        print_json({"file": str(file), "notifications": count})
    else:
        click.echo(f"wrote {count} notifications to {file}")


@rejected.command()
@click.argument("numbers", metavar="[ID]...", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Drop all dead letters; with --route, all of that route.")
@click.option("--yes", is_flag=True, help="Drop without asking. Needed where nobody can answer.")
@config_option
@_route_option
@json_option
def drop(numbers: tuple[int, ...], path: Path, route: str | None, *, everything: bool, yes: bool, as_json: bool) -> int:
    """Give dead letters up for good: they are not delivered. Nothing is ever dropped otherwise."""
    from connector.operations import dead_letters

    if bool(numbers) == everything:
        raise click.UsageError("say which: numbers, as `iocstream rejected list` shows them, or --all")
    plan = load(path, secrets=False)
    chosen = [each["id"] for each in dead_letters.find(plan, route) if everything or each["id"] in numbers]
    unknown = sorted(set(numbers) - set(chosen))
    if unknown:
        raise click.UsageError(f"there is no dead letter {unknown[0]}{f' of the route {route}' if route else ''}")
    if chosen and not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(f"{_counted(len(chosen))} would be dropped for good; say --yes if that is meant")
        if not click.confirm(f"Drop {_counted(len(chosen))} for good, undelivered?", err=True):
            click.echo("nothing was dropped", err=True)
            return FAILED
    count = dead_letters.drop(plan, chosen)
    if as_json:
        print_json({"dropped": count})
    else:
        click.echo(f"dropped {_counted(count)}")
    return DONE


def _counted(count: int) -> str:
    return f"{count} dead letter{'' if count == 1 else 's'}"


def _written(lines: Iterable[bytes], output: BinaryIO) -> int:
    count = 0
    for line in lines:
        output.write(line)
        count += 1
    return count


def _show(letter: dict[str, Any]) -> None:
    facts = {
        "route": letter["route"],
        "refused by": letter["by"],
        "reason": letter["reason"],
        "refused at": letter["refused_at"] or "not known",
        "object": letter["object"],
        "notification": f"{letter['notification']} from {letter['source']}",
        "raised": letter["raised"] or "not known",
    }
    click.echo(f"dead letter {letter['id']}")
    for name, value in facts.items():
        if value is not None:
            click.echo(f"  {name + ':':14} {printable(value)}")
    if letter["document"] is not None:
        click.echo("\nwhat was refused:")
        _print_readable(letter["document"])
    click.echo("\nthe notification, as VirusTotal sent it:")
    _print_readable(letter["body"])


def _print_readable(value: Any) -> None:
    import orjson

    text = value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    for line in text.split("\n"):
        click.echo(printable(line))
