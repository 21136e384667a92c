"""The TAXII server in the OpenAPI document."""

from collections.abc import Collection
from http import HTTPStatus
from typing import Any, cast

from fastapi import APIRouter
from starlette.responses import Response

from connector.ports import Collections
from connector.server.authentication import SECURITY
from connector.server.taxii.answer import MEDIA_TYPE
from connector.server.taxii.endpoints import PREFIX, RESOURCES, Endpoints

TAG = "TAXII 2.1"


class _TaxiiResponse(Response):
    media_type = MEDIA_TYPE


def described() -> APIRouter:
    """Its resources, as FastAPI describes them; `connector.server.taxii.endpoints.TaxiiServer` is what serves them."""
    made = APIRouter(prefix=PREFIX, tags=[TAG], dependencies=SECURITY)
    resources = Endpoints((), cast("Collections", None))  # never called: only described
    for each in RESOURCES:
        for method, answer in each.methods.items():
            has_parameters = method == "GET" and bool(each.fields)
            made.add_api_route(
                each.path,
                answer.__get__(resources),
                methods=[method],
                response_class=_TaxiiResponse,
                status_code=HTTPStatus.OK if method == "GET" else HTTPStatus.FORBIDDEN,
                responses=_answers(method, has_parameters=has_parameters),
                openapi_extra={"parameters": _parameters(each.fields)} if has_parameters else None,
            )
    return made


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
