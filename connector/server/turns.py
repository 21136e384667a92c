"""Fair shares: how many requests are worked on at once, and whose is next."""

import asyncio
from collections import Counter, deque

from connector.server.problems import Problem

MOST_WAITING = 16
"""How many requests of one token wait at once; one more is refused at once."""
RETRY_SECONDS = 1


class Turns:
    """Works on the requests of several tokens, a few at a time. Used by one event loop.

    No token waits for others to finish: one request of each is always worked on. Beyond that a token has at most
    `most_each` at once, all together have `most`, and a place that becomes free goes to whoever has the fewest.
    """

    def __init__(self, most: int, most_each: int, patience: float) -> None:
        """Nothing is worked on yet.

        Args:
            most: how many requests are worked on at once, but for the one that each token always has.
            most_each: how many of one token, at most.
            patience: how many seconds a request waits for its turn.
        """
        self._most = most
        self._most_each = most_each
        self._patience = patience
        self._at_work: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def take(self, token: str) -> None:
        """Wait for a turn; whoever gets one gives it back.

        Raises:
            Problem: there was none in time, or too many requests of the token wait already.
        """
        if token not in self._waiting and self._may_begin(token):
            self._at_work[token] += 1
            return
        waiting = self._waiting.setdefault(token, deque())
        if len(waiting) >= MOST_WAITING:
            raise self._refusal(token)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.cancelled():
                self._leave(token, turn)
            else:  # it came at the moment at which the wait ended
                self.give_back(token)
            if isinstance(error, TimeoutError):
                raise self._refusal(token) from None
            raise

    def give_back(self, token: str) -> None:
        """A request of a token is done: whoever waits may be next."""
        self._at_work[token] -= 1
        if not self._at_work[token]:
            del self._at_work[token]
        for each in sorted(self._waiting, key=self._at_work.__getitem__):
            while each in self._waiting and self._may_begin(each):
                turn = self._waiting[each][0]
                self._leave(each, turn)
                if not turn.done():
                    self._at_work[each] += 1
                    turn.set_result(None)

    def _leave(self, token: str, turn: "asyncio.Future[None]") -> None:
        waiting = self._waiting.get(token)
        if waiting is not None and turn in waiting:
            waiting.remove(turn)
            if not waiting:
                del self._waiting[token]

    def _may_begin(self, token: str) -> bool:
        mine = self._at_work[token]
        return mine == 0 or (mine < self._most_each and self._at_work.total() < self._most)

    def _refusal(self, token: str) -> Problem:
        headers = [("Retry-After", str(RETRY_SECONDS))]
        if self._at_work[token] >= self._most_each:
            return Problem(
                "rate_limited",
                f"{self._at_work[token]} requests of the token {token} are being worked on, and more wait",
                "Wait as long as Retry-After says, and ask for less at once.",
                headers=headers,
            )
        return Problem(
            "busy",
            "as many requests are being worked on as may be at once",
            "Wait as long as Retry-After says; server.max_concurrent_actions in the configuration is the limit.",
            headers=headers,
        )
