"""What the commands share: options, exit codes, loading the configuration, showing results.

Exit codes: 0 done, 1 work that failed, 2 something a person must put right first.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from connector.values.display import printable
from connector.values.timestamps import timestamp

if TYPE_CHECKING:
    from connector.configuration import Plan
    from connector.model import Judgement, Notification
    from connector.pipeline.part import Part
    from connector.ports import Guards

# Everything else is imported where it is needed: `--help` must be instant.
# ruff: noqa: PLC0415

DONE, FAILED, MISCONFIGURED = 0, 1, 2

config_option = click.option(
    "-c",
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default="iocstream.yaml",
    show_default=True,
    envvar="IOCSTREAM_CONFIG",
    show_envvar=True,
    help="Path of the configuration file.",
)
guards_option = click.option(
    "-c",
    "--config",
    "guards_from",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration whose guards say what is known to be good, and whose journal has what was judged. Without it: "
    "the list that comes along alone.",
)
guards_route_option = click.option(
    "-r", "--route", "guards_route", help="With --config: the route whose guards are used, beside those for all."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines to read.")


def load(path: Path, *, secrets: bool = True) -> "Plan":
    """The plan in a configuration file; without `secrets`, for a command that looks into the journal alone."""
    from connector import configuration

    if not path.exists():
        raise click.UsageError(f"there is no {path}; `iocstream init` writes one, --config names another")
    return configuration.load(path, secrets=secrets)


@contextmanager
def extra(name: str, user: str) -> Iterator[None]:
    """Import in this block what only the extra `name` of the package installs: where it is missing, say how to get it.

    Args:
        name: the extra, as in `pip install 'iocstream-connector[NAME]'`.
        user: what needs it, the subject of the sentence.

    Raises:
        click.UsageError: the extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "connector":
            raise
        raise click.UsageError(
            f"{user} needs {error.name}, which is not installed: pip install 'iocstream-connector[{name}]'"
        ) from None


def sinks_use_stdout(plan: "Plan", *, as_json: bool) -> bool:
    """Whether a sink writes to stdout, so that results must go elsewhere."""
    found = any(route.sink.writes_to_stdout() for route in plan.settings.routes.values())
    if found and as_json:
        raise click.UsageError("--json and a sink with `path: -` both write to stdout; leave one of them out")
    return found


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM or SIGINT sets; a second one ends the program at once."""
    stop = threading.Event()

    def ask(number: int, _: Any) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop


def exit_code(parts: "Sequence[Part]", *, once: bool) -> int:
    """The exit code of a run, by the states of its parts."""
    if once and any(part.state == "blocked" for part in parts):
        return MISCONFIGURED
    # A service that was asked to stop has done its work; `status` and the log have what it left waiting or refused.
    return FAILED if once and any(_failed(part) for part in parts) else DONE


def _failed(part: "Part") -> bool:
    """Whether something is left to be done; also where a mapping made nothing of any notification that it wanted."""
    made_nothing = part.made_nothing > 0 and part.delivered == 0
    return bool(part.state != "done" or part.refused or part.gaps or part.unreadable or made_nothing)


def part_json(part: "Part") -> dict[str, Any]:
    """What a part did, for machines."""
    counts: dict[str, Any] = {
        "name": part.name,
        "kind": part.kind,
        "state": part.state,
        "message": part.message,
        "retry_at": None if part.retry_at is None else timestamp(round(part.retry_at)),
    }
    if part.kind == "source":
        gaps = [{"start": gap.start, "end": gap.end} for gap in part.gaps]
        counts |= {"fetched": part.fetched, "new": part.new, "lost": gaps, "looked_up": part.looked_up}
        return counts | {"unreadable": part.unreadable, "reasons": dict(part.reasons)}
    return counts | {
        "delivered": part.delivered,
        "filtered": part.filtered,
        "made_nothing": part.made_nothing,
        "refused": part.refused,
        "messages": part.messages,
        "withdrawn": part.withdrawn,
        "muted": part.muted,
        "guarded": part.guarded,
        "revised": part.revised,
        "judged": part.judged,
        "reconsidered": part.reconsidered,
        "reasons": dict(part.reasons),
    }


def print_parts(parts: "Sequence[Part]", *, err: bool = False) -> None:
    """What the parts did, for people; to stdout, unless the output itself goes there."""
    for part in parts:
        if part.kind == "source":
            what = f"{part.fetched} notifications fetched, {part.new} of them new"
            what += f", {part.unreadable} could not be read: `iocstream rejected list`" if part.unreadable else ""
            what += f", {part.looked_up} look-ups answered" if part.looked_up else ""
        else:
            what = f"{part.delivered} notifications delivered ({part.messages} objects or events)"
            what += f", {part.filtered} filtered out" if part.filtered else ""
            what += f", {part.made_nothing} made nothing of" if part.made_nothing else ""
            what += f", {part.refused} refused" if part.refused else ""
            what += f", {part.muted} muted by what was judged" if part.muted else ""
            what += f", {part.guarded} on known-good lists" if part.guarded else ""
            what += f", {part.withdrawn} took back what was delivered" if part.withdrawn else ""
            what += f", {part.judged} converted again for what was judged" if part.judged else ""
            reconsidered = part.reconsidered
            what += (
                f", {reconsidered} converted again for a changed condition or known-good list" if reconsidered else ""
            )
            learned = part.revised - part.judged - reconsidered
            what += f", {learned} converted again with what was looked up" if learned else ""
        click.echo(f"{part.name}: {what}", err=err)
        for reason, times in part.reasons.most_common():
            click.echo(f"{part.name}: refused {times} time{'s' if times > 1 else ''} by {printable(reason)}", err=err)
        if part.state in ("waiting", "blocked"):
            until = "" if part.retry_at is None else f"; not to be asked again before {timestamp(round(part.retry_at))}"
            click.echo(f"{part.name}: {part.state}: {printable(part.message)}{until}", err=err)
        elif part.state != "done":
            click.echo(f"{part.name}: interrupted; the rest is for the next run", err=err)


def chosen_guards(path: Path | None, route: str | None) -> "Guards | None":
    """The guards of a configuration, for a route or for all; None: no configuration was named."""
    if path is None:
        if route is not None:
            raise click.UsageError("--route is of a configuration: name it with --config")
        return None
    from connector.operations import guards

    return guards.of_route(load(path), route)


@contextmanager
def chosen_withholding(
    path: Path | None, route: str | None
) -> "Iterator[tuple[Guards | None, Callable[[Notification], Judgement | None]]]":
    """The guards of a configuration, for a route or for all, and what its journal knows to be judged."""
    if path is None:
        yield chosen_guards(path, route), lambda _: None
        return
    from connector.operations.guards import place_of
    from connector.operations.withholding import withholding

    plan = load(path)
    with withholding(plan, *place_of(plan, route)) as found:
        yield found.guards, found.judged


def print_json(value: Any) -> None:
    """Print JSON to stdout, over several lines."""
    import orjson

    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")
    sys.stdout.buffer.flush()


def print_json_with_list(value: dict[str, Any], name: str, lines: Iterable[str]) -> None:
    """Print an object as `print_json` does, with one more property: a list of texts, each a line of JSON."""
    import orjson

    head = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode().removesuffix("\n}")
    sys.stdout.write(f'{head},\n  "{name}": [')
    separator = "\n    "
    for line in lines:
        sys.stdout.write(separator + line.rstrip("\n"))
        separator = ",\n    "
    sys.stdout.write("]\n}\n" if separator == "\n    " else "\n  ]\n}\n")
    sys.stdout.flush()


def write(file: Path, content: bytes) -> None:
    """Write a file that an option names; `-` is stdout."""
    if str(file) == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        file.write_bytes(content)
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written: {error.strerror}") from None


def open_input(file: Path) -> BinaryIO:
    """A file to read bytes from; `-` is stdin."""
    if str(file) == "-":
        return sys.stdin.buffer
    try:
        return file.open("rb")
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror}") from None
