"""What `--help` teaches: every command in one group, with examples that the command line understands."""

import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from connector.cli.main import iocstream
from connector.cli.teaching import EXAMPLES, GROUPS, each_command

ROOT = Path(__file__).parents[3]
COMMANDS = dict(each_command(iocstream))
COLUMNS = 80


def test_every_command_is_in_one_group():
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(iocstream.commands)


def test_every_command_has_an_example_and_no_other_has():
    assert EXAMPLES.keys() == COMMANDS.keys()


@pytest.mark.parametrize(("name", "example"), [(name, each) for name, of in EXAMPLES.items() for each in of])
def test_an_example_is_understood(name, example):
    words = shlex.split(example.split("|")[-1].split(">")[0])
    assert words[: len(name.split()) + 1] == ["iocstream", *name.split()]
    COMMANDS[name].make_context(name, words[len(name.split()) + 1 :])


def test_an_example_with_an_unknown_option_would_be_noticed():
    with pytest.raises(click.UsageError):
        COMMANDS["run"].make_context("run", ["--onec"])


def test_the_help_fits_a_terminal_and_cuts_nothing_off():
    context = click.Context(iocstream, info_name="iocstream", terminal_width=COLUMNS)
    lines = iocstream.get_help(context).splitlines()
    assert max(map(len, lines)) <= COLUMNS
    assert not [line for line in lines if line.endswith("...") and "ARGS" not in line]
    assert "Put right:" in lines


def test_the_help_of_a_command_ends_with_its_examples():
    context = click.Context(COMMANDS["find"], info_name="find", terminal_width=COLUMNS)
    assert COMMANDS["find"].get_help(context).rstrip().endswith(EXAMPLES["find"][-1])


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_manual_page_is_sound_and_has_every_command():
    page = subprocess.run(
        ["groff", "-man", "-Tascii", "-ww", "-P-cbou", "-rLL=200n", ROOT / "docs/iocstream.1"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not page.stderr
    for name in COMMANDS:
        assert f"iocstream {name}" in page.stdout
