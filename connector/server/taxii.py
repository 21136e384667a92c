"""The collections of this connector, read over TAXII 2.1: a server that nobody but the connector writes to.

(docs.oasis-open.org/cti/taxii/v2.1/os; the sections named here are of that text.)
"""

import hashlib
import uuid
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

import orjson
from fastapi import APIRouter, Depends, Request, Response

from connector.model import CollectedObject
from connector.ports import Collections
from connector.server import taxii_query
from connector.server.taxii_answer import (
    MEDIA_TYPE,
    Refused,
    TaxiiResponse,
    TaxiiRoute,
    is_known,
    must_accept_taxii,
    redirect,
    resource,
    unchanged,
)
from connector.server.taxii_query import OBJECT_ID, Malformed, Query
from connector.timestamps import taxii

PREFIX = "/taxii2"
API_ROOT = f"{PREFIX}/root/"
TITLE = "IoC-Stream Connector"
TAG = "TAXII 2.1"
STIX_MEDIA_TYPE = "application/stix+json;version=2.1"
MAX_PAGE_BYTES = 8 * 1024 * 1024
"""After which a page ends, however many objects were asked for."""
MAX_CONTENT_LENGTH = 1024 * 1024
"""What an API root must state, though nothing is taken here."""

_FIELDS = {
    "objects": ("id", "type", "version", "spec_version"),
    "manifest": ("id", "type", "version", "spec_version"),
    "object": ("version", "spec_version"),
    "versions": ("spec_version",),
}
"""What `match[…]` may name, by resource (sections 5.3, 5.4, 5.6 and 5.8)."""


class Reader(Protocol):
    """Whoever asks, once they have said who they are."""

    def may_read(self, collection: str) -> bool:
        """Whether they may read the collection of this name."""
        ...


@dataclass(frozen=True, slots=True)
class Published:
    """A collection that is served."""

    name: str
    title: str
    description: str | None = None

    @property
    def id(self) -> str:
        """A UUIDv4 made from the name: the same wherever and whenever the collection is served (section 5.2.1)."""
        digest = hashlib.sha256(b"iocstream collection " + self.name.encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))


def router(
    published: Sequence[Published], collections: Collections, authenticate: Callable[..., Reader | Awaitable[Reader]]
) -> APIRouter:
    """All that is below `/taxii2/`.

    Args:
        published: in the order in which they are listed.
        collections: where their objects are.
        authenticate: a dependency; raises Problem or HTTPException 401 for those who do not say who they are.
    """

    async def admit(request: Request, reader: Reader = Depends(authenticate)) -> None:  # noqa: B008 -- FastAPI's own way
        # The log-in comes first: whoever has none learns nothing, and no body of theirs is read.
        request.state.reader = reader
        must_accept_taxii(request)

    made = APIRouter(prefix=PREFIX, route_class=TaxiiRoute, tags=[TAG], dependencies=[Depends(admit)])
    serving = _Serving(published, collections)
    root, collection = "/root/", "/root/collections/{collection_id}/"
    _serve(made, "/", serving.discovery)
    _serve(made, root, serving.api_root)
    _serve(made, "/root/status/{status_id}/", serving.status)
    _serve(made, "/root/collections/", serving.collections)
    _serve(made, collection, serving.collection)
    _serve(made, f"{collection}manifest/", serving.manifest, _FIELDS["manifest"])
    _serve(made, f"{collection}objects/", serving.objects, _FIELDS["objects"], POST=serving.add_objects)
    _serve(made, f"{collection}objects/{{object_id}}/", serving.object, _FIELDS["object"], DELETE=serving.delete_object)
    _serve(made, f"{collection}objects/{{object_id}}/versions/", serving.versions, _FIELDS["versions"])
    made.add_api_route("", _elsewhere, methods=_METHODS, include_in_schema=False)
    made.add_api_route("/{path:path}", _elsewhere, methods=_METHODS, include_in_schema=False)
    return made


class _Serving:
    """The endpoints."""

    def __init__(self, published: Sequence[Published], collections: Collections) -> None:
        self._published = published
        self._by_key = {key: each for each in published for key in (each.name, each.id)}
        self._collections = collections

    def discovery(self, request: Request) -> Response:
        """Where the API root is (section 4.1)."""
        return resource(request, {"title": TITLE, "default": API_ROOT, "api_roots": [API_ROOT]})

    def api_root(self, request: Request) -> Response:
        """What the API root serves (section 4.2)."""
        found = {"title": TITLE, "versions": [MEDIA_TYPE], "max_content_length": MAX_CONTENT_LENGTH}
        return resource(request, found)

    def status(self, request: Request, status_id: str) -> Response:  # noqa: ARG002 -- FastAPI hands both over
        """The status of what a client has added, which is nothing (section 4.3)."""
        raise Refused(HTTPStatus.NOT_FOUND, "there is no such status: nothing can be added here")

    def collections(self, request: Request) -> Response:
        """The collections that the client may read (section 5.1)."""
        found = [_described(each) for each in self._published if request.state.reader.may_read(each.name)]
        if self._published and not found:
            raise Refused(HTTPStatus.FORBIDDEN, "this login may read no collection: give it the scope taxii")
        return resource(request, {"collections": found} if found else {})

    def collection(self, request: Request, collection_id: str) -> Response:
        """One collection, by id or alias (section 5.2)."""
        return resource(request, _described(self._readable(request, collection_id)))

    def manifest(self, request: Request, collection_id: str) -> Response:
        """Which versions of which objects there are (section 5.3)."""
        of = self._readable(request, collection_id)

        def page(query: Query) -> tuple[bytes, Sequence[CollectedObject], bool]:
            found, more = self._collections.manifest(of.name, query.selection, query.limit)
            return b'"objects":' + orjson.dumps([_record(each) for each in found]), found, more

        return self._page(request, of, "manifest", page)

    def objects(self, request: Request, collection_id: str) -> Response:
        """The objects (section 5.4)."""
        of = self._readable(request, collection_id)
        return self._page(request, of, "objects", lambda query: self._envelope(of, query))

    def add_objects(self, request: Request, collection_id: str) -> Response:
        """Refused, since clients cannot add objects here (section 5.5)."""
        self._readable(request, collection_id)
        raise Refused(HTTPStatus.FORBIDDEN, "this collection can be read alone: nothing can be added")

    def object(self, request: Request, collection_id: str, object_id: str) -> Response:
        """One object (section 5.6)."""
        of = self._readable(request, collection_id)
        self._must_hold(of, object_id)
        only = frozenset((object_id,))
        return self._page(request, of, "object", lambda query: self._envelope(of, query.among(only)), object_id)

    def delete_object(self, request: Request, collection_id: str, object_id: str) -> Response:  # noqa: ARG002
        """Refused, since clients cannot delete objects here (section 5.7)."""
        self._readable(request, collection_id)
        raise Refused(HTTPStatus.FORBIDDEN, "this collection can be read alone: nothing can be deleted")

    def versions(self, request: Request, collection_id: str, object_id: str) -> Response:
        """Which versions of one object there are (section 5.8)."""
        of = self._readable(request, collection_id)
        self._must_hold(of, object_id)
        only = frozenset((object_id,))

        def page(query: Query) -> tuple[bytes, Sequence[CollectedObject], bool]:
            selection = query.among(only, every=True).selection
            found, more = self._collections.manifest(of.name, selection, query.limit)
            return b'"versions":' + orjson.dumps([each.version for each in found]), found, more

        return self._page(request, of, "versions", page, object_id)

    def _readable(self, request: Request, key: str) -> Published:
        found = self._by_key.get(key)
        if found is None or not request.state.reader.may_read(found.name):
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such collection, or this login may not read it")
        return found

    def _must_hold(self, of: Published, object_id: str) -> None:
        if not OBJECT_ID.fullmatch(object_id) or not self._collections.holds(of.name, object_id):
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such object in this collection")

    def _envelope(self, of: Published, query: Query) -> tuple[bytes, Sequence[CollectedObject], bool]:
        found, more = self._collections.objects(of.name, query.selection, query.limit, MAX_PAGE_BYTES)
        # The objects are JSON as they are: nothing is parsed, and their bytes stay the same for every client.
        return b'"objects":[%s]' % b",".join([each.body for each in found]), found, more

    def _page(
        self,
        request: Request,
        of: Published,
        kind: str,
        page: Callable[[Query], tuple[bytes, Sequence[CollectedObject], bool]],
        object_id: str = "",
    ) -> Response:
        origin = f"{kind} {of.id} {object_id}"
        try:
            query = taxii_query.read(request.query_params.multi_items(), origin, _FIELDS[kind])
        except Malformed as error:
            raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from None
        # Before the page: should something be added in between, the tag is of less than the page has.
        tag = _tag(origin, self._collections.newest(of.name), query)
        if is_known(request, tag):
            return unchanged(tag)
        content, found, more = (b"", (), False) if query.nothing else page(query)
        if not found:
            return resource(request, {}, tag=tag)
        ahead = b""
        if more:
            ahead = b'"more":true,"next":"%s",' % taxii_query.following(query, origin, found[-1].added).encode()
        headers = {
            "X-TAXII-Date-Added-First": taxii(found[0].added),
            "X-TAXII-Date-Added-Last": taxii(found[-1].added),
        }
        return resource(request, b"{%s%s}" % (ahead, content), headers, tag)


_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def _serve(
    made: APIRouter, path: str, get: Callable[..., Response], fields: Collection[str] = (), **refusing: Any
) -> None:
    """One resource: what answers GET, and what refuses what TAXII has and a server that is only read has not."""
    more: dict[str, Any] = {"openapi_extra": {"parameters": _parameters(fields)}} if fields else {}
    for method, answer in {"GET": get, **refusing}.items():
        made.add_api_route(
            path,
            answer,
            methods=[method],
            response_class=TaxiiResponse,
            status_code=HTTPStatus.OK if method == "GET" else HTTPStatus.FORBIDDEN,
            responses=_answers(method, has_parameters=bool(fields) and method == "GET"),
            **(more if method == "GET" else {}),
        )
    made.add_api_route(path, get, methods=["HEAD"], include_in_schema=False)
    others = [method for method in _METHODS if method not in ("GET", "HEAD", *refusing)]
    made.add_api_route(path, _not_allowed("GET", "HEAD", *refusing), methods=others, include_in_schema=False)


def _not_allowed(*methods: str) -> Callable[[], Response]:
    def not_allowed() -> Response:
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "this can be read alone", [("Allow", ", ".join(methods))])

    return not_allowed


def _elsewhere(request: Request) -> Response:
    if request.method in ("GET", "HEAD") and not request.url.path.endswith("/"):
        return redirect(request)
    raise Refused(HTTPStatus.NOT_FOUND, f"there is no such resource; discovery is at {PREFIX}/")


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


def _tag(origin: str, newest: int, query: Query) -> str:
    """What stands for an answer: nothing leaves a collection, so it changes with what was added last alone."""
    asked = [origin, newest, query.limit, query.selection.after, query.filters]
    digest = hashlib.blake2b(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS), digest_size=16)
    return f'W/"{digest.hexdigest()}"'


def _answers(method: str, *, has_parameters: bool) -> dict[int | str, dict[str, Any]]:
    """What a resource may answer, for the OpenAPI document."""
    said = {
        401: "A login is needed.",
        403: "This login may not do this, or nobody may.",
        404: "There is no such resource, or this login may not read it.",
        406: "The client does not accept TAXII 2.1.",
        429: "This login asks too often.",
        503: "The journal cannot be read just now.",
    }
    if has_parameters:
        said |= {304: "Nothing has changed since.", 400: "A parameter is malformed."}
    error = {"type": "object", "required": ["title"], "properties": {"title": {"type": "string"}}}
    answers: dict[int | str, dict[str, Any]] = {
        status: {"description": text, "content": {MEDIA_TYPE: {"schema": error}}} for status, text in said.items()
    }
    if method == "GET":
        answers[200] = {"description": "The resource.", "content": {MEDIA_TYPE: {"schema": {"type": "object"}}}}
    return answers


def _parameters(fields: Collection[str]) -> list[dict[str, Any]]:
    """What a resource takes in its query, for the OpenAPI document."""
    described = {
        "added_after": ("Only what was added after this time.", {"type": "string", "format": "date-time"}),
        "limit": ("At most so many.", {"type": "integer", "minimum": 1}),
        "next": ("Goes on after the page that gave this.", {"type": "string"}),
    }
    for field in fields:
        described[f"match[{field}]"] = (f"Only these values of {field}, separated by commas.", {"type": "string"})
    return [
        {"name": name, "in": "query", "required": False, "description": text, "schema": schema}
        for name, (text, schema) in described.items()
    ]
