"""Entries as a route's mappings and conditions see them: with their source, what guards them, and who makes claims."""

import functools
import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import orjson

from connector import notification
from connector.mapping import Guarding
from connector.model import Entry, JsonObject, Refused, Withheld
from connector.pipeline.claims import observable
from connector.pipeline.convert import DAMAGED, Rendered
from connector.pipeline.judged_values import JudgedValues
from connector.pipeline.newest import counts, is_newer, newest, newest_about
from connector.pipeline.route import (
    GUARD,
    JUDGEMENT,
    Route,
    RouteMapping,
    Tenant,
    Withdrawing,
    guarded_view,
    makes_claims,
)
from connector.ports import LAST, Guards, Outbox
from connector.values import assessments

CLAIMING = 100
"""Of the notifications about a host that others name, how many of the newest are looked at for one that says itself
that the host is bad. If only an older one does, both say so."""

TOLD = 1000
"""Of how many entries it is kept what they say."""


class Seen(NamedTuple):
    """An entry as mappings see it.

    Attributes:
        withheld: why the route does not let it through.
        claiming: the mapping, if it makes claims.
        observable: what these are about.
        author: who makes them.
    """

    entry: Entry
    mapping: RouteMapping
    view: JsonObject
    withheld: Withheld | None
    claiming: Withdrawing | None = None
    observable: int = 0
    author: str = ""

    @property
    def is_muted(self) -> bool:
        """Whether an analyst judged it wrong."""
        return self.withheld is not None and self.withheld.by == JUDGEMENT

    @property
    def is_guarded(self) -> bool:
        """Whether a known-good list suppresses what it is about."""
        return self.withheld is not None and self.withheld.by == GUARD


class Sight:
    """How one route sees the entries of one batch."""

    def __init__(self, route: Route, journal: Outbox) -> None:
        self._route = route
        self._journal = journal
        self._claiming_mappings: dict[int, tuple[Withdrawing, str] | None] = {}  # by id(); with who makes the claims
        self._tenants: dict[str, Tenant] = {}  # by source
        self._claimed: dict[str, JsonObject | None] = {}  # by value
        self._pending: dict[str, int | None] = {}  # by source
        self._told: dict[int, tuple[str, JsonObject]] = {}  # by entry, with its source
        self._known: dict[int, tuple[int, JsonObject]] = {}  # by observable, with the entry up to which that holds

    def see(self, entry: Entry) -> Seen | Rendered:
        """An entry as mappings see it; what could not be read is the source's matter."""
        if entry.is_unreadable:
            return Rendered(entry, wanted=False)
        if entry.damaged:
            return Rendered(entry, refusal=Refused(DAMAGED, by="notification"))
        tenant = self._tenant(entry.source)
        try:
            view = self.view(entry)
            with self.guarding(entry.source):
                withheld = self._route.withheld(entry, view)
        except Refused as refusal:
            return Rendered(entry, refusal=refusal.kept())
        if (found := self._makes_claims(tenant.mapping)) is None:
            return Seen(entry, tenant.mapping, view, withheld)
        claiming, author = found
        return Seen(entry, claiming, view, withheld, claiming, observable(view, author), author)

    def as_known(self, entries: Sequence[Entry], *, in_turn: bool = True) -> Sequence[Entry]:
        """The entries, each with what is known of its entity: that is what the one says which is dated last.

        See `connector.pipeline.newest`. In turn, later entries do not count, so that a replay says what was said.
        """
        seqs = [each.seq for each in entries if not each.damaged]
        late = self._journal.newer_dated(seqs, self._route.sources, of_all=not in_turn)
        return [self._up_to_date(each, late[each.seq]) if each.seq in late else each for each in entries]

    def _up_to_date(self, entry: Entry, dated_later: Sequence[int]) -> Entry:
        if entry.entity is not None:  # looked up since
            return entry
        try:
            said = self.view(entry)["entity"]
        except Refused:
            return entry
        for seq in dated_later if said else ():
            known = self._told_by(seq, entry.seq)
            if known and is_newer(known, said):
                return replace(entry, entity=orjson.dumps(known))
        return entry

    def _told_by(self, seq: int, than: int) -> JsonObject:
        """What an entry says of its entity, if that counts; of those after one, if the route has dealt with it."""
        if seq not in self._told:
            if len(self._told) > TOLD:
                self._told.clear()
            self._told[seq] = "", {}
            for other in self._journal.entries([seq]):
                self._told[seq] = other.source, self._said_by(other)
        source, known = self._told[seq]
        return known if known and (seq <= than or self.is_passed(source, seq)) else {}

    def _said_by(self, entry: Entry) -> JsonObject:
        """What an entry says of its entity, if that counts."""
        if entry.is_unreadable or entry.damaged:
            return {}
        try:
            said: JsonObject = self.view(entry)["entity"]
        except Refused:
            return {}
        return said if counts(entry, said) else {}

    def known_now(self, seen: Seen, *, in_turn: bool) -> JsonObject:
        """What is known of what an entry is about, also where that itself does not count; nothing where none does.

        It is kept for as long as nothing else can have become known.
        """
        entry = seen.entry
        until, known = self._known.get(seen.observable, (0, {}))
        if not in_turn and until:
            return known
        others = self.alike(entry, entry.seq) if in_turn else self.passed_alike(entry)
        for each in itertools.chain((entry,), others):
            if each.seq <= until:
                break
            said = self._said_by(each)
            (newest,) = self.as_known([each], in_turn=in_turn) if said or each is entry else (each,)
            if newest is not each:
                said = self.view(newest)["entity"]
            if said:
                known = said
                break
        self._known[seen.observable] = entry.seq, known
        return known

    def is_ended(self, entry: Entry, until: int = LAST) -> bool:
        """Whether an entry says that what it is about is benign, or one up to another that is dated later does."""
        later = self._journal.newer_dated([entry.seq], self._route.sources, of_all=True).get(entry.seq, ())
        than = until if until < LAST else entry.seq
        told = (self._told_by(seq, than) for seq in later if seq <= until)
        return assessments.is_benign(self._said_by(entry)) or any(map(assessments.is_benign, told))

    def view(self, entry: Entry) -> JsonObject:
        """An entry as mappings and conditions see it; or Refused."""
        tenant = self._tenant(entry.source)
        view = notification.view(entry.notification, entry.context, tenant.source, entry.judgement, entry.entity)
        return guarded_view(view, tenant.guards)

    def guards(self, source: str) -> Guards | None:
        """What guards what a source's notifications say, what is judged among it; None: what the mapping itself has."""
        return self._tenant(source).guards

    def guarding(self, source: str) -> Guarding:
        """The same, for as long as a block lasts in which conditions and mappings are evaluated."""
        guards = self.guards(source)
        return Guarding(None if guards is None else guards.derived, self.claims)

    def claims(self, value: str) -> JsonObject | None:
        """What is known of a value, if the route lets a notification about it itself through, which makes a claim."""
        if value not in self._claimed:
            self._claimed[value] = None  # of one that names what it is about
            known: JsonObject | None = None
            unknowing: list[Seen] = []  # the newest, which say nothing of the value
            for each in map(self.see, newest_about(self._journal, value, self._route.sources, CLAIMING)):
                if not isinstance(each, Seen):
                    continue
                known = known or each.view["entity"] or None
                if known is None:
                    unknowing.append(each)
                elif any(self._is_claim(one, known) for one in (*unknowing, each)):
                    self._claimed[value] = known
                    break
                else:
                    unknowing.clear()
        return self._claimed[value]

    def _is_claim(self, seen: Seen, known: JsonObject) -> bool:
        view = {**seen.view, "entity": known}
        try:
            with self.guarding(seen.entry.source):
                if seen.claiming is None or self._route.withheld(seen.entry, view) is not None:
                    return False
                rendering = seen.claiming.rendering(view)
        except Refused:
            return False
        return rendering is not None and bool(rendering.claims and rendering.documents)

    def alike(self, entry: Entry, before: int | None = None) -> Iterator[Entry]:
        """Other entries of the route about the same observable, the newest first, as far as they are looked at.

        Who asks only for those before one says so: later ones may be more than are looked at.
        """
        return newest(functools.partial(self._journal.alike, entry.seq, self._route.sources), before=before)

    def passed_alike(self, entry: Entry) -> Iterator[Entry]:
        """As `alike`, those that the route has dealt with in turn."""
        passed: dict[int | None, list[str]] = {}  # sources by the first that is pending: mostly none is in any
        for source in self._route.sources:
            passed.setdefault(self._first_pending(source), []).append(source)
        found = [
            newest(functools.partial(self._journal.alike, entry.seq, sources), before=before)
            for before, sources in passed.items()
        ]
        return heapq.merge(*found, key=lambda each: -each.seq)

    def is_passed(self, source: str, seq: int) -> bool:
        """Whether the route has dealt with an entry of a source in turn."""
        first = self._first_pending(source)
        return first is None or seq < first

    def _first_pending(self, source: str) -> int | None:
        """The entry of a source that is next for the route; it is asked of the journal once."""
        if source not in self._pending:
            pending = self._journal.pending(self._route.name, (source,), 1)
            self._pending[source] = pending[0].seq if pending else None
        return self._pending[source]

    def _tenant(self, source: str) -> Tenant:
        """Whose notifications a source fetches, what is judged among what guards them."""
        if source not in self._tenants:
            tenant = self._route.tenant(source)
            if tenant.guards is not None:
                tenant = replace(tenant, guards=JudgedValues(tenant.guards, self._journal, source, self._route.sources))
            self._tenants[source] = tenant
        return self._tenants[source]

    def _makes_claims(self, mapping: RouteMapping) -> tuple[Withdrawing, str] | None:
        """A mapping that makes claims, with the author of these: each has objects of its own."""
        key = id(mapping)
        if key not in self._claiming_mappings:
            found = None
            if makes_claims(mapping):
                found = mapping, mapping.format.names.get("producer", {}).get("id", "")
            self._claiming_mappings[key] = found
        return self._claiming_mappings[key]
