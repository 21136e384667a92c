"""The connector for FortiSOAR, run by a stand-in for its framework (no index has it) against a real server."""

import ast
import json

import pytest
from integration.packages import on_platform, packaged

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
