"""Times as text, and as whole numbers, which compare as the instants they name."""

import functools
import re
from datetime import UTC, datetime, timedelta

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d):(\d\d)(?:\.(\d{1,100}))?Z", re.ASCII)
_DATE_OR_TIME = re.compile(
    r"\d{4}-\d\d-\d\d(?P<time>[Tt ]\d\d:\d\d:\d\d(\.\d+)?(?P<offset>[Zz]|[+-]\d\d:\d\d)?)?", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_IN_UTC = datetime(1970, 1, 1)  # noqa: DTZ001 -- without a zone to reckon with it takes half the time
_TWO_DIGITS = [f"{number:02d}" for number in range(60)]
_LEAP_SECOND = 60


def microseconds(text: str) -> int:
    """Microseconds since 1970, rounded down (RFC 3339 with `Z`, a fraction of any length or none).

    Raises:
        ValueError: it is no such timestamp.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError("not a timestamp such as 2026-01-31T12:00:00.000000Z")
    minute, seconds, fraction = match.groups(default="")
    if int(seconds) > _LEAP_SECOND:
        raise ValueError("no minute has so many seconds")
    try:
        moment = datetime.fromisoformat(minute + "+00:00") - _EPOCH
    except ValueError:
        raise ValueError("not a timestamp of the calendar") from None
    return (moment // timedelta(seconds=1) + int(seconds)) * 1_000_000 + int(fraction[:6].ljust(6, "0"))


def unix_seconds(text: str) -> int:
    """Unix seconds, rounded down, of what a person or a playbook writes: a date, or a time with an offset (RFC 3339).

    A date alone is its first second, UTC. What is before 1970 is 0.

    Raises:
        ValueError: it is neither; the message says what to write.
    """
    match = _DATE_OR_TIME.fullmatch(text)
    if match is None:
        raise ValueError("is no time; write 2026-01-31 or 2026-01-31T08:00:00Z")
    if match["time"] and not match["offset"]:
        raise ValueError("does not say in which time zone; add Z, or an offset like +02:00")
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueError("is no time of the calendar") from None
    return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))


@functools.lru_cache(maxsize=64)  # a notification's documents all have its time
def timestamp(seconds: float) -> str:
    """Unix seconds in RFC 3339 with exactly three digits, as the STIX Best Practice Guide asks.

    Raises:
        ValueError, OverflowError: outside the years 1 to 9999.
    """
    if not isinstance(seconds, int):
        return (_EPOCH_IN_UTC + timedelta(0, seconds)).isoformat("T", "milliseconds") + "Z"
    day, second = divmod(seconds, 86_400)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    return f"{_day(day)}T{_TWO_DIGITS[hour]}:{_TWO_DIGITS[minute]}:{_TWO_DIGITS[second]}.000Z"


@functools.lru_cache(maxsize=64)
def _day(days: int) -> str:
    return (_EPOCH_IN_UTC + timedelta(days)).date().isoformat()


def taxii(milliseconds: int) -> str:
    """Milliseconds since 1970 as a TAXII timestamp: with six digits, of which the last three are 0 (section 2)."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def stix(milliseconds: int) -> str:
    """Milliseconds since 1970 as `timestamp` writes them, with three digits."""
    seconds, rest = divmod(milliseconds, 1000)
    text = timestamp(seconds)
    return f"{text[:-4]}{rest:03d}Z" if rest else text
