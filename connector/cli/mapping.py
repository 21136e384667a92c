"""The commands for those who write mappings: `mapping …`."""

import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from connector.cli.command import (
    DONE,
    FAILED,
    MISCONFIGURED,
    chosen_guards,
    config_option,
    guards_option,
    guards_route_option,
    json_option,
    load,
    open_input,
    print_json,
    write,
)
from connector.values.display import printable

if TYPE_CHECKING:
    from connector.authoring.comparison import Comparison
    from connector.authoring.golden import Outcome
    from connector.authoring.review import Remark
    from connector.model import Notification

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415

_Command = TypeVar("_Command", bound=Callable[..., Any])

_MANY = "[NAME|FILE]..."
_TEMPLATES = ("cef", "json", "stix")
"""The formats that there is a template for; a test holds it against the files."""
_COMPARED = 1000
"""How many notifications `diff` compares unless --last says."""
_VALUE_CHARACTERS = 300
"""How much of a value a difference shows."""


def _overlay_options(command: _Command) -> _Command:
    """The options --profile and --overlay."""
    overlay = click.option(
        "-o", "--overlay", "overlays", multiple=True, help="File that changes the mapping; may be repeated."
    )
    profile = click.option(
        "-p", "--profile", help="Name of a profile of the mapping, such as opencti, sentinel or arcsight."
    )
    return profile(overlay(command))


def _chosen(names: tuple[str, ...], profile: str | None) -> Sequence[str]:
    """The mappings that were named; if none was, all bundled ones, or with a profile all that have it."""
    from connector.mapping import files

    bundled = files.bundled_mappings()
    with_profile = [name for name in bundled if profile is None or profile in files.profiles(bundled[name])]
    if not names and not with_profile:
        raise click.UsageError(f"no bundled mapping has a profile {profile!r}")
    return names or with_profile


@click.group()
def mapping() -> None:
    """Start, check, test, explain and compare mappings: a bundled one by NAME, or a FILE."""


@mapping.command()
@click.argument("name", metavar="NAME|FILE")
@click.option(
    "-f", "--format", "format_name", type=click.Choice(_TEMPLATES), required=True, help="Format that the mapping makes."
)
@json_option
def new(name: str, format_name: str, *, as_json: bool) -> None:
    """Start a mapping from a template, with examples and what it makes of them. Overwrites nothing."""
    from connector.authoring import template

    started = template.start(name, format_name)
    file, inputs = started.file, started.examples / "inputs"
    if as_json:
        print_json({"wrote": [str(file), str(started.examples / file.stem)], "examples": str(inputs)})
        return
    click.echo(
        f"wrote {file}, and what it makes of {inputs} to {started.examples / file.stem}\n"
        f"next: change it, and look at `iocstream mapping test {_as_argument(file)}` and "
        f"`iocstream mapping check {_as_argument(file)}`"
    )


def _as_argument(file: Path) -> str:
    """A file as these commands take it, which without a folder might be a name."""
    return str(file) if file.is_absolute() or len(file.parts) > 1 else f"./{file}"


@mapping.command()
@click.argument("names", metavar=_MANY, nargs=-1)
@_overlay_options
@json_option
def check(names: tuple[str, ...], profile: str | None, overlays: Sequence[str], *, as_json: bool) -> int:
    """Review these mappings, or the bundled ones, and print what deserves a look: mistakes first.

    It names mistakes in the file; expressions that were null in all examples, because they may be misspelt; properties
    that the specification of the output does not define; and parts of the examples that the mapping does not use. The
    exit code is 2 when a mapping cannot be loaded, 1 when it converts no example, otherwise 0.
    """
    if overlays and not names:
        raise click.UsageError("name the mapping that --overlay is laid over")
    found = {name: list(_reviewed(name, profile, overlays)) for name in _chosen(names, profile)}
    if as_json:
        print_json([_remark_json(name, each) for name, remarks in found.items() for each in remarks])
    else:
        for name, remarks in found.items():
            _print_remarks(name, remarks)
    errors = {each.kind for remarks in found.values() for each in remarks if each.level == "error"}
    return MISCONFIGURED if "invalid" in errors else FAILED if errors else DONE


def _reviewed(name: str, profile: str | None, overlays: Sequence[str]) -> "Iterator[Remark]":
    from connector import configuration
    from connector.authoring import review
    from connector.mapping import examples
    from connector.model import Misconfigured

    available = examples.of(name)
    try:
        compiled = configuration.load_mapping(name, None, profile, overlays)
    except Misconfigured as error:
        yield review.Remark("error", "invalid", str(error))
    else:
        yield from review.review(compiled, available)


def _print_remarks(name: str, remarks: "Sequence[Remark]") -> None:
    for each in remarks:
        if each.kind != "unread":
            where = f"{each.place}: " if each.place else ""
            what = f"{each.subject}: " if each.subject else ""
            click.echo(f"{each.level:7}  {name}: {where}{printable(what + each.message)}")
    unread = [printable(each.subject) for each in remarks if each.kind == "unread"]
    if unread:
        text = f"{name}: makes nothing of this in the examples: {', '.join(unread)}"
        click.echo(textwrap.fill(text, 118, initial_indent=f"{'note':7}  ", subsequent_indent=" " * 9))


def _remark_json(name: str, remark: "Remark") -> dict[str, str]:
    return {"mapping": name} | {key: getattr(remark, key) for key in ("level", "kind", "place", "subject", "message")}


@mapping.command()
@click.argument("names", metavar=_MANY, nargs=-1)
@click.option("--update", is_flag=True, help="Rewrite the expected files. Read the difference before you keep it.")
@click.option("-p", "--profile", help="Profile to use; the expected files are in `NAME-PROFILE`.")
@json_option
def test(names: tuple[str, ...], profile: str | None, *, update: bool, as_json: bool) -> int:
    """Convert the examples of these mappings, or of the bundled ones, and compare with the expected output.

    Beside the mapping, `examples/inputs` has the notifications and `examples/NAME` the expected output. The exit
    code is 1 when something differs, or a file is missing or left over.
    """
    from connector import configuration
    from connector.authoring import golden
    from connector.mapping import examples

    outcomes = {
        name: list(
            golden.run(
                configuration.load_mapping(name, None, profile), *examples.folder_and_name(name, profile), update=update
            )
        )
        for name in _chosen(names, profile)
    }
    if as_json:
        print_json([_outcome_json(name, each) for name, found in outcomes.items() for each in found])
    else:
        for name, found in outcomes.items():
            _print_outcomes(name, found)
    return FAILED if any(each.failed for found in outcomes.values() for each in found) else DONE


@mapping.command()
@click.argument("name", metavar="NAME|FILE")
@click.option(
    "--notification", "file", type=click.Path(path_type=Path, allow_dash=True), required=True,
    help="File that holds the notification; - is stdin.",
)  # fmt: skip
@click.option("--id", "identifier", help="Id of the notification, if the file has several. Without it: the first.")
@click.option(
    "--html", "page", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="File to write as an HTML page; - is stdout.",
)  # fmt: skip
@_overlay_options
@guards_option
@guards_route_option
@json_option
def explain(
    name: str,
    file: Path,
    *,
    identifier: str | None,
    page: Path | None,
    profile: str | None,
    overlays: Sequence[str],
    guards_from: Path | None,
    guards_route: str | None,
    as_json: bool,
) -> None:
    """Show what a mapping makes of a notification, and the line and input that each value came from.

    For a value that was left out it shows why. The page has input and output side by side, with matching parts
    highlighted; it needs no other file and no network.
    """
    from connector import configuration
    from connector.authoring import explain
    from connector.model import Refused

    to_stdout = str(page) == "-"
    if to_stdout and as_json:
        raise click.UsageError("--json and `--html -` both write to stdout; leave one of them out")
    compiled = configuration.load_mapping(name, None, profile, overlays)
    guards = chosen_guards(guards_from, guards_route)
    try:
        explained = explain.explain(compiled, _notification(file, identifier), guards)
    except Refused as rejected:
        raise click.UsageError(f"the notification in {file} cannot be explained: {rejected}") from None
    if page is not None:
        from connector.authoring.page import page as html

        write(page, html(explained))
        if not to_stdout:
            click.echo(f"wrote {page}", err=as_json)
    if as_json:
        print_json(explain.as_json(explained))
    elif page is None:
        from connector.authoring import tree

        tree.show(explained)


def _notification(file: Path, identifier: str | None) -> "Notification":
    from connector import notification
    from connector.sources.file.source import read_bodies

    with open_input(file) as stream:
        for body in read_bodies(stream, str(file)):
            found = notification.read(body)
            if identifier in (None, found.id):
                return found
    raise click.UsageError(f"there is no notification{f' {identifier}' if identifier else ''} in {file}")


@mapping.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option(
    "--last",
    "count",
    type=click.IntRange(1),
    help="How many of the journal's newest notifications to compare. Without it: 1000.",
)
@click.option(
    "--notifications", "file", type=click.Path(path_type=Path, allow_dash=True),
    help="File of notifications to compare instead; - is stdin. No configuration is needed.",
)  # fmt: skip
@click.option("--old-profile", metavar="NAME", help="Profile that OLD is used with.")
@click.option(
    "--old-overlay",
    "old_overlays",
    metavar="FILE",
    multiple=True,
    help="Overlay that OLD is used with; may be repeated.",
)
@_overlay_options
@config_option
@json_option
def diff(
    old: str,
    new: str,
    *,
    count: int | None,
    file: Path | None,
    old_profile: str | None,
    old_overlays: Sequence[str],
    path: Path,
    profile: str | None,
    overlays: Sequence[str],
    as_json: bool,
) -> None:
    """Show what would change if the mapping NEW replaced OLD, for notifications in the journal.

    Each is the name of a bundled mapping, or a file. --profile and --overlay apply to NEW, --old-profile and
    --old-overlay to OLD. Nothing is sent, and nothing changes. The exit code is 0 with and without differences.
    """
    from connector import app, configuration
    from connector.authoring import comparison
    from connector.cli import terminal

    if file is not None and count is not None:
        raise click.UsageError("--last is of the journal, and --notifications of a file; leave one of them out")
    producer, notifications = None, []
    if file is not None:
        notifications = _read(file)
    else:
        plan = load(path)
        producer = plan.settings.producer
        with app.open_journal(plan) as journal:
            entries = comparison.last(journal, list(plan.settings.sources), count or _COMPARED)
        notifications = [entry.notification for entry in entries]
    before = configuration.load_mapping(old, producer, old_profile, old_overlays)
    after = configuration.load_mapping(new, producer, profile, overlays)
    found = comparison.compare(before, after, terminal.tracked(notifications, "comparing"))
    if as_json:
        print_json(found.as_json())
    else:
        _print_comparison(found)


def _read(file: Path) -> "list[Notification]":
    from connector import notification
    from connector.sources.file.source import read_bodies

    with open_input(file) as stream:
        return [notification.read(body) for body in read_bodies(stream, str(file))]


def _print_comparison(found: "Comparison") -> None:
    from connector.values.display import value_text

    click.echo(
        f"{found.notifications:,} notifications: {found.unchanged:,} documents unchanged, {found.changed:,} changed, "
        f"{found.added:,} added, {found.removed:,} removed"
    )
    click.echo(
        f"notifications refused only by the new mapping: {found.refused:,}, only by the old: {found.accepted:,}, "
        f"by both: {found.refused_by_both:,}"
    )
    if found.places:
        click.echo("\nwhere documents changed, and how many:")
        for place, times in found.places.most_common():
            click.echo(f"  {times:7,}  {printable(place)}")
    if found.differences:
        click.echo("\nfor example:")
    for each in found.differences:
        what = f"{each.what} {printable(each.document)}".rstrip()
        click.echo(f"{what}, notification {printable(each.notification)}")
        for change in each.changes:
            at = f"{printable(change.path)}: " if change.path else ""
            for sign, value in (("-", change.old), ("+", change.new)):
                if value is not None:
                    click.echo(f"  {sign} {at}{value_text(value, _VALUE_CHARACTERS)}")


_OUTCOMES = {
    "differs": "becomes something else than {file} says",
    "missing": "has no {file}; `--update` writes it",
    "left over": "has no input any more; delete {file}, or bring the notification back",
    "written": "written to {file}",
}


def _print_outcomes(name: str, outcomes: "Sequence[Outcome]") -> None:
    for each in outcomes:
        if each.state != "passed":
            click.echo(f"{name}: {each.case}: {_OUTCOMES[each.state].format(file=each.file)}")
            for line in each.difference.splitlines():
                click.echo(f"  {printable(line)}")
    passed = sum(each.state == "passed" for each in outcomes)
    click.echo(f"{name}: {passed} of {len(outcomes)} examples are as expected")


def _outcome_json(name: str, outcome: "Outcome") -> dict[str, str]:
    return {
        "mapping": name,
        "example": outcome.case,
        "state": outcome.state,
        "file": str(outcome.file),
        "difference": outcome.difference,
    }
