"""`iocstream run` as a service: it ends at SIGTERM, takes up a changed configuration at SIGHUP, and tells systemd.

What systemd is told (sd_notify(3)) is a datagram of a line or two on a UNIX socket, which needs no library.
"""

import gc
import os
import queue
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from connector import app, telemetry
from connector.configuration import Plan
from connector.model import Misconfigured
from connector.pipeline.part import Part
from connector.pipeline.runner import Runner

OPEN_FILES = 65_536
"""So many files the service may have open, where the system allows it."""


class Service:
    """Runs one plan after another, until it is asked to end.

    A thread of its own attends to signals: the main thread waits for the parts.

    Args:
        load: reads the configuration; called again at each SIGHUP.
    """

    def __init__(self, load: Callable[[], Plan]) -> None:
        self._load = load
        # A signal may arrive within the handler of another: `SimpleQueue.put` is made for that, `Event.set` is not.
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._lock = threading.Lock()
        """Held while it is decided what runs next, so that a plan that is read at that moment is not missed."""
        self._end_of_plan = threading.Event()
        self._is_ending = False
        self._next: Plan | None = None
        self._runner: Runner | None = None
        self._before: Plan | None = None
        """What is run again where the next plan cannot be started; None once that has been."""
        self._bugs: list[BaseException] = []

    def run(self, plan: Plan) -> Sequence[Part]:
        """Run until SIGTERM or SIGINT; return the parts of the last plan.

        Where a plan cannot be started, the one before it is run again.

        Raises:
            Misconfigured: the first plan cannot be started.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._receive)
        threading.Thread(target=self._attend, name="signals", daemon=True).start()
        while True:
            with self._lock:
                end = self._end_of_plan = threading.Event()
                if self._is_ending or self._next is not None:  # asked for before the event was there to be set
                    end.set()
            try:
                parts = app.run(plan, stop=end, on_start=self._started)
            except Misconfigured as error:
                if self._before is None:
                    raise
                _tell_refused(error)
                plan, self._before = self._before, None
                continue
            if self._bugs:
                raise self._bugs[0]
            with self._lock:
                if self._is_ending or self._next is None:
                    return parts
                plan, self._before, self._next = self._next, plan, None

    def _receive(self, number: int, _: object) -> None:
        if number != signal.SIGHUP:
            signal.signal(number, signal.SIG_DFL)  # a second one ends the program at once
        self._signals.put(number)

    def _started(self, runner: Runner) -> None:
        self._runner = runner
        if self._before is not None:
            self._before = None
            # The parts of the former plan refer to each other, and its known-good lists may be large. Python looks for
            # such cycles by the number of objects, of which these are few.
            gc.collect()
        notify("READY=1\nSTATUS=Fetching and delivering")

    def _attend(self) -> None:
        try:
            while not self._is_ending:
                self._attend_to_next()
        except BaseException as bug:  # noqa: BLE001 -- raised again in the main thread: it ends the program
            self._bugs.append(bug)
        finally:
            with self._lock:
                self._is_ending = True
                self._end_of_plan.set()

    def _attend_to_next(self) -> None:
        seconds = watchdog_seconds()
        try:
            number = self._signals.get(timeout=seconds)
        except queue.Empty:
            number = None
        if number == signal.SIGHUP and not _hung_up():
            self._reload()
        elif number is not None:
            self._is_ending = True
            notify("STOPPING=1")
        runner = self._runner
        if seconds is not None and runner is not None and not runner.ended() and not runner.stalled():
            notify("WATCHDOG=1")

    def _reload(self) -> None:
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            plan = self._load()
        except Misconfigured as error:
            _tell_refused(error)
            return
        telemetry.logger().info("configuration_taken_up")
        with self._lock:
            self._next = plan
            self._end_of_plan.set()


def allow_open_files() -> None:
    """Let this process have more files open than the customary 1,024: each route may keep a connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # the system may have another limit beside this one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def notify(message: str) -> None:
    """Tell systemd, if it started this process. A failure is ignored: nothing else depends on it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto(message.encode(), address)


def watchdog_seconds() -> float | None:
    """Seconds between two messages to systemd's watchdog: half the time that it allows; None: it wants none."""
    microseconds, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", str(os.getpid()))
    return int(microseconds) / 2e6 if microseconds.isdigit() and pid == str(os.getpid()) else None


def _hung_up() -> bool:
    """Whether SIGHUP says that the terminal is gone, and its user with it."""
    return sys.stdin is not None and os.isatty(sys.stdin.fileno())


def _tell_refused(error: Misconfigured) -> None:
    telemetry.logger().error("configuration_refused", reason=str(error))
    notify(f"READY=1\nSTATUS=Going on with the configuration as it was: {' '.join(str(error).split())}")
