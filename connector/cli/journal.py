"""`iocstream journal`: the journal copied to another store; its file checked, backed up and shrunk; and its leases."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from connector.cli.command import DONE, FAILED, config_option, json_option, load, print_json

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


@click.group()
def journal() -> None:
    """Check, back up, compact or copy the journal, and see to its leases. A run may go on meanwhile, but for `copy`."""


@journal.command()
@config_option
@json_option
def check(path: Path, *, as_json: bool) -> int:
    """Read the whole journal, and say what is damaged: tables, notifications, positions, and so on. Changes nothing."""
    from connector.operations import journal as operation

    with _progress("checked") as progress:
        notifications, wrong = operation.check(load(path, secrets=False), progress)
    if as_json:
        print_json({"notifications": notifications, "wrong": list(wrong)})
    else:
        for each in wrong:
            click.echo(each)
        click.echo(f"{notifications} notifications; {len(wrong) or 'nothing'} wrong")
    return FAILED if wrong else DONE


@journal.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@config_option
@json_option
def backup(file: Path, path: Path, *, as_json: bool) -> None:
    """Copy the journal, as it is at one moment, to the new FILE."""
    from connector.operations import journal as operation

    with _progress("copied") as progress:
        size = operation.backup(load(path, secrets=False), file, progress)
    if as_json:
        print_json({"file": str(file), "bytes": size})
    else:
        click.echo(f"wrote {size} bytes to {file}")


@journal.command()
@click.argument("other", type=click.Path(path_type=Path, dir_okay=False))
@config_option
@json_option
def copy(other: Path, path: Path, *, as_json: bool) -> None:
    """Copy the journal to where the configuration file OTHER has its journal: from a file into PostgreSQL, or back.

    Every position, dead letter, judgement and object comes along; nothing is fetched or sent again. Nothing may be
    served meanwhile. A copy that was cut off is gone on with by the same command; before it takes its place it is
    compared with the journal, row by row.
    """
    from connector.operations import journal as operation

    target = load(other)
    with _progress("copied and compared") as progress:
        rows = operation.copy(load(path, secrets=False), target, progress)
    place = target.settings.journal.place()
    if as_json:
        print_json({"journal": place, "rows": rows})
    else:
        click.echo(
            f"copied {rows} rows to {place}. Run with {other} from now on: the former journal knows nothing of that"
        )


@journal.command()
@config_option
@json_option
def compact(path: Path, *, as_json: bool) -> None:
    """Give the space of what was forgotten back to the disk. A run waits meanwhile; room for a copy is needed."""
    from connector.operations import journal as operation

    before, after = operation.compact(load(path, secrets=False))
    if as_json:
        print_json({"bytes_before": before, "bytes_after": after})
    else:
        click.echo(f"the journal had {before} bytes and has {after}")


@journal.command()
@click.option("--release", metavar="NAME", help="Source or route whose lease is taken from a holder that is gone.")
@config_option
@json_option
def leases(path: Path, release: str | None, *, as_json: bool) -> None:
    """List who serves which source and route.

    With --release, take a lease that another machine left behind, such as one whose clock ran ahead.
    """
    from connector.cli import terminal
    from connector.operations import journal as operation
    from connector.values.timestamps import timestamp

    plan = load(path, secrets=False)
    if release is not None:
        operation.release(plan, release)
    found: list[dict[str, Any]] = [
        {**asdict(each), "since": timestamp(each.since), "expires": timestamp(each.expires) if each.expires else None}
        for each in operation.leases(plan)
    ]
    if as_json:
        print_json(found)
    elif not found:
        click.echo("nobody holds a lease")
    else:
        rows = [
            (
                each["name"],
                "held" if each["is_held"] else "left behind",
                each["host"],
                str(each["process"]),
                each["since"],
                each["expires"] or "-",
            )
            for each in found
        ]
        terminal.table("Leases", ("name", "state", "host", "process", "since", "expires"), rows)


@journal.command()
@click.option("--drain", metavar="NAME", help="Have this process give up all it serves, as before maintenance.")
@click.option("--resume", metavar="NAME", help="Have this process take its share again.")
@config_option
@json_option
def workers(path: Path, drain: str | None, resume: str | None, *, as_json: bool) -> None:
    """List the processes that share a journal in PostgreSQL, and what each serves.

    With --drain, one gives up all it serves within seconds, and the others take over; it goes on running.
    """
    from connector import app
    from connector.cli import terminal
    from connector.operations import journal as operation

    plan = load(path, secrets=False)
    for name, is_drained in ((drain, True), (resume, False)):
        if name is not None:
            operation.drain(plan, name, is_drained=is_drained)
    with app.open_journal(plan) as opened:
        found = app.status_report(plan, opened).workers
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
    elif not found:
        click.echo("no process shares this journal")
    else:
        terminal.workers(found)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A line on stderr, at a terminal, with how much of a long work is done."""
    shows = sys.stderr.isatty()

    def show(done: int, total: int) -> None:
        if shows:
            click.echo(f"\r{what} {done} of {total}", err=True, nl=False)

    yield show
    if shows:
        click.echo(err=True)
