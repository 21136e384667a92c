"""What a person sees: progress on long work, and tables at the end of it."""

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from connector.monitoring.status import (
    FormerPart,
    LookUpsReport,
    PartReport,
    RouteReport,
    RuleReport,
    SourceReport,
    StatusReport,
    WorkerReport,
)
from connector.pipeline.part import Part
from connector.values.display import printable, shortened
from connector.values.quota import by_span

_T = TypeVar("_T")


class PartProgress:
    """Shows the progress of sources and routes at a terminal; elsewhere the log has it line by line."""

    def __init__(self, totals: dict[str, int] | None = None) -> None:
        self._totals = totals or {}
        self._console = Console(stderr=True)
        self._tasks: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, part: Part) -> None:
        """Show a part as it is now; called from any thread."""
        with self._lock:
            if part.name not in self._tasks:
                self._tasks[part.name] = self._progress.add_task(part.name, total=self._totals.get(part.name), note="")
            dealt_with = part.fetched if part.kind == "source" else part.dealt_with
            note = part.message if part.state in ("waiting", "blocked") else ""
            self._progress.update(self._tasks[part.name], completed=dealt_with, note=note)


def tracked(items: Sequence[_T], what: str) -> Iterator[_T]:
    """The items, with a progress bar on stderr where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield from progress.track(items, description=what)


class Waiting:
    """Shows at a terminal, on stderr, what is waited for; nothing elsewhere."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def begin(self, what: str) -> None:
        """Show what is waited for, and since when."""
        self.end()
        self._task = self._progress.add_task(printable(what), total=None)
        self._progress.start()

    def end(self) -> None:
        """Show nothing, so that something else can be printed."""
        self._progress.stop()
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


class Rolling:
    """Rows of `iocstream top`: at a terminal one picture that changes, elsewhere a line for each."""

    def __init__(self, *, shows: bool) -> None:
        self._live = Live(console=Console(), auto_refresh=False, screen=True) if shows else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Show the rows in place of those before, or after them."""
        if self._live is not None:
            self._live.update(_picture(rows), refresh=True)
            return
        for row in rows:
            waiting = "" if row["waiting"] is None else f", {row['waiting']:,} waiting"
            message = f": {row['message']}" if row["message"] else ""
            print_line(
                printable(
                    f"{row['name']}: {row['state']}, {row['per_minute']:,} a minute{waiting}, "
                    f"{row['refused']:,} dead letters{message}"
                )
            )
        sys.stdout.flush()


def _picture(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The table that `iocstream top` shows at a terminal: names are folded before numbers are cut."""
    shown = Table(header_style="dim", box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    shown.add_column("name", overflow="fold", ratio=2)
    shown.add_column("state", overflow="fold", ratio=1)
    for head in ("a minute", "in all", "waiting", "dead letters"):
        shown.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        colour = {"blocked": "red", "waiting": "yellow"}.get(row["state"], "")
        said = Text(row["state"], colour)
        if row["message"]:
            said.append(f": {printable(shortened(row['message'], _LONGEST))}", "dim")
        numbers = (row["per_minute"], row["total"], row["waiting"], row["refused"])
        shown.add_row(Text(printable(row["name"])), said, *("" if each is None else f"{each:,}" for each in numbers))
    return shown


_NOTHING_PASSED = 50
"""From so many notifications in a row on, it is told that nothing of them came through a route."""
_HEADING = 2
"""How many columns from the left, with names and states, head a row that does not fit the terminal."""
_BETWEEN = 2
"""Blanks beside a column."""
_FOLDED = 30
"""Characters that the last column keeps at least, where it is folded for the others to fit."""
_INDENT, _GAP = 2, 3
"""Blanks before the values of such a row, and between them."""
_LONGEST = 300
"""Characters of a value in a table at a terminal."""
_UNFOLDED = 1_000_000
"""Characters of a line where no terminal shows it: more than any row has."""


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table to stdout; numbers to the right, `-` for None.

    At a terminal a value is shortened to `_LONGEST` characters. Where the table is too wide for it, the last column is
    folded if that helps; else each row is a heading, and below it what its columns have. Where there is no terminal,
    each row is one line.
    """
    at_terminal = sys.stdout.isatty()
    console = Console(soft_wrap=False, width=None if at_terminal else _UNFOLDED)
    texts = [[_cell(each, at_terminal=at_terminal) for each in row] for row in rows]
    numeric = [bool(rows) and all(isinstance(row[index], int | float) for row in rows) for index in range(len(columns))]
    if title:
        console.print(Text(title, "bold" if at_terminal else ""))
    heads = [column if at_terminal else column.replace("\n", " ") for column in columns]
    widths = _widths(heads, texts)
    room = console.width - sum(widths[:-1]) - _BETWEEN * len(widths)
    if not at_terminal or room >= widths[-1]:
        console.print(_grid(heads, texts, numeric, widths))
        return
    if room >= _FOLDED and not numeric[-1]:
        console.print(_grid(heads, texts, numeric, [*widths[:-1], room]))
        return
    for row in texts:
        _print_record(console, [column.replace("\n", " ") for column in columns], row)
    console.print()


def _cell(value: Any, *, at_terminal: bool) -> str:
    """A value for a table, which steers no terminal."""
    text = "-" if value is None else f"{value:,}" if isinstance(value, int) else printable(str(value))
    return shortened(text, _LONGEST) if at_terminal else text


def _widths(heads: Sequence[str], texts: Sequence[Sequence[str]]) -> list[int]:
    """The cells of the screen that each column takes."""
    columns = [[*head.split("\n"), *(row[index] for row in texts)] for index, head in enumerate(heads)]
    return [max(map(cell_len, column)) for column in columns]


def _grid(
    heads: Sequence[str], texts: Sequence[Sequence[str]], numeric: Sequence[bool], widths: Sequence[int]
) -> Table:
    shown = Table(header_style="dim", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for head, is_number, width in zip(heads, numeric, widths, strict=True):
        shown.add_column(head, justify="right" if is_number else "left", overflow="fold", width=width)
    for row in texts:
        shown.add_row(*(Text(each) for each in row))  # no markup
    return shown


def _print_record(console: Console, columns: Sequence[str], row: Sequence[str]) -> None:
    """A row as a heading and, below it, as many of its values on a line as fit; without those that are not there."""
    console.print(Text("  ".join(row[:_HEADING]), "bold"), overflow="fold")
    line = Text()
    for column, value in zip(columns[_HEADING:], row[_HEADING:], strict=True):
        if value in ("", "-"):
            continue
        item = Text.assemble((f"{column}: ", "dim"), value)
        if line and _INDENT + line.cell_len + _GAP + item.cell_len > console.width:
            _print_indented(console, line)
            line = Text()
        line.append(" " * _GAP * bool(line)).append_text(item)
    _print_indented(console, line)


def _print_indented(console: Console, line: Text) -> None:
    console.print(Padding(line, (0, 0, 0, _INDENT)), overflow="fold")


def show_status(report: StatusReport) -> None:
    """Print a status report."""
    print_line(f"journal {report.journal.path}: {report.journal.notifications:,} notifications")
    table(
        "Sources",
        ("name", "state", "watermark", "lag", "notifications"),
        [
            (
                source.name,
                state(source),
                (source.watermark or "-")[:19].replace("T", " "),
                _duration(source.lag_seconds),
                source.notifications,
            )
            for source in report.sources
        ],
    )
    table(
        "Routes",
        ("name", "state", "backlog", "lag", "delivered", "filtered", "refused", "dead\nletters"),
        [
            (
                route.name,
                state(route),
                route.backlog,
                _duration(route.lag_seconds),
                route.delivered,
                route.filtered,
                route.refused,
                route.dead_letters,
            )
            for route in report.routes
        ],
    )
    if report.workers:
        workers(report.workers)
    _show_remarks(report)


def workers(found: Sequence[WorkerReport]) -> None:
    """Print the processes that share a journal."""
    table(
        "Workers",
        ("worker", "state", "since", "fetched", "delivered", "serves"),
        [
            (
                each.name,
                ("drained" if each.is_drained else "alive") if each.is_alive else "dead",
                each.since,
                each.fetched,
                each.delivered,
                ", ".join(each.parts) or "-",
            )
            for each in found
        ],
    )


def _show_remarks(report: StatusReport) -> None:
    """What the tables have no column for, where there is any."""
    for source in report.sources:
        _show_remarks_on_source(source)
    for part in (*report.sources, *report.routes):
        again = f" (tries again at {part.retry_at[:19].replace('T', ' ')} UTC)" if part.retry_at else ""
        message = part.message and f"{part.message}{again}"
        for said in (message, part.damage and f"found damaged at {part.damage.at}: {part.damage.reason}"):
            if said:
                print_line(f"{part.name}: {said}")
    for route in report.routes:
        _show_remarks_on_route(route)
    for name, count in report.dead_letters_of_former_routes.items():
        print_line(f"{name} is no route any more and has {count:,} dead letters: export or drop them")
    for former in report.former:
        print_line(former_part(former))
    for rule in report.rules:
        if rule.false_positive:
            print_line(
                f"{printable(rule.name)}: {rule.false_positive:,} false positives among {rule.judged:,} judged"
                f" (precision {rule.precision:.0%}): tune this rule{_of_ruleset(rule)}"
            )


def _of_ruleset(rule: RuleReport) -> str:
    return f" of the ruleset {printable(rule.ruleset)}" if rule.ruleset else ""


def _show_remarks_on_route(route: RouteReport) -> None:
    for count, what in (
        (route.made_nothing, "notifications of which the mapping made nothing: a path in it may be misspelt"),
        (route.withdrawn, "notifications took back what was delivered"),
        (route.muted, "notifications are muted by what was judged"),
        (route.guarded, "notifications were not delivered for known-good lists: `iocstream guarded list`"),
        (route.guarded_hosts, "values that notifications name are not said to be bad for known-good lists"),
        (route.dropped, "dead letters were dropped on command"),
        (route.outdated, "notifications to be converted again with what was looked up or judged"),
    ):
        if count:
            print_line(f"{route.name}: {count:,} {what}")
    if route.nothing_passed >= _NOTHING_PASSED:
        print_line(
            f"{route.name}: nothing of the last {route.nothing_passed:,} notifications came through: "
            "see the route's `when`, and what its mapping wants and makes"
        )


def former_part(part: FormerPart) -> str:
    """What is held for a part that is no longer configured as it was, in one sentence."""
    held = []
    if part.sources:
        held.append(f"{part.unread:,} unread notifications of {', '.join(part.sources)}")
    if part.dead_letters:
        held.append(f"{part.dead_letters:,} dead letters")
    held += [f"what it sent to {receiver}" for receiver in part.receivers]
    what = f"for it the journal holds {' and '.join(held)}" if held else "the journal holds its position"
    if part.kind == "source":
        what = "the journal holds what came from it"
    return f"the {part.kind} {part.name} is no longer configured as it was: {what}; `{part.forget}` gives it up"


def _show_remarks_on_source(source: SourceReport) -> None:
    if source.quota:
        left = ", ".join(f"{span} {each.left:,}/{each.allowed:,}" for span, each in by_span(source.quota).items())
        print_line(f"{source.name}: quota left: {left or '-'}")
    for gap in source.lost:
        print_line(f"{source.name}: notifications from {gap.start} to {gap.end} are lost for good")
    if source.dead_letters:
        print_line(f"{source.name}: {source.dead_letters:,} items could not be read: `iocstream rejected list` has why")
    if source.look_ups is not None:
        _show_look_ups(source.name, source.look_ups)


def _show_look_ups(name: str, found: LookUpsReport) -> None:
    print_line(
        f"{name}: look-ups: {found.known:,} known, {found.absent:,} absent, {found.forbidden:,} forbidden,"
        f" {found.waiting:,} waiting; {found.today:,} of {found.per_day:,} made today"
    )
    if found.message:
        print_line(f"{name}: look-ups pause: {found.message}")
    for ruleset in found.rulesets:
        ratio, limit = ruleset.rate_limited_ratio, ruleset.limit
        if not ruleset.rate_limited and not ratio:
            continue
        when = " now" if ratio is None else f" for {ratio:.0%} of 24 hours{' and now' * ruleset.rate_limited}"
        print_line(
            f"{name}: VirusTotal dropped the matches of the ruleset {ruleset.name or ruleset.id}{when}: "
            f"raise its limit{'' if limit is None else f' of {limit:,} a day'}"
        )


def print_line(text: str) -> None:
    """Print a line to stdout as it is, without markup."""
    Console(soft_wrap=True).print(text, markup=False, highlight=False)


def state(part: PartReport) -> str:
    """The state that a part last reported, unless that no longer holds because no living process serves it."""
    if part.served_by is not None or part.state == "blocked":
        return part.state or "running"
    return "not running" if part.state else "never run"


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return "-"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
