"""What is the same for every request: whether it is for this server, where it ends, and headers of its answer."""

import re
from collections.abc import Collection
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.server.audit import record_of
from connector.server.memory import Memory, give_share
from connector.server.problems import Problem
from connector.settings.server import ServerSettings
from connector.values import host_names

HSTS_SECONDS = 365 * 24 * 3600
"""How long a browser that once came over TLS does not come without (RFC 6797)."""

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
_POLICY = b"content-security-policy"
_NOTHING = (_POLICY, b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
"""For every answer that has no policy of its own: it is no page, whatever a browser takes it for."""
_ABSOLUTE = re.compile(rb"https?://", re.IGNORECASE)
_PIECE_BYTES = 64 * 1024


class Front:
    """Refuses what is not for this server, hands the others on, and adds headers to the answers.

    The headers keep a browser from guessing what an answer is, from running what is in it, and other sites from showing
    it in a frame. (asgi.readthedocs.io/en/latest/specs/www.html)
    """

    def __init__(self, application: ASGIApp, settings: ServerSettings) -> None:
        self._application = application
        self._names = frozenset(settings.hosts)
        # With TLS the certificate, and behind a proxy the proxy, lets nobody in by the name of another site.
        self._checks_hosts = bool(settings.hosts) or (settings.tls is None and not settings.behind_proxy)
        encrypted = ((b"strict-transport-security", b"max-age=%d" % HSTS_SECONDS),) if settings.tls else ()
        self._memory = Memory()
        self._headers: Collection[tuple[bytes, bytes]] = (*_HEADERS, *encrypted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        share = give_share(self._memory, scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], *self._headers]
                if not any(name == _POLICY for name, _ in headers):
                    headers.append(_NOTHING)
                message["headers"] = headers
            elif len(message.get("body", b"")) > _PIECE_BYTES and (token := record_of(Request(scope)).token):
                share.raise_to(token, len(message["body"]))
            await send_in_pieces(message, send)

        try:
            _must_be_framed_once(scope)
            _take_absolute_form(scope)
            if self._checks_hosts:
                self._must_be_ours(scope)
        except Problem as problem:
            await problem.response()(scope, receive, send_with_headers)
            return
        try:
            await self._application(scope, receive, send_with_headers)
        finally:
            share.end()

    def _must_be_ours(self, scope: Scope) -> None:
        for host in _values(scope, b"host"):
            if not host_names.is_ours(host, self._names):
                raise Problem(
                    "misdirected",
                    f"{host!r} is not a name of this server",
                    "Ask by its address, or name it in server.hosts in the configuration.",
                )


async def send_in_pieces(message: Message, send: Send) -> None:
    """Send a part of an answer; a long one piece by piece, as the client takes them, not into a buffer as a whole."""
    body: bytes = message.get("body", b"")
    if len(body) <= _PIECE_BYTES:
        await send(message)
        return
    for start in range(0, len(body), _PIECE_BYTES):
        end = start + _PIECE_BYTES
        more = message.get("more_body", False) or end < len(body)
        await send({**message, "body": body[start:end], "more_body": more})


def _must_be_framed_once(scope: Scope) -> None:
    """Refuse a request whose end two readers may see in two places, and close its connection (RFC 9112 section 6.1)."""
    names = {name for name, _ in scope["headers"]}
    if b"transfer-encoding" in names and (b"content-length" in names or scope["http_version"] != "1.1"):
        raise Problem(
            "invalid_request",
            "the request says in two ways how long it is",
            "Send either Content-Length or, with HTTP/1.1, Transfer-Encoding.",
            headers=[("Connection", "close")],
        )


def _take_absolute_form(scope: Scope) -> None:
    """Read a request target that is a whole URL, as a proxy sends it; its host takes the place of the header's.

    (RFC 9112 section 3.2.2)
    """
    target: bytes = scope["raw_path"]
    if not _ABSOLUTE.match(target):
        return
    try:
        parts = urlsplit(target.decode("ascii"))
    except ValueError:
        raise Problem("invalid_request", "the request's target is no URL", "Correct it.") from None
    path = parts.path or "/"
    scope["path"], scope["raw_path"] = unquote(path), path.encode("ascii")
    others = [each for each in scope["headers"] if each[0] != b"host"]
    scope["headers"] = [(b"host", parts.netloc.encode("ascii")), *others]


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for each, value in scope["headers"] if each == name]
