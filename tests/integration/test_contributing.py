"""CONTRIBUTING.md is true: its sink in ten minutes is made, tested and used; and files for contributors can be read."""

import json
import re
import subprocess
import sys

import pytest
from integration.command import ROOT, environment, iocstream
from ruamel.yaml import YAML

PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
SECTION = PAGE.split("\n## A new sink in ten minutes\n")[1].split("\n## ")[0]


@pytest.mark.timeout(300)
def test_a_sink_in_ten_minutes(tmp_path):
    (commands,) = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)
    make, install, test = commands.splitlines()
    (configuration,) = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)

    assert iocstream(*make.split()[1:], cwd=tmp_path).returncode == 0
    # Beside the environment, which other tests use, and not into it.
    installed = [*install.replace("--editable ", "--quiet --target site ").split()]
    done = subprocess.run(
        [sys.executable, "-m", *installed], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    found = environment({"PYTHONPATH": f"{tmp_path}/site:{ROOT}"})
    tested = subprocess.run(
        [sys.executable, "-m", *test.split(), "-q", "-p", "no:cacheprovider", "-n0"],
        cwd=tmp_path, env=found, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert re.search(r"\d+ passed", tested.stdout)

    notification = json.loads((ROOT / "mappings/examples/inputs/domain_hunting.json").read_text())
    (tmp_path / "notifications.jsonl").write_text(json.dumps(notification) + "\n")
    (tmp_path / "iocstream.yaml").write_text(configuration)
    ran = iocstream("run", "--once", cwd=tmp_path, env={"PYTHONPATH": found["PYTHONPATH"]})
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "birds.txt").read_text().startswith("CEF:0|")


def test_what_lies_ready_for_contributors_can_be_read():
    yaml = YAML(typ="safe")
    for path in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")):
        read = yaml.load(path)
        assert path.name == "config.yml" or {"name", "description", "body"} <= read.keys()
    hooks = yaml.load(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"]
    makefile = (ROOT / "Makefile").read_text()
    for tool in ("ruff", "mypy", "lint-imports", "docs/generate.py --check"):
        assert any(tool in hook["entry"] for hook in hooks)
        assert tool in makefile
    json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())


def test_its_links_lead_somewhere():
    for page in ("CONTRIBUTING.md", "CODE_OF_CONDUCT.md"):
        for target in re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text()):
            assert (ROOT / target).exists(), target
