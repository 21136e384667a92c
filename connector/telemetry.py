"""The log: structured events, readable at a terminal and JSON lines elsewhere; the audit; and who listens to HTTP.

docs/monitoring.md lists every event.
"""

import datetime
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TextIO, cast

import structlog

Logger = Any
"""A bound logger: `log.info("page_stored", source=…, new=…)`."""


@dataclass(frozen=True, slots=True)
class HttpExchange:
    """An HTTP request that has ended.

    Attributes:
        host: to whom, with the port if the URL names one.
        outcome: the class of the answer's status (`2xx`), or `failed` when there was no complete answer.
        seconds: from the first byte sent to the last byte read.
    """

    host: str
    method: str
    outcome: str
    seconds: float


_listeners: list[Callable[[HttpExchange], None]] = []


@contextmanager
def listening(listener: Callable[[HttpExchange], None]) -> Iterator[None]:
    """Have a function called, in whichever thread, with each HTTP request that ends while the block lasts."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def exchanged(exchange: HttpExchange) -> None:
    """Tell those who listen of an HTTP request that has ended."""
    for listener in tuple(_listeners):
        listener(exchange)


class _Stderr:
    """The process's stderr. That the log cannot be written, for lack of a reader or of space, stops nothing."""

    def __init__(self) -> None:
        self._stream = sys.stderr

    def write(self, text: str) -> None:
        """Write what can be written."""
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        """Write what is buffered, if it can be written."""
        with suppress(OSError):
            self._stream.flush()


def _stderr() -> TextIO:
    return cast("TextIO", _Stderr())


def configure(*, json_lines: bool | None = None, level: str = "INFO") -> None:
    """Send events to stderr: readable lines at a terminal, JSON lines elsewhere.

    INFO is an operator's act or a completion, WARNING recovered and nothing lost, ERROR data lost or a person needed.
    """
    structlog.configure(
        processors=_processors(json_lines=json_lines),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=_stderr()),
        cache_logger_on_first_use=False,
    )


def _processors(*, json_lines: bool | None) -> list[Any]:
    as_json = not sys.stderr.isatty() if json_lines is None else json_lines
    renderers: list[Any] = (
        [structlog.processors.JSONRenderer()]
        if as_json
        else [_printable, structlog.dev.ConsoleRenderer(pad_event_to=24)]
    )
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        *renderers,
    ]


def logger() -> Logger:
    """The program's event log; in a program that has not configured structlog, WARNING and above go to stderr."""
    if structlog.is_configured():
        return structlog.get_logger()
    return structlog.wrap_logger(
        structlog.WriteLogger(_stderr()),
        processors=_processors(json_lines=None),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )


AUDIT = "audit"
"""What `logger` says in each line of the audit, wherever it is written."""


class AuditLog:
    """Who did what, a JSON object a line: in a file of its own, or else in the log."""

    def __init__(self, path: str | None = None) -> None:
        """Nothing is opened yet.

        Args:
            path: the file, which is made for its owner alone and may be moved away at any time; `-` is stdout; None:
                the log.
        """
        self._path = path
        self._is_cut = False

    def check(self) -> None:
        """Raises OSError when the file cannot be written."""
        self._append(b"")

    def write(self, event: str, **fields: Any) -> None:
        """Write a line. What cannot be written to the file is in the log, so that it is not lost."""
        say = logger().info
        if self._path is None:
            say(event, logger=AUDIT, **fields)
            return
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"timestamp": now, "logger": AUDIT, "event": event, **fields})
        try:
            self._append(line.encode() + b"\n")
        except OSError as error:
            logger().error("audit_unwritten", reason=error.strerror)
            say(event, logger=AUDIT, **fields)

    def _append(self, line: bytes) -> None:
        if self._path is None:
            return
        if self._path == "-":
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            return
        if self._is_cut and line:  # what there is of a line that could not be written whole is in a line of its own
            line = b"\n" + line
        # Opened each time, so that whoever rotates logs need not tell us. O_APPEND: a line is written at once.
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while line:  # a disk that becomes full takes a part of it, and says so when asked to take the rest
                taken = os.write(file, line)
                line = line[taken:]
                self._is_cut = bool(line)
        finally:
            os.close(file)


def _printable(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Show escape sequences as text: what others wrote must not steer the terminal."""
    return {
        name: value if name == "exception" or not isinstance(value, str) or value.isprintable() else ascii(value)
        for name, value in event.items()
    }
