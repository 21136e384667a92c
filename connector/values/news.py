"""What is news: when something says so much else than before that it is worth telling again.

Scores and numbers of engines move a little all the time. A number is therefore news only when it has come to another
step and moved far enough: one that goes back and forth across the edge of a step is none. Nor is one that goes up and
down by more, day after day: that it has fallen, though not by much, is no news while what was told is recent.
"""

import hashlib
from collections.abc import Sequence

import orjson

from connector.model import Json

DIGEST_BYTES = 16
"""Of a digest, as much as is kept: enough to tell what one thing says from what it said before."""

_ENGINES = (1, 3, 10, 20, 40)
"""Numbers of engines at which it makes a difference whether one more calls an entity malicious."""
_TEN = 10
_FAR = 5
_FALLEN = 25
_HUNDRED = 100
_MANY = 255
_NONE = 255
"""In the place of a percent."""
_SHA256 = hashlib.sha256()


def meaning(said: Json, *, engines: Json = None, percents: Sequence[Json] = ()) -> bytes:
    """What something says, to be compared by `is_news`: a digest, and numbers of a byte each.

    Args:
        said: what is news whenever it is another.
        engines: how many engines call it malicious; what is no number is 0.
        percents: scores from 0 to 100. What is no such number is none.

    Raises:
        TypeError: `said` cannot be written as JSON.
    """
    return digest(said) + bytes([_engines(engines), *map(_percent, percents)])


def digest(said: Json) -> bytes:
    """A digest of JSON; the order of members is none of it. Raises TypeError where JSON cannot hold it."""
    hashed = _SHA256.copy()  # cheaper than to start a new one
    hashed.update(orjson.dumps(said, option=orjson.OPT_SORT_KEYS))
    return hashed.digest()[:DIGEST_BYTES]


def is_news(before: bytes, after: bytes, *, is_recent: bool = False) -> bool:
    """Whether one `meaning` is news to who knows another, which was told a short time ago perhaps."""
    if before == after:
        return False
    return (
        len(before) != len(after)
        or before[:DIGEST_BYTES] != after[:DIGEST_BYTES]
        or _are_other_engines(before[DIGEST_BYTES], after[DIGEST_BYTES], 4 if is_recent else None)
        or any(
            _is_another_percent(one, other, _FALLEN if is_recent else _FAR)
            for one, other in zip(before[DIGEST_BYTES + 1 :], after[DIGEST_BYTES + 1 :], strict=True)
        )
    )


def _are_other_engines(one: int, other: int, fallen: int | None) -> bool:
    """Another step, and more than half as many again; or, where that is asked, one of so many at most."""
    fewer, more = sorted((one, other))
    is_far = 2 * more > 3 * fewer if fallen is None or other > one else more >= fallen * fewer
    return _step(fewer) != _step(more) and is_far


def _is_another_percent(one: int, other: int, fallen: int) -> bool:
    """Another ten, and five or more above, or so much below."""
    far = _FAR if other > one else fallen
    return one // _TEN != other // _TEN and (_NONE in (one, other) or abs(one - other) >= far)


def _step(engines: int) -> int:
    return sum(engines >= each for each in _ENGINES)


def _engines(value: Json) -> int:
    return int(min(value, _MANY)) if is_number(value) and value > 0 else 0


def _percent(value: Json) -> int:
    return int(value) if is_number(value) and 0 <= value <= _HUNDRED else _NONE


def is_number(value: Json) -> bool:
    """Whether a JSON value is a number."""
    if value.__class__ is int:  # as nearly all are
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value  # noqa: PLR0124 -- not NaN
