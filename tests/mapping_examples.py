"""The examples beside the mappings: notifications whose output `iocstream mapping test` compares with a file."""

import functools
from pathlib import Path

import orjson

from connector import configuration, notification
from connector.mapping import CompiledMapping
from connector.pipeline.convert import Conversion, convert
from connector.settings.producer import Producer

MAPPINGS = Path(__file__).parents[1] / "mappings"
INPUTS = sorted((MAPPINGS / "examples" / "inputs").glob("*.json"))
CASES = [path.stem for path in INPUTS]


@functools.cache
def bundled(name: str, profile: str | None = None) -> CompiledMapping:
    """A bundled mapping, compiled once for all tests, which takes longer than most of what they do with it."""
    return configuration.load_mapping(name, Producer(), profile)


def conversion(mapping: CompiledMapping, case: str) -> Conversion:
    """What becomes of the notification of one example, by itself."""
    body = orjson.loads((MAPPINGS / "examples" / "inputs" / f"{case}.json").read_bytes())
    [converted] = convert([notification.read(body)], mapping)
    return converted


def withdrawn(name: str) -> list[bytes]:
    """What takes examples back, by the files that say so: a line for each."""
    return [path.read_bytes().strip() for path in sorted((MAPPINGS / "examples" / name / "withdrawn").iterdir())]
