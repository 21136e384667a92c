"""Reading a TAXII 2.1 status resource (section 4.3.1) from servers that do not keep to it.

The lists are optional by the specification; real servers also send counts that do not add up, nulls and text for
numbers, words for `status` that the specification does not have, and ids that are no UUIDs. What names an object is
believed before what only counts, and a failure before a success.
"""

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from connector.model import Json, Message
from connector.values.display import one_line, shortened_in_the_middle
from connector.values.jsontext import list_or_empty, text_or_empty

MAX_ID_LENGTH = 512
MAX_WORDS = 300
MAX_DIGITS = 19
_KEYS = frozenset(
    ("status", "total_count", "success_count", "failure_count", "pending_count", "successes", "failures", "pendings")
)


@dataclass(frozen=True, slots=True)
class Detail:
    """What the server says of one object. `version` and `message` may be empty."""

    id: str
    version: str
    message: str


@dataclass(frozen=True, slots=True)
class Status:
    """How far the server has come with an envelope.

    Attributes:
        id: opaque; None when the server gave none that can be asked for.
        pending: whether it is still at work, as far as can be told: also while objects are left pending in a status
            that calls itself complete, and not when the counts of a pending one add up.
        failed: whether it says that the whole has failed; what it then calls a success is not believed.
        total, succeeded, failure_count: how many objects; None when it does not say.
        is_silent: whether it says nothing of what became of the envelope.
    """

    id: str | None
    pending: bool
    failed: bool = False
    total: int | None = None
    succeeded: int | None = None
    failure_count: int | None = None
    successes: Sequence[Detail] = ()
    failures: Sequence[Detail] = ()
    is_silent: bool = False


ACCEPTED = Status(id=None, pending=False, is_silent=True)
"""The server took the envelope and says nothing more about it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a final status means for the messages of its envelope.

    Attributes:
        failed: those that the server names, with its words.
        suspects: those among which are failures that it counted but did not name.
        all_failed: whether as many failed as there are suspects, or more.
    """

    failed: Sequence[tuple[Message, str]]
    suspects: Sequence[Message]
    all_failed: bool = False


def read(body: Json, shown: Callable[[str], str] | None = None) -> Status:
    """A status from whatever the server sent, its words as `shown` (default: `line`). Never fails."""
    if not isinstance(body, Mapping) or not body:
        return ACCEPTED
    identifier = body.get("id")
    # `.` and `..` in an address would be another address.
    usable = isinstance(identifier, str) and len(identifier) <= MAX_ID_LENGTH and identifier.strip(".")
    state = text_or_empty(body.get("status")).strip().lower()
    failed = state.startswith(("fail", "err"))
    total, succeeded, failures, left = (
        _count(body.get(f"{name}_count")) for name in ("total", "success", "failure", "pending")
    )
    if failures is None:  # a failure that names nothing is one
        failures = len(list_or_empty(body.get("failures"))) or None
    if left is None:
        left = len(list_or_empty(body.get("pendings")))
    is_counted = bool(total) and left == 0 and (succeeded or 0) + (failures or 0) == total
    return Status(
        id=identifier if usable else None,
        pending=not failed and (left > 0 or (state not in ("complete", "") and not is_counted)),
        failed=failed,
        total=total,
        succeeded=succeeded,
        failure_count=failures,
        successes=_details(body.get("successes"), shown or line),
        failures=_details(body.get("failures"), shown or line),
        is_silent=not state and succeeded is None and failures is None and not body.get("failures"),
    )


def is_status(body: Mapping[str, Json]) -> bool:
    """Whether a JSON object says anything that a status says."""
    return not _KEYS.isdisjoint(body)


def judge(status: Status, messages: Sequence[Message]) -> Verdict:
    """Tell the failed messages of an envelope from the others, as far as the status allows."""
    by_id: dict[str, list[Message]] = {}
    for message in messages:
        by_id.setdefault(message.id, []).append(message)
    failed: dict[int, tuple[Message, str]] = {}
    for detail in status.failures:
        for message in _meant(detail, by_id.get(detail.id, ())):
            failed.setdefault(id(message), (message, detail.message or "the server gives no reason"))
    sent = len({(message.id, message.version) for message in messages})
    unnamed = _failure_count(status, sent) - len(failed)
    if unnamed <= 0:
        return Verdict(list(failed.values()), ())
    successes = () if status.failed else status.successes
    fine = {id(m) for detail in successes for m in _meant(detail, by_id.get(detail.id, ()))}
    suspects = [m for m in messages if id(m) not in failed and id(m) not in fine]
    return Verdict(list(failed.values()), suspects, all_failed=unnamed >= len(suspects))


def instant(text: Json) -> datetime.datetime | None:
    """The moment an RFC 3339 timestamp names, however many digits its fraction has; None when it is none.

    Servers answer `….000000Z` for a `….000Z` they were sent: versions are compared as moments.
    """
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.UTC)


def line(text: str, limit: int = MAX_WORDS) -> str:
    """What a server wrote, as one printable line of bounded length.

    The middle is what goes: OpenTAXII repeats the whole object before it says what is wrong with it.
    """
    if len(text) > limit * 8:
        text = text[: limit * 4] + text[-limit * 4 :]
    return shortened_in_the_middle(one_line(text), limit)


def _failure_count(status: Status, sent: int) -> int:
    if status.failed:
        return sent
    counts = [len(status.failures) if status.failure_count is None else status.failure_count]
    if status.succeeded is not None:
        total = sent if status.total is None else status.total
        if not status.failures:  # some servers count nothing but the failures that they name
            total = max(sent, total)  # of fewer than were sent it has overlooked some
        counts.append(total - status.succeeded)
    return max(counts)


def _meant(detail: Detail, candidates: Sequence[Message]) -> Sequence[Message]:
    # Objects without `modified` have a version of the server's own making, so only their id counts. The same is
    # done when an id stands only once in the envelope: it cannot mean another object.
    if len(candidates) <= 1:
        return candidates
    moment = instant(detail.version)
    return [m for m in candidates if m.version is None or (moment is not None and instant(m.version) == moment)]


def _details(entries: Json, shown: Callable[[str], str]) -> Sequence[Detail]:
    return [
        Detail(entry["id"], text_or_empty(entry.get("version")), shown(text_or_empty(entry.get("message"))))
        for entry in list_or_empty(entries)
        if isinstance(entry, Mapping) and isinstance(entry.get("id"), str)
    ]


def _count(value: Json) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < MAX_DIGITS:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
