from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.values import timestamps


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.1Z", 100_000),
        ("1970-01-01T00:00:00.1239999999999Z", 123_999),
        ("2026-01-01T00:00:01.000Z", 1_767_225_601_000_000),
        ("2016-12-31T23:59:60.5Z", 1_483_228_800_500_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
    ],
)
def test_an_instant_is_read_whatever_the_length_of_its_fraction(text, expected):
    assert timestamps.microseconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00z",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:61Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z\n",
        "٢٠٢٦-01-01T00:00:00Z",
        "2026-01-01T00:00:00." + "1" * 101 + "Z",
    ],
)
def test_what_is_no_timestamp_is_refused(text):
    with pytest.raises(ValueError, match=r"not a timestamp|no minute"):
        timestamps.microseconds(text)


def test_a_taxii_timestamp_is_aligned_to_milliseconds():
    assert timestamps.taxii(1_767_225_601_005) == "2026-01-01T00:00:01.005000Z"
    assert timestamps.microseconds(timestamps.taxii(1_767_225_601_005)) == 1_767_225_601_005_000


@given(seconds=st.one_of(st.integers(-62_135_596_800, 253_402_300_799), st.floats(-62_135_596_800, 253_402_300_799)))
@example(seconds=-1)
@example(seconds=0)
@example(seconds=253_402_300_799)
def test_unix_seconds_are_written_as_python_writes_the_moment(seconds):
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    assert timestamps.timestamp(seconds) == moment.strftime("%Y").zfill(4) + moment.strftime("-%m-%dT%H:%M:%S.") + (
        f"{moment.microsecond // 1000:03d}Z"
    )


@pytest.mark.parametrize("seconds", [253_402_300_800, -62_135_596_801, 10**30, 1e300, float("nan")])
def test_what_no_calendar_has_is_no_timestamp(seconds):
    with pytest.raises((ValueError, OverflowError)):
        timestamps.timestamp(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-31", 1_769_817_600),
        ("2026-01-31T08:00:00Z", 1_769_846_400),
        ("2026-01-31t08:00:00z", 1_769_846_400),
        ("2026-01-31 10:00:00.9+02:00", 1_769_846_400),
        ("1969-12-31", 0),
    ],
)
def test_what_people_write_is_a_date_or_a_time_with_an_offset(text, seconds):
    assert timestamps.unix_seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-W05", "is no time"),
        ("20260131", "is no time"),
        ("2026-01-31T08:00Z", "is no time"),
        ("yesterday", "is no time"),
        ("", "is no time"),
        ("2026-01-31T08:00:00", "time zone"),
        ("2026-02-30", "is no time of the calendar"),
    ],
)
def test_what_is_neither_says_what_to_write(text, said):
    with pytest.raises(ValueError, match=said):
        timestamps.unix_seconds(text)
