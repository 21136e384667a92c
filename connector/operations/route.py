"""What every delivery on command needs: a route with its sink open, and a way to end in time on SIGTERM."""

import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from typing import TypeVar

from connector import app, kinds
from connector.configuration import Plan
from connector.model import Unavailable
from connector.pipeline.route import Route
from connector.pipeline.runner import sleep_until
from connector.ports import Journal, Sink

_T = TypeVar("_T")
_GLANCE_SECONDS = 0.1


class Interrupted(Unavailable):
    """The program was asked to stop before the work was done."""


@contextmanager
def open_route(
    plan: Plan,
    name: str,
    journal: Journal,
    stop: threading.Event,
    wrap: Callable[[Sink], Sink] = lambda sink: sink,
) -> Iterator[Route]:
    """A route of a plan, whose sink is open while the block lasts; `wrap` may put another sink in front of it.

    To deliver, take the route's lease as well.

    Raises:
        NotFound: there is no such route.
    """
    sleep = sleep_until(stop, plan.settings.shutdown_seconds / 2)
    with closing(kinds.make_sink(plan.route(name).sink, journal.collections, sleep)) as sink:
        yield app.make_route(plan, name, wrap(sink))


def until_stopped(work: Callable[[], _T], stop: threading.Event, shutdown_seconds: float) -> _T:
    """Do work that a receiver may hold up for long; return what it returns, raise what it raises.

    The work runs in a thread of its own. Once `stop` is set it has `shutdown_seconds` to end. After that the thread is
    left behind, with all that it has open, and ends with the program.

    Raises:
        Interrupted: it was left behind.
    """
    outcome: Future[_T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 -- raised again where the work is waited for
            outcome.set_exception(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="operation", daemon=True)
    thread.start()
    while thread.is_alive() and not stop.is_set():
        thread.join(_GLANCE_SECONDS)
    thread.join(shutdown_seconds)
    if not outcome.done():
        raise Interrupted("asked to stop while the receiver was still at work; nothing is lost: ask again")
    return outcome.result()
