"""The server as a process: listening, TLS, time limits, and the end on SIGTERM."""

import asyncio
import logging
import math
import socket
import ssl
import threading
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from connector import app, telemetry
from connector.actions import ActionContext
from connector.configuration import Plan
from connector.model import Misconfigured
from connector.server.acceptor import Acceptor, raise_file_limit
from connector.server.application import application
from connector.server.audit import Audit
from connector.server.connection import Connection
from connector.server.notices import Notices
from connector.server.token_book import TokenBook
from connector.settings.server import ServerSettings

KEEP_ALIVE_SECONDS = 15
ANSWER_SECONDS = 5
UNSENT_BYTES = 128 * 1024
UNREAD_BYTES = 128 * 1024
TLS_BYTES = 32 * 1024
"""More than the 16 KiB of a TLS record."""


def serve(plan: Plan, stop: threading.Event, tell: Callable[[str], None] = lambda _: None) -> None:
    """Serve until SIGTERM or SIGINT; then let running actions finish within `shutdown_seconds`.

    Args:
        plan: what is served.
        stop: set at the signal, for the running actions.
        tell: called with the URL once the server listens.

    Raises:
        Misconfigured: there is no token, the address cannot be listened on, or a certificate cannot be used.
    """
    settings = plan.settings.server
    book = TokenBook(plan.token_file())
    if not book.tokens():
        raise Misconfigured(
            "server.tokens: there is no token, so nobody could ask anything;"
            " `iocstream token new NAME --scope read` makes one"
        )
    audit_log = telemetry.AuditLog(settings.audit)
    try:
        audit_log.check()
    except OSError as error:
        raise Misconfigured(f"server.audit: {settings.audit} cannot be written: {error.strerror}") from None
    raise_file_limit()
    with app.open_journal(plan, make=True) as journal, _listening(settings) as listener:
        journal.status({})  # makes and migrates it: what is wrong with it then keeps the server from starting
        notices, audit = Notices(), Audit(audit_log)
        config = uvicorn.Config(
            application(ActionContext(plan, stop), journal.collections, notices, book, audit),
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            # Longer than an action that was asked to stop takes, so that it can still answer.
            timeout_graceful_shutdown=math.ceil(plan.settings.shutdown_seconds) + ANSWER_SECONDS,
            **_tls(settings),
        )
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(f"server.tls: the certificate, its key or client_ca cannot be used: {error}") from None
        for name in ("uvicorn", "asyncio"):
            log = logging.getLogger(name)
            log.handlers, log.propagate = [_EventLog(notices)], False
        # asyncio takes this much memory for each connection with TLS: 256 KiB unless told otherwise.
        SSLProtocol.max_size = TLS_BYTES
        server = _Server(config, stop, settings.request_seconds, notices)
        telemetry.logger().info("serving", url=_url(settings, listener))
        tell(_url(settings, listener))
        server.run(sockets=[listener])
        notices.close()
        audit.close()
        book.close()
        telemetry.logger().info("serving_ended")


class _Server(uvicorn.Server):
    """Takes connections in through an `Acceptor`, and tells the running actions to end.

    uvicorn sets signal handlers of its own while it runs, in the place of those of the command line.
    """

    def __init__(self, config: uvicorn.Config, stop: threading.Event, seconds: float, notices: Notices) -> None:
        super().__init__(config)
        self._stop = stop
        self._seconds = seconds
        self._notices = notices

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await self.lifespan.startup()

        def connect(on_end: Callable[[], None]) -> Connection:
            return Connection(
                config=self.config, server_state=self.server_state, app_state={}, seconds=self._seconds, on_end=on_end
            )

        asyncio.get_running_loop().set_exception_handler(_tell_of_bug)
        acceptors = [Acceptor(listener, connect, self._notices, self.config.ssl) for listener in sockets or ()]
        self.servers = acceptors  # type: ignore[assignment]  # for `shutdown`, which closes them
        for acceptor in acceptors:
            acceptor.start()
        self.started = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """At the first signal, finish; at the second, end."""
        self._stop.set()
        super().handle_exit(sig, frame)


class _EventLog(logging.Handler):
    """Writes what uvicorn and asyncio log as events of this program's log; what any client can cause, as a notice."""

    def __init__(self, notices: Notices) -> None:
        super().__init__(logging.WARNING)
        self._notices = notices

    def emit(self, record: logging.LogRecord) -> None:
        """Write one."""
        # asyncio tells of answers to connections that were reset meanwhile, and does not say whose.
        client = getattr(record, "client", "" if record.name == "asyncio" else None)
        if client is not None and record.levelno < logging.ERROR:
            self._notices.tell("http_server", client, message=record.getMessage())
            return
        say = telemetry.logger().error if record.levelno >= logging.ERROR else telemetry.logger().warning
        say("http_server", message=record.getMessage(), exc_info=record.exc_info)


def _tell_of_bug(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    telemetry.logger().error("http_server", message=context["message"], exc_info=context.get("exception"))


def _listening(settings: ServerSettings) -> socket.socket:
    host, port = settings.address()
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise Misconfigured(f"server.listen: {settings.listen} cannot be listened on: {error.strerror}") from None
    # asyncio sets this only on sockets that it makes itself. Without it the second part of an answer may wait 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # The kernel would keep megabytes for each connection of what nobody has read.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD_BYTES)
    # Without it the kernel takes megabytes of an answer at once, then nothing for long: a slow client would look like
    # one that has stopped reading.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    return listener


def _tls(settings: ServerSettings) -> dict[str, Any]:
    tls = settings.tls
    if tls is None:
        return {}
    options: dict[str, Any] = {"ssl_certfile": tls.certificate, "ssl_keyfile": tls.key}
    if tls.client_ca is not None:
        options |= {"ssl_ca_certs": str(tls.client_ca), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return options


def _url(settings: ServerSettings, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{'https' if settings.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
