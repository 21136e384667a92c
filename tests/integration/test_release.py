"""What `make release` makes can be made again, byte for byte, and its bill of materials is that of the locks."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from integration.command import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@a.example")


@pytest.fixture
def checkouts(tmp_path):
    """Two copies of what is checked in, made at other moments."""
    files = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT).decode().split("\0")[:-1]
    for name in ("one", "other"):
        for file in files:
            to = tmp_path / name / file
            to.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / file).is_file():
                shutil.copyfile(ROOT / file, to)
        for command in (["init", "--quiet"], ["add", "--all"], [*AUTHOR, "commit", "--quiet", "--message", "all"]):
            subprocess.run(["git", *command], cwd=tmp_path / name, check=True)
        (tmp_path / name / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / "other" / "connector" / "stray.py").write_text("what nobody has checked in")
    return tmp_path / "one", tmp_path / "other"


def released(folder, epoch):
    """Run what `make release` runs; file → its digest."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "TZ": "UTC" if folder.name == "one" else "Asia/Tokyo"}
    command = ["make", "--silent", "--old-file=.venv/ready", "release"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted((folder / "dist").iterdir())}


def test_a_release_is_the_same_whenever_and_wherever_it_is_made(checkouts):
    one, other = (released(folder, 1_760_000_000) for folder in checkouts)
    assert one == other
    assert sorted(Path(name).suffix for name in one) == [".gz", ".json", ".whl"]


def test_the_bill_of_materials_has_what_the_locks_install(checkouts):
    folder, _ = checkouts
    released(folder, 1_760_000_000)
    (path,) = (folder / "dist").glob("*.cdx.json")
    bill = json.loads(path.read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["timestamp"] == "2025-10-09T08:53:20Z"
    known = {component["purl"]: component for component in bill["components"]}
    for lock in ("runtime", *PROJECT["optional-dependencies"]):
        text = (ROOT / f"requirements/{lock}.txt").read_text()
        for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE):
            component = known[f"pkg:pypi/{name}@{version}"]
            assert any(each["name"] == "iocstream:sha256" for each in component["properties"])
            if lock == "runtime":
                assert "scope" not in component
    assert "http" not in path.read_text().replace("httptools", "")
