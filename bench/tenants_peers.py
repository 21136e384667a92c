"""What `tenants` talks to: an API that gives each key its notifications, and receivers that count lines.

Run as a program, with the number of notifications for each key. It prints where it listens, as JSON, and ends when its
stdin does. Cheap, so that it takes little of the processors that are measured.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from connector.simulator.notifications import notifications

RECEIVERS = 4
PAGE = 40
EMPTY = b'{"data":[],"meta":{}}'
_SPREAD_SECONDS = 600
"""The notifications were raised in so many seconds before the program began."""


class Peers:
    """The API and the receivers; nothing is there to fetch before `/go`."""

    def __init__(self, count: int) -> None:
        item = next(each for each in notifications(100) if each["context_attributes"]["notification_id"])
        now = int(time.time())
        self._dates = [now - _SPREAD_SECONDS + number * _SPREAD_SECONDS // count for number in range(count)]
        context = item["context_attributes"] | {"notification_id": "THE-ID", "notification_date": 424242}
        self._item = json.dumps(item | {"context_attributes": context})
        self._has_begun = False
        self._lines = 0

    async def api(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        while head := await self._head(reader):
            target = head.split(" ", 2)[1]
            key = re.search(r"x-apikey: (\S+)", head, re.IGNORECASE)
            body = self._answer(target, key[1] if key else "")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
            writer.write(body)
        writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> str:
        try:
            return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (asyncio.IncompleteReadError, ConnectionError):
            return ""

    async def receiver(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Count the lines of one connection."""
        try:
            while data := await reader.read(1 << 16):
                self._lines += data.count(b"\n")
        except ConnectionError:
            pass
        writer.close()

    def _answer(self, target: str, key: str) -> bytes:
        url = urlsplit(target)
        match url.path.split("/")[1:]:
            case ["ioc_stream"]:
                return self._page(parse_qs(url.query), key)
            case ["me"]:
                return b'{"data":{"id":"someone"}}'
            case ["go"]:
                self._has_begun = True
            case ["lines"]:
                return b"%d" % self._lines
        return EMPTY

    def _page(self, asked: Mapping[str, list[str]], key: str) -> bytes:
        since = re.search(r"date:(\d+)\+", asked.get("filter", [""])[0])
        if not self._has_begun:
            return EMPTY
        begin = int(asked.get("cursor", ["0"])[0])
        numbers = [
            number
            for number, date in enumerate(self._dates)
            if number >= begin and (not since or date >= int(since[1]))
        ][: PAGE + 1]
        items = ",".join(
            self._item.replace("THE-ID", f"{key}-{number}").replace("424242", str(self._dates[number]))
            for number in numbers[:PAGE]
        )
        cursor = f'"cursor":"{numbers[PAGE]}"' if len(numbers) > PAGE else ""
        return f'{{"data":[{items}],"meta":{{{cursor}}}}}'.encode()


async def main() -> None:
    """Listen until stdin ends."""
    peers = Peers(int(sys.argv[1]))
    servers = [await asyncio.start_server(peers.api, "127.0.0.1", 0, backlog=1024)]
    servers += [await asyncio.start_server(peers.receiver, "127.0.0.1", 0, backlog=4096) for _ in range(RECEIVERS)]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
