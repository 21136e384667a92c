"""JSON Lines: any document, as one line of JSON (RFC 8259)."""

import json
import math
from types import MappingProxyType

import orjson

from connector.model import Document, Json, JsonObject, Refused
from connector.plugin import CONTRACT, FormatKind
from connector.values.display import undeceiving

_NUL = b"\\u0000"
"""How JSON writes U+0000. The text `\\u0000` has these bytes in it as well; `_without_nul` leaves that as it is."""


class JsonFormat:
    """Implements `connector.ports.Format` for JSON."""

    names: JsonObject = MappingProxyType({})

    def quote(self, key: str, value: Json) -> str:
        """The value as text; `encode` escapes the whole text afterwards."""
        if isinstance(value, str):
            return value
        if isinstance(value, dict | list) or (isinstance(value, float) and not math.isfinite(value)):
            raise Refused(f"{key}: only text, finite numbers, true and false can stand inside text", by="format")
        return json.dumps(value)

    def encode(self, document: Document) -> bytes:
        """One line of UTF-8, without what receivers cannot store or show as it is.

        U+0000 goes, lone surrogates become `?`, and what nobody sees and deceives (`DECEPTIVE`) a blank.

        Raises:
            Refused: it holds a number that is not finite, which JSON does not have, or is nested too deeply.
        """
        try:
            line = orjson.dumps(document)
        except orjson.JSONEncodeError:
            return undeceiving(_encode_odd(document))
        if _NUL in line:
            line = orjson.dumps(_without_nul(document))
        # orjson writes null for a number that is not finite, so only a line with null can hide one.
        if b"null" in line and _holds_non_finite(document):
            raise Refused("the document holds a number that is not finite, which JSON cannot write", by="format")
        return undeceiving(line)


def _encode_odd(document: Document) -> bytes:
    """For what orjson refuses and JSON allows: lone surrogates, integers beyond 64 bits."""
    try:
        text = json.dumps(_without_nul(document), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError, RecursionError) as error:
        raise Refused(f"the document cannot be written as JSON: {error}", by="format") from error
    return text.encode("utf-8", "replace")


def _without_nul(value: Json) -> Json:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value


def _holds_non_finite(value: Json) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, float):
            if not math.isfinite(item):
                return True
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False


KIND = FormatKind(contract=CONTRACT, make=lambda _: JsonFormat())
