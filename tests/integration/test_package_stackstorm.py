"""The pack for StackStorm, run by a stand-in for its runners (no index has them) against a real server."""

import ast

import pytest
import yaml
from integration.packages import on_platform, packaged, raised, vendor_world

from connector.actions import ACTIONS

pytestmark = pytest.mark.xdist_group("package-stackstorm")  # one server for all of them


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    with packaged("stackstorm", tmp_path_factory.mktemp("stackstorm")) as (folder, server):
        yield folder / "iocstream", server


def config(pack, **changes):
    return {"url": pack[1].url, "token": pack[1].tokens["root"], "verify": True, **changes}


def ran(pack, action, *, changes=(), **parameters):
    given = {"action": action, "config": config(pack, **dict(changes)), "parameters": parameters}
    return on_platform("stackstorm.py", "run", pack[0], given=given)


def test_it_is_a_pack_of_actions_in_the_python_of_the_platform(pack):
    assert on_platform("stackstorm.py", "judge", pack[0]) == []
    assert {path.stem for path in (pack[0] / "actions").glob("*.yaml")} == set(ACTIONS)
    for path in pack[0].rglob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 8))
    assert yaml.safe_load((pack[0] / "config.schema.yaml").read_text())["token"]["secret"] is True


def test_an_action_runs_with_the_defaults_of_its_metadata(pack):
    done, envelope = ran(pack, "list_notifications", limit=2)
    assert done is True
    assert envelope["summary"] == {"listed": 2}
    done, fault = ran(pack, "get_notification", id="404404")
    assert (done, fault["code"]) == (False, "not_found")
    done, fault = ran(pack, "get_status", changes={"token": "wrong"})
    assert (done, fault["code"]) == (False, "unauthenticated")


def test_the_sensor_dispatches_each_notification_once(pack):
    first = on_platform("stackstorm.py", "sense", pack[0], given={"config": config(pack), "values": {}})
    assert sorted(payload["id"] for _, payload in first["dispatched"]) == sorted(raised())
    assert {trigger for trigger, _ in first["dispatched"]} == {"iocstream.notification"}
    given = {"config": config(pack), "values": first["values"]}
    again = on_platform("stackstorm.py", "sense", pack[0], given=given)
    assert again == {"dispatched": [], "values": first["values"]}


def test_the_sensor_dispatches_what_the_pack_is_configured_for(pack):
    given = {"config": config(pack, minimum_score=60, verdicts=["malicious"], entity_types=["file"]), "values": {}}
    dispatched = [payload for _, payload in on_platform("stackstorm.py", "sense", pack[0], given=given)["dispatched"]]
    assert dispatched
    assert {(each["verdict"], each["entity_type"]) for each in dispatched} == {("malicious", "file")}
    assert all(each["score"] >= 60 for each in dispatched)


@pytest.mark.parametrize("wanted", [{}, {"verdicts": ["malicious"], "minimum_score": 60, "since": "2020-01-01"}])
def test_what_an_analyst_judges_wrong_is_dispatched_as_withdrawn_and_delivered_no_more(pack, tmp_path, wanted):
    with vendor_world(tmp_path, pack[0]) as world:
        first = on_platform("stackstorm.py", "sense", pack[0], given={"config": config(world, **wanted), "values": {}})
        judged = {"verdict": "false_positive", "of": "observable", "value": "a.example"}
        world[1].post("judge", judged).raise_for_status()
        given = {"config": config(world, **wanted), "values": first["values"]}
        again = on_platform("stackstorm.py", "sense", pack[0], given=given)
    assert [payload["change"] for _, payload in first["dispatched"]] == [None] * 4
    ((_, payload),) = again["dispatched"]
    assert (payload["entity_value"], payload["change"]) == ("a.example", "withdrawn")
    assert (payload["verdict"], payload["judgement"]) == ("unknown", "false_positive")
    ruled = {"rule": "deliver_malicious", "payloads": [payload], "datastore": {"iocstream_route": "published"}}
    assert on_platform("stackstorm.py", "rule", pack[0], given=ruled)["started"] == []


def test_the_rule_delivers_what_is_malicious_on_the_route_that_the_datastore_names(pack):
    sensed = on_platform("stackstorm.py", "sense", pack[0], given={"config": config(pack), "values": {}})
    payloads = [payload for _, payload in sensed["dispatched"]]
    given = {"rule": "deliver_malicious", "payloads": payloads, "datastore": {"iocstream_route": "published"}}
    done = on_platform("stackstorm.py", "rule", pack[0], given=given)
    malicious = [each["id"] for each in payloads if each["verdict"] == "malicious"]
    assert malicious
    assert done["enabled"] is False
    expected = [["iocstream.push_notification", {"id": number, "route": "published"}] for number in malicious]
    assert done["started"] == expected
    answered, envelope = ran(pack, "push_notification", **done["started"][0][1])
    assert (answered, envelope["data"]["outcome"]) == (True, "delivered")
