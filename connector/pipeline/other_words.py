"""What other entries about the same observable say: whether they end what one claims, or say it still."""

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from connector.model import NOT_CLAIMED, Document, Entry, JsonObject, Refused, Withheld
from connector.pipeline.claims import Claims
from connector.pipeline.route import CONDITION, Rendering, Route, Withdrawing, guarded_view, known_good
from connector.pipeline.seen import Seen, Sight
from connector.pipeline.versions import revokes
from connector.ports import ObjectFormat, Outbox
from connector.values import observables
from connector.values.assessments import with_unsaid

_SPELLED_ALIKE = ("domain", "file")
"""The types of entities of which all formats write every spelling alike."""
NAMED = 100
"""How many of the matches that were delivered what takes them back names: the newest."""


class OtherWords:
    """The entries beside those of a batch, as the route sees them now."""

    def __init__(self, route: Route, journal: Outbox, sight: Sight) -> None:
        self._route = route
        self._journal = journal
        self._sight = sight
        self._said: dict[int, int] = {}  # by observable, an entry that says so
        self._unsaid_until: dict[int, int] = {}

    def why_to_take_back(
        self, seen: Seen, mapping: Withdrawing, rendering: Rendering, claims: Claims, *, in_turn: bool
    ) -> Withheld | None:
        """Why what was delivered of an observable is to be taken back; None when it is not.

        A condition may have turned this notification away for what that itself says (another rule, another source). So
        the one that was delivered is looked at with what is known of the observable now.
        """
        withheld, about = seen.withheld, seen.observable
        until = seen.entry.seq if in_turn else claims.told_until(about)
        if seen.is_muted:
            return None if self.is_said_by_another(seen.entry, about, until) else withheld
        if seen.is_guarded:
            if not self._is_said_elsewhere(seen, claims.claimed_since(about, seen.entry.seq), until):
                return withheld
            withheld = None if rendering.claims or not seen.view["entity"] else NOT_CLAIMED
        if withheld is None or withheld.by != CONDITION:
            return withheld
        if not seen.view["entity"]:
            return None  # it says nothing of the observable
        seq = claims.claimed_by(about, seen.entry.seq)
        for entry in self._journal.entries([seq]) if seq is not None else ():
            now = self._now(entry, seen)
            is_let_through = self._route.withheld(entry, now) is None and mapping.is_for(now)
            if not is_let_through and not self._is_said_elsewhere(seen, claims.claimed_since(about, entry.seq), until):
                return withheld
        return None if rendering.claims else NOT_CLAIMED

    def _now(self, entry: Entry, newer: Seen) -> JsonObject:
        """How conditions see an entry with what a newer one knows of the observable.

        What that does not say at all, such as an assessment or an analysis, is as it was said before: a condition on it
        could not be decided else.
        """
        view = self._sight.view(entry)
        said = view["entity"]
        if entry.entity is not None:
            said = with_unsaid(said, self._sight.view(replace(entry, entity=None))["entity"])
        return {**view, "entity": with_unsaid(newer.view["entity"], said)}

    def have_ended(self, seen: Seen, mapping: Withdrawing) -> bool:
        """Whether a later entry, which the route has dealt with, has ended what this one claims."""
        for entry in self._sight.passed_alike(seen.entry):
            if entry.seq < seen.entry.seq:
                break
            later = self._sight.see(entry)
            if isinstance(later, Seen) and later.observable == seen.observable and later.view["entity"]:
                ends = self._ends(later, seen, mapping)
                if ends is not None:
                    return ends
        return False

    def _ends(self, later: Seen, seen: Seen, mapping: Withdrawing) -> bool | None:
        """Whether a later entry ends what one claims, or says the same; None when it says nothing of that."""
        if later.claiming is None or later.is_muted:
            return None
        try:
            if later.is_guarded and self._is_guarded(seen, later):
                return True
            with self._sight.guarding(later.entry.source):
                if not later.is_guarded and later.withheld is not None and later.withheld.by != CONDITION:
                    return True
                is_turned_away = later.withheld is not None or not later.claiming.is_for(later.view)
                if is_turned_away:
                    now = self._now(seen.entry, later)
                    if self._route.withheld(seen.entry, now) is not None or not mapping.is_for(now):
                        return True
                rendering = later.claiming.rendering(later.view, whatever=True)
        except Refused:
            return None
        # What is turned away says the same to nobody; that the verdict has turned, it tells all.
        return None if is_turned_away and rendering.claims else not rendering.claims

    def all_to_withdraw(
        self, seen: Seen, mapping: Withdrawing, why: Withheld, documents: Sequence[Document]
    ) -> Sequence[Document]:
        """What takes back what an entry names, and after that what takes back what only former ones have named.

        An actor that an earlier match named is related to the same Indicator, and the last one may name nobody. Events,
        and Indicators of URLs and addresses, name an observable as it was spelled.
        """
        if not isinstance(mapping.format, ObjectFormat):
            return [*documents, *self._spelled_otherwise(seen, why)]
        objects: ObjectFormat = mapping.format
        found = {objects.identify(each).id: each for each in documents}
        for former, claiming in self._former(seen):
            for each in self._withdrawal(former, claiming, why):
                if revokes(each):
                    found.setdefault(objects.identify(each).id, each)
        return [*found.values()]

    def _spelled_otherwise(self, seen: Seen, why: Withheld) -> Iterator[Document]:
        """What takes back what former entries have said of the same observable in another spelling."""
        told = {None, _spelled(seen)}
        if seen.view["notification"]["entity_type"] in _SPELLED_ALIKE:
            return
        for former, claiming in self._former(seen):
            if (spelling := _spelled(former)) not in told and self._claims(former, whatever=True):
                told.add(spelling)
                yield from self._withdrawal(former, claiming, why)

    def _former(self, seen: Seen) -> Iterator[tuple[Seen, Withdrawing]]:
        """What was said before of the same observable, the newest first."""
        itself = () if seen.entry.entity is None else (replace(seen.entry, entity=None),)  # before it was looked up
        about = self._sight.alike(seen.entry, seen.entry.seq)
        for former in map(self._sight.see, itertools.chain(itself, about)):
            if isinstance(former, Seen) and former.observable == seen.observable and former.claiming is not None:
                yield former, former.claiming

    def delivered_claim(self, seen: Seen, until: int) -> int | None:
        """The last entry up to one that claims the same observable, if the receiver has the object that says so."""
        if seen.claiming is None or not isinstance(seen.claiming.format, ObjectFormat):
            return None
        objects: ObjectFormat = seen.claiming.format
        for entry in self._up_to(until, seen):
            other = self._sight.see(entry)
            if isinstance(other, Seen) and other.observable == seen.observable and self._claims(other, whatever=True):
                takes_back = self._withdrawal(other, other.claiming or seen.claiming, NOT_CLAIMED)
                ids = [objects.identify(each).id for each in takes_back if revokes(each)]
                found = self._journal.versions(self._route.name, ids, self._route.receiver).values()
                is_there = any(each.is_there and each.seq <= until for versions in found for each in versions)
                return entry.seq if is_there else None
        return None

    def _withdrawal(self, former: Seen, mapping: Withdrawing, why: Withheld) -> Sequence[Document]:
        try:
            with self._sight.guarding(former.entry.source):
                return mapping.withdrawal(mapping.rendering(former.view, whatever=True), why, alone=True)
        except Refused:
            return ()

    def is_claimed_by(self, seq: int) -> bool:
        """Whether an entry, as the route sees it now, says that its observable is bad."""
        seen = next(map(self._sight.see, self._journal.entries([seq])), None)
        return isinstance(seen, Seen) and seen.withheld is None and self._claims(seen)

    def _up_to(self, until: int, seen: Seen) -> Iterator[Entry]:
        """The entries up to one that are about the same as another, with that, the newest first."""
        itself = (seen.entry,) if seen.entry.seq <= until else ()
        return heapq.merge(itself, self._sight.alike(seen.entry, until + 1), key=lambda each: -each.seq)

    def is_said_by_another(self, judged: Entry, about: int, until: int) -> bool:
        """Whether another entry up to one, which is not judged so, has said that the same observable is bad.

        All that a rule matched is often judged at once: the one that says so, or up to where none does, is kept.
        """
        if (found := self._said.get(about)) is not None and found <= until and found != judged.seq:
            return True
        unsaid_until = self._unsaid_until.get(about, 0)
        if until <= unsaid_until:
            return False
        for entry in self._sight.alike(judged, until + 1):
            if entry.seq <= unsaid_until:
                break
            seen = self._sight.see(entry)
            if isinstance(seen, Seen) and seen.observable == about and seen.withheld is None and self._claims(seen):
                self._said[about] = entry.seq
                return True
        self._unsaid_until[about] = until
        return False

    def delivered(self, seen: Seen, since: int, until: int) -> Sequence[tuple[str, JsonObject]]:
        """The notifications of the same observable of which events were sent, the newest first: ids and sources.

        Args:
            seen: one of these entries, or a later one.
            since: the first of these entries, from which on what was said stands.
            until: the last of them.
        """
        between = itertools.takewhile(lambda each: each.seq >= since, self._up_to(until, seen))
        about = [*itertools.islice(between, NAMED)]
        unsent = self._journal.unsent(self._route.name, [each.seq for each in about])
        others = [self._sight.see(each) for each in about if each.seq not in unsent]
        return [
            (other.entry.notification.id, other.view["source"])
            for other in others
            if isinstance(other, Seen) and other.observable == seen.observable and self._claims(other, whatever=True)
        ]

    def _is_said_elsewhere(self, away: Seen, since: int, until: int) -> bool:
        """Whether another of these entries says that the same is bad, and would be let through now.

        Another rule may have matched it; and a known-good list for one source is for what that source says.

        Args:
            away: what is turned away.
            since: the first of these entries, from which on what was said stands.
            until: the last of them.
        """
        for entry in self._sight.alike(away.entry, until + 1):
            if entry.seq < since:
                break
            is_asked = not (away.is_guarded and entry.source == away.entry.source)
            seen = self._sight.see(entry) if is_asked else None
            if (
                isinstance(seen, Seen)
                and seen.observable == away.observable
                and seen.withheld is None
                and self._is_let_through(seen, away)
                and self._claims(seen)
            ):
                return True
        return False

    def _is_let_through(self, seen: Seen, newer: Seen) -> bool:
        """Whether an entry is let through with what a newer one knows of the observable."""
        if seen.claiming is None or (newer.is_guarded and self._is_guarded(seen, newer)):
            return False
        try:
            now = self._now(seen.entry, newer)
            with self._sight.guarding(seen.entry.source):
                return self._route.withheld(seen.entry, now) is None and seen.claiming.is_for(now)
        except Refused:
            return False

    def _is_guarded(self, seen: Seen, newer: Seen) -> bool:
        """Whether what suppresses a newer entry guards this one's source, too; the newer has more hashes perhaps."""
        if seen.entry.source == newer.entry.source:
            return True
        return known_good(guarded_view({**newer.view}, self._sight.guards(seen.entry.source))) is not None

    def _claims(self, seen: Seen, *, whatever: bool = False) -> bool:
        if seen.claiming is None:
            return False
        try:
            with self._sight.guarding(seen.entry.source):
                rendering = seen.claiming.rendering(seen.view, whatever=whatever)
        except Refused:
            return False
        return rendering is not None and bool(rendering.claims and rendering.documents)


def _spelled(seen: Seen) -> str | None:
    """The observable of an entry as formats write it."""
    return observables.of_entity(seen.view["notification"]["entity_type"], seen.view["entity_value"])
