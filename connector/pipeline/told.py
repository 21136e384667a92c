"""What the routes into one receiver have told it of the observables of a batch, as the journal keeps it."""

from collections.abc import Collection, Mapping, Sequence

from connector.model import Claim
from connector.pipeline.claims import as_spelled
from connector.pipeline.route import Route
from connector.pipeline.seen import Seen, Sight
from connector.ports import Outbox

_Claims = Mapping[int, Sequence[Claim]]


class Told:
    """What a route, and those beside it, have told their receiver of what these entries are about.

    Attributes:
        known: what the route has told, by observable.
        beside: the observables that another route claims. One that another is taking back is not among them, although
            that may not have arrived yet: if each of two routes left it to the other, neither would take it back.
    """

    def __init__(self, route: Route, journal: Outbox, sight: Sight, seen: Sequence[Seen]) -> None:
        self._route = route
        self._journal = journal
        self._sight = sight
        told = self._told({each.observable: each for each in seen})
        self.known = told[route.name]
        self.beside: Collection[int] = {
            about for other in route.beside for about in told[other] if _stands(told[other][about])
        }

    def _told(self, seen: Mapping[int, Seen]) -> Mapping[str, _Claims]:
        """What each route has told. What was kept by the spelling is found by that of these entries and of others."""
        numbers = {about: about for about in seen}
        names = (self._route.name, *self._route.beside)
        spelled = [name for name in names if self._journal.spelled_until(name, self._route.receiver)]
        if not spelled:
            return {name: self._claims(name, numbers) for name in names}
        numbers |= {as_spelled(each.view, each.author): about for about, each in seen.items()}
        told = {name: self._claims(name, numbers) for name in names}
        more = {
            as_spelled(self._sight.view(other), each.author): about
            for about, each in seen.items()
            if not all(_stands(told[name].get(about, ())) for name in spelled)
            for other in self._sight.alike(each.entry)
        }
        if more.keys() <= numbers.keys():
            return told
        numbers |= more
        return {name: self._claims(name, numbers) for name in names}

    def _claims(self, name: str, numbers: Mapping[int, int]) -> _Claims:
        """What a route has told, by observable; `numbers` are those by which it may be kept, each with its observable.

        Of the same entry, that holds which was kept by the observable itself, since it was kept later.
        """
        found = self._journal.claims(name, sorted(numbers), self._route.receiver)
        claims: dict[int, dict[int, Claim]] = {}
        for number in sorted(found, key=lambda number: number == numbers[number]):
            about = numbers[number]
            claims.setdefault(about, {}).update({each.seq: each._replace(observable=about) for each in found[number]})
        return {about: [of[seq] for seq in sorted(of)] for about, of in claims.items()}


def _stands(claims: Sequence[Claim]) -> bool:
    return bool(claims) and claims[-1].stands
