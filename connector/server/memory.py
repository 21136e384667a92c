"""How many bytes requests and their answers may hold in memory, so that no token can use it up."""

import asyncio
from collections import Counter, deque

from starlette.requests import Request
from starlette.types import Scope

from connector.server.problems import Problem

MOST_EACH = 16 * 1024 * 1024
"""Bytes that the requests of one token hold at once, beyond which they wait."""
MOST = 64 * 1024 * 1024
"""Bytes that all hold at once, beyond which those wait whose token holds some already."""
SECONDS = 20.0
"""How long a request waits for others of its token to be answered."""
_STATE = "memory"


class Memory:
    """What requests hold, by token. Used by one event loop."""

    def __init__(self) -> None:
        """Nothing is held yet."""
        self._held: Counter[str] = Counter()
        self._waiting: deque[tuple[str, int, asyncio.Future[None]]] = deque()

    async def take(self, token: str, count: int) -> None:
        """Hold so many bytes more, once there is room.

        Raises:
            Problem: there was none in time.
        """
        if self._has_room(token, count):
            self._held[token] += count
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (token, count, turn)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(SECONDS):
                await turn
        except BaseException as error:
            if turn.cancelled():
                self._waiting.remove(entry)
            else:  # it came at the moment at which the wait ended
                self.give_back(token, count)
            if isinstance(error, TimeoutError):
                raise Problem(
                    "busy",
                    f"the requests and answers of the token {token} fill the memory that there is for it",
                    "Take the answers faster, or ask for less at once.",
                    headers=[("Retry-After", "5")],
                ) from None
            raise

    def hold(self, token: str, count: int) -> None:
        """Hold so many bytes more, which are there already."""
        self._held[token] += count

    def give_back(self, token: str, count: int) -> None:
        """Hold so many bytes less: whoever waits may go on."""
        self._held[token] -= count
        if not self._held[token]:
            del self._held[token]
        for entry in tuple(self._waiting):
            waiting, wanted, turn = entry
            if not turn.done() and self._has_room(waiting, wanted):  # who was cancelled leaves by itself
                self._waiting.remove(entry)
                self._held[waiting] += wanted
                turn.set_result(None)

    def _has_room(self, token: str, count: int) -> bool:
        mine = self._held[token]
        return mine == 0 or (mine + count <= MOST_EACH and self._held.total() + count <= MOST)


class Share:
    """What one request holds, from its body until its answer is sent."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._token = ""
        self._count = 0

    async def take(self, token: str, count: int) -> None:
        """As `Memory.take`, once, before the bytes are there. Of more than a token may hold, all that it may."""
        count = min(count, MOST_EACH)
        await self._memory.take(token, count)
        self._token, self._count = token, count

    def raise_to(self, token: str, count: int) -> None:
        """Hold at least so many bytes, which are there already."""
        if count > self._count:
            self._memory.hold(token, count - self._count)
            self._token, self._count = token, count

    def end(self) -> None:
        """The answer is sent."""
        if self._count:
            self._memory.give_back(self._token, self._count)
            self._count = 0


def give_share(memory: Memory, scope: Scope) -> Share:
    """Give a request its share."""
    share = Share(memory)
    scope.setdefault("state", {})[_STATE] = share
    return share


def share_of(request: Request) -> Share:
    """The share of a request."""
    found = request.scope["state"][_STATE]
    assert isinstance(found, Share)  # noqa: S101 -- nothing else is called so
    return found
