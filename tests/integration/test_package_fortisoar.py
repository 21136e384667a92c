"""The connector for FortiSOAR, run by a stand-in for its framework (no index has it) against a real server."""

import ast
import json

import pytest
from integration.packages import RAISED, on_platform, packaged

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
    assert [record["sourceID"] for record in done["records"]] == [each["id"] for each in wanted]
    reputations = {"malicious": "Malicious", "suspicious": "Suspicious"}
    for record, known in zip(done["records"], wanted, strict=True):
        assert record["value"] == known["entity_value"]
        assert record["reputation"] == f"IndicatorReputation/{reputations[known['verdict']]}"
        assert f"score {known['score']}" in record["description"]
        assert isinstance(record["firstSeen"], int)
    types = {"file": "FileHash-SHA256", "url": "URL", "domain": "Domain", "ip_address": "IP Address"}
    named = {record["typeofindicator"] for record in done["records"]}
    assert named == {f"IndicatorType/{types[each['entity_type']]}" for each in wanted}
    (place,) = done["places"].values()
    assert place == str(len(RAISED))
    again = played(fortisoar, "ingest", done["places"])
    assert (again["records"], again["places"]) == ([], done["places"])


def test_what_the_platform_could_not_store_comes_again(fortisoar):
    failed = played(fortisoar, "ingest", full_after=0)
    assert failed == {"error": "no space left", "places": {}}


def test_the_wizard_maps_fields_by_sample_data_and_asks_no_server(fortisoar):
    shown = played(fortisoar, "fetch", for_mapping=True)
    (sample,) = json.loads(shown["data"])
    listed = ran(fortisoar, "list_notifications", limit="1")["result"]["data"]["notifications"][0]
    assert sample.keys() <= listed.keys()
    assert shown["records"] == []
