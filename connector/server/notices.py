"""What others can make a log say, and how often: a line for the first of a kind from a network, then their number."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from connector import telemetry
from connector.values.addresses import network_of

WINDOW_SECONDS = 60.0
LINES = 20
"""How many lines are written in a window, and as many again at its end, whoever does what."""
MOST_KNOWN = 1000
"""How many kinds and networks are told apart in a window; all others are counted together."""
OTHERS = "others"

_Key = tuple[str, tuple[tuple[str, Any], ...], str]
"""An event, what is said of it, and a network."""


class Write(Protocol):
    """Writes a line of a log."""

    def __call__(self, event: str, **fields: Any) -> None:
        """Write it."""
        ...


def _at_the_end_of_a_window(work: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(WINDOW_SECONDS, work)


@dataclass(slots=True)
class _Count:
    """How often something happened that the log has no line of yet."""

    times: int = 0


class Notices:
    """Writes what others can cause, so that nobody can fill the log. Used by one event loop.

    The first of a kind from a network is told at once. What follows within `WINDOW_SECONDS` is counted, and told when
    they are over; so the sum of all `times` is how often it happened.
    """

    def __init__(
        self, later: Callable[[Callable[[], None]], None] = _at_the_end_of_a_window, write: Write | None = None
    ) -> None:
        """Nothing has happened yet.

        Args:
            later: has something called at the end of a window.
            write: writes each line; None: warnings of the log.
        """
        self._later = later
        self._write: Write = write or _warn
        self._counts: dict[_Key, _Count] = {}
        self._lines = 0
        self._is_due = False

    def tell(self, event: str, client: str, **about: Any) -> None:
        """Something happened.

        Args:
            event: what, as the log names it.
            client: the address of who caused it.
            about: more about the kind; nothing that the client wrote, for each is counted by itself.
        """
        if not self._is_due:
            self._is_due = True
            self._later(self.end_window)
        network = network_of(client)
        key = (event, tuple(about.items()), network)
        if key not in self._counts and len(self._counts) >= MOST_KNOWN:
            key = (*key[:2], OTHERS)
        is_new = key not in self._counts
        count = self._counts.setdefault(key, _Count())
        if is_new and self._lines < LINES:
            self._lines += 1
            self._tell(key, 1)
        else:
            count.times += 1

    def end_window(self) -> None:
        """Write what was only counted: the most frequent by network, the others together."""
        self._is_due = False
        counted = sorted(
            ((key, count.times) for key, count in self._counts.items() if count.times),
            key=lambda each: (each[0][2] == OTHERS, -each[1]),
        )
        # Who goes on gets no line at once in the next window, either.
        self._counts = {key: _Count() for key, _ in counted if key[2] != OTHERS}
        self._lines = 0
        if counted:
            self._is_due = True
            self._later(self.end_window)
        others: dict[_Key, int] = {}
        for index, (key, times) in enumerate(counted):
            if index < LINES and key[2] != OTHERS:
                self._tell(key, times)
            else:
                together = (*key[:2], OTHERS)
                others[together] = others.get(together, 0) + times
        for key, times in others.items():
            self._tell(key, times)

    def close(self) -> None:
        """Write what was counted so far; the event loop has ended."""
        self._later = _never
        self.end_window()

    def _tell(self, key: _Key, times: int) -> None:
        event, about, network = key
        self._write(event, **dict(about), client=network, times=times)


def _never(_: Callable[[], None]) -> None:
    """No window follows."""


def _warn(event: str, **fields: Any) -> None:
    say = telemetry.logger().warning
    say(event, **fields)
