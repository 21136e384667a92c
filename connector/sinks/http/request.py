"""Messages made into requests, as a receiver's file says."""

import gzip
import hashlib
import hmac
import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

import orjson
from pydantic import SecretStr

from connector.mapping.compilation.checking import Scope
from connector.mapping.language.placeholders import Placeholder
from connector.mapping.template import Evaluated, NoValue, compile_template, compile_text
from connector.model import Json, JsonObject, Message
from connector.settings.yamldoc import YamlDocument, YamlPath
from connector.sinks.http.receiver_file import Call, ReceiverFile, item_scope, request_scope
from connector.values import jsontext
from connector.values.timestamps import timestamp

_FAST = 1  # of nine levels of compression: what comes after it gains little, and costs twice as much
_ENVELOPED = "${{ messages }}"
_HERE = "\N{OBJECT REPLACEMENT CHARACTER} the messages \N{OBJECT REPLACEMENT CHARACTER}"


class Made(NamedTuple):
    """A request, ready to be sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class Limits(NamedTuple):
    """How much goes into one request."""

    messages: int
    bytes: int


class CallMaker:
    """Makes requests that bring no messages.

    Args:
        document, path: where in a receiver's file the request stands.
        call: what it says.
        scope: what its expressions may name.

    Raises:
        Misconfigured: an expression is wrong, whatever it is given.
    """

    def __init__(self, document: YamlDocument, path: YamlPath, call: Call, scope: Scope) -> None:
        self._method = call.method
        self._url = compile_text(document, (*path, "url"), call.url, scope, _in_address)
        self._headers = compile_template(document, (*path, "headers"), dict(call.headers), scope)
        has_body = call.body is not None
        self._body = compile_template(document, (*path, "body"), call.body, scope) if has_body else None

    def made(self, names: JsonObject) -> Made:
        """The request. Raises NoValue when an expression does not fit what it is given."""
        headers = _headers(self._headers, names)
        if self._body is None:
            return Made(self._method, self._url(names), headers, None)
        body = orjson.dumps(self._body(names))
        return Made(self._method, self._url(names), {"Content-Type": "application/json", **headers}, body)


class RequestMaker:
    """Makes the requests that bring messages.

    Args:
        document, file: the receiver's file, and what it says.

    Raises:
        Misconfigured: an expression is wrong, whatever it is given.
    """

    def __init__(self, document: YamlDocument, file: ReceiverFile) -> None:
        path: YamlPath = ("request",)
        request, batch, scope = file.request, file.batch, request_scope(file)
        self._request = request
        self._reads_document = "document" in request.model_dump_json()  # in an expression, or by chance
        self._most = Limits(1, batch.bytes) if request.framing == "one" else Limits(batch.messages, batch.bytes)
        self._url = compile_text(document, (*path, "url"), request.url, scope, _in_address)
        self._headers = compile_template(document, (*path, "headers"), dict(request.headers), scope)
        self._item: Evaluated | None = None
        if request.item is not None:
            self._item = compile_template(document, (*path, "item"), request.item, item_scope(file))
        self._action: Evaluated | None = None
        if request.action is not None:
            self._action = compile_template(document, (*path, "action"), request.action, scope)
        self._envelope: Evaluated | None = None
        if request.framing == "envelope":
            marked, count = _marked(request.envelope)
            if count != 1:
                raise document.error((*path, "envelope"), f"{_ENVELOPED} must stand in it once, as a value of its own")
            self._envelope = compile_template(document, (*path, "envelope"), marked, scope)

    def fitting(self, messages: Sequence[Message], limits: Limits) -> int:
        """How many of these, from the first on, a request may hold; one in any case, if there is one."""
        most = min(self._most.messages, limits.messages)
        left = min(self._most.bytes, limits.bytes)
        for count, message in enumerate(itertools.islice(messages, most)):
            left -= len(message.body)
            if left < 0:
                return max(count, 1)
        return min(most, len(messages))

    def made(self, messages: Sequence[Message], names: JsonObject, signing_key: SecretStr | None = None) -> Made:
        """The request that brings these. Raises NoValue when an expression does not fit what it is given."""
        body = self._body(messages, names)
        names = self._with(names, messages[0])
        headers = {"Content-Type": self._request.media_type, **_headers(self._headers, names)}
        if self._request.gzip:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, _FAST, mtime=0)
        signature = self._request.signature
        if signature is not None and signing_key is not None:
            key = signing_key.get_secret_value().encode()
            headers[signature.header] = signature.prefix + hmac.new(key, body, hashlib.sha256).hexdigest()
        return Made(self._request.method, self._url(names), headers, body)

    def _body(self, messages: Sequence[Message], names: JsonObject) -> bytes:
        bodies = [self._item_of(message, names) for message in messages]
        match self._request.framing:
            case "one":
                return bodies[0]
            case "array":
                return b"[" + b",".join(bodies) + b"]"
            case "concatenated":
                return b"".join(bodies)
            case "envelope":
                return self._enveloped(bodies, self._with(names, messages[0]))
        if self._action is None:
            return b"\n".join(bodies) + b"\n"
        action = self._action
        lines = (
            orjson.dumps(action(self._with(names, message))) + b"\n" + body + b"\n"
            for message, body in zip(messages, bodies, strict=True)
        )
        return b"".join(lines)

    def _with(self, names: JsonObject, message: Message) -> JsonObject:
        return with_message(names, message, reads_document=self._reads_document)

    def _item_of(self, message: Message, names: JsonObject) -> bytes:
        if self._item is None:
            return message.body
        item = self._item(self._with(names, message))
        if isinstance(item, dict):
            item = {name: value for name, value in item.items() if value is not None}
        return orjson.dumps(item)

    def _enveloped(self, bodies: Sequence[bytes], names: JsonObject) -> bytes:
        assert self._envelope is not None  # noqa: S101 -- as the framing says
        before, _, after = orjson.dumps(self._envelope(names)).partition(orjson.dumps(_HERE))
        return before + b"[" + b",".join(bodies) + b"]" + after


def with_message(names: JsonObject, message: Message, *, reads_document: bool = True) -> JsonObject:
    """The names, and those of a message: `message`, and `document`, null unless that is read and JSON."""
    document = _document(message) if reads_document else None
    return {**names, "message": _described(message), "document": document}


def _document(message: Message) -> Json:
    try:
        return jsontext.decode(message.body)
    except ValueError:
        return None


def _described(message: Message) -> JsonObject:
    return {
        "id": message.id,
        "version": message.version,
        "time": message.time,
        "timestamp": timestamp(message.time),
        "digest": hashlib.sha256(message.body).hexdigest(),
    }


def _marked(envelope: Json) -> tuple[Json, int]:
    """The envelope with a mark where the messages come, and how many marks there are."""
    if envelope == _ENVELOPED:
        return _HERE, 1
    if isinstance(envelope, dict):
        marked = {key: _marked(value) for key, value in envelope.items()}
        return {key: value for key, (value, _) in marked.items()}, sum(count for _, count in marked.values())
    if isinstance(envelope, list):
        items = [_marked(value) for value in envelope]
        return [value for value, _ in items], sum(count for _, count in items)
    return envelope, 0


def _in_address(placeholder: Placeholder, value: str) -> str:
    """What is written into an address: such that no value leads elsewhere than to a path below it."""
    if placeholder.expression == "url":  # that of the sink, which the rest is put to
        return value
    if not {".", ".."}.isdisjoint(value.split("/")):
        raise NoValue(f"`{placeholder.expression}` would lead to another address: it has a part that is . or ..")
    return quote(value, safe="/")


def _headers(make: Evaluated, names: JsonObject) -> dict[str, str]:
    found = make(names)
    headers = {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}
    for name, value in headers.items():
        if not value.isprintable() or not value.isascii():
            raise NoValue(f"the value for the header {name} holds characters that no HTTP header can carry")
    return headers
