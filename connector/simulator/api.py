"""A stand-in for the VirusTotal API v3 as far as the IoC Stream goes: answers, refusals, and faults on cue."""

import base64
import gzip
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.http import http_date
from werkzeug.wrappers import Request, Response

from connector.simulator import assessments, subjects
from connector.simulator.stream import BadRequest, Query, context, matcher, position
from connector.simulator.subjects import Item

RETENTION_SECONDS = 7 * 86400
"""Notifications are deleted after 7 days (docs.virustotal.com/docs/ioc-stream-threat-feeds)."""

_ROOT = "/api/v3"
_PUBLIC = "https://www.virustotal.com/api/v3"
_KINDS = {"files": "file", "urls": "url", "domains": "domain", "ip_addresses": "ip_address"}


_PLACES = {
    "hunting_ruleset": "/intelligence/hunting_rulesets",
    "retrohunt_job": "/intelligence/retrohunt_jobs",
    "collection": "/collections",
}


@dataclass(slots=True)
class Fault:
    """An answer other than the true one, for the next `times` requests that it fits.

    Attributes:
        path: a regular expression, found in the path after `/api/v3`.
        with_cursor: whether the request must have a cursor, or must have none; None for both.
        status, body: what is answered; a body of None is the true answer.
        headers: what is added to its headers.
        cut_at: send only so many bytes of the body, then close the connection.
        hold: answer only when this is set.
        edit: makes the document that is answered, with `status`, out of the true one.
    """

    path: str = ""
    times: int = 1
    with_cursor: bool | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cut_at: int | None = None
    hold: threading.Event | None = None
    edit: Callable[[Any], Any] | None = None

    def fits(self, path: str, args: Mapping[str, str]) -> bool:
        """Whether it is for this request."""
        fitting = self.with_cursor is None or self.with_cursor == ("cursor" in args)
        return self.times > 0 and fitting and re.search(self.path, path) is not None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was received; header names are lower case, `body` is that of a POST."""

    method: str
    path: str
    args: Mapping[str, str]
    raw_query: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    document: Any = None


class Api:
    """A WSGI application under `/api/v3`. Safe for use from several threads.

    Attributes:
        faults: what goes wrong next; the first that fits is used.
        requests: what was asked so far.
        told: the comments and votes that were posted: which of both, of which kind of entity, its id, what was said.
        used: requests counted for the daily quota.
        allowed: the daily quota.
        clock: tells the time, in Unix seconds; the Date header shows it.
        key: the API key that is accepted.
        subjects: what is answered for a ruleset, Retrohunt job or collection, by type and id.
        reassesses: whether the assessment of an entity changes with its age, when it is asked for by itself.
    """

    def __init__(
        self,
        notifications: Iterable[Item],
        *,
        key: str = "demo-key",
        user: str = "demo",
        allowed: int = 1_000_000,
        clock: Callable[[], float] = time.time,
        reassesses: bool = False,
    ) -> None:
        self.faults: list[Fault] = []
        self.requests: list[Asked] = []
        self.told: list[tuple[str, str, str, str]] = []
        self.used = 0
        self.allowed = allowed
        self.clock = clock
        self.subjects = subjects.answers()
        self.reassesses = reassesses
        self.key = key
        self._user = user
        self._lock = threading.Lock()
        self._generation = 0
        self._items: list[Item] = []
        self._matches: dict[str, list[Item]] = {}
        self._entities: dict[tuple[str, str], Item] = {}
        self._raised: dict[tuple[str, str], int] = {}  # when an entity last matched
        self.add(notifications)

    def add(self, notifications: Iterable[Item]) -> None:
        """Raise more notifications: stream items with their whole attributes."""
        with self._lock:
            more = list(notifications)
            for item in more:
                self._know(item)
            self._keep([*self._items, *more])

    def assess(self, kind: str, identifier: str, verdict: str, score: int = 85, engines: int = 31) -> None:
        """Give an entity another assessment from now on; the notifications that it has keep theirs."""
        severity = "SEVERITY_HIGH" if verdict == "VERDICT_MALICIOUS" else "SEVERITY_NONE"
        with self._lock:
            entity = self._entities[kind, identifier]
            entity["attributes"] = assessments.assessed(
                entity["attributes"], verdict, score=score, severity=severity, engines=engines
            )

    def expire_cursors(self) -> None:
        """Refuse every cursor given so far."""
        with self._lock:
            self._generation += 1

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        path, args = request.path.removeprefix(_ROOT), request.args.to_dict()
        asked = Asked(
            request.method,
            path,
            args,
            environ.get("QUERY_STRING", ""),
            {name.lower(): value for name, value in request.headers.items()},
            request.get_data() if request.method == "POST" else b"",
        )
        with self._lock:
            self.requests.append(asked)
            fault = next((fault for fault in self.faults if fault.fits(path, args)), None)
            if fault is not None:
                fault.times -= 1
        if fault is not None and fault.hold is not None:
            fault.hold.wait()
        with self._lock:
            answer = self._answer(asked) if request.path.startswith(_ROOT + "/") else _not_found(request.path)
        return self._response(asked, answer, fault)(environ, start_response)

    def _response(self, asked: Asked, answer: _Answer, fault: Fault | None) -> Response:
        document, status = answer.document, answer.status
        if fault is not None and fault.edit is not None:
            document, status = fault.edit(json.loads(json.dumps(document))), fault.status
        body = b"" if document is None else json.dumps(document).encode()
        if fault is not None and fault.body is not None:
            body, status = fault.body, fault.status
        response = Response(body, status, content_type="application/json; charset=utf-8")
        response.headers["Date"] = http_date(self.clock())
        # As App Engine does: compressed for a User-Agent that it knows, or that says gzip.
        if "gzip" in asked.headers.get("user-agent", "") and "gzip" in asked.headers.get("accept-encoding", ""):
            response.set_data(gzip.compress(body, 1))
            response.headers["Content-Encoding"] = "gzip"
        if fault is not None:
            response.headers.update(fault.headers)
            if fault.cut_at is not None:
                return _cut(response, fault.cut_at)
        return response

    def _answer(self, asked: Asked) -> _Answer:
        """The true answer, with the lock held."""
        key = asked.headers.get("x-apikey")
        if not key:
            return _error(401, "AuthenticationRequiredError", "X-Apikey header is missing")
        if key != self.key:
            return _error(401, "WrongCredentialsError", "Wrong API key")
        about_user = asked.path == "/me" or asked.path.startswith("/users/")
        if not about_user:
            if self.used >= self.allowed:
                return _error(429, "QuotaExceededError", "Quota exceeded")
            self.used += 1
        horizon = self.clock() - RETENTION_SECONDS
        if self._items and position(self._items[0])[0] <= horizon:
            self._keep([item for item in self._items if position(item)[0] > horizon])
        try:
            return self._routed(asked)
        except BadRequest as error:
            return _error(400, "BadRequestError", str(error))

    def _routed(self, asked: Asked) -> _Answer:  # noqa: C901, PLR0911 -- one case, one return for each endpoint
        match [asked.method, *asked.path.strip("/").split("/")]:
            case ["GET", "ioc_stream"]:
                return self._stream(asked)
            case ["DELETE", "ioc_stream"]:
                unwanted = matcher(asked.args.get("filter", ""))
                self._keep([item for item in self._items if not unwanted(item)])
                return _Answer(200)
            case ["GET" | "DELETE" as method, "ioc_stream_notifications", identifier]:
                return self._notification(method, identifier)
            case ["GET", "files" | "urls" | "domains" | "ip_addresses" as collection, identifier]:
                entity = self._entity(_KINDS[collection], identifier)
                return _Answer(200, {"data": _seen(entity, asked)}) if entity else _not_found(identifier)
            case ["GET", "files", identifier, "behaviour_mitre_trees"]:
                return self._techniques(identifier)
            case [
                "POST",
                "files" | "urls" | "domains" | "ip_addresses" as collection,
                identifier,
                "comments" | "votes",
            ]:
                return self._told(_KINDS[collection], identifier, asked)
            case ["GET", "me"]:
                return _Answer(200, {"data": {"type": "user", "id": self._user, "attributes": {"status": "active"}}})
            case ["GET", "users", name, "overall_quotas"]:
                return self._quotas(name)
            case ["GET", "intelligence", "hunting_rulesets", identifier]:
                return self._subject("hunting_ruleset", identifier)
            case ["GET", "intelligence", "retrohunt_jobs", identifier]:
                return self._subject("retrohunt_job", identifier)
            case ["GET", "collections", identifier]:
                return self._subject("collection", identifier)
        return _not_found(asked.path)

    def _entity(self, kind: str, identifier: str) -> Item | None:
        entity = self._entities.get((kind, identifier))
        if entity is None or not self.reassesses:
            return entity
        age = self.clock() - self._raised.get((kind, identifier), self.clock())
        return {**entity, "attributes": assessments.assessed_at(entity["attributes"], identifier, age)}

    def _told(self, kind: str, identifier: str, asked: Asked) -> _Answer:
        """A comment or a vote, of which a user has one of each entity."""
        if (kind, identifier) not in self._entities:
            return _not_found(identifier)
        what = asked.path.rsplit("/", 1)[1][:-1]
        try:
            data = json.loads(asked.body)["data"]
            said = data["attributes"]["text" if what == "comment" else "verdict"]
        except (ValueError, KeyError, TypeError):
            return _error(400, "BadRequestError", "Invalid object")
        if data.get("type") != what or not said or (what == "vote" and said not in ("harmless", "malicious")):
            return _error(400, "InvalidArgumentError", f"Invalid {what}")
        if what == "vote" and (what, kind, identifier) in {each[:3] for each in self.told}:
            return _error(409, "AlreadyExistsError", "Entity already exists")
        self.told.append((what, kind, identifier, said))
        return _Answer(200, {"data": {**data, "id": f"{what}-{len(self.told)}"}})

    def _techniques(self, identifier: str) -> _Answer:
        entity = self._entity("file", identifier)
        if entity is None:
            return _not_found(identifier)
        is_bad = assessments.verdict_of(entity["attributes"]) in ("VERDICT_MALICIOUS", "VERDICT_SUSPICIOUS")
        return _Answer(200, {"data": assessments.techniques(identifier) if is_bad else {}})

    def _stream(self, asked: Asked) -> _Answer:
        query = Query.of(dict(asked.args), self._generation)
        matching = self._matching(query.filter)
        items, more = query.page(matching)
        meta: Item = {"count": len(matching)}
        url = f"{_PUBLIC}/ioc_stream"
        links = {"self": f"{url}?{asked.raw_query}" if asked.raw_query else url}
        if more:
            meta["cursor"] = query.cursor(items[-1], self._generation)
            links["next"] = f"{url}?{urlencode({**asked.args, 'cursor': meta['cursor']})}"
        keys = ("type", "id", "context_attributes") if query.descriptors_only else None
        data = [{k: v for k, v in _seen(item, asked).items() if keys is None or k in keys} for item in items]
        return _Answer(200, {"data": data, "meta": meta, "links": links})

    def _notification(self, method: str, identifier: str) -> _Answer:
        found = next((item for item in self._items if context(item).get("notification_id") == identifier), None)
        if found is None:
            return _not_found(identifier)
        if method == "DELETE":
            self._keep([item for item in self._items if item is not found])
            return _Answer(200)
        said = context(found)
        info = said.get("hunting_info")
        attributes = {
            "origin": said.get("origin"),
            "entity_id": found["id"],
            "entity_type": found["type"],
            # The names differ between the two shapes: what the stream calls match_source is not here.
            "hunting_info": info and {key: value for key, value in info.items() if key != "match_source"},
            "tags": said.get("tags"),
            "sources": [{k: v for k, v in source.items() if k != "label"} for source in said.get("sources") or ()],
            "date": said.get("notification_date"),
        }
        link = f"{_PUBLIC}/ioc_stream_notifications/{quote(identifier, safe='')}"
        data = {"type": "ioc_stream_notification", "id": identifier, "attributes": attributes, "links": {"self": link}}
        return _Answer(200, {"data": data})

    def _quotas(self, name: str) -> _Answer:
        if name not in (self._user, self.key):
            return _not_found(name)
        daily = {"allowed": self.allowed, "used": self.used}
        monthly = {"allowed": self.allowed * 31, "used": self.used}
        spans = {"hourly": daily, "daily": daily, "monthly": monthly}
        return _Answer(200, {"data": {f"api_requests_{span}": {"user": numbers} for span, numbers in spans.items()}})

    def _subject(self, kind: str, identifier: str) -> _Answer:
        status, attributes = self.subjects.get((kind, identifier), (404, {}))
        if status == HTTPStatus.FORBIDDEN:
            return _error(403, "ForbiddenError", "You are not authorized to perform the requested operation")
        if status != HTTPStatus.OK:
            return _not_found(identifier)
        data = {"type": kind, "id": identifier, "links": {"self": f"{_PUBLIC}{_PLACES[kind]}/{identifier}"}}
        return _Answer(200, {"data": {**data, "attributes": attributes}})

    def _keep(self, items: list[Item]) -> None:
        self._items = sorted(items, key=position)
        self._matches.clear()

    def _matching(self, wanted: str) -> list[Item]:
        """What matches a filter, by position; remembered, since a walk asks with the same one for each page."""
        if wanted not in self._matches:
            fits = matcher(wanted)
            self._matches = {wanted: [item for item in self._items if fits(item)]}
        return self._matches[wanted]

    def _know(self, item: Item) -> None:
        """Keep an item's entity under every id that the API takes for it."""
        kind, identifier = item.get("type"), item.get("id")
        attributes = item.get("attributes")
        if not isinstance(kind, str) or not isinstance(identifier, str) or not isinstance(attributes, dict):
            return
        entity: Item = {key: item[key] for key in ("type", "id", "links", "attributes") if key in item}
        aliases = {identifier}
        url = attributes.get("url") if kind == "url" else None
        if isinstance(url, str):
            entity["id"] = hashlib.sha256(url.encode()).hexdigest()
            aliases = {entity["id"], base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")}
        elif kind == "file":
            aliases |= {str(attributes[name]) for name in ("md5", "sha1") if name in attributes}
        for alias in aliases:
            self._entities[kind, alias] = entity
            self._raised[kind, alias] = position(item)[0]


def _seen(item: Item, asked: Asked) -> Item:
    """An entity as this request may see it: the assessment is for tools that name themselves."""
    if "x-tool" in asked.headers or "gti_assessment" not in (item.get("attributes") or {}):
        return item
    attributes = {key: value for key, value in item["attributes"].items() if key != "gti_assessment"}
    return {**item, "attributes": attributes}


def _cut(response: Response, size: int) -> Response:
    """The same answer, of which only the first bytes arrive."""
    whole = response.get_data()

    def chunks() -> Iterator[bytes]:
        yield whole[:size]

    cut = Response(chunks(), response.status_code, dict(response.headers))
    cut.headers["Content-Length"] = str(len(whole))
    return cut


def _error(status: int, code: str, message: str) -> _Answer:
    return _Answer(status, {"error": {"code": code, "message": message}})


def _not_found(what: str) -> _Answer:
    return _error(404, "NotFoundError", f'Resource "{what}" not found')
