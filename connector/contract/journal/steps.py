"""What tests of entries are made of: notifications, look-ups, and steps that take the lease they need."""

from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest

from connector.contract.journal.store import OnStore
from connector.model import (
    Advance,
    DeadLetter,
    Entry,
    Gap,
    JsonObject,
    LookUp,
    Notification,
    Outdated,
    Page,
    Redelivery,
    Subject,
    Version,
)
from connector.ports import Journal
from connector.values.assessments import meaning

Opener = Callable[[], Journal]


def notification(number: int, date: int | None = 1_760_000_000) -> Notification:
    return Notification(str(number), date, {"type": "file", "id": f"{number:064x}", "attributes": {"n": number}})


def page(*numbers: int, checkpoint: object = None, gap: Gap | None = None) -> Page:
    return Page([notification(number) for number in numbers], checkpoint, gap)


RULES, ACTOR = Subject("hunting_ruleset", "71"), Subject("collection", "threat-actor--1")


def naming(number: int, *named: Subject, date: int | None = 1_760_000_000) -> Notification:
    """A notification that names its sources."""
    sources = [{"type": subject.type, "id": subject.id, "label": "x"} for subject in named]
    return Notification(str(number), date, {"type": "file", "context_attributes": {"sources": sources}})


def answer(subject: Subject, said: int = 1, *, at: int = 1, due: int = 100, report: JsonObject | None = None) -> LookUp:
    """That something is known of a subject; the same number says the same."""
    return LookUp(subject, "known", at, due, {"said": said, "text": "\x00\u03f2" * said}, bytes([said]), report or {})


def learn(journal: Journal, *look_ups: LookUp, source: str = "vt") -> list[bool]:
    with journal.lease(source):
        return [journal.learn(source, each) for each in look_ups]


def pass_all(journal: Journal, route: str = "route") -> Sequence[Entry]:
    """Have a route whose documents have versions deal with all that is pending."""
    entries = journal.pending(route, ["vt"], 1000)
    if entries:
        last = Advance(entries[-1].seq, len(entries), 0, 0, learned=entries[0].learned)
        advance(journal, route, ["vt"], last)
    return entries


def outdated(journal: Journal, route: str = "route", limit: int = 1000) -> Outdated:
    found = journal.outdated(route, ["vt"], limit)
    assert found is not None
    return found


def record_redelivery(journal: Journal, found: Outdated, route: str = "route") -> None:
    with journal.lease(route):
        journal.record_redelivery(route, Redelivery([e.seq for e in found.entries], 0, 0, 0, mark=found.mark))


def store(journal: Journal, source: str, *pages: Page) -> list[int]:
    with journal.lease(source):
        return [journal.append(source, each).new for each in pages]


def advance(journal: Journal, route: str, sources: Sequence[str], step: Advance) -> None:
    with journal.lease(route):
        journal.advance(route, sources, step)


def ids(entries: Sequence[Entry]) -> list[str]:
    return [entry.notification.id for entry in entries]


def version(object_id: str, seq: int, at: int, *, sent: bool = False, digest: bytes = b"d" * 32) -> Version:
    created, modified = "2026-01-01T00:00:00.000Z", f"2026-01-01T00:00:{at:02d}.000Z"
    return Version(object_id, seq, digest, created, modified, sent)


def damaged(journal: Journal, garble: Callable[[int, str, object], None], **changed: object) -> int:
    """Three notifications, of which the disk has changed the second, as two routes have found; its seq."""
    store(journal, "vt", page(1, 2, 3))
    seq = journal.find(["vt"], "2")[0].seq
    for column, value in (changed or {"body": b"x"}).items():
        garble(seq, column, value)
    for route in ("route", "other"):
        entries = journal.pending(route, ["vt"], 10)
        assert [each.seq for each in entries if each.damaged] == [seq]
        journal.ask_again([seq], "damaged")
        letters = [DeadLetter(seq, "notification", "damaged")]
        advance(journal, route, ["vt"], Advance(entries[-1].seq, 2, 0, 1, letters))
    return seq


def mend(journal: Journal, seq: int, with_: Notification, source: str = "vt") -> bool:
    with journal.lease(source):
        return journal.mend(source, seq, with_)


def about(number: int, entity: str, *, malicious: int = 0, kind: str = "domain") -> Notification:
    """A notification about an entity that so many engines call malicious."""
    body: JsonObject = {
        "type": kind,
        "id": entity,
        "attributes": {"last_analysis_stats": {"malicious": malicious}},
        "context_attributes": {"notification_id": str(number)},
    }
    return Notification(str(number), 1_760_000_000, body)


def assessed(subject: Subject, malicious: int, *, at: int, again: Sequence[int] = (), **more: Any) -> LookUp:
    attributes = {"last_analysis_stats": {"malicious": malicious}}
    return LookUp(subject, "known", at, 2**40, attributes, meaning(attributes), again=again, **more)


HOST, FILE = Subject("domain", "c2.example.com"), Subject("file", "a" * 64)


LATER = 2**40


def newest(journal: Journal) -> list[JsonObject | None]:
    """By entry, what a look-up said of its entity."""
    return [each.entity and orjson.loads(each.entity) for each in journal.entries([1, 2])]


def suppressed(
    journal: Journal, route: str | None = None, list_name: str | None = None, limit: int = 100
) -> list[tuple]:
    return [
        (each.route, each.notification_id, each.suppressed.value, each.suppressed.is_derived, each.suppressed.list)
        for each in journal.guarded(route, list_name, limit)
    ]


class OnEntries(OnStore):
    """Tests of entries: a journal on the store, and how to have that damaged."""

    @pytest.fixture
    def open_journal(self, tmp_path) -> Opener:
        return self.make_store(tmp_path).open

    @pytest.fixture
    def garble(self, tmp_path) -> Callable[[int, str, object], None]:
        """Has the disk change what is stored of an entry: its `body`, its `date` or its `notification_id`."""
        return self.make_damaged_store(tmp_path).garble

    @pytest.fixture
    def journal(self, open_journal):
        journal = open_journal()
        yield journal
        journal.close()
