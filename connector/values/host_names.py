"""Which names a server is asked by: the header `Host`, which tells DNS rebinding from what is meant for the server.

A page of another site can have its own name lead to an address of this network, and its visitor's browser then lets it
read what is answered there. The browser still sends that name.
"""

import functools
import re
import socket
from collections.abc import Collection

from connector.values.addresses import parse

_NOT_OF_THE_INTERNET = (".localhost", ".internal", ".svc", ".svc.cluster.local")
"""Nobody can register a name below these (RFC 6761; ICANN's resolution 2024.07.29.06); Kubernetes uses the last two."""
_HEADER = re.compile(r"(?:\[([0-9a-f:.%]+)\]|([a-z0-9._-]+))(?::[0-9]{0,5})?")


def host_of(header: str) -> str | None:
    """The name or address in a header `Host`, in lower case, without port and brackets; None when it is malformed."""
    found = _HEADER.fullmatch(header.strip().lower())
    return None if found is None else found[1] or found[2].rstrip(".")


def is_ours(header: str, names: Collection[str]) -> bool:
    """Whether whoever sent this header `Host` can have meant this server.

    Args:
        header: what was sent.
        names: those that the configuration allows, in lower case. Without any: addresses, names without a dot, names
            that nobody can register on the Internet, and the names of this machine.
    """
    host = host_of(header)
    if host is None:
        return False
    if parse(host) is not None or host in names or host == "localhost":
        return True
    if names:
        return False
    return "." not in host or host.endswith(_NOT_OF_THE_INTERNET) or host in _names_of_this_machine()


@functools.cache
def _names_of_this_machine() -> frozenset[str]:
    return frozenset(name.lower().rstrip(".") for name in (socket.gethostname(), socket.getfqdn()))
