"""Files that a configuration names, or is, which would be read for ever."""

import os
import time
from pathlib import Path

import pytest

from connector.model import Misconfigured
from connector.settings import yamldoc
from connector.settings.config import Placeholders
from connector.settings.guards import ListSettings


def test_a_secret_is_read_from_a_regular_file_and_no_pipe_is_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    places = Placeholders(tmp_path)
    for name, said in (
        ("pipe", "no file that can be read whole"),
        ("/dev/zero", "no file"),
        ("loop", "cannot be read"),
    ):
        with pytest.raises(ValueError, match=said):
            places.content(f"file:{name}")
    (tmp_path / "file").write_text("secret\n")
    assert places.content("file:file") == "secret"


def test_a_configuration_without_an_end_is_not_read_to_its_end():
    with pytest.raises(Misconfigured, match=r"^/dev/zero: larger than 1048576 bytes"):
        yamldoc.load(Path("/dev/zero"))


@pytest.mark.parametrize("text", ["a:\n  " + "[" * 100_000, "{a: " * 100_000, "- " * 100_000])
def test_yaml_that_is_nested_without_end_is_refused_with_its_line_and_soon(text):
    began = time.process_time()
    with pytest.raises(Misconfigured, match=r"^x\.yaml:\d+:\d+: is not YAML: more than 100 levels"):
        yamldoc.parse(text, "x.yaml")
    print(time.process_time() - began)


def test_a_known_good_list_that_is_a_pipe_is_not_called_missing(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "/dev/zero"):
        with pytest.raises(ValueError, match="is neither a file nor a folder"):
            ListSettings.model_validate({"path": str(tmp_path / name)})
