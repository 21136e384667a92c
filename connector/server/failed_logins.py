"""Whoever sends wrong tokens waits longer and longer for the answer, by network; who has a token never does.

A token is 256 random bits, so that nobody guesses one: this keeps a client that goes on all the same from costing much.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from connector.server.problems import Problem
from connector.values.addresses import network_of

FREE = 20
"""So many wrong tokens cost nothing: somebody mistypes, or a poller has an old one."""
FIRST_SECONDS = 0.1
MOST_DOUBLINGS = 20
HALF_LIFE_SECONDS = 60.0
MOST_KNOWN = 1000
MOST_WAITING, MOST_WAITING_EACH = 64, 4
"""How many answers are delayed at once, since each holds a connection; what is more is refused at once."""


class FailedLogins:
    """How often each network has sent a wrong token lately. Used by one event loop."""

    def __init__(self, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Nobody has yet; `longest` is how many seconds an answer waits at most."""
        self._longest = longest
        self._clock = clock
        self._failures: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._waiting: Counter[str] = Counter()

    def count(self, client: str) -> float:
        """One more from this address; how many seconds its answer is to wait."""
        network, now = network_of(client), self._clock()
        failures, at = self._failures.pop(network, (0.0, now))
        failures = failures * 0.5 ** ((now - at) / HALF_LIFE_SECONDS) + 1
        self._failures[network] = failures, now
        if len(self._failures) > MOST_KNOWN:
            self._failures.popitem(last=False)
        if failures <= FREE:
            return 0.0
        longer: float = 2.0 ** min(failures - FREE, MOST_DOUBLINGS)
        return min(self._longest, FIRST_SECONDS * longer)

    async def delay(self, client: str, seconds: float) -> None:
        """Wait, before a wrong token is answered.

        Raises:
            Problem: too many wait already; the connection is to be closed.
        """
        network = network_of(client)
        if self._waiting[network] >= MOST_WAITING_EACH or self._waiting.total() >= MOST_WAITING:
            raise Problem(
                "rate_limited",
                "too many wrong tokens were sent from this address",
                "Send a token that is known here; one that is, is let in at once.",
                headers=[("Retry-After", str(max(1, round(self._longest)))), ("Connection", "close")],
            )
        self._waiting[network] += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting[network] -= 1
            if not self._waiting[network]:
                del self._waiting[network]
