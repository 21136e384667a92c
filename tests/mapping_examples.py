"""The examples beside the mappings: notifications, and what each mapping makes of them.

`REWRITE_EXAMPLES=1 pytest` writes what is made now; read the difference before committing it.
"""

import os
from pathlib import Path

import orjson

from connector import notification
from connector.mapping import CompiledMapping
from connector.pipeline import Conversion, convert

MAPPINGS = Path(__file__).parents[1] / "mappings"
INPUTS = sorted((MAPPINGS / "examples" / "inputs").glob("*.json"))
CASES = [path.stem for path in INPUTS]


def conversion(mapping: CompiledMapping, case: str) -> Conversion:
    """What becomes of the notification of one example, by itself."""
    body = orjson.loads((MAPPINGS / "examples" / "inputs" / f"{case}.json").read_bytes())
    [converted] = convert([notification.read(body)], mapping)
    return converted


def expected(name: str, made: bytes) -> bytes:
    """What the file `name` (`stix21/ip_v4.json`) says a mapping makes; with REWRITE_EXAMPLES, what it made just now."""
    path = MAPPINGS / "examples" / name
    if os.environ.get("REWRITE_EXAMPLES"):
        path.write_bytes(made)
    return path.read_bytes()
