"""The app for Splunk SOAR, run by the classes that Splunk publishes in the platform's stead, against a real server."""

import ast
import importlib
import json
import subprocess
import sys
import tarfile
import types

import pytest
from integration.packages import on_platform, packaged, published, raised, vendor_world

from connector.actions import ACTIONS

pytestmark = pytest.mark.xdist_group("package-splunk-soar")  # one server for all of them


@pytest.fixture(scope="module")
def soar_app(tmp_path_factory):
    with packaged("splunk-soar", tmp_path_factory.mktemp("soar")) as (folder, server):
        yield folder, server


def asked(soar_app, identifier, *, config=(), state=None, poll_now=False, full_after=-1, there=(), **parameters):
    folder, server = soar_app
    given = {
        "identifier": identifier,
        "config": {"url": server.url, "token": server.tokens["root"], "verify": True, **dict(config)},
        "parameters": [parameters],
        "state": state,
        "poll_now": poll_now,
        "full_after": full_after,
        "there": there,
    }
    return on_platform("splunk_soar.py", "run", folder / "iocstream", given=given)


def test_it_says_what_splunks_sdk_would(soar_app):
    assert on_platform("splunk_soar.py", "judge", soar_app[0] / "iocstream") == []


def test_splunks_appinspect_finds_no_fault(soar_app, tmp_path):
    inspect = published("splunk-appinspect", "splunk-appinspect")
    told = tmp_path / "report.json"
    command = [inspect, "inspect", soar_app[0] / "iocstream.tgz", "--mode", "precert"]
    subprocess.run([*command, "--data-format", "json", "--output-file", told], capture_output=True, check=False)
    (report,) = json.loads(told.read_text())["reports"]
    checks = [check for group in report["groups"] for check in group["checks"]]
    assert sum(check["result"] == "success" for check in checks) > 50
    bad = [check for check in checks if check["result"] in ("failure", "error", "future_failure")]
    assert bad == []


def test_the_archive_has_one_folder_whose_python_is_that_of_the_platform(soar_app):
    with tarfile.open(soar_app[0] / "iocstream.tgz") as archive:
        names = archive.getnames()
        for name in names:
            if name.endswith(".py"):
                ast.parse(archive.extractfile(name).read(), feature_version=(3, 9))
    assert {name.split("/")[0] for name in names} == {"iocstream"}


def test_the_token_is_a_password(soar_app):
    described = json.loads((soar_app[0] / "iocstream" / "iocstream.json").read_text())
    assert described["configuration"]["token"]["data_type"] == "password"
    identifiers = [action["identifier"] for action in described["actions"]]
    assert identifiers == [*ACTIONS, "on_poll"]


def test_connectivity_is_tested_and_a_wrong_token_is_told(soar_app):
    assert asked(soar_app, "test_connectivity")["status"] is True
    refused = asked(soar_app, "test_connectivity", config={"token": "wrong"})
    assert refused["status"] is False
    assert refused["message"].startswith("unauthenticated: ")


def test_an_action_runs_with_what_the_platform_gives(soar_app):
    listed = asked(soar_app, "list_notifications", limit=2.0, bodies=False, context={"guid": "1"})
    assert (listed["status"], listed["summary"]) == (True, {"listed": 2})
    first = listed["data"][0]["notifications"][0]
    converted = asked(soar_app, "convert_notification", id=first["id"], mapping="stix21")
    assert converted["data"][0]["bundle"]["type"] == "bundle"


def test_ingestion_has_each_notification_once_and_goes_on_where_it_was(soar_app):
    first = asked(soar_app, "on_poll", container_count=25)
    assert len(first["containers"]) == 25
    rest = asked(soar_app, "on_poll", container_count=1000, state=first["state"])
    ids = [each["source_data_identifier"] for each in first["containers"] + rest["containers"]]
    assert sorted(ids) == sorted(raised())
    artifact = first["containers"][0]["artifacts"][0]
    assert artifact["cef"]["externalId"] == ids[0]
    again = asked(soar_app, "on_poll", state=rest["state"])
    assert (again["containers"], again["state"]) == ([], rest["state"])


def ingested(soar_app, **config):
    return asked(soar_app, "on_poll", container_count=1000, config=config)["containers"]


def test_a_container_has_a_severity_that_the_verdict_supports_and_its_artifact_what_is_known(soar_app):
    containers = ingested(soar_app)
    severities = {}
    for each in containers:
        cef = each["artifacts"][0]["cef"]
        assert each["severity"] == each["artifacts"][0]["severity"] == cef["severity"]
        severities.setdefault(cef["verdict"], set()).add(each["severity"])
    assert severities["undetected"] == severities["unknown"] == {"low"}
    assert severities["malicious"] >= {"medium", "high"}
    malicious = next(
        each["artifacts"][0]
        for each in containers
        if "verdict_malicious" in each["tags"] and "fileHashSha256" in each["artifacts"][0]["cef"]
    )
    known = {"fileHashMd5", "fileHashSha1", "fileName", "fileSize", "threatScore", "confidence", "malwareFamilies"}
    assert malicious["cef"].keys() >= known | {"firstSeen", "lastSeen", "detections", "engines"}
    assert malicious["cef_types"]["fileHashMd5"] == ["md5", "hash"]
    assert malicious["cef_types"].keys() <= malicious["cef"].keys()


def test_ingestion_is_of_what_the_asset_asks_for(soar_app):
    containers = ingested(soar_app, minimum_score=60, verdicts="malicious, suspicious", entity_types="file")
    assert containers
    for each in containers:
        cef = each["artifacts"][0]["cef"]
        assert cef["threatScore"] >= 60
        assert cef["verdict"] in ("malicious", "suspicious")
        assert "fileHashSha256" in cef


def played(soar_app, container, route="siem"):
    return on_platform("splunk_soar.py", "play", soar_app[0], given={"container": container, "route": route})


def test_the_playbook_delivers_what_is_malicious_and_closes_what_nobody_calls_so(soar_app):
    containers = {}
    for each in ingested(soar_app):
        containers.setdefault(each["artifacts"][0]["cef"]["verdict"], each)
    number = containers["malicious"]["source_data_identifier"]
    done = played(soar_app, containers["malicious"])
    assert ["push notification", [{"id": number, "route": "siem"}]] in done
    assert ["status", "open"] in done
    assert not any(step[0] == "push notification" for step in played(soar_app, containers["malicious"], route=""))
    assert played(soar_app, containers["suspicious"]) == []
    assert ["status", "closed"] in played(soar_app, containers["undetected"])
    described = json.loads((soar_app[0] / "iocstream" / "iocstream.json").read_text())
    (push,) = [action for action in described["actions"] if action["action"] == "push notification"]
    assert {"id", "route"} == push["parameters"].keys()


def withdrawing(soar_app, folder, verdict, **config):
    """Ingest four entities that are malicious, judge the domain, and ingest again; what the platform has then."""
    with vendor_world(folder, soar_app[0]) as world:
        first = asked(world, "on_poll", container_count=100, config=config)
        judged = {"verdict": verdict, "of": "observable", "value": "a.example"}
        world[1].post("judge", judged).raise_for_status()
        again = asked(world, "on_poll", state=first["state"], there=first["containers"], config=config)
        last = asked(world, "on_poll", state=again["state"], there=again["there"], config=config)
        elsewhere = asked(world, "on_poll", state=first["state"], config=config)
    assert (again["containers"], last["there"]) == ([], again["there"])
    return first["containers"], again["there"], elsewhere


@pytest.mark.parametrize("config", [{}, {"verdicts": "malicious", "minimum_score": 60}])
def test_what_an_analyst_judges_wrong_is_told_in_its_container(soar_app, tmp_path, config):
    before, there, elsewhere = withdrawing(soar_app, tmp_path, "false_positive", **config)
    assert [each["severity"] for each in before] == ["high"] * 4
    (changed,) = [each for each in there if len(each["artifacts"]) > 1]
    assert changed["severity"] == "low"
    first, last = changed["artifacts"]
    assert (first["cef"]["destinationDnsDomain"], last["cef"]["destinationDnsDomain"]) == ("a.example", "a.example")
    assert (last["cef"]["change"], last["cef"]["judgement"]) == ("withdrawn", "false_positive")
    assert (last["cef"]["verdict"], last["severity"]) == ("unknown", "low")
    assert played(soar_app, changed)[-1] == ["status", "closed"]
    assert ["tags", ["withdrawn"]] in played(soar_app, changed)
    assert (elsewhere["containers"], elsewhere["there"]) == ([], [])


def test_what_is_judged_right_is_told_in_its_container_too(soar_app, tmp_path):
    _, there, _ = withdrawing(soar_app, tmp_path, "true_positive")
    (changed,) = [each for each in there if len(each["artifacts"]) > 1]
    assert changed["artifacts"][1]["cef"]["judgement"] == "true_positive"
    assert changed["severity"] == "high"
    assert ["status", "open"] in played(soar_app, changed)


def connector_module(soar_app, monkeypatch):
    """The app's module, without the platform."""
    for name in ("phantom", "phantom.app", "phantom.action_result", "phantom.base_connector"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["phantom"].app = sys.modules["phantom.app"]
    sys.modules["phantom.action_result"].ActionResult = sys.modules["phantom.base_connector"].BaseConnector = object
    monkeypatch.syspath_prepend(str(soar_app[0] / "iocstream"))
    monkeypatch.delitem(sys.modules, "iocstream_client", raising=False)
    return importlib.import_module("iocstream_connector")


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        ("file", "a" * 32, ("fileHashMd5", ["md5", "hash"])),
        ("file", "a" * 40, ("fileHashSha1", ["sha1", "hash"])),
        ("file", "a" * 64, ("fileHashSha256", ["sha256", "hash"])),
        ("ip_address", "198.51.100.7", ("destinationAddress", ["ip"])),
        ("ip_address", "2001:db8::1", ("destinationAddress", ["ipv6"])),
        ("ip_address", "198.51.100.0/24", ("destinationAddress", [])),
        ("url", "https://a.example/", ("requestURL", ["url"])),
        ("domain", "a.example", ("destinationDnsDomain", ["domain"])),
    ],
)
def test_an_observable_is_in_the_field_of_its_kind(soar_app, monkeypatch, kind, value, wanted):
    module = connector_module(soar_app, monkeypatch)
    assert module.named({"entity_type": kind, "entity_value": value}) == wanted


def test_a_later_match_that_is_benign_is_told_in_the_container_of_the_former(soar_app, tmp_path):
    bad = {"verdicts": "malicious"}
    with vendor_world(tmp_path, soar_app[0]) as world:
        first = asked(world, "on_poll", container_count=100, config=bad)
        world[1].raises_benign()
        again = asked(world, "on_poll", state=first["state"], there=first["containers"], config=bad)
    (changed,) = [each for each in again["there"] if len(each["artifacts"]) > 1]
    assert changed["artifacts"][0]["cef"]["destinationDnsDomain"] == "a.example"
    assert (changed["artifacts"][1]["cef"]["verdict"], changed["severity"]) == ("benign", "low")
    assert played(soar_app, changed)[-1] == ["status", "closed"]


def test_the_archive_of_the_playbook_has_its_code_and_description(soar_app):
    with tarfile.open(soar_app[0] / "iocstream_triage.tgz") as archive:
        assert sorted(archive.getnames()) == ["iocstream_triage.json", "iocstream_triage.py"]
        ast.parse(archive.extractfile("iocstream_triage.py").read(), feature_version=(3, 9))
        assert json.load(archive.extractfile("iocstream_triage.json"))["coa"]["python_version"] == "3"


def test_what_the_platform_could_not_save_comes_again(soar_app):
    failed = asked(soar_app, "on_poll", container_count=10, full_after=4)
    assert (failed["status"], failed["message"]) == (False, "a container could not be saved: no space left")
    assert failed["state"] == {}


def test_poll_now_shows_the_newest_and_keeps_no_place(soar_app):
    shown = asked(soar_app, "on_poll", container_count=3, poll_now=True, state={"next": "7"})
    assert len(shown["containers"]) == 3
    assert shown["state"] == {"next": "7"}
