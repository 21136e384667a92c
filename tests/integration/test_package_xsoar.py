"""The pack for Cortex XSOAR: judged by demisto-sdk's models, run with a stand-in for `demisto` against a server."""

import ast
import zipfile

import pytest
from integration.packages import RAISED, on_platform, packaged, raised

from connector.actions import ACTIONS

pytestmark = pytest.mark.xdist_group("package-xsoar")  # one server for all of them


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    with packaged("xsoar", tmp_path_factory.mktemp("xsoar")) as (folder, server):
        yield folder, server


def asked(pack, command, context=None, params=(), **args):
    folder, server = pack
    settings = {"url": server.url, "credentials": {"password": server.tokens["root"]}, **dict(params)}
    given = {"command": command, "params": settings, "args": args, "context": context}
    return on_platform("xsoar.py", "run", folder, given=given)


def test_demisto_sdk_accepts_it(pack):
    assert on_platform("xsoar.py", "judge", pack[0]) == []


def test_the_archive_has_the_pack_and_its_script_is_python(pack):
    with zipfile.ZipFile(pack[0] / "IoCStream.zip") as archive:
        script = archive.read("Packs/IoCStream/Integrations/IoCStream/IoCStream.py").decode()
    ast.parse(script, feature_version=(3, 9))


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
    assert first["contexts"][-1]["next"]
    again = asked(pack, "fetch-indicators", context=first["contexts"][-1])
    assert (again["indicators"], again["contexts"]) == ([], [first["contexts"][-1]])
    assert len(RAISED) == len(raised())
