"""Whether conversion gives the same bytes as that of another checkout.

    bench/conversion_same.py OTHER_CHECKOUT [COUNT [FOLDER]]

Of examples, samples and simulated notifications, for every mapping with every profile: the bytes of `emit` and of
`withdraw`, and each refusal in its words. Of the simulated notifications every other one is spoilt somewhere, so that
expressions meet what they do not expect, and every tenth has the 25 kB of a real file. FOLDER may hold answers of the
API (`*.json`), which are converted too.
"""

import copy
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

HERE = Path(__file__).resolve().parents[1]
ODD = (
    None,
    True,
    0,
    -1,
    2.5,
    "",
    "x",
    " a=b|c\\d ",
    "2001:db8::1",
    "\ud800\x00",
    [],
    {},
    [None],
    ["a", 1],
    {"id": "x"},
)
SPOILT_AT_MOST = 4
LARGE_EACH = 10
AT = "2026-01-01T00:00:00.000Z"


def main() -> None:
    """Have both checkouts convert the same, and compare."""
    other, count = Path(sys.argv[1]).resolve(), sys.argv[2] if len(sys.argv) > 2 else "10000"  # noqa: PLR2004
    running = [
        subprocess.Popen(
            [sys.executable, __file__, "--convert", count, *sys.argv[3:]],
            env={**os.environ, "PYTHONPATH": f"{checkout}:{HERE / 'tests'}"},
            cwd=checkout,
            stdout=subprocess.PIPE,
        )
        for checkout in (HERE, other)
    ]
    streams = [process.stdout for process in running if process.stdout is not None]
    converted: dict[str, int] = {}
    differing = 0
    for mine, theirs in zip(*streams, strict=True):
        one, two = json.loads(mine), json.loads(theirs)
        if one["seconds"]:
            print(f"{one['mapping']}: {one['seconds']:.2f} s of processor time, the other {two['seconds']:.2f} s")
            continue
        converted[one["mapping"]] = converted.get(one["mapping"], 0) + 1
        if one != two:
            differing += 1
            if differing <= 20:  # noqa: PLR2004
                print(f"{one}\n{two}\n")
    if any(process.wait() for process in running):
        raise SystemExit("a checkout ended with an error")
    print(f"{sum(converted.values()):,} conversions by {len(converted)} mappings and profiles: {differing} differ")
    raise SystemExit(differing > 0)


def _convert(count: int, folders: list[str]) -> None:
    from connector import configuration, notification  # noqa: PLC0415 -- of the checkout that PYTHONPATH names
    from connector.mapping.files import bundled_mappings, profiles  # noqa: PLC0415
    from connector.model import Refused  # noqa: PLC0415

    views = []
    for name, body in _bodies(count, folders):
        try:
            views.append((name, notification.view(notification.read(body))))
        except Refused:
            continue  # which no mapping has seen
    for name, path in bundled_mappings().items():
        for profile in (None, *profiles(path)):
            mapping = configuration.load_mapping(name, profile=profile)
            title = f"{name}-{profile}" if profile else name
            began = time.process_time()
            for body, view in views:
                _print(mapping=title, body=body, made=_made(mapping, view), seconds=0)
            _print(mapping=title, body="", made="", seconds=time.process_time() - began)


def _print(**line: Any) -> None:
    print(json.dumps(line))


def _made(mapping: Any, view: Any) -> str:
    from connector.model import NOT_CLAIMED, Refused  # noqa: PLC0415 -- as above

    try:
        rendering = mapping.rendering(view)
        if rendering is None:
            return "not wanted"
        documents = list(rendering.documents)
        if mapping.withdraws:
            for alone in (True, False):
                documents += mapping.withdrawal(rendering, NOT_CLAIMED, alone=alone)
        made = [_encoded(mapping, document) for document in documents]
        kinds = [type(document).__name__ for document in documents]
        whole = b"\n".join([*made, repr((kinds, rendering.claims)).encode()])
        return f"{len(documents)} {hashlib.sha256(whole).hexdigest()}"
    except Refused as refused:
        return f"refused: {refused}".replace(str(Path.cwd()), "")


def _encoded(mapping: Any, document: Any) -> bytes:
    if "created_by_ref" in document:
        document["created"] = document["modified"] = AT
    found: bytes = mapping.format.encode(document)
    return found


def _bodies(count: int, folders: list[str]) -> Iterator[tuple[str, Any]]:
    from simulated_notifications import bodies  # noqa: PLC0415 -- of the tests

    for path in sorted((HERE / "mappings" / "examples" / "inputs").glob("*.json")):
        yield path.stem, orjson.loads(path.read_bytes())
    for folder in folders:
        for path in sorted(Path(folder).glob("*.json")):
            try:
                answer = json.loads(path.read_bytes())
            except ValueError:  # captures are not always whole
                continue
            yield from ((f"{path.stem} {index}", body) for index, body in enumerate(_within(answer)))
    rng = random.Random(7)
    for index, body in enumerate(bodies(count)):
        sized = body if index % LARGE_EACH else _large(body, rng)
        yield f"simulated {index}", sized if index % 2 != index // LARGE_EACH % 2 else _spoilt(sized, rng)


def _large(body: Any, rng: random.Random) -> Any:
    """The same with what makes most of a real file's size: what each engine and the tools say of it."""
    engines = {
        f"Engine {number}": {
            "method": "blacklist",
            "engine_version": f"{rng.randrange(99)}.{rng.randrange(99)}",
            "category": rng.choice(("malicious", "undetected")),
            "result": rng.choice((None, f"Trojan.{rng.getrandbits(32):x}")),
        }
        for number in range(76)
    }
    imports = [
        {"library_name": f"{library}.dll", "imported_functions": [f"Call{rng.getrandbits(32):x}" for _ in range(40)]}
        for library in range(20)
    ]
    more = {"last_analysis_results": engines, "import_list": imports}
    return {**body, "attributes": {**(body.get("attributes") or {}), **more}}


def _within(answer: Any) -> Iterator[Any]:
    """What looks like a notification, at any depth."""
    if isinstance(answer, dict):
        if "context_attributes" in answer or answer.get("type") == "ioc_stream_notification":
            yield answer
            return
        answer = list(answer.values())
    if isinstance(answer, list):
        for each in answer:
            yield from _within(each)


def _spoilt(body: Any, rng: random.Random) -> Any:
    body = copy.deepcopy(body)
    for _ in range(rng.randrange(1, SPOILT_AT_MOST)):
        places = list(_places(body))
        holder, key = rng.choice(places)
        holder[key] = copy.deepcopy(rng.choice(ODD))
    return body


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in members:
        yield value, key
        if isinstance(member, dict | list):
            yield from _places(member)


if __name__ == "__main__":
    if sys.argv[1] == "--convert":
        _convert(int(sys.argv[2]), sys.argv[3:])
    else:
        main()
