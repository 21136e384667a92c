"""The port for monitoring: three pages over HTTP, for clients that may be hostile.

A connection is for one request, which must be complete within seconds and small; so many connections are open at once,
and no more. There is no log-in: the address to listen on decides who may ask.
"""

import io
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from connector import telemetry
from connector.model import Misconfigured
from connector.monitoring.health import Health

MAX_CONNECTIONS = 16
REQUEST_SECONDS = 5.0
MAX_REQUEST_BYTES = 16 * 1024

_Page = Callable[[], tuple[HTTPStatus, str, bytes]]


def pages(registry: CollectorRegistry, alive: Callable[[], Health], ready: Callable[[], Health]) -> Mapping[str, _Page]:
    """What is served, by path."""
    return {
        "/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry)),
        "/healthz": lambda: _said("alive", alive()),
        "/readyz": lambda: _said("ready", ready()),
    }


@contextmanager
def serving(host: str, port: int, served: Mapping[str, _Page]) -> Iterator[str]:
    """Serve pages until the block ends; yields the URL. Port 0 takes a free one.

    Raises:
        Misconfigured: the address cannot be listened on.
    """
    name = f"[{host}]" if ":" in host else host
    try:
        server = _Server(host, port, served)
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

    def __init__(self, host: str, port: int, served: Mapping[str, _Page]) -> None:
        self.served = served
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Turn the one connection too many away, rather than have it wait."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection, in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
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
        page = self.server.served.get(self.path.split("?", 1)[0])
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND, explain=f"there is {', '.join(self.server.served)}")
            return
        status, kind, body = page()
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
