"""Entries of lists that guard so much that hardly anybody means it: whole networks of the internet, a whole `.com`."""

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from connector.guards.lists import GuardList
from connector.guards.regexes import Regex
from connector.values import observables

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

_SHORTEST_PREFIX = {4: 8, 6: 16}
"""By version, in bits."""
_FIRST_MULTICAST = 224 << 24
"""From here on no IPv4 address is anybody's."""
_GLOBAL_UNICAST = 0b001
"""The first three bits of the IPv6 addresses that somebody may have (RFC 4291 section 2.4)."""
_IN_MOST_URLS = "https://www."
_UNLIKE = ("zq7x.example", "203.0.113.77", "2001:db8::4d")
"""What matches all of these matches nearly everything."""


def too_wide(found: GuardList) -> Iterator[tuple[str, str]]:
    """Each entry of a list that guards nearly everything, as the list writes it, and what it guards."""
    for network in found.networks.short:
        version, first, length = observables.packed(network)
        if length < _SHORTEST_PREFIX[version] and _is_of_somebody(version, first, length):
            yield network, f"is a larger network than anybody has, a /{_SHORTEST_PREFIX[version]}"
    for host in found.anything_below:
        if _is_public_suffix(host):
            yield f"*.{host}", f"is every host below the public suffix {host}, whoever registers it"
    for text in found.substrings:
        if text in _IN_MOST_URLS:
            yield text, "is in nearly every URL"
        elif _is_public_suffix(text.strip(".")):
            yield text, "is in every host below that public suffix"
    for regex in found.regexes:
        if _matches_all(regex):
            yield regex.text, "matches nearly everything"


def _is_of_somebody(version: int, first: int, length: int) -> bool:
    if version == 4:  # noqa: PLR2004
        return first < _FIRST_MULTICAST
    return length == 0 or first >> 125 == _GLOBAL_UNICAST


def _matches_all(regex: Regex) -> bool:
    return all(map(regex.is_in, _UNLIKE))


def _is_public_suffix(name: str) -> bool:
    return _suffixes().publicsuffix(name) == name


@functools.cache
def _suffixes() -> "PublicSuffixList":
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415 -- its list takes 80 ms to read, and few need it

    return PublicSuffixList(accept_unknown=False)
