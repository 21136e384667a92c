"""How processes that share a journal spread its sources and routes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.journals.postgresql.workers import Able, share

PARTS = [f"part{number}" for number in range(7)]


def shares(could, held=None):
    """What each comes to serve, when they ask in turn until nothing changes any more."""
    held = {worker: list((held or {}).get(worker, ())) for worker in could}
    for _ in range(30):
        before = {worker: list(parts) for worker, parts in held.items()}
        for me in could:
            held[me] = list(share(me, {worker: Able(could[worker], held[worker]) for worker in could}, ()))
        if held == before:
            return held
    raise AssertionError("it never comes to rest")


@given(st.integers(0, 30), st.integers(1, 6), st.randoms())
def test_each_part_is_served_by_one_and_all_serve_as_many_or_one_more(count, workers, chance):
    parts, working = [f"part{number}" for number in range(count)], [f"worker{number}" for number in range(workers)]
    before = {worker: [] for worker in working}
    for part in parts:
        if chance.random() < 0.8:
            before[chance.choice(working)].append(part)
    after = shares(dict.fromkeys(working, parts), before)
    assert sorted(part for each in after.values() for part in each) == sorted(parts)
    sizes = [len(each) for each in after.values()]
    assert max(sizes) - min(sizes) <= 1


@given(st.dictionaries(st.sampled_from("abcd"), st.sets(st.sampled_from(PARTS)), min_size=1))
def test_whatever_configurations_say_each_part_is_served_by_one_that_has_it(could):
    could = {worker: sorted(parts) for worker, parts in could.items()}
    after = shares(could)
    served = sorted(part for each in after.values() for part in each)
    assert served == sorted({part for each in could.values() for part in each})
    assert all(set(after[worker]) <= set(could[worker]) for worker in could)


def test_a_part_that_is_new_in_one_configuration_is_served_though_the_others_know_nothing_of_it():
    before = {"new": ["part0", "part1"], "old": ["part2"]}
    after = shares({"new": PARTS[:4], "old": PARTS[:3]}, before)
    assert "part3" in after["new"]


def test_who_joins_is_given_only_what_is_over():
    before = shares(dict.fromkeys("ab", PARTS))
    after = shares(dict.fromkeys("abc", PARTS), before)
    assert all(set(after[worker]) <= set(before[worker]) for worker in "ab")
    assert len(after["c"]) == 2


def test_what_somebody_who_is_gone_served_the_others_take_and_keep_their_own():
    before = shares(dict.fromkeys("abc", PARTS))
    after = shares(dict.fromkeys("ab", PARTS), {worker: before[worker] for worker in "ab"})
    assert all(set(before[worker]) <= set(after[worker]) for worker in "ab")
    assert sorted(after["a"] + after["b"]) == PARTS


@pytest.mark.parametrize("leased", [["part0"], PARTS])
def test_what_another_has_not_let_go_of_is_not_taken(leased):
    assert not {*share("a", {"a": Able(PARTS, [])}, leased)} & {*leased}
