"""The port for monitoring: three pages over HTTP, for clients that may be hostile.

A connection is for one request, which must be complete within seconds and small; so many connections are open at once,
and no more: for one more, one that keeps the server waiting is ended. There is no log-in: the address to listen on
decides who may ask, and the name they ask by must be one of this server.
"""

import io
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from connector import telemetry
from connector.model import Misconfigured
from connector.monitoring.health import Health
from connector.values import host_names
from connector.values.visitors import Visitors

MAX_CONNECTIONS = 32
REQUEST_SECONDS = 5.0
MAX_REQUEST_BYTES = 16 * 1024
ROOM_SECONDS = 1.0
"""How long a new connection waits for the place of the one that is ended for it."""

_Page = Callable[[], tuple[HTTPStatus, str, bytes]]


def pages(registry: CollectorRegistry, alive: Callable[[], Health], ready: Callable[[], Health]) -> Mapping[str, _Page]:
    """What is served, by path."""
    return {
        "/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry)),
        "/healthz": lambda: _said("alive", alive()),
        "/readyz": lambda: _said("ready", ready()),
    }


@contextmanager
def serving(host: str, port: int, served: Mapping[str, _Page], hosts: Collection[str] = ()) -> Iterator[str]:
    """Serve pages until the block ends; yields the URL. Port 0 takes a free one.

    Args:
        host: address to listen on.
        port: likewise.
        served: the pages by path.
        hosts: the names to be asked by; see `connector.values.host_names.is_ours`.

    Raises:
        Misconfigured: the address cannot be listened on.
    """
    name = f"[{host}]" if ":" in host else host
    try:
        server = _Server(host, port, served, hosts)
    except OSError as error:
        raise Misconfigured(
            f"telemetry.listen: {name}:{port} cannot be listened on: {error.strerror or error}. "
            "Choose another address or port, or end the process that has it"
        ) from None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="telemetry", daemon=True)
    thread.start()
    try:
        yield f"http://{name}:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _said(what: str, health: Health) -> tuple[HTTPStatus, str, bytes]:
    document: dict[str, Any] = {what: health.good, "reasons": health.reasons}
    if health.parts:
        document["parts"] = health.parts
    status = HTTPStatus.OK if health.good else HTTPStatus.SERVICE_UNAVAILABLE
    return status, "application/json", orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = MAX_CONNECTIONS

    def __init__(self, host: str, port: int, served: Mapping[str, _Page], hosts: Collection[str]) -> None:
        self.served = served
        self.hosts = hosts
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._waiting: Visitors[socket.socket] = Visitors()
        self._lock = threading.Lock()
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection more; where there is no place for it, in that of one that keeps the server waiting."""
        if not self._places.acquire(blocking=False) and not self._make_room():
            self.shutdown_request(request)
            return
        self.wait_for(request, client_address)
        try:
            super().process_request(request, client_address)
        except BaseException:
            self.wait_no_more_for(request)
            self._places.release()
            raise

    def wait_for(self, connection: socket.socket, client_address: Any) -> None:
        """Note that the client has to do something now: to send its request, or to take its answer."""
        with self._lock:
            self._waiting.add(connection, client_address[0])

    def wait_no_more_for(self, connection: socket.socket) -> bool:
        """Note that the server has to; False when the connection was ended in the meantime."""
        with self._lock:
            return self._waiting.remove(connection)

    def _make_room(self) -> bool:
        with self._lock:
            ended = self._waiting.first_to_go()
            if ended is None:  # all of them are being served
                return False
            self._waiting.remove(ended)
            with suppress(OSError):
                ended.shutdown(socket.SHUT_RDWR)  # what its thread waits for has then come to an end
        return self._places.acquire(timeout=ROOM_SECONDS)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection, in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.wait_no_more_for(request)
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 -- socketserver's own signature
        """Say what went wrong, unless it is that the client went away."""
        if not isinstance(sys.exception(), OSError):
            telemetry.logger().error("telemetry_failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_SECONDS

    def setup(self) -> None:
        """Read in bounded time and memory."""
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(_Bounded(self.connection))

    def do_GET(self) -> None:
        """Serve one page."""
        try:
            target = urlsplit(self.path) if self.path.startswith("http") else None  # as a proxy sends it
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        asked_by = self.headers.get_all("Host", []) if target is None else [target.netloc]
        if not all(host_names.is_ours(each, self.server.hosts) for each in asked_by):
            said = "this is not a name of this server: ask by its address, or name it in telemetry.hosts"
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, explain=said)
            return
        page = self.server.served.get(self.path.split("?", 1)[0] if target is None else target.path)
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND, explain=f"there is {', '.join(self.server.served)}")
            return
        if not self.server.wait_no_more_for(self.connection):
            return
        status, kind, body = page()
        self.server.wait_for(self.connection, self.client_address)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 -- likewise

    def version_string(self) -> str:
        """What the header Server says."""
        return "iocstream"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- likewise
        """Requests are not events of the connector."""


class _Bounded(socket.SocketIO):
    """A connection's bytes, as long as they come soon and are few."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection, "r")
        self._connection = connection
        self._deadline = time.monotonic() + REQUEST_SECONDS
        self._left = MAX_REQUEST_BYTES

    def readinto(self, buffer: Any) -> int | None:
        """Raises TimeoutError, which http.server answers by hanging up."""
        seconds = self._deadline - time.monotonic()
        if seconds <= 0 or self._left <= 0:
            raise TimeoutError
        self._connection.settimeout(seconds)
        count = super().readinto(buffer)
        self._connection.settimeout(REQUEST_SECONDS)
        self._left -= count or 0
        return count
