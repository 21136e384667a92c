"""Request bodies: limited in bytes, seconds and values, and JSON."""

import asyncio
import contextlib
from email.message import Message

import orjson
from fastapi import Request
from starlette.requests import ClientDisconnect

from connector.model import Json
from connector.server.audit import record_of
from connector.server.memory import share_of
from connector.server.problems import Problem
from connector.settings.server import ServerSettings
from connector.values import jsontext

MAX_VALUES = 100_000
"""Values in a body, counted by its commas and brackets. Each takes up to 250 bytes of memory, however short it is."""
_EXPANSION = 8
"""How many times as much memory as the body its values take, as a rule."""
_SMALL_BYTES = 64 * 1024
"""So much is parsed while everybody waits: to hand it to a thread takes as long."""
_MAX_DIGITS = 18


async def json_object(request: Request, settings: ServerSettings) -> dict[str, Json]:
    """The JSON object of a request; an empty one for an empty body.

    Raises:
        Problem: it is larger than allowed, too slow, or no JSON object.
    """
    length = _length(request)
    if length is None or length > settings.max_body_bytes:  # of one that does not say it: it may be as long as any
        length = settings.max_body_bytes
    await share_of(request).take(record_of(request).token, length * _EXPANSION)
    body = await _read(request, settings)
    if not body:
        return {}
    _must_be_json(request.headers.get("content-type"))
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise Problem(
            "too_large",
            f"the body has more than {MAX_VALUES:,} values",
            "Send fewer; a notification has some thousands.",
        )
    try:
        value = await _decoded(body)
    except ValueError as error:
        raise Problem("invalid_json", f"the body is not JSON: {error}", "Send a JSON object.") from None
    if not isinstance(value, dict):
        raise Problem("invalid_parameters", "the body is not a JSON object", "Send the parameters as a JSON object.")
    return value


async def _decoded(body: bytes) -> Json:
    """Its value; raises ValueError when it is not JSON, and cannot be mended to be."""
    if len(body) <= _SMALL_BYTES:
        with contextlib.suppress(ValueError):
            return orjson.loads(body)
    # To mend it may take a hundred times as long as to parse it.
    return await asyncio.to_thread(jsontext.decode, body)


def _length(request: Request) -> int | None:
    """How many bytes it says that its body has; None when it comes in chunks."""
    told = request.headers.get("content-length", "0")
    is_number = told.isascii() and told.isdigit()
    return int(told[:_MAX_DIGITS]) if is_number and "transfer-encoding" not in request.headers else None


async def _read(request: Request, settings: ServerSettings) -> bytes:
    limit = settings.max_body_bytes
    too_large = Problem(
        "too_large",
        f"the body has more than {limit} bytes",
        "Send less; server.max_body_bytes in the configuration is the limit.",
        headers=[("Connection", "close")],
    )
    if (_length(request) or 0) > limit:
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
    except ClientDisconnect:  # nobody reads the answer, but the audit has it
        raise Problem("invalid_request", "the client hung up before its body was complete", "Send it again.") from None
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
