"""Which change of what is said is worth telling: no number that goes back and forth across the edge of a step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples

from connector.values.news import is_news, meaning


def told(*, engines=None, score=None):
    return meaning("x", engines=engines, percents=[score])


@pytest.mark.parametrize(
    ("before", "after"), [(18, 19), (19, 20), (20, 18), (38, 42), (9, 11), (2, 3), (1, 2), (41, 90), (0, None), (8, 12)]
)
def test_an_engine_more_or_less_is_no_news_at_the_edge_of_a_step_either(before, after):
    assert not is_news(told(engines=before), told(engines=after))
    assert not is_news(told(engines=after), told(engines=before))


@pytest.mark.parametrize(
    ("before", "after"), [(0, 1), (2, 4), (9, 14), (19, 29), (30, 46), (0, 300), (None, 1), (0, 10**400), (0, 1e300)]
)
def test_another_step_of_engines_and_more_than_half_as_many_again_is_news(before, after):
    assert is_news(told(engines=before), told(engines=after))
    assert is_news(told(engines=after), told(engines=before))


@pytest.mark.parametrize(("before", "after"), [(80, 89), (89, 91), (88, 90), (0, 9), (96, 100), (79, 83), (None, "90")])
def test_a_percent_within_its_ten_or_near_the_next_is_no_news(before, after):
    assert not is_news(told(score=before), told(score=after))
    assert not is_news(told(score=after), told(score=before))


@pytest.mark.parametrize(
    ("before", "after"), [(79, 84), (85, 90), (69, 75), (95, 100), (None, 0), (None, 100), (0, 10)]
)
def test_another_ten_five_away_is_news_as_is_a_percent_where_there_was_none(before, after):
    assert is_news(told(score=before), told(score=after))
    assert is_news(told(score=after), told(score=before))


def test_what_is_no_number_is_news_whenever_it_is_another():
    assert not is_news(meaning({"a": 1, "b": 2}), meaning({"b": 2, "a": 1}))
    assert is_news(meaning({"a": 1}), meaning({"a": 2}))


def test_what_was_written_down_in_another_form_is_news_unless_it_is_the_same():
    assert is_news(b"d" * 16, told(score=1))
    assert is_news(b"d" * 32, b"e" * 32)
    assert not is_news(b"d" * 32, b"d" * 32)
    assert is_news(b"", told())


numbers = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@examples(100)
@given(numbers, numbers, numbers, numbers)
def test_it_is_news_one_way_when_it_is_the_other_way(engines, score, more, another):
    one, other = told(engines=engines, score=score), told(engines=more, score=another)
    assert is_news(one, other) is is_news(other, one)
    assert not is_news(one, one)
