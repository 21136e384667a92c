"""Starting a plugin from a template: a distribution that can be installed, with tests that pass."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from connector.model import Misconfigured

_NAME = r"[a-z][a-z0-9_]{0,39}"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of plugin that there is a template for.

    Attributes:
        group: of its entry point, without `iocstream.`.
        declared: the object in its module that the entry point names.
        description: of the distribution, without a full stop.
        use: how a configuration or a mapping names it.
    """

    group: str
    declared: str
    description: str
    use: str


KINDS: Mapping[str, Kind] = {
    "sink": Kind(
        "sinks",
        "KIND",
        "A sink for the IoC-Stream Connector: each message is a line of a file",
        "```yaml\nroutes:\n  mine:\n    mapping: json\n    sink:\n      type: new_name\n      path: out.jsonl\n```",
    ),
    "source": Kind(
        "sources",
        "KIND",
        "A source for the IoC-Stream Connector: the lines of a file, each a notification",
        "```yaml\nsources:\n  mine:\n    type: new_name\n    path: in.jsonl\n```",
    ),
    "format": Kind(
        "formats",
        "KIND",
        "A format for mappings of the IoC-Stream Connector: a line of key=value pairs",
        "```yaml\nformat: new_name\nemit:\n  event:\n    host: ${{ entity_value }}\n```",
    ),
    "journal": Kind(
        "journals",
        "KIND",
        "A journal for the IoC-Stream Connector: that of the connector, in a file",
        "```yaml\njournal:\n  type: new_name\n  path: journal\n```",
    ),
    "function": Kind(
        "functions",
        "FUNCTION",
        "A function for mappings of the IoC-Stream Connector",
        "```yaml\nformat: json\nemit:\n  event:\n    host: ${{ new_name(entity_value) }}\n```",
    ),
}


def start(kind: str, name: str, parent: Path) -> Path:
    """Write a plugin of a kind, and return its folder. Nothing that is there is written over.

    Args:
        kind: one of `KINDS`.
        name: by which configurations or mappings will call it.
        parent: the folder in which its own is made.

    Raises:
        Misconfigured: the name cannot be one, the folder is there already, or cannot be written.
    """
    if not re.fullmatch(_NAME, name):
        raise Misconfigured(
            f"{name!r} is no name for a plugin: small letters, digits and _, 40 at most, a letter first"
        )
    chosen = KINDS[kind]
    folder = parent / f"iocstream-{name.replace('_', '-')}"
    if folder.exists():
        raise Misconfigured(f"{folder} is there already; choose another name, or move it away")
    words = {
        "DISTRIBUTION": folder.name,
        "DESCRIPTION": chosen.description,
        "PACKAGE": f"iocstream_{name}",
        "GROUP": chosen.group,
        "OBJECT": chosen.declared,
        "USE": chosen.use,
        "NAME": name,
    }
    templates = resources.files("connector.authoring").joinpath("plugin_templates")
    files = {
        folder / "pyproject.toml": _filled(templates.joinpath("pyproject.toml").read_text("utf-8"), words),
        folder / "README.md": _filled(templates.joinpath("README.md").read_text("utf-8"), words),
        folder / "src" / words["PACKAGE"] / "__init__.py": templates.joinpath(kind, "module.py").read_text("utf-8"),
        folder / "src" / words["PACKAGE"] / "py.typed": "",
        folder / "tests" / "test_contract.py": templates.joinpath(kind, "test_contract.py").read_text("utf-8"),
    }
    class_name = "".join(part.capitalize() for part in name.split("_"))
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("NewName", class_name).replace("new_name", name), "utf-8")
    except OSError as error:
        raise Misconfigured(f"{error.filename} cannot be written: {error.strerror}") from None
    return folder


def _filled(text: str, words: Mapping[str, str]) -> str:
    return re.sub(rf"\b(?:{'|'.join(words)})\b", lambda match: words[match[0]], text)
