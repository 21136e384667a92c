"""What `connector.ports.Journal` promises, asked of every journal."""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from connector.contract.examples import examples
from connector.contract.journal.store import OnStore
from connector.model import (
    UNREADABLE,
    Advance,
    Ahead,
    Appended,
    DeadLetter,
    Entry,
    Gap,
    JournalStatus,
    JsonObject,
    LookUp,
    Misconfigured,
    News,
    Notification,
    Outdated,
    Page,
    Redelivery,
    RouteStatus,
    SourceStatus,
    Subject,
    Suppressed,
    Unavailable,
    Unreadable,
    Version,
)
from connector.notification import TECHNIQUES, subjects
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


SUBJECTS = (RULES, ACTOR)


def named(number: int) -> Notification:
    """A notification that names none, one or both of the subjects."""
    return naming(number, *SUBJECTS[number % 3 :], *SUBJECTS[: number % 2], date=number)


SOURCES, ROUTES = ("s1", "s2"), {"r1": ("s1",), "r2": ("s1", "s2")}
NUMBERS = st.integers(0, 12)


class JournalMachine(RuleBasedStateMachine):
    """A journal does what a few dicts and lists do."""

    open_journal: Opener

    def __init__(self) -> None:
        super().__init__()
        self.journal = self.open_journal()
        self.seen: dict[str, list[Notification]] = {source: [] for source in SOURCES}
        self.checkpoints: dict[str, object] = dict.fromkeys(SOURCES)
        self.entries: list[Entry] = []
        self.highest = 0
        self.positions = {(route, source): 0 for route, sources in ROUTES.items() for source in sources}
        self.counts = {route: [0, 0, 0] for route in ROUTES}
        self.dead_letters: dict[str, set[tuple[int, str]]] = {route: set() for route in ROUTES}
        self.dropped = dict.fromkeys(ROUTES, 0)
        self.known_versions: dict[str, list[Version]] = {route: [] for route in ROUTES}
        self.known: dict[tuple[str, Subject], JsonObject] = {}
        self.stale: set[int] = set()  # entries that r2 rendered last before something was learned of what they name

    def unread(self, route: str) -> list[Entry]:
        sources = ROUTES[route]
        return [e for e in self.now() if e.source in sources and e.seq > self.positions[route, e.source]]

    def now(self) -> list[Entry]:
        """The entries, with what is known now."""
        return [replace(entry, context=self.context(entry)) for entry in self.entries]

    def context(self, entry: Entry) -> dict[Subject, JsonObject]:
        found = {subject: self.known.get((entry.source, subject)) for subject in subjects(entry.notification.body)}
        return {subject: said for subject, said in found.items() if said is not None}

    def outdated(self) -> list[Entry]:
        found = self.journal.outdated("r2", SOURCES, 1000)
        return [] if found is None else list(found.entries)

    def passed(self, seqs: set[int]) -> set[int]:
        return {e.seq for e in self.entries if e.seq in seqs and e.seq <= self.positions["r2", e.source]}

    @rule(source=st.sampled_from(SOURCES), subject=st.sampled_from(SUBJECTS), said=st.integers(1, 3))
    def learn(self, source: str, subject: Subject, said: int) -> None:
        naming_it = {e.seq for e in self.entries if e.source == source and subject in subjects(e.notification.body)}
        look_up = answer(subject, said)
        is_new = bool(naming_it) and self.known.get((source, subject)) != look_up.attributes
        assert learn(self.journal, look_up, source=source) == [is_new]
        if is_new:
            assert look_up.attributes is not None
            self.known[source, subject] = look_up.attributes
            self.stale |= naming_it

    @rule(limit=st.integers(1, 5), meanwhile=st.booleans())
    def revise(self, limit: int, meanwhile: bool) -> None:
        found = self.journal.outdated("r2", SOURCES, limit)
        if found is None:
            return
        assert 0 < len(found.entries) <= limit
        if meanwhile:
            self.learn("s1", SUBJECTS[0], 2)
        news = self.stale - {e.seq for e in found.entries} | {
            e.seq for e in found.entries if e.context != self.context(e)
        }
        record_redelivery(self.journal, found, "r2")
        self.forget_dead_letters("r2", {e.seq for e in found.entries})
        self.stale = news

    @rule()
    def revise_everything(self) -> None:
        while (found := self.journal.outdated("r2", SOURCES, 7)) is not None:
            record_redelivery(self.journal, found, "r2")
            self.forget_dead_letters("r2", {e.seq for e in found.entries})
        self.stale -= self.passed(self.stale)

    @rule(source=st.sampled_from(SOURCES), numbers=st.lists(NUMBERS, max_size=6), checkpoint=NUMBERS)
    def append(self, source: str, numbers: list[int], checkpoint: int) -> None:
        new = []
        for number in numbers:
            item = named(number)
            if item not in self.seen[source]:
                self.seen[source].append(item)
                new.append(item)
        assert store(self.journal, source, Page([*map(named, numbers)], checkpoint)) == [len(new)]
        self.checkpoints[source] = checkpoint
        stored = [e for e in self.journal.pending("observer", SOURCES, 1000) if e.seq > self.highest]
        assert [(e.source, e.notification) for e in stored] == [(source, item) for item in new]
        self.entries += stored
        self.highest = max([self.highest, *(e.seq for e in stored)])

    @rule(route=st.sampled_from(sorted(ROUTES)), limit=st.integers(1, 5), refuse=st.booleans(), meanwhile=st.booleans())
    def deliver(self, route: str, limit: int, refuse: bool, meanwhile: bool) -> None:
        batch = self.journal.pending(route, ROUTES[route], limit)
        assert batch == self.unread(route)[:limit]
        if not batch:
            return
        if meanwhile:
            self.learn("s2", SUBJECTS[1], 3)
        count = len(self.known_versions[route])
        new = [version(f"o{count + n}", e.seq, count % 60) for n, e in enumerate(batch)]
        letters = [DeadLetter(batch[0].seq, "sink", "no", "o")] if refuse else []
        with self.journal.lease(route):
            self.journal.record(route, new)
            sent = [v._replace(sent=True) for v in new[len(letters) :]]
            learned = batch[0].learned if route == "r2" else None
            step = Advance(batch[-1].seq, len(sent), 0, len(letters), letters, sent, learned)
            self.journal.advance(route, ROUTES[route], step)
        self.known_versions[route] += [*new[: len(letters)], *sent]
        self.forget_dead_letters(route, {e.seq for e in batch})
        self.dead_letters[route] |= {(letter.seq, letter.object_id) for letter in letters}
        self.counts[route][0] += len(sent)
        self.counts[route][2] += len(letters)
        for source in ROUTES[route]:
            self.positions[route, source] = max(self.positions[route, source], batch[-1].seq)
        if route == "r2":
            fresh = {e.seq for e in batch if e.context == self.context(e)}
            self.stale -= fresh

    @rule(route=st.sampled_from(sorted(ROUTES)), since=st.none() | NUMBERS)
    def rewind(self, route: str, since: int | None) -> None:
        for source in ROUTES[route]:
            dates = {e.seq: e.notification.date or 0 for e in self.entries if e.source == source}
            first = min((seq for seq, date in dates.items() if since is None or date >= since), default=10**6)
            self.positions[route, source] = min(self.positions[route, source], first - 1)
        with self.journal.lease(route):
            positions = self.journal.positions_since(route, ROUTES[route], since)
            self.journal.rewind(route, positions)
        assert positions == {source: self.positions[route, source] for source in ROUTES[route]}
        assert self.journal.history(positions, 1000) == self.unread(route)

    @rule(route=st.sampled_from(sorted(ROUTES)), refuse=st.booleans(), by=st.sampled_from("op"))
    def record_redelivery(self, route: str, refuse: bool, by: str) -> None:
        seqs = sorted({seq for seq, _ in self.dead_letters[route]})[::2]
        letters = [DeadLetter(seq, "sink", "no", by) for seq in seqs] if refuse else []
        with self.journal.lease(route):
            self.journal.record_redelivery(route, Redelivery(seqs, len(seqs) - len(letters), 0, len(letters), letters))
        self.forget_dead_letters(route, set(seqs))
        self.dead_letters[route] |= {(letter.seq, letter.object_id) for letter in letters}
        self.counts[route][0] += len(seqs) - len(letters)
        self.counts[route][2] += len(letters)

    @rule(route=st.sampled_from(sorted(ROUTES)), limit=st.integers(0, 2))
    def drop(self, route: str, limit: int) -> None:
        dropped = list(self.journal.dead_letters(route))[:limit]
        assert self.journal.drop([each.id for each in dropped]) == len(dropped)
        self.dead_letters[route] -= {(each.letter.seq, each.letter.object_id) for each in dropped}
        self.dropped[route] += len(dropped)

    def forget_dead_letters(self, route: str, seqs: set[int]) -> None:
        self.dead_letters[route] = {each for each in self.dead_letters[route] if each[0] not in seqs}

    @rule(before=NUMBERS)
    def prune(self, before: int) -> None:
        needed = {seq for letters in self.dead_letters.values() for seq, _ in letters}
        needed |= {entry.seq for route in ROUTES for entry in self.unread(route)}
        kept = [e for e in self.entries if (e.notification.date or 0) >= before or e.seq in needed]
        assert self.journal.prune(before, ROUTES) == len(self.entries) - len(kept)
        self.entries = kept
        left = {(e.source, subject) for e in kept for subject in subjects(e.notification.body)}
        self.known = {key: said for key, said in self.known.items() if key in left}
        self.stale &= {e.seq for e in kept}

    @rule()
    def reopen(self) -> None:
        self.journal.close()
        self.journal = self.open_journal()

    @invariant()
    def nothing_is_lost_nor_invented(self) -> None:
        assert self.journal.pending("observer", SOURCES, 1000) == self.now()
        assert self.journal.outdated("r1", SOURCES, 1000) is None
        assert (
            self.passed(self.stale) <= {e.seq for e in self.outdated()} == self.passed({e.seq for e in self.outdated()})
        )
        status = self.journal.status(ROUTES)
        assert status.entries == len(self.entries)
        for source in status.sources:
            assert source.checkpoint == self.checkpoints[source.name] == self.journal.checkpoint(source.name)
            assert source.notifications == len(self.seen[source.name])
            assert source.newest == max((n.date or 0 for n in self.seen[source.name]), default=None)
        for route in status.routes:
            unread = self.unread(route.name)
            assert [route.delivered, route.filtered, route.refused] == self.counts[route.name]
            assert route.backlog == len(unread)
            assert route.oldest_pending == min(
                (self.oldest(unread, s) for s in {e.source for e in unread}), default=None
            )
            assert (route.dead_letters, route.dropped) == (
                len(self.dead_letters[route.name]),
                self.dropped[route.name],
            )
            stored = list(self.journal.dead_letters(route.name))
            assert [(each.letter.seq, each.letter.object_id) for each in stored] == sorted(
                self.dead_letters[route.name]
            )
            known = self.known_versions[route.name]
            assert self.journal.versions(route.name, [v.object_id for v in known]) == {v.object_id: [v] for v in known}

    @staticmethod
    def oldest(unread: list[Entry], source: str) -> int:
        return next(e.notification.date or 0 for e in unread if e.source == source)

    def teardown(self) -> None:
        self.journal.close()


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


class EntriesContract(OnStore):
    """What a journal keeps of sources and routes; derive from it, and say on which store (`make_store`).

    Attributes:
        model_examples: how many times it is compared with a model, whatever is done; fewer for a store that is slow.
    """

    model_examples = 40

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

    def test_a_page_comes_back_as_it_was_stored(self, journal):
        odd = Notification("z", None, {"type": "\u202e", "nested": {"list": [None, True, 1.5, "\x00", 2**63]}, "": ""})
        store(journal, "vt", Page([notification(1), odd], {"watermark": 1, "cursor": None}))

        entries = journal.pending("route", ["vt"], 10)

        assert [entry.notification for entry in entries] == [notification(1), odd]
        assert {entry.source for entry in entries} == {"vt"}
        assert journal.checkpoint("vt") == {"watermark": 1, "cursor": None}

    def test_everything_is_there_after_reopening(self, open_journal):
        journal = open_journal()
        store(journal, "vt", page(1, 2, checkpoint={"watermark": 5}, gap=Gap(1, 2)))
        with journal.lease("route"):
            journal.record("route", [version("a", 1, 1)])
            journal.advance("route", ["vt"], Advance(1, 0, 0, 1, [DeadLetter(1, "sink", "no", "a", b"{}")]))
        journal.report("vt", {"quota": 3})
        routes = {"route": ["vt"]}
        before = journal.status(routes)
        journal.close()

        again = open_journal()

        assert again.status(routes) == before
        assert ids(again.pending("route", ["vt"], 10)) == ["2"]
        assert again.versions("route", ["a"]) == {"a": [version("a", 1, 1)]}
        again.close()

    def test_a_source_never_heard_of_has_no_checkpoint(self, journal):
        assert journal.checkpoint("vt") is None

    def test_a_notification_is_stored_once_for_each_source(self, journal):
        assert store(journal, "vt", page(1, 2, 2), page(2, 3), page(1, 2, 3)) == [2, 1, 0]
        assert store(journal, "other", page(3)) == [1]
        assert ids(journal.pending("route", ["vt", "other"], 10)) == ["1", "2", "3", "3"]

    def test_a_page_with_nothing_new_still_moves_the_checkpoint(self, journal):
        store(journal, "vt", page(1, checkpoint=1), page(1, checkpoint=2), page(checkpoint=3))
        assert journal.checkpoint("vt") == 3

    def test_a_page_and_its_checkpoint_are_stored_together(self, journal):
        store(journal, "vt", page(1, checkpoint=1))
        unstorable = Page([notification(2), Notification("3", 2**70, {})], 2, Gap(1, 2))

        with pytest.raises(OverflowError), journal.lease("vt"):
            journal.append("vt", unstorable)

        assert journal.checkpoint("vt") == 1
        assert ids(journal.pending("route", ["vt"], 10)) == ["1"]
        assert journal.status({}).sources[0].gaps == []
        assert store(journal, "vt", page(2)) == [1]

    def test_a_route_reads_its_sources_in_storing_order(self, journal):
        store(journal, "a", page(1, 2))
        store(journal, "b", page(3))
        store(journal, "c", page(4))
        store(journal, "a", page(5))

        both = journal.pending("route", ["b", "a"], 10)

        assert ids(both) == ["1", "2", "3", "5"]
        assert [entry.source for entry in both] == ["a", "a", "b", "a"]
        assert [entry.seq for entry in both] == sorted({entry.seq for entry in both})
        assert ids(journal.pending("route", ["a", "b", "c"], 3)) == ["1", "2", "3"]
        assert journal.pending("route", [], 10) == []
        assert journal.pending("route", ["never heard of"], 10) == []

    def test_each_route_has_its_own_position(self, journal):
        store(journal, "vt", page(1, 2, 3))
        second = journal.pending("one", ["vt"], 2)[-1].seq
        advance(journal, "one", ["vt"], Advance(second, 2, 0, 0))

        assert ids(journal.pending("one", ["vt"], 10)) == ["3"]
        assert ids(journal.pending("two", ["vt"], 10)) == ["1", "2", "3"]

    def test_a_position_never_moves_backwards_and_a_repeated_advance_counts_once(self, journal):
        store(journal, "vt", page(1, 2, 3))
        seqs = [entry.seq for entry in journal.pending("route", ["vt"], 3)]
        step = Advance(seqs[1], 1, 0, 1, [DeadLetter(seqs[0], "mapping", "first")])
        advance(journal, "route", ["vt"], step)
        advance(journal, "route", ["vt"], step)
        advance(journal, "route", ["vt"], Advance(seqs[0], 1, 0, 0))

        (route,) = journal.status({"route": ["vt"]}).routes
        assert (route.position, route.delivered, route.refused, route.dead_letters) == (seqs[1], 1, 1, 1)
        assert ids(journal.pending("route", ["vt"], 10)) == ["3"]

    def test_a_source_added_to_a_route_is_read_from_its_first_notification(self, journal):
        store(journal, "old", page(1))
        store(journal, "added", page(2))
        store(journal, "old", page(3))
        last = journal.pending("route", ["old"], 10)[-1].seq
        advance(journal, "route", ["old"], Advance(last, 2, 0, 0))

        entries = journal.pending("route", ["old", "added"], 10)

        assert ids(entries) == ["2"]
        advance(journal, "route", ["old", "added"], Advance(entries[-1].seq, 1, 0, 0))
        assert journal.pending("route", ["old", "added"], 10) == []
        assert journal.status({"route": ["old", "added"]}).routes[0].delivered == 3

    def test_versions_belong_to_a_route_and_come_in_order(self, journal):
        first, second, replayed = version("a", 1, 1), version("a", 5, 2), version("a", 1, 3)
        with journal.lease("route"):
            journal.record("route", [second, first, version("b", 2, 1)])
            journal.record("route", [replayed])

        assert journal.versions("route", ["a", "never heard of"]) == {"a": [first, replayed, second]}
        assert journal.versions("other", ["a"]) == {}
        assert journal.versions("route", []) == {}

    def test_a_version_is_sent_when_the_route_has_advanced_with_it(self, journal):
        store(journal, "vt", page(1))
        (entry,) = journal.pending("route", ["vt"], 1)
        recorded = [version("a", entry.seq, 1), version("a", entry.seq, 2)]
        sent = recorded[0]._replace(sent=True)
        with journal.lease("route"):
            journal.record("route", recorded)
            journal.advance("route", ["vt"], Advance(entry.seq, 1, 0, 0, sent=[sent]))
            journal.record("route", recorded)

        assert journal.versions("route", ["a"]) == {"a": [sent, recorded[1]]}

    def test_one_version_never_gets_a_second_content(self, journal):
        with journal.lease("route"):
            journal.record("route", [version("a", 1, 1)])
            with pytest.raises(RuntimeError, match=r"^two contents for one version of an object$"):
                journal.record("route", [version("b", 1, 1), version("a", 2, 1, digest=b"e" * 32)])

        assert journal.versions("route", ["a", "b"]) == {"a": [version("a", 1, 1)]}

    def test_three_thousand_objects_are_looked_up_at_once(self, journal):
        versions = [version(f"indicator--{number}", 1, 1) for number in range(3000)]
        with journal.lease("route"):
            journal.record("route", versions)
        assert len(journal.versions("route", [each.object_id for each in versions])) == 3000

    def test_a_dead_letter_is_replaced_by_a_later_one_for_the_same_document(self, journal):
        store(journal, "vt", page(1, 2))
        first, second = (entry.seq for entry in journal.pending("route", ["vt"], 2))
        advance(journal, "route", ["vt"], Advance(first, 0, 0, 1, [DeadLetter(first, "sink", "x", "a", b"{}")]))
        again = [
            DeadLetter(first, "sink", "y", "a"),
            DeadLetter(first, "sink", "y", "b"),
            DeadLetter(second, "mapping", "z"),
        ]
        advance(journal, "route", ["vt"], Advance(second, 0, 0, 1, again))

        (route,) = journal.status({"route": ["vt"]}).routes
        assert (route.dead_letters, route.refused) == (3, 2)

    def test_a_dead_letter_keeps_its_number_while_the_same_is_refused(self, journal):
        store(journal, "vt", page(1, 2))
        first, second = (entry.seq for entry in journal.pending("route", ["vt"], 2))
        letters = [DeadLetter(second, "mapping", "z"), DeadLetter(first, "sink", "x", "a", b"{}")]
        advance(journal, "route", ["vt"], Advance(second, 0, 0, 2, letters))
        advance(journal, "other", ["vt"], Advance(first, 0, 0, 1, [DeadLetter(first, "format", "y")]))

        found = list(journal.dead_letters())

        assert [(each.route, each.letter) for each in found] == [
            ("route", letters[1]),
            ("other", DeadLetter(first, "format", "y")),
            ("route", letters[0]),
        ]
        assert [(each.source, each.letter.notification_id, each.date) for each in found] == [
            ("vt", "1", 1_760_000_000),
            ("vt", "1", 1_760_000_000),
            ("vt", "2", 1_760_000_000),
        ]
        assert found[0].letter.document == b"{}"
        assert all(each.refused_at > 1_760_000_000 for each in found)
        again = DeadLetter(first, "sink", "still", "a")
        with journal.lease("route"):
            journal.record_redelivery("route", Redelivery([first, second], 1, 0, 1, [again]))
        (kept,) = journal.dead_letters("route")
        assert (kept.id, kept.letter) == (found[0].id, again)
        assert list(journal.dead_letters(ids=[found[1].id, found[2].id, 10**6])) == [found[1]]
        assert list(journal.dead_letters("never heard of")) == []

    def test_settling_changes_the_counts_and_leaves_the_position(self, journal):
        store(journal, "vt", page(1, 2))
        first = journal.pending("route", ["vt"], 2)[0].seq
        advance(journal, "route", ["vt"], Advance(first, 0, 0, 1, [DeadLetter(first, "sink", "x", "a")]))
        sent = version("a", first, 1, sent=True)
        with journal.lease("route"):
            journal.record("route", [sent._replace(sent=False)])
            journal.record_redelivery("route", Redelivery([first], 1, 0, 0, sent=[sent]))

        (route,) = journal.status({"route": ["vt"]}).routes
        assert (route.position, route.backlog, route.delivered, route.refused, route.dead_letters) == (
            first,
            1,
            1,
            1,
            0,
        )
        assert journal.versions("route", ["a"]) == {"a": [sent]}

    def test_whoever_serves_a_route_is_told_what_to_retry_until_it_has(self, open_journal):
        journal = open_journal()
        store(journal, "vt", page(1, 2, 3))
        seqs = [entry.seq for entry in journal.pending("route", ["vt"], 10)]
        letters = [DeadLetter(seq, "sink", "no", str(n)) for seq in seqs for n in (1, 2)]
        for route in ("route", "other"):
            advance(journal, route, ["vt"], Advance(seqs[-1], 0, 0, 3, letters))
        assert journal.to_retry("route", 10) == []
        ids = [each.id for each in journal.dead_letters("route")]
        assert journal.ask_retry([ids[0], ids[1], ids[4], 10**6]) == 3
        journal.close()
        journal = open_journal()
        assert [entry.seq for entry in journal.to_retry("route", 1)] == [seqs[0]]
        assert [entry.seq for entry in journal.to_retry("route", 10)] == [seqs[0], seqs[2]]
        assert journal.to_retry("other", 10) == journal.to_retry("never heard of", 10) == []
        with journal.lease("route"):
            journal.record_redelivery("route", Redelivery([seqs[0]], 0, 0, 1, letters[:1], []))
        assert [entry.seq for entry in journal.to_retry("route", 10)] == [seqs[2]]
        with journal.lease("route"):
            journal.record_redelivery("route", Redelivery([seqs[2]], 1, 0, 0, [], []))
        assert journal.to_retry("route", 10) == []
        assert [each.id for each in journal.dead_letters("route")] == [ids[0], ids[2], ids[3]]
        journal.close()

    def test_a_retry_can_be_asked_of_what_was_refused_for_one_reason(self, journal):
        store(journal, "vt", page(1, 2, 3))
        seqs = [entry.seq for entry in journal.pending("route", ["vt"], 10)]
        reasons = ("busy: 429", "no", "busy")
        letters = [DeadLetter(seq, "sink", reason) for seq, reason in zip(seqs, reasons, strict=True)]
        for route in ("route", "other"):
            advance(journal, route, ["vt"], Advance(seqs[-1], 0, 0, 3, letters))
        refused_at = max(each.refused_at for each in journal.dead_letters("route"))
        assert journal.ask_retry_of("route", "busy:", refused_at - 1) == 0
        assert journal.ask_retry_of("never heard of", "busy:", refused_at) == 0
        assert journal.to_retry("route", 10) == []
        assert journal.ask_retry_of("route", "busy:", refused_at) == 1
        assert [entry.seq for entry in journal.to_retry("route", 10)] == seqs[:1]
        assert journal.to_retry("other", 10) == []

    def test_the_news_of_a_source_is_another_when_it_has_new_entries_or_more_is_known_and_only_then(self, journal):
        assert journal.news() == News({}, [])
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        store(journal, "other", Page([naming(2, ACTOR)], None))
        seen = [journal.news().sources]
        for change in (
            lambda: store(journal, "vt", page(3)),
            lambda: learn(journal, answer(ACTOR)),
            lambda: learn(journal, answer(ACTOR, said=2)),
        ):
            change()
            seen.append(journal.news().sources)
        marks = [each["vt"] for each in seen]
        assert len(set(marks)) == len(marks)
        assert {each["other"] for each in seen} == {seen[0]["other"]}
        store(journal, "vt", page(3))
        learn(journal, answer(ACTOR, said=2))
        assert journal.news().sources == seen[-1]

    def test_the_news_name_the_routes_with_dead_letters_to_retry(self, journal):
        store(journal, "vt", page(1))
        (entry,) = journal.pending("route", ["vt"], 10)
        for route in ("route", "other"):
            advance(journal, route, ["vt"], Advance(entry.seq, 0, 0, 1, [DeadLetter(entry.seq, "sink", "no", "1")]))
        assert journal.news().to_retry == []
        (letter,) = journal.dead_letters("other")
        journal.ask_retry([letter.id])
        assert journal.news().to_retry == ["other"]
        with journal.lease("other"):
            journal.record_redelivery("other", Redelivery([entry.seq], 1, 0, 0))
        assert journal.news().to_retry == []

    def test_it_is_known_how_many_subjects_a_source_was_asked_about_since_a_time(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR, RULES)], None))
        store(journal, "other", Page([naming(2, ACTOR)], None))
        learn(journal, answer(ACTOR, at=10), LookUp(RULES, "failed", 20, 60))
        learn(journal, answer(ACTOR, at=30), source="other")
        assert [journal.asked_since("vt", since) for since in (10, 11, 20, 21)] == [2, 1, 1, 0]
        assert journal.asked_since("never heard of", 1) == 0

    def test_notifications_are_told_apart_however_long_their_ids_are(self, journal):
        long = "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(125))
        ids = [long + "a", long + "b"]
        said = Page(
            [Notification(each, 1, {"n": each[-1]}) for each in ids], 1, unreadable=[Unreadable(long, "no JSON")]
        )
        for _ in range(2):
            store(journal, "vt", said)
        *pending, unreadable = journal.pending("out", ["vt"], 10)
        assert [entry.notification.body["n"] for entry in pending] == ["a", "b"]
        assert unreadable.notification.id.startswith(UNREADABLE)
        assert [journal.find(["vt"], each)[0].notification.body for each in ids] == [{"n": "a"}, {"n": "b"}]
        assert len(list(journal.dead_letters("vt"))) == 1

    def test_what_a_source_could_not_read_is_one_dead_letter_of_the_source(self, journal):
        unreadable = Unreadable("7", "no JSON at byte 5", date=1_760_000_001, notification_id="7", excerpt="NaN")
        seen = Page([notification(1)], {"at": 1}, unreadable=[unreadable])
        with journal.lease("vt"):
            appended = [journal.append("vt", seen) for _ in range(2)]
        assert appended == [Appended(1, [unreadable]), Appended(0, [])]
        (letter,) = journal.dead_letters("vt")
        assert (letter.route, letter.source, letter.date) == ("vt", "vt", 1_760_000_001)
        assert (letter.letter.by, letter.letter.reason) == ("source", "no JSON at byte 5")
        (entry,) = journal.entries([letter.letter.seq])
        assert entry.notification.id == UNREADABLE + "7"
        assert entry.notification.body["unreadable"]["notification_id"] == "7"
        assert journal.status({"route": ["vt"]}).other_dead_letters == {"vt": 1}
        assert journal.ask_retry([letter.id]) == 1
        assert journal.to_retry("vt", 10) == [entry]
        with journal.lease("vt"):
            journal.record_redelivery("vt", Redelivery([entry.seq], 1, 0, 0))
        assert list(journal.dead_letters()) == []

    def test_what_could_not_be_read_is_kept_without_a_date_too(self, journal):
        store(journal, "vt", Page([], None, unreadable=[Unreadable("7", "no JSON")]))
        (letter,) = journal.dead_letters()
        assert (letter.date, letter.letter.notification_id) == (None, UNREADABLE + "7")
        assert letter.refused_at is not None
        assert letter.refused_at > 1_760_000_000

    def test_what_routes_find_damaged_is_one_dead_letter_of_the_source_to_be_retried(self, journal, garble):
        seq = damaged(journal, garble)
        (letter,) = journal.dead_letters("vt")
        assert (letter.letter.seq, letter.letter.by, letter.letter.reason) == (seq, "source", "damaged")
        assert letter.refused_at == pytest.approx(time.time(), abs=600)
        assert [entry.seq for entry in journal.to_retry("vt", 10)] == [seq]
        assert journal.to_retry("route", 10) == journal.to_retry("other", 10) == []

    def test_what_a_source_has_been_asked_for_again_is_not_asked_for_by_itself_a_second_time(self, journal, garble):
        seq = damaged(journal, garble)
        with journal.lease("vt"):
            journal.record_redelivery("vt", Redelivery([seq], 0, 0, 1, [DeadLetter(seq, "source", "gone")]))
        journal.ask_again([seq], "damaged")
        assert journal.to_retry("vt", 10) == []
        assert [each.letter.reason for each in journal.dead_letters("vt")] == ["gone"]

    def test_of_what_is_asked_for_again_the_whole_is_retried_by_its_routes_and_the_damaged_by_its_source(
        self, journal, garble
    ):
        store(journal, "vt", page(1, 2))
        mended, broken = (entry.seq for entry in journal.pending("route", ["vt"], 2))
        advance(journal, "route", ["vt"], Advance(broken, 1, 0, 1, [DeadLetter(mended, "notification", "damaged")]))
        garble(broken, "body", b"x")
        journal.ask_again([mended, broken], "damaged")
        assert [entry.seq for entry in journal.to_retry("route", 10)] == [mended]
        assert [entry.seq for entry in journal.to_retry("vt", 10)] == [broken]

    def test_what_a_source_was_asked_for_again_is_forgotten_with_it(self, journal, garble):
        damaged(journal, garble)
        with journal.lease("vt"):
            journal.forget_source("vt")
        assert list(journal.dead_letters()) == []
        assert "vt" not in {each.name for each in journal.served()}

    @pytest.mark.parametrize("changed", [{"body": b"x"}, {"date": 5}])
    def test_what_is_mended_is_whole_and_retried_by_the_routes_that_refused_it(self, open_journal, garble, changed):
        journal = open_journal()
        seq = damaged(journal, garble, **changed)
        assert mend(journal, seq, notification(2))
        journal.close()
        journal = open_journal()
        (entry,) = journal.entries([seq])
        assert (entry.damaged, entry.notification) == (False, notification(2))
        assert journal.to_retry("route", 10) == journal.to_retry("other", 10) == [entry]
        assert store(journal, "vt", page(1, 2, 3)) == [0]
        journal.close()

    def test_only_what_is_damaged_is_mended_and_only_with_itself_by_its_own_source(self, journal, garble):
        seq = damaged(journal, garble)
        (whole,) = journal.find(["vt"], "1")
        other = replace(notification(1), body={"other": 1})
        assert mend(journal, whole.seq, other)  # it is whole
        assert journal.entries([whole.seq]) == [whole]
        assert not mend(journal, seq, notification(1))
        assert not mend(journal, seq, notification(2), source="another")
        assert not mend(journal, 10**6, notification(2))
        assert [entry.damaged for entry in journal.entries([seq])] == [True]
        assert journal.to_retry("route", 10) == []
        with pytest.raises(RuntimeError, match="without its lease"):
            journal.mend("vt", seq, notification(2))

    @pytest.mark.parametrize("instead", ["1", "7"])
    def test_what_has_another_id_than_it_was_stored_under_is_not_mended(self, journal, garble, instead):
        seq = damaged(journal, garble, notification_id=instead)
        assert not mend(journal, seq, notification(int(instead)))
        assert [entry.damaged for entry in journal.entries([seq])] == [True]

    def test_a_retry_of_what_was_damaged_leaves_what_others_refused_of_it(self, journal, garble):
        store(journal, "vt", page(1))
        (entry,) = journal.pending("route", ["vt"], 1)
        for route, by in (("route", "notification"), ("other", "person"), ("third", "sink")):
            advance(journal, route, ["vt"], Advance(entry.seq, 0, 0, 1, [DeadLetter(entry.seq, by, "no")]))
        garble(entry.seq, "body", b"x")
        assert mend(journal, entry.seq, notification(1))
        assert journal.news().to_retry == ["route"]

    def test_a_dead_letter_of_a_source_is_no_route_that_holds_anything_back(self, journal):
        store(journal, "vt", page(1, 2), Page([], None, unreadable=[Unreadable("7", "no JSON", date=5)]))
        assert len(pass_all(journal)) == 3
        assert journal.prune(1_760_000_001, {"route": ["vt"]}) == 2
        (letter,) = journal.dead_letters()
        journal.drop([letter.id])
        assert journal.prune(1_760_000_001, {"route": ["vt"]}) == 1
        assert journal.status({}).entries == 0

    def test_what_was_refused_for_lack_of_its_url_is_retried_once_that_is_known(self, journal):
        about = Subject("url", "a" * 64)
        body = {"type": "url", "id": about.id, "context_attributes": {"notification_id": "1"}}
        store(journal, "vt", Page([Notification("1", 1_760_000_000, body)], None))
        assert journal.due("vt", 10, 5) == [about]
        seq = journal.pending("route", ["vt"], 1)[0].seq
        letters = [DeadLetter(seq, "mapping", "no URL"), DeadLetter(seq, "sink", "no room", "o")]
        advance(journal, "route", ["vt"], Advance(seq, 0, 0, 1, letters))
        assert learn(journal, answer(about)) == [True]
        (entry,) = journal.to_retry("route", 10)
        assert entry.context[about]["said"] == 1

    def test_what_is_dropped_is_counted_and_nothing_else_goes(self, journal):
        store(journal, "vt", page(1))
        (entry,) = journal.pending("route", ["vt"], 1)
        letters = [DeadLetter(entry.seq, "sink", "x", name) for name in "abc"]
        advance(journal, "route", ["vt"], Advance(entry.seq, 0, 0, 1, letters))
        a, b, c = (each.id for each in journal.dead_letters())

        assert journal.drop([a, c, 10**6]) == 2
        assert journal.drop([a]) == journal.drop([]) == 0
        (route,) = journal.status({"route": ["vt"]}).routes
        assert (route.dead_letters, route.dropped, route.refused) == (1, 2, 1)
        assert [each.id for each in journal.dead_letters()] == [b]

    def test_what_is_set_aside_is_a_dead_letter_until_it_is_dealt_with_otherwise(self, journal):
        store(journal, "vt", page(1, 2, 3))
        first, second, third = (entry.seq for entry in journal.pending("route", ["vt"], 3))
        assert journal.are_set_aside("route", [first, second, third]) == set()
        assert journal.set_aside("route", second, "enough")
        assert journal.are_set_aside("route", [first, second, third]) == {second}
        assert journal.are_set_aside("route", [first, third]) == journal.are_set_aside("other", [second]) == set()
        assert [entry.seq for entry in journal.pending("route", ["vt"], 3)] == [first, second, third]
        (stored,) = journal.dead_letters()
        assert (stored.route, stored.letter.by, stored.letter.reason) == ("route", "person", "enough")
        assert stored.refused_at == pytest.approx(time.time(), abs=600)

        advance(journal, "route", ["vt"], Advance(third, 2, 0, 1, [DeadLetter(second, "person", "enough")]))
        assert [each.id for each in journal.dead_letters()] == [stored.id]
        assert not journal.set_aside("route", third, "too late")
        assert len(list(journal.dead_letters())) == 1

    def test_what_is_delivered_after_a_replay_has_no_dead_letter_whichever_source_it_is_of(self, journal):
        sources = ["vt", "other", "third"]
        for number, source in enumerate(sources):
            store(journal, source, page(number))
        entries = journal.pending("route", sources, 10)
        letters = [DeadLetter(entry.seq, "sink", "no") for entry in entries]
        advance(journal, "route", sources, Advance(entries[-1].seq, 0, 0, 3, letters))
        with journal.lease("route"):
            journal.rewind("route", dict.fromkeys(sources, 0))
        advance(journal, "route", sources, Advance(entries[-1].seq, 3, 0, 0))
        assert list(journal.dead_letters()) == []

    def test_a_route_that_reads_nothing_is_at_the_beginning(self, journal):
        store(journal, "vt", page(1, 2))
        (route,) = journal.status({"route": []}).routes
        assert (route.position, route.backlog, route.oldest_pending) == (0, 0, None)

    def test_a_source_that_a_route_is_to_read_and_that_has_fetched_nothing_has_nothing(self, journal):
        (source,) = journal.status({"route": ["new"]}).sources
        assert (source.name, source.checkpoint, source.notifications, source.newest) == ("new", None, 0, None)
        assert (source.gaps, source.report, source.look_ups.waiting, source.damage) == ([], {}, 0, None)

    def test_more_dead_letters_can_be_read_than_are_read_at_once(self, journal):
        numbers = range(450)
        store(journal, "vt", page(*numbers))
        seqs = [entry.seq for entry in journal.pending("route", ["vt"], 450)]
        letters = [DeadLetter(seq, "sink", "x", name) for seq in seqs for name in "ab"]
        advance(journal, "route", ["vt"], Advance(seqs[-1], 0, 0, 450, letters))

        found = list(journal.dead_letters("route"))

        assert [each.letter for each in found] == letters
        assert journal.drop([each.id for each in found]) == 900

    def test_a_route_that_is_rewound_delivers_again_and_its_dead_letters_are_those_of_the_last_time(self, journal):
        store(journal, "vt", Page([notification(n, date=n * 10) for n in (1, 2, 3, 4)], None))
        seqs = [entry.seq for entry in journal.pending("route", ["vt"], 4)]
        refused = [DeadLetter(seq, "sink", "no", "a") for seq in seqs[:3]]
        advance(journal, "route", ["vt"], Advance(seqs[2], 0, 0, 3, refused))
        with journal.lease("route"):
            positions = journal.positions_since("route", ["vt"], 20)
            journal.rewind("route", positions)
        assert ids(journal.pending("route", ["vt"], 10)) == ["2", "3", "4"]
        assert journal.status({"route": ["vt"]}).routes[0].dead_letters == 3

        advance(journal, "route", ["vt"], Advance(seqs[1], 1, 0, 0))

        (route,) = journal.status({"route": ["vt"]}).routes
        assert (route.position, route.delivered, route.refused, route.dead_letters) == (seqs[1], 1, 3, 2)
        assert [each.letter.seq for each in journal.dead_letters()] == [seqs[0], seqs[2]]
        with journal.lease("route"):
            journal.rewind("route", {"vt": seqs[3]})
        assert journal.status({"route": ["vt"]}).routes[0].position == seqs[1]

    def test_what_a_route_refused_of_a_source_it_reads_no_more_stays(self, journal):
        store(journal, "new", page(1))
        store(journal, "old", page(2))
        store(journal, "new", page(3))
        seqs = [entry.seq for entry in journal.pending("route", ["old", "new"], 3)]
        refused = [DeadLetter(seq, "sink", "no") for seq in seqs]
        advance(journal, "route", ["old", "new"], Advance(seqs[2], 0, 0, 3, refused))
        with journal.lease("route"):
            journal.rewind("route", journal.positions_since("route", ["new"], None))
        advance(journal, "route", ["new"], Advance(seqs[2], 2, 0, 0))

        assert [each.letter.seq for each in journal.dead_letters()] == [seqs[1]]

    def test_where_a_replay_begins_is_told_for_each_source(self, journal):
        store(journal, "a", Page([notification(1, date=10), notification(2, date=30)], None))
        store(journal, "b", Page([notification(3, date=20), notification(4, date=5), notification(5, date=40)], None))
        last = journal.pending("route", ["a", "b"], 10)[3].seq
        advance(journal, "route", ["a", "b"], Advance(last, 4, 0, 0))

        def begins(since, sources=("a", "b")):
            positions = journal.positions_since("route", sources, since)
            return ids(journal.history(positions, 10))

        assert begins(None) == ["1", "2", "3", "4", "5"]
        assert begins(15) == ["2", "3", "4", "5"]
        assert begins(25) == ["2", "5"]
        assert begins(35) == ["5"]
        assert begins(99) == ["5"]  # not delivered yet
        assert begins(None, ["a"]) == ["1", "2"]
        assert begins(None, ["never heard of"]) == []
        positions = journal.positions_since("route", ["a", "b"], None)
        second = journal.history(positions, 2)[1].seq
        assert ids(journal.history(positions, 2, after=second)) == ["3", "4"]
        assert ids(journal.pending("route", ["a", "b"], 10)) == ["5"]

        def since(moment):
            return ids(journal.history(journal.positions_since(None, ["a", "b"], moment), 10))

        assert since(None) == ["1", "2", "3", "4", "5"]
        assert since(25) == ["2", "5"]
        assert since(99) == []

    def test_what_was_stored_last_is_read_backwards(self, journal):
        store(journal, "a", page(1, 2))
        store(journal, "b", page(3))
        store(journal, "a", page(4))
        newest = journal.latest(["a", "b"], 3)
        assert ids(newest) == ["4", "3", "2"]
        assert ids(journal.latest(["a", "b"], 3, before=newest[-1].seq)) == ["1"]
        assert ids(journal.latest(["a"], 10)) == ["4", "2", "1"]
        assert journal.latest(["never heard of"], 10) == []

    def test_entries_are_found_by_their_numbers_and_by_their_notification(self, journal):
        store(journal, "a", page(1, 2))
        store(journal, "b", page(2, 3))
        entries = journal.pending("route", ["a", "b"], 10)

        assert journal.entries([entries[3].seq, entries[0].seq, 10**6]) == [entries[0], entries[3]]
        assert journal.find(["b", "a", "never heard of"], "2") == [entries[1], entries[2]]
        assert journal.find(["b"], "1") == []
        assert journal.entries([]) == []

    def test_a_version_that_is_to_be_sent_again_is_no_more_sent(self, journal):
        versions = [version("a", 1, 1, sent=True), version("a", 2, 2, sent=True), version("b", 2, 2, sent=True)]
        store(journal, "vt", page(1))
        with journal.lease("route"):
            journal.advance("route", ["vt"], Advance(1, 1, 0, 0, sent=versions))
            journal.mark_unsent("route", versions[:1])
            journal.mark_unsent("route", [])
        unsent = versions[0]._replace(sent=None)  # it was accepted once
        assert journal.versions("route", ["a", "b"]) == {"a": [unsent, versions[1]], "b": [versions[2]]}

    def test_a_version_knows_the_last_entry_that_says_the_same(self, journal):
        store(journal, "vt", page(1, 2))
        sent = version("a", 1, 1, sent=True)
        with journal.lease("route"):
            journal.advance("route", ["vt"], Advance(1, 1, 0, 0, sent=[sent]))
            again = [sent._replace(last_seq=last) for last in (2, 3, 1)]
            journal.advance("route", ["vt"], Advance(2, 1, 0, 0, sent=again))
        assert journal.versions("route", ["a"]) == {"a": [sent._replace(last_seq=3)]}

    def test_status_tells_what_there_is(self, journal):
        gap = Gap(100, 200)
        store(journal, "vt", Page([notification(1, 50), notification(2, 40), notification(3, None)], {"w": 1}, gap))
        store(journal, "vt", Page([], {"w": 2}, gap))
        seqs = [entry.seq for entry in journal.pending("route", ["vt"], 3)]
        advance(journal, "route", ["vt"], Advance(seqs[0], 0, 1, 0))
        journal.report("vt", {"state": "old"})
        journal.report("vt", {"state": "done"})
        journal.report("route", {"state": "waiting"})

        assert journal.status({"route": ["vt"], "new": ["vt", "new source"]}) == JournalStatus(
            entries=3,
            sources=[
                SourceStatus("new source", None, 0, None, [], {}),
                SourceStatus("vt", {"w": 2}, 3, 50, [gap], {"state": "done"}),
            ],
            routes=[
                RouteStatus("route", ("vt",), seqs[0], 2, 40, 0, 1, 0, 0, {"state": "waiting"}),
                RouteStatus("new", ("vt", "new source"), 0, 3, 50, 0, 0, 0, 0, {}),
            ],
            rules=[],
        )

    def test_pruning_keeps_what_is_young_unread_or_refused(self, journal):
        store(journal, "vt", Page([notification(n, date=n) for n in range(1, 7)], None))
        seqs = [entry.seq for entry in journal.pending("slow", ["vt"], 10)]
        advance(journal, "fast", ["vt"], Advance(seqs[5], 5, 0, 1, [DeadLetter(seqs[1], "sink", "no")]))
        advance(journal, "slow", ["vt"], Advance(seqs[3], 4, 0, 0))
        routes = {"fast": ["vt"], "slow": ["vt"], "of another source": ["other"]}

        assert journal.status(routes).sources[1].pruned_until is None
        assert journal.prune(4, routes) == 2
        assert journal.prune(4, routes) == 0
        assert journal.status(routes).sources[1].pruned_until == 3
        assert ids(journal.pending("observer", ["vt"], 10)) == ["2", "4", "5", "6"]
        assert journal.prune(100, routes) == 1
        assert ids(journal.pending("observer", ["vt"], 10)) == ["2", "5", "6"]
        assert journal.prune(100, routes) == 0
        assert journal.prune(100, {**routes, "never heard of": ["vt"]}) == 0
        assert journal.status(routes).sources[1].pruned_until == 4

    def test_what_a_route_has_not_read_is_held_back_whatever_the_configuration_says_until_it_is_forgotten(
        self, journal
    ):
        store(journal, "vt", page(1, 2, 3))
        second = journal.pending("gone", ["vt"], 2)[1].seq
        advance(journal, "gone", ["vt"], Advance(second, 0, 0, 1, [DeadLetter(second, "sink", "no")]))

        assert journal.prune(2_000_000_000, {"other": []}) == 1
        status = journal.status({})
        assert (status.entries, status.other_dead_letters) == (2, {"gone": 1})
        assert [(each.name, each.unread, each.dead_letters) for each in journal.served() if each.unread] == [
            ("gone", {"vt": 1}, 1)
        ]
        with journal.lease("gone"):
            journal.forget_route("gone")
        assert "gone" not in {each.name for each in journal.served()}
        assert list(journal.dead_letters()) == []
        assert journal.prune(2_000_000_000, {}) == 2

    def test_a_route_holds_back_what_it_reads_before_it_has_delivered_anything(self, journal):
        with journal.lease("new"):
            journal.enlist("new", ["vt"], "there")
        store(journal, "vt", page(1))
        store(journal, "other", page(2))

        assert journal.prune(2_000_000_000, {}) == 1
        assert [each.unread for each in journal.served()] == [{"vt": 1}]

    def test_a_route_that_reads_all_sources_holds_back_those_that_come_later(self, journal):
        with journal.lease("all"):
            journal.enlist("all", ["vt"], "there", reads_all=True)
        store(journal, "later", page(1))

        assert journal.prune(2_000_000_000, {}) == 0
        assert [each.unread for each in journal.served()] == [{"later": 1, "vt": 0}]
        with journal.lease("all"):
            journal.enlist("all", ["vt"], "there")
        assert journal.prune(2_000_000_000, {}) == 1

    def test_of_a_route_only_what_it_reads_no_more_can_be_forgotten(self, journal):
        store(journal, "kept", page(1, 2))
        store(journal, "left", page(3, 4))
        entries = journal.pending("route", ["kept", "left"], 10)
        with journal.lease("route"):
            journal.enlist("route", ["kept", "left"], "first")
            journal.record("route", [version("a", 1, 1)], "first")
            journal.enlist("route", ["kept", "left"], "second")
            journal.record("route", [version("b", 1, 1)], "second")
        letters = [DeadLetter(entry.seq, "sink", "no") for entry in entries]
        advance(journal, "route", ["kept", "left"], Advance(entries[-1].seq, 0, 0, 4, letters))
        (before,) = journal.served()
        assert (before.receiver, before.former_receivers, before.unread) == (
            "second",
            ["first"],
            {"kept": 0, "left": 0},
        )
        assert [each.unread for each in journal.served({"route": ["kept"], "other": ["left"]})] == [{"left": 0}]

        with journal.lease("route"):
            journal.forget_route("route", ["kept"], "second")

        (route,) = journal.served()
        assert (route.former_receivers, route.unread, route.dead_letters) == ([], {"kept": 0}, 2)
        assert journal.versions("route", ["a"], "first") == {}
        assert journal.versions("route", ["b"], "second") == {"b": [version("b", 1, 1)]}
        assert ids(journal.pending("route", ["kept", "left"], 10)) == ["3", "4"]

    def test_a_source_is_forgotten_with_all_that_came_from_it(self, journal):
        store(journal, "vt", Page([naming(1, RULES), naming(2, ACTOR)], {"watermark": 1}, Gap(1, 2)))
        store(journal, "other", page(3))
        learn(journal, answer(RULES))
        first = journal.pending("route", ["vt"], 1)[0].seq
        advance(journal, "route", ["vt", "other"], Advance(first, 0, 0, 1, [DeadLetter(first, "sink", "no")]))
        journal.report("vt", {"state": "done"})

        with journal.lease("vt"):
            journal.forget_source("vt")

        status = journal.status({"route": ["other"]})
        assert [source.name for source in status.sources] == ["other"]
        assert (status.entries, status.routes[0].dead_letters, status.routes[0].backlog) == (1, 0, 1)
        assert journal.checkpoint("vt") is None
        assert store(journal, "vt", page(1, 2)) == [2]
        assert ids(journal.pending("route", ["vt"], 10)) == ["1", "2"]

    @pytest.mark.parametrize("is_pruned", [False, True])
    def test_more_can_be_forgotten_of_a_source_than_one_transaction_takes(self, journal, is_pruned):
        store(journal, "vt", page(*range(1500)))
        if is_pruned:  # whose ids are known for longer
            assert journal.prune(1_760_000_001, {}) == 1500
        with journal.lease("vt"):
            journal.forget_source("vt")
        assert journal.status({}).entries == 0
        assert store(journal, "vt", page(*range(1500))) == [1500], "an id is known still"

    def test_to_forget_takes_the_lease(self, open_journal):
        first, second = open_journal(), open_journal()
        store(first, "vt", page(1))
        with first.lease("vt"), first.lease("route"):
            first.enlist("route", ["vt"], "there")
            with pytest.raises(Unavailable), second.lease("route"):
                second.forget_route("route")
            with pytest.raises(RuntimeError, match="without its lease"):
                second.forget_source("vt")
        assert [each.unread for each in second.served()] == [{"vt": 1}]
        first.close()
        second.close()

    def test_what_one_receiver_has_another_has_not(self, journal):
        store(journal, "vt", page(1))
        (entry,) = journal.pending("route", ["vt"], 1)
        here, there = version("a", entry.seq, 1), version("a", entry.seq, 1, digest=b"e" * 32)
        with journal.lease("route"):
            journal.record("route", [here], "here")
            assert journal.versions("route", ["a"], "there") == {}
            journal.record("route", [there], "there")
            sent = here._replace(sent=True)
            journal.advance("route", ["vt"], Advance(entry.seq, 1, 0, 0, sent=[sent], receiver="here"))
            assert journal.versions("route", ["a"], "here") == {"a": [sent]}
            assert journal.versions("route", ["a"], "there") == {"a": [there]}
            also = there._replace(sent=True)
            journal.record_redelivery("route", Redelivery([entry.seq], 1, 0, 0, sent=[also], receiver="there"))
            journal.mark_unsent("route", [sent], "here")
            assert journal.versions("route", ["a"], "here") == {"a": [here._replace(sent=None)]}
            assert journal.versions("route", ["a"], "there") == {"a": [also]}
            journal.record("route", [version("b", 1, 1, sent=True)], "there")
            journal.mark_unsent("route", None, "there")
        assert journal.versions("route", ["a", "b"], "there") == {"a": [there], "b": [version("b", 1, 1)]}

    def test_what_was_pruned_stays_known_and_its_number_is_not_used_again(self, journal):
        store(journal, "vt", page(1, 2))
        last = journal.pending("route", ["vt"], 2)[-1].seq
        journal.prune(1_760_000_001, {})

        assert store(journal, "vt", page(1, 2, 3)) == [1]
        (entry,) = journal.pending("route", ["vt"], 10)
        assert entry.notification.id == "3"
        assert entry.seq > last
        status = journal.status({})
        assert (status.entries, status.sources[0].notifications) == (1, 3)

    def test_the_id_of_what_was_pruned_is_forgotten_later(self, journal):
        day = 86_400

        def raised(on):
            return Page([Notification(str(on), on * day, {})], None)

        store(journal, "vt", *(raised(on) for on in (100, 101, 102)))
        advance(journal, "route", ["vt"], Advance(3, 2, 0, 1, [DeadLetter(3, "mapping", "odd")]))
        assert journal.prune(150 * day, {"route": ["vt"]}) == 2
        assert store(journal, "vt", raised(100)) == [0]
        journal.prune(161 * day, {"route": ["vt"]})  # the ids of day 100 alone, 60 days longer than what they are of
        assert store(journal, "vt", raised(101), raised(100)) == [0, 1]
        journal.prune(400 * day, {})
        assert store(journal, "vt", raised(102)) == [0]  # which is kept, for its dead letter

    def test_more_can_be_pruned_than_one_transaction_takes(self, journal):
        store(journal, "vt", page(*range(2500)))
        assert journal.prune(2_000_000_000, {}) == 2500
        assert journal.status({}).entries == 0

    def test_a_lease_is_held_by_one_journal_at_a_time(self, open_journal):
        first, second = open_journal(), open_journal()
        with first.lease("route"), second.lease("other route"):
            with pytest.raises(Unavailable, match="route is served by process"), second.lease("route"):
                pass
            with pytest.raises(Unavailable, match="this process"), first.lease("route"):
                pass
        with second.lease("route"):
            pass
        first.close()
        second.close()

    def test_a_lease_is_given_back_when_its_holder_fails_or_closes(self, open_journal):
        first, second = open_journal(), open_journal()
        with pytest.raises(ZeroDivisionError), first.lease("a"):
            raise ZeroDivisionError
        with ExitStack() as stack:
            stack.enter_context(first.lease("b"))
            first.close()
            with second.lease("a"), second.lease("b"):
                pass
        second.close()

    def test_what_is_said_of_a_part_that_another_serves_is_not_kept(self, open_journal):
        first, second = open_journal(), open_journal()
        with first.lease("vt"):
            first.report("vt", {"state": "done"})
            second.report("vt", {"state": "waiting"})
            assert first.status({"out": ["vt"]}).sources[0].report == {"state": "done"}
        second.report("vt", {"state": "waiting"})
        assert first.status({"out": ["vt"]}).sources[0].report == {"state": "waiting"}
        first.close()
        second.close()

    def test_status_tells_who_serves_a_part_through_an_outage_too(self, open_journal):
        first, second = open_journal(), open_journal()

        def served() -> list[int | None]:
            known = second.status({"out": ["vt"]})
            return [each.served_by and each.served_by.process for each in (*known.sources, *known.routes)]

        assert served() == [None, None]
        with first.lease("vt"), first.lease("out"):
            assert served() == [os.getpid(), os.getpid()]
        assert served() == [None, None]
        with pytest.raises(Unavailable, match="no route to host"), first.lease("out"):
            raise Unavailable("no route to host")
        assert served() == [None, os.getpid()]
        with second.lease("out"):
            pass
        assert served() == [None, None]
        with pytest.raises(Unavailable, match="no route to host"), first.lease("out"):
            raise Unavailable("no route to host")
        with pytest.raises(Misconfigured, match="401"), first.lease("out"):
            raise Misconfigured("401")
        assert served() == [None, os.getpid()]
        first.close()
        assert served() == [None, None]
        second.close()

    @pytest.mark.parametrize(
        "write", ["append", "record", "mark_unsent", "forget", "advance", "rewind", "record_redelivery"]
    )
    def test_nothing_is_written_without_the_lease(self, journal, write):
        calls = {
            "append": lambda: journal.append("name", page(1)),
            "record": lambda: journal.record("name", [version("a", 1, 1)]),
            "mark_unsent": lambda: journal.mark_unsent("name", [version("a", 1, 1)]),
            "forget": lambda: journal.forget("name", [version("a", 1, 1)]),
            "advance": lambda: journal.advance("name", ["vt"], Advance(1, 1, 0, 0)),
            "rewind": lambda: journal.rewind("name", {"vt": 0}),
            "record_redelivery": lambda: journal.record_redelivery("name", Redelivery([1], 1, 0, 0)),
        }
        with journal.lease("another name"), pytest.raises(RuntimeError, match="lease"):
            calls[write]()
        assert journal.versions("name", ["a"]) == {}

    def test_many_threads_append_and_advance_at_once(self, open_journal):
        journal = open_journal()
        sources, pages = [f"source {n}" for n in range(4)], 15
        stored = threading.Event()

        def feed(source: str) -> int:
            with journal.lease(source):
                return sum(
                    journal.append(source, page(*range(n, n + 20), checkpoint=n)).new for n in range(0, pages * 10, 10)
                )

        def drain(route: str) -> list[tuple[str, str]]:
            read: list[tuple[str, str]] = []
            with journal.lease(route):
                while True:
                    is_last = stored.is_set()
                    entries = journal.pending(route, sources, 7)
                    if entries:
                        read += [(entry.source, entry.notification.id) for entry in entries]
                        journal.advance(route, sources, Advance(entries[-1].seq, len(entries), 0, 0))
                    elif is_last:
                        return read

        with ThreadPoolExecutor(6) as pool:
            drained = [pool.submit(drain, route) for route in ("one", "two")]
            fed = [pool.submit(feed, source) for source in sources]
            counts = [each.result() for each in fed]
            stored.set()
            reads = [each.result() for each in drained]
        journal.close()

        expected = sorted((source, str(n)) for source in sources for n in range(pages * 10 + 10))
        assert sum(counts) == len(expected)
        for read in reads:
            assert sorted(read) == expected

    def test_entries_carry_what_is_known_of_what_they_name_whichever_way_they_are_read(self, journal):
        store(journal, "vt", Page([naming(1, RULES, ACTOR), naming(2, ACTOR), naming(3)], None))
        assert [entry.context for entry in journal.pending("route", ["vt"], 10)] == [{}, {}, {}]

        assert learn(journal, answer(ACTOR)) == [True]

        known = {ACTOR: {"said": 1, "text": "\x00\u03f2"}}
        entries = journal.pending("route", ["vt"], 10)
        assert [entry.context for entry in entries] == [known, known, {}]
        assert journal.history({"vt": 0}, 10) == entries
        assert journal.entries([entry.seq for entry in entries]) == entries
        assert journal.find(["vt"], "2") == [entries[1]]
        with journal.lease("route"):
            step = Advance(entries[-1].seq, 0, 0, 0, learned=0)
            journal.advance("route", ["vt"], step)
        assert outdated(journal).entries == entries[:2]

    def test_what_one_source_learned_is_not_told_to_another(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        store(journal, "other", Page([naming(2, ACTOR)], None))
        learn(journal, answer(ACTOR), source="other")
        contexts = [entry.context for entry in journal.pending("route", ["vt", "other"], 10)]
        assert contexts == [{}, {ACTOR: {"said": 1, "text": "\x00\u03f2"}}]
        assert [journal.due(source, 50, 9) for source in ("vt", "other", "never heard of")] == [[ACTOR], [], []]

    def test_what_was_never_looked_up_comes_first_the_newest_before_all_and_then_what_is_due(self, journal):
        subjects = [Subject("collection", f"c{number}") for number in range(5)]
        store(journal, "vt", *(Page([naming(number, subject)], None) for number, subject in enumerate(subjects)))
        assert journal.due("vt", 0, 9) == subjects[::-1]
        learn(journal, answer(subjects[4], due=30), answer(subjects[1], due=20), answer(subjects[3], due=1000))
        assert journal.due("vt", 10, 9) == [subjects[2], subjects[0]]
        assert journal.due("vt", 30, 9) == [subjects[2], subjects[0], subjects[1], subjects[4]]
        assert journal.due("vt", 30, 1) == [subjects[2]]
        assert journal.due("vt", 30, 0) == journal.due("vt", 30, -3) == []

    def test_what_is_absent_forbidden_or_failed_is_asked_again_when_it_is_due_and_takes_nothing_back(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR, RULES)], None))
        learn(journal, answer(ACTOR), LookUp(RULES, "absent", 1, 40))
        assert learn(journal, LookUp(ACTOR, "forbidden", 2, 50)) == [False]
        assert learn(journal, LookUp(ACTOR, "failed", 3, 60)) == [False]
        (entry,) = journal.pending("route", ["vt"], 10)
        assert entry.context == {ACTOR: {"said": 1, "text": "\x00\u03f2"}}
        found = journal.status({}).sources[0].look_ups
        assert (found.known, found.absent, found.forbidden) == (0, 1, 1)
        assert [journal.due("vt", now, 9) for now in (39, 40, 60)] == [[], [RULES], [RULES, ACTOR]]
        assert learn(journal, answer(ACTOR)) == [False]
        assert learn(journal, answer(RULES)) == [True]

    def test_a_failed_first_look_up_leaves_the_subject_waiting(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        learn(journal, LookUp(ACTOR, "failed", 3, 60))
        found = journal.status({}).sources[0].look_ups
        assert (found.known, found.absent, found.forbidden, found.waiting) == (0, 0, 0, 1)
        assert [journal.due("vt", now, 9) for now in (59, 60)] == [[], [ACTOR]]

    def test_what_no_entry_names_is_not_learned(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        assert learn(journal, answer(RULES)) == [False]
        assert journal.due("vt", 0, 9) == [ACTOR]

    def test_status_tells_how_look_ups_stand_and_what_they_report(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR, RULES, Subject("collection", "new"))], None))
        report = {"name": "kits", "rate_limited": True}
        now = int(time.time())
        learn(journal, answer(RULES, at=now, due=now + 1000, report=report), answer(ACTOR, at=now - 2 * 86400, due=now))
        found = journal.status({}).sources[0].look_ups
        assert (found.known, found.waiting, found.asked_today) == (2, 2, 1)
        assert found.reports == {RULES: report}

    def test_what_a_route_passed_before_something_was_learned_is_outdated_until_it_is_settled(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR), naming(2), naming(3, ACTOR, RULES), naming(4, RULES)], None))
        pass_all(journal)
        assert journal.outdated("route", ["vt"], 10) is None

        assert learn(journal, answer(ACTOR)) == [True]

        found = outdated(journal)
        assert ids(found.entries) == ["1", "3"]
        assert all(ACTOR in entry.context for entry in found.entries)
        assert journal.status({"route": ["vt"]}).routes[0].outdated == 2
        record_redelivery(journal, found)
        assert journal.outdated("route", ["vt"], 10) is None
        assert journal.status({"route": ["vt"]}).routes[0].outdated == 0
        assert learn(journal, answer(ACTOR, at=5)) == [False]
        assert journal.outdated("route", ["vt"], 10) is None
        assert learn(journal, answer(ACTOR, said=2)) == [True]
        assert ids(outdated(journal).entries) == ["1", "3"]

    def test_what_is_outdated_comes_in_parts_and_outlives_the_process(self, open_journal):
        journal = open_journal()
        store(journal, "vt", Page([naming(number, ACTOR) for number in range(1, 8)], None))
        pass_all(journal)
        learn(journal, answer(ACTOR))
        seen = []
        while (found := journal.outdated("route", ["vt"], 3)) is not None:
            journal.close()
            journal = open_journal()
            assert journal.outdated("route", ["vt"], 3) == found
            record_redelivery(journal, found)
            seen.append(ids(found.entries))
        assert seen == [["1", "2", "3"], ["4", "5", "6"], ["7"]]
        journal.close()

    def test_what_is_learned_when_a_part_was_dealt_with_outdates_that_part_again(self, journal):
        store(journal, "vt", Page([naming(number, ACTOR) for number in range(1, 5)], None))
        pass_all(journal)
        learn(journal, answer(ACTOR))
        record_redelivery(journal, outdated(journal, limit=3))
        assert ids(outdated(journal).entries) == ["4"]
        learn(journal, answer(ACTOR, said=2))
        assert ids(outdated(journal).entries) == ["1", "2", "3", "4"]

    def test_what_is_learned_while_a_route_deals_with_entries_is_not_missed(self, journal):
        """The route has read them not knowing it, and passes them when it is known already."""
        store(journal, "vt", Page([naming(1, ACTOR), naming(2, ACTOR)], None))
        first, second = journal.pending("route", ["vt"], 10)
        learn(journal, answer(ACTOR))
        advance(journal, "route", ["vt"], Advance(first.seq, 1, 0, 0, learned=first.learned))
        assert ids(outdated(journal).entries) == ["1"]
        advance(journal, "route", ["vt"], Advance(second.seq, 1, 0, 0, learned=second.learned))
        found = outdated(journal)
        assert ids(found.entries) == ["1", "2"]

        learn(journal, answer(ACTOR, said=2))
        record_redelivery(journal, found)

        assert ids(outdated(journal).entries) == ["1", "2"]

    def test_what_is_outdated_comes_with_the_dead_letters_that_it_has_on_its_route(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR), naming(2, ACTOR)], None))
        for route, refused in (("route", 0), ("other", 1)):
            entries = journal.pending(route, ["vt"], 2)
            letters = [DeadLetter(entries[refused].seq, "sink", "no", "a")]
            advance(journal, route, ["vt"], Advance(entries[1].seq, 1, 0, 1, letters, learned=entries[0].learned))
        learn(journal, answer(ACTOR))
        assert outdated(journal).refused == {(entries[0].seq, "a")}

    def test_what_a_route_read_knowing_it_is_not_outdated(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        learn(journal, answer(ACTOR))
        assert [entry.context for entry in pass_all(journal)] == [{ACTOR: {"said": 1, "text": "\x00\u03f2"}}]
        assert journal.outdated("route", ["vt"], 10) is None

    def test_events_are_never_outdated(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        advance(journal, "events", ["vt"], Advance(journal.pending("events", ["vt"], 1)[0].seq, 1, 0, 0))
        pass_all(journal, "objects")
        learn(journal, answer(ACTOR))
        assert journal.outdated("events", ["vt"], 10) is None
        assert ids(outdated(journal, "objects").entries) == ["1"]

    def test_a_route_that_comes_to_make_events_forgets_what_was_outdated(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        pass_all(journal)
        learn(journal, answer(ACTOR))
        store(journal, "vt", Page([naming(2)], None))
        advance(journal, "route", ["vt"], Advance(journal.pending("route", ["vt"], 1)[0].seq, 1, 0, 0))
        assert journal.outdated("route", ["vt"], 10) is None

    def test_a_route_that_was_set_back_delivers_in_turn_what_it_has_before_it(self, journal):
        store(journal, "vt", Page([naming(number, ACTOR) for number in (1, 2, 3)], None))
        entries = pass_all(journal)
        learn(journal, answer(ACTOR))
        with journal.lease("route"):
            journal.rewind("route", {"vt": entries[0].seq})
        assert ids(outdated(journal).entries) == ["1"]
        record_redelivery(journal, outdated(journal))
        assert journal.outdated("route", ["vt"], 10) is None
        assert ids(pass_all(journal)) == ["2", "3"]

    def test_only_what_a_route_reads_now_is_outdated_for_it(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        pass_all(journal)
        learn(journal, answer(ACTOR))
        assert journal.outdated("route", ["other"], 10) is None
        assert journal.outdated("route", [], 10) is None

    def test_what_is_known_is_forgotten_with_the_last_notification_that_names_it(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR, date=10), naming(2, ACTOR, RULES, date=20)], None))
        pass_all(journal)
        learn(journal, answer(ACTOR), answer(RULES))
        assert journal.prune(15, {"route": ["vt"]}) == 1
        assert ids(outdated(journal).entries) == ["2"]
        assert journal.status({}).sources[0].look_ups.known == 2

        assert journal.prune(25, {"route": ["vt"]}) == 1

        assert journal.outdated("route", ["vt"], 10) is None
        assert journal.status({}).sources[0].look_ups.known == 0
        store(journal, "vt", Page([naming(3, ACTOR)], None))
        assert journal.pending("route", ["vt"], 10)[0].context == {}
        assert journal.due("vt", 0, 9) == [ACTOR]
        assert learn(journal, answer(ACTOR)) == [True]

    def test_learning_needs_the_lease_of_the_source(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        with pytest.raises(RuntimeError, match="lease"):
            journal.learn("vt", answer(ACTOR))
        assert journal.due("vt", 0, 9) == [ACTOR]

    def test_of_a_notification_that_names_too_many_a_hundred_are_kept(self, journal):
        named = [Subject("collection", f"c{number}") for number in range(1000)]
        store(journal, "vt", Page([naming(1, *named)], None))
        assert len(journal.due("vt", 0, 1000)) == 100

    def test_a_journal_agrees_with_a_model_of_it_whatever_is_done_in_whatever_order(self, tmp_path):
        count, contract = iter(range(10**6)), self

        class Machine(JournalMachine):
            def __init__(self) -> None:
                folder = tmp_path / str(next(count))
                folder.mkdir()
                self.open_journal = contract.make_store(folder).open
                super().__init__()

        run_state_machine_as_test(
            Machine,
            settings=examples(
                self.model_examples, stateful_step_count=25, suppress_health_check=list(HealthCheck), database=None
            ),
        )

    def test_what_entries_are_about_is_due_after_what_they_name_and_only_if_that_is_wanted(self, journal):
        named = naming(1, RULES)
        store(journal, "vt", Page([named, about(2, HOST.id)], None))
        assert journal.due("vt", LATER, 9, about=9) == [RULES]
        store(journal, "vt", Page([about(3, HOST.id)], None, looks_up=Ahead(3600)))
        assert journal.due("vt", int(time.time()) + 3500, 9, about=9) == [RULES]
        assert journal.due("vt", int(time.time()) + 3600, 9, about=9) == [RULES, HOST]
        assert journal.due("vt", LATER, 9) == journal.due("vt", LATER, 1, about=9) == [RULES]

    def test_of_what_entries_are_about_the_newest_comes_first_and_no_more_than_asked(self, journal):
        for number in range(1, 5):
            store(journal, "vt", Page([about(number, f"{number}.example")], None, looks_up=Ahead(3600 * number)))
        due = [subject.id for subject in journal.due("vt", LATER, 9, about=3)]
        assert due == ["4.example", "3.example", "2.example"]

    def test_an_entity_that_is_assessed_as_before_is_no_news_and_one_that_is_not_outdates_what_was_passed(
        self, journal
    ):
        store(journal, "vt", Page([about(1, HOST.id), about(2, HOST.id, malicious=1)], None, looks_up=Ahead(3600)))
        pass_all(journal)
        assert learn(journal, assessed(HOST, 2, at=5)) == [
            False
        ]  # the last notification said one engine; two are no more
        assert newest(journal) == [None, None]
        assert learn(journal, assessed(HOST, 30, at=6)) == [True]
        assert newest(journal) == [{"last_analysis_stats": {"malicious": 30}}] * 2
        assert [entry.seq for entry in outdated(journal).entries] == [1, 2]
        assert learn(journal, assessed(HOST, 31, at=7)) == [False]

    def test_an_entry_that_was_stored_after_a_look_up_says_itself_what_is_newer(self, journal):
        store(journal, "vt", Page([about(1, HOST.id)], None, looks_up=Ahead(3600)))
        learn(journal, assessed(HOST, 30, at=5))
        store(journal, "vt", Page([about(2, HOST.id)], None, looks_up=Ahead(3600)))
        assert newest(journal) == [{"last_analysis_stats": {"malicious": 30}}, None]
        assert learn(journal, assessed(HOST, 0, at=6), assessed(HOST, 30, at=7)) == [False, True]
        assert newest(journal) == [{"last_analysis_stats": {"malicious": 30}}] * 2

    def test_an_entity_is_due_again_so_long_after_it_was_last_named(self, journal):
        store(journal, "vt", Page([about(1, HOST.id)], None, looks_up=Ahead(3600)))
        now = int(time.time())
        learn(journal, assessed(HOST, 0, at=now + 3600, again=[3600, 86400]))
        assert journal.due("vt", now + 86_300, 9, about=9) == []
        assert journal.due("vt", now + 86_500, 9, about=9) == [HOST]
        learn(journal, assessed(HOST, 0, at=now + 86_500, again=[3600, 86400]))
        assert journal.due("vt", now + 10**8, 9, about=9) == []
        store(journal, "vt", Page([about(2, HOST.id)], None, looks_up=Ahead(3600)))
        assert journal.due("vt", int(time.time()) + 3600, 9, about=9) == [HOST]

    def test_what_a_look_up_leads_to_is_named_by_the_same_entries_and_asked_for_once(self, journal):
        does = Subject(TECHNIQUES, FILE.id)
        store(
            journal,
            "vt",
            Page([about(1, FILE.id, kind="file"), about(2, FILE.id, kind="file")], None, looks_up=Ahead(3600)),
        )
        assert journal.due("vt", int(time.time()), 9, about=9) == []
        learn(journal, assessed(FILE, 30, at=5, leads_to=[does]))
        assert journal.due("vt", 5, 9, about=9) == [does]
        learn(journal, LookUp(does, "known", 6, LATER + 1, {"techniques": [{"id": "T1059"}]}, b"1"))
        assert [entry.context[does] for entry in journal.entries([1, 2])] == [{"techniques": [{"id": "T1059"}]}] * 2
        learn(journal, assessed(FILE, 31, at=7, leads_to=[does]))
        assert does not in journal.due("vt", LATER, 9, about=9)

    def test_a_file_that_is_bad_when_it_is_stored_is_asked_at_once_what_it_does_if_that_is_wanted(self, journal):
        bad = about(1, FILE.id, malicious=30, kind="file")
        store(journal, "other", Page([bad], None, looks_up=Ahead(3600, techniques=False)))
        store(journal, "vt", Page([bad], None, looks_up=Ahead(None)))
        due = [journal.due(source, int(time.time()), 9, about=9) for source in ("other", "vt")]
        assert due == [[], [Subject(TECHNIQUES, FILE.id)]]

    def test_each_look_up_counts_though_it_was_of_the_same_subject(self, journal):
        store(journal, "vt", Page([about(1, HOST.id)], None, looks_up=Ahead(3600)))
        learn(journal, *(assessed(HOST, 0, at=at) for at in (10, 11, 12)))
        assert [journal.asked_since("vt", since) for since in (10, 12, 13)] == [3, 1, 0]

    def test_what_was_suppressed_is_listed_the_newest_first_and_counted(self, journal):
        store(journal, "vt", page(1, 2))
        about, named = (
            Suppressed(1, "a.example", False, "own", "a.example"),
            Suppressed(2, "b.example", True, "tranco", "b"),
        )
        advance(journal, "route", ["vt"], Advance(2, 1, 1, 0, guarded=[about, named]))
        advance(journal, "other", ["vt"], Advance(2, 2, 0, 0, guarded=[named]))
        one, two = ("a.example", False, "own"), ("b.example", True, "tranco")
        first, second = (each.notification.id for each in journal.entries([1, 2]))
        assert suppressed(journal) == [("other", second, *two), ("route", second, *two), ("route", first, *one)]
        assert suppressed(journal, "route", "own") == [("route", first, *one)]
        assert suppressed(journal, limit=1) == [("other", second, *two)]
        [route] = journal.status({"route": ["vt"]}).routes
        assert (route.guarded, route.guarded_hosts) == (1, 1)

    def test_what_was_suppressed_of_some_sources_is_listed_however_much_there_is_of_others(self, journal):
        store(journal, "quiet", page(1))
        store(journal, "noisy", page(2, 3))
        guarded = [Suppressed(seq, f"{seq}.example", is_derived=False, list="own", entry="x") for seq in (1, 2, 3)]
        advance(journal, "route", ["quiet", "noisy"], Advance(3, 0, 3, 0, guarded=guarded))

        def listed(sources: list[str] | None, limit: int) -> list[tuple[str, str]]:
            found = journal.guarded(None, None, limit, sources)
            return [(each.source, each.suppressed.value) for each in found]

        assert listed(None, 1) == listed(["noisy"], 1) == [("noisy", "3.example")]
        assert listed(["quiet"], 1) == listed(["quiet", "unknown"], 9) == [("quiet", "1.example")]
        assert len(listed(["noisy", "quiet"], 9)) == 3
        assert listed([], 9) == []

    def test_the_status_of_some_sources_counts_nothing_of_others(self, journal):
        store(journal, "ours", page(1))
        store(journal, "theirs", Page(page(2, 3).notifications, None, unreadable=[Unreadable("9", "no JSON")]))
        store(journal, "ours", Page([], None, unreadable=[Unreadable("8", "no JSON")]))
        seen = journal.status({"route": ["ours"]}, ["ours"])
        assert [each.name for each in seen.sources] == ["ours"]
        assert (seen.entries, seen.other_dead_letters) == (2, {"ours": 1})
        assert journal.status({"route": ["ours"]}).entries == 5
        assert journal.status({}, []).sources == []

    def test_what_was_suppressed_is_what_the_last_delivery_of_the_entry_found(self, journal):
        store(journal, "vt", page(1, 2))
        guarded = [Suppressed(seq, f"{seq}.example", is_derived=False, list="own", entry="x") for seq in (1, 2)]
        advance(journal, "route", ["vt"], Advance(2, 0, 2, 0, guarded=guarded))
        with journal.lease("route"):
            journal.record_redelivery("route", Redelivery([1], 1, 0, 0))
        assert [value for _, _, value, *_ in suppressed(journal)] == ["2.example"]
        with journal.lease("route"):
            journal.rewind("route", {"vt": 0})
        assert suppressed(journal) == []

    def test_what_was_suppressed_is_forgotten_with_the_notification_and_with_the_route(self, journal):
        store(journal, "vt", page(1))
        one = Suppressed(1, "a.example", is_derived=True, list="own", entry="x")
        for route in ("route", "other"):
            advance(journal, route, ["vt"], Advance(1, 1, 0, 0, guarded=[one]))
        with journal.lease("other"):
            journal.forget_route("other")
        assert [name for name, *_ in suppressed(journal)] == ["route"]
        assert journal.prune(1_760_000_001, {"route": ["vt"]}) == 1
        assert suppressed(journal) == []
