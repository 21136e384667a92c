"""A journal beside a model of it: it does what a few dicts and lists do, whatever is done."""

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from connector.contract.journal.steps import (
    ACTOR,
    RULES,
    Opener,
    answer,
    learn,
    naming,
    record_redelivery,
    store,
    version,
)
from connector.model import (
    Advance,
    DeadLetter,
    Entry,
    JsonObject,
    Notification,
    Page,
    Redelivery,
    Subject,
    Version,
)
from connector.notification import subjects

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
