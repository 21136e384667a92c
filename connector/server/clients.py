"""Where a request comes from: for the log, the audit, and to slow down whoever guesses."""

import ipaddress

from starlette.requests import HTTPConnection

from connector.values.addresses import parse

_PREFIX = 64
"""An IPv6 client has a network of this size, and as many addresses as it likes (RFC 6177)."""


def client_of(request: HTTPConnection, *, behind_proxy: bool) -> str:
    """The address of the client; empty when it is not known.

    Behind a proxy it is the last one in X-Forwarded-For, which the proxy itself has added; those before it are what the
    client says.
    """
    if behind_proxy:
        last = ",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
        if parse(last) is not None and "/" not in last:
            return last
    return request.client.host if request.client else ""


def network_of(client: str) -> str:
    """The network that one client has all of: an IPv4 address, or the /64 of an IPv6 address."""
    found = parse(client.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, _PREFIX), strict=False))
    return client
