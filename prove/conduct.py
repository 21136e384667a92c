"""What a harness changes in a child before the connector runs in it: never an option of the product.

Some make minutes out of hours (shorter waits, smaller steps), one moves the clock, and the defects are what a proof
must notice: each is a mistake that a maintainer could make.
"""

import functools
import resource
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
import tenacity

from connector import app, pipeline, runner, telemetry, waiting
from connector.formats import cef
from connector.formats.stix import StixFormat
from connector.journals.sqlite import SqliteJournal
from connector.model import Advance, Page
from connector.sources import virustotal
from connector.sources.virustotal_walk import Checkpoint


def small_steps(size: float) -> None:
    """Pages and batches of so many, a poll each 50 ms: more moments that lie between two transactions."""
    virustotal.PAGE_LIMIT = int(size)
    setattr(app, "Route", functools.partial(pipeline.Route, batch=int(size)))  # noqa: B010 -- a name that mypy knows as a class
    fed = runner.FedSource
    setattr(app, "FedSource", lambda source, _: fed(source, 0.05))  # noqa: B010 -- likewise
    runner.IDLE_SECONDS = 0.05


def quick_waits(longest: float) -> None:
    """No wait between two tries is longer than `longest` seconds, nor is an idle route's look around."""
    waiting._backoff = tenacity.wait_random_exponential(multiplier=longest / 8, max=longest)  # noqa: SLF001 -- see module
    runner.IDLE_SECONDS = longest


def short_patience(seconds: float) -> None:
    """`run --once` gives an outage so many seconds to end, instead of a minute."""
    runner.PATIENCE_ONCE_SECONDS = seconds


def clock_offset(seconds: float) -> None:
    """The machine's clock is wrong by so many seconds."""
    true_time = time.time
    setattr(time, "time", lambda: true_time() + seconds)  # noqa: B010 -- what the connector asks


def clock_steps(seconds: float) -> None:
    """The machine's clock jumps ahead by so many seconds, and back, every 20 ms."""
    true_time = time.time
    setattr(time, "time", lambda: true_time() + seconds * (int(time.monotonic() * 50) % 2))  # noqa: B010 -- likewise


def file_limit(size: float) -> None:
    """No file can grow beyond so many bytes; writing fails, as on a disk with a quota."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY))


def advance_before_send(_: float) -> None:
    """DEFECT: a route advances past a batch before its sink has it."""
    pending, record = SqliteJournal.pending, SqliteJournal.record
    last: dict[str, tuple[Sequence[str], int, int]] = {}

    def noting(journal: SqliteJournal, route: str, sources: Sequence[str], limit: int, after: int = 0) -> Any:
        entries = pending(journal, route, sources, limit, after)
        if entries:
            last[route] = (sources, entries[-1].seq, len(entries))
        return entries

    def hasty(journal: SqliteJournal, route: str, versions: Sequence[Any]) -> None:
        record(journal, route, versions)
        sources, seq, count = last[route]
        journal.advance(route, sources, Advance(seq, delivered=count, filtered=0, refused=0))
        time.sleep(0.02)  # as long as a receiver elsewhere takes to answer

    setattr(SqliteJournal, "pending", noting)  # noqa: B010 -- mypy forbids assigning to a method
    setattr(SqliteJournal, "record", hasty)  # noqa: B010 -- likewise


def checkpoint_before_page(_: float) -> None:
    """DEFECT: a source's checkpoint is stored before the page that it stands for."""
    append = SqliteJournal.append

    def hasty(journal: SqliteJournal, source: str, page: Page) -> int:
        append(journal, source, Page((), page.checkpoint))
        time.sleep(0.02)
        return append(journal, source, page)

    setattr(SqliteJournal, "append", hasty)  # noqa: B010 -- likewise


def watermark_by_clock(_: float) -> None:
    """DEFECT: the watermark is this machine's clock at the end of a walk, as other consumers of this API have it."""
    after = Checkpoint.after

    def hasty(state: Checkpoint, dates: Any, cursor: str | None, clock: int) -> Checkpoint:
        moved = after(state, dates, cursor, clock)
        return moved if cursor else moved.model_copy(update={"watermark": int(time.time())})

    setattr(Checkpoint, "after", hasty)  # noqa: B010 -- likewise


def forget_outages(_: float) -> None:
    """DEFECT: what could not be sent is counted as sent."""
    make = app.make_sink

    def forgetful(*settings: Any, **options: Any) -> Any:
        sink = make(*settings, **options)
        send = sink.send

        def hasty(messages: Any) -> Any:
            try:
                return send(messages)
            except runner.Unavailable:
                return ()

        setattr(sink, "send", hasty)  # noqa: B010 -- likewise
        return sink

    setattr(app, "make_sink", forgetful)  # noqa: B010 -- likewise


def silent_gap(_: float) -> None:
    """DEFECT: nobody looks for what the API forgot."""
    setattr(Checkpoint, "gap", lambda *_: None)  # noqa: B010 -- likewise


def telling_key(_: float) -> None:
    """DEFECT: the configuration, secrets and all, goes into the log."""
    run = app.run

    def telling(plan: app.Plan, **options: Any) -> Any:
        for source in plan.settings.sources.values():
            if hasattr(source, "api_key"):
                telemetry.logger().info("configured", api_key=source.api_key.get_secret_value())
        return run(plan, **options)

    app.run = telling


def unescaped(_: float) -> None:
    """DEFECT: CEF values are written without escapes."""
    escaped = cef._text  # noqa: SLF001 -- see module

    def raw(key: str, value: Any, limit: int) -> str:
        return escaped(key, value, limit).replace("\\=", "=").replace("\\\\", "\\")

    setattr(cef, "_text", raw)  # noqa: B010 -- likewise


def unchecked(_: float) -> None:
    """DEFECT: STIX objects are written as a mapping makes them, and values stand in patterns as they come."""
    setattr(StixFormat, "quote", lambda _, key, value: f"'{value}'")  # noqa: ARG005, B010 -- likewise
    setattr(StixFormat, "encode", lambda _, document: orjson.dumps(document))  # noqa: B010 -- likewise


CONDUCTS: Mapping[str, Callable[[float], None]] = {
    each.__name__: each
    for each in (
        small_steps,
        quick_waits,
        short_patience,
        clock_offset,
        clock_steps,
        file_limit,
        advance_before_send,
        checkpoint_before_page,
        watermark_by_clock,
        forget_outages,
        silent_gap,
        telling_key,
        unescaped,
        unchecked,
    )
}


def behave(conduct: Mapping[str, float]) -> None:
    """Change this process, before the connector runs in it."""
    for name, value in conduct.items():
        CONDUCTS[name](value)
