"""Answers in TAXII's media type: resources, errors, compression, and 304 for what has not changed (RFC 9110)."""

import re
import zlib
from collections.abc import Awaitable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import orjson
from starlette.requests import Request
from starlette.responses import Response

from connector import telemetry
from connector.model import ConnectorError, Unavailable
from connector.server.audit import record_of
from connector.server.problems import Problem, bug

MEDIA_TYPE = "application/taxii+json;version=2.1"
RETRY_SECONDS = 30
MIN_GZIP_BYTES = 1024
GZIP_LEVEL = 1
"""The fastest of 1 to 9: four times as fast as the usual 6, and its output is a sixth larger."""

_COMMON = {
    "Cache-Control": "private, no-cache",
    "Vary": "Accept, Accept-Encoding, Authorization",
}
_GZIP_FORMAT = 16 + zlib.MAX_WBITS
_QUALITY = re.compile(r"[01](\.[0-9]{0,3})?")


class ErrorAnswer(Exception):
    """A request that is refused; becomes a TAXII error resource (section 3.6.1)."""

    def __init__(self, status: HTTPStatus, title: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.headers = headers


async def answered(answer: Awaitable[Response], request: Request) -> Response:
    """An answer; where making it fails, the TAXII error resource that says why."""
    try:
        return await answer
    except ErrorAnswer as error:
        return refusal(error.status, error.title, error.headers)
    except Problem as error:
        record_of(request).told(error.details.code)
        return _of_problem(error)
    except Unavailable as error:
        telemetry.logger().warning("taxii_unavailable", message=str(error))
        retry = [("Retry-After", str(RETRY_SECONDS))]
        return refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the journal cannot be read just now", retry)
    except ConnectorError as error:
        telemetry.logger().error("taxii_failed", message=str(error))
        said = "the journal cannot be read until a person acts; the log of the server says why"
        return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, said)
    except Exception as error:  # noqa: BLE001 -- `bug` tells of it
        return _of_problem(bug(request, error))


def _of_problem(problem: Problem) -> Response:
    said = f"{problem.details.detail}. {problem.details.remedy}"
    return refusal(HTTPStatus(problem.details.status), said, problem.headers)


def refusal(status: HTTPStatus, title: str, headers: Sequence[tuple[str, str]] = ()) -> Response:
    """An error resource."""
    body = orjson.dumps({"title": title, "http_status": str(status.value)})
    answer = Response(body, status, _COMMON, media_type=MEDIA_TYPE)
    for name, value in headers:
        answer.headers.append(name, value)
    return answer


def must_accept_taxii(request: Request) -> None:
    """Refuse a client whose Accept header excludes TAXII 2.1. Without a version, or without the header, it does not."""
    ranges = ",".join(request.headers.getlist("accept") or ["*/*"]).split(",")
    if not any(map(_is_taxii, ranges)):
        raise ErrorAnswer(
            HTTPStatus.NOT_ACCEPTABLE, f"this is served only as {MEDIA_TYPE}: send that in the Accept header"
        )


def resource(
    request: Request, value: Any, headers: Mapping[str, str] | None = None, tag: str | None = None
) -> Response:
    """A resource, from a JSON value, or from bytes that are JSON already."""
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    all_headers = {**_COMMON, **(headers or {})}
    if tag is not None:
        all_headers["ETag"] = tag
    if len(body) >= MIN_GZIP_BYTES and takes_gzip(request):
        packer = zlib.compressobj(GZIP_LEVEL, wbits=_GZIP_FORMAT)
        body = packer.compress(body) + packer.flush()
        all_headers["Content-Encoding"] = "gzip"
    return Response(body, HTTPStatus.OK, all_headers, media_type=MEDIA_TYPE)


def is_known(request: Request, tag: str) -> bool:
    """Whether the client already has the answer with this tag (If-None-Match)."""
    known = (each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(","))
    return tag.removeprefix("W/") in known


def redirect(request: Request) -> Response:
    """To the same path with a slash at its end, as every path of TAXII has one (section 3.1)."""
    path = request.scope["path"].rsplit("/", 1)[1]
    query = f"?{request.url.query}" if request.url.query else ""
    headers = {**_COMMON, "Location": quote(path) + "/" + query}
    return Response(status_code=HTTPStatus.PERMANENT_REDIRECT, headers=headers)


def unchanged(tag: str) -> Response:
    """Nothing is new since the client last asked."""
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={**_COMMON, "ETag": tag})


def _is_taxii(media_range: str) -> bool:
    kind, *parameters = (part.strip().lower() for part in media_range.split(";"))
    if kind not in ("application/taxii+json", "application/*", "*/*"):
        return False
    named = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
    version = named.get("version", "2.1").strip('"')
    return version == "2.1" and _is_wanted(named.get("q", "1"))


def takes_gzip(request: Request) -> bool:
    """Whether the client takes an answer that is compressed."""
    for coding in request.headers.get("accept-encoding", "").split(","):
        name, *parameters = (part.strip().lower() for part in coding.split(";"))
        if name in ("gzip", "*"):
            named = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
            return _is_wanted(named.get("q", "1"))
    return False


def _is_wanted(quality: str) -> bool:
    return bool(_QUALITY.fullmatch(quality)) and float(quality) > 0
