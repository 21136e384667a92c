"""Where IP addresses mean something, by the ends of the blocks of the IANA registries of special-purpose addresses."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.values import addresses

SCOPES = {
    "unspecified": ["0.0.0.0", "::"],
    "loopback": ["127.0.0.0", "127.255.255.255", "::1", "::ffff:127.0.0.1"],
    "link_local": ["169.254.0.0", "169.254.255.255", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
    "multicast": ["224.0.0.0", "239.255.255.255", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
    "documentation": [
        *("192.0.2.0", "192.0.2.255", "198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255"),
        *("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
        "::ffff:192.0.2.1",
    ],
    "private": [
        *("0.0.0.1", "0.255.255.255", "10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0"),
        *("192.168.255.255", "198.18.0.0", "198.19.255.255", "::ffff:10.0.0.1"),
        *("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff"),
    ],
    "reserved": ["100.64.0.0", "100.127.255.255", "240.0.0.0", "255.255.255.255"],
    "global": [
        *("1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"),
        *("169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.255", "192.0.3.0"),
        *("192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0"),
        *("203.0.112.255", "203.0.114.0", "223.255.255.255", "::ffff:8.8.8.8"),
        *("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::", "2600::", "3fff:1000::"),
    ],
}


@pytest.mark.parametrize(("scope", "text"), [(scope, text) for scope, texts in SCOPES.items() for text in texts])
def test_the_scope_of_an_address(scope, text):
    assert addresses.scope(ipaddress.ip_address(text)) == scope


@pytest.mark.parametrize(("scope", "text"), [("private", "10.0.0.0/8"), ("documentation", "2001:db8::/48")])
def test_the_scope_of_a_network_is_that_of_its_first_address(scope, text):
    assert addresses.scope(ipaddress.ip_network(text)) == scope


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LocalHost", "a.localhost"])
def test_names_and_addresses_of_this_machine_alone(host):
    assert addresses.is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "10.0.0.1", "::", "notlocalhost", "localhost.example", "example.com"])
def test_names_and_addresses_of_other_machines_too(host):
    assert not addresses.is_loopback(host)


@given(st.ip_addresses().map(str) | st.text("0123456789abcdef:.%", max_size=24))
@example("::ffff:192.0.2.1")
@example("fe80::1%eth0")
@example("192.0.2.01")
@example("1:2:3:4:5:6:7::8")
@example("\u0661.1.1.1")
@example("1.1.1.\x001")
def test_addresses_are_those_of_the_standard_library(text):
    try:
        expected = ipaddress.ip_address(text)
    except ValueError:
        expected = None

    assert addresses.parse(text) == expected
