"""A bad day for each scenario of the simulator, seen by a real run."""

import json

import pytest
from integration.command import iocstream_here

from connector.cli.simulate import _SCENARIOS
from connector.simulator import scenarios
from connector.simulator.scenarios import SCENARIOS, simulated
from connector.simulator.wsgi_server import serving

CONFIGURATION = """
sources:
  first: {{type: virustotal, api_key: demo-key, api_url: "{url}/api/v3", since_hours: 168, look_ups_per_day: 0}}
{more}
routes:
  events: {{mapping: cef, sink: {{type: file, path: events.cef}}}}
"""
SECOND = (
    '  second: {{type: virustotal, api_key: demo-key-2, api_url: "{url}/api/v3", since_hours: 168, '
    "look_ups_per_day: 0}}"
)
COUNT = 300


@pytest.fixture
def day(tmp_path):
    """Runs `run --once` on such a day; gives the parts by name."""

    def run(url, more=""):
        text = CONFIGURATION.format(url=url, more=more.format(url=url))
        (tmp_path / "iocstream.yaml").write_text(text)
        done = iocstream_here("run", "--once", "--json", cwd=tmp_path)
        return {part["name"]: part for part in json.loads(done.stdout)}

    run.folder = tmp_path
    return run


def test_the_command_knows_every_scenario():
    assert list(_SCENARIOS) == list(SCENARIOS)


@pytest.mark.timeout(120)
def test_an_outage_is_waited_for(day, monkeypatch):
    monkeypatch.setattr(scenarios, "OUTAGE_SECONDS", 2)
    with serving(simulated(["outage"], COUNT, "demo-key")) as url:
        assert day(url)["first"]["new"] >= COUNT - 5


def test_a_used_up_quota_leaves_the_rest_for_later_and_loses_nothing(day, monkeypatch):
    monkeypatch.setattr(scenarios, "QUOTA", 4)
    monkeypatch.setattr(scenarios, "QUOTA_SECONDS", 3600)
    with serving(simulated(["quota"], COUNT, "demo-key")) as url:
        first = day(url)["first"]
        assert 0 < first["new"] < COUNT
        assert first["state"] == "waiting"
        assert "QuotaExceeded" in first["message"]


def test_what_appears_late_is_fetched_by_a_later_run(day):
    with serving(simulated(["late"], COUNT, "demo-key")) as url:
        assert day(url)["first"]["new"] == COUNT
        assert day(url)["first"]["new"] == scenarios.LATE


def test_a_flood_is_fetched_whole(day):
    with serving(simulated(["flood"], 50, "demo-key")) as url:
        assert day(url)["first"]["new"] >= 50 + scenarios.FLOOD


def test_poisoned_notifications_hold_up_none_of_the_others(day):
    with serving(simulated(["poisoned"], COUNT, "demo-key")) as url:
        parts = day(url)
    events = parts["events"]
    assert events["delivered"] >= COUNT * 0.9
    assert events["refused"] > 0
    lines = (day.folder / "events.cef").read_text().splitlines()
    assert len(lines) == events["messages"]
    assert all(line.startswith("CEF:0|") and "\x1b" not in line for line in lines)


def test_two_tenants_with_the_same_ids_keep_their_own(day):
    with serving(simulated(["tenants"], COUNT, "demo-key")) as url:
        parts = day(url, SECOND)
    assert (parts["first"]["new"], parts["second"]["new"]) == (COUNT, 65)


def test_scenarios_go_together(day):
    with serving(simulated(["poisoned", "flood", "poisoned"], 20, "demo-key")) as url:
        assert day(url)["first"]["new"] > scenarios.FLOOD
