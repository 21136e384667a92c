"""A format for the IoC-Stream Connector: logfmt, a line of `key=value` pairs."""

import json
import math

from connector.plugin import Document, FormatKind, Json, JsonObject, Producer, Refused


class NewNameFormat:
    """Implements `connector.plugin.Format`: the bytes of a document, and what makes it invalid. No I/O."""

    names: JsonObject = {}
    """What mappings may name beside the notification: nothing."""

    def quote(self, key: str, value: Json) -> str:
        """Write a value as it stands inside other text; `encode` escapes the whole text afterwards."""
        if isinstance(value, str):
            return value
        if isinstance(value, dict | list) or (isinstance(value, float) and not math.isfinite(value)):
            raise Refused(f"{key}: only text, finite numbers, true and false can stand inside text", by="format")
        return json.dumps(value)

    def encode(self, document: Document) -> bytes:
        """Make one line of UTF-8 of a document, or refuse it in a sentence that names the property."""
        pairs = []
        for key, value in document.items():
            if not key.isidentifier():
                raise Refused(f"{key!r} is no key: letters, digits and underscores", by="format")
            if value is not None:
                pairs.append(f"{key}={_quoted(self.quote(key, value))}")
        return " ".join(pairs).encode("utf-8", "replace")


def _quoted(text: str) -> str:
    """Put text into quotation marks if it needs them, with what would break the line escaped."""
    if text and all(character.isalnum() or character in "-._:/@" for character in text):
        return text
    escaped = json.dumps(text, ensure_ascii=False)
    return "".join(each if each.isprintable() else " " for each in escaped)


def make(_: Producer) -> NewNameFormat:
    """Make the format; who signs what a mapping says is of no use to events."""
    return NewNameFormat()


KIND = FormatKind(contract=1, make=make)
