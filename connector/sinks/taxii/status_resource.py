"""Reading a TAXII 2.1 status resource (section 4.3.1) from servers that do not keep to it.

The lists are optional by the specification; real servers also send counts that do not add up, nulls for numbers
and ids that are no UUIDs. What names an object is believed before what only counts.
"""

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from connector.model import Json, Message
from connector.values.display import one_line, shortened_in_the_middle

MAX_ID_LENGTH = 512
MAX_WORDS = 300


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
        pending: whether it is still at work.
        failure_count: how many objects failed; None when it does not say.
    """

    id: str | None
    pending: bool
    failure_count: int | None
    successes: Sequence[Detail] = ()
    failures: Sequence[Detail] = ()


ACCEPTED = Status(id=None, pending=False, failure_count=None)
"""The server took the envelope and says nothing more about it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a final status means for the messages of its envelope.

    Attributes:
        failed: those that the server names, with its words.
        suspects: those among which are failures that it counted but did not name.
    """

    failed: Sequence[tuple[Message, str]]
    suspects: Sequence[Message]


def read(body: Json, shown: Callable[[str], str] | None = None) -> Status:
    """A status from whatever the server sent, its words as `shown` (default: `line`). Never fails."""
    if not isinstance(body, Mapping):
        return ACCEPTED
    identifier = body.get("id")
    # `.` and `..` in an address would be another address.
    usable = isinstance(identifier, str) and len(identifier) <= MAX_ID_LENGTH and identifier.strip(".")
    count = body.get("failure_count")
    return Status(
        id=identifier if usable else None,
        pending=body.get("status") == "pending",
        failure_count=count if isinstance(count, int) and not isinstance(count, bool) else None,
        successes=_details(body.get("successes"), shown or line),
        failures=_details(body.get("failures"), shown or line),
    )


def judge(status: Status, messages: Sequence[Message]) -> Verdict:
    """Tell the failed messages of an envelope from the others, as far as the status allows."""
    by_id: dict[str, list[Message]] = {}
    for message in messages:
        by_id.setdefault(message.id, []).append(message)
    failed: dict[int, tuple[Message, str]] = {}
    for detail in status.failures:
        for message in _meant(detail, by_id.get(detail.id, ())):
            failed.setdefault(id(message), (message, detail.message or "the server gives no reason"))
    declared = len(status.failures) if status.failure_count is None else status.failure_count
    if declared <= len(failed):
        return Verdict(list(failed.values()), ())
    fine = {id(m) for detail in status.successes for m in _meant(detail, by_id.get(detail.id, ()))}
    suspects = [m for m in messages if id(m) not in failed and id(m) not in fine]
    return Verdict(list(failed.values()), suspects)


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


def _meant(detail: Detail, candidates: Sequence[Message]) -> Sequence[Message]:
    # Objects without `modified` have a version of the server's own making, so only their id counts. The same is
    # done when an id stands only once in the envelope: it cannot mean another object.
    if len(candidates) <= 1:
        return candidates
    moment = instant(detail.version)
    return [m for m in candidates if m.version is None or (moment is not None and instant(m.version) == moment)]


def _details(entries: Json, shown: Callable[[str], str]) -> Sequence[Detail]:
    if not isinstance(entries, list):
        return ()
    return [
        Detail(entry["id"], _text(entry.get("version")), shown(_text(entry.get("message"))))
        for entry in entries
        if isinstance(entry, Mapping) and isinstance(entry.get("id"), str)
    ]


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
