"""Whose request is worked on, and who waits."""

import asyncio

import pytest

from connector.server.problems import Problem
from connector.server.turns import MOST_WAITING, Turns


async def rest():
    for _ in range(10):
        await asyncio.sleep(0)


def begun(turns, *tokens):
    """Ask for a turn for each of these, in this order; the tasks."""
    return [asyncio.ensure_future(turns.take(token)) for token in tokens]


def in_a_loop(test):
    def run():
        asyncio.run(test())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@in_a_loop
async def test_each_token_always_has_one_and_the_others_are_shared():
    turns = Turns(most=4, most_each=3, patience=100)
    greedy = begun(turns, *["a"] * 5, *["b"] * 5)
    await rest()
    assert [each.done() for each in greedy] == [True] * 3 + [False] * 2 + [True] + [False] * 4
    (late,) = begun(turns, "c")
    await rest()
    assert late.done()
    for each in greedy:
        each.cancel()


@in_a_loop
async def test_a_place_goes_to_whoever_has_the_fewest_and_has_waited_longest():
    turns = Turns(most=4, most_each=3, patience=100)
    first, second = begun(turns, *["a"] * 6), begun(turns, *["b"] * 3)
    await rest()
    turns.give_back("a")
    await rest()
    assert [each.done() for each in first] == [True] * 3 + [False] * 3
    assert [each.done() for each in second] == [True, True, False]
    for token in ("a", "a", "b", "b"):
        turns.give_back(token)
        await rest()
    assert all(each.done() for each in second)
    assert sum(each.done() for each in first) >= 5
    for each in first:
        each.cancel()


@in_a_loop
async def test_who_waits_too_long_is_told_whether_it_was_for_its_own_requests_or_for_those_of_others():
    turns = Turns(most=3, most_each=2, patience=0)
    await turns.take("a")
    await turns.take("a")
    with pytest.raises(Problem) as own:
        await turns.take("a")
    await turns.take("b")
    with pytest.raises(Problem) as others:
        await turns.take("b")
    assert [each.value.details.status for each in (own, others)] == [429, 503]
    assert {each.value.headers[0][0] for each in (own, others)} == {"Retry-After"}
    turns.give_back("a")
    await turns.take("b")  # nobody who has left holds a place


@in_a_loop
async def test_only_so_many_wait():
    turns = Turns(most=1, most_each=1, patience=100)
    waiting = begun(turns, *["a"] * (MOST_WAITING + 1))
    await rest()
    with pytest.raises(Problem) as refused:
        await turns.take("a")
    assert refused.value.details.status == 429
    for each in waiting[1:]:
        each.cancel()
    await rest()
    turns.give_back("a")
    await turns.take("a")


@in_a_loop
async def test_a_place_that_comes_at_the_moment_of_leaving_is_not_lost():
    turns = Turns(most=1, most_each=1, patience=100)
    await turns.take("a")
    leaving, next_one = begun(turns, "a", "a")
    await rest()
    turns.give_back("a")
    leaving.cancel()
    await rest()
    assert leaving.cancelled()
    assert next_one.done()
