"""How much requests may hold, and who waits."""

import asyncio

import pytest

from connector.server import memory
from connector.server.memory import Memory, Share
from connector.server.problems import Problem

HALF = memory.MOST_EACH // 2


def run(work):
    return asyncio.run(work)


async def waits(task):
    """Whether it still waits after everything that could happen has happened."""
    for _ in range(5):
        await asyncio.sleep(0)
    return not task.done()


def test_a_token_that_holds_all_that_it_may_waits_until_something_is_given_back_and_others_do_not():
    async def work():
        held = Memory()
        await held.take("one", HALF)
        await held.take("one", HALF)
        third = asyncio.create_task(held.take("one", HALF))
        assert await waits(third)
        await held.take("other", HALF)
        held.give_back("other", HALF)
        assert await waits(third)
        held.give_back("one", HALF)
        assert not await waits(third)

    run(work())


def test_a_token_that_holds_nothing_never_waits_and_all_together_have_a_limit():
    async def work():
        held = Memory()
        for name in range(memory.MOST // memory.MOST_EACH + 2):
            await held.take(str(name), memory.MOST_EACH)
        held.give_back("0", HALF)
        more = asyncio.create_task(held.take("0", HALF))
        assert await waits(more)
        held.give_back("1", memory.MOST_EACH)
        held.give_back("2", memory.MOST_EACH)
        held.give_back("3", memory.MOST_EACH)
        assert not await waits(more)

    run(work())


def test_whoever_waits_in_vain_is_told_to_come_back_and_holds_nothing(monkeypatch):
    monkeypatch.setattr(memory, "SECONDS", 0.01)

    async def work():
        held = Memory()
        await held.take("one", memory.MOST_EACH)
        with pytest.raises(Problem) as refused:
            await held.take("one", 1)
        assert refused.value.details.status == 503
        assert ("Retry-After", "5") in refused.value.headers
        held.give_back("one", memory.MOST_EACH)
        await held.take("one", memory.MOST_EACH)

    run(work())


def test_a_client_that_goes_away_while_it_waits_leaves_no_trace():
    async def work():
        held = Memory()
        await held.take("one", memory.MOST_EACH)
        gone = asyncio.create_task(held.take("one", 1))
        assert await waits(gone)
        gone.cancel()
        assert not await waits(gone)
        held.give_back("one", memory.MOST_EACH)
        await held.take("one", memory.MOST_EACH)
        assert await waits(asyncio.create_task(held.take("one", 1)))

    run(work())


def test_memory_that_is_given_back_as_a_client_goes_away_is_for_the_others():
    async def work():
        held = Memory()
        await held.take("one", memory.MOST_EACH)
        gone, next_one = (asyncio.create_task(held.take("one", HALF)) for _ in range(2))
        assert await waits(gone)
        gone.cancel()
        held.give_back("one", memory.MOST_EACH)
        assert not await waits(next_one)
        with pytest.raises(asyncio.CancelledError):
            await gone
        await held.take("one", HALF)

    run(work())


def test_an_answer_that_is_there_counts_until_it_is_sent():
    async def work():
        held = Memory()
        share, small = Share(held), Share(held)
        await share.take("one", HALF)
        share.raise_to("one", HALF - 1)
        await small.take("one", HALF)
        small.end()
        share.raise_to("one", memory.MOST_EACH * 2)
        more = asyncio.create_task(held.take("one", 1))
        assert await waits(more)
        share.end()
        share.end()
        assert not await waits(more)

    run(work())


def test_one_that_wants_more_than_there_is_for_a_token_gets_all_of_it():
    async def work():
        held = Memory()
        share = Share(held)
        await share.take("one", memory.MOST_EACH * 100)
        more = asyncio.create_task(held.take("one", 1))
        assert await waits(more)
        share.end()
        assert not await waits(more)

    run(work())
