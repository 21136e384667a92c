"""A mapping that was just started is in order, and nothing was written over."""

import pytest
from integration.command import iocstream_here

from connector.authoring import template
from connector.cli import mapping


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_command_offers_every_template():
    assert tuple(template.formats()) == mapping._TEMPLATES


@pytest.mark.parametrize("format_name", template.formats())
def test_a_new_mapping_passes_its_checks_and_its_tests_at_once(tmp_path, format_name):
    done = iocstream_here("mapping", "new", "mine", "--format", format_name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "`iocstream mapping test ./mine.yaml`" in done.stdout
    written = files(tmp_path)
    assert "mine.yaml" in written
    assert len([name for name in written if name.startswith("examples/mine/")]) == len(template.EXAMPLES)
    done = iocstream_here("mapping", "test", "./mine.yaml", cwd=tmp_path)
    assert (
        done.stdout == f"./mine.yaml: {len(template.EXAMPLES)} of {len(template.EXAMPLES)} examples are as expected\n"
    )
    done = iocstream_here("mapping", "check", "./mine.yaml", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(
        f"ok       ./mine.yaml: the mapping is valid and converts {len(template.EXAMPLES)} of"
    )
    assert "warning" not in done.stdout
    assert "error" not in done.stdout


def test_a_second_one_shares_the_examples(tmp_path):
    iocstream_here("mapping", "new", "one", "--format", "cef", cwd=tmp_path)
    (tmp_path / "examples/inputs/ip_v4.json").unlink()
    iocstream_here("mapping", "new", "two", "--format", "json", cwd=tmp_path)
    assert not (tmp_path / "examples/inputs/ip_v4.json").exists()
    assert len(list((tmp_path / "examples/two").iterdir())) == len(template.EXAMPLES) - 1


@pytest.mark.parametrize("there", ["mine.yaml", "examples/mine/own.jsonl"])
def test_nothing_is_written_over(tmp_path, there):
    (tmp_path / there).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / there).write_text("mine")
    done = iocstream_here("mapping", "new", "mine.yaml", "--format", "json", cwd=tmp_path)
    assert done.returncode == 2
    assert "is there already; choose another name, or move it away" in done.stderr
    assert files(tmp_path) == {there: b"mine"}


@pytest.mark.parametrize("name", ["", "a b", "-x", "a/", "\x1b"])
def test_what_is_no_name_is_refused(tmp_path, name):
    done = iocstream_here("mapping", "new", "--format", "json", "--", name, cwd=tmp_path)
    assert done.returncode == 2
    assert "is no name for a mapping" in done.stderr
    assert files(tmp_path) == {}


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "examples").write_text("a file")
    done = iocstream_here("mapping", "new", "mine", "--format", "json", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: examples")
    assert "cannot be written: " in done.stderr
