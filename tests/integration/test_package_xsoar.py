"""The pack for Cortex XSOAR: judged by demisto-sdk's models, run with a stand-in for `demisto` against a server."""

import ast
import json
import os
import subprocess
import sys
import zipfile
from contextlib import contextmanager

import pytest
from integration.packages import RAISED, ROOT, on_platform, packaged, raised

from connector.actions import ACTIONS
from connector.simulator.api import Api
from connector.simulator.wsgi_server import serving

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


def asked(pack, command, context=None, params=(), last_run=None, **args):
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
        "incidents = getLastRun = setLastRun = _nothing\n"
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


def entities():
    """An entity of each type of which VirusTotal knows everything that the vendor's feed has a field for."""
    assessment = {
        "gti_assessment": {
            "verdict": {"value": "VERDICT_MALICIOUS"},
            "threat_score": {"value": 90},
            "severity": {"value": "SEVERITY_HIGH"},
            "contributing_factors": {"gti_confidence_score": 80},
        },
        "attribution": {"malware_families": [{"family": "lantern"}], "threat_actors": ["Paper Badger"]},
        "last_analysis_stats": {"malicious": 40, "suspicious": 0, "undetected": 30, "harmless": 0},
        "tags": ["signed"],
        "last_modification_date": 1_760_000_000,
    }
    submitted = {"first_submission_date": 1_750_000_000, "last_submission_date": 1_760_000_000}
    seen = {"first_seen_itw_date": 1_750_000_000, "last_seen_itw_date": 1_760_000_000}
    contacts = [f"{role} {part}: {role}-{part}" for role in ("Admin", "Registrant") for part in ("Country", "Email")]
    contacts += [f"{role} {part}: {role}-{part}" for role in ("Admin", "Registrant") for part in ("Name", "Phone")]
    contacts += ["Registrar Abuse Contact Email: a@r.example", "Registrar Abuse Contact Phone: +34 600"]
    sha256 = "7" * 64
    return {
        "file": (sha256, {
            "md5": "a" * 32, "sha1": "b" * 40, "sha256": sha256, "ssdeep": "3:a:b", "pe_info": {"imphash": "c" * 32},
            "type_extension": "exe", "type_tag": "peexe", "meaningful_name": "a.exe", "size": 7,
            "creation_date": 1_740_000_000, **submitted,
        }),
        "url": ("https://a.example/x", {"url": "https://a.example/x", **submitted}),
        "domain": ("a.example", {
            "creation_date": 1_740_000_000, "whois": "\n".join(contacts), "registrar": "R", **seen,
        }),
        "ip_address": ("198.51.100.7", {"country": "NO", "asn": 64_496, "as_owner": "O", **seen}),
    }, assessment  # fmt: skip


@contextmanager
def vendor_world(folder, pack):
    """A server whose journal has one notification of each of these entities."""
    from integration.packages import CONFIGURATION, KEY
    from integration.servers import serving_actions

    known, assessment = entities()
    date = RAISED[-1]["context_attributes"]["notification_date"]
    source = {"type": "hunting_ruleset", "id": "1", "label": "Lanterns"}
    items = [
        {
            "type": kind,
            "id": identifier,
            "attributes": {**attributes, **assessment},
            "context_attributes": {
                "notification_id": str(number),
                "notification_date": date,
                "origin": "hunting",
                "hunting_info": {"rule_name": "lantern"},
                "sources": [source],
                "tags": ["lanterns"],
            },
        }
        for number, (kind, (identifier, attributes)) in enumerate(known.items(), start=1)
    ]
    configuration = folder / "iocstream.yaml"
    with serving(Api(items, key=KEY)) as url:
        configuration.write_text(CONFIGURATION.format(key=KEY, api=url, folder=folder))
        with serving_actions(configuration) as server:
            server.post("poll").raise_for_status()
            yield pack[0], server


def test_an_indicator_has_every_field_that_the_vendors_own_feed_has(pack, tmp_path):
    with vendor_world(tmp_path, pack) as world:
        fetched = {each["type"]: each for each in asked(world, "fetch-indicators")["indicators"]}
    assert fetched.keys() == VENDORS.keys()
    for kind, wanted in VENDORS.items():
        assert wanted - fetched[kind]["fields"].keys() == set(), kind
        assert fetched[kind]["score"] == 3
        assert [each["entityBType"] for each in fetched[kind]["relationships"]] == ["Malware", "Threat Actor"]
        assert fetched[kind]["fields"]["gtiverdict"] == "VERDICT_MALICIOUS"
        assert fetched[kind]["fields"]["confidence"] == 80  # which the vendor's feed does not have
    assert fetched["Domain"]["fields"]["registrarabusephone"] == "+34 600"


def test_the_page_names_every_field_that_the_vendors_own_feed_has():
    page = (ROOT / "docs" / "platforms" / "xsoar.md").read_text()
    table = page[page.index("## What an indicator has") :]
    for kind, names in VENDORS.items():
        assert all(f"`{name}`" in table for name in names), kind
