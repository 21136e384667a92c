"""A million malformed notifications through both formats.

No traceback; STIX that holds by its own format's checks, and on a sample by stix2's strict ones; CEF lines that
Vector's parser (pyVRL) and rsyslog's (liblognorm) read alike.
"""

import itertools
import multiprocessing
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from connector import configuration, notification
from connector.model import Notification
from connector.pipeline.convert import convert
from connector.settings.producer import Producer
from connector.sources.bodies import storable
from connector.values import jsontext
from prove import parties
from prove.canaries import Sweep
from prove.conduct import behave
from prove.defects import noticed
from prove.figures import Figure, must
from prove.fuzz_readers import fuzz_readers
from prove.nursery import ROOT

BATCH = 500
STRICT_SHARE = 0.01
"""Of the notifications whose STIX objects stix2 parses too; it takes milliseconds for each."""

_FRAGMENTS = (
    *("", " ", "\0", "'", '"', "\\", "\\\\", "=", "|", "\n", "\r\n", "\t", "\x1b[31m", "\x85", "\u2028", "\ufeff"),
    *("\u202e", "é", "\u03f2", "😀", "\ud7ff", "\ufffd", "\u00a0", "%00", "%7C", "{}", "${{ x }}", "<!--", "]]>"),
    *("' OR '1'='1", "[file:name = 'x']", "CEF:0|a|b|1|c|d|5|", " src=1.2.3.4 ", "\\n", "\\=", "a=b c=d", "*begin_*"),
    *(
        "x" * 300,
        "=" * 40,
        "\\" * 41,
        "é" * 700,
        "127.0.0.1",
        "999.1.1.1",
        "2001:db8::1",
        "::ffff:1.2.3.4",
        "fe80::1%eth0",
    ),
    *(
        "a.example",
        "xn--",
        "-a-.example",
        "a..b",
        "." * 260,
        "http://[::1",
        "https://exa mple.com/ä?b=[c]",
        "file:///etc",
    ),
    *("f" * 64, "f" * 63, "F" * 64, "g" * 64, "0" * 32, "TR", "VERDICT_MALICIOUS", "SEVERITY_HIGH", "hunting", "file"),
    *("2023-01-01T00:00:00Z", "nan", "inf", "1e999", "None", "null", "0x10", "010", "SURROGATE"),
)
_OTHERS = tuple(
    orjson.dumps(value)
    for value in (
        *(None, True, False, 0, 1, -1, 2**31, 2**31 - 1, 2**53, 2**63 - 1, -(2**63), 2**64 - 1, 253_402_300_799),
        *(
            253_402_300_800,
            0.0,
            -0.0,
            1.5,
            1e308,
            5e-324,
            [],
            {},
            [[]],
            [{}],
            {"": ""},
            [None],
            ["a", "a"],
            {"value": None},
        ),
        *({"value": {"value": []}}, [1, "2", None, {}], {"a": {"b": {"c": {"d": []}}}}),
    )
)
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_SURROGATES = (b"\\ud83d", b"\\udc00", b"\\ud83d\\ud83d", b"\\ude00\\ud83d")


@dataclass(slots=True)
class Findings:
    """What came of so many notifications.

    Attributes:
        wrong: what must not be, with the notification that brings it about; at most a few.
        read: CEF lines that both parsers read.
        strict: STIX objects that stix2 parsed.
    """

    notifications: int = 0
    not_json: int = 0
    stix: int = 0
    cef: int = 0
    refused: int = 0
    read: int = 0
    strict: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, other: "Findings") -> None:
        """Add those of another process."""
        for name in ("notifications", "not_json", "stix", "cef", "refused", "read", "strict"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.wrong += other.wrong
        self.seconds = max(self.seconds, other.seconds)


class Mutator:
    """Makes odd notifications out of the mappings' examples and the simulator's."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        inputs = sorted((ROOT / "mappings" / "examples" / "inputs").glob("*.json"))
        bodies = [orjson.loads(path.read_bytes()) for path in inputs]
        bodies += parties.notifications(60, seed=1, now=1_700_000_000)
        self._bases = [(orjson.dumps(body), [path for path in _paths(body) if path]) for body in bodies]

    def text(self) -> bytes:
        """One notification as JSON text, sometimes broken JSON."""
        chance = self._chance
        base, paths = chance.choice(self._bases)
        body = orjson.loads(base)
        for _ in range(chance.choice((1, 1, 2, 3, 6))):
            self._change(body, chance.choice(paths))
        text = orjson.dumps(body)
        if b"SURROGATE" in text:
            text = text.replace(b"SURROGATE", chance.choice(_SURROGATES))
        if chance.random() < 0.02:
            at = chance.randrange(len(text))
            text = text[:at] + chance.randbytes(chance.randrange(1, 4)) + text[at + 1 :]
        return text

    def _change(self, body: Any, path: tuple[Any, ...]) -> None:
        holder = body
        try:
            for key in path[:-1]:
                holder = holder[key]
            value = holder[path[-1]]
        except (KeyError, IndexError, TypeError):
            return  # an earlier change took it away
        if not isinstance(holder, dict | list):
            return
        if self._chance.random() < 0.1:
            del holder[path[-1]]
        else:
            holder[path[-1]] = self._instead(value)

    def _instead(self, value: Any) -> Any:  # noqa: PLR0911 -- a return for each way to be odd
        chance = self._chance
        match chance.randrange(8):
            case 0 | 1:
                return orjson.loads(chance.choice(_OTHERS))
            case 2:
                return chance.choice(_FRAGMENTS)
            case 3:
                return [value]
            case 4:
                return "".join(chance.choices(_FRAGMENTS, k=chance.randrange(1, 6)))
        if isinstance(value, str):
            at = chance.randrange(len(value) + 1)
            return value[:at] + chance.choice(_FRAGMENTS) + value[at:]
        if isinstance(value, list) and value:
            return [*value, chance.choice(value), orjson.loads(chance.choice(_OTHERS))]
        if isinstance(value, int | float) and abs(value) < 2**53:
            return chance.choice((-value, value * 1000, value + 0.5, str(value), value // 7))
        return orjson.loads(chance.choice(_OTHERS))


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from _paths(child, (*path, key))


class Readers:
    """Two CEF parsers of other people."""

    def __init__(self, folder: Path) -> None:
        try:
            import pyvrl  # noqa: PLC0415 -- has no build for Python 3.13
        except ImportError:
            raise parties.Missing("pyVRL has no build for this Python") from None
        program = shutil.which("lognormalizer")
        if program is None:
            raise parties.Missing("needs lognormalizer, of Debian's package liblognorm-utils")
        self._vector = pyvrl.Transform(". = parse_cef!(.message)")
        rules = folder / "cef.rulebase"
        rules.write_text("version=2\nrule=:%f:cef%\n")
        self._liblognorm = [program, "-r", str(rules), "-e", "json"]

    def differences(self, lines: Sequence[bytes]) -> Iterator[str]:
        """The lines that the two read differently, or that one of them cannot read."""
        # 2.0.6 loses the first letter of a key right after the last pipe; a blank there helps it.
        spaced = [re.sub(rb"^((?:[^|]*\|){7})", rb"\1 ", line) for line in lines]
        done = subprocess.run(
            self._liblognorm, input=b"\n".join(spaced) + b"\n", capture_output=True, check=True, timeout=120
        )
        found = done.stdout.splitlines()
        if len(found) != len(lines):
            yield f"liblognorm read {len(found)} events in {len(lines)} lines"
            return
        for line, event in zip(lines, found, strict=True):
            one, other = self._by_vector(line), _by_liblognorm(event)
            if one is None or one != other:
                yield f"read differently: {line!r}: {one} against {other}"

    def _by_vector(self, line: bytes) -> dict[str, str] | None:
        try:
            event: dict[str, str] = self._vector.remap({"message": line.decode()})
        except Exception:  # noqa: BLE001 -- pyVRL raises nothing more precise
            return None
        event.pop("cefVersion", None)
        return event


def _by_liblognorm(text: bytes) -> dict[str, str] | None:
    event = orjson.loads(text).get("f")
    if event is None:
        return None
    extension = event.pop("Extensions")
    names = {
        "DeviceVendor": "deviceVendor",
        "DeviceProduct": "deviceProduct",
        "DeviceVersion": "deviceVersion",
        "SignatureID": "deviceEventClassId",
        "Name": "name",
        "Severity": "severity",
    }
    return {**{names[name]: value for name, value in event.items()}, **extension}


def fuzz(seed: int, count: int, defect: str = "") -> Findings:
    """So many notifications, in this process."""
    if defect:
        behave({defect: 1})
    started = time.monotonic()
    found = Findings()
    mutator = Mutator(seed)
    mappings = {name: configuration.load_mapping(name, Producer()) for name in ("stix21", "cef")}
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        readers = Readers(Path(folder))
        while found.notifications < count:
            texts = [mutator.text() for _ in range(min(BATCH, count - found.notifications))]
            found.notifications += len(texts)
            items = list(_read(texts, found))
            for message in _converted(items, mappings["stix21"], found):
                found.stix += 1
                _check_stix(message, found, strict=chance.random() < STRICT_SHARE)
            lines = list(_converted(items, mappings["cef"], found))
            found.cef += len(lines)
            for line in lines:
                if _CONTROL.search(line) or len(line.decode().splitlines()) != 1:
                    _note(found, f"not one line: {line!r}")
            if lines:
                found.read += len(lines)
                for difference in itertools.islice(readers.differences(lines), 3):
                    _note(found, difference)
    found.seconds = time.monotonic() - started
    return found


def _note(found: Findings, wrong: str) -> None:
    if len(found.wrong) < 10:
        found.wrong.append(wrong[:1500])


def _bug(error: Exception) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} at {Path(where.filename).name}:{where.lineno} in {where.name}"


def _read(texts: Sequence[bytes], found: Findings) -> Iterator[Notification]:
    for text in texts:
        try:
            yield notification.read(storable(jsontext.decode(text)))
        except ValueError:
            found.not_json += 1
        except Exception as error:  # noqa: BLE001 -- whatever it is must be shown with what brought it about
            _note(found, f"{_bug(error)} for {text!r}")


def _converted(items: Sequence[Notification], mapping: Any, found: Findings) -> Iterator[bytes]:
    try:
        conversions = list(convert(items, mapping))
    except Exception as error:  # noqa: BLE001 -- likewise
        if len(items) == 1:
            _note(found, f"{_bug(error)} for {items[0].body!r}")
        else:
            for item in items:
                yield from _converted([item], mapping, found)
        return
    for conversion in conversions:
        if conversion.refusal is not None:
            found.refused += 1
            if conversion.messages or not str(conversion.refusal):
                _note(found, f"refused, and yet sent: {conversion.entry.notification.body!r}")
        for message in conversion.messages:
            yield message.body


def _check_stix(body: bytes, found: Findings, *, strict: bool) -> None:
    # The format has checked the rest; these are what a SIEM's JSON reader would fail on.
    if b"\n" in body or (b"\\u0000" in body and b"\\u0000" in body.replace(b"\\\\", b"")):
        _note(found, f"U+0000 or a line feed: {body!r}")
    document = orjson.loads(body)
    if not document["id"].startswith(document["type"] + "--"):
        _note(found, f"the id is not of the type: {body!r}")
    if strict:
        import stix2  # noqa: PLC0415 -- slow to import, and not needed where nothing is strict

        found.strict += 1
        try:
            stix2.parse(body.decode(), allow_custom=False, version="2.1")
        except Exception as error:  # noqa: BLE001 -- stix2 raises many
            _note(found, f"stix2: {error}: {body!r}")


def all_processors(seed: int, count: int, defect: str = "") -> Findings:
    """The same on every processor."""
    processes = parties.processors()
    shares = [count // processes] * processes
    total = Findings()
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        seeds = range(seed, seed + processes)
        for found in pool.map(fuzz, seeds, shares, [defect] * processes):
            total.add(found)
    return total


def prove(folder: Path, seed: int, *, quick: bool, sweep: Sweep) -> list[Figure]:  # noqa: ARG001 -- as every part
    """The figures of the fuzzing, and of the defects that it must notice."""
    wanted = 20_000 if quick else 1_000_000
    found = all_processors(seed, wanted)
    rate = found.notifications / found.seconds
    figures = [
        must(
            "Fuzzed notifications through both formats",
            f"{found.notifications:,} in {found.seconds:.0f} s ({rate:,.0f}/s), {found.refused:,} refusals",
            f"{wanted:,}",
            kept=found.notifications >= wanted,
        ),
        _faultless(found),
        Figure("… STIX objects, all by the format's checks", f"{found.stix:,}"),
        must(
            "… of them parsed by stix2, strictly",
            f"{found.strict:,} ({found.strict / max(found.stix, 1):.1%})",
            "at least 0.9 %",
            kept=found.strict >= 0.009 * found.stix,
        ),
        must(
            "… CEF lines read alike by Vector and liblognorm",
            f"{found.read:,} of {found.cef:,}",
            "all",
            kept=found.read == found.cef and not found.wrong,
        ),
    ]
    figures += [must("… found", text[:300], "nothing", kept=False) for text in found.wrong[:5]]
    refused, wrong = fuzz_readers(seed, 2_000 if quick else 50_000)
    figures.append(
        must(
            "Fuzzed pages, gzip, TAXII statuses, RELP answers, configurations, mappings: not read and not refused",
            f"{len(wrong)}; {refused:,} refusals",
            "0",
            kept=not wrong,
        )
    )
    figures += [must("… found", text[:300], "nothing", kept=False) for text in wrong[:5]]
    for defect in ("unescaped", "unchecked"):
        worse = all_processors(seed, 2000 if quick else 10_000, defect)
        figures.append(noticed(defect, [_faultless(worse)]))
    return figures


def _faultless(found: Findings) -> Figure:
    count = len(found.wrong)
    return must("… tracebacks, invalid output, lines read differently", str(count), "0", kept=count == 0)


if __name__ == "__main__":
    print(fuzz(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
