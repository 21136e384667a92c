"""OAuth 2: a token is asked for by client credentials, a refresh token (RFC 6749) or a signed assertion (RFC 7523).

It is asked for anew before it expires.
"""

import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlencode

from pydantic import Field, SecretStr, model_validator

from connector.clients.http import Client
from connector.clients.login import TokenEndpoint, basic
from connector.model import Misconfigured, Unavailable

_EARLY_SECONDS = 60
_UNLESS_SAID = 300
"""Seconds for which a token is used that does not say how long it is good."""
_LONGEST_REASON = 300
_BY_ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_SECONDS = 600
_LINE = 16
"""Characters of a line of a key from which on it is hidden by itself: fewer say nothing of the key."""


class HttpOAuthSettings(TokenEndpoint):
    """Where tokens are given out, and to whom; by a secret, a refresh token, or a key that signs."""

    client_secret: SecretStr | None = Field(None, description="Secret of the client.")
    refresh_token: SecretStr | None = Field(
        None,
        description=(
            "Refresh token, in the place of client credentials (Google). For endpoints that give out no other one "
            "with each token."
        ),
    )
    private_key: SecretStr | None = Field(
        None,
        description=(
            "Private RSA key (PEM) by which what asks for a token is signed (RFC 7523), in the place of "
            "`client_secret`: that of a service account of Google, whose `client_id` is its e-mail address."
        ),
    )
    private_key_id: str | None = Field(None, description="Id of `private_key`, where the endpoint wants it.")

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        if (self.client_secret is None) == (self.private_key is None):
            raise ValueError("give either client_secret or private_key")
        if self.private_key is not None and self.refresh_token is not None:
            raise ValueError("refresh_token goes with client_secret; private_key needs none")
        if self.private_key is not None and "send_as" in self.model_fields_set:
            raise ValueError("send_as is for client_secret; leave it out with private_key")
        if self.private_key_id is not None and self.private_key is None:
            raise ValueError("private_key_id is that of private_key, which is missing")
        return self

    def secrets(self) -> Sequence[SecretStr | None]:
        """What must stand in no error. Of a key each line is one, and the whole."""
        key = self.private_key.get_secret_value() if self.private_key is not None else ""
        lines = [line for line in key.splitlines() if len(line) >= _LINE and not line.startswith("-----")]
        return self.client_secret, self.refresh_token, *map(SecretStr, [key, *lines] if key else [])


class TokenBook:
    """The token of one client, which knows the secret it is asked for with (`Client.hide`). For one thread."""

    def __init__(self, settings: HttpOAuthSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._token: SecretStr | None = None
        self._until = 0.0

    def token(self, http: Client) -> SecretStr:
        """A token that is good for a minute at least.

        Raises:
            Unavailable: the endpoint does not answer now.
            Misconfigured: it gives none.
        """
        if self._token is None or self._clock() >= self._until:
            self._token, seconds = self._asked(http)
            self._until = self._clock() + seconds - min(_EARLY_SECONDS, seconds / 2)
        return self._token

    def forget(self) -> None:
        """Ask for a new one the next time: this one was refused."""
        self._token = None

    def _asked(self, http: Client) -> tuple[SecretStr, float]:
        # Here, because few routes need it, and each start would take some 50 ms more.
        from oauthlib.oauth2 import BackendApplicationClient  # noqa: PLC0415
        from oauthlib.oauth2.rfc6749.errors import OAuth2Error  # noqa: PLC0415

        settings = self._settings
        oauth = BackendApplicationClient(settings.client_id)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        secret_headers = {}
        secret = settings.client_secret
        if secret is None:
            body = urlencode({"grant_type": _BY_ASSERTION, "assertion": self._assertion()})
        else:
            login: dict[str, Any] = {"client_id": settings.client_id, "include_client_id": settings.send_as == "body"}
            if settings.send_as == "basic":
                secret_headers["Authorization"] = basic(settings.client_id, secret)
            else:
                login["client_secret"] = secret.get_secret_value()
            if settings.refresh_token is None:
                body = oauth.prepare_request_body(scope=settings.scope, **login)
            else:
                refresh_token = settings.refresh_token.get_secret_value()
                body = oauth.prepare_refresh_body(refresh_token=refresh_token, scope=settings.scope, **login)
        response = http.request(
            "POST", settings.token_url, body=body.encode(), headers=headers, secret_headers=secret_headers
        )
        said = response.excerpt()
        if response.status == HTTPStatus.TOO_MANY_REQUESTS or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unavailable(
                f"{settings.token_url} gives out no token now ({response.status} {said})",
                retry_after=response.retry_after(),
            )
        try:
            found = oauth.parse_request_body_response(response.body.decode("utf-8", errors="replace"))
        except (OAuth2Error, ValueError, Warning) as error:
            reason = response.hide.line(str(error), _LONGEST_REASON) or said
            raise Misconfigured(
                f"{settings.token_url} gives out no token ({response.status} {reason}). Check client_id, "
                f"{'private_key' if secret is None else 'client_secret'} and scope under oauth"
            ) from None
        seconds = found.get("expires_in")
        return SecretStr(str(found["access_token"])), float(seconds or _UNLESS_SAID)

    def _assertion(self) -> str:
        """Who asks, for whom and for what, signed; good for some minutes."""
        try:
            import jwt  # noqa: PLC0415 -- an extra
        except ModuleNotFoundError:
            raise Misconfigured(
                "oauth.private_key needs PyJWT, which is not installed: pip install 'iocstream-connector[jwt]'"
            ) from None
        settings = self._settings
        now = int(time.time())
        claims = {"iss": settings.client_id, "aud": settings.token_url, "iat": now, "exp": now + _ASSERTION_SECONDS}
        if settings.scope is not None:
            claims["scope"] = settings.scope
        key = settings.private_key.get_secret_value() if settings.private_key is not None else ""
        named = {"kid": settings.private_key_id} if settings.private_key_id is not None else None
        try:
            return jwt.encode(claims, key, algorithm="RS256", headers=named)
        except (jwt.PyJWTError, ValueError, TypeError):  # what they say may have the key in it
            raise Misconfigured(
                "oauth.private_key is no private RSA key in PEM, -----BEGIN PRIVATE KEY----- with line breaks"
            ) from None
