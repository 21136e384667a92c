"""What a route makes of entries: what they say, and what they take back of what was said before."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from connector import notification
from connector.mapping import Guarding
from connector.model import (
    NOT_CLAIMED,
    PERSON,
    SET_ASIDE,
    UNREADABLE,
    Claim,
    Entry,
    Guarded,
    JsonObject,
    Refused,
    Suppressed,
    Withheld,
)
from connector.pipeline.claims import Claims, observable
from connector.pipeline.convert import DAMAGED, Rendered
from connector.pipeline.judged_values import JudgedValues
from connector.pipeline.route import (
    GUARD,
    JUDGEMENT,
    NOT_MATCHED,
    SPOKEN_AGAINST,
    Rendering,
    Route,
    RouteMapping,
    Tenant,
    Withdrawing,
    guarded_view,
    makes_claims,
)
from connector.ports import Guards, Outbox

Turn = Literal["in turn", "again", "revised"]
"""`in turn`: in the order of the journal, also when it is replayed. `again`: entries by themselves, once more.
`revised`: the same, for what was learned since; only what stands is taken back."""


ALIKE = 100
"""Of the notifications about one observable, how many of the newest are looked at for one that is not judged."""


MOST_SUPPRESSED = 200
"""Values of one notification that are written down as suppressed, at most."""
LONGEST_VALUE = 2048
"""Characters of such a value."""


class _Seen(NamedTuple):
    """An entry as mappings see it.

    Attributes:
        withheld: why the route does not let it through.
        claiming: the mapping, if it makes claims.
        observable: what these are about.
    """

    entry: Entry
    mapping: RouteMapping
    view: JsonObject
    withheld: Withheld | None
    claiming: Withdrawing | None = None
    observable: int = 0


def render(
    route: Route,
    journal: Outbox,
    entries: Sequence[Entry],
    turn: Turn,
    *,
    aside: Collection[int] = (),
    held: Iterable[Claim] = (),
) -> list[Rendered]:
    """What a route's mapping makes of entries, unless the route turns them away.

    In turn it ends before an entry that says the opposite of what an earlier one of them says of the same observable:
    whether the receiver has accepted that is known only then.

    Args:
        route: the route.
        journal: what it has told its receiver so far.
        entries: in order.
        turn: see `Turn`.
        aside: those that a person has set aside.
        held: what was told to the receiver, and is not in the journal yet.
    """
    return list(_Batch(route, journal, turn).rendered(entries, aside, held))


class _Batch:
    """Renders entries, with what the receiver was told of their observables."""

    def __init__(self, route: Route, journal: Outbox, turn: Turn) -> None:
        self._route = route
        self._journal = journal
        self._turn = turn
        self._claims = Claims({})
        self._claiming_mappings: dict[int, tuple[Withdrawing, str] | None] = {}  # by id(); with who makes the claims
        self._tenants: dict[str, Tenant] = {}  # by source

    def rendered(self, entries: Sequence[Entry], aside: Collection[int], held: Iterable[Claim]) -> Iterator[Rendered]:
        seen = [
            Rendered(entry, refusal=Refused(SET_ASIDE, by=PERSON)) if entry.seq in aside else self._see(entry)
            for entry in entries
        ]
        about = sorted({each.observable for each in seen if isinstance(each, _Seen) and each.claiming})
        if about:
            known = self._journal.claims(self._route.name, about, self._route.receiver)
            self._claims = Claims(known, held)
        if self._turn == "revised":
            seen = self._with_last_claims(seen)
        for each in seen:
            made = self._made(each) if isinstance(each, _Seen) else each
            if made is None:
                return
            yield made

    def _with_last_claims(self, seen: Sequence[_Seen | Rendered]) -> list[_Seen | Rendered]:
        """Add the entries that are the last to have said what is now withheld: what was said is taken back there."""
        judged = {each.observable for each in seen if isinstance(each, _Seen) and each.claiming and _is_muted(each)}
        last = {self._claims.claimed_until(about) for about in judged} - {each.entry.seq for each in seen}
        more = [self._see(entry) for entry in self._journal.entries(sorted(seq for seq in last if seq is not None))]
        return sorted([*seen, *more], key=lambda each: each.entry.seq)

    def _see(self, entry: Entry) -> _Seen | Rendered:
        """An entry as mappings see it; what could not be read is the source's matter."""
        if entry.notification.id.startswith(UNREADABLE):
            return Rendered(entry, wanted=False)
        if entry.damaged:
            return Rendered(entry, refusal=Refused(DAMAGED, by="notification"))
        tenant = self._tenant(entry.source)
        try:
            view = _view(entry, tenant)
            with _guarding(tenant):
                withheld = self._route.withheld(entry, view)
        except Refused as refusal:
            return Rendered(entry, refusal=refusal)
        if (found := self._makes_claims(tenant.mapping)) is None:
            return _Seen(entry, tenant.mapping, view, withheld)
        claiming, author = found
        return _Seen(entry, claiming, view, withheld, claiming, observable(view, author))

    def _tenant(self, source: str) -> Tenant:
        """Whose notifications a source fetches, what is judged among what guards them."""
        if source not in self._tenants:
            tenant = self._route.tenant(source)
            if tenant.guards is not None:
                tenant = replace(tenant, guards=JudgedValues(tenant.guards, self._journal, source))
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

    def _made(self, seen: _Seen) -> Rendered | None:
        """What is made of one entry; None when it has to wait for what came of an earlier one."""
        guards = self._tenant(seen.entry.source).guards
        noted = None if guards is None else _Noted(guards, seen)
        try:
            with Guarding(noted):
                made = self._made_of(seen)
        except Refused as refusal:
            return Rendered(seen.entry, refusal=refusal)
        if made is not None and noted is not None and noted.suppressed:
            return replace(made, guarded=list(noted.suppressed.values()))
        return made

    def _made_of(self, seen: _Seen) -> Rendered | None:
        if seen.claiming is not None:
            return self._claiming(seen, seen.observable, seen.claiming)
        documents = seen.mapping.render(seen.view) if seen.withheld is None else None
        if documents is None:
            return Rendered(seen.entry, wanted=False, withheld=seen.withheld)
        return Rendered(seen.entry, documents, output=seen.mapping.format)

    def _claiming(self, seen: _Seen, about: int, mapping: Withdrawing) -> Rendered | None:
        rendering = mapping.rendering(seen.view) if seen.withheld is None else None
        if rendering is None:
            return self._turned_away(seen._replace(withheld=seen.withheld or NOT_MATCHED), about, mapping)
        seq, output = seen.entry.seq, mapping.format
        if rendering.claims:
            told = self._claims.at(about, seq)
            if told is not None and not told.stands and self._must_wait(about):
                return None
            if self._turn == "again" and self._is_over(seen, about, mapping):
                over = mapping.withdrawal(rendering, NOT_CLAIMED, alone=True)
                return Rendered(
                    seen.entry, rendering.documents, output=output, claims=False, over=over, withheld=SPOKEN_AGAINST
                )
            claim = self._claims.claim(about, seq) if rendering.documents else None
            return Rendered(seen.entry, rendering.documents, output=output, claim=claim)
        documents, otherwise, claim = rendering.documents, (), None
        if self._is_to_take_back(about, seq) and seen.view["entity"]:
            if self._must_wait(about):
                return None
            otherwise = documents
            documents = mapping.withdrawal(rendering, NOT_CLAIMED, alone=False)
            claim = self._claims.withdraw(about, seq)
        return Rendered(seen.entry, documents, output=output, claims=False, otherwise=otherwise, claim=claim)

    def _turned_away(self, seen: _Seen, about: int, mapping: Withdrawing) -> Rendered | None:
        entry = seen.entry
        away = Rendered(entry, wanted=False, withheld=seen.withheld)
        if not self._is_to_take_back(about, entry.seq):
            return away
        rendering = mapping.rendering(seen.view, whatever=True)
        why = self._why(seen, about, mapping, rendering)
        if why is None:
            return away
        if self._must_wait(about):
            return None
        documents = mapping.withdrawal(rendering, why, alone=True)
        claim = self._claims.withdraw(about, entry.seq)
        return replace(away, documents=documents, output=mapping.format, claims=False, claim=claim)

    def _is_to_take_back(self, about: int, seq: int) -> bool:
        """Whether an entry that is no claim finds one at the receiver."""
        told = self._claims.at(about, seq)
        if told is None or (self._turn != "in turn" and self._claims.is_told_later(about, seq)):
            return False
        # The entry that took something back takes it back when it comes again.
        return told.stands or (told.seq == seq and self._turn != "revised")

    def _must_wait(self, about: int) -> bool:
        return self._turn == "in turn" and about in self._claims.told_now

    def _why(self, seen: _Seen, about: int, mapping: Withdrawing, rendering: Rendering) -> Withheld | None:
        """Why what was delivered of an observable is to be taken back; None when it is not.

        A condition may have turned this notification away for what that itself says (another rule, another source). So
        the one that was delivered is looked at with what is known of the observable now.
        """
        withheld = seen.withheld
        if withheld is not None and withheld.by == JUDGEMENT:
            return None if self._is_said_by_another(seen.entry, about) else withheld
        if withheld is None or withheld.by != "condition":
            return withheld
        if not seen.view["entity"]:
            return None  # it says nothing of the observable
        seq = self._claims.claimed_by(about, seen.entry.seq)
        before = self._journal.entries([seq]) if seq is not None else ()
        for entry in before:
            now = {**_view(entry, self._tenant(entry.source)), "entity": seen.view["entity"]}
            if self._route.withheld(entry, now) is not None or not mapping.is_for(now):
                return withheld
        return None if rendering.claims else NOT_CLAIMED

    def _is_over(self, seen: _Seen, about: int, mapping: Withdrawing) -> bool:
        """Whether a later entry, which the route has dealt with, has ended what this one claims."""
        for entry in self._journal.alike(seen.entry.seq, self._route.sources, ALIKE):
            if entry.seq < seen.entry.seq:
                break
            later = None if self._is_pending(entry) else self._see(entry)
            if isinstance(later, _Seen) and later.observable == about and later.view["entity"]:
                ends = self._ends(later, seen, mapping)
                if ends is not None:
                    return ends
        return False

    def _ends(self, later: _Seen, seen: _Seen, mapping: Withdrawing) -> bool | None:
        """Whether a later entry ends what one claims, or says the same; None when it says nothing of that."""
        if later.claiming is None or _is_muted(later):
            return None
        try:
            with _guarding(self._route.tenant(later.entry.source)):
                if later.withheld is not None and later.withheld.by != "condition":
                    return True
                if later.withheld is not None or not later.claiming.is_for(later.view):
                    now = {**seen.view, "entity": later.view["entity"]}
                    if self._route.withheld(seen.entry, now) is not None or not mapping.is_for(now):
                        return True
                rendering = later.claiming.rendering(later.view, whatever=True)
        except Refused:
            return None
        return not rendering.claims

    def _is_pending(self, entry: Entry) -> bool:
        pending = self._journal.pending(self._route.name, (entry.source,), 1)
        return bool(pending) and pending[0].seq <= entry.seq

    def _is_said_by_another(self, judged: Entry, about: int) -> bool:
        """Whether another notification, which is not judged so, has said that the same observable is bad."""
        until = judged.seq if self._turn == "in turn" else self._claims.told_until(about)
        for entry in self._journal.alike(judged.seq, self._route.sources, ALIKE):
            seen = self._see(entry) if entry.seq <= until else None
            if isinstance(seen, _Seen) and seen.observable == about and seen.withheld is None and self._claimed(seen):
                return True
        return False

    def _claimed(self, seen: _Seen) -> bool:
        if seen.claiming is None:
            return False
        try:
            with _guarding(self._tenant(seen.entry.source)):
                rendering = seen.claiming.rendering(seen.view)
        except Refused:
            return False
        return rendering is not None and bool(rendering.claims and rendering.documents)


class _Noted:
    """What guards the values that an entry names, noting what is suppressed.

    Attributes:
        suppressed: by value; that which the entry is about is under the empty text.
    """

    __slots__ = ("_guards", "_seq", "suppressed")

    def __init__(self, guards: Guards, seen: _Seen) -> None:
        self._guards = guards
        self._seq = seen.entry.seq
        self.suppressed: dict[str, Suppressed] = {}
        if seen.withheld is not None and seen.withheld.by == GUARD:
            value = seen.view["entity_value"] or seen.view["notification"]["entity_id"]
            self._note("", value, guards.of_notification(seen.view), is_derived=False)

    def __call__(self, value: str) -> Guarded | None:
        found = self._guards.derived(value)
        if found is not None and found.is_suppressed and len(self.suppressed) < MOST_SUPPRESSED:
            self._note(value, value, found, is_derived=True)
        return found

    def _note(self, key: str, value: str, guard: Guarded | None, *, is_derived: bool) -> None:
        if guard is not None:
            self.suppressed[key] = Suppressed(
                self._seq, value[:LONGEST_VALUE], is_derived, guard.list, guard.entry[:LONGEST_VALUE]
            )


def _is_muted(seen: _Seen) -> bool:
    return seen.withheld is not None and seen.withheld.by == JUDGEMENT


def _view(entry: Entry, tenant: Tenant) -> JsonObject:
    """An entry as mappings and conditions see it."""
    view = notification.view(entry.notification, entry.context, tenant.source, entry.judgement, entry.entity)
    return guarded_view(view, tenant.guards)


def _guarding(tenant: Tenant) -> Guarding:
    return Guarding(None if tenant.guards is None else tenant.guards.derived)
