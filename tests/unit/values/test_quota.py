"""The quota of an API key, as VirusTotal tells it."""

import pytest

from connector.values.quota import Allowance, allowances, by_span

QUOTA = {
    "api_requests_hourly": {"user": {"used": 3, "allowed": 10}, "group": {"used": 5, "allowed": 20}},
    "api_requests_daily": {"group": {"used": 7, "allowed": 30}},
}


def test_every_allowance_of_user_and_group():
    assert list(allowances(QUOTA)) == [
        Allowance("hourly", "user", 3, 10),
        Allowance("hourly", "group", 5, 20),
        Allowance("daily", "group", 7, 30),
    ]


def test_of_one_span_the_user_counts_before_the_group():
    assert {span: each.left for span, each in by_span(QUOTA).items()} == {"hourly": 7, "daily": 23}


@pytest.mark.parametrize(
    "odd", [None, [], "x", {}, {"used": "3", "allowed": 10}, {"used": -1, "allowed": 10}, {"used": 1}]
)
def test_what_is_no_allowance_is_left_out(odd):
    assert list(allowances({"a": {"user": odd}, "b": odd})) == []
    assert list(allowances(odd)) == []


@pytest.mark.parametrize("span", ["", "Daily", "a b", "x" * 65, 'x"'])
def test_a_span_whose_name_fits_no_metric_is_left_out(span):
    assert list(allowances({span: {"user": {"used": 1, "allowed": 2}}})) == []


def test_only_so_many_spans_are_read():
    many = {f"s{number}": {"user": {"used": 1, "allowed": 2}} for number in range(100)}
    assert len(by_span(many)) == 16
