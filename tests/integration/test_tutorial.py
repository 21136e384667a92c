"""docs/tutorial-mapping.md, as a reader follows it."""

import json
import re
import subprocess
import sys

from integration.command import ROOT, environment

PAGE = (ROOT / "docs" / "tutorial-mapping.md").read_text()


def test_the_tutorial_ends_with_ones_own_mapping_sent_to_a_file(tmp_path):
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "iocstream").write_text(f'#!/bin/sh\nexec {sys.executable} -m connector "$@"\n')
    (binaries / "iocstream").chmod(0o755)
    folder = tmp_path / "folder"
    folder.mkdir()
    files = iter(["alerts.yaml", "iocstream.yaml"])
    printed = []
    for language, text in re.findall(r"```(sh|yaml)\n(.*?)```", PAGE, re.DOTALL):
        if language == "yaml":
            (folder / next(files)).write_text(text)
            continue
        done = subprocess.run(
            ["sh", "-e", "-c", text],
            cwd=folder,
            env=environment({"PATH": f"{binaries}:/usr/bin:/bin"}),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, text + done.stdout + done.stderr
        printed.append(done.stdout)
    assert next(files, None) is None
    said = "".join(printed)
    assert "1 notifications: 0 documents unchanged, 1 changed" in said
    assert "warning" not in said
    assert "./alerts.yaml: 4 of 4 examples are as expected" in said
    assert (folder / "explained.html").read_text().startswith("<!DOCTYPE html>")
    assert json.loads((folder / "mapping.schema.json").read_text())["title"] == "IoC-Stream Connector mapping"
    assert json.loads(printed[-1].splitlines()[-1]) == {
        "time": "2025-10-08T03:30:00.000Z",
        "indicator": "c2.example.com",
        "kind": "domain",
        "rule": "new_c2_domain",
        "priority": "P3",
        "summary": "domain c2.example.com matched",
    }
