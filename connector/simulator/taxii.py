"""A small TAXII 2.1 receiver: discovery, one API root, one collection, everything in memory.

As strict as the strictest real servers about headers, slashes and sizes, so that what it takes they take too.
"""

import base64
import hmac
import itertools
import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from werkzeug.wrappers import Request, Response

MEDIA_TYPE = "application/taxii+json;version=2.1"
_ROUTE = re.compile(
    r"/(?:taxii2/|(?P<root>api/)(?:collections/(?:(?P<collection>[^/]+)/(?:(?P<objects>objects/)"
    r"(?:(?P<object>[^/]+)/)?)?)?|status/(?P<status>[^/]+)/)?)\Z"
)


@dataclass(frozen=True, slots=True)
class _Failure:
    """An answer that the receiver gives instead of doing what it was asked.

    Attributes:
        store: whether it takes the objects all the same, as OpenTAXII 0.9 does behind its 500.
    """

    status: int
    title: str = "failing on cue"
    headers: Mapping[str, str] = field(default_factory=dict)
    store: bool = False


class TaxiiReceiver:
    """A WSGI application: serve it with `connector.simulator.wsgi_server`.

    Attributes:
        path: of the collection, below the address that is served; `/taxii2/` is discovery.
        refuse: ids of objects that it reports as failed.
        pending_polls: how often a status is `pending` before it is `complete`.
    """

    path = "/api/collections/5f2c1f3e-7c8e-4c8e-9d2b-8a6a9d1f0c11/"

    def __init__(
        self,
        *,
        username: str,
        password: str,
        title: str = "IoC-Stream",
        max_content_length: int = 10 * 1024 * 1024,
    ) -> None:
        self._login = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
        self._title = title
        self._max_content_length = max_content_length
        self._lock = threading.Lock()
        self._objects: dict[tuple[str, str], dict[str, Any]] = {}
        self._statuses: dict[str, dict[str, Any]] = {}
        self._polls: dict[str, int] = {}
        self._failures: list[_Failure] = []
        self.refuse: set[str] = set()
        self.pending_polls = 0

    def objects(self) -> list[dict[str, Any]]:
        """What it holds: one object for each id and version, in the order of arrival."""
        with self._lock:
            return list(self._objects.values())

    def fail_next(self, status: int, *, times: int = 1, store: bool = False, **headers: str) -> None:
        """Answer the next requests that bring objects with an error; headers as `Retry_After="3"`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with self._lock:
            self._failures += [_Failure(status, headers=named, store=store)] * times

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Answer one request."""
        request = Request(environ)
        request.max_content_length = self._max_content_length
        return self._answer(request)(environ, start_response)

    def _answer(self, request: Request) -> Response:
        # The login comes before anything of the body is read.
        if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), self._login.encode()):
            return _error(401, "a login is needed", {"WWW-Authenticate": 'Basic realm="taxii"'})
        if request.headers.get("Accept") != MEDIA_TYPE:
            return _error(406, f"only {MEDIA_TYPE} is served")
        match = _ROUTE.match(request.path)
        if match is None or (match["collection"] and match["collection"] != self.path.split("/")[-2]):
            return _error(404, "there is no such resource")
        if request.method == "POST" and match["objects"] and not match["object"]:
            return self._add(request)
        if request.method != "GET":
            return _error(405, "this resource cannot be changed")
        with self._lock:
            return self._get(match, request)

    def _get(self, match: re.Match[str], request: Request) -> Response:
        if match["status"]:
            return self._status(match["status"])
        if match["objects"]:
            return self._found(match["object"], request)
        if match["collection"]:
            return _json(200, self._resource())
        if request.path.endswith("/collections/"):
            return _json(200, {"collections": [self._resource()]})
        if match["root"]:
            limit = self._max_content_length
            return _json(200, {"title": "simulator", "versions": [MEDIA_TYPE], "max_content_length": limit})
        return _json(200, {"title": "IoC-Stream Connector's simulator", "default": "/api/", "api_roots": ["/api/"]})

    def _resource(self) -> dict[str, Any]:
        identifier = self.path.split("/")[-2]
        return {"id": identifier, "title": self._title, "alias": "ioc-stream", "can_read": True, "can_write": True}

    def _add(self, request: Request) -> Response:
        refusal = self._unreadable(request)
        if refusal is not None:
            return refusal
        try:
            envelope = orjson.loads(request.get_data())
        except ValueError:
            return _error(400, "the body is not JSON")
        objects = envelope.get("objects") if isinstance(envelope, dict) and "type" not in envelope else None
        if not isinstance(objects, list) or not objects or not all(_is_object(each) for each in objects):
            return _error(422, "the body is not an envelope of objects with id and type")
        with self._lock:
            failure = self._failures.pop(0) if self._failures else None
            if failure is not None and not failure.store:
                return _error(failure.status, failure.title, failure.headers)
            status = self._store(objects)
            if failure is not None:
                return _error(failure.status, failure.title, failure.headers)
            return _json(202, self._shown(status))

    def _unreadable(self, request: Request) -> Response | None:
        if request.headers.get("Content-Type") != MEDIA_TYPE:
            return _error(415, f"only {MEDIA_TYPE} is taken")
        if request.content_length is None or request.headers.get("Content-Encoding"):
            return _error(400, "the body must have a Content-Length and no encoding")
        if request.content_length > self._max_content_length:
            # The body is left unread, so the connection is of no further use.
            return _error(413, f"more than {self._max_content_length} bytes", {"Connection": "close"})
        return None

    def _store(self, objects: list[dict[str, Any]]) -> str:
        successes, failures = [], []
        for each in objects:
            version = _version(each)
            if each["id"] in self.refuse:
                failures.append({"id": each["id"], "version": version, "message": "refused on cue"})
                continue
            self._objects.setdefault((each["id"], version), each)
            successes.append({"id": each["id"], "version": version})
        status_id = str(uuid.uuid4())
        self._polls[status_id] = self.pending_polls
        self._statuses[status_id] = {
            "id": status_id,
            "status": "complete",
            "request_timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "total_count": len(objects),
            "success_count": len(successes),
            "failure_count": len(failures),
            "pending_count": 0,
            **({"successes": successes} if successes else {}),
            **({"failures": failures} if failures else {}),
        }
        return status_id

    def _status(self, status_id: str) -> Response:
        if status_id not in self._statuses:
            return _error(404, "there is no such status")
        self._polls[status_id] = max(0, self._polls[status_id] - 1)
        return _json(200, self._shown(status_id))

    def _shown(self, status_id: str) -> dict[str, Any]:
        status = self._statuses[status_id]
        if self._polls[status_id] == 0:
            return status
        total = status["total_count"]
        counts = {"total_count": total, "success_count": 0, "failure_count": 0, "pending_count": total}
        return {"id": status_id, "status": "pending", "request_timestamp": status["request_timestamp"], **counts}

    def _found(self, object_id: str | None, request: Request) -> Response:
        wanted = request.args.get("match[version]", "last")
        held = [each for (each_id, _), each in self._objects.items() if object_id in (None, each_id)]
        if object_id is not None and not held:
            return _error(404, "there is no such object")
        if wanted != "all":
            by_id: dict[str, dict[str, Any]] = {}
            for each in held:
                if wanted == "last" and _version(by_id.get(each["id"], {})) > _version(each):
                    continue
                if wanted in ("last", _version(each)):
                    by_id[each["id"]] = each
            held = list(by_id.values())
        try:
            start, limit = int(request.args.get("next", 0)), int(request.args.get("limit", 1000))
        except ValueError:
            return _error(400, "next and limit are numbers")
        if start < 0 or limit < 1:
            return _error(400, "next and limit are positive numbers")
        page = list(itertools.islice(held, start, start + limit))
        more = {"more": True, "next": str(start + limit)} if start + limit < len(held) else {}
        return _json(200, {**more, "objects": page} if page else {})


def _is_object(each: Any) -> bool:
    return isinstance(each, dict) and isinstance(each.get("id"), str) and isinstance(each.get("type"), str)


def _version(each: Mapping[str, Any]) -> str:
    return str(each.get("modified") or each.get("created") or "")


def _json(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, content_type=MEDIA_TYPE)


def _error(status: int, title: str, headers: Mapping[str, str] | None = None) -> Response:
    return _json(status, {"title": title, "http_status": str(status)}, headers)
