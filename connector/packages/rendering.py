"""The texts and pictures that packages are made of."""

import io
import json
import string
import struct
import zlib
from importlib import resources
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from connector.actions import ACTIONS
from connector.packages import parameters
from connector.version import VERSION

TITLE = "IoC-Stream Connector"
SUMMARY = "VirusTotal IoC-Stream notifications: look at them, convert them to STIX and CEF, deliver them, retry."
PUBLISHER = "IoC-Stream Connector"
LICENCE = "Apache-2.0"
SETTINGS = {
    "url": "Address of `iocstream serve`, such as https://iocstream.example:8640",
    "token": "A token that `iocstream token new NAME --scope act` made",
    "verify": "Verify the server's certificate",
}
"""The settings that each package needs to reach the server, as they are explained to the user."""

_BLUE, _WHITE = b"\x39\x4e\xff", b"\xff\xff\xff"


def template(name: str, **values: str) -> bytes:
    """A file of `templates/`; with `values`, each `$name` in it is replaced."""
    text = resources.files("connector.packages").joinpath("templates", name).read_text("utf-8")
    return (string.Template(text).substitute(values) if values else text).encode()


def readme(name: str) -> bytes:
    """A README among `templates/`: it may name `$title`, `$version`, `$summary` and `$actions`, a table of them."""
    return template(name, title=TITLE, version=VERSION, summary=SUMMARY, actions=_action_table())


def json_bytes(value: Any) -> bytes:
    """JSON for people to read."""
    return (json.dumps(value, indent=4, ensure_ascii=False) + "\n").encode()


def yaml_bytes(value: Any) -> bytes:
    """YAML for people to read: text of several lines is a block."""
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.BytesIO()
    yaml.dump(_with_blocks(value), stream)
    return stream.getvalue()


def client() -> bytes:
    """The module that calls actions over HTTP, with the parameters of each action filled in."""
    kinds = json.dumps(parameters.kinds(), indent=4)
    return template("iocstream_client.py").replace(b"KINDS = {}  # filled in\n", f"KINDS = {kinds}\n".encode())


def _action_table() -> str:
    """The actions as a table in Markdown."""
    rows = ["| action | scope of the token | cost at VirusTotal | what it does |", "|---|---|---|---|"]
    return "\n".join(
        [*rows, *(f"| `{each.name}` | {each.scope} | {each.cost} | {each.title}. |" for each in ACTIONS.values())]
    )


def picture(width: int, height: int) -> bytes:
    """A PNG picture: a stream of dots, an arrow's head at its end."""
    rows = bytearray()
    middle, unit = height / 2, height / 8
    for y in range(height):
        rows.append(0)
        for x in range(width):
            off = abs(y + 0.5 - middle)
            in_dot = off < unit and (x // max(1, round(unit))) % 3 in (0, 1) and x < width - 4 * unit
            in_head = unit < width - x < 4 * unit and off < width - x - unit
            rows += _WHITE if in_dot or in_head else _BLUE
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def _with_blocks(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_blocks(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_blocks(each) for each in value]
    return LiteralScalarString(value) if isinstance(value, str) and "\n" in value else value
