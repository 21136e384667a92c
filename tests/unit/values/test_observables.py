"""Addresses as numbers, for look-ups."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.values import observables
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


@pytest.mark.parametrize(
    ("entity_type", "value", "expected"),
    [
        ("file", "AB" * 32, "ab" * 32),
        ("file", "AB" * 16, "ab" * 16),
        ("file", "file.exe", None),
        ("url", "http://Example.com.:80/a#victim", "http://example.com/a"),
        ("url", "http://01.02.03.04/", None),
        ("domain", "B\u00fccher.Example.", "xn--bcher-kva.example"),
        ("domain", "localhost", None),
        ("ip_address", "2001:DB8:0::1", "2001:db8::1"),
        ("ip_address", "198.51.100.7:8080", "198.51.100.7"),
        ("ip_address", "[2001:db8::1]:443", "2001:db8::1"),
        ("ip_address", "fe80::1%eth0", "fe80::1"),
        ("ip_address", "198.51.100.9/24", "198.51.100.0/24"),
        ("ip_address", "01.02.03.04", None),
        ("ip_address", "3232235777", None),
        ("ip_address", "name.example:80", None),
        ("something", "As It Is", "As It Is"),
        ("url", None, None),
    ],
)
def test_an_entity_is_named_as_it_is_looked_up_and_logged_or_not_at_all(entity_type, value, expected):
    assert observables.of_entity(entity_type, value) == expected
