"""What a person does with dead letters: list, show, retry, export and drop them."""

import itertools
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

import orjson

from connector import app, kinds
from connector.configuration import Plan
from connector.model import SET_ASIDE, Json, Misconfigured, StoredDeadLetter, Unavailable
from connector.operations.route import Interrupted, open_route, until_stopped
from connector.pipeline.part import Part
from connector.pipeline.pieces import pieces
from connector.pipeline.redeliver import redeliver
from connector.pipeline.reread import reread
from connector.ports import Journal
from connector.values.timestamps import timestamp

_READ_AT_ONCE = 100
"""Entries of a source, at most."""


def find(plan: Plan, route: str | None = None, reason: str = "") -> list[dict[str, Any]]:
    """The dead letters, or those of a route, as JSON, in the order of their notifications.

    With a `reason`, those alone whose reason has this text in it, in capitals or not.

    Raises:
        Misconfigured: there is no journal, or no such route.
    """
    with app.open_journal(plan) as journal:
        found = map(_summary, _of_route(plan, journal, route))
        return [each for each in found if reason.lower() in each["reason"].lower()]


def by_reason(found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Dead letters as `find` gives them, counted: `dead_letters`, `route`, `by`, `reason`; the most first."""
    counted = Counter((each["route"], each["by"], each["reason"]) for each in found)
    return [
        {"dead_letters": count, "route": route, "by": by, "reason": reason}
        for (route, by, reason), count in counted.most_common()
    ]


def get(plan: Plan, number: int) -> dict[str, Any]:
    """One dead letter as JSON, with the `document` that was refused, if there was one, and the raw `body`.

    Raises:
        Misconfigured: there is none of this number.
    """
    with app.open_journal(plan) as journal:
        (stored,) = _numbered(journal, [number])
        (entry,) = journal.entries([stored.letter.seq])
    return {**_summary(stored), "document": _document(stored.letter.document), "body": entry.notification.body}


def retry(
    plan: Plan, route: str | None = None, numbers: Sequence[int] = (), stop: threading.Event | None = None
) -> list[Part]:
    """Deliver what was refused, with the mapping as it is now: all, or a route's, or those of these numbers.

    The whole notification is rendered anew, and what its receiver does not have is sent. What is delivered, or no
    longer wanted by the route's filter, is no longer a dead letter; what is refused again has the new reason. A source
    is asked again for what it could not read. Each route or source is dealt with under its lease. An error of one does
    not stop the others: its part is then `waiting` or `blocked`, and says why. Once `stop` is set it ends soon; a part
    that is still `running` was cut short.

    Raises:
        Misconfigured: there is no such route or number.
    """
    stop = stop or threading.Event()
    parts: list[Part] = []
    with suppress(Interrupted):
        until_stopped(lambda: _retry(plan, route, numbers, stop, parts), stop, plan.settings.shutdown_seconds)
    return parts


def _retry(plan: Plan, route: str | None, numbers: Sequence[int], stop: threading.Event, parts: list[Part]) -> None:
    with app.open_journal(plan) as journal:
        chosen = _numbered(journal, numbers) if numbers else _of_route(plan, journal, route)
        seqs: defaultdict[str, set[int]] = defaultdict(set)
        for stored in chosen:
            if route is not None and stored.route != route:
                raise Misconfigured(f"the dead letter {stored.id} is not of the route {route}, but of {stored.route}")
            seqs[stored.route].add(stored.letter.seq)
        parts += [Part(name, "route") for name in sorted(seqs)]
        for part in parts:
            try:
                _redeliver(plan, journal, sorted(seqs[part.name]), part, stop)
                part.state = "done"
            except Interrupted:
                return
            except Unavailable as error:
                part.state, part.message = "waiting", str(error)
            except Misconfigured as error:
                part.state, part.message = "blocked", str(error)


def ask_retry(plan: Plan, numbers: Sequence[int]) -> None:
    """Ask whoever serves their routes to retry these once nothing else is pending; return without waiting for it."""
    with app.open_journal(plan) as journal:
        journal.ask_retry(numbers)


def export(plan: Plan, route: str | None = None) -> Iterator[bytes]:
    """A line of JSON for each refused notification: `data` as VirusTotal sent it, `rejected` by whom and why.

    Whatever reads notifications reads these lines too: it looks at `data` alone.

    Raises:
        Misconfigured: there is no such route.
    """
    with app.open_journal(plan) as journal:
        for seq, letters in itertools.groupby(_of_route(plan, journal, route), lambda stored: stored.letter.seq):
            rejected = [_summary(stored) for stored in letters]
            for entry in journal.entries([seq]):
                yield orjson.dumps({"data": entry.notification.body, "rejected": rejected}) + b"\n"


def skip(plan: Plan, route: str, notification_id: str) -> None:
    """Set a notification of a route aside: it becomes a dead letter, and the route goes on without it.

    A process may serve the route: it passes the notification when it next tries.

    Raises:
        Misconfigured: there is no such route or notification, or the route has dealt with it already.
    """
    reads = plan.read_by(plan.route(route))
    with app.open_journal(plan) as journal:
        entries = journal.find(reads, notification_id)
        if not entries:
            raise Misconfigured(f"the journal has no notification {notification_id!r} from {', '.join(reads)}")
        aside = [journal.set_aside(route, entry.seq, SET_ASIDE) for entry in entries]
    if not any(aside):
        raise Misconfigured(
            f"the route {route} has dealt with the notification {notification_id} already: `iocstream rejected list` "
            "says whether it is a dead letter"
        )


def drop(plan: Plan, numbers: Sequence[int]) -> int:
    """Forget dead letters for good; return how many.

    Raises:
        Misconfigured: there is none of one of these numbers; nothing is dropped.
    """
    with app.open_journal(plan) as journal:
        _numbered(journal, numbers)
        return journal.drop(numbers)


def _redeliver(plan: Plan, journal: Journal, seqs: Sequence[int], part: Part, stop: threading.Event) -> None:
    name = part.name
    if name in plan.settings.sources:
        with closing(kinds.make_searchable_source(plan.source(name))) as source, journal.lease(name):
            for entries in pieces(journal, seqs, _READ_AT_ONCE):
                for entry in entries:
                    part.count(reread(name, source, journal, entry))
        return
    if name not in plan.settings.routes:
        raise Misconfigured(f"{name} is no route any more: export its dead letters, or drop them")
    with open_route(plan, name, journal, stop) as route, journal.lease(name):
        for entries in pieces(journal, seqs, route.batch):
            if stop.is_set():
                raise Interrupted("asked to stop before all dead letters were retried")
            part.count(redeliver(route, journal, entries))


def _of_route(plan: Plan, journal: Journal, route: str | None) -> Iterator[StoredDeadLetter]:
    found = journal.dead_letters(route)
    first = next(found, None)
    if first is None:
        if route is not None and route not in plan.settings.sources:
            plan.route(route)
        return iter(())
    return itertools.chain([first], found)


def _numbered(journal: Journal, numbers: Iterable[int]) -> list[StoredDeadLetter]:
    wanted = list(dict.fromkeys(numbers))
    found = list(journal.dead_letters(ids=wanted))
    missing = sorted(set(wanted) - {stored.id for stored in found})
    if missing:
        raise Misconfigured(f"there is no dead letter {missing[0]}; `iocstream rejected list` shows what there is")
    return found


def _summary(stored: StoredDeadLetter) -> dict[str, Any]:
    letter = stored.letter
    return {
        "id": stored.id,
        "route": stored.route,
        "by": letter.by,
        "reason": letter.reason,
        "object": letter.object_id or None,
        "refused_at": None if stored.refused_at is None else timestamp(stored.refused_at),
        "source": stored.source,
        "notification": letter.notification_id,
        "raised": None if stored.date is None else timestamp(stored.date),
    }


def _document(body: bytes | None) -> Json:
    """What was refused: JSON, or text (a CEF event)."""
    if body is None:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")
