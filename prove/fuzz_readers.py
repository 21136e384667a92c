"""What others write, mutated, before everything of ours that reads it: each is read or refused in words, and no more.

Pages of VirusTotal and gzip through the HTTP client's own reading, TAXII statuses, RELP answers, configurations and
mappings. A traceback, or a message without words, is a defect.
"""

import gzip
import io
import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson
import requests
import urllib3

from connector import configuration, kinds, mapping
from connector.clients import http
from connector.clients.hiding import Hiding
from connector.model import Misconfigured, Refused, Unavailable
from connector.settings import config, yamldoc
from connector.settings.producer import Producer
from connector.sinks.syslog import relp_frame
from connector.sinks.taxii import status_resource
from connector.sources.bodies import unpacked
from connector.values import jsontext
from prove.nursery import ROOT

_SPICE = (
    *(b"", b"\0", b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b"\n", b"\r\n", b"\t", b" ", b"-", b"'", b"`", b"@"),
    *(b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\\ud800", b"1e999", b"-0", b"9" * 400),
    *(b"null", b"true", b"${{ ", b" }}", b"${X}", b"&a", b"*a", b"<<: ", b"|", b"? ", b"!!python/object:x ", b"--- "),
    *(
        b"[" * 300,
        b'{"a":' * 300,
        b"200 OK",
        b"rsp ",
        b"serverclose 0\n",
        b"999999999 ",
        b"\x1f\x8b\x08",
        b"\0\0\0\xff\xff",
    ),
)
_EXPECTED = (Misconfigured, Unavailable, Refused)


class Target(NamedTuple):
    """Something that reads, and honest examples of what it reads."""

    read: Callable[[bytes], Any]
    examples: list[bytes]


def _answer(raw: bytes, headers: Mapping[str, str]) -> bytes:
    answer = requests.Response()
    answer.headers.update(headers)
    answer.raw = urllib3.HTTPResponse(io.BytesIO(raw), preload_content=False)
    return http._body(answer, "host", http.MAX_BODY_BYTES, Hiding(), lambda _: True)  # noqa: SLF001 -- all but the socket


def _page(text: bytes) -> None:
    try:
        value = jsontext.decode(_answer(text, {}), jsontext.MAX_DECODED_BYTES)
    except orjson.JSONDecodeError as error:
        offset, _ = jsontext.fault(text, error)
        assert 0 <= offset <= len(text)
    except jsontext.TooManyValues:
        pass
    else:
        if isinstance(value, dict | list):
            for body in unpacked(value):
                orjson.dumps(body)


def _gzip(text: bytes) -> None:
    _answer(text, {"Content-Encoding": "gzip"})


def _status(text: bytes) -> None:
    try:
        body = jsontext.decode(text, jsontext.MAX_DECODED_BYTES)
    except ValueError:
        return
    status_resource.judge(status_resource.read(body), ())


def _relp(text: bytes) -> None:
    reader = relp_frame.FrameReader()
    try:
        for start in range(0, len(text), 7):
            for frame in reader.feed(text[start : start + 7]):
                relp_frame.answer(frame)
    except relp_frame.BrokenFrame:
        pass


def _configuration(text: bytes) -> None:
    document = yamldoc.parse(text.decode("utf-8", "replace"), "fuzz.yaml")
    config.validate(document, configuration.Config, config.Placeholders(ROOT, {"VT_API_KEY": "k"}))


def _mapping(text: bytes) -> None:
    mapping.compile_mapping(yamldoc.parse(text.decode("utf-8", "replace"), "fuzz.yaml"), kinds.make_formats(Producer()))


def targets() -> dict[str, Target]:
    """What reads, by name."""
    pages = [path.read_bytes() for path in sorted((ROOT / "mappings/examples/inputs").glob("*.json"))]
    failed = b'{"id":"indicator--1","version":"2024-01-01T00:00:00Z","message":"no"}'
    counts = b'"total_count":2,"success_count":1,"failure_count":1,"pending_count":0'
    statuses = [
        b'{"id":"1","status":"complete",%b,"failures":[%b]}' % (counts, failed),
        b'{"id":"2","status":"pending","pendings":[{"id":"a"}]}',
    ]
    answers = [b"1 rsp 30 200 OK\nrelp_version=0\ncommands=a\n2 rsp 6 200 OK\n", b"0 serverclose 0\n"]
    configurations = [path.read_bytes() for path in sorted((ROOT / "examples").glob("**/iocstream.yaml"))]
    mappings = [(ROOT / f"mappings/{name}.yaml").read_bytes() for name in ("json", "leef")]
    return {
        "pages": Target(_page, pages),
        "gzip": Target(_gzip, [gzip.compress(each) for each in pages[:5]]),
        "TAXII statuses": Target(_status, statuses),
        "RELP answers": Target(_relp, answers),
        "configurations": Target(_configuration, configurations),
        "mappings": Target(_mapping, mappings),
    }


def mutated(chance: random.Random, text: bytes) -> bytes:
    """With a few changes somewhere: bytes, pieces of it elsewhere or twice, and what is spicy."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(text) + 1)
        end = min(len(text), at + chance.choice((0, 0, 1, 5, 50)))
        start = chance.randrange(len(text) + 1)
        insert = chance.choice((chance.choice(_SPICE), chance.randbytes(2), text[start : start + chance.randrange(60)]))
        text = text[:at] + insert + text[end:]
    return text


def fuzz_readers(seed: int, count: int) -> tuple[int, list[str]]:
    """So many inputs for each target: how many were refused, and what must not be, at most a few."""
    chance = random.Random(seed)
    refused, wrong = 0, []
    for name, (read, examples) in targets().items():
        for _ in range(count if name not in ("configurations", "mappings") else count // 20):
            text = mutated(chance, chance.choice(examples))
            try:
                read(text)
            except _EXPECTED as error:
                refused += 1
                if not str(error).strip():
                    wrong.append(f"{name}: refused without a word: {text[:300]!r}")
            except Exception as error:  # noqa: BLE001 -- whatever it is must be shown with what brought it about
                wrong.append(f"{name}: {type(error).__name__}: {error} for {text!r:.600}")
            if len(wrong) > 9:
                return refused, wrong
    return refused, wrong
