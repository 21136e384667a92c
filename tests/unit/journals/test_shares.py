"""How processes that share a journal spread its sources and routes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.journals.postgresql.workers import share

PARTS = [f"part{number}" for number in range(7)]


def shares(parts, working, held=None):
    """What each comes to serve, when they ask in turn until nothing changes any more."""
    held = {worker: list((held or {}).get(worker, ())) for worker in working}
    for _ in range(20):
        before = {worker: list(parts) for worker, parts in held.items()}
        for me in working:
            taken = {part for worker, parts in held.items() if worker != me for part in parts}
            held[me] = list(share(parts, held[me], taken, working, me))
        if held == before:
            return held
    raise AssertionError("it never comes to rest")


@given(st.integers(0, 40), st.integers(1, 7), st.randoms())
def test_each_part_is_served_by_one_and_all_serve_as_many_or_one_more(count, workers, chance):
    parts, working = [f"part{number}" for number in range(count)], [f"worker{number}" for number in range(workers)]
    before = {worker: [] for worker in working}
    for part in parts:
        if chance.random() < 0.8:
            before[chance.choice(working)].append(part)
    after = shares(parts, working, before)
    assert sorted(part for each in after.values() for part in each) == sorted(parts)
    sizes = [len(each) for each in after.values()]
    assert max(sizes) - min(sizes) <= 1


def test_who_joins_is_given_only_what_is_over():
    before = shares(PARTS, ["a", "b"])
    after = shares(PARTS, ["a", "b", "c"], before)
    assert all(set(after[worker]) <= set(before[worker]) for worker in "ab")
    assert len(after["c"]) == 2


def test_what_somebody_who_is_gone_served_the_others_take_and_keep_their_own():
    before = shares(PARTS, ["a", "b", "c"])
    after = shares(PARTS, ["a", "b"], before)
    assert all(set(before[worker]) <= set(after[worker]) for worker in "ab")
    assert sorted(after["a"] + after["b"]) == PARTS


def test_who_is_drained_serves_nothing():
    assert share(PARTS, PARTS, (), ["b"], "a") == []


@pytest.mark.parametrize("taken", [["part0"], PARTS])
def test_what_another_has_not_given_up_yet_is_not_taken(taken):
    assert not {*share(PARTS, [], taken, ["a"], "a")} & {*taken}
