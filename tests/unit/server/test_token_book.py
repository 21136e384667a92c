"""When tokens were last used is written down by a thread, which shares nothing with those that are used meanwhile."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from connector.server import token_book
from connector.server.token_book import TokenBook
from connector.settings.server import TokenSettings
from connector.settings.token_file import TokenFile
from connector.sources.virustotal.spending import DAY_SECONDS, DailyShare


class File:
    """Keeps what it is told of; `is_asked` is set at the first time."""

    def __init__(self, path):
        self.path = path
        self.written = []
        self.is_asked = threading.Event()

    def known(self):
        return []

    def spent(self):
        return {}

    def write_uses(self, uses):
        self.written.append(set(uses))
        self.is_asked.set()


def token(name):
    return TokenSettings(name=name, hash=f"sha256:{name * 64}", scopes=["read"])


def test_what_is_used_while_a_thread_is_to_write_is_left_for_the_next_time(tmp_path, monkeypatch):
    monkeypatch.setattr(token_book, "WRITE_SECONDS", 0)
    file, first, second = File(tmp_path / "tokens"), token("a"), token("b")
    book, thread_is_free = TokenBook(file), threading.Event()

    async def use():
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        loop.run_in_executor(None, thread_is_free.wait)
        book.used(first, "127.0.0.1")
        handed_over = asyncio.Event()
        loop.call_later(0.001, handed_over.set)  # timers are called in the order of their times
        await handed_over.wait()
        monkeypatch.setattr(token_book, "WRITE_SECONDS", 600)
        book.used(second, "127.0.0.1")
        thread_is_free.set()

    asyncio.run(use())
    assert file.is_asked.is_set()
    book.close()
    assert file.written == [{first.hash}, {second.hash}]


def test_what_was_spent_is_written_once_that_is_possible(tmp_path, monkeypatch):
    monkeypatch.setattr(token_book, "WRITE_SECONDS", 0.001)
    tokens = TokenFile(tmp_path / "tokens")
    book, spender = TokenBook(tokens), token("a")
    blocked = tokens._uses_path()
    blocked.mkdir()  # where a file is to be

    async def spend():
        book.share(spender).take()
        book.used(spender, "127.0.0.1")
        await asyncio.sleep(0.05)
        book.share(spender).take()
        book.used(spender, "127.0.0.2")
        await asyncio.sleep(0.05)
        blocked.rmdir()
        for _ in range(200):
            await asyncio.sleep(0.01)
            if blocked.exists():
                return

    asyncio.run(spend())
    ((_, requests),) = tokens.spent().values()
    assert requests == 2
    book.close()
    ((_, requests),) = tokens.spent().values()
    assert requests == 2


def test_what_was_spent_on_a_day_that_is_over_is_not_told_of_the_next():
    now = [DAY_SECONDS]
    share = DailyShare("a", clock=lambda: now[0])
    share.take()
    day, requests = share.told()
    now[0] += DAY_SECONDS
    share.take()
    share.not_told(day, requests)
    assert share.told() == (2, 1)
