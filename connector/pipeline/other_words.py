"""What other entries about the same observable say: whether they end what one claims, or say it still."""

import heapq
import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from connector.model import NOT_CLAIMED, Document, Entry, JsonObject, Refused, Withheld
from connector.pipeline.claims import Claims
from connector.pipeline.route import CONDITION, Rendering, Route, Withdrawing, guarded_view, known_good
from connector.pipeline.seen import Seen, Sight
from connector.pipeline.versions import revokes
from connector.ports import LAST, ObjectFormat, Outbox
from connector.values import assessments, observables
from connector.values.assessments import with_unsaid

_SPELLED_ALIKE = ("domain", "file")
"""The types of entities of which all formats write every spelling alike."""
NAMED = 100
"""How many of the matches that were delivered what takes them back names: the newest."""


class _Asked(NamedTuple):
    """Who was found to say of an observable that it is bad.

    Attributes:
        known: what is known of it.
        speaker: who says so; None: nobody.
        until: the last entry that was looked at.
    """

    known: JsonObject
    speaker: Seen | None
    until: int


class OtherWords:
    """The entries beside those of a batch, as the route sees them now."""

    def __init__(self, route: Route, journal: Outbox, sight: Sight) -> None:
        self._route = route
        self._journal = journal
        self._sight = sight
        self._asked: dict[int, _Asked] = {}

    def why_to_take_back(self, seen: Seen, rendering: Rendering, claims: Claims, *, in_turn: bool) -> Withheld | None:
        """Why what was delivered of an observable is to be taken back; None when it is not.

        A condition may have turned this notification away for what that itself says (another rule, another source). So
        the one that was delivered is looked at with what is known of the observable now.
        """
        withheld, about = seen.withheld, seen.observable
        another = self.said_by_another(seen, in_turn=in_turn)
        if seen.is_muted:
            return withheld if another is None else None
        if seen.is_guarded:
            if another is None:
                return withheld
            withheld = None if rendering.claims or not seen.view["entity"] else NOT_CLAIMED
        if withheld is None or withheld.by != CONDITION:
            return withheld
        if not seen.view["entity"]:
            return None  # it says nothing of the observable
        seq = claims.claimed_by(about, seen.entry.seq)
        if another is None and seq is not None and self._journal.entries([seq]):
            return withheld
        return None if rendering.claims else NOT_CLAIMED

    def said_by_another(self, away: Seen, *, in_turn: bool) -> Seen | None:
        """Another entry that says of the same observable that it is bad, and is let through with what is known now.

        In turn, those before it are looked at. All that a rule matched is often judged at once: the one that says so is
        kept, or up to where none does.

        Args:
            away: what is turned away.
            in_turn: whether entries are dealt with in order.
        """
        known = self._sight.known_now(away, in_turn=in_turn)
        if not known or away.claiming is None or assessments.is_benign(known):
            return None
        seq = away.entry.seq
        asked = self._asked.pop(away.observable, None) if not away.is_guarded else None
        scanned, last = asked.until if asked is not None else 0, 0
        others = self._sight.alike(away.entry, seq) if in_turn else self._sight.passed_alike(away.entry)
        is_turned_away = away.withheld is not None and not (away.is_muted or away.is_guarded)
        itself = (away.entry,) if is_turned_away else ()
        found = None
        for entry in heapq.merge(itself, others, key=lambda each: -each.seq):
            last = last or entry.seq
            if asked is not None and entry.seq <= scanned:
                if asked.speaker is not None:
                    found = self._still_says(asked.speaker.entry, away, known, in_turn=in_turn)
                if found is not None or (asked.speaker is None and asked.known == known):
                    break
                asked = None
            if (found := self._still_says(entry, away, known, in_turn=in_turn)) is not None:
                break
        if not away.is_guarded:
            self._asked[away.observable] = _Asked(known, found, max(last, scanned))
        return found

    def _still_says(self, entry: Entry, away: Seen, known: JsonObject, *, in_turn: bool) -> Seen | None:
        """An entry with what is known now, if it says so that the observable is bad; see `said_by_another`."""
        if (away.is_guarded and entry.source == away.entry.source) or (away.is_muted and entry.seq == away.entry.seq):
            return None
        other = self._sight.see(entry)
        if not isinstance(other, Seen) or other.observable != away.observable:
            return None
        now = other._replace(view=self._now(entry, known))
        is_said = self._is_let_through(now, away) and self._claims(now)
        is_over = is_said and self._sight.is_ended(entry, away.entry.seq if in_turn else LAST)
        return now._replace(withheld=None) if is_said and not is_over else None

    def _now(self, entry: Entry, known: JsonObject) -> JsonObject:
        """How conditions see an entry with what is known of the observable now.

        What that does not say at all, such as an assessment or an analysis, is as it was said before: a condition on it
        could not be decided else.
        """
        view = self._sight.view(entry)
        said = view["entity"]
        if entry.entity is not None:
            said = with_unsaid(said, self._sight.view(replace(entry, entity=None))["entity"])
        return {**view, "entity": with_unsaid(known, said)}

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
                    now = self._now(seen.entry, later.view["entity"])
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

    def delivered(self, seen: Seen, since: int, until: int, away: Collection[int]) -> Sequence[tuple[str, JsonObject]]:
        """The notifications of the same observable of which events were sent, the newest first: ids and sources.

        Args:
            seen: one of these entries, or a later one.
            since: the first of these entries, from which on what was said stands.
            until: the last of them.
            away: those that are turned away just now.
        """
        between = itertools.takewhile(lambda each: each.seq >= since, self._up_to(until, seen))
        about = [*itertools.islice(between, NAMED)]
        unsent = self._journal.unsent(self._route.name, [each.seq for each in about])
        others = [self._sight.see(each) for each in about if each.seq not in unsent and each.seq not in away]
        return [
            (other.entry.notification.id, other.view["source"])
            for other in others
            if isinstance(other, Seen) and other.observable == seen.observable and self._claims(other, whatever=True)
        ]

    def _is_let_through(self, seen: Seen, newer: Seen) -> bool:
        """Whether an entry is let through as it is seen, and on no list that a newer one is on."""
        if seen.claiming is None or (newer.is_guarded and self._is_guarded(seen, newer)):
            return False
        try:
            with self._sight.guarding(seen.entry.source):
                return self._route.withheld(seen.entry, seen.view) is None and seen.claiming.is_for(seen.view)
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
