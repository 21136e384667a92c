"""Free ports on loopback. A reserved one belongs to the test process until that ends, even while its server is down."""

import random
import socket

# Below the range from which systems take ports for outgoing connections and for servers that bind port 0.
_PORTS = range(15000, 30000)


def reserve():
    """A port that is free for TCP and UDP; no other process that calls this gets it before this process has ended."""
    while True:
        port = random.choice(_PORTS)
        if _is_ours(port) and is_free(port):
            return port


def _is_ours(port):
    # One process at a time can bind the name of an abstract socket; the system frees it however the process ends.
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0iocstream-tests-port-{port}")
    except OSError:
        mark.close()
        return False
    mark.detach()  # held until this process ends
    return True


def is_free(port):
    """Whether a server that sets SO_REUSEADDR can listen there: closed connections in TIME_WAIT do not matter."""
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
