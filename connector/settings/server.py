"""Who may ask the server what: the section `server:` of the configuration, its tokens and their scopes."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, field_validator, model_validator

from connector.settings.config import NAME_PATTERN, ExistingFile, Name, PlacedPath, Settings, StreamPath
from connector.settings.telemetry import HostName, address_and_port
from connector.values.addresses import is_loopback
from connector.values.display import shortened
from connector.values.suggestions import instead
from connector.values.timestamps import timestamp, unix_seconds

PREFIX = "iocs_"
"""Begins every token, so that scanners for leaked secrets find it."""
_TOKEN_BYTES = 32
_RIGHTS = {"read": frozenset(("read",)), "act": frozenset(("read", "act"))}
"""Which scopes each scope includes; `admin` includes all."""

_LONGEST_SCOPE = 80
_SCOPE = f"^(read|act|admin|taxii|taxii:{NAME_PATTERN})$"
_HASH = "^sha256:[0-9a-f]{64}$"
_MADE_BY = "`iocstream token new NAME --scope read --print` makes a token and prints what belongs here"


def _a_scope(value: Any) -> Any:
    if isinstance(value, str) and not re.match(_SCOPE, value):
        known = ("read", "act", "admin", "taxii", "taxii:NAME")
        raise ValueError(f"there is no scope {shortened(value, _LONGEST_SCOPE)!r}{instead(value, known)}")
    return value


def _a_hash(value: Any) -> Any:
    if isinstance(value, str) and not re.match(_HASH, value):
        raise ValueError(f"must be sha256: and 64 hexadecimal digits in lower case, not the token: {_MADE_BY}")
    return value


ScopeName = Annotated[str, Field(pattern=_SCOPE), BeforeValidator(_a_scope)]


def _seconds(value: Any) -> Any:
    return unix_seconds(value) if isinstance(value, str) else value


Moment = Annotated[
    int,
    BeforeValidator(_seconds),
    PlainSerializer(timestamp, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["2027-01-31", "2027-01-31T08:00:00Z"]}),
]
"""A date, or a time with an offset; as a value Unix seconds."""


class TokenSettings(Settings):
    """A token that opens the server; `iocstream token new NAME` makes one. Its hash alone is written down."""

    name: Name = Field(description="Name of the token: who uses it. For HTTP Basic it is the user name.")
    hash: Annotated[str, BeforeValidator(_a_hash)] = Field(
        pattern=_HASH,
        description=(
            "SHA-256 of the token, as `iocstream token new NAME --print` shows it. The token itself is not stored."
        ),
    )
    scopes: list[ScopeName] = Field(
        min_length=1,
        description=(
            "What the token allows. `read`: actions that look, and cost no quota. `act`: those that deliver "
            "or ask VirusTotal, too. `taxii`: to read every collection; `taxii:NAME`: to read that one. "
            "`admin`: everything."
        ),
    )
    sources: list[Name] | None = Field(
        None,
        min_length=1,
        description=(
            "The sources whose notifications the token may see: a tenant's. What reads other sources as well, such as "
            "a route for all tenants and its collection, is hidden from it. Without it: all."
        ),
    )
    expires: Moment | None = Field(
        None, description="When the token stops to open anything: a date, or a time with an offset. Without it: never."
    )

    quota_per_day: int | None = Field(
        None,
        ge=0,
        description=(
            "How many requests to VirusTotal may be sent for the token on one day (UTC). Without it: as many as the "
            "API key has. What `iocstream run` fetches and looks up is not among them."
        ),
    )

    def is_over(self, now: float) -> bool:
        """Whether it has expired at this time (Unix seconds)."""
        return self.expires is not None and now >= self.expires

    def sees(self, sources: Iterable[str]) -> bool:
        """Whether it may see the notifications of all of these sources."""
        return self.sources is None or set(sources) <= set(self.sources)

    def may(self, scope: str) -> bool:
        """Whether the token allows what needs this scope."""
        if "admin" in self.scopes:
            return True
        allowed = frozenset[str]().union(*(_RIGHTS.get(held, frozenset((held,))) for held in self.scopes))
        return scope in allowed or (scope.startswith("taxii:") and "taxii" in allowed)


class ServerTlsSettings(Settings):
    """The server's certificate, and which clients it lets in."""

    certificate: ExistingFile = Field(
        description=("PEM file of the server's certificate, followed by the intermediate certificates up to its CA.")
    )
    key: ExistingFile | None = Field(
        None, description="PEM file of the certificate's key. Not needed where the certificate's file holds the key."
    )
    client_ca: ExistingFile | None = Field(
        None,
        description=(
            "PEM file of CA certificates. With it, only clients that have a certificate from one of "
            "these CAs are let in."
        ),
    )


class ServerSettings(Settings):
    """What `iocstream serve` serves: the actions over HTTP."""

    listen: str = Field(
        "127.0.0.1:8640",
        description=(
            "Address and port to listen on, such as 127.0.0.1:8640 or 0.0.0.0:8640. The default is "
            "reachable only from this machine."
        ),
    )
    tokens: list[TokenSettings] = Field(
        default_factory=list, description="The tokens of those who may ask. Without any the server does not start."
    )
    tls: ServerTlsSettings | None = Field(
        None,
        description=(
            "The server's certificate. Without it the server listens only on loopback, unless "
            "`behind_proxy` is set, because tokens would cross the network unencrypted."
        ),
    )
    behind_proxy: bool = Field(
        default=False,
        description=(
            "Whether a proxy in front of the server speaks TLS and nobody else reaches the address. Then "
            "the server may listen without `tls` on any address."
        ),
    )
    hosts: list[HostName] = Field(
        default_factory=list,
        description=(
            "Names that the server may be asked by (header `Host`), besides its addresses. Without it: any name with "
            "`tls` or `behind_proxy`; else names of this machine, and those that nobody can register on the Internet."
        ),
    )
    token_file: PlacedPath | None = Field(
        None,
        description=(
            "File that `iocstream token` keeps tokens in, as hashes, and which are revoked. Without it: the path of "
            "the journal with `.tokens` at its end. The server takes up a change within a second or two."
        ),
    )
    audit: StreamPath | None = Field(
        None,
        description=(
            "File to which is written who read what and who did what, a JSON object a line; `-` is stdout. It is made "
            "readable by its owner alone, and may be rotated by moving it away. Without it these lines are in the log, "
            "with the logger `audit`."
        ),
    )
    max_body_bytes: int = Field(
        4 * 1024 * 1024,
        ge=1024,
        le=256 * 1024 * 1024,
        description=(
            "Largest body of a request, in bytes. The default of 4 MiB holds a notification, which has "
            "some 100 kB, many times."
        ),
    )
    max_concurrent_actions: int = Field(
        8,
        ge=1,
        le=256,
        description=(
            "How many actions may run at once, but for the one that each token always has. A request beyond that waits "
            "its turn."
        ),
    )
    max_concurrent_actions_per_token: int = Field(
        4,
        ge=1,
        le=256,
        description="How many actions of one token may run at once. A request beyond that waits its turn.",
    )
    queue_seconds: float = Field(
        5,
        ge=0,
        le=600,
        description=(
            "Longest wait for its turn, in seconds, of a request for an action; then the answer is 429 when its token "
            "has as many running as it may, otherwise 503, with Retry-After."
        ),
    )
    requests_per_minute: int = Field(
        600,
        ge=1,
        le=1_000_000,
        description=(
            "How many requests a minute each token may make. Readers over TAXII are slowed down before "
            "they are refused, since common clients give up at a refusal."
        ),
    )
    wrong_token_seconds: float = Field(
        2,
        ge=0,
        le=60,
        description=(
            "Longest wait, in seconds, of an answer to a wrong token, after many of them from one address. A request "
            "with a token that is known is let in at once. 0 answers all at once."
        ),
    )
    request_seconds: float = Field(
        20,
        gt=0,
        le=600,
        description=(
            "Longest wait, in seconds, for a request to arrive whole, and for a client to take more of "
            "an answer. It keeps slow clients from holding connections."
        ),
    )
    action_seconds: float = Field(
        300,
        gt=0,
        le=86_400,
        description=(
            "Longest wait for an action, in seconds; then the answer is 504. The action goes on, and "
            "what it did stays done."
        ),
    )

    @field_validator("listen")
    @classmethod
    def _address_and_port(cls, text: str) -> str:
        address_and_port(text)
        return text

    @field_validator("tokens")
    @classmethod
    def _different_names(cls, tokens: list[TokenSettings]) -> list[TokenSettings]:
        names = [token.name for token in tokens]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two tokens are called {twice}: give each a name of its own")
        return tokens

    @model_validator(mode="after")
    def _encrypted_where_others_listen(self) -> Self:
        host, _ = self.address()
        if self.tls is None and not self.behind_proxy and not is_loopback(host):
            raise ValueError(
                f"tokens would go over the network in the clear on {host}: set tls, or behind_proxy where a proxy in"
                " front speaks TLS, or listen on 127.0.0.1"
            )
        return self

    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        return address_and_port(self.listen)


def new_token() -> tuple[str, str]:
    """A new token, and its hash.

    SHA-256 without salt or stretching is enough, for a token is 256 random bits: there is nothing to guess, and no two
    are the same.
    """
    token = PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
    return token, hashed(token)


def hashed(token: str) -> str:
    """A token as the configuration keeps it."""
    return "sha256:" + hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def find_token(tokens: Iterable[TokenSettings], token: str, name: str | None = None) -> TokenSettings | None:
    """The settings of a token; None when nobody has it, or not one of this name. Any wrong one takes equally long."""
    found = None
    presented = hashed(token)
    for known in tokens:
        if hmac.compare_digest(known.hash, presented):
            found = known
    return found if found is None or name is None or found.name == name else None
