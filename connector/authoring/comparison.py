"""What another mapping would change: notifications converted by both, and what they make compared."""

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from connector.mapping import CompiledMapping
from connector.model import Document, Entry, Json, JsonObject, Misconfigured, Notification
from connector.pipeline.convert import convert
from connector.ports import Format, ObjectFormat, Outbox
from connector.settings.yamldoc import YamlPath, dotted

SHOWN = 20
"""Differences that are told in full, at most."""
_PAGE = 500

What = Literal["changed", "added", "removed", "refused", "accepted", "refused otherwise"]


@dataclass(frozen=True, slots=True)
class Change:
    """What is different at one place of a document; None where there is nothing."""

    path: str
    old: Json
    new: Json


@dataclass(frozen=True, slots=True)
class Difference:
    """What the two mappings make differently: a document, or a whole notification.

    Attributes:
        notification: its id.
        what: of a document `changed`, `added` or `removed`; of a notification `refused` (by the new mapping alone),
            `accepted` (refused by the old one alone) or `refused otherwise`.
        document: its STIX id, or its number among those of the notification; empty for a notification.
        changes: from the old to the new; for a refusal, the reasons.
    """

    notification: str
    what: What
    document: str
    changes: Sequence[Change]


@dataclass(slots=True)
class Comparison:
    """How many differences there are, and examples: at least one of each kind, up to `SHOWN` in all.

    Attributes:
        notifications: how many were converted by both.
        unchanged, changed, added, removed: documents. Those of a notification that only one of the mappings refuses, or
            is not for, are added or removed.
        refused, accepted: notifications that only the new, or only the old mapping refuses.
        refused_by_both: notifications, whatever the reasons.
        places: in how many documents each place changed; the elements of a list count as one place.
        differences: the examples.
    """

    notifications: int = 0
    unchanged: int = 0
    changed: int = 0
    added: int = 0
    removed: int = 0
    refused: int = 0
    accepted: int = 0
    refused_by_both: int = 0
    places: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The comparison for machines."""
        return asdict(self) | {"places": dict(self.places.most_common())}


def compare(old: CompiledMapping, new: CompiledMapping, notifications: Iterable[Notification]) -> Comparison:
    """Convert each notification by itself, with both, and compare what would be sent, byte for byte.

    Raises:
        Misconfigured: the mappings make different formats, of which everything would differ.
    """
    if old.format_name != new.format_name:
        raise Misconfigured(
            f"{old.name} makes {old.format_name} and {new.name} makes {new.format_name}: only what has one format "
            "can be compared"
        )
    comparison = Comparison()
    told: set[tuple[str, str]] = set()
    for notification in notifications:
        comparison.notifications += 1
        before, after = _made(old, notification), _made(new, notification)
        for difference, places in _differences(notification.id, before, after, comparison):
            signature = {(difference.what, place) for place in places or [""]}
            if not signature <= told and len(comparison.differences) < SHOWN:
                comparison.differences.append(difference)
                told |= signature
    return comparison


def last(journal: Outbox, sources: Sequence[str], count: int) -> Sequence[Entry]:
    """The last entries of these sources, in order, at most `count`."""
    positions = dict.fromkeys(sources, 0)
    window, end = count, _end(journal, positions)
    while True:
        start = max(0, end - window)
        found: deque[Entry] = deque(maxlen=count)
        total = 0
        for entry in _after(journal, positions, start):
            found.append(entry)
            total += 1
        if total >= count or start == 0:
            return found
        window *= 4  # the missing numbers belong to other sources, or were pruned


def _after(journal: Outbox, positions: Mapping[str, int], start: int) -> Iterator[Entry]:
    while entries := journal.history(positions, _PAGE, start):
        yield from entries
        start = entries[-1].seq


def _end(journal: Outbox, positions: Mapping[str, int]) -> int:
    """The seq of the last entry, by bisection: a journal can only be asked for the entries after a seq."""
    low, high = 0, 1
    while journal.history(positions, 1, high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if journal.history(positions, 1, middle):
            low = middle
        else:
            high = middle
    return high


@dataclass(frozen=True, slots=True)
class _Made:
    """What a mapping makes of a notification.

    Attributes:
        documents: by `Difference.document`, each document and its bytes.
        refused: who refused the notification and why; empty when nobody did.
    """

    documents: Mapping[str, tuple[Document, bytes]]
    refused: str


class _Kept:
    """A mapping that keeps the documents of the last rendering."""

    def __init__(self, mapping: CompiledMapping) -> None:
        self._mapping = mapping
        self.documents: Sequence[Document] = ()

    @property
    def format(self) -> Format:
        return self._mapping.format

    def render(self, view: JsonObject) -> Sequence[Document] | None:
        found = self._mapping.render(view)
        self.documents = found or ()
        return found


def _made(mapping: CompiledMapping, notification: Notification) -> _Made:
    kept = _Kept(mapping)
    [conversion] = convert([notification], kept)
    if conversion.refusal:
        return _Made({}, f"{conversion.refusal.by}: {conversion.refusal}")
    if isinstance(kept.format, ObjectFormat):
        identify = kept.format.identify
        shared_documents = {identify(each).id for each in kept.format.shared_documents()}
        by_id = {identify(each).id: each for each in kept.documents}
        bodies = [message for message in conversion.messages if message.id not in shared_documents]
        return _Made({message.id: (by_id[message.id], message.body) for message in bodies}, "")
    events = zip(kept.documents, conversion.messages, strict=True)
    return _Made({str(number): (each, message.body) for number, (each, message) in enumerate(events, 1)}, "")


def _differences(
    notification: str, old: _Made, new: _Made, counts: Comparison
) -> Iterator[tuple[Difference, Sequence[str]]]:
    """Each difference, with the places that changed; counts everything in `counts`."""
    if old.refused or new.refused:
        what: What = "refused otherwise" if old.refused and new.refused else "refused" if new.refused else "accepted"
        counts.refused += what == "refused"
        counts.accepted += what == "accepted"
        counts.refused_by_both += what == "refused otherwise"
        if old.refused != new.refused:
            reasons = Change("", old.refused or None, new.refused or None)
            yield Difference(notification, what, "", [reasons]), [old.refused + new.refused]
    for key in dict.fromkeys((*old.documents, *new.documents)):
        before, after = old.documents.get(key), new.documents.get(key)
        if before is None:
            assert after is not None  # noqa: S101 -- one of them has the key
            counts.added += 1
            yield Difference(notification, "added", key, [Change("", None, after[0])]), [_kind(after[0])]
        elif after is None:
            counts.removed += 1
            yield Difference(notification, "removed", key, [Change("", before[0], None)]), [_kind(before[0])]
        elif before[1] == after[1]:
            counts.unchanged += 1
        else:
            counts.changed += 1
            changes = list(_changes(before[0], after[0], ())) or [((), before[1].decode(), after[1].decode())]
            places = [_place(after[0], path) for path, _, _ in changes]
            counts.places.update(dict.fromkeys(places, 1))
            yield Difference(notification, "changed", key, [Change(dotted(p), o, n) for p, o, n in changes]), places


def _changes(old: Json, new: Json, path: YamlPath) -> Iterator[tuple[YamlPath, Json, Json]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from _changes(old.get(key), new.get(key), (*path, key))
    elif _holds_objects(old) and _holds_objects(new):
        for index in range(max(len(old), len(new))):
            before, after = (each[index] if index < len(each) else None for each in (old, new))
            yield from _changes(before, after, (*path, index))
    elif old != new or type(old) is not type(new):
        yield path, old, new


def _holds_objects(value: Json) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) for each in value)


def _kind(document: Document) -> str:
    """What sort of document it is, among those that have ids; empty for an event."""
    return str(document["type"]) if "id" in document and isinstance(document.get("type"), str) else ""


def _place(document: Document, path: YamlPath) -> str:
    where = re.sub(r"\[\d+\]", "[]", dotted(path)) or "(its bytes)"
    kind = _kind(document)
    return f"{kind}.{where}" if kind else where
