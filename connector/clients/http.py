"""One HTTP client for every API spoken to: bounded in time and size, no redirects, secrets in headers alone.

What a status means differs between APIs, so that is left to the caller; what is an outage everywhere
(no connection, no answer in time, a body cut short or without end) is `Unavailable` here.
"""

import contextlib
import email.utils
import logging
import socket
import ssl
import threading
import time
import urllib.request
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

import requests
import urllib3
from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from connector import telemetry
from connector.clients.hiding import Hiding, proxy_login
from connector.model import ConnectorError, Json, Misconfigured, Unavailable
from connector.room import ANSWERS, DECODED, FREE, MOST_DECODED, SECONDS, NoRoom, Room
from connector.settings.config import ClientCertificate, ClientKey, ExistingFile, Settings
from connector.values import jsontext
from connector.values.addresses import is_loopback

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Of an answer, as it is sent and decompressed."""
MAX_GZIP_MEMBERS = 100
"""Of an answer: each may be empty, and so a body of them endless."""
# It writes down lines of answers, which may repeat what was sent. What matters becomes an error here.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)
_CHUNK_BYTES = 64 * 1024
_LONGEST_CAUSE = 200
_WIDEST = 4
"""Bytes of a character in UTF-8."""
_WITH_CONTENT = frozenset((HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED))
_CERTIFICATE_REFUSED = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE", "NO_CERTIFICATE")
"""In OpenSSL's names for alerts that a server sends about this client (RFC 8446 section 6.2)."""
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST")
"""In OpenSSL's names for what it makes of an answer that is no TLS."""


class TooLarge(Unavailable):
    """The body of an answer is larger than allowed, or takes more memory than allowed when it is decoded.

    Attributes:
        response: the answer without its body, for who can do without; None where it is not known.
    """

    response: "Response | None" = None


class NotConnected(Unavailable):
    """No connection came about, so nothing was sent."""


def _fits_a_header(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text.isascii() or not text.isprintable() or text != text.strip():
        raise ValueError("holds characters that no HTTP header can carry (a space or a line feed at its end?)")
    return secret


HeaderSecret = Annotated[SecretStr, AfterValidator(_fits_a_header)]
"""A secret that is sent as the value of a header, or as a part of it."""


class HttpSettings(Settings):
    """How to reach an HTTP server."""

    timeout_seconds: float = Field(
        60,
        gt=0,
        le=3600,
        description=(
            "Longest wait for a connection, and for the server to send more of its answer, in seconds. A "
            "whole request may take twice that."
        ),
    )
    proxy: SecretStr | None = Field(
        None, description="URL of the HTTP proxy. Without it: HTTPS_PROXY and NO_PROXY of the environment."
    )
    ca_bundle: ExistingFile | None = Field(
        None,
        description=(
            "PEM file of the CA certificates to trust. Without it: the public ones that the package certifi brings."
        ),
    )
    client_certificate: ClientCertificate = None
    client_key: ClientKey = None

    @field_validator("proxy")
    @classmethod
    def _proxy_address(cls, proxy: SecretStr | None) -> SecretStr | None:
        # What is no URL would be taken for the name of a host, and shown as one in errors.
        if proxy is not None and not _has_host(proxy.get_secret_value()):
            raise ValueError("must be a URL such as http://user:password@proxy.example:3128")
        return proxy

    @model_validator(mode="after")
    def _whole_certificate(self) -> Self:
        if self.client_key is not None and self.client_certificate is None:
            raise ValueError("client_key needs client_certificate")
        return self


def is_plain_http(url: str) -> bool:
    """Whether requests to the address cross a network unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


@dataclass(frozen=True, slots=True)
class Response:
    """A complete answer, whatever its status.

    Attributes:
        headers: their names in lower case.
        hide: hides the secrets that the client has sent, which the answer may repeat.
        is_cut: whether there was more of a body than allowed, and therefore nothing of it is here.
        decoding: where the memory is taken that the decoded body takes, and how much that may be.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    hide: Hiding = field(default=Hiding(), repr=False)
    is_cut: bool = False
    decoding: tuple[Room, int] = field(default=(DECODED, MOST_DECODED), repr=False)

    def json(self) -> Json:
        """The decoded body.

        Raises:
            ValueError: it is not JSON; `jsontext.TooManyValues`: it is, and takes more memory than an answer may.
            NoRoom: others hold the memory that it takes.
        """
        room, most = self.decoding
        needed = jsontext.decoded_bytes(self.body)
        if needed <= most and not room.take(needed, SECONDS, what="answer"):
            raise NoRoom(needed)
        return jsontext.decode(self.body, most)

    def is_json(self) -> bool:
        """Whether it says that it is JSON (application/json, …+json), or does not say what it is."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return not kind or kind.endswith(("/json", "+json"))

    def date(self) -> int | None:
        """The server's clock (the Date header), in Unix seconds."""
        return _http_date(self.headers.get("date"))

    def retry_after(self) -> float | None:
        """Retry-After in seconds, given as seconds or as a date (RFC 9110 section 10.2.3)."""
        said = self.headers.get("retry-after", "").strip()
        if said.isascii() and said.isdigit():
            return float(said[:9])
        at = _http_date(said)
        if at is None:
            return None
        return max(0.0, at - (self.date() or time.time()))

    def excerpt(self, limit: int = 200) -> str:
        """The start of the body as one line of printable text, for an error message; without secrets of the client."""
        # No more of it is decoded than is looked at: as text it may take four times its bytes, and again when searched.
        start = self.body[: _WIDEST * (self.hide.looked_at(limit) + 1)]
        return self.hide.line(start.decode("utf-8", errors="replace"), limit)


class _Headers(requests.auth.AuthBase):
    """Puts secret headers on each request, and keeps requests from looking into ~/.netrc."""

    def __init__(self, headers: Mapping[str, SecretStr]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        for name, value in self._headers.items():
            request.headers[name] = value.get_secret_value()
        return request


class _Watch(requests.adapters.HTTPAdapter):
    """Ends an exchange that takes too long.

    The time limit of a socket begins anew with each piece that arrives, and an answer can come byte by byte for ever.
    """

    def __init__(self) -> None:
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        self._classes: dict[type, type] = {}
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """As in requests; the connections are remembered."""
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        kind = pool.ConnectionCls
        if kind not in self._classes.values():
            pool.ConnectionCls = self._classes.setdefault(kind, _watched(kind, self._connections))
        return pool

    @contextlib.contextmanager
    def limit(self, seconds: float) -> Iterator[tuple[threading.Event, Callable[[], None]]]:
        """Cut every connection when the block takes longer, or before, by what is given; the event tells it."""
        is_over = threading.Event()

        def cut() -> None:
            is_over.set()
            for connection in [*self._connections]:
                for each in (connection.sock, connection.connected):
                    if each is not None:
                        with contextlib.suppress(OSError):  # closed in the meantime
                            # Not the method of the TLS socket, which would end the session while another thread reads.
                            socket.socket.shutdown(each, socket.SHUT_RDWR)

        timer = threading.Timer(seconds, cut)
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError as error:
            raise Unavailable(f"this process may start no more threads ({error})") from error
        try:
            yield is_over, cut
        finally:
            timer.cancel()


def _watched(kind: Any, connections: weakref.WeakSet[Any]) -> type:
    class Watched(kind):  # type: ignore[misc]  # urllib3's classes for http and https
        # Kept here because http.client drops it when an answer says that it is the last.
        connected: socket.socket | None = None

        def connect(self) -> None:
            connections.add(self)
            super().connect()
            self.connected = self.sock

    return Watched


class _Session(requests.Session):
    """Keeps nothing that a server says: no cookie, and no redirect, whose body requests would read without limit."""

    def __init__(self) -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: a redirect is an answer like any other."""


class Client:
    """Talks to one server. Not shared between threads.

    Args:
        secret_headers: sent with each request.
        secrets: what else must stand in no error.
        reading: where the memory for the text of answers is taken.
        decoding: where that for what is decoded of them is taken, and how much it may be.

    Attributes:
        hide: hides all of these, and the login of the proxy, in what the server says. No error has them.
    """

    def __init__(
        self,
        settings: HttpSettings,
        *,
        user_agent: str,
        headers: Mapping[str, str] | None = None,
        secret_headers: Mapping[str, SecretStr] | None = None,
        secrets: Sequence[SecretStr | None] = (),
        max_body_bytes: int = MAX_BODY_BYTES,
        reading: Room = ANSWERS,
        decoding: tuple[Room, int] = (DECODED, MOST_DECODED),
    ) -> None:
        self._session = _Session()
        self._watch = _Watch()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, self._watch)
        # No other encoding than those that `_body` decodes, whatever is installed.
        self._session.headers.update({"User-Agent": user_agent, "Accept-Encoding": "gzip", **(headers or {})})
        self._session.auth = _Headers(_checked(secret_headers or {}))
        if settings.client_certificate is not None:
            certificate = str(settings.client_certificate)
            self._session.cert = (certificate, str(settings.client_key)) if settings.client_key else certificate
        self._proxies: dict[str, str] | None = None
        if settings.proxy is not None:
            proxy = settings.proxy.get_secret_value()
            self._proxies = {"http": proxy, "https": proxy}
        # Given with each request: requests prefers REQUESTS_CA_BUNDLE over the session's own setting.
        self._verify: str | None = str(settings.ca_bundle) if settings.ca_bundle else None
        self._timeout = settings.timeout_seconds
        self._secrets = [*secrets, *map(SecretStr, _proxy_logins(settings)), *(secret_headers or {}).values()]
        self.hide = Hiding(*self._secrets)
        self._hide_also: tuple[Sequence[SecretStr], Hiding] = (), self.hide
        self._max_body_bytes = max_body_bytes
        self._reading = reading
        self._decoding = decoding

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        secret_headers: Mapping[str, SecretStr] | None = None,
    ) -> Response:
        """Send one request and read the whole answer; any status is returned, a redirect too.

        Raises:
            Unavailable: no connection, no complete answer in time; `TooLarge`: a body larger than allowed.
            Misconfigured: the URL, the CA bundle, the client certificate or the server's certificate is at fault.
        """
        started = time.monotonic()
        outcome = "failed"
        hide = self._hiding(secret_headers or {})
        shown = {name: value.get_secret_value() for name, value in _checked(secret_headers or {}).items()}
        try:
            response = self._exchange(hide, method, url, params=params, data=body, headers={**(headers or {}), **shown})
        except ConnectorError as error:
            error.args = (hide(str(error)),)
            raise
        else:
            outcome = f"{response.status // 100}xx"
            return response
        finally:
            seconds = time.monotonic() - started
            telemetry.exchanged(telemetry.HttpExchange(_authority(url), method, outcome, seconds))

    def _exchange(self, hide: Hiding, method: str, url: str, **sent: Any) -> Response:
        host = url.split("?", 1)[0]
        # The time-out once for the connection, and once for the answer.
        started = time.monotonic()
        with self._watch.limit(2 * self._timeout) as (is_over, cut):
            try:
                with self._session.request(
                    method,
                    url,
                    **sent,
                    timeout=self._timeout,
                    proxies=self._proxies,
                    verify=self._verify,
                    allow_redirects=False,
                    stream=True,
                ) as answer:
                    lower = {name.lower(): value for name, value in answer.headers.items()}
                    try:
                        body = _body(answer, host, self._max_body_bytes, hide, partial(self._has_room, cut))
                    except TooLarge as error:
                        error.response = Response(answer.status_code, lower, b"", hide, is_cut=True)
                        raise
                    finally:
                        self._reading.keep()
                    if is_over.is_set():  # an answer of no stated length ends where its connection is cut
                        raise self._too_late(host, started)
                    if not body and answer.status_code in _WITH_CONTENT and not _tells_its_length(lower):
                        # An answer that is cut off within its headers looks like this, and http.client does not notice.
                        raise Unavailable(f"{host} ended its answer ({answer.status_code}) before any content")
                    return Response(answer.status_code, lower, body, hide, decoding=self._decoding)
            except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                raise (
                    self._too_late(host, started) if is_over.is_set() else self._explained(error, host, hide)
                ) from None

    def _too_late(self, host: str, started: float) -> Unavailable:
        if time.monotonic() - started < 2 * self._timeout:
            return Unavailable(f"{host} did not finish a large answer while others waited for the memory that it takes")
        return Unavailable(f"{host} did not finish its answer within {2 * self._timeout:g} s")

    def _has_room(self, cut: Callable[[], object], count: int) -> bool:
        return self._reading.take(count, SECONDS, what="text", cut=cut)

    def _explained(self, error: Exception, host: str, hide: Hiding) -> ConnectorError:
        kind = NotConnected if _is_before_connection(error) else Unavailable
        match error:
            case requests.exceptions.SSLError() | urllib3.exceptions.SSLError():
                return _tls_failure(error, host, hide)
            case (
                requests.exceptions.InvalidURL()
                | requests.exceptions.InvalidSchema()
                | requests.exceptions.MissingSchema()
            ):
                return Misconfigured(f"{host!r} is not an http or https URL")
            case requests.exceptions.Timeout() | urllib3.exceptions.TimeoutError():
                return kind(f"{host} did not answer within {self._timeout:g} s")
            case requests.exceptions.ProxyError():
                return kind(f"the proxy for {host} cannot be reached: {_cause(error, hide)}")
            case requests.exceptions.RequestException() | urllib3.exceptions.HTTPError():
                return kind(f"no complete answer from {host}: {_cause(error, hide)}")
        # An OSError of its own: a CA or certificate file that went away or cannot be parsed.
        return Misconfigured(f"a certificate file for {host} cannot be used: {error}")

    def _hiding(self, headers: Mapping[str, SecretStr]) -> Hiding:
        """Hides what a request with these headers tells the server."""
        also = tuple(headers.values())
        if also != self._hide_also[0]:
            self._hide_also = also, Hiding(*self._secrets, *also)
        return self._hide_also[1]

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _proxy_logins(settings: HttpSettings) -> list[str]:
    """The logins of all proxies that may be in use."""
    # The proxies of the environment are those that requests takes; `no_proxy` is among them, and has no login.
    proxies = [*urllib.request.getproxies().values()]
    if settings.proxy is not None:
        proxies.append(settings.proxy.get_secret_value())
    return [part for proxy in proxies for part in proxy_login(proxy)]


def _body(answer: requests.Response, host: str, most: int, hide: Hiding, has_room: Callable[[int], bool]) -> bytes:
    """The body, decompressed no further than it may be long.

    Read and decompressed here, because requests does both without a limit of its own: a piece of 64 kB may be 64 MB of
    text, and a server may send pieces of a byte, other encodings than were asked for, and one within the other.

    Args:
        answer: the answer, of which the head has been read.
        host: who answers, for errors.
        most: how many bytes it may have.
        hide: hides secrets in what the server says.
        has_room: whether there is memory for so many bytes in all, after a while.

    Raises:
        Unavailable: it ends too early, or is in an encoding that was not asked for; `TooLarge`: it is longer; `NoRoom`:
            others hold the memory that it takes.
    """
    encoding = answer.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        said = hide.line(encoding, _LONGEST_CAUSE)
        raise Unavailable(f"{host} answered in the encoding {said!r}, which it was not asked for")
    body, received, room = bytearray(), 0, FREE
    gunzip = _Gunzip(most) if "gzip" in encoding else None
    while piece := _piece(answer, host):
        received += len(piece)
        try:
            for part in gunzip.feed(piece) if gunzip else (piece,):
                if len(body) + len(part) > room:
                    room = 2 * max(room, len(part))
                    if not has_room(room):
                        raise NoRoom(room)
                body += part
        except zlib.error as error:
            raise Unavailable(f"no complete answer from {host}: what it calls gzip is none ({error})") from None
        if max(received, len(body)) > most:
            raise TooLarge(f"{host} answered with more than {most} bytes")
    if gunzip and not gunzip.is_complete:
        raise Unavailable(f"no complete answer from {host}: its gzip has no end")
    return bytes(body)


def _piece(answer: requests.Response, host: str) -> bytes:
    """What comes next of a body, as http.client gives it, which joins the pieces of a chunked one."""
    try:
        piece: bytes = answer.raw.read(_CHUNK_BYTES, decode_content=False)
    except (ValueError, OverflowError):  # http.client takes a negative length for one
        raise Unavailable(f"no complete answer from {host}: a piece has a length that is none") from None
    return piece


class _Gunzip:
    """Decompresses gzip (RFC 1952) piece by piece: `most` bytes, and one to tell that there are more."""

    def __init__(self, most: int) -> None:
        self._left = most + 1
        self._members = 1
        self._decompressor = zlib.decompressobj(wbits=31)
        self._is_begun = False

    @property
    def is_complete(self) -> bool:
        """Whether a member has ended, or none has begun."""
        return self._decompressor.eof or not self._is_begun

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """What a piece is, decompressed, in pieces of no more than 64 kB; nothing once there is too much of it.

        Raises:
            zlib.error: it is no gzip, or of too many members.
        """
        while piece and self._left:
            if self._decompressor.eof:
                if not piece.startswith(b"\x1f"):
                    break  # what some servers append to fill a block
                self._members += 1
                if self._members > MAX_GZIP_MEMBERS:
                    raise zlib.error(f"more than {MAX_GZIP_MEMBERS} members")
                self._decompressor = zlib.decompressobj(wbits=31)
            self._is_begun = True
            found = self._decompressor.decompress(piece, min(self._left, _CHUNK_BYTES))
            self._left -= len(found)
            if found:
                yield found
            piece = self._decompressor.unconsumed_tail or self._decompressor.unused_data


def _tells_its_length(headers: Mapping[str, str]) -> bool:
    """Whether the headers say where the body ends, and not only the end of the connection (RFC 9112 section 6.3)."""
    is_chunked = headers.get("transfer-encoding", "").strip().lower() == "chunked"
    return is_chunked or headers.get("content-length", "").strip().isdecimal()


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.scheme and parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _authority(url: str) -> str:
    """Host and port of a URL, without the user and password it may have; empty when it has no host."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    return f"{host}:{port}" if port else host


def _checked(headers: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
    for name, value in headers.items():
        try:
            _fits_a_header(value)
        except ValueError as error:
            raise Misconfigured(f"the value for the header {name} {error}") from None
    return headers


def _http_date(text: str | None) -> int | None:
    if not text:
        return None
    try:
        return int(email.utils.parsedate_to_datetime(text).timestamp())
    except (ValueError, OverflowError):
        return None


def _tls_failure(error: BaseException, host: str, hide: Hiding) -> Misconfigured | Unavailable:
    """Sort a failure by who can mend it: a person, where a certificate is at fault; otherwise time may."""
    inner = _innermost(error)
    reason = str(getattr(inner, "reason", None) or "")
    refused = "ALERT" in reason and any(word in reason for word in _CERTIFICATE_REFUSED)
    if isinstance(inner, ssl.SSLCertVerificationError) or refused or not isinstance(inner, ssl.SSLError):
        return Misconfigured(
            f"TLS with {host} failed: {_cause(error, hide)}. If the server's certificate comes from your own CA, "
            "set ca_bundle; if the server asks for a client certificate, set client_certificate"
        )
    if reason in _NO_TLS:
        return Unavailable(
            f"{host} does not speak TLS: check host and port in the URL, or that of the proxy; "
            "where plain HTTP is meant, write http:// there, which beyond loopback takes allow_http: true"
        )
    return Unavailable(
        f"TLS with {host} failed: {_cause(error, hide)}. If this stays so, look at whether that address speaks TLS, "
        "and at any proxy on the way"
    )


def _is_before_connection(error: Exception) -> bool:
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    inner = error.args[0] if error.args else None
    return isinstance(getattr(inner, "reason", None), urllib3.exceptions.NewConnectionError)


def _innermost(error: BaseException) -> Any:
    seen: Any = error
    while True:
        inner = getattr(seen, "reason", None) or next((a for a in seen.args if isinstance(a, BaseException)), None)
        if not isinstance(inner, BaseException):
            return seen
        seen = inner


def _cause(error: BaseException, hide: Hiding) -> str:
    """The innermost reason, without the object addresses and URLs that requests wraps around it."""
    seen = _innermost(error)
    text = getattr(seen, "strerror", None) or str(seen).rsplit("object at ", 1)[-1].split(": ", 1)[-1]
    return hide.line(str(text), _LONGEST_CAUSE) or type(seen).__name__
