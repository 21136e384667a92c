"""What other entries about the same observable say: whether they end what one claims, or say it still."""

from collections.abc import Sequence

from connector.model import NOT_CLAIMED, Document, Entry, Refused, Withheld
from connector.pipeline.claims import Claims
from connector.pipeline.route import Rendering, Route, Withdrawing, guarded_view, known_good
from connector.pipeline.seen import Seen, Sight
from connector.pipeline.versions import revokes
from connector.ports import ObjectFormat, Outbox

FORMER = 20
"""Of the notifications about one observable, how many of the newest are looked at for what else is to be taken back."""
ALIKE = 100
"""Of the notifications about one observable, how many of the newest are looked at for one that is not judged."""


class OtherWords:
    """The entries beside those of a batch, as the route sees them now."""

    def __init__(self, route: Route, journal: Outbox, sight: Sight) -> None:
        self._route = route
        self._journal = journal
        self._sight = sight

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
            return None if self._is_said_by_another(seen.entry, about, until) else withheld
        if seen.is_guarded:
            if not self._is_said_unguarded(seen, claims.claimed_since(about, seen.entry.seq), until):
                return withheld
            withheld = None if rendering.claims or not seen.view["entity"] else NOT_CLAIMED
        if withheld is None or withheld.by != "condition":
            return withheld
        if not seen.view["entity"]:
            return None  # it says nothing of the observable
        seq = claims.claimed_by(about, seen.entry.seq)
        for entry in self._journal.entries([seq]) if seq is not None else ():
            now = {**self._sight.view(entry), "entity": seen.view["entity"]}
            if self._route.withheld(entry, now) is not None or not mapping.is_for(now):
                return withheld
        return None if rendering.claims else NOT_CLAIMED

    def have_ended(self, seen: Seen, mapping: Withdrawing) -> bool:
        """Whether a later entry, which the route has dealt with, has ended what this one claims."""
        for entry in self._sight.alike(seen.entry, ALIKE):
            if entry.seq < seen.entry.seq:
                break
            later = None if self._is_pending(entry) else self._sight.see(entry)
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
                if not later.is_guarded and later.withheld is not None and later.withheld.by != "condition":
                    return True
                if later.withheld is not None or not later.claiming.is_for(later.view):
                    now = {**seen.view, "entity": later.view["entity"]}
                    if self._route.withheld(seen.entry, now) is not None or not mapping.is_for(now):
                        return True
                rendering = later.claiming.rendering(later.view, whatever=True)
        except Refused:
            return None
        # What is guarded for its source alone says the same to nobody; that the verdict has turned, to all.
        return None if later.is_guarded and rendering.claims else not rendering.claims

    def all_to_withdraw(
        self, seen: Seen, mapping: Withdrawing, why: Withheld, documents: Sequence[Document]
    ) -> Sequence[Document]:
        """What takes back what an entry names, and after that what takes back what only former ones have named.

        An actor that an earlier match named is related to the same Indicator, and the last one may name nobody.
        """
        if not isinstance(mapping.format, ObjectFormat):
            return documents
        objects: ObjectFormat = mapping.format
        found = {objects.identify(each).id: each for each in documents}
        for entry in self._sight.alike(seen.entry, FORMER):
            former = self._sight.see(entry) if entry.seq < seen.entry.seq else None
            if isinstance(former, Seen) and former.observable == seen.observable and former.claiming is not None:
                for each in self._withdrawal(former, former.claiming, why):
                    if revokes(each):
                        found.setdefault(objects.identify(each).id, each)
        return [*found.values()]

    def delivered_claim(self, seen: Seen, until: int) -> int | None:
        """The last entry up to one that claims the same observable, if the receiver has the object that says so."""
        if seen.claiming is None or not isinstance(seen.claiming.format, ObjectFormat):
            return None
        objects: ObjectFormat = seen.claiming.format
        about = (each for each in [*self._sight.alike(seen.entry, FORMER), seen.entry] if each.seq <= until)
        for entry in sorted(about, key=lambda each: each.seq, reverse=True):
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

    def _is_pending(self, entry: Entry) -> bool:
        pending = self._journal.pending(self._route.name, (entry.source,), 1)
        return bool(pending) and pending[0].seq <= entry.seq

    def _is_said_by_another(self, judged: Entry, about: int, until: int) -> bool:
        """Whether another entry up to one, which is not judged so, has said that the same observable is bad."""
        for entry in self._sight.alike(judged, ALIKE):
            seen = self._sight.see(entry) if entry.seq <= until else None
            if isinstance(seen, Seen) and seen.observable == about and seen.withheld is None and self._claims(seen):
                return True
        return False

    def _is_said_unguarded(self, guarded: Seen, since: int, until: int) -> bool:
        """Whether another source has said in these entries that the same is bad, and would be let through now.

        A known-good list for one source is for what that source says: what another says stays.

        Args:
            guarded: what such a list turns away.
            since: the first of these entries, from which on what was said stands.
            until: the last of them.
        """
        for entry in self._sight.alike(guarded.entry, ALIKE):
            is_asked = since <= entry.seq <= until and entry.source != guarded.entry.source
            seen = self._sight.see(entry) if is_asked else None
            if (
                isinstance(seen, Seen)
                and seen.observable == guarded.observable
                and seen.withheld is None
                and self._is_let_through(seen, guarded)
                and self._claims(seen)
            ):
                return True
        return False

    def _is_let_through(self, seen: Seen, newer: Seen) -> bool:
        """Whether an entry is let through with what a newer one knows of the observable."""
        if seen.claiming is None or self._is_guarded(seen, newer):
            return False
        now = {**seen.view, "entity": newer.view["entity"] or seen.view["entity"]}
        try:
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
