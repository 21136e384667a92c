"""The VirusTotal API v3, as far as notifications need it: what its answers mean, its quotas, its URL objects.

(docs.virustotal.com/reference/errors, …/quotas, …/url-object; Google Threat Intelligence is the same API)
"""

import datetime
import re
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

import orjson
from pydantic import Field, field_validator, model_validator

from connector.clients.hiding import Hiding
from connector.clients.http import MAX_BODY_BYTES, Client, HeaderSecret, HttpSettings, Response, TooLarge, is_plain_http
from connector.model import Json, JsonObject, Misconfigured, Unavailable
from connector.room import ANSWERS, DECODED, MOST_DECODED, PAGES, ROOM
from connector.sources.virustotal import spending
from connector.values import jsontext
from connector.values.quota import allowances

LONGEST_WAIT_SECONDS = 3600.0
"""How long to wait for a quota to be renewed before asking again: someone may have raised it."""
URLS_REMEMBERED = 1024
URL_BYTES = 16 * 1024 * 1024
"""Memory that URLs take which are remembered, and those that a page has, likewise."""

_MINUTE_SECONDS = 60.0
_REDIRECTS = frozenset(
    (
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    )
)
_LATER = frozenset(
    (
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.FAILED_DEPENDENCY,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    )
)
"""Statuses of the 4xx range that pass by themselves."""
_MAX_SAID = 300
_OBJECT = re.compile(rb"(\xef\xbb\xbf)?\s*\{")
"""How an answer of the API begins. Any other answer is not about one item."""


class ApiSettings(HttpSettings):
    """How to reach the API, and as whom."""

    api_key: HeaderSecret = Field(
        min_length=1,
        description="The API key of VirusTotal. Write `${VT_API_KEY}` to keep the key itself out of the file.",
    )
    api_url: str = Field(
        "https://www.virustotal.com/api/v3",
        description="Address of the API. Change it only for the simulator or a gateway of your own.",
    )
    allow_http: bool = Field(
        default=False,
        description="Whether `api_url` may be http:// to another machine. The API key can then be read on the way.",
    )
    tool: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._/-]{1,100}$",
        description=(
            "What the x-tool header says; without that header VirusTotal sends no gti_assessment. "
            "Default: this product's name and version."
        ),
    )
    user: str | None = Field(
        None,
        min_length=1,
        description=("The VirusTotal user whose quota `iocstream status` shows. Without it: the user of the API key."),
    )

    @field_validator("api_url")
    @classmethod
    def _bare(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it must begin with https:// (or http://) and name a host")
        if parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("it must have no user, no ? and no #")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        if not self.allow_http and is_plain_http(self.api_url):
            raise ValueError(
                "api_url is plain http:// to another machine, which shows the API key to everyone on the way; "
                "use https://, or set allow_http: true"
            )
        return self


class NotTheApi(Unavailable):
    """Something other than the API answered, or the API was not able to; with the status of the answer."""

    def __init__(self, message: str, status: int, *, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.status = status


class UnreadableAnswer(Unavailable):
    """An answer of the API that cannot be read.

    Attributes:
        offset: where in it, in bytes.
        reason: what is wrong there.
        body: all of it.
        hide: hides our secrets in it.
        clock: the server's, in Unix seconds.
    """

    def __init__(self, message: str, *, offset: int, reason: str, body: bytes, clock: int, hide: Hiding) -> None:
        super().__init__(message)
        self.offset = offset
        self.reason = reason
        self.body = body
        self.hide = hide
        self.clock = clock


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered: an object, or a refusal for a reason that the caller knows best.

    Attributes:
        status: 200, or a status of the 4xx range that says something about this request alone.
        document: the JSON object; empty for a refusal.
        said: VirusTotal's own words for a refusal, else the start of the answer; fit for a log.
        clock: the server's clock, in Unix seconds.
    """

    status: int
    document: JsonObject
    said: str
    clock: int


class Api:
    """One key's view of the API. Not shared between threads.

    Attributes:
        sent: how many requests were sent.
    """

    def __init__(
        self, settings: ApiSettings, *, user_agent: str, max_body_bytes: int = MAX_BODY_BYTES, has_pages: bool = True
    ) -> None:
        """Connect at the first request. Without pages, an answer may take less memory, for pages wait for it."""
        # VirusTotal compresses answers only for a User-Agent with this word in it (vt-py sends it likewise).
        compressed = user_agent if "gzip" in user_agent else f"{user_agent} (gzip)"
        self._client = Client(
            settings,
            user_agent=compressed,
            headers={"Accept": "application/json", "x-tool": settings.tool or user_agent.replace("/", ".")},
            secret_headers={"x-apikey": settings.api_key},
            max_body_bytes=max_body_bytes,
            reading=PAGES if has_pages else ANSWERS,
            decoding=(ROOM, jsontext.MAX_DECODED_BYTES) if has_pages else (DECODED, MOST_DECODED),
        )
        self.sent = 0
        self._url = settings.api_url
        self._user = settings.user
        self._urls: OrderedDict[str, tuple[JsonObject | None, int]] = OrderedDict()

    def get(self, *path: str, params: Mapping[str, str] | None = None) -> Answer:
        """Ask for one object or page.

        Raises:
            Unavailable: an outage, a rate limit, a quota used up; `NotTheApi`: a status that the API did not give, or
                one of an outage; `UnreadableAnswer`: one of the API's that cannot be decoded.
            Misconfigured: the key is not accepted, or `api_url` redirects.
        """
        response = self.ask(*path, params=params)
        if response.status == HTTPStatus.TOO_MANY_REQUESTS and _error(response).get("code") == "QuotaExceededError":
            raise self._used_up(response)
        return self.read(response)

    def ask(self, *path: str, params: Mapping[str, str] | None = None) -> Response:
        """Ask for one object or page, and leave the answer as it is: `read` says what it means.

        Raises:
            Unavailable: no connection, no complete answer in time; `TooLarge`: one that is larger than allowed.
            Misconfigured: what `connector.clients.http.Client.request` says.
        """
        return self._send(path, params)

    def read(self, response: Response) -> Answer:
        """What an answer means; raises as `get` does, and does not find out which quota is used up."""
        return self._answer(response)

    def post(self, *path: str, document: JsonObject) -> Answer:
        """Create an object; raises as `get` does. One that exists already is answered with status 409."""
        response = self._send(path, method="POST", body=orjson.dumps(document))
        if _error(response).get("code") == "AlreadyExistsError":
            return Answer(HTTPStatus.CONFLICT, {}, self._said(response), int(time.time()))
        return self._answer(response, with_document=False)

    def delete(self, *path: str) -> Answer:
        """Delete one object; raises as `get` does."""
        return self._answer(self._send(path, method="DELETE"), with_document=False)

    def url_attributes(self, url_id: str) -> JsonObject | None:
        """The attributes of the URL object with this id (SHA-256); None when VirusTotal does not give them.

        Remembers the last `URLS_REMEMBERED` of them, if they fit in memory. What a page has of them takes room with it;
        where there is none, None as well. Raises as `get` does.
        """
        if url_id in self._urls:
            self._urls.move_to_end(url_id)
            found, size = self._urls[url_id]
        else:
            data = self.get("urls", url_id).document.get("data")
            attributes = data.get("attributes") if isinstance(data, dict) else None
            found = attributes if isinstance(attributes, dict) else None
            size = 0 if found is None else jsontext.decoded_bytes(orjson.dumps(found))
            self._urls[url_id] = found, size
            while len(self._urls) > URLS_REMEMBERED or sum(each for _, each in self._urls.values()) > URL_BYTES:
                self._urls.popitem(last=False)
        return found if ROOM.add(size, what="URLs", most=URL_BYTES) else None

    def quota(self) -> JsonObject | None:
        """`api_requests_{hourly,daily,monthly}` → `{user|group: {allowed, used}}`; None when VirusTotal won't say.

        (docs.virustotal.com/reference/get-user-overall-quotas) Raises as `get` does.
        """
        if self._user is None:
            me = self._answer(self._send(("me",))).document.get("data")
            name = me.get("id") if isinstance(me, dict) else None
            # The API also takes the key itself in place of the user, and a path is written to every proxy's log.
            if not isinstance(name, str) or self._client.hide.finds(name):
                return None
            self._user = name
        quotas = self._answer(self._send(("users", self._user, "overall_quotas"))).document.get("data")
        if not isinstance(quotas, dict):
            return None
        return {name: spans for name, spans in quotas.items() if name.startswith("api_requests_")} or None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(
        self,
        path: tuple[str, ...],
        params: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        body: bytes | None = None,
    ) -> Response:
        if any(part in ("", ".", "..") for part in path):
            # Such a segment would ask for something else; VirusTotal has no object of that name.
            return Response(HTTPStatus.NOT_FOUND, {}, b'{"error":{"code":"NotFoundError","message":"no such object"}}')
        spending.count()
        self.sent += 1
        url = "/".join((self._url, *(quote(part, safe="") for part in path)))
        headers = {"Content-Type": "application/json"} if body is not None else None
        asked = f"{url}?{urlencode(params, quote_via=quote)}" if params else url
        return self._client.request(method, asked, body=body, headers=headers)

    def _answer(self, response: Response, *, with_document: bool = True) -> Answer:
        status, said = response.status, self._said(response)
        clock = response.date() or int(time.time())
        if status == HTTPStatus.OK:
            return Answer(status, self._document(response) if with_document else {}, said, clock)
        if status in _REDIRECTS:
            target = _redirected(response)
            raise Misconfigured(
                f"{self._host} redirects to {target}, where the API key is not sent: set the source's api_url to the "
                "address of the API itself, or let a proxy that wants a log-in pass this host"
            )
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            raise NotTheApi("the proxy wants a user and a password: put them into the source's proxy option", status)
        code = _error(response).get("code")
        is_client_error = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        if status in _LATER or code == "NotAvailableYet" or not is_client_error:
            raise NotTheApi(f"VirusTotal cannot answer now ({said})", status, retry_after=response.retry_after())
        if not _error(response):
            raise NotTheApi(
                f"the request to {self._host} is refused, and not by VirusTotal's API ({said}): if this stays so, let "
                "the proxy or firewall in between pass it, or correct the source's api_url",
                status,
                retry_after=response.retry_after(),
            )
        if status == HTTPStatus.UNAUTHORIZED:
            raise Misconfigured(
                f"VirusTotal does not accept the API key ({said}): set the source's option api_key to a valid key"
            )
        return Answer(status, {}, said, clock)

    def _document(self, response: Response) -> JsonObject:
        if not response.is_json() or not _OBJECT.match(response.body):
            raise NotTheApi(
                f"{self._host} answered with what is not JSON, or no object ({self._said(response)})", response.status
            )
        try:
            document = response.json()
        except orjson.JSONDecodeError as error:
            offset, reason = jsontext.fault(response.body, error)
            said = f"{self._host} answered with what is not JSON at byte {offset:,}: {reason} ({self._said(response)})"
            clock = response.date() or int(time.time())
            raise UnreadableAnswer(
                said, offset=offset, reason=reason, body=response.body, clock=clock, hide=response.hide
            ) from None
        except jsontext.TooManyValues as error:
            raise TooLarge(f"{self._host} answered with JSON of too many values: {error}") from None
        if not isinstance(document, dict) or ("error" in document and "data" not in document):
            raise Unavailable(f"{self._host} answered with JSON that is no object ({self._said(response)})")
        meta = document.get("meta")
        cursor = meta.get("cursor") if isinstance(meta, dict) else None
        if isinstance(cursor, str) and response.hide.finds(cursor):
            # It would be kept in the journal, and stand in the addresses that proxies write down.
            raise Unavailable(f"{self._host} answered with a cursor that holds the API key: something else answers")
        return document

    def _used_up(self, response: Response) -> Unavailable:
        said, wait = self._said(response), response.retry_after()
        try:
            quota = self.quota()
        except (Unavailable, Misconfigured):
            quota = None  # the 429 is the news; which quota it was stays unknown
        now = response.date() or int(time.time())
        spent = sorted(_spent(quota or {}, now), key=lambda each: each[1])
        if spent:
            which = ", ".join(text for text, _ in spent)
            reset = spent[-1][1]
            which += f", renewed at {datetime.datetime.fromtimestamp(reset, datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
            wait = min(LONGEST_WAIT_SECONDS, float(reset - now)) if wait is None else wait
        elif quota:
            which = "no hourly, daily or monthly quota is, so it is the one per minute"
            wait = _MINUTE_SECONDS if wait is None else wait
        else:
            which = "which quota, VirusTotal does not say: daily ones are renewed at 00:00 UTC, monthly ones on the 1st"
        return Unavailable(f"the API key's quota is used up ({said}): {which}", retry_after=wait)

    def _said(self, response: Response) -> str:
        """The error in VirusTotal's words, or the start of the answer; without the secrets that we sent."""
        error = _error(response)
        if error:
            text = f"HTTP {response.status}, {error.get('code')}: {error.get('message')}"
        else:
            text = f"HTTP {response.status}: {response.excerpt() or 'an empty body'}"
        return response.hide.line(text, _MAX_SAID)

    @property
    def _host(self) -> str:
        return urlsplit(self._url).hostname or self._url


def _redirected(response: Response) -> str:
    """To which host, fit for an error."""
    try:
        host = urlsplit(response.headers.get("location", "")).hostname or "another address"
    except ValueError:
        host = "another address"
    return response.hide.line(host, _MAX_SAID)


def _error(response: Response) -> Mapping[str, Any]:
    """The API's error object (docs.virustotal.com/reference/errors); empty when the body holds none."""
    if response.status == HTTPStatus.OK or not response.is_json():
        return {}
    try:
        document: Json = response.json()
    except ValueError:
        return {}
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, dict) else {}


def nearly_spent(quota: JsonObject, sent: int, reserve: float) -> str | None:
    """The first quota of which no more than the reserve (0 to 1) is left, in words; None when there is no such quota.

    Args:
        quota: as `Api.quota` gave it.
        sent: how many requests were sent since.
        reserve: the part to be left.
    """
    for span, whose, used, allowed in allowances(quota):
        if allowed > 0 and used + sent >= allowed * (1 - reserve):
            return f"{span} {used + sent:,} of {allowed:,} requests used by the {whose}"
    return None


def _spent(quota: JsonObject, now: int) -> Iterator[tuple[str, int]]:
    """Each quota that is used up, in words, and when it is renewed, in Unix seconds."""
    for span, whose, used, allowed in allowances(quota):
        if used >= allowed:
            yield f"{span} {used:,} of {allowed:,} requests used by the {whose}", _renewed(span, now)


def _renewed(span: str, now: int) -> int:
    # Daily quotas are renewed at 00:00 UTC and monthly ones on the 1st (docs.virustotal.com/reference/errors).
    at = datetime.datetime.fromtimestamp(now, datetime.UTC)
    if span == "monthly":
        month = (at.replace(day=1) + datetime.timedelta(days=32)).replace(day=1)
        return int(month.replace(hour=0, minute=0, second=0).timestamp())
    if span == "daily":
        return now - now % 86400 + 86400
    return now - now % 3600 + 3600
