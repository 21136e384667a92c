"""Who asks, told by a token as a bearer (RFC 6750) or as the password of HTTP Basic (RFC 7617); and how often it may.

The headers decide this, before anything of a body is read.
"""

import asyncio
import base64
import binascii
import time
from collections.abc import Awaitable, Callable, Collection

from fastapi import Request, Security
from fastapi.openapi.models import HTTPBase
from fastapi.security.base import SecurityBase
from starlette.types import ASGIApp, Receive, Scope, Send

from connector.actions import ACTIONS
from connector.server.audit import record_of
from connector.server.clients import client_of
from connector.server.failed_logins import FailedLogins
from connector.server.notices import Notices
from connector.server.problems import Problem
from connector.server.token_book import TokenBook
from connector.settings.server import ServerSettings, TokenSettings, find_token

ACTIONS_PATH = "/actions/"
_CHALLENGES = (
    ("WWW-Authenticate", 'Bearer realm="iocstream"'),
    ("WWW-Authenticate", 'Basic realm="iocstream", charset="UTF-8"'),
)


class _Scheme(SecurityBase):
    """One way to give the token, for the OpenAPI document alone: `Gate` reads the token."""

    def __init__(self, scheme: str, description: str) -> None:
        self.model = HTTPBase(scheme=scheme, description=description)
        self.scheme_name = scheme

    async def __call__(self) -> None:
        """Nothing: the gate has read the header."""


SECURITY = (
    Security(_Scheme("bearer", "A token from `iocstream token new NAME`.")),
    Security(_Scheme("basic", "The token's name as the user, and the token as the password.")),
)
"""How the OpenAPI document says that a token is given, for every endpoint."""


class Gate:
    """Lets requests in by their tokens. Used by one event loop.

    Each token has an allowance of `requests_per_minute`, which fills up again evenly.
    """

    def __init__(
        self, settings: ServerSettings, book: TokenBook, notices: Notices, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._book = book
        self._behind_proxy = settings.behind_proxy
        self._allowance = float(settings.requests_per_minute)
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}
        self._notices = notices
        self._failed_logins = FailedLogins(settings.wrong_token_seconds, clock)

    async def admit(self, request: Request, patience: float = 0) -> TokenSettings:
        """The token of a request. A request beyond the allowance waits, for at most `patience` seconds.

        Raises:
            Problem: there is no such token, it would have to wait longer, or another site's page made the request.
        """
        record = record_of(request)
        client = record.client = client_of(request, behind_proxy=self._behind_proxy)
        refuse_cross_site(request)
        given = request.headers.getlist("authorization")
        if len(given) > 1:  # a proxy on the way may have let one in for the other
            raise Problem("invalid_request", "Authorization is given more than once", "Send one token.")
        authorization = given[0] if given else None
        token = self.token_of(authorization)
        if token is None:
            if authorization is not None:
                self._notices.tell("login_refused", client)
                if wait := self._failed_logins.count(client):
                    await self._failed_logins.delay(client, wait)
            raise _unauthenticated(authorization)
        if token.is_over(time.time()):
            self._notices.tell("login_refused", client, message=f"the token {token.name} has expired")
            raise _expired(token)
        record.token = token.name
        if wait := self.count(token, patience):
            await asyncio.sleep(wait)
        self._book.used(token, client)
        return token

    def token_of(self, authorization: str | None) -> TokenSettings | None:
        """The token that a header gives; None when it is not known."""
        scheme, _, credentials = (authorization or "").partition(" ")
        match scheme.lower():
            case "bearer" | "token":  # the latter from clients made for other servers
                return find_token(self._book.tokens(), credentials.strip())
            case "basic":
                name, token = _basic_credentials(credentials.strip())
                return find_token(self._book.tokens(), token, name)
        return None

    def check(self, token: TokenSettings) -> None:
        """Refuse a token that has changed since it was admitted: a body can take long to come, and a turn too.

        Raises:
            Problem: it was revoked, has expired, or may now do or see something else.
        """
        if token.is_over(time.time()):
            raise _expired(token)
        if token not in self._book.tokens():
            raise Problem(
                "unauthenticated",
                f"the token {token.name} was revoked or changed before the request was complete",
                "Send the request again; if it is refused, ask whoever administers the server for a new token.",
                headers=_CHALLENGES,
            )

    def count(self, token: TokenSettings, patience: float = 0) -> float:
        """Take one request from the allowance of a token; the seconds that the request has to wait.

        Raises:
            Problem: it would have to wait for more than `patience` seconds.
        """
        now = self._clock()
        left, at = self._left.get(token.name, (self._allowance, now))
        rate = self._allowance / 60
        left = min(self._allowance, left + (now - at) * rate) - 1
        wait = max(0.0, -left / rate)
        if wait > patience:
            self._left[token.name] = (left + 1, now)
            raise Problem(
                "rate_limited",
                f"the token {token.name} has asked more than {self._allowance:g} times within a minute",
                "Wait as long as Retry-After says; server.requests_per_minute in the configuration is the limit.",
                headers=[("Retry-After", str(int(wait) + 1))],
            )
        self._left[token.name] = (left, now)
        return wait


class AuthenticationMiddleware:
    """Refuses every request without a token, whether or not its path exists.

    The application finds the token in `request.state.token`; `requires` checks its scopes. What `request.state.gate`
    says of it later may be something else.
    """

    def __init__(self, application: ASGIApp, gate: Gate, open_to_all: Collection[str]) -> None:
        self._application = application
        self._gate = gate
        self._open_to_all = open_to_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on."""
        path = scope["path"]
        if path not in self._open_to_all:
            request = Request(scope)
            if path.startswith(ACTIONS_PATH):
                # Anybody may ask for whatever path they like: only what there is is written down.
                name = path.removeprefix(ACTIONS_PATH)
                record = record_of(request)
                record.begin("action", action=name if name in ACTIONS else None)
            try:
                request.state.gate, request.state.token = self._gate, await self._gate.admit(request)
            except Problem as problem:
                await problem.answer(request)(scope, receive, send)
                return
        await self._application(scope, receive, send)


def requires(scope: str) -> Callable[[Request], Awaitable[TokenSettings]]:
    """A dependency that gives the token of the request, and refuses one without the scope."""

    async def allowed(request: Request) -> TokenSettings:
        token: TokenSettings = request.state.token
        if not token.may(scope):
            raise Problem(
                "forbidden",
                f"the token {token.name} does not have the scope {scope}",
                "Ask with another token, or have the scope added to this one in the configuration.",
                headers=[
                    ("WWW-Authenticate", f'Bearer realm="iocstream", error="insufficient_scope", scope="{scope}"')
                ],
            )
        return token

    return allowed


def refuse_cross_site(request: Request) -> None:
    """Refuse cross-site request forgery: another site's page makes a browser ask, and the browser adds the login.

    Browsers say where a request comes from: in Sec-Fetch-Site (W3C Fetch Metadata), and where that is not sent, in
    Origin (RFC 6454 section 7). Other clients send neither. Requests that only read are let through, because the other
    page cannot see the answer.

    Raises:
        Problem: another site's page made the request.
    """
    if request.method in ("GET", "HEAD"):
        return
    headers = request.headers
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is None:
        is_ours = origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower()
    else:
        is_ours = site in ("same-origin", "none")
    if not is_ours:
        raise Problem(
            "forbidden",
            "the request comes from a page of another site",
            "Use the page of this server, or a client that is no browser.",
        )


def _unauthenticated(authorization: str | None) -> Problem:
    return Problem(
        "unauthenticated",
        "no token was given" if authorization is None else "the token is not known here",
        "Send the header `Authorization: Bearer TOKEN`, or by HTTP Basic the token's name as the user and the token as"
        " the password; `iocstream token new NAME` makes a token.",
        headers=_CHALLENGES,
    )


def _expired(token: TokenSettings) -> Problem:
    return Problem(
        "unauthenticated",
        f"the token {token.name} has expired",
        "Ask whoever administers the server for a new one; `iocstream token new NAME` makes it.",
        headers=_CHALLENGES,
    )


def _basic_credentials(text: str) -> tuple[str, str]:
    try:
        name, _, token = base64.b64decode(text, validate=True).decode("utf-8", "surrogateescape").partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, token
