"""Addresses as numbers, for look-ups."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.values.observables import packed


@given(st.ip_addresses(v=6) | st.ip_addresses(v=4))
def test_an_address_is_a_number_of_all_its_bits(address):
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    expected = mapped or address

    assert packed(str(address)) == (expected.version, int(expected), expected.max_prefixlen)


@pytest.mark.parametrize("text", ["::ffff:192.0.2.1", "::ffff:c000:201", "::FFFF:C000:0201", "192.0.2.1"])
def test_an_ipv4_address_in_the_form_of_an_ipv6_address_is_the_ipv4_address(text):
    assert packed(text) == (4, 0xC0000201, 32)


@pytest.mark.parametrize("text", ["2001:db8:::1", "2001:db8::1::2", "12345::1", "192.0.2.300", "::g"])
def test_what_is_no_address_has_no_number(text):
    with pytest.raises(ValueError, match=r"is no address|does not appear|IPv6"):
        packed(text)
