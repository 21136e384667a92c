"""docs/judgements.md is true: what it shows is run, and what it configures is read."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from integration.command import iocstream_here

from connector import configuration, mapping

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "judgements.md").read_text("utf-8")
[SESSION] = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
OVERLAY, CONDITION, SOURCE = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
CONFIGURATION = """
sources: {saved: {type: file, path: saved.jsonl}}
routes:
  stix: {mapping: stix21, sink: {type: file, path: out.json}}
  cef: {mapping: cef, sink: {type: file, path: out.cef}}
"""


@pytest.fixture
def folder(tmp_path):
    body = json.loads((ROOT / "mappings" / "examples" / "inputs" / "domain_judged.json").read_bytes())
    (tmp_path / "saved.jsonl").write_text(json.dumps(body) + "\n")
    (tmp_path / "iocstream.yaml").write_text(CONFIGURATION)
    assert iocstream_here("run", "--once", cwd=tmp_path).returncode == 0
    return tmp_path


def test_the_session_goes_as_the_page_shows(folder):
    commands = re.findall(r"^\$ iocstream ([^\n]*)\n((?:[^$][^\n]*\n)*)", SESSION, re.MULTILINE)
    assert len(commands) == 3
    for command, shown in commands:
        assert iocstream_here(*shlex.split(command), cwd=folder).stdout == shown


def test_the_overlay_drops_the_opinion(folder):
    (folder / "quiet.yaml").write_text(OVERLAY)
    (folder / "iocstream.yaml").write_text(
        CONFIGURATION.replace("mapping: stix21", "mapping: {use: stix21, overlay: quiet.yaml}")
    )
    iocstream_here("judge", "true_positive", "--rule", "login_page_clone", "--by", "ana", cwd=folder)
    assert iocstream_here("run", "--once", cwd=folder).returncode == 0
    assert '"opinion"' not in (folder / "out.json").read_text()


def test_the_condition_lets_through_what_an_analyst_confirms():
    holds = mapping.compile_condition(yaml.safe_load(CONDITION)["when"], "page")
    view = {"notification": {}, "entity": {}, "entity_value": None, "source": {}, "guard": None}
    assert holds({**view, "judgement": {"verdict": "true_positive"}})
    assert not holds({**view, "judgement": None})


def test_the_source_of_the_page_may_publish(folder, monkeypatch):
    monkeypatch.setenv("VT_API_KEY", "key")
    routes = "routes: {out: {mapping: cef, sink: {type: file, path: out.cef}}}\n"
    (folder / "other.yaml").write_text(SOURCE + routes)
    plan = configuration.load(folder / "other.yaml")
    assert plan.settings.sources["virustotal"].shares() == ["vote", "comment"]
