"""What happens, said once: structured events that people read at a terminal and machines read elsewhere."""

import logging
import sys
from typing import Any

import structlog

Event = Any
"""A bound logger: `log.info("page_stored", source=…, new=…)`."""


def configure(*, json_lines: bool | None = None, level: str = "INFO") -> None:
    """Send events to stderr: readable lines at a terminal, JSON lines elsewhere.

    INFO is an operator's act or a completion, WARNING recovered and nothing lost, ERROR data lost or a person needed.
    """
    as_json = not sys.stderr.isatty() if json_lines is None else json_lines
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(pad_event_to=24)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def logger() -> Event:
    """The program's event log."""
    return structlog.get_logger()
