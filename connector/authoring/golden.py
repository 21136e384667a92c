"""The examples beside a mapping, compared with the expected output beside those.

    mine.yaml
    examples/inputs/CASE.json       a notification, in either shape
    examples/mine/CASE.SUFFIX       the expected output: STIX objects as a JSON list, anything else line by line
    examples/mine/withdrawn/CASE.SUFFIX     what takes it back, for the cases that have such a file

Shared documents (`ObjectFormat.shared_documents`) are not repeated in every file.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson

from connector.mapping import CompiledMapping, examples
from connector.model import Misconfigured, Refused
from connector.pipeline.convert import Conversion, convert, convert_withdrawal

WITHDRAWN = "withdrawn"
"""The folder of what takes back the output of examples."""
_SUFFIXES = {"stix": "json", "json": "jsonl"}
"""Of the files of expected output; for any other format, its name."""

State = Literal["passed", "differs", "missing", "left over", "written"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one example went.

    Attributes:
        case: its name.
        state: `missing` when no file says what is expected, `left over` when that file has no input (any more),
            `written` when it was made to say what is made now.
        file: that of the expected output.
        difference: from the file to what was made, as a unified diff; empty when there is none.
    """

    case: str
    state: State
    file: Path
    difference: str = ""

    @property
    def failed(self) -> bool:
        """Whether something is to be put right."""
        return self.state not in ("passed", "written")


def run(mapping: CompiledMapping, folder: Path, name: str, *, update: bool = False) -> Iterator[Outcome]:
    """Convert every example and compare; `update` rewrites the files that say otherwise.

    Args:
        mapping: the one to try.
        folder: where `inputs` and, for each mapping, a folder of expected output lie.
        name: that of the folder of expected output, usually the mapping's.
        update: whether to rewrite the files of expected output.

    Raises:
        Misconfigured: there is no example, or a file cannot be read or written.
    """
    inputs = sorted((folder / "inputs").glob("*.json"))
    if not inputs:
        raise Misconfigured(
            f"there are no examples for {name}: put notifications, a JSON object each, into {folder / 'inputs'}"
        )
    known, withdrawn = _files(folder / name), _files(folder / name / WITHDRAWN)
    for path in inputs:
        file = known.pop(path.stem, folder / name / f"{path.stem}.{suffix(mapping)}")
        yield _outcome(path.stem, file, expected(mapping, path), update=update)
        if path.stem in withdrawn:
            made = expected_withdrawal(mapping, path)
            yield _outcome(f"{path.stem}, withdrawn", withdrawn.pop(path.stem), made, update=update)
    for case, file in {**known, **withdrawn}.items():
        yield Outcome(case, "left over", file)


def _files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*")) if path.is_file()}


def suffix(mapping: CompiledMapping) -> str:
    """The suffix of the files of expected output, by the mapping's format."""
    return _SUFFIXES.get(mapping.format_name, mapping.format_name)


def expected(mapping: CompiledMapping, path: Path) -> bytes:
    """The content of a file of expected output, as the mapping makes it.

    Raises:
        Misconfigured: the example cannot be read.
    """
    [conversion] = convert([examples.read_one(path)], mapping)
    return _output(mapping, conversion)


def expected_withdrawal(mapping: CompiledMapping, path: Path) -> bytes:
    """The content of a file in the folder `withdrawn`: what is sent when that is taken back which was delivered.

    Raises:
        Misconfigured: the example cannot be read.
    """
    return _output(mapping, convert_withdrawal(examples.read_one(path), mapping))


def _output(mapping: CompiledMapping, conversion: Conversion) -> bytes:
    if mapping.format_name == "stix":
        made = {"refused": _reason(conversion.refusal)} if conversion.refusal else objects(conversion)
        return orjson.dumps(made, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if conversion.refusal:
        return f"refused: {_reason(conversion.refusal)}\n".encode()
    return b"".join(message.body + b"\n" for message in conversion.messages)


def objects(conversion: Conversion) -> Sequence[dict[str, object]]:
    """The STIX objects that were made of one notification, without shared ones."""
    return [orjson.loads(message.body) for message in conversion.messages if message.dependency_level > 0]


def _reason(refusal: Refused) -> str:
    """Why, without the line of the mapping, which any edit above it moves."""
    return re.sub(r"^.*?:\d+:\d+: ", "", str(refusal))


def _outcome(case: str, file: Path, made: bytes, *, update: bool) -> Outcome:
    try:
        said = file.read_bytes() if file.exists() else None
        if said == made:
            return Outcome(case, "passed", file)
        difference = _difference(said or b"", made)
        if not update:
            return Outcome(case, "missing" if said is None else "differs", file, difference)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(made)
    except OSError as error:
        raise Misconfigured(f"{error.filename or file}: {error.strerror}") from None
    return Outcome(case, "written", file, difference)


def _readable(text: bytes) -> Iterator[str]:
    """The lines of a file; of one line of JSON several."""
    for line in text.splitlines():
        spread = line
        if line.startswith(b"{") and line.endswith(b"}"):
            with suppress(orjson.JSONDecodeError):
                spread = orjson.dumps(orjson.loads(line), option=orjson.OPT_INDENT_2)
        yield from spread.decode("utf-8", "replace").splitlines()


def _difference(said: bytes, made: bytes) -> str:
    before, after = (list(_readable(text)) for text in (said, made))
    return "\n".join(difflib.unified_diff(before, after, "expected", "made", lineterm=""))
