"""How a client says who it is to an HTTP server."""

import base64
import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from connector.clients.http import HeaderSecret, HttpSettings
from connector.settings.config import Settings

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_OF_THE_CLIENT = frozenset(
    (
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "content-encoding",
        "accept-encoding",
        "proxy-authorization",
        "proxy-connection",
    )
)
"""Headers that say how a request is sent and answered: with others than the client's it would be another request."""


def header_name(name: str) -> str:
    """The name of a header that a configuration may give.

    Raises:
        ValueError: no header can have it, or the client itself writes the header.
    """
    if not _HEADER_NAME.match(name):
        raise ValueError("is not a name that an HTTP header can have")
    if name.lower() in _OF_THE_CLIENT:
        raise ValueError(f"the header {name} is written by the client itself: leave it out")
    return name


HeaderName = Annotated[str, AfterValidator(header_name)]


class LoginSettings(HttpSettings):
    """How to reach an HTTP server, and the login for it."""

    username: str | None = Field(None, description="User name for HTTP Basic. Goes together with `password`.")
    password: SecretStr | None = Field(None, description="Password for HTTP Basic. Goes together with `username`.")
    token: HeaderSecret | None = Field(None, description="Bearer token, sent in the Authorization header.")
    api_key: HeaderSecret | None = Field(
        None, description="Key that is sent in a header of its own, which `api_key_header` names."
    )
    api_key_header: HeaderName | None = Field(
        None, description="Name of the header that carries `api_key`, such as X-Api-Key."
    )
    allow_http: bool = Field(
        default=False,
        description="Whether http:// to other machines is allowed. Login and content can then be read on the way.",
    )

    @field_validator("username")
    @classmethod
    def _no_colon(cls, username: str | None) -> str | None:
        if username is not None and ":" in username:
            raise ValueError("HTTP Basic allows no colon in a user name")
        return username

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        if (self.api_key is None) != (self.api_key_header is None):
            raise ValueError("api_key and api_key_header go together")
        if sum(part is not None for part in (self.username, self.token, self.api_key)) > 1:
            raise ValueError("give one login: username and password, or token, or api_key")
        return self

    def login(self, scheme: str = "Bearer") -> Mapping[str, SecretStr]:
        """The headers of the login; none when there is no login.

        Args:
            scheme: the word before the token.
        """
        if self.username is not None and self.password is not None:
            return {"Authorization": basic(self.username, self.password)}
        if self.token is not None:
            return {"Authorization": SecretStr(f"{scheme} {self.token.get_secret_value()}")}
        if self.api_key is not None and self.api_key_header is not None:
            return {self.api_key_header: self.api_key}
        return {}


class TokenEndpoint(Settings):
    """Where tokens are given out, and to whom."""

    token_url: str = Field(description="Address of the token endpoint, https://….")
    client_id: str = Field(min_length=1, description="Id of the client.")
    scope: str | None = Field(None, description="The scopes to ask for, with spaces between them.")
    send_as: Literal["body", "basic"] = Field(
        "body",
        description="How id and secret are sent: `body`, among the parameters, or `basic`, as HTTP Basic.",
    )

    @field_validator("token_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        return http_address(url)


class OAuthSettings(TokenEndpoint):
    """Where tokens are given out, and to whom, by a secret."""

    client_secret: SecretStr = Field(description="Secret of the client.")


def basic(username: str, password: SecretStr) -> SecretStr:
    """The value of Authorization for HTTP Basic (RFC 7617)."""
    pair = f"{username}:{password.get_secret_value()}".encode()
    return SecretStr(f"Basic {base64.b64encode(pair).decode('ascii')}")


def http_address(url: str) -> str:
    """An http or https URL without a login in it.

    Raises:
        ValueError: it is none. The URL stays out of the message: where a password stands in it, that would print it.
    """
    if not url.isprintable() or " " in url:
        raise ValueError("is not an http or https URL")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("is not an http or https URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not an http or https URL")
    if "@" in parts.netloc:
        raise ValueError("no login belongs in a URL; use username and password")
    return url
