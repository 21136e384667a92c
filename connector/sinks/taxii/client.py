"""One TAXII 2.1 server over HTTP: headers as the specification wants them, and what each answer means for us.

Servers differ in what they forgive, so nothing is left to be forgiven: media types are byte-exact (medallion and
OpenTAXII refuse a space or a charset), every address ends in a slash, the login goes out unasked (OpenTAXII's 401
carries no challenge), bodies have a Content-Length and no compression, redirects are not followed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

import orjson

from connector.clients.http import MAX_BODY_BYTES, Client, Response
from connector.model import ConnectorError, Json, JsonObject, Misconfigured, Unavailable
from connector.sinks.taxii import status_resource
from connector.sinks.taxii.settings import TaxiiSettings
from connector.sinks.taxii.status_resource import Status

MEDIA_TYPE = "application/taxii+json;version=2.1"

COUNTED_AS_FAILED = "counted as failed"
"""The kind of `Trouble` that a status reports, with no object named."""
_ACCEPTED = (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_COME_BACK = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_LOGIN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)
_CONTENT = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)
_LONGEST_WORDS = 64 * 1024
_MAX_ANSWER = 2 * 1024 * 1024
_MAX_DETAIL = 400
"""Bytes of an answer, and of what a status says of one object: nothing here is asked for that has more."""
_IDS_IN_A_QUERY = 50
"""With as many UUIDs an address has fewer than 4000 characters, which common servers take."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """The server did not take an envelope, and an object in it may be why.

    Attributes:
        kind: the same for the same answer: its status, or what else it came to.
        words: what the server says about it.
        error: what to raise unless an object is found to be at fault.
        blames_content: whether the server says at once that the content is at fault (400, 413, 422).
        asks_for_time: whether the server says that it would take it later (429, `Retry-After`).
    """

    kind: str
    words: str
    error: ConnectorError
    blames_content: bool = False
    asks_for_time: bool = False

    @property
    def is_verdict(self) -> bool:
        """Whether the server judges the content, and did not merely fail at it."""
        return self.blames_content or self.kind == COUNTED_AS_FAILED

    @property
    def is_too_large(self) -> bool:
        """Whether the size of the envelope is the reason."""
        return self.blames_content and self.kind == str(HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value)


class TaxiiClient:
    """Speaks to one server with one login."""

    def __init__(self, settings: TaxiiSettings, *, user_agent: str) -> None:
        login = settings.login()
        self._http = Client(
            settings,
            user_agent=user_agent,
            headers={"Accept": MEDIA_TYPE},
            secret_headers=login,
            max_body_bytes=min(MAX_BODY_BYTES, max(_MAX_ANSWER, settings.max_envelope_objects * _MAX_DETAIL)),
            secrets=(settings.password, settings.token, settings.api_key),
        )
        self._login_hint = (
            "Check the login given under username and password, token, or api_key"
            if login or settings.client_certificate
            else "No login is configured: set username and password, token, api_key or client_certificate"
        )

    def get(self, url: str, what: str) -> JsonObject:
        """A resource that must be there; `what` is what an error calls it.

        Raises:
            Unavailable: not now.
            Misconfigured: not there, not allowed, or no TAXII resource.
        """
        response = self._http.request("GET", url)
        if response.status != HTTPStatus.OK:
            raise self._failure(response, url, what)
        body = _object(response)
        if body is None or _is_error(body):
            raise self._not_taxii(response, url, what)
        return body

    def post(self, collection_url: str, envelope: bytes) -> Status | Trouble:
        """Hand over an envelope (section 5.5).

        Raises:
            Misconfigured: the login is at fault.
        """
        url = f"{collection_url}objects/"
        try:
            response = self._http.request("POST", url, body=envelope, headers={"Content-Type": MEDIA_TYPE})
        except Unavailable as outage:
            return Trouble("no answer", str(outage), outage)
        status, words = response.status, self._words(response)
        if status in _ACCEPTED:
            found = self._status(response)
            if found is not None:
                return found
            error = self._not_taxii(response, url, "The collection")
            return Trouble(f"{status} without a status", f"{status} {words}", error)
        failure = self._failure(response, url, "The collection", writing=True)
        if status in _LOGIN:
            raise failure
        if status in _COME_BACK or response.retry_after() is not None:
            return Trouble(str(status), f"{status} {words}", failure, asks_for_time=True)
        # A proxy that refuses a size is a fact to live with, too.
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or (status in _CONTENT and _is_own(response)):
            return Trouble(str(status), words, failure, blames_content=True)
        return Trouble(str(status), f"{status} {words}", failure)

    def status(self, root_url: str, status_id: str) -> Status | None:
        """How far the server is (section 4.3); None when it knows nothing of that id (any more).

        Raises:
            Unavailable, Misconfigured: as for `get`.
        """
        url = f"{root_url}status/{quote(status_id, safe='')}/"
        response = self._http.request("GET", url)
        if response.status in _GONE and _is_own(response):
            return None
        found = self._status(response) if response.status in _ACCEPTED else None
        if found is None:
            what = "The status of an accepted request"
            is_answer = response.status in _ACCEPTED
            raise self._not_taxii(response, url, what) if is_answer else self._failure(response, url, what)
        return found

    def listed(
        self, collection_url: str, versions: Sequence[tuple[str, str | None]]
    ) -> frozenset[tuple[str, str | None]] | None:
        """Those of these versions that the collection's manifest (section 5.3) names; the version None is any.

        None when the server has no manifest. Some cut it into pages: what it does not name may be there all the same.

        Raises:
            Unavailable: no answer.
        """
        found: set[tuple[str, str | None]] = set()
        for start in range(0, len(versions), _IDS_IN_A_QUERY):
            each = versions[start : start + _IDS_IN_A_QUERY]
            ids = dict.fromkeys(object_id for object_id, _ in each)
            query = {"match[id]": ",".join(ids), "match[version]": "all"}
            response = self._http.request("GET", f"{collection_url}manifest/", params=query)
            body = _object(response) if response.status == HTTPStatus.OK else None
            if body is None or _is_error(body):
                return None
            entries = body.get("objects")
            if isinstance(entries, list):
                found |= {asked for asked in each if any(_is(entry, *asked) for entry in entries)}
        return frozenset(found)

    def has(self, collection_url: str, object_id: str, version: str | None) -> bool:
        """Whether the collection holds this object, in this version if it has versions.

        What the list of its versions does not name, not every server having one and some cutting it into pages, is
        asked for itself (section 5.6).

        Raises:
            Unavailable: not now.
        """
        url = f"{collection_url}objects/{quote(object_id, safe='')}/"
        if self._lists(f"{url}versions/", version):
            return True
        response = self._http.request("GET", url, params={"match[version]": version} if version else None)
        is_outage = response.status in _COME_BACK or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if is_outage:
            raise self._failure(response, url, "The object")
        body = _object(response) if response.status == HTTPStatus.OK else None
        if response.status == HTTPStatus.OK and body is None:
            raise self._not_taxii(response, url, "The object")
        objects = body.get("objects") if body is not None else None
        return isinstance(objects, list) and any(_is(found, object_id, version) for found in objects)

    def _lists(self, url: str, version: str | None) -> bool:
        """Whether an object's versions (section 5.8) are there, and this one among them."""
        response = self._http.request("GET", url)
        if response.status in _COME_BACK:
            raise self._failure(response, url, "The object's versions")
        body = _object(response) if response.status == HTTPStatus.OK else None
        versions = body.get("versions") if body is not None else None
        if not isinstance(versions, list):
            return False
        if version is None:
            return bool(versions)
        moment = status_resource.instant(version)
        return moment is not None and any(status_resource.instant(each) == moment for each in versions)

    def line(self, text: str, limit: int = status_resource.MAX_WORDS) -> str:
        """What the server wrote, fit to be shown: one printable line of bounded length, without our login."""
        return status_resource.line(self._http.hide(text), limit)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _status(self, response: Response) -> Status | None:
        """None for what is no acceptance, such as a maintenance page or an error with status 200."""
        if not response.body.strip():
            return status_resource.ACCEPTED
        body = _object(response)
        if body is None or _is_error(body) or (body and not status_resource.is_status(body)):
            return None
        return status_resource.read(body, self.line)

    def _not_taxii(self, response: Response, url: str, what: str) -> Unavailable:
        status = response.status
        login = f" {self._login_hint}." if status in _LOGIN else ""
        url = self._http.hide(url)  # the server may have named it
        return Unavailable(
            f"{what} at {url} answers {status} with something that is not TAXII: {self._words(response)}.{login} "
            "If this stays so, check the address, and look at any proxy between here and the TAXII server",
            retry_after=response.retry_after(),
        )

    def _failure(self, response: Response, url: str, what: str, *, writing: bool = False) -> ConnectorError:
        status, words, url = response.status, self._words(response), self._http.hide(url)
        if status in _COME_BACK or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Unavailable(f"{url} cannot answer now ({status}): {words}", retry_after=response.retry_after())
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            target = self.line(response.headers.get("location", "somewhere it does not name"))
            return Misconfigured(
                f"{url} redirects ({status}) to {target}. Redirects are not followed, because the login would go "
                "along; if that address is the right one, put it into the configuration"
            )
        if not _is_own(response):
            return self._not_taxii(response, url, what)
        meaning = self._meaning(status, writing=writing)
        return Misconfigured(f"{what} at {url} {meaning}. The server's answer: {status} {words}")

    def _meaning(self, status: int, *, writing: bool) -> str:
        if status == HTTPStatus.UNAUTHORIZED:
            return f"does not accept the login. {self._login_hint}"
        if status == HTTPStatus.FORBIDDEN and writing:
            return (
                "refuses what is written there. Ask the server's administrator for the right to write to this "
                "collection; if this login has it, a web application firewall may have refused the content"
            )
        if status == HTTPStatus.FORBIDDEN:
            return "may not be read with this login. Ask the server's administrator for the right to"
        if status in _GONE:
            return (
                "is not there, or this login may not know that it is: TAXII servers answer both alike. "
                "Check the address, the login and its rights"
            )
        if status in (HTTPStatus.NOT_ACCEPTABLE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE):
            return (
                f"does not speak {MEDIA_TYPE}. TAXII 2.0 and 1.x are not supported; "
                "if the server does speak 2.1, a proxy may have changed the headers"
            )
        too_large = "refuses the request for its size. Have the server, and any proxy before it, take larger ones"
        return too_large if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else "refuses the request. Check the address"

    def _words(self, response: Response) -> str:
        body = _object(response)
        if body is not None:
            # TAXII's error message (section 3.6.1) has title and description, OpenTAXII's has name and description,
            # where the description may be a list or an object.
            said = [body[key] for key in ("title", "name", "description") if body.get(key)]
            if said:
                return self.line(": ".join(_spoken(part) for part in said))
        start = response.body[:_LONGEST_WORDS]  # as text it may take four times its bytes
        return self.line(start.decode("utf-8", errors="replace")) or "an answer without text"


def _object(response: Response) -> JsonObject | None:
    """The JSON object that is answered; None for anything else, and for what does not call itself JSON."""
    if "json" not in response.headers.get("content-type", "json").lower():
        return None
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _is_error(body: JsonObject) -> bool:
    """Whether this is an error message (section 3.6.1), whatever the status."""
    return "http_status" in body or "error_id" in body


def _is_own(response: Response) -> bool:
    """Whether a TAXII server says this, as far as can be told, and not a proxy on the way.

    TAXII leaves the body of an error out or gives it a title (section 3.6); OpenTAXII gives it name and description.
    medallion's 401 is text, with the challenge that proxies and log-in pages seldom have.
    """
    if not response.body.strip():
        return True
    if response.status == HTTPStatus.UNAUTHORIZED and "www-authenticate" in response.headers:
        return True
    body = _object(response)
    if body is None:
        return False
    return not body or "title" in body or {"name", "description"} <= body.keys()


def _spoken(part: Json) -> str:
    if isinstance(part, list) and all(isinstance(item, str) for item in part):
        return "; ".join(part)
    return part if isinstance(part, str) else orjson.dumps(part).decode()


def _is(found: object, object_id: str, version: str | None) -> bool:
    if not isinstance(found, dict) or found.get("id") != object_id:
        return False
    if version is None:
        return True
    moment = status_resource.instant(found.get("version", found.get("modified", found.get("created"))))
    return moment is not None and moment == status_resource.instant(version)
