"""Names that a server may be asked by."""

import socket

import pytest

from connector.values.host_names import host_of, is_ours


@pytest.mark.parametrize(
    "header",
    [
        "127.0.0.1:9464",
        "10.1.2.3",
        "[::1]:9464",
        "[2001:db8::1]",
        "localhost",
        "LOCALHOST:80",
        "connector:9464",
        "a.localhost",
        "connector.soc.svc",
        "connector.soc.svc.cluster.local:9464",
        "host.docker.internal",
        socket.gethostname(),
        f"{socket.getfqdn()}.:9464",
    ],
)
def test_without_names_those_that_no_other_site_can_have_are_ours(header):
    assert is_ours(header, ())


@pytest.mark.parametrize(
    "header",
    [
        "evil.example",
        "127.0.0.1.evil.example:9464",
        "localhost.evil.example",
        "evil.svc.example",
        "xlocalhost.example",
        "",
        "a b",
        "a/b",
        "a@127.0.0.1",
        "127.0.0.1:port",
        "[::1",
        "a?b",
        "a#b",
    ],
)
def test_other_names_are_not(header):
    assert not is_ours(header, ())
    assert not is_ours(header, ("soc.example",))


def test_with_names_those_and_addresses_are_ours():
    names = ("soc.example",)
    assert is_ours("SOC.example:8640", names)
    assert is_ours("192.0.2.1", names)
    assert is_ours("localhost:1", names)
    assert not is_ours("connector", names)
    assert not is_ours("other.soc.example", names)


def test_a_host_is_read_without_its_port_brackets_and_capitals():
    assert host_of("SOC.example.:80") == "soc.example"
    assert host_of(" [2001:DB8::1]:1 ") == "2001:db8::1"
    assert host_of("soc.example:x") is None
