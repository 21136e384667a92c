"""Starting a mapping from a template, with examples beside it. Nothing that is there is written over."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from connector import configuration
from connector.authoring import golden
from connector.mapping import examples
from connector.model import Misconfigured
from connector.settings.config import NAME_PATTERN

EXAMPLES = ("domain_hunting", "file_hunting", "ip_v4", "url_hunting")
"""The bundled examples that a new mapping begins with: one of each kind."""


@dataclass(frozen=True, slots=True)
class Started:
    """A mapping that was started: its file, and the folder of what is expected of its examples."""

    file: Path
    examples: Path


def formats() -> Mapping[str, str]:
    """The templates, by the format they are for."""
    folder = resources.files("connector.authoring").joinpath("templates")
    found = {each.name.removesuffix(".yaml"): each for each in folder.iterdir() if each.name.endswith(".yaml")}
    return {name: found[name].read_text("utf-8") for name in sorted(found)}


def start(using: str, format_name: str) -> Started:
    """Write a mapping, examples for it unless there are some, and what it makes of them.

    Args:
        using: the file to write, or its name without `.yaml`.
        format_name: one of `formats`.

    Raises:
        Misconfigured: something by that name is there already, or cannot be written.
    """
    file = Path(using if using.endswith((".yaml", ".yml")) else f"{using}.yaml")
    if not re.fullmatch(NAME_PATTERN, file.stem):
        raise Misconfigured(f"{file.stem!r} is no name for a mapping: letters, digits, _, - and ., at most 64")
    folder = file.parent / "examples"
    expected = folder / file.stem
    for path in (file, expected):
        if path.exists():
            raise Misconfigured(f"{path} is there already; choose another name, or move it away")
    inputs = folder / "inputs"
    try:
        inputs.mkdir(parents=True, exist_ok=True)
        if not any(inputs.glob("*.json")):
            bundled, _ = examples.folder_and_name("json")
            for name in EXAMPLES:
                shutil.copyfile(bundled / "inputs" / f"{name}.json", inputs / f"{name}.json")
        with file.open("x", encoding="utf-8") as output:
            output.write(formats()[format_name])
    except OSError as error:
        raise Misconfigured(f"{error.filename} cannot be written: {error.strerror}") from None
    for _ in golden.run(configuration.load_mapping(file), folder, file.stem, update=True):
        pass
    return Started(file, folder)
