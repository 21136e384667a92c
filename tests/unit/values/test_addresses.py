"""IP addresses: a table says of them what Python does, and sooner."""

import ipaddress

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.values import addresses


def near_a_boundary():
    """Addresses around the ends of the networks that Python gives a meaning to."""
    boundaries = {4: set(), 6: set()}
    for text in " ".join(addresses._SPECIAL).split():
        network = ipaddress.ip_network(text)
        boundaries[network.version] |= {int(network.network_address), int(network.broadcast_address)}
    near = {
        version: st.builds(int.__add__, st.sampled_from(sorted(ends)), st.integers(-2, 2))
        for version, ends in boundaries.items()
    }
    return st.one_of(
        near[4].filter(lambda value: 0 <= value < 2**32).map(ipaddress.IPv4Address),
        near[6].filter(lambda value: 0 <= value < 2**128).map(ipaddress.IPv6Address),
    )


@settings(max_examples=3000, deadline=None)
@given(address=st.one_of(st.ip_addresses(), near_a_boundary()))
def test_the_scope_of_an_address_is_what_python_says_of_it(address):
    mapped = getattr(address, "ipv4_mapped", None)
    assert addresses.scope(address) == addresses._scope(mapped or address)
