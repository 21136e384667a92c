"""Errors as problem details (RFC 9457): one shape for all of them, and never a traceback or a secret."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from connector import telemetry
from connector.actions.envelope import ErrorDetail, error_detail
from connector.model import ConnectorError
from connector.server.audit import record_of

MEDIA_TYPE = "application/problem+json"

STATUSES: Mapping[str, HTTPStatus] = {
    "invalid_json": HTTPStatus.BAD_REQUEST,
    "invalid_request": HTTPStatus.BAD_REQUEST,
    "unauthenticated": HTTPStatus.UNAUTHORIZED,
    "forbidden": HTTPStatus.FORBIDDEN,
    "not_found": HTTPStatus.NOT_FOUND,
    "method_not_allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "too_slow": HTTPStatus.REQUEST_TIMEOUT,
    "served_elsewhere": HTTPStatus.CONFLICT,
    "not_delivered": HTTPStatus.CONFLICT,
    "misdirected": HTTPStatus.MISDIRECTED_REQUEST,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "unsupported_media_type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "invalid_parameters": HTTPStatus.UNPROCESSABLE_ENTITY,
    "rejected": HTTPStatus.UNPROCESSABLE_ENTITY,
    "quota_spent": HTTPStatus.TOO_MANY_REQUESTS,
    "rate_limited": HTTPStatus.TOO_MANY_REQUESTS,
    "misconfigured": HTTPStatus.INTERNAL_SERVER_ERROR,
    "internal": HTTPStatus.INTERNAL_SERVER_ERROR,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "busy": HTTPStatus.SERVICE_UNAVAILABLE,
    "timed_out": HTTPStatus.GATEWAY_TIMEOUT,
}
"""The HTTP status of each code."""


class ProblemDetails(BaseModel):
    """Why a request was not fulfilled (RFC 9457)."""

    model_config = ConfigDict(frozen=True)

    type: Literal["about:blank"] = "about:blank"
    title: str = Field(description="The HTTP status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened, in a sentence.")
    code: str = Field(description="What kind of thing, for machines.")
    remedy: str = Field(description="What to do about it.")
    errors: list[ErrorDetail] = Field(default_factory=list, description="Each fault, when there are several.")


class Problem(Exception):
    """A request that is not fulfilled; answered as problem details.

    Attributes:
        details: the body.
        headers: to be sent with it.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        remedy: str,
        *,
        status: int | None = None,
        headers: Sequence[tuple[str, str]] = (),
        errors: Sequence[ErrorDetail] = (),
    ) -> None:
        super().__init__(detail)
        number = HTTPStatus(status or STATUSES[code])
        self.details = ProblemDetails(
            title=number.phrase, status=number, detail=detail, code=code, remedy=remedy, errors=list(errors)
        )
        self.headers = headers

    def answer(self, request: Request) -> Response:
        """The answer to a request, whose audit hears of it."""
        record_of(request).told(self.details.code)
        return self.response()

    def response(self) -> Response:
        """The answer."""
        body = self.details.model_dump_json(exclude_defaults=True, exclude_none=True)
        # `type` has its default, and would be left out.
        body = '{"type":"about:blank",' + body[1:]
        answer = Response(body, self.details.status, media_type=MEDIA_TYPE)
        answer.headers["Cache-Control"] = "no-store"
        for name, value in self.headers:
            answer.headers.append(name, value)
        return answer


def problem_of(errors: Sequence[ErrorDetail]) -> Problem:
    """The problem of an action that has no result."""
    first = errors[0]
    wait = first.retry_after_seconds
    headers = [("Retry-After", str(max(1, round(wait))))] if wait is not None else []
    return Problem(first.code, first.cause, first.remedy, headers=headers, errors=errors if len(errors) > 1 else ())


def install(application: FastAPI) -> None:
    """Have an application answer every error as problem details."""
    application.add_exception_handler(Problem, _problem)
    application.add_exception_handler(HTTPException, _http_exception)
    application.add_exception_handler(RequestValidationError, _invalid)
    application.add_exception_handler(ConnectorError, _connector_error)
    application.add_exception_handler(Exception, _bug)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 -- what the handler is installed for
    return error.answer(request)


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 -- likewise
    path = request.url.path
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            code, detail, remedy = "not_found", f"there is nothing at {path!r}", "GET /openapi.json says what there is."
        case HTTPStatus.METHOD_NOT_ALLOWED:
            code, detail = "method_not_allowed", f"{path!r} does not take {request.method}"
            remedy = "The header Allow says what it takes."
        case _:
            code, detail, remedy = "invalid_request", str(error.detail), "Correct the request."
    headers = list((error.headers or {}).items())
    return Problem(code, detail, remedy, status=error.status_code, headers=headers).response()


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 -- likewise
    faults = [
        ErrorDetail.of("invalid_parameters", ".".join(str(part) for part in fault["loc"]) + f": {fault['msg']}")
        for fault in error.errors()
    ]
    return problem_of(faults).response()


async def _connector_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ConnectorError)  # noqa: S101 -- likewise
    return problem_of([error_detail(error)]).response()


async def _bug(request: Request, error: Exception) -> Response:
    return bug(request, error).response()


def bug(request: Request, error: Exception) -> Problem:
    """The answer to a request that failed because of a bug, which goes to the log."""
    telemetry.logger().error("request_failed", method=request.method, path=request.url.path, exc_info=error)
    return Problem(
        "internal",
        "a bug in this program; its log has the details",
        "Report it, with that part of the log.",
    )


def responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """What an OpenAPI document says of these codes' answers."""
    by_status: dict[int | str, list[str]] = {}
    for code in codes:
        by_status.setdefault(int(STATUSES[code]), []).append(code)
    return {
        status: {
            "description": f"{HTTPStatus(int(status)).phrase}: {', '.join(named)}",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
        }
        for status, named in sorted(by_status.items(), key=lambda item: int(item[0]))
    }
