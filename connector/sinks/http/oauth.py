"""OAuth 2 (RFC 6749): a token is asked for by client credentials or a refresh token, and anew before it expires."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from pydantic import Field, SecretStr

from connector.http import Client
from connector.login import OAuthSettings, basic
from connector.model import Misconfigured, Unavailable

_EARLY_SECONDS = 60
_UNLESS_SAID = 300
"""Seconds for which a token is used that does not say how long it is good."""
_LONGEST_REASON = 300


class HttpOAuthSettings(OAuthSettings):
    """Where tokens are given out, and to whom; by a refresh token too."""

    refresh_token: SecretStr | None = Field(
        None,
        description=(
            "Refresh token, in the place of client credentials (Google). For endpoints that give out no other one "
            "with each token."
        ),
    )


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
        secret = settings.client_secret
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        secret_headers = {}
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
                f"{settings.token_url} gives out no token ({response.status} {reason}). Check client_id, client_secret "
                "and scope under oauth"
            ) from None
        seconds = found.get("expires_in")
        return SecretStr(str(found["access_token"])), float(seconds or _UNLESS_SAID)
