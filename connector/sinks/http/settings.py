"""The options of an HTTP sink, refused where they do not fit the receiver's file."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from connector.clients.hiding import after_host
from connector.clients.http import HeaderSecret, is_plain_http
from connector.clients.login import HeaderName, LoginSettings, http_address
from connector.model import Misconfigured
from connector.settings.config import Name, placed
from connector.settings.parts import AT_ONCE, Misfit, SinkSettings
from connector.sinks.http import receiver, receiver_file
from connector.sinks.http.oauth import HttpOAuthSettings
from connector.sinks.http.receiver import Receiver
from connector.sinks.http.receiver_file import Batch, ReceiverFile, Request
from connector.values.suggestions import instead

_SECONDS_AT_ONCE = 10
_FEWEST_AT_ONCE = 3
_MINUTE = 60


_OF_THE_FILE = frozenset((*ReceiverFile.model_fields, *Request.model_fields, *Batch.model_fields))


def _options_of(to: str, info: ValidationInfo) -> Collection[str]:
    """The options that a receiver's file has; none where there is no such file, which is told of elsewhere."""
    try:
        return receiver.load(_path(to, info)).file.options
    except Misconfigured:
        return ()


def _path(to: str, info: ValidationInfo) -> Path:
    """Of a bundled receiver, or the path given, relative to the folder of the configuration."""
    is_path = "/" in to or to.endswith((".yaml", ".yml"))
    return placed(Path(to), info) if is_path else receiver_file.path_of(to)


class HttpSinkSettings(LoginSettings, SinkSettings):
    """An HTTP API, to which messages are sent as a file of `receivers/` says."""

    type: Literal["http"] = Field("http", description="The kind of sink: an HTTP API.")
    to: str = Field(
        "webhook",
        description=(
            "What the receiver is: a bundled receiver by name (`iocstream receivers list`), or the path of a YAML file."
        ),
    )
    url: SecretStr | None = Field(
        None,
        description=(
            "Address of the receiver. What comes after the host is never shown, since it may be a secret. Not needed "
            "where the receiver's file knows it."
        ),
    )
    options: dict[Name, str] = Field(
        default_factory=dict, description="What the receiver's file asks for beside the address."
    )
    headers: dict[HeaderName, HeaderSecret] = Field(
        default_factory=dict, description="Headers to send with each request. Their values count as secrets."
    )
    oauth: HttpOAuthSettings | None = Field(
        None, description="OAuth 2, in the place of another login: where tokens are given out."
    )
    signing_key: SecretStr | None = Field(
        None, description="Key for the signature (HMAC-SHA256) over each body, where the receiver's file has one."
    )
    max_batch_messages: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="How many events or objects a request may have. Without it: as many as the receiver's file says.",
    )
    max_batch_bytes: int | None = Field(
        None,
        ge=1024,
        le=100_000_000,
        description="Most bytes in one request, before compression. Without it: as the receiver's file says.",
    )
    requests_a_minute: int | None = Field(
        None, ge=1, le=100_000, description="Most requests in a minute. Without it: as the receiver's file says."
    )

    @cached_property
    def compiled(self) -> Receiver:
        """What the receiver's file says. Raises Misconfigured as `receiver.load` does."""
        return receiver.load(receiver_file.path_of(self.to))

    @property
    def address(self) -> str:
        """The receiver's address; a secret."""
        return self.url.get_secret_value() if self.url is not None else self.compiled.file.url or ""

    @property
    def chosen(self) -> Mapping[str, str]:
        """Every option of the receiver's file, as given or by default."""
        known = self.compiled.file.options
        return {name: self.options.get(name, option.default or "") for name, option in known.items()}

    def misfit(self, format_name: str) -> Misfit | None:
        """See `connector.settings.parts.SinkSettings`."""
        takes = self.compiled.file.takes
        if takes is None or format_name in takes:
            return None
        return Misfit(
            "to", f"the receiver {self.to} takes only {', '.join(takes)}, and this mapping makes {format_name}"
        )

    def receiver(self) -> str:
        """See `connector.settings.parts.SinkSettings`. Of the path, which may be a secret, it has a digest.

        Two addresses on one host are two receivers: what one was told, the other was not.
        """
        address = urlsplit(self.address)
        path = f"{address.path.rstrip('/')}?{address.query}".removesuffix("?")
        digest = [f"#{hashlib.blake2b(path.encode(), digest_size=4).hexdigest()}"] if path else []
        options = [f"{name}={value}" for name, value in sorted(self.options.items())]
        return " ".join([f"http {self.to} {self.host()}", *digest, *options])

    def at_once(self) -> int:
        """See `connector.settings.parts.SinkSettings`. What goes out one by one: as many as ten seconds hold.

        Some in any case: of one alone nobody could tell whether it is at fault, or the receiver fails at all.
        """
        file = self.compiled.file
        a_minute = self.requests_a_minute or file.batch.requests_a_minute
        if file.request.framing != "one" or a_minute is None:
            return AT_ONCE
        return min(max(_FEWEST_AT_ONCE, a_minute * _SECONDS_AT_ONCE // _MINUTE), AT_ONCE)

    def waits_for(self) -> str:
        """See `connector.settings.parts.SinkSettings`."""
        return f"http {self.host()}"

    def secrets(self) -> Sequence[SecretStr | None]:
        """What must stand in no error, beside what is in the headers of each request."""
        oauth = self.oauth.secrets() if self.oauth is not None else ()
        own = (self.password, self.token, self.api_key, self.signing_key, *oauth)
        address = after_host(self.url.get_secret_value()) if self.url is not None else []
        return [*own, *map(SecretStr, address)]

    def host(self) -> str:
        """Scheme, host and port of the address."""
        address = urlsplit(self.address)
        port = "" if address.port is None else f":{address.port}"
        return f"{address.scheme}://{address.hostname}{port}"

    @model_validator(mode="before")
    @classmethod
    def _say_where_it_belongs(cls, given: Any, info: ValidationInfo) -> Any:
        """Tell of what stands beside `to` and belongs under `options`, or in the receiver's file."""
        to = given.get("to", "webhook") if isinstance(given, dict) else None
        unknown = [name for name in given if name not in cls.model_fields] if isinstance(to, str) else ()
        known = _options_of(str(to), info) if unknown else ()
        for name in unknown:
            if name in known:
                raise ValueError(f"{name} is an option of the receiver {to}: it belongs under options")
            if name in _OF_THE_FILE:
                copied = f"`iocstream receivers show {to} > mine.yaml`, change it there, and give to: ./mine.yaml"
                remedy = copied if to in receiver_file.bundled() else f"change it in {to}"
                raise ValueError(f"{name} is what the receiver's file says: {remedy}")
        return given

    @field_validator("to")
    @classmethod
    def _is_there(cls, value: str, info: ValidationInfo) -> str:
        try:
            path = _path(value, info)
        except Misconfigured as error:
            raise ValueError(str(error)) from None
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
        return value if value in receiver_file.bundled() else str(path)

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: SecretStr | None) -> SecretStr | None:
        return None if url is None else SecretStr(http_address(url.get_secret_value()))

    @field_validator("headers")
    @classmethod
    def _are_free(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name in headers:
            if name.lower() == "authorization":
                raise ValueError(
                    f"{name} is the header of the login: give token, or username and password, or api_key with "
                    "api_key_header: Authorization"
                )
            if name.lower() == "content-type":
                raise ValueError(f"{name} is what media_type in the receiver's file says: leave it out here")
        return headers

    @model_validator(mode="after")
    def _is_compiled(self) -> Self:
        try:
            _ = self.compiled
        except Misconfigured as error:
            raise ValueError(f"to: {error}") from None
        return self

    @model_validator(mode="after")
    def _fits_the_file(self) -> Self:
        known = self.compiled.file
        if self.url is None and known.url is None:
            raise ValueError(f"url is required: the receiver {self.to} has no address of its own")
        for name in self.options:
            if name not in known.options:
                there = instead(name, known.options) if known.options else "; it has none"
                if name in type(self).model_fields:
                    there = f"; {name} stands beside options, not under it"
                raise ValueError(f"the receiver {self.to} has no option {name!r}{there}")
        for name, option in known.options.items():
            if option.default is None and name not in self.options:
                raise ValueError(f"the receiver {self.to} needs the option {name}, under options: {option.description}")
        if self.oauth is not None and self.login():
            raise ValueError("give one login: oauth, or username and password, token, or api_key")
        if known.login.place == "body" and self.token is None:
            raise ValueError(f"the receiver {self.to} needs token, which it wants in the body")
        if self.signing_key is not None and known.request.signature is None:
            raise ValueError(f"the receiver {self.to} checks no signature; leave signing_key out")
        return self

    @model_validator(mode="after")
    def _headers_are_free(self) -> Self:
        signature = self.compiled.file.request.signature
        taken = {name.lower() for name in (self.api_key_header, signature and signature.header) if name}
        for name in self.headers:
            if name.lower() in taken:
                raise ValueError(f"the header {name} carries the login or the signature: leave it out under headers")
        return self

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        token_url = self.oauth.token_url if self.oauth is not None else None
        for url in (self.address, token_url):
            if url and not self.allow_http and is_plain_http(url):
                raise ValueError(
                    "plain http:// to another machine shows login and content to everyone on the way; "
                    "use https://, or set allow_http: true"
                )
        return self
