"""YAML files whose every value knows the line and column it came from.

YAML 1.2 core schema (the country code `NO` is text), duplicate keys refused, no tags, bounded expansion of aliases.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from connector.model import Json, Misconfigured

MAX_BYTES = 1024 * 1024
MAX_VALUES = 200_000
MAX_DEPTH = 100

YamlPath = tuple[str | int, ...]
"""Where a value stands: keys and list indexes from the top."""

_INT = re.compile(r"[-+]?[0-9]+\Z")
_LONGEST_INTEGER = 40
"""In digits: more than any id has, and `int` takes time that grows with their square."""
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_SCALAR_TAGS = {"", "str", "int", "float", "bool", "null", "timestamp", "value", "merge"}
"""What ruamel makes of untagged scalars; what they are is decided in `_plain`."""
_NULL = {"", "~", "null", "Null", "NULL"}
_TRUE = {"true", "True", "TRUE"}
_FALSE = {"false", "False", "FALSE"}


class Place(NamedTuple):
    """Where a value stands: a file by its name in error messages, a line and a column, both counted from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """A parsed YAML file, or what `connector.mapping.overlay` made of several.

    Attributes:
        name: the file's name, as error messages show it.
        data: plain dicts, lists, strings, numbers, booleans, None.
        places: where each value stands; not every path need be known.
        overlays: the names of the files that were laid over it, in order.
    """

    name: str
    data: Json
    places: Mapping[YamlPath, Place]
    overlays: tuple[str, ...] = ()

    def place(self, path: YamlPath) -> str:
        """`file:line:column` of the value at a path, or of the nearest thing around it."""
        while path and path not in self.places:
            path = path[:-1]
        return str(self.places.get(path) or Place(self.name, 1, 1))

    def error(self, path: YamlPath, message: str) -> Misconfigured:
        """An error that says where: `file:line:column: a.b[0]: message`."""
        where = dotted(path)
        return Misconfigured(f"{self.place(path)}: {where}: {message}" if where else f"{self.place(path)}: {message}")


def dotted(path: YamlPath) -> str:
    """`("routes", "a", "tags", 0)` as `routes.a.tags[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def load(path: Path, name: str | None = None) -> YamlDocument:
    """Read a YAML file.

    Raises:
        Misconfigured: it cannot be read, is not YAML, or breaks a rule of this module; the message names the place.
    """
    name = name or str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Misconfigured(f"{name}: larger than {MAX_BYTES} bytes")
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_BYTES + 1)  # a device says nothing of its size, and may have no end
        if len(text) > MAX_BYTES:
            raise Misconfigured(f"{name}: larger than {MAX_BYTES} bytes")
    except OSError as error:
        raise Misconfigured(f"{name}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{name}: is not UTF-8 text (byte {error.start}): save it as UTF-8") from error
    return parse(text, name)


def parse(text: str, name: str) -> YamlDocument:
    """Parse YAML text; `name` is what errors call it.

    Raises:
        Misconfigured: as for `load`.
    """
    reader = YAML(typ="rt", pure=True)
    reader.Composer = _Composer
    try:
        node = reader.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = str(error.problem or error.context)
        if "unexpected end of stream" in problem and error.context_mark:
            mark, problem = error.context_mark, "a quotation mark opens here and is closed nowhere"
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        line = text.split("\n")[mark.line] if mark else ""
        raise Misconfigured(f"{where}: is not YAML: {problem}{_remedy(problem, line)}") from error
    except ReaderError as error:
        before = text[: error.position]
        where = f"{name}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
        character = ord(error.character) if isinstance(error.character, str) else error.character
        raise Misconfigured(f"{where}: is not YAML: the character U+{character:04X} may not stand in it") from error
    except (YAMLError, ValueError) as error:
        raise Misconfigured(f"{name}: is not YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise Misconfigured(f"{name}: nested too deeply") from error
    places: dict[YamlPath, Place] = {}
    data = _Builder(name, places).build(node, ()) if node is not None else None
    return YamlDocument(name, data, places)


_REMEDIES = (
    ("character '\\t'", "indent with spaces, not with a tab"),
    ("that cannot start any token", "put a text that begins with this character in quotation marks"),
    ("undefined alias", "put a text that begins with * in quotation marks"),
    (
        "mapping values are not allowed here",
        "a colon is missing in the line before, or quotation marks around it, or one further up is closed nowhere",
    ),
    ("unknown escape character", "in double quotation marks write two backslashes for one, or take single ones"),
    ("could not find expected ':'", "a key needs a colon and a blank after it"),
    ("expected <block end>", "indent it as the lines that it belongs to"),
    ("expected ',' or", "a bracket or brace is not closed, or a comma is missing"),
    ("another document", "a file is one document: leave out what follows ---"),
)


_BARE_PLACEHOLDER = re.compile(r"""[\[{,:]\s*(\$\{[^{}"']*\})""")
"""`${X}` as the first of a value without quotation marks, whose brace YAML takes for its own within braces."""


def _remedy(problem: str, line: str) -> str:
    """What to do about it, by what the reader says and the line that it stopped in."""
    if (bare := _BARE_PLACEHOLDER.search(line)) and "expected ',' or" in problem:
        return f": between braces or brackets put {bare.group(1)} in quotation marks"
    return next((f": {remedy}" for part, remedy in _REMEDIES if part in problem), "")


class _Composer(Composer):
    """Ends at the first value that is nested too deeply; ruamel would read on, for seconds, to the end of its stack."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._depth += 1
        if self._depth > MAX_DEPTH + 1:
            problem = f"more than {MAX_DEPTH} levels: take brackets or indentation out"
            raise ComposerError(None, None, problem, self.parser.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Builder:
    """Turns ruamel's nodes into plain values, keeping places."""

    def __init__(self, name: str, places: dict[YamlPath, Place]) -> None:
        self.name = name
        self.places = places

    def build(self, node: Node, path: YamlPath) -> Json:
        mark = node.start_mark
        self.places[path] = Place(self.name, mark.line + 1, mark.column + 1)
        if len(self.places) > MAX_VALUES or len(path) > MAX_DEPTH:
            raise self.error(node, f"more than {MAX_VALUES} values or {MAX_DEPTH} levels (aliases count each time)")
        if isinstance(node, ScalarNode):
            return self.scalar(node)
        if node.tag and str(node.tag) not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise self.error(node, f"the tag {node.tag} is not supported: leave it out")
        if isinstance(node, SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        if isinstance(node, MappingNode):
            return {key: self.of_key(key, mark, child, path) for key, mark, child in self.pairs(node)}
        raise self.error(node, "neither a mapping, a list nor a value")

    def of_key(self, key: str, mark: Any, node: Node, path: YamlPath) -> Json:
        value = self.build(node, (*path, key))
        if value is None and not node.value:  # ruamel finds nothing only at whatever comes next
            self.places[(*path, key)] = Place(self.name, mark.line + 1, mark.column + 1)
        return value

    def pairs(self, node: MappingNode) -> Iterator[tuple[str, Any, Node]]:
        seen: dict[str, int] = {}
        for key_node, child in node.value:
            if not isinstance(key_node, ScalarNode):
                raise self.error(key_node, "a key must be text")
            key = str(key_node.value)
            if key in seen:
                raise self.error(
                    key_node, f"the key {key!r} stands here twice, first in line {seen[key]}: leave out one"
                )
            if key == "<<":
                raise self.error(key_node, "merge keys (<<) are not part of YAML 1.2: write the options out")
            seen[key] = key_node.start_mark.line + 1
            yield key, key_node.start_mark, child

    def scalar(self, node: ScalarNode) -> Json:
        text = str(node.value)
        tag = str(node.tag or "")
        if tag == "!":
            return text
        if tag.removeprefix("tag:yaml.org,2002:") not in _SCALAR_TAGS:
            raise self.error(node, f"the tag {tag} is not supported: leave it out")
        if node.style == ">":
            return text.replace("\a", "")  # where ruamel notes a fold, so that it could write it again
        return text if node.style in ("'", '"', "|") else _plain(text)

    def error(self, node: Node, message: str) -> Misconfigured:
        mark = node.start_mark
        return Misconfigured(f"{self.name}:{mark.line + 1}:{mark.column + 1}: {message}")


def _plain(text: str) -> Any:  # noqa: PLR0911 -- one return for each type of the YAML 1.2 core schema (section 10.3.2)
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INT.match(text):
        return int(text) if len(text) <= _LONGEST_INTEGER else text
    if _OCTAL.match(text):
        return int(text, 0)
    if _HEX.match(text):
        return int(text, 0)
    if _FLOAT.match(text):
        return float(text)
    return text
