"""The pages for readers of the code name files, layers and commands that there are."""

import ast
import re
import tomllib
from pathlib import Path

import click
import pytest

from connector.cli.main import iocstream

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / "docs" / name).read_text("utf-8") for name in ("architecture.md", "glossary.md")}
MOST_STOPS = 7


def spans(text: str) -> set[str]:
    """What stands in backquotes."""
    return set(re.findall(r"`([^`\n]+)`", text))


def is_there(path: str) -> bool:
    """Whether a path exists; NAME in it stands for any name."""
    return any(ROOT.glob(path.replace("NAME", "*").rstrip("/")))


@pytest.mark.parametrize("page", PAGES)
def test_files_exist(page):
    named = {span for span in spans(PAGES[page]) if re.match(r"(connector|tests|docs|mappings)/|.*\.(py|sql)$", span)}
    assert len(named) > 5
    assert not [each for each in named if not is_there(each if "/" in each else f"connector/**/{each}")]


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist(page):
    for span in spans(PAGES[page]):
        words = [word for word in span.split() if re.fullmatch(r"[a-z_-]+", word) and not word.startswith("-")]
        if span.startswith("iocstream "):
            command: click.Command = iocstream
            for word in words[1:]:
                if not isinstance(command, click.Group):
                    break
                assert word in command.commands, span
                command = command.commands[word]


def test_layers_are_those_that_import_linter_checks():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = [each["layers"] for each in contracts if each["name"] == "Layers"]
    (block,) = re.findall(r"```layers\n(.*?)```", PAGES["architecture.md"], re.DOTALL)
    assert [re.split(r" {2,}", line)[0] for line in block.splitlines()] == layers


def test_a_notification_passes_few_files_and_none_twice():
    stops = re.findall(r"^\| (\d) \| `(.*?)` \|", PAGES["architecture.md"], re.MULTILINE)
    assert [int(number) for number, _ in stops] == list(range(1, len(stops) + 1))
    assert 0 < len(stops) <= MOST_STOPS
    assert len({file for _, file in stops}) == len(stops)


@pytest.mark.parametrize("page", PAGES)
def test_readers_find_the_page(page):
    assert f"docs/{page}" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    "folder",
    [path.parent for path in sorted(ROOT.glob("connector/**/__init__.py")) if path.parent != ROOT / "connector"],
    ids=lambda folder: str(folder.relative_to(ROOT)),
)
def test_a_folder_says_what_is_in_it(folder):
    """By name, but for modules that are named as the command they are."""
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""
    inside = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    named = {"__init__", *iocstream.commands, *re.findall(r"\w+", said)}
    assert not inside - named
