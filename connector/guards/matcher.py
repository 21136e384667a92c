"""All lists of one section as one matcher: what guards a value, in a look-up or two for each label of its host."""

import functools
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

from connector.guards.entries import Holders, end_of, number
from connector.guards.lists import MIN_SUBSTRING, GuardList
from connector.guards.networks import BITS, Beginnings, network_key
from connector.values import observables
from connector.values.observables import Kind

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

_Found = tuple[Sequence[int], str]
"""An entry that a value matches, and the lists that have it, each by its index."""


class Match(NamedTuple):
    """An entry of a list that guards a value."""

    of: GuardList
    entry: str


class Matcher:
    """Lists, compiled; safe for use from several threads.

    Attributes:
        lists: those that it was made of. Where several guard a value, one that suppresses is named before one that
            labels, and among these the first.
    """

    def __init__(self, lists: Sequence[GuardList]) -> None:
        self.lists = lists
        said = [(_bits(each.kinds), each.effect == "suppress") for each in lists]
        self._exact = Holders([each.exact for each in lists], said)
        self._hosts = Holders([each.hosts for each in lists], said)
        self._ends = _flags([each.hosts.ends for each in lists])
        """A byte for the last two labels of each host, and hardly any other: most hosts are on no list."""
        self._last = len(self._ends) - 1
        self._networks = Holders([each.networks for each in lists], said)
        self._beginnings = Beginnings([each.networks for each in lists])
        self._prefixes: dict[int, list[int]] = {4: [], 6: []}
        """By version: how many bits are left of the prefixes that there are; the longest prefix first."""
        for version, shift in sorted(set().union(*(each.networks.prefixes for each in lists))):
            self._prefixes[version].append(shift)
        self._anything_below: dict[str, list[int]] = {}
        self._substrings: dict[str, list[tuple[str, int]]] = {}
        """By their first characters: a value is gone through once, however many there are."""
        for index, each in enumerate(lists):
            for host in each.anything_below:
                self._anything_below.setdefault(host, []).append(index)
            for text in each.substrings:
                self._substrings.setdefault(text[:MIN_SUBSTRING], []).append((text, index))
        self._regexes = [(regex, index) for index, each in enumerate(lists) for regex in each.regexes]

    def __len__(self) -> int:
        return sum(map(len, self.lists))

    @functools.cached_property
    def digest(self) -> bytes:
        """What tells whether it guards the same values with the same effect as another."""
        return b"".join(each.digest() for each in self.lists)

    def match(self, value: str) -> Match | None:
        """What guards a value: a hash, URL, address, network or host; or any other text, where it is on a list.

        A host is guarded by an entry for itself or for what it is below, up to the name that somebody registered:
        what is below a public suffix (`github.io`) belongs to others than the suffix. A URL is guarded by its host,
        too, and an IPv6 address as the IPv4 address that it carries.
        """
        if observables.is_usual_host(value):  # as most are, and as most are on no list
            candidates = self._candidates("host", value)
            return self._best(candidates, "host") if candidates else None
        observable = observables.read(value)
        kind = None if observable is None else observable.kind
        candidates = [] if observable is None else self._candidates(*observable)
        if (observable is None or value != observable.value) and (found := self._exact.of(number(value))):
            candidates.append((found, value))  # as the text that it is
        best = self._best(candidates, kind) if candidates else None
        if "://" in value and (host := observables.host_of(value)) is not None:
            of_host = self._best(self._candidates(*host), "url")
            if best is None or (of_host is not None and of_host.of.effect == "suppress" != best.of.effect):
                best = of_host
        return best

    def _candidates(self, kind: Kind, value: str) -> list[_Found]:
        """The entries that a value matches, whatever their lists guard."""
        found: list[_Found] = []
        if exact := self._exact.of(number(value)):
            found.append((exact, value))
        if kind == "host":
            self._above(value, found)
        elif kind == "address":
            found += self._around(value)
            if (carried := observables.carried(value)) is not None:
                found += self._around(carried)
        if self._substrings:
            found += self._within(value.lower())
        if self._regexes:
            found += [((index,), regex.text) for regex, index in self._regexes if regex.is_in(value)]
        return found

    def _above(self, host: str, found: list[_Found]) -> None:
        """Add what a host is on the lists for, itself or as what it is below."""
        anything_below = self._anything_below
        if not anything_below and not self._ends[end_of(host) & self._last]:
            return  # as for most hosts, after one look-up
        holders = self._hosts.of
        name, start = host, 0
        while True:
            # Only what is found needs the public suffixes, which take longer than all else here.
            if (of := holders(number(name))) and (not start or _is_of_one_owner(name, host)):
                found.append((of, name))
            if start and anything_below and name in anything_below:
                found.append((anything_below[name], f"*.{name}"))
            start = host.find(".", start) + 1
            if not start:
                return
            name = host[start:]

    def _around(self, address: str) -> list[_Found]:
        """The networks on the lists in which an address or network is."""
        version, first, length = observables.packed(address)
        bits = BITS[version]
        least = bits - length
        if not self._beginnings.may_have(version, first, length):
            return []
        return [
            (of, observables.network(version, first >> shift << shift, bits - shift))
            for shift in self._prefixes[version]
            if shift >= least and (of := self._networks.of(number(network_key(version, first, shift))))
        ]

    def _within(self, value: str) -> list[_Found]:
        """The substrings on the lists that a value contains."""
        begins = {value[start : start + MIN_SUBSTRING] for start in range(len(value) - MIN_SUBSTRING + 1)}
        return [
            ((index,), text)
            for begin in begins & self._substrings.keys()
            for text, index in self._substrings[begin]
            if text in value
        ]

    def _best(self, found: Iterable[_Found], kind: Kind | None) -> Match | None:
        best: tuple[bool, int, str] | None = None
        for of, entry in found:
            for index in of:
                each = self.lists[index]
                if kind is None or kind in each.kinds:
                    ranked = (each.effect != "suppress", index, entry)
                    if best is None or ranked[:2] < best[:2]:
                        best = ranked
        return None if best is None else Match(self.lists[best[1]], best[2])


def _flags(ends: Sequence["array[int]"]) -> bytearray:
    flags = bytearray(1 << (4 * sum(map(len, ends))).bit_length())
    last = len(flags) - 1
    for each in ends:
        for end in each:
            flags[end & last] = 1
    return flags


def _bits(kinds: frozenset[Kind]) -> int:
    """A bit for each kind, and one for what is of none."""
    return sum(1 << at for at, kind in enumerate(get_args(Kind)) if kind in kinds) | 1 << len(get_args(Kind))


@functools.cache
def _suffixes() -> "PublicSuffixList":
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415 -- its list takes 80 ms to read, and few need it

    return PublicSuffixList()


@functools.cache
def _near_suffixes() -> frozenset[str]:
    """Every public suffix with all that it is below, and `*.NAME` where all names below NAME are public suffixes."""
    from publicsuffixlist import PSLFILE  # noqa: PLC0415 -- likewise

    found: set[str] = set()
    for line in Path(PSLFILE).read_text("utf-8").splitlines():
        rule = line.partition(" ")[0].removeprefix("!")
        if rule and not rule.startswith("//"):
            name = rule.encode("idna").decode("ascii").lower()
            while name:
                found.add(name)
                name = name.partition(".")[2]
    return frozenset(found)


def _is_of_one_owner(name: str, host: str) -> bool:
    """Whether who registered a name of two labels or more has what is below it, too, as far as a host."""
    near = _near_suffixes()
    if name not in near and f"*.{name.partition('.')[2]}" not in near:  # as for most, which spares the long answer
        return True
    registered = _suffixes().privatesuffix(host) or host
    return len(name) >= len(registered)
