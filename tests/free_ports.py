"""Ports of loopback, each for one process of the tests alone, from a server's end to its restart too."""

import random
import socket

# Below those that systems give to outgoing connections, and to servers that ask for any.
_PORTS = range(15000, 30000)


def reserve():
    """A port that is free for TCP and UDP, and that no other process that asks here is given while this one lives."""
    while True:
        port = random.choice(_PORTS)
        if _is_ours(port) and is_free(port):
            return port


def _is_ours(port):
    # A name that one process at a time can have, and that its end gives back however it ends: an abstract socket's.
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0iocstream-tests-port-{port}")
    except OSError:
        mark.close()
        return False
    mark.detach()  # held until this process ends
    return True


def is_free(port):
    """Whether servers can listen there, who do not mind old connections that linger."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
