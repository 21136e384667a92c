"""Request bodies: limited in bytes and seconds, and JSON."""

import asyncio
from email.message import Message

from fastapi import Request

from connector.model import Json
from connector.server.problems import Problem
from connector.settings.server import ServerSettings
from connector.values import jsontext


async def json_object(request: Request, settings: ServerSettings) -> dict[str, Json]:
    """The JSON object of a request; an empty one for an empty body.

    Raises:
        Problem: it is larger than allowed, too slow, or no JSON object.
    """
    body = await _read(request, settings)
    if not body:
        return {}
    _must_be_json(request.headers.get("content-type"))
    try:
        value = jsontext.decode(body)
    except ValueError as error:
        raise Problem("invalid_json", f"the body is not JSON: {error}", "Send a JSON object.") from None
    if not isinstance(value, dict):
        raise Problem("invalid_parameters", "the body is not a JSON object", "Send the parameters as a JSON object.")
    return value


async def _read(request: Request, settings: ServerSettings) -> bytes:
    limit = settings.max_body_bytes
    too_large = Problem(
        "too_large",
        f"the body has more than {limit} bytes",
        "Send less; server.max_body_bytes in the configuration is the limit.",
        headers=[("Connection", "close")],
    )
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and int(said[:18]) > limit:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(settings.request_seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise too_large
                chunks.append(chunk)
    except TimeoutError:
        raise Problem(
            "too_slow",
            f"the body did not arrive within {settings.request_seconds:g} s",
            "Send it faster; server.request_seconds in the configuration is the limit.",
            headers=[("Connection", "close")],
        ) from None
    return b"".join(chunks)


def _must_be_json(content_type: str | None) -> None:
    # A page of another site can send other types, but not this one, without a CORS preflight, which is not granted.
    message = Message()
    message["content-type"] = content_type or ""
    kind = message.get_content_type() if content_type else ""
    if kind != "application/json" and not kind.endswith("+json"):
        raise Problem(
            "unsupported_media_type",
            "the body is not sent as JSON",
            "Send the header `Content-Type: application/json`.",
        )
