"""One TAXII 2.1 server over HTTP: headers as the specification wants them, and what each answer means for us.

Servers differ in what they forgive, so nothing is left to be forgiven: media types are byte-exact (medallion and
OpenTAXII refuse a space or a charset), every address ends in a slash, the login goes out unasked (OpenTAXII's 401
carries no challenge), bodies have a Content-Length and no compression, redirects are not followed.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

import orjson
from pydantic import SecretStr

from connector.http import Client, Response
from connector.model import ConnectorError, Json, JsonObject, Misconfigured, Unavailable
from connector.sinks.taxii import status_resource
from connector.sinks.taxii.settings import TaxiiSettings
from connector.sinks.taxii.status_resource import Status

MEDIA_TYPE = "application/taxii+json;version=2.1"

_MAX_ANSWER_BYTES = 16 * 1024 * 1024
_ACCEPTED = (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_COME_BACK = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


@dataclass(frozen=True, slots=True)
class Complaint:
    """The server will not take this envelope: too large, not understood, or an object in it is at fault.

    Attributes:
        too_large: whether its size is the reason.
        words: what the server says about it.
    """

    too_large: bool
    words: str


class TaxiiClient:
    """Speaks to one server with one login."""

    def __init__(self, settings: TaxiiSettings, *, user_agent: str) -> None:
        login = _login(settings)
        self._http = Client(
            settings,
            user_agent=user_agent,
            headers={"Accept": MEDIA_TYPE},
            secret_headers=login,
            max_body_bytes=_MAX_ANSWER_BYTES,
        )
        secrets = (settings.password, settings.token, settings.api_key, *login.values())
        texts = {secret.get_secret_value() for secret in secrets if secret is not None}
        # What stands after `Basic` alone is the login too.
        texts |= {secret.get_secret_value().rpartition(" ")[2] for secret in login.values()}
        # The longest first, so that none is cut up by one within it.
        self._secrets = sorted(texts - {""}, key=len, reverse=True)
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
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Misconfigured(
                f"{what} at {url} answers with something that is not TAXII: {self._words(response)}. "
                "Check the address; a web interface or a log-in page may answer there instead of the TAXII server"
            )
        return body

    def post(self, collection_url: str, envelope: bytes) -> Status | Complaint:
        """Hand over an envelope (section 5.5).

        Raises:
            Unavailable: nobody knows whether it arrived; send the same bytes again.
            Misconfigured: the collection takes nothing from this login.
        """
        url = f"{collection_url}objects/"
        response = self._http.request("POST", url, body=envelope, headers={"Content-Type": MEDIA_TYPE})
        if response.status in _ACCEPTED:
            return self._status(response, url)
        if response.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return Complaint(too_large=True, words=self._words(response))
        if response.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
            return Complaint(too_large=False, words=self._words(response))
        raise self._failure(response, url, "The collection", writing=True)

    def status(self, root_url: str, status_id: str) -> Status | None:
        """How far the server is (section 4.3); None when it knows nothing of that id (any more).

        Raises:
            Unavailable, Misconfigured: as for `get`.
        """
        url = f"{root_url}status/{quote(status_id, safe='')}/"
        response = self._http.request("GET", url)
        if response.status in _GONE:
            return None
        if response.status not in _ACCEPTED:
            raise self._failure(response, url, "The status of an accepted request")
        return self._status(response, url)

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
        if response.status in _COME_BACK or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self._failure(response, url, "The object")
        try:
            body = response.json() if response.status == HTTPStatus.OK else None
        except ValueError:
            raise Unavailable(f"{url} answers with something that is not TAXII: {self._words(response)}") from None
        objects = body.get("objects") if isinstance(body, dict) else None
        return isinstance(objects, list) and any(_is(found, object_id, version) for found in objects)

    def _lists(self, url: str, version: str | None) -> bool:
        """Whether an object's versions (section 5.8) are there, and this one among them."""
        response = self._http.request("GET", url)
        if response.status in _COME_BACK:
            raise self._failure(response, url, "The object's versions")
        try:
            body = response.json() if response.status == HTTPStatus.OK else None
        except ValueError:
            return False
        versions = body.get("versions") if isinstance(body, dict) else None
        if not isinstance(versions, list):
            return False
        if version is None:
            return bool(versions)
        moment = status_resource.instant(version)
        return moment is not None and any(status_resource.instant(each) == moment for each in versions)

    def line(self, text: str, limit: int = status_resource.MAX_WORDS) -> str:
        """What the server wrote, fit to be shown: one printable line of bounded length, without our login."""
        for secret in self._secrets:  # a server in debug mode echoes the headers it was sent
            text = text.replace(secret, "***")
        return status_resource.line(text, limit)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _status(self, response: Response, url: str) -> Status:
        if not response.body.strip():
            return status_resource.ACCEPTED
        try:
            body = response.json()
        except ValueError:
            # A maintenance or log-in page must not pass for an acceptance: what it answers would be lost.
            raise Unavailable(
                f"{url} answers {response.status} with something that is not TAXII: {self._words(response)}. "
                "If this stays so, look at what stands between here and the TAXII server"
            ) from None
        return status_resource.read(body, self.line)

    def _failure(self, response: Response, url: str, what: str, *, writing: bool = False) -> ConnectorError:
        status, words = response.status, self._words(response)
        if status in _COME_BACK or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Unavailable(f"{url} cannot answer now ({status}): {words}", retry_after=response.retry_after())
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            target = self.line(response.headers.get("location", "somewhere it does not name"))
            return Misconfigured(
                f"{url} redirects ({status}) to {target}. Redirects are not followed, because the login would go "
                "along; if that address is the right one, put it into the configuration"
            )
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
        return "refuses the request. Check the address"

    def _words(self, response: Response) -> str:
        try:
            body = response.json()
        except ValueError:
            body = None
        if isinstance(body, dict):
            # TAXII's error message (section 3.6.1) has title and description, OpenTAXII's has name and description,
            # where the description may be a list or an object.
            said = [body[key] for key in ("title", "name", "description") if body.get(key)]
            if said:
                return self.line(": ".join(_spoken(part) for part in said))
        return self.line(response.body.decode("utf-8", errors="replace")) or "an answer without text"


def _login(settings: TaxiiSettings) -> Mapping[str, SecretStr]:
    if settings.username is not None and settings.password is not None:
        pair = f"{settings.username}:{settings.password.get_secret_value()}".encode()
        return {"Authorization": SecretStr(f"Basic {base64.b64encode(pair).decode('ascii')}")}
    if settings.token is not None:
        return {"Authorization": SecretStr(f"Bearer {settings.token.get_secret_value()}")}
    if settings.api_key is not None and settings.api_key_header is not None:
        return {settings.api_key_header: settings.api_key}
    return {}


def _spoken(part: Json) -> str:
    if isinstance(part, list) and all(isinstance(item, str) for item in part):
        return "; ".join(part)
    return part if isinstance(part, str) else orjson.dumps(part).decode()


def _is(found: object, object_id: str, version: str | None) -> bool:
    if not isinstance(found, dict) or found.get("id") != object_id:
        return False
    if version is None:
        return True
    moment = status_resource.instant(found.get("modified", found.get("created")))
    return moment is not None and moment == status_resource.instant(version)
