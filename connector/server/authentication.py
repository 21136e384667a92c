"""Who asks: a token, as a bearer (RFC 6750) or as the password of HTTP Basic (RFC 7617), and how often it may.

A request is known by its headers alone, before anything of its body is read.
"""

import base64
import binascii
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

from fastapi import Request, Security
from fastapi.openapi.models import HTTPBase
from fastapi.security.base import SecurityBase

from connector.access import ServerSettings, TokenSettings, holder
from connector.server.problems import Problem

_CHALLENGES = (
    ("WWW-Authenticate", 'Bearer realm="iocstream"'),
    ("WWW-Authenticate", 'Basic realm="iocstream", charset="UTF-8"'),
)


class _Scheme(SecurityBase):
    """What the OpenAPI document says of a way to give the token; `Gate` is what reads it."""

    def __init__(self, scheme: str, description: str) -> None:
        self.model = HTTPBase(scheme=scheme, description=description)
        self.scheme_name = scheme

    async def __call__(self) -> None:
        """Nothing: the gate has read the header."""


_bearer = _Scheme("bearer", "A token from `iocstream token NAME`.")
_basic = _Scheme("basic", "The token's name as the user, and the token as the password.")


class Gate:
    """Lets requests in by their tokens. Used by one event loop.

    Each token has an allowance of `requests_per_minute`, which fills up again evenly.
    """

    def __init__(self, settings: ServerSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens: Sequence[TokenSettings] = settings.tokens
        self._allowance = float(settings.requests_per_minute)
        self._clock = clock
        self._left = {token.name: (self._allowance, clock()) for token in self._tokens}

    def admit(self, authorization: str | None, scope: str | None) -> TokenSettings:
        """The token of a request.

        Args:
            authorization: the header of that name.
            scope: what the token must allow; None: any token will do.

        Raises:
            Problem: there is no such token, it does not allow this, or it has asked too often.
        """
        token = self._known(authorization)
        self._count(token)
        if scope is not None and not token.may(scope):
            raise Problem(
                "forbidden",
                f"the token {token.name} does not have the scope {scope}",
                "Ask with another token, or have the scope added to this one in the configuration.",
                headers=[
                    ("WWW-Authenticate", f'Bearer realm="iocstream", error="insufficient_scope", scope="{scope}"')
                ],
            )
        return token

    def _known(self, authorization: str | None) -> TokenSettings:
        scheme, _, credentials = (authorization or "").partition(" ")
        found = None
        if scheme.lower() == "bearer":
            found = holder(self._tokens, credentials.strip())
        elif scheme.lower() == "basic":
            name, token = _basic_credentials(credentials.strip())
            found = holder(self._tokens, token, name)
        if found is None:
            detail = "no token was given" if authorization is None else "the token is not known here"
            remedy = (
                "Send the header `Authorization: Bearer TOKEN`, or by HTTP Basic the token's name as the user and the"
                " token as the password; `iocstream token NAME` makes a token."
            )
            raise Problem("unauthenticated", detail, remedy, headers=_CHALLENGES)
        return found

    def _count(self, token: TokenSettings) -> None:
        left, at = self._left[token.name]
        now = self._clock()
        rate = self._allowance / 60
        left = min(self._allowance, left + (now - at) * rate)
        if left < 1:
            self._left[token.name] = (left, now)
            raise Problem(
                "rate_limited",
                f"the token {token.name} has asked more than {self._allowance:g} times within a minute",
                "Wait as long as Retry-After says; server.requests_per_minute in the configuration is the limit.",
                headers=[("Retry-After", str(int((1 - left) / rate) + 1))],
            )
        self._left[token.name] = (left - 1, now)


def requires(scope: str | None) -> Callable[..., Awaitable[TokenSettings]]:
    """A dependency that lets requests in whose token has a scope, and gives the token.

    What FastAPI reads itself, a body above all, it reads before it asks its dependencies: an endpoint that takes one
    reads it itself, from the request.
    """

    async def admitted(
        request: Request, _: Annotated[None, Security(_bearer)], __: Annotated[None, Security(_basic)]
    ) -> TokenSettings:
        must_not_be_from_elsewhere(request)
        gate: Gate = request.app.state.gate
        return gate.admit(request.headers.get("authorization"), scope)

    return admitted


def must_not_be_from_elsewhere(request: Request) -> None:
    """Refuse what a page of another site has a browser ask, which adds the login that it knows without being told to.

    Browsers say so: in Sec-Fetch-Site (W3C Fetch Metadata), and where that is not sent, in Origin (RFC 6454 section 7).
    Other clients send neither. What only reads may be asked, for the other page cannot see the answer.

    Raises:
        Problem: it is from elsewhere.
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
            "a page of another site had the browser ask this",
            "Ask from the page of this server, or with a client that is no browser.",
        )


def _basic_credentials(text: str) -> tuple[str, str]:
    try:
        name, _, token = base64.b64decode(text, validate=True).decode("utf-8", "surrogateescape").partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, token
