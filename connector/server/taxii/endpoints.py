"""The collections of this connector, read over TAXII 2.1: a server that nobody but the connector writes to.

(docs.oasis-open.org/cti/taxii/v2.1/os; the sections named here are of that text.)
"""

import asyncio
import hashlib
import re
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from http import HTTPStatus
from typing import Any, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from connector import telemetry
from connector.model import CollectedObject
from connector.ports import Collections
from connector.server.audit import record_of
from connector.server.memory import share_of
from connector.server.taxii.answer import (
    MEDIA_TYPE,
    ErrorAnswer,
    answered,
    is_known,
    must_accept_taxii,
    redirect,
    resource,
    takes_gzip,
    unchanged,
)
from connector.server.taxii.pages import Page, Pages
from connector.server.taxii.query import OBJECT_ID, Malformed, Query, following, read_query
from connector.server.turns import Turns
from connector.values.timestamps import taxii

PREFIX = "/taxii2"
API_ROOT = f"{PREFIX}/root/"
TITLE = "IoC-Stream Connector"
STIX_MEDIA_TYPE = "application/stix+json;version=2.1"
MAX_PAGE_BYTES = 2 * 1024 * 1024
"""A page ends after so many bytes, even if more objects were asked for: it is in memory until the client has it."""
MAX_READING = 16
"""How many answers are made at once, but for the one that each token always has."""
MAX_READING_EACH = 4
"""How many answers are made at once for one token."""
TURN_SECONDS = 20
"""How long a request waits for its turn."""
MAX_THREADS = 256
MAX_AUDITED = 200
"""How many characters of an id are written to the audit: anything may be asked for."""
MAX_CONTENT_LENGTH = 1024 * 1024
"""An API root must state it, although nothing can be added here."""

FIELDS = {
    "objects": ("id", "type", "version", "spec_version"),
    "manifest": ("id", "type", "version", "spec_version"),
    "object": ("version", "spec_version"),
    "versions": ("spec_version",),
}
"""What `match[…]` may name, by resource (sections 5.3, 5.4, 5.6 and 5.8)."""


class Reader(Protocol):
    """Whoever asks, once they have said who they are."""

    @property
    def name(self) -> str:
        """Their name: requests of one name share a few places."""
        ...

    def may_read(self, collection: str) -> bool:
        """Whether they may read the collection of this name."""
        ...


@dataclass(frozen=True)
class Published:
    """A collection that is served."""

    name: str
    title: str
    description: str | None = None

    @cached_property
    def id(self) -> str:
        """A UUIDv4 made from the name: the same wherever and whenever the collection is served (section 5.2.1)."""
        digest = hashlib.sha256(b"iocstream collection " + self.name.encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))


class TaxiiServer:
    """All that is below `/taxii2/`, as an ASGI application.

    Made without FastAPI, which takes several times as long to find and call an endpoint as the journal for a page.
    """

    def __init__(
        self,
        published: Sequence[Published],
        collections: Collections,
        authenticate: Callable[[Request], Awaitable[Reader]],
    ) -> None:
        """Serve.

        Args:
            published: in the order in which they are listed.
            collections: where their objects are.
            authenticate: finds out who asks; raises Problem when the request does not say.
        """
        self._authenticate = authenticate
        self._threads = ThreadPoolExecutor(MAX_THREADS, "taxii")
        self._turns = Turns(MAX_READING, MAX_READING_EACH, TURN_SECONDS)
        serving = Endpoints(published, collections)
        self._resources = [
            (
                compile_path(f"{PREFIX}{each.path}")[0],
                {method: partial(answer, serving) for method, answer in each.methods.items()},
            )
            for each in RESOURCES
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        request = Request(scope)
        answer = await answered(self._answer(request), request)
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        # The login comes first, so that nobody learns anything without one. No body is ever read.
        record = record_of(request)
        match, methods = self._resource(request.scope["path"])
        answer = methods.get("GET" if request.method == "HEAD" else request.method)
        if match is not None and answer is not None:
            named = {name: value[:MAX_AUDITED] for name, value in match.groupdict().items()}
            record.begin("taxii_read", resource=answer.func.__name__, **named)
        request.state.reader = await self._authenticate(request)
        must_accept_taxii(request)
        if match is None:
            if request.method in ("GET", "HEAD") and not request.scope["path"].endswith("/"):
                return redirect(request)
            raise ErrorAnswer(HTTPStatus.NOT_FOUND, f"there is no such resource; discovery is at {PREFIX}/")
        if answer is None:
            allow = ", ".join(["GET", "HEAD", *(method for method in methods if method != "GET")])
            raise ErrorAnswer(HTTPStatus.METHOD_NOT_ALLOWED, "this can only be read", [("Allow", allow)])
        loop = asyncio.get_running_loop()
        reader = request.state.reader.name
        await share_of(request).take(reader, MAX_PAGE_BYTES)
        await self._turns.take(reader)
        try:
            return await loop.run_in_executor(self._threads, partial(answer, request, **match.groupdict()))
        finally:
            self._turns.give_back(reader)

    def _resource(self, path: str) -> tuple[re.Match[str] | None, Mapping[str, partial[Response]]]:
        """Which resource a path is of, and what answers its methods."""
        for pattern, methods in self._resources:
            if match := pattern.fullmatch(path):
                return match, methods
        return None, {}


class Endpoints:
    """What each resource answers."""

    def __init__(self, published: Sequence[Published], collections: Collections) -> None:
        self._published = published
        self._by_key = {key: each for each in published for key in (each.name, each.id)}
        self._collections = collections
        self._pages = Pages()

    def discovery(self, request: Request) -> Response:
        """Where the API root is (section 4.1)."""
        return resource(request, {"title": TITLE, "default": API_ROOT, "api_roots": [API_ROOT]})

    def api_root(self, request: Request) -> Response:
        """What the API root serves (section 4.2)."""
        found = {"title": TITLE, "versions": [MEDIA_TYPE], "max_content_length": MAX_CONTENT_LENGTH}
        return resource(request, found)

    def status(self, request: Request, status_id: str) -> Response:  # noqa: ARG002 -- endpoints are called alike
        """The status of what a client has added, which is nothing (section 4.3)."""
        raise ErrorAnswer(HTTPStatus.NOT_FOUND, "there is no such status: nothing can be added here")

    def collections(self, request: Request) -> Response:
        """The collections that the client may read (section 5.1)."""
        found = [_described(each) for each in self._published if request.state.reader.may_read(each.name)]
        if self._published and not found:
            raise ErrorAnswer(HTTPStatus.FORBIDDEN, "this login may read no collection: give it the scope taxii")
        return resource(request, {"collections": found} if found else {})

    def collection(self, request: Request, collection_id: str) -> Response:
        """One collection, by id or alias (section 5.2)."""
        return resource(request, _described(self._readable(request, collection_id)))

    def manifest(self, request: Request, collection_id: str) -> Response:
        """Which versions of which objects there are (section 5.3)."""
        published = self._readable(request, collection_id)

        def page(query: Query) -> tuple[bytes, Sequence[CollectedObject], bool]:
            found, more = self._collections.manifest(published.name, query.selection, query.limit)
            return b'"objects":' + orjson.dumps([_record(each) for each in found]), found, more

        return self._page(request, published, "manifest", page)

    def objects(self, request: Request, collection_id: str) -> Response:
        """The objects (section 5.4)."""
        published = self._readable(request, collection_id)
        return self._page(request, published, "objects", lambda query: self._envelope(published, query))

    def add_objects(self, request: Request, collection_id: str) -> Response:
        """Refused, since clients cannot add objects here (section 5.5)."""
        self._readable(request, collection_id)
        raise ErrorAnswer(HTTPStatus.FORBIDDEN, "this collection can only be read: nothing can be added")

    def object(self, request: Request, collection_id: str, object_id: str) -> Response:
        """One object (section 5.6)."""
        published = self._readable(request, collection_id)
        self._must_hold(published, object_id)
        only = frozenset((object_id,))
        return self._page(
            request, published, "object", lambda query: self._envelope(published, query.among(only)), object_id
        )

    def delete_object(self, request: Request, collection_id: str, object_id: str) -> Response:  # noqa: ARG002
        """Refused, since clients cannot delete objects here (section 5.7)."""
        self._readable(request, collection_id)
        raise ErrorAnswer(HTTPStatus.FORBIDDEN, "this collection can only be read: nothing can be deleted")

    def versions(self, request: Request, collection_id: str, object_id: str) -> Response:
        """Which versions of one object there are (section 5.8)."""
        published = self._readable(request, collection_id)
        self._must_hold(published, object_id)
        only = frozenset((object_id,))

        def page(query: Query) -> tuple[bytes, Sequence[CollectedObject], bool]:
            selection = query.among(only, every=True).selection
            found, more = self._collections.manifest(published.name, selection, query.limit)
            return b'"versions":' + orjson.dumps([each.version for each in found]), found, more

        return self._page(request, published, "versions", page, object_id)

    def _readable(self, request: Request, key: str) -> Published:
        found = self._by_key.get(key)
        if found is None or not request.state.reader.may_read(found.name):
            raise ErrorAnswer(HTTPStatus.NOT_FOUND, "there is no such collection, or this login may not read it")
        record_of(request).about["collection"] = found.name
        return found

    def _must_hold(self, published: Published, object_id: str) -> None:
        if not OBJECT_ID.fullmatch(object_id) or not self._collections.holds(published.name, object_id):
            raise ErrorAnswer(HTTPStatus.NOT_FOUND, "there is no such object in this collection")

    def _envelope(self, published: Published, query: Query) -> tuple[bytes, Sequence[CollectedObject], bool]:
        found, more = self._collections.objects(published.name, query.selection, query.limit, MAX_PAGE_BYTES)
        for each in found:
            if each.damaged:
                telemetry.logger().error("object_damaged", collection=published.name, id=each.id, version=each.version)
        # The objects are JSON as they are: nothing is parsed, and their bytes stay the same for every client.
        return b'"objects":[%s]' % b",".join([each.body for each in found if not each.damaged]), found, more

    def _page(
        self,
        request: Request,
        published: Published,
        kind: str,
        page: Callable[[Query], tuple[bytes, Sequence[CollectedObject], bool]],
        object_id: str = "",
    ) -> Response:
        target = f"{kind} {published.id} {object_id}"
        try:
            query = read_query(request.query_params.multi_items(), target, FIELDS[kind])
        except Malformed as error:
            raise ErrorAnswer(HTTPStatus.BAD_REQUEST, str(error)) from None
        # Made before the page is read: if something changes in between, the tag is too old, and the client asks again.
        tag = _tag(target, self._collections.state(published.name), query)
        if is_known(request, tag):
            return unchanged(tag)
        compressed = takes_gzip(request)
        made = self._pages.get(tag, compressed=compressed)
        if made is None:
            made = self._made(request, target, query, page, tag)
            self._pages.put(tag, made, compressed=compressed)
        record_of(request).about["objects"] = made.objects
        return made.response

    def _made(
        self,
        request: Request,
        target: str,
        query: Query,
        page: Callable[[Query], tuple[bytes, Sequence[CollectedObject], bool]],
        tag: str,
    ) -> Page:
        content, found, more = (b"", (), False) if query.nothing else page(query)
        if not found:
            return Page(resource(request, {}, tag=tag), 0)
        ahead = b""
        if more:
            ahead = b'"more":true,"next":"%s",' % following(query, target, found[-1].added).encode()
        headers = {
            "X-TAXII-Date-Added-First": taxii(found[0].added),
            "X-TAXII-Date-Added-Last": taxii(found[-1].added),
        }
        return Page(resource(request, b"{%s%s}" % (ahead, content), headers, tag), len(found))


def _described(each: Published) -> dict[str, Any]:
    return {
        "id": each.id,
        "title": each.title,
        **({} if each.description is None else {"description": each.description}),
        "alias": each.name,
        "can_read": True,
        "can_write": False,
        "media_types": [STIX_MEDIA_TYPE],
    }


def _record(each: CollectedObject) -> dict[str, str]:
    return {
        "id": each.id,
        "date_added": taxii(each.added),
        "version": each.version,
        "media_type": STIX_MEDIA_TYPE,
    }


def _tag(target: str, state: tuple[int, int], query: Query) -> str:
    """The ETag of an answer to a query about a collection in some state."""
    asked = [target, state, query.limit, query.selection.after, query.filters]
    digest = hashlib.blake2b(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS), digest_size=16)
    return f'W/"{digest.hexdigest()}"'


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource.

    Attributes:
        path: below `/taxii2`.
        methods: what answers, by method. Methods that TAXII has for writing are there to be refused in its own words.
        fields: what `match[…]` may name.
    """

    path: str
    methods: Mapping[str, Callable[..., Response]]
    fields: Collection[str] = ()


_COLLECTION = "/root/collections/{collection_id}/"
RESOURCES = (
    Resource("/", {"GET": Endpoints.discovery}),
    Resource("/root/", {"GET": Endpoints.api_root}),
    Resource("/root/status/{status_id}/", {"GET": Endpoints.status}),
    Resource("/root/collections/", {"GET": Endpoints.collections}),
    Resource(_COLLECTION, {"GET": Endpoints.collection}),
    Resource(f"{_COLLECTION}manifest/", {"GET": Endpoints.manifest}, FIELDS["manifest"]),
    Resource(f"{_COLLECTION}objects/", {"GET": Endpoints.objects, "POST": Endpoints.add_objects}, FIELDS["objects"]),
    Resource(
        f"{_COLLECTION}objects/{{object_id}}/",
        {"GET": Endpoints.object, "DELETE": Endpoints.delete_object},
        FIELDS["object"],
    ),
    Resource(f"{_COLLECTION}objects/{{object_id}}/versions/", {"GET": Endpoints.versions}, FIELDS["versions"]),
)
