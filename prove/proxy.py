"""A TCP proxy that causes network faults on command. One thread for each connection."""

import contextlib
import random
import select
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

HEALTHY = "healthy"
FAULTS = ("latency", "reset", "half-open", "truncation", "garbage", "slow drip", "handshake")
"""What can be inflicted.

* latency: 150 ms on every piece, in both directions;
* reset: RST, at once or anywhere in what passes;
* half-open: the connection stands, and nothing passes on it any more;
* truncation: an orderly end anywhere in what passes, in either direction;
* garbage: answers with bytes that nobody sent (what the connector sends is left alone: no transport without a checksum
  of its own could tell);
* slow drip: a byte each 2 ms;
* handshake: a new connection is cut, or answered with garbage, before the first byte of content.
"""

_PIECE = 16 * 1024
_LATENCY_SECONDS = 0.15
_DRIP_SECONDS = 0.002


class FaultProxy:
    """Stands between the connector and one other party.

    Attributes:
        fault: what happens now, to every connection.
        inflicted: how often each fault was.
        heals_after: how often the fault is inflicted before it ends by itself; None for ever.
        address: `127.0.0.1:port` to connect to.
    """

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None, resets_half_open: bool = False) -> None:
        """Listen on a free port of loopback and pass on to `port`.

        Args:
            port: of the other party, on loopback.
            tls: speak TLS to the connector and plainly to the other party.
            resets_half_open: end a half-open connection with a reset once the fault is over, as a firewall does that
                has forgotten it; otherwise it stays as it is, and only a time limit helps.
        """
        self._target = ("127.0.0.1", port)
        self._resets_half_open = resets_half_open
        self._chance = random.Random(port)
        self._lock = threading.Lock()
        self._open = True
        self._cuts = 0
        self.tls = tls
        self.fault = HEALTHY
        self.inflicted: Counter[str] = Counter()
        self.heals_after: int | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more connections, and close the open ones."""
        self._open = False
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        self._listener.close()

    def cut(self) -> None:
        """Reset every open connection, so that new ones are made."""
        self._cuts += 1

    def _accept(self) -> None:
        while self._open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = None
        try:
            client.settimeout(10)
            if self.fault == "handshake":
                self._note("handshake")
                self._spoil_start(client)
                return
            if self.fault == "reset" and self._chance.random() < 0.3:
                self._note("reset")
                _reset(client)
                return
            if self.tls is not None:
                client = self.tls.wrap_socket(client, server_side=True)
            server = socket.create_connection(self._target, 10)
            self._pass(client, server)
        except OSError:  # either side broke off, which is what this is about; TLS errors are OSErrors
            pass
        finally:
            for each in (client, server):
                if each is not None:
                    with contextlib.suppress(OSError):
                        each.close()

    def _spoil_start(self, client: socket.socket) -> None:
        kind = self._chance.randrange(3)
        if kind:
            client.recv(_PIECE)
        if kind > 1:
            client.sendall(self._chance.randbytes(200))

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        ends = {client: server, server: client}
        cuts = self._cuts
        while self._open and ends:
            if cuts != self._cuts:
                _reset(client)
                _reset(server)
                return
            if self.fault == "half-open":
                self._hang(client, server)
                return
            for source in self._readable(list(ends)):
                piece = source.recv(_PIECE)
                target = ends[source]
                if not piece:
                    del ends[source]
                    if self.tls is not None:
                        return  # close_notify ends both directions; HTTP says by itself where an answer ends
                    _end(target)
                elif not self._forward(piece, source, target, is_answer=source is server):
                    return

    def _readable(self, sources: list[socket.socket]) -> list[socket.socket]:
        waiting = [each for each in sources if isinstance(each, ssl.SSLSocket) and each.pending()]
        return waiting or select.select(sources, [], [], 0.1)[0]

    def _forward(self, piece: bytes, source: socket.socket, target: socket.socket, *, is_answer: bool) -> bool:
        """Pass a piece on, changed by the current fault; whether the connection is still open."""
        fault = self.fault
        match fault:
            case "latency":
                time.sleep(_LATENCY_SECONDS)
            case "reset" | "truncation" if self._chance.random() < 0.5:
                self._note(fault)
                target.sendall(piece[: self._chance.randrange(len(piece))])
                if fault == "reset":
                    _reset(source)
                    _reset(target)
                return False
            case "garbage" if is_answer and self._chance.random() < 0.7:
                start = self._chance.randrange(len(piece))
                piece = piece[:start] + self._chance.randbytes(len(piece) - start)
            case "slow drip":
                sent = 0
                while sent < len(piece) and self.fault == fault:
                    target.sendall(piece[sent : sent + 1])
                    sent += 1
                    time.sleep(_DRIP_SECONDS)
                piece = piece[sent:]
            case _:
                fault = HEALTHY
        self._note(fault)
        target.sendall(piece)
        return True

    def _hang(self, client: socket.socket, server: socket.socket) -> None:
        self._note("half-open")
        while self._open and (self.fault == "half-open" or not self._resets_half_open):
            if not self._resets_half_open and select.select([client], [], [], 0.1)[0] and not client.recv(_PIECE):
                return
            time.sleep(0.05)
        _reset(client)
        _reset(server)

    def _note(self, fault: str) -> None:
        with self._lock:
            self.inflicted[fault] += 1
            if self.inflicted[fault] == self.heals_after and fault != HEALTHY:
                self.fault = HEALTHY


@contextmanager
def proxy(port: int, *, tls: ssl.SSLContext | None = None, resets_half_open: bool = False) -> Iterator[FaultProxy]:
    """A proxy for as long as the block lasts."""
    made = FaultProxy(port, tls=tls, resets_half_open=resets_half_open)
    try:
        yield made
    finally:
        made.close()


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.close()


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_WR)
