"""Who asks, told by a token as a bearer (RFC 6750) or as the password of HTTP Basic (RFC 7617); and how often it may.

The headers decide this, before anything of a body is read.
"""

import asyncio
import base64
import binascii
import time
from collections.abc import Awaitable, Callable, Collection, Sequence

from fastapi import Request, Security
from fastapi.openapi.models import HTTPBase
from fastapi.security.base import SecurityBase
from starlette.types import ASGIApp, Receive, Scope, Send

from connector import telemetry
from connector.server.problems import Problem
from connector.settings.server import ServerSettings, TokenSettings, find_token

_CHALLENGES = (
    ("WWW-Authenticate", 'Bearer realm="iocstream"'),
    ("WWW-Authenticate", 'Basic realm="iocstream", charset="UTF-8"'),
)

UNKNOWN_SECONDS = 60
"""How often the log tells of requests with a wrong token, at most."""


class _Scheme(SecurityBase):
    """One way to give the token, for the OpenAPI document alone: `Gate` reads the token."""

    def __init__(self, scheme: str, description: str) -> None:
        self.model = HTTPBase(scheme=scheme, description=description)
        self.scheme_name = scheme

    async def __call__(self) -> None:
        """Nothing: the gate has read the header."""


SECURITY = (
    Security(_Scheme("bearer", "A token from `iocstream token NAME`.")),
    Security(_Scheme("basic", "The token's name as the user, and the token as the password.")),
)
"""How the OpenAPI document says that a token is given, for every endpoint."""


class Gate:
    """Lets requests in by their tokens. Used by one event loop.

    Each token has an allowance of `requests_per_minute`, which fills up again evenly.
    """

    def __init__(self, settings: ServerSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens: Sequence[TokenSettings] = settings.tokens
        self._allowance = float(settings.requests_per_minute)
        self._clock = clock
        self._left = {token.name: (self._allowance, clock()) for token in self._tokens}
        self._unknown = 0
        self._tell_again = clock()

    async def admit(self, request: Request, patience: float = 0) -> TokenSettings:
        """The token of a request. A request beyond the allowance waits, for at most `patience` seconds.

        Raises:
            Problem: there is no such token, it would have to wait longer, or another site's page made the request.
        """
        refuse_cross_site(request)
        client = request.client.host if request.client else ""
        token, wait = self.authenticate(request.headers.get("authorization"), patience, client)
        if wait:
            await asyncio.sleep(wait)
        return token

    def authenticate(
        self, authorization: str | None, patience: float = 0, client: str = ""
    ) -> tuple[TokenSettings, float]:
        """The token that a header gives, and how many seconds its request has to wait to stay within the allowance.

        Args:
            authorization: the header of that name.
            patience: how many seconds the request may wait at most.
            client: its address, for the log.

        Raises:
            Problem: there is no such token, or the request would have to wait longer.
        """
        token = self._token_of(authorization, client)
        return token, self._count(token, patience)

    def _token_of(self, authorization: str | None, client: str) -> TokenSettings:
        scheme, _, credentials = (authorization or "").partition(" ")
        found = None
        if scheme.lower() in ("bearer", "token"):  # the latter from clients made for other servers
            found = find_token(self._tokens, credentials.strip())
        elif scheme.lower() == "basic":
            name, token = _basic_credentials(credentials.strip())
            found = find_token(self._tokens, token, name)
        if found is None:
            if authorization is not None:
                self._tell_of_unknown(client)
            detail = "no token was given" if authorization is None else "the token is not known here"
            remedy = (
                "Send the header `Authorization: Bearer TOKEN`, or by HTTP Basic the token's name as the user and the"
                " token as the password; `iocstream token NAME` makes a token."
            )
            raise Problem("unauthenticated", detail, remedy, headers=_CHALLENGES)
        return found

    def _tell_of_unknown(self, client: str) -> None:
        """Log it, at most once in `UNKNOWN_SECONDS`, so that nobody can fill the log."""
        self._unknown += 1
        now = self._clock()
        if now >= self._tell_again:
            telemetry.logger().warning("login_refused", times=self._unknown, client=client)
            self._unknown, self._tell_again = 0, now + UNKNOWN_SECONDS

    def _count(self, token: TokenSettings, patience: float) -> float:
        """Take one request from the allowance of a token; the seconds that the request has to wait."""
        left, at = self._left[token.name]
        now = self._clock()
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

    The application finds the token in `request.state.token`; `requires` checks its scopes.
    """

    def __init__(self, application: ASGIApp, gate: Gate, open_to_all: Collection[str]) -> None:
        self._application = application
        self._gate = gate
        self._open_to_all = open_to_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on."""
        if scope["path"] not in self._open_to_all:
            request = Request(scope)
            try:
                request.state.token = await self._gate.admit(request)
            except Problem as problem:
                await problem.response()(scope, receive, send)
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


def _basic_credentials(text: str) -> tuple[str, str]:
    try:
        name, _, token = base64.b64decode(text, validate=True).decode("utf-8", "surrogateescape").partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, token
