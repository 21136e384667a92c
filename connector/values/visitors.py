"""Who is there, and who has to go first when there are too many."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from connector.values.addresses import network_of

Visitor = TypeVar("Visitor", bound=Hashable)


class Visitors(Generic[Visitor]):
    """Connections that came from addresses.

    The one to go first is the oldest of those from the address that has most: so an address that takes all there is to
    have takes it from itself, and of many that wait together the newest still gets its turn. Not safe for several
    threads.
    """

    def __init__(self) -> None:
        self._by_address: dict[str, OrderedDict[Visitor, None]] = {}
        self._address_of: dict[Visitor, str] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._address_of)

    def __iter__(self) -> Iterator[Visitor]:
        """Each, in the order that they came."""
        return iter(self._address_of)

    def add(self, visitor: Visitor, address: str) -> None:
        """Note one that has come; one that is there already becomes the newest."""
        self.remove(visitor)
        key = network_of(address)
        self._address_of[visitor] = key
        self._by_address.setdefault(key, OrderedDict())[visitor] = None

    def remove(self, visitor: Visitor) -> bool:
        """Forget one; whether it was there."""
        key = self._address_of.pop(visitor, None)
        if key is None:
            return False
        others = self._by_address[key]
        del others[visitor]
        if not others:
            del self._by_address[key]
        return True

    def first_to_go(self) -> Visitor | None:
        """The one to go first; None when nobody is there."""
        most = max(self._by_address.values(), key=len, default=None)
        return None if most is None else next(iter(most))
