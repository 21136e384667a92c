"""The connector for FortiSOAR, run by a stand-in for its framework (no index has it) against a real server."""

import ast
import json

import pytest
from integration.packages import RAISED, on_platform, packaged, vendor_world

from connector.actions import ACTIONS

pytestmark = pytest.mark.xdist_group("package-fortisoar")  # one server for all of them


@pytest.fixture(scope="module")
def fortisoar(tmp_path_factory):
    with packaged("fortisoar", tmp_path_factory.mktemp("fortisoar")) as (folder, server):
        yield folder / "iocstream", server


def ran(fortisoar, operation, *, config=(), **params):
    folder, server = fortisoar
    known = {"server_url": server.url, "token": server.tokens["root"], "verify_ssl": True, **dict(config)}
    given = {"operation": operation, "config": known, "params": params}
    return on_platform("fortisoar.py", "run", folder, given=given)


def test_its_description_is_whole(fortisoar):
    assert on_platform("fortisoar.py", "judge", fortisoar[0]) == []
    described = json.loads((fortisoar[0] / "info.json").read_text())
    assert [operation["operation"] for operation in described["operations"]] == list(ACTIONS)
    assert {f["name"]: f["type"] for f in described["configuration"]["fields"]}["token"] == "password"
    for path in fortisoar[0].glob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 8))


def test_its_health_is_whether_the_server_takes_the_token(fortisoar):
    assert ran(fortisoar, "health") == {"result": True}
    assert ran(fortisoar, "health", config={"token": "wrong"})["error"].startswith("unauthenticated: ")


def test_an_operation_gives_the_answer(fortisoar):
    listed = ran(fortisoar, "list_notifications", limit="2", filter="", next=None)["result"]
    assert (listed["status"], listed["summary"]) == ("success", {"listed": 2})
    pushed = ran(fortisoar, "push_notification", id=listed["data"]["notifications"][0]["id"], route="published")
    assert pushed["result"]["data"]["outcome"] == "delivered"
    assert ran(fortisoar, "get_notification", id="404404")["error"].startswith("not_found: ")


def played(fortisoar, tag, places=None, **more):
    folder, server = fortisoar
    config = {"server_url": server.url, "token": server.tokens["root"], "verify_ssl": True}
    return on_platform(
        "fortisoar.py", "play", folder, given={"tag": tag, "config": config, "places": places or {}, **more}
    )


def test_ingestion_makes_indicators_with_the_reputation_of_the_verdict_and_keeps_its_place(fortisoar):
    done = played(fortisoar, "ingest")
    listed = ran(fortisoar, "list_notifications", limit="1000", verdicts="malicious,suspicious")["result"]["data"]
    wanted = [each for each in listed["notifications"] if each["entity_value"]]
    by_id = {each["id"]: each for each in wanted}  # the last of each value stays
    assert {record["value"] for record in done["records"]} == {each["entity_value"] for each in wanted}
    reputations = {"malicious": "Malicious", "suspicious": "Suspicious"}
    for record in done["records"]:
        known = by_id[record["sourceID"]]
        assert record["value"] == known["entity_value"]
        assert record["confidence"] == (known["confidence"] or 0)
        hashes = [known["hashes"][name] or "" for name in ("md5", "sha1", "sha256")]
        assert [record[f"filehash{name}"] for name in ("MD5", "SHA1", "SHA256")] == hashes
        assert record["reputation"] == f"IndicatorReputation/{reputations[known['verdict']]}"
        assert f"score {known['score']}" in record["description"]
        assert isinstance(record["firstSeen"], int)
    types = {"file": "FileHash-SHA256", "url": "URL", "domain": "Domain", "ip_address": "IP Address"}
    named = {record["typeofindicator"] for record in done["records"]}
    assert named == {f"IndicatorType/{types[each['entity_type']]}" for each in wanted}
    (place,) = done["places"].values()
    assert place.partition("c")[0] == str(len(RAISED))
    again = played(fortisoar, "ingest", done["places"])
    assert (again["records"], again["places"]) == ([], done["places"])


@pytest.mark.parametrize(("verdict", "reputation"), [("false_positive", "No Reputation Available"), ("benign", "Good")])
def test_what_an_analyst_judges_wrong_lowers_the_reputation_of_its_indicator(fortisoar, tmp_path, verdict, reputation):
    with vendor_world(tmp_path, fortisoar[0]) as world:
        first = played(world, "ingest")
        judged = {"verdict": verdict, "of": "observable", "value": "a.example"}
        world[1].post("judge", judged).raise_for_status()
        again = played(world, "ingest", first["places"], records=first["records"])
    before, after = ({each["value"]: each for each in done["records"]} for done in (first, again))
    assert len(before) == len(after) == 4
    assert before["a.example"]["reputation"] == "IndicatorReputation/Malicious"
    assert after["a.example"]["reputation"] == f"IndicatorReputation/{reputation}"
    assert after["a.example"]["description"].startswith(f"<p>Withdrawn: an analyst judged it {verdict}. Matched by")
    assert after["a.example"]["confidence"] == 0
    assert {name: each for name, each in before.items() if name != "a.example"}.items() <= after.items()


def test_what_others_wrote_is_text_in_the_description(fortisoar, tmp_path):
    with vendor_world(tmp_path, fortisoar[0], rule="<img src=x onerror=alert(1)>") as world:
        records = played(world, "ingest")["records"]
    assert len(records) == 4
    assert all("Matched by &lt;img src=x onerror=alert(1)&gt;." in each["description"] for each in records)


def test_a_url_that_is_too_long_for_an_indicator_holds_up_nothing(fortisoar, tmp_path):
    with vendor_world(tmp_path, fortisoar[0], url="https://a.example/" + "x" * 1024) as world:
        records = played(world, "ingest")["records"]
    assert sorted(each["typeofindicator"] for each in records) == [
        "IndicatorType/Domain",
        "IndicatorType/FileHash-SHA256",
        "IndicatorType/IP Address",
    ]


def test_ingestion_is_of_what_it_is_configured_for(fortisoar, tmp_path):
    configured = {"entity_types": "file", "verdicts": "malicious", "minimum_score": "60", "since": "2020-01-01"}
    with vendor_world(tmp_path, fortisoar[0]) as world:
        (record,) = played(world, "ingest", configured=configured)["records"]
    assert record["typeofindicator"] == "IndicatorType/FileHash-SHA256"


def test_what_the_platform_could_not_store_comes_again(fortisoar):
    failed = played(fortisoar, "ingest", full_after=0)
    assert failed == {"error": "no space left", "places": {}}


def test_the_wizard_maps_fields_by_sample_data_and_asks_no_server(fortisoar):
    shown = played(fortisoar, "fetch", for_mapping=True)
    (sample,) = json.loads(shown["data"])
    listed = ran(fortisoar, "list_notifications", limit="1")["result"]["data"]["notifications"][0]
    assert sample.keys() <= listed.keys()
    assert shown["records"] == []
