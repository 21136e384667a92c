"""The pack for Cortex XSOAR: judged by demisto-sdk's models, run with a stand-in for `demisto` against a server."""

import ast
import datetime
import json
import os
import subprocess
import sys
import zipfile

import pytest
from integration.packages import RAISED, ROOT, on_platform, packaged, raised, vendor_world

from connector.actions import ACTIONS

pytestmark = pytest.mark.xdist_group("package-xsoar")  # one server for all of them

# What the indicators of "Google Threat Intelligence IoC Stream Feed" have, by the unit tests that it is published with:
# demisto/content, Packs/GoogleThreatIntelligence/Integrations/FeedIoCStream. docs/platforms/xsoar.md has the table.
VENDORS_OF_ALL = {
    "tags", "updateddate", "detectionengines", "positivedetections", "gtithreatscore", "gtiseverity", "gtiverdict",
    "actor", "malwarefamily", "firstseenbysource", "lastseenbysource",
}  # fmt: skip
VENDORS = {
    "File": VENDORS_OF_ALL | {
        "md5", "sha1", "sha256", "ssdeep", "imphash", "fileextension", "filetype", "displayname", "name", "size",
        "creationdate",
    },
    "Domain": VENDORS_OF_ALL | {
        "admincountry", "adminname", "adminemail", "adminphone", "registrantcountry", "registrantemail",
        "registrantname", "registrantphone", "registrarabusephone", "registrarabuseemail", "registrarname",
        "creationdate",
    },
    "URL": VENDORS_OF_ALL,
    "IP": VENDORS_OF_ALL | {"countrycode"},
}  # fmt: skip


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    with packaged("xsoar", tmp_path_factory.mktemp("xsoar")) as (folder, server):
        yield folder, server


def asked(pack, command, *, context=None, params=(), last_run=None, there=(), **args):
    folder, server = pack
    settings = {"url": server.url, "credentials": {"password": server.tokens["root"]}, **dict(params)}
    is_feed = command in ("fetch-indicators", "iocstream-get-indicators")
    given = {
        "integration": "FeedIoCStream" if is_feed else "IoCStream",
        "command": command,
        "params": settings,
        "args": args,
        "context": context,
        "last_run": last_run,
        "there": there,
    }
    return on_platform("xsoar.py", "run", folder, given=given)


def test_demisto_sdk_accepts_every_item_and_each_names_what_there_is(pack):
    assert on_platform("xsoar.py", "judge", pack[0]) == []


def test_the_archive_has_the_pack_and_its_scripts_are_python(pack):
    with zipfile.ZipFile(pack[0] / "IoCStream.zip") as archive:
        scripts = [name for name in archive.namelist() if name.endswith(".py")]
        for name in scripts:
            ast.parse(archive.read(name).decode(), feature_version=(3, 9))
    assert len(scripts) == 4


@pytest.mark.parametrize("integration", ["IoCStream", "FeedIoCStream"])
def test_the_unit_tests_of_the_pack_pass(pack, tmp_path, integration):
    (tmp_path / "demistomock.py").write_text(
        "def _nothing(*_): raise AssertionError\n"
        "createIndicators = getIntegrationContext = setIntegrationContext = info = _nothing\n"
        "incidents = getLastRun = setLastRun = searchIndicators = _nothing\n"
    )
    folder = pack[0] / "Packs" / "IoCStream" / "Integrations" / integration
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", folder, folder],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_test_says_ok_or_what_is_wrong(pack):
    assert asked(pack, "test-module")["results"] == ["ok"]
    (refused,) = asked(pack, "test-module", params={"credentials": {"password": "wrong"}})["results"]
    assert refused["Type"] == 4
    assert refused["Contents"].startswith("unauthenticated: ")
    (nowhere,) = asked(pack, "test-module", params={"url": "http://127.0.0.1:9"})["results"]
    assert "cannot be reached" in nowhere["Contents"]


def test_a_command_takes_text_and_fills_the_context(pack):
    (entry,) = asked(pack, "iocstream-list-notifications", limit="3", bodies="false")["results"]
    listed = entry["EntryContext"]["IoCStream.ListNotifications"]["notifications"]
    assert len(listed) == 3
    assert listed[0]["entity_value"] in entry["HumanReadable"]
    converted = asked(pack, "iocstream-convert-notification", id=listed[0]["id"], mapping="cef")["results"][0]
    assert converted["EntryContext"]["IoCStream.ConvertNotification"]["documents"][0].startswith("CEF:0|")
    (refused,) = asked(pack, "iocstream-list-notifications", limit="many")["results"]
    assert refused["Contents"] == "invalid_parameters: limit is no integer"


def test_a_command_gives_each_observable_a_dbot_score_by_its_verdict(pack):
    params = {"integrationReliability": "A - Completely reliable"}
    asked_for = {"verdicts": "malicious, suspicious", "entity_types": "file", "limit": "50"}
    (entry,) = asked(pack, "iocstream-list-notifications", params=params, **asked_for)["results"]
    context = {path.partition("(")[0]: value for path, value in entry["EntryContext"].items()}
    listed = context["IoCStream.ListNotifications"]["notifications"]
    assert listed
    scores = {"malicious": 3, "suspicious": 2}
    assert [each["Score"] for each in context["DBotScore"]] == [scores[each["verdict"]] for each in listed]
    assert {each["Reliability"] for each in context["DBotScore"]} == {"A - Completely reliable"}
    assert [each["SHA256"] for each in context["File"]] == [each["entity_value"] for each in listed]
    one = asked(pack, "iocstream-get-notification", id=listed[0]["id"])["results"][0]["EntryContext"]
    assert any(path.startswith("DBotScore(") for path in one)


@pytest.mark.parametrize("name", ACTIONS)
def test_there_is_a_command_for_each_action(pack, name):
    (entry,) = asked(pack, f"iocstream-{name.replace('_', '-')}", no_such_parameter="1")["results"]
    assert entry["Contents"] == f"invalid_parameters: {name} takes no no_such_parameter"


def test_the_feed_has_each_notification_once_and_goes_on_where_it_was(pack):
    first = asked(pack, "fetch-indicators", params={"feedTags": "a, b", "tlp_color": "AMBER"})
    have = {each["rawJSON"]["id"] for each in first["indicators"]}
    passed_over = {number for line in first["info"] for number in line.rpartition("notifications ")[2].split(", ")}
    assert have | passed_over == raised()
    assert not have & passed_over
    assert len(first["indicators"]) == len(have)
    assert {each["type"] for each in first["indicators"]} >= {"File", "URL", "Domain", "IP"}
    assert all(each["fields"]["tags"][:2] == ["a", "b"] for each in first["indicators"])
    assert {each["score"] for each in first["indicators"]} == {0, 2, 3}
    assert any(each["relationships"] for each in first["indicators"])
    assert first["contexts"][-1]["next"]
    again = asked(pack, "fetch-indicators", context=first["contexts"][-1])
    assert (again["indicators"], again["contexts"]) == ([], [first["contexts"][-1]])
    assert len(RAISED) == len(raised())


def test_the_feed_is_of_what_the_instance_asks_for(pack):
    params = {"minimum_score": "60", "verdicts": ["malicious"], "entity_types": ["file", "domain"], "rules": ""}
    fetched = asked(pack, "fetch-indicators", params=params)["indicators"]
    assert fetched
    assert all(each["rawJSON"]["score"] >= 60 and each["score"] == 3 for each in fetched)
    assert {each["type"] for each in fetched} <= {"File", "Domain"}
    shown = asked(pack, "iocstream-get-indicators", params=params, limit="5")["results"][0]["Contents"]
    assert 0 < len(shown) <= 5


def test_incidents_are_of_rules_and_go_on_where_they_were(pack):
    fetched, last_run, rules = [], None, set()
    for _ in range(10):
        done = asked(pack, "fetch-incidents", params={"max_fetch": "25"}, last_run=last_run)
        in_one = [json.loads(each["rawJSON"])["rule"] for each in done["incidents"]]
        assert len(in_one) == len(set(in_one))
        fetched += [number for each in done["incidents"] for number in json.loads(each["rawJSON"])["notification_ids"]]
        rules |= set(in_one)
        if done["last_run"] == last_run:
            break
        last_run = done["last_run"]
    assert sorted(fetched) == sorted(raised())
    named = {(item["context_attributes"]["hunting_info"] or {}).get("rule_name") for item in RAISED} - {None}
    assert rules >= named


def test_an_indicator_has_every_field_that_the_vendors_own_feed_has(pack, tmp_path):
    with vendor_world(tmp_path, pack[0]) as world:
        fetched = {each["type"]: each for each in asked(world, "fetch-indicators")["indicators"]}
    assert fetched.keys() == VENDORS.keys()
    for kind, wanted in VENDORS.items():
        assert wanted - fetched[kind]["fields"].keys() == set(), kind
        assert fetched[kind]["score"] == 3
        assert [each["entityBType"] for each in fetched[kind]["relationships"]] == ["Malware", "Threat Actor"]
        assert fetched[kind]["fields"]["gtiverdict"] == "VERDICT_MALICIOUS"
        assert fetched[kind]["fields"]["confidence"] == 80  # which the vendor's feed does not have
    assert fetched["Domain"]["fields"]["registrarabusephone"] == "+34 600"


READ_BY_THE_VENDOR = {
    "tags": "tags", "updateddate": "last_modification_date", "positivedetections": "last_analysis_stats.malicious",
    "gtithreatscore": "gti_assessment.threat_score.value", "gtiseverity": "gti_assessment.severity.value",
    "gtiverdict": "gti_assessment.verdict.value", "actor": "attribution.threat_actors",
    "md5": "md5", "sha1": "sha1", "sha256": "sha256", "ssdeep": "ssdeep", "imphash": "pe_info.imphash",
    "fileextension": "type_extension", "filetype": "type_tag", "displayname": "meaningful_name", "size": "size",
    "creationdate": "creation_date", "registrarname": "registrar", "countrycode": "country",
}  # fmt: skip
"""Fields of the vendor's indicators, and which attribute of VirusTotal each of them is."""
SEEN_BY_THE_VENDOR = {
    "File": ("first_submission_date", "last_submission_date"),
    "URL": ("first_submission_date", "last_submission_date"),
    "Domain": ("first_seen_itw_date", "last_seen_itw_date"),
    "IP": ("first_seen_itw_date", "last_seen_itw_date"),
}
FIELDS_OF_ONE_TYPE = {"registrarname": "Domain", "countrycode": "IP", "size": "File"}


def at(attributes, path):
    """What lies at a path of names; None where nothing does."""
    for name in path.split("."):
        attributes = attributes.get(name) if isinstance(attributes, dict) else None
    return attributes


def test_on_the_same_capture_an_indicator_has_the_values_that_the_vendors_own_feed_has(pack):
    fetched = {each["rawJSON"]["id"]: each for each in asked(pack, "fetch-indicators")["indicators"]}
    compared = set()
    for item in RAISED:
        made = fetched.get(item["context_attributes"]["notification_id"])
        if made is None or made["type"] not in SEEN_BY_THE_VENDOR:
            continue
        seen = dict(zip(("firstseenbysource", "lastseenbysource"), SEEN_BY_THE_VENDOR[made["type"]], strict=True))
        for field, path in {**READ_BY_THE_VENDOR, **seen}.items():
            value = at(item.get("attributes"), path)
            if value is None or FIELDS_OF_ONE_TYPE.get(field, made["type"]) != made["type"]:
                continue
            ours = made["fields"][field]
            if isinstance(value, list):
                assert set(value) <= set(ours)
            elif isinstance(ours, str) and isinstance(value, int):
                assert datetime.datetime.fromisoformat(ours).timestamp() == value
            else:
                assert ours == value
            compared.add(field)
    assert compared >= {"gtiverdict", "gtithreatscore", "md5", "sha256", "firstseenbysource", "registrarname"}


@pytest.mark.parametrize("params", [{}, {"verdicts": ["malicious"], "minimum_score": "60"}])
def test_what_an_analyst_judges_wrong_lowers_the_reputation_of_its_indicator(pack, tmp_path, params):
    with vendor_world(tmp_path, pack[0]) as world:
        first = asked(world, "fetch-indicators", params=params)
        told = asked(world, "fetch-incidents", params=params)
        judged = {"verdict": "false_positive", "of": "observable", "value": "a.example"}
        world[1].post("judge", judged).raise_for_status()
        values = [each["value"] for each in first["indicators"]]
        again = asked(world, "fetch-indicators", context=first["contexts"][-1], params=params, there=values)
        withdrawn = asked(world, "fetch-incidents", last_run=told["last_run"], params=params)
        elsewhere = asked(world, "fetch-indicators", context=first["contexts"][-1], params=params)
    (made,) = again["indicators"]
    assert (made["value"], made["score"], made["fields"]["gtiverdict"]) == ("a.example", 0, "VERDICT_UNKNOWN")
    assert made["fields"]["description"].startswith("Withdrawn: an analyst judged it false positive; ")
    assert [each["name"] for each in withdrawn["incidents"]] == ["IoC-Stream: lantern: 1 entity withdrawn"]
    assert elsewhere["indicators"] == []  # where the platform has no such indicator


def test_the_page_names_every_field_that_the_vendors_own_feed_has():
    page = (ROOT / "docs" / "platforms" / "xsoar.md").read_text()
    table = page[page.index("## What an indicator has") :]
    for kind, names in VENDORS.items():
        assert all(f"`{name}`" in table for name in names), kind
