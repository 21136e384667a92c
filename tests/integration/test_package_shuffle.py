"""The app for Shuffle, run by Shuffle's SDK between a real server and a stand-in for Shuffle's backend."""

import json

import pytest
import yaml
from integration.packages import on_platform, packaged, raised, vendor_world

from connector.actions import ACTIONS
from connector.version import VERSION

pytestmark = pytest.mark.xdist_group("package-shuffle")  # one server for all of them


@pytest.fixture(scope="module")
def shuffle_app(tmp_path_factory):
    with packaged("shuffle", tmp_path_factory.mktemp("shuffle")) as (folder, server):
        yield folder / "iocstream" / VERSION, server


def ran(shuffle_app, action, cache=None, **parameters):
    folder, server = shuffle_app
    known = {"url": server.url, "token": server.tokens["root"], "verify": "true"}
    given = {"action": action, "parameters": known | parameters, "cache": cache or {}}
    done = on_platform("shuffle.py", folder, given=given)
    (reported,) = done["reported"]
    if cache is not None:
        cache |= done["cache"]
    return reported["status"], json.loads(reported["result"])


def test_every_action_is_described(shuffle_app):
    described = yaml.safe_load((shuffle_app[0] / "api.yaml").read_text())
    names = [action["name"] for action in described["actions"]]
    assert names == [*ACTIONS, "new_notifications", "keep_place"]
    assert described["app_version"] == shuffle_app[0].name
    assert described["large_image"].startswith("data:image/png;base64,")


def test_an_action_runs_with_the_text_that_a_workflow_has(shuffle_app):
    status, result = ran(shuffle_app, "list_notifications", limit="2", bodies="false")
    assert (status, result["success"], result["summary"]) == ("SUCCESS", True, {"listed": 2})
    first = result["data"]["notifications"][0]
    status, result = ran(shuffle_app, "convert_notification", id=first["id"], mapping="cef")
    assert result["data"]["documents"][0].startswith("CEF:0|")


def test_what_went_wrong_is_told(shuffle_app):
    _, result = ran(shuffle_app, "get_notification", id="404404")
    assert (result["success"], result["code"]) == (False, "not_found")
    _, result = ran(shuffle_app, "get_status", token="wrong")
    assert (result["success"], result["code"]) == (False, "unauthenticated")


def test_a_workflow_has_what_is_new_once_and_again_when_it_kept_no_place(shuffle_app):
    cache, seen = {}, []
    for _ in range(3):
        status, result = ran(shuffle_app, "new_notifications", cache, limit="40")
        assert (status, result["success"]) == ("SUCCESS", True)
        fetched = [each["id"] for each in result["data"]["notifications"]]
        again = ran(shuffle_app, "new_notifications", cache, limit="40")[1]
        assert [each["id"] for each in again["data"]["notifications"]] == fetched
        seen += fetched
        _, kept = ran(shuffle_app, "keep_place", cache, next=str(result["data"]["next"]))
        assert kept["success"] is True
    assert sorted(seen) == sorted(raised())
    assert list(cache) == ["iocstream_next_w"]


def test_what_is_new_is_what_the_workflow_asks_for(shuffle_app):
    _, result = ran(shuffle_app, "new_notifications", {}, verdicts="malicious, suspicious", minimum_score="60")
    listed = result["data"]["notifications"]
    assert listed
    assert all(each["score"] >= 60 and each["verdict"] in ("malicious", "suspicious") for each in listed)


def test_a_workflow_is_told_what_an_analyst_judges_wrong(shuffle_app, tmp_path):
    with vendor_world(tmp_path, shuffle_app[0]) as world:
        cache = {}
        _, first = ran(world, "new_notifications", cache, verdicts="malicious")
        ran(world, "keep_place", cache, next=str(first["data"]["next"]))
        judged = {"verdict": "false_positive", "of": "observable", "value": "a.example"}
        world[1].post("judge", judged).raise_for_status()
        _, again = ran(world, "new_notifications", cache, verdicts="malicious")
    assert [each["change"] for each in first["data"]["notifications"]] == [None] * 4
    (withdrawn,) = again["data"]["notifications"]
    assert (withdrawn["entity_value"], withdrawn["change"]) == ("a.example", "withdrawn")


def test_the_workflow_is_of_the_app_and_its_schedule_leads_through_all_of_it(shuffle_app):
    described = yaml.safe_load((shuffle_app[0] / "api.yaml").read_text())
    workflow = json.loads((shuffle_app[0].parents[1] / "workflow-new-notifications.json").read_text())
    known = {action["name"]: {each["name"] for each in action["parameters"]} for action in described["actions"]}
    for step in workflow["actions"]:
        assert (step["app_name"], step["app_version"]) == (described["name"], described["app_version"])
        assert {each["name"] for each in step["parameters"]} == known[step["name"]]
    (trigger,) = workflow["triggers"]
    assert (trigger["trigger_type"], workflow["start"]) == ("SCHEDULE", workflow["actions"][0]["id"])
    following = {branch["source_id"]: branch["destination_id"] for branch in workflow["branches"]}
    place, passed = trigger["id"], []
    while place in following:
        place = following[place]
        passed.append(place)
    assert passed == [step["id"] for step in workflow["actions"]]
    (reference,) = [each["value"] for each in workflow["actions"][1]["parameters"]]
    assert reference == f"${workflow['actions'][0]['label']}.data.next"
