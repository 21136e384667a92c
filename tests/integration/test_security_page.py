"""docs/security.md is true: its numbers are those of the code, and its tests are there."""

import importlib
import re

import pytest
from integration.command import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")


def rows(title):
    """The rows of the tables below a heading, as lists of cells without the header."""
    (section,) = re.findall(rf"^##+ {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("|")]
    headers = [index for index, row in enumerate(cells) if set("".join(row)) == {"-"}]
    return [row for index, row in enumerate(cells) if index not in headers and index + 1 not in headers]


def value_of(name):
    """What a dotted name stands for: an attribute of a module, or the default of an option of a settings class."""
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError:
        options = value_of(module).model_fields
        return options[attribute].default


@pytest.mark.parametrize("row", rows("Limits"), ids=lambda row: row[0])
def test_a_limit_is_the_number_that_the_code_has(row):
    _, number, where, _ = row
    value = value_of(where.strip("`"))
    assert number == (f"{value:,}" if isinstance(value, int) else f"{value:g}")


@pytest.mark.parametrize("row", rows("Limits") + rows("What was tried"), ids=lambda row: row[0])
def test_a_row_names_tests_that_are_there(row):
    tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[-1])
    assert tests, f"no `tests/…::…` in {row[-1]!r}"
    for path, name in tests:
        assert re.search(rf"^ *def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE), f"{path}::{name}"


def test_each_attack_has_what_it_did_and_does_its_limit_and_its_test():
    tried = rows("What was tried")
    assert tried
    assert [row for row in tried if len(row) != 5 or not all(row)] == []
