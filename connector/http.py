"""One HTTP client for every API spoken to: bounded in time and size, no redirects, secrets in headers alone.

What a status means differs between APIs, so that is left to the caller; what is an outage everywhere
(no connection, no answer in time, a body cut short or without end) is `Unavailable` here.
"""

import email.utils
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from pydantic import Field, SecretStr, field_validator

from connector import jsontext, telemetry
from connector.config import Settings
from connector.model import Json, Misconfigured, Unavailable

_CHUNK_BYTES = 64 * 1024


class HttpSettings(Settings):
    """How to reach an HTTP server."""

    timeout_seconds: float = Field(60, gt=0, le=3600, description="Longest wait for a connection, and for an answer.")
    proxy: SecretStr | None = Field(None, description="Proxy URL; default: the environment's HTTPS_PROXY and NO_PROXY.")
    ca_bundle: Path | None = Field(None, description="PEM file of the CA certificates to trust instead of the usual.")
    client_certificate: Path | None = Field(None, description="PEM file of a client certificate.")
    client_key: Path | None = Field(None, description="PEM file of its key, unless it is in the certificate's file.")

    @field_validator("ca_bundle", "client_certificate", "client_key")
    @classmethod
    def _readable(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError(f"no file {path}")
        return path


@dataclass(frozen=True, slots=True)
class Response:
    """A complete answer, whatever its status. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Json:
        """The decoded body.

        Raises:
            ValueError: it is not JSON.
        """
        return jsontext.decode(self.body)

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
        """The start of the body as one line of printable text, for an error message."""
        text = self.body[: limit * 4].decode("utf-8", errors="replace")
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text[:limit] + ("…" if len(text) > limit else "")


class _Headers(requests.auth.AuthBase):
    """Puts secret headers on each request, and keeps requests from looking into ~/.netrc."""

    def __init__(self, headers: Mapping[str, SecretStr]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        for name, value in self._headers.items():
            request.headers[name] = value.get_secret_value()
        return request


class Client:
    """Talks to one server. Not shared between threads."""

    def __init__(
        self,
        settings: HttpSettings,
        *,
        user_agent: str,
        headers: Mapping[str, str] | None = None,
        secret_headers: Mapping[str, SecretStr] | None = None,
        max_body_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": user_agent, **(headers or {})})
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
        self._max_body_bytes = max_body_bytes

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request and read the whole answer; any status is returned, a redirect too.

        Raises:
            Unavailable: no connection, no complete answer in time, or a body larger than allowed.
            Misconfigured: the URL, the CA bundle, the client certificate or the server's certificate is at fault.
        """
        started = time.monotonic()
        outcome = "failed"
        try:
            response = self._exchange(method, url, params, body, headers)
            outcome = f"{response.status // 100}xx"
            return response
        finally:
            seconds = time.monotonic() - started
            telemetry.exchanged(telemetry.Exchange(_authority(url), method, outcome, seconds))

    def _exchange(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> Response:
        deadline = time.monotonic() + self._timeout
        host = url.split("?", 1)[0]
        try:
            with self._session.request(
                method,
                url,
                params=params,
                data=body,
                headers=headers,
                timeout=self._timeout,
                proxies=self._proxies,
                verify=self._verify,
                allow_redirects=False,
                stream=True,
            ) as answer:
                chunks = []
                size = 0
                for chunk in answer.iter_content(_CHUNK_BYTES):
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > self._max_body_bytes:
                        raise Unavailable(f"{host} answered with more than {self._max_body_bytes} bytes")
                    if time.monotonic() > deadline:
                        raise Unavailable(f"{host} did not finish its answer within {self._timeout:g} s")
                lower = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status_code, lower, b"".join(chunks))
        except requests.exceptions.SSLError as error:
            raise Misconfigured(
                f"TLS with {host} failed: {_cause(error)}. If the server's certificate comes from your own CA, "
                "set ca_bundle; if the server asks for a client certificate, set client_certificate"
            ) from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
            raise Misconfigured(f"{host!r} is not an http or https URL") from None
        except requests.exceptions.Timeout:
            raise Unavailable(f"{host} did not answer within {self._timeout:g} s") from None
        except requests.exceptions.ProxyError as error:
            raise Unavailable(f"the proxy for {host} cannot be reached: {_cause(error)}") from None
        except requests.exceptions.RequestException as error:
            raise Unavailable(f"no complete answer from {host}: {_cause(error)}") from None
        except OSError as error:  # a CA or certificate file that went away or cannot be parsed
            raise Misconfigured(f"a certificate file for {host} cannot be used: {error}") from None

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


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
        text = value.get_secret_value()
        if not text.isascii() or not text.isprintable() or text != text.strip():
            raise Misconfigured(
                f"the value for the header {name} holds characters that no header can carry (a line feed at its end?)"
            )
    return headers


def _http_date(text: str | None) -> int | None:
    if not text:
        return None
    try:
        return int(email.utils.parsedate_to_datetime(text).timestamp())
    except (ValueError, OverflowError):
        return None


def _cause(error: BaseException) -> str:
    """The innermost reason, without the object addresses and URLs that requests wraps around it."""
    seen: Any = error
    while True:
        inner = getattr(seen, "reason", None) or next((a for a in seen.args if isinstance(a, BaseException)), None)
        if not isinstance(inner, BaseException):
            break
        seen = inner
    text = getattr(seen, "strerror", None) or str(seen).rsplit("object at ", 1)[-1].split(": ", 1)[-1]
    return " ".join(str(text).split())[:200] or type(seen).__name__
