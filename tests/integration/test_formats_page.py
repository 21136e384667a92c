"""docs/formats.md is true: its routes can be loaded, and deliver or refuse every example."""

import re
from pathlib import Path

import pytest

from connector import configuration
from connector.mapping import examples, files
from connector.operations import check

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text("utf-8")
ROUTES = re.findall(r"```yaml\n(routes:\n.*?)```", PAGE, re.DOTALL)
OTHERS = {"leef", "ecs", "ocsf", "udm", "splunk-hec"}
FOR_ONE_RECEIVER = {"slack", "teams", "pagerduty", "jira", "misp"}  # docs/receivers.md has their routes


@pytest.fixture(autouse=True)
def _secrets(monkeypatch):
    monkeypatch.setenv("HEC_TOKEN", "hec-token-0000")


def plan_of(routes, tmp_path):
    path = tmp_path / "iocstream.yaml"
    path.write_text(f"sources:\n  file:\n    type: file\n    path: '-'\n{routes}")
    return configuration.load(path)


def test_there_is_a_route_for_each_mapping_and_a_line_in_the_table(tmp_path):
    plans = [plan_of(routes, tmp_path) for routes in ROUTES]
    assert {route.mapping.use for plan in plans for route in plan.settings.routes.values()} == OTHERS
    assert all(f"\n| `{name}` |" in PAGE for name in OTHERS)
    assert OTHERS | FOR_ONE_RECEIVER | {"stix21", "cef", "json", "raw"} == files.bundled_mappings().keys()


@pytest.mark.parametrize("routes", ROUTES)
def test_a_route_of_the_page_is_in_order(tmp_path, routes):
    plan = plan_of(routes, tmp_path)
    folder = files.bundled_mappings()["cef"].parent
    available = examples.read(folder, folder)
    for name, compiled in plan.mappings.items():
        findings = list(check.try_mapping(name, compiled, available))
        findings += check.try_route(name, compiled, plan.conditions.get(name), available)
        assert [finding.level for finding in findings] == ["ok"]
