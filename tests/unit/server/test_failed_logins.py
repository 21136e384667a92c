"""Wrong tokens are answered more and more slowly, network by network."""

import asyncio

import pytest

from connector.server.failed_logins import FREE, MOST_KNOWN, MOST_WAITING_EACH, FailedLogins
from connector.server.problems import Problem

LONGEST = 2.0


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_a_few_cost_nothing_and_each_further_one_more_up_to_a_limit():
    failed = FailedLogins(LONGEST, Clock())
    waits = [failed.count("192.0.2.7") for _ in range(FREE + 10)]
    assert waits[:FREE] == [0] * FREE
    assert waits[FREE:] == sorted(waits[FREE:])
    assert 0 < waits[FREE] < waits[FREE + 1] < waits[-1] == LONGEST
    assert failed.count("192.0.2.8") == 0


def test_it_is_forgotten_with_time():
    clock = Clock()
    failed = FailedLogins(LONGEST, clock)
    for _ in range(FREE + 10):
        failed.count("192.0.2.7")
    clock.now += 600
    assert failed.count("192.0.2.7") == 0


def test_an_ipv6_network_is_one_client_and_few_are_remembered():
    failed = FailedLogins(LONGEST, Clock())
    assert max(failed.count(f"2001:db8::{each:x}") for each in range(FREE + 1)) > 0
    for each in range(2 * MOST_KNOWN):
        failed.count(f"2001:db8:{each:x}::1")
    assert len(failed._failures) == MOST_KNOWN


def test_only_a_few_wait_since_each_holds_a_connection():
    async def attack():
        failed = FailedLogins(LONGEST, Clock())
        waiting = [asyncio.ensure_future(failed.delay("192.0.2.7", 100)) for _ in range(MOST_WAITING_EACH)]
        await asyncio.sleep(0)
        with pytest.raises(Problem) as refused:
            await failed.delay("192.0.2.7", 100)
        assert refused.value.details.status == 429
        assert ("Connection", "close") in refused.value.headers
        other = asyncio.ensure_future(failed.delay("192.0.2.8", 0))
        await other
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await failed.delay("192.0.2.7", 0)

    asyncio.run(attack())


def test_no_answer_waits_where_none_is_to():
    failed = FailedLogins(0, Clock())
    assert {failed.count("192.0.2.7") for _ in range(5000)} == {0}
