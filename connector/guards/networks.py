"""Networks of a list, by what they have in common with the addresses in them."""

from array import array
from collections.abc import Iterable

from connector.guards.entries import Entries
from connector.values import observables

BITS = {4: 32, 6: 128}
"""Of an address, by version."""
_SHORT = 16
"""Bits of a prefix."""
_KEY_BYTES = {4: 5, 6: 17}


def network_key(version: int, first: int, shift: int) -> bytes:
    """By what a network is looked up: its prefix, and how many bits are left of it."""
    return (first >> shift << 8 | shift).to_bytes(_KEY_BYTES[version], "big")


class Networks(Entries):
    """The networks and addresses of one list.

    Attributes:
        prefixes: each version, with how many bits of an address are left of a prefix that some network has.
        beginnings: the first 16 bits of IPv4 networks with at least as many, once for those that follow each other.
        short: those networks that have a short prefix, as the list has them.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self.prefixes: set[tuple[int, int]] = set()
        self.beginnings = array("H")
        self.short: dict[str, None] = {}
        super().__init__(networks)

    def append(self, entry: str, key: bytes | None = None) -> None:
        """Add a network."""
        version, first, length = observables.packed(entry)
        shift = BITS[version] - length
        self.prefixes.add((version, shift))
        if length < _SHORT:
            self.short[entry] = None
        elif version == 4 and self.beginnings[-1:] != (begins := array("H", [first >> _SHORT])):  # noqa: PLR2004
            self.beginnings += begins
        super().append(entry, key or network_key(version, first, shift))


class Beginnings:
    """Which IPv4 addresses may be in a network of some list, by their first 16 bits: most are in none."""

    def __init__(self, networks: Iterable[Networks]) -> None:
        self._found = bytearray(1 << _SHORT)
        for each in networks:
            for begins in each.beginnings:
                self._found[begins] = 1
            for short in each.short:
                version, first, length = observables.packed(short)
                if version == 4:  # noqa: PLR2004
                    begins, number = first >> _SHORT, 1 << (_SHORT - length)
                    self._found[begins : begins + number] = b"\1" * number

    def may_have(self, version: int, first: int, length: int) -> bool:
        """Whether a network or address may be in one; of IPv6 nobody knows without a look-up."""
        return version != 4 or length < _SHORT or self._found[first >> _SHORT] > 0  # noqa: PLR2004
