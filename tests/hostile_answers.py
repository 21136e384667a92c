"""Answers that cost whoever reads them far more than whoever sends them, over a real socket."""

import contextlib
import functools
import gzip
import itertools
import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote

import zstandard

from connector.clients.http import MAX_BODY_BYTES
from connector.values.jsontext import MAX_DECODED_BYTES, decoded_bytes

MB = 1024 * 1024
PIECE = 64 * 1024

Answer = Callable[[], Iterator[bytes]]
"""Makes the pieces of one whole answer, head and body; it may never end."""

ITEM = b'{"data":[{"id":"x","type":"file","context_attributes":{"notification_id":"1"},"attributes":{"a":['
"""How a page begins that is one notification with a list in it."""
ITEM_END = b"0]}}]}"

UNITS: Mapping[str, bytes] = {
    "lists": b"[],",
    "objects": b"{},",
    "objects of an empty name": b'{"":0},',
    "lists of a list": b"[[[[[[]]]]]],",
    "objects of an object": b'{"a":{"a":{"a":{}}}},',
    "numbers": b"0.5,",
    "texts": b'"ab",',
}
"""Of which a list takes many times the memory of its text."""


def head(status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode()


def times(unit: bytes, size: int) -> bytes:
    return unit * (size // len(unit))


def fullest(unit: bytes, start: bytes = ITEM, end: bytes = ITEM_END) -> bytes:
    """As many of a unit as may be decoded at once."""
    thousand = decoded_bytes(unit * 1000) / 1000
    room = min(MAX_DECODED_BYTES / thousand, MAX_BODY_BYTES / len(unit)) - 1000
    return start + unit * int(room) + end


def of_own_keys() -> bytes:
    return ITEM + b"".join(b'{"k%07d":0},' % number for number in range(300_000)) + ITEM_END


def zipped(text: bytes, *, times: int = 1) -> bytes:
    for _ in range(times):
        text = gzip.compress(text, 5)
    return text


def answer(body: Callable[[], bytes], *headers: str, status: str = "200 OK") -> Answer:
    made = functools.cache(body)
    return lambda: itertools.chain((head(status, *headers),), (made(),))


def bomb(text: Callable[[], bytes], *, status: str = "200 OK") -> Answer:
    """A few kilobytes of gzip."""
    return answer(lambda: zipped(text()), "Content-Encoding: gzip", status=status)


def endless(unit: bytes, start: bytes) -> Answer:
    return lambda: itertools.chain((start,), itertools.repeat(unit * (PIECE // len(unit) + 1)))


def _wide_window() -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    return zstandard.ZstdCompressor(compression_params=parameters).compress(times(b"[],", 100 * MB))


def _error(unit: bytes) -> bytes:
    return b'{"error":{"code":"x","message":[' + times(unit, 30 * MB) + b"0]}}"


CHUNKED = head("200 OK", "Transfer-Encoding: chunked")

ANSWERS: dict[str, Answer] = {
    "30 MB of lists": bomb(lambda: ITEM + times(b"[],", 30 * MB) + ITEM_END),
    "30 MB of objects": bomb(lambda: ITEM + times(b'{"":0},', 30 * MB) + ITEM_END),
    **{f"as many {name} as may be": bomb(lambda unit=unit: fullest(unit)) for name, unit in UNITS.items()},
    "objects with keys of their own": bomb(of_own_keys),
    "more items than a page has": bomb(lambda: fullest(b'{"id":"x","type":"file"},', b'{"data":[', b"0]}")),
    "100 MB of blanks": bomb(lambda: times(b" ", 100 * MB)),
    "one wide text": bomb(lambda: fullest(b"a" * 999, ITEM + '"\U0001f600'.encode(), b'",' + ITEM_END)),
    "escapes in what is not JSON": bomb(lambda: ITEM + b'"' + times(rb"\n", 7 * MB)),
    "halves of pairs in what is not JSON": bomb(lambda: ITEM + b'"' + times(rb"\ud800", 7 * MB)),
    "wide text that is not JSON": bomb(lambda: ITEM + '"\U0001f600'.encode() + times(b"a", 7 * MB)),
    "lists in lists": bomb(lambda: b'{"data":' + times(b"[", 7 * MB)),
    "objects in objects": bomb(lambda: b'{"data":' + times(b'{"a":', 7 * MB)),
    "a number of many digits": bomb(lambda: b'{"data":' + times(b"1", 7 * MB) + b"}"),
    "a fraction of many digits": bomb(lambda: b'{"data":0.' + times(b"1", 7 * MB) + b"}"),
    "gzip within gzip": answer(lambda: zipped(times(b"[],", 100 * MB), times=2), "Content-Encoding: gzip, gzip"),
    "deflate": answer(lambda: zlib.compress(times(b"[],", 30 * MB)), "Content-Encoding: deflate"),
    "zstd with a window of 128 MB": answer(_wide_window, "Content-Encoding: zstd"),
    "an encoding that nobody knows": answer(lambda: times(b"[],", 7 * MB), "Content-Encoding: x-own"),
    "a redirect": bomb(lambda: times(b"[],", 100 * MB), status="302 Found\r\nLocation: /elsewhere"),
    "a refusal": bomb(lambda: _error(b"[],"), status="400 Bad Request"),
    "an outage": bomb(lambda: _error(b"[],"), status="503 Service Unavailable"),
    "a quota used up": bomb(lambda: _error(b"[],"), status="429 Too Many Requests"),
}

ENDLESS: dict[str, Answer] = {
    "empty gzips for ever": endless(gzip.compress(b""), head("200 OK", "Content-Encoding: gzip")),
    "pieces of a byte": endless(b"1\r\n[\r\n", CHUNKED),
    "the length of a piece with no end": endless(b"0", CHUNKED),
    "trailers for ever": endless(b"A: b\r\n", CHUNKED + b"0\r\n"),
    "a status line with no end": endless(b"H", b""),
    "a header with no end": endless(b"y", b"HTTP/1.1 200 OK\r\nX: "),
    "headers for ever": endless(b"X: y\r\n", b"HTTP/1.1 200 OK\r\n"),
    "continue for ever": endless(b"HTTP/1.1 100 Continue\r\n\r\n", b""),
    "blanks for ever": endless(b" ", head()),
}


@contextmanager
def hostile_server(answers: Mapping[str, Answer]) -> Iterator[str]:
    """A server on 127.0.0.1 that answers whatever is asked for below `/NAME/` with the answer of that name.

    What is posted there is answered with that of `POST NAME`, if there is one.
    """
    over = threading.Event()
    known = {quote(name, safe=""): made for name, made in answers.items()}
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        def talk(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                asked = connection.recv(PIECE)
                name = asked.split(b"/", 2)[1].decode()
                posted = known.get(f"POST%20{name}") if asked.startswith(b"POST") else None
                for piece in (posted or known[name])():
                    if over.is_set():
                        return
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def fattest_page(
    unit: bytes, items: int, attribute: bytes, most: int = MAX_BODY_BYTES, most_decoded: int = MAX_DECODED_BYTES
) -> bytes:
    """A page of so many notifications, each with a list of a unit among its attributes, that takes all it may take."""

    def item(number: int, count: int) -> bytes:
        said = b'"notification_id":"%d","notification_date":1760000000,"origin":"hunting"' % number
        start = b'{"id":"%064x","type":"file","context_attributes":{%b},"attributes":{' % (number, said)
        return start + b'"sha256":"%064x","%b":[' % (number, attribute) + unit * count + b'"x"]}}'

    room = most_decoded // items - decoded_bytes(item(1, 0)) - 5000
    count = min(room * 1000 // decoded_bytes(unit * 1000), most // items // len(unit) - 100)
    return b'{"data":[' + b",".join(item(number, count) for number in range(1, items + 1)) + b"]}"
