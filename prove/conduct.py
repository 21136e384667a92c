"""What a proof changes in a process before the connector runs in it. None of it is an option of the product.

Some make minutes out of hours (shorter waits, smaller steps), some move the clock; and there are the defects.
"""

import functools
import resource
import signal
import time
from collections.abc import Callable, Mapping

from connector import app
from connector.pipeline import busy, retry, runner
from connector.pipeline.route import Route
from connector.sinks.http import overdue
from connector.sources.virustotal import pages, source
from prove import defects


def small_steps(size: float) -> None:
    """Pages and batches of so many, and a poll every 50 ms, so that more kills fall between two transactions."""
    pages.PAGE_LIMIT = int(size)
    app.Route = functools.partial(Route, batch=int(size))
    polled = runner.PolledSource
    app.PolledSource = lambda source, _, *more: polled(source, 0.05, *more)
    runner.IDLE_SECONDS = 0.05


def quick_waits(longest: float) -> None:
    """No wait between two attempts, and no wait of an idle route, is longer than `longest` seconds."""
    retry.FIRST_BACKOFF_SECONDS, retry.MAX_BACKOFF_SECONDS = longest / 8, longest
    runner.IDLE_SECONDS = longest


def quick_returns(longest: float) -> None:
    """What needs a person, and a walk that leads nowhere, is tried again after `longest` seconds at first."""
    retry.BLOCKED_WAIT_SECONDS, retry.MAX_BLOCKED_WAIT_SECONDS = longest, 4 * longest
    source._FIRST_WAIT_SECONDS, source._LONGEST_WAIT_SECONDS = longest, 4 * longest  # noqa: SLF001 -- see module


def soon_overdue(seconds: float) -> None:
    """A message that was put off twice, and so long, is refused if others are taken; it is retried soon, too."""
    overdue._TRIES, overdue._ITEM_SECONDS = 2, seconds  # noqa: SLF001 -- see module
    busy.FIRST_PAUSE_SECONDS = busy.LONGEST_PAUSE_SECONDS = 10 * seconds


def patience(seconds: float) -> None:
    """`run --once` gives an outage so many seconds to end, not a minute."""
    runner.PATIENCE_ONCE_SECONDS = seconds


def clock_offset(seconds: float) -> None:
    """The machine's clock is wrong by so many seconds."""
    true_time = time.time
    time.time = lambda: true_time() + seconds


def clock_steps(seconds: float) -> None:
    """The machine's clock jumps ahead by so many seconds, and back, every 20 ms."""
    true_time = time.time
    time.time = lambda: true_time() + seconds * (int(time.monotonic() * 50) % 2)


def file_limit(size: float) -> None:
    """No file can grow beyond so many bytes; writing fails, as on a disk with a quota."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY))


CONDUCTS: Mapping[str, Callable[[float], None]] = {
    each.__name__: each
    for each in (
        small_steps,
        quick_waits,
        quick_returns,
        soon_overdue,
        patience,
        clock_offset,
        clock_steps,
        file_limit,
        *defects.DEFECTS,
    )
}


def behave(conduct: Mapping[str, float]) -> None:
    """Change this process, before the connector runs in it."""
    for name, value in conduct.items():
        CONDUCTS[name](value)
