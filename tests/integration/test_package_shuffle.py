"""The app for Shuffle, run by Shuffle's SDK between a real server and a stand-in for Shuffle's backend."""

import json

import pytest
import yaml
from integration.packages import on_platform, packaged

from connector.actions import ACTIONS
from connector.version import VERSION

pytestmark = pytest.mark.xdist_group("package-shuffle")  # one server for all of them


@pytest.fixture(scope="module")
def shuffle_app(tmp_path_factory):
    with packaged("shuffle", tmp_path_factory.mktemp("shuffle")) as (folder, server):
        yield folder / "iocstream" / VERSION, server


def ran(shuffle_app, action, **parameters):
    folder, server = shuffle_app
    known = {"url": server.url, "token": server.tokens["root"], "verify": "true"}
    done = on_platform("shuffle.py", folder, given={"action": action, "parameters": known | parameters})
    (reported,) = done["reported"]
    return reported["status"], json.loads(reported["result"])


def test_every_action_is_described(shuffle_app):
    described = yaml.safe_load((shuffle_app[0] / "api.yaml").read_text())
    assert [action["name"] for action in described["actions"]] == list(ACTIONS)
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
