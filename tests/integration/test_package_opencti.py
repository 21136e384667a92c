"""The connector for OpenCTI, run by pycti between a real server and a stand-in of the platform's GraphQL."""

import json

import jsonschema_rs
import pytest
import requests
from integration.packages import on_platform, packaged, vendor_world

pytestmark = pytest.mark.xdist_group("package-opencti")  # one server for all of them


@pytest.fixture(scope="module")
def connector(tmp_path_factory):
    with packaged("opencti", tmp_path_factory.mktemp("opencti")) as (folder, server):
        yield folder, server


def ran(connector, *, state=None, refuse_after=None, **environment):
    folder, server = connector
    known = {
        "IOCSTREAM_URL": server.url,
        "IOCSTREAM_TOKEN": server.tokens["puller"],
        "IOCSTREAM_COLLECTION": "indicators",
    }
    given = {"state": state, "environment": known | environment, "refuse_after": refuse_after}
    return on_platform("opencti.py", folder, peer="pycti", given=given)


def sent(done):
    return [each["id"] for bundle in done["bundles"] for each in bundle["objects"]]


def collected(server):
    asked = {
        "Accept": "application/taxii+json;version=2.1",
        "Authorization": f"Bearer {server.tokens['puller']}",
    }
    url = f"{server.url}/taxii2/root/collections/indicators/objects/"
    return [each["id"] for each in requests.get(url, headers=asked, timeout=20).json()["objects"]]


def test_everything_of_the_collection_is_sent_once_and_the_state_goes_on_from_there(connector):
    first = ran(connector)
    assert first["code"] == 0, first["log"]
    assert first["registered"][0]["type"] == "EXTERNAL_IMPORT"
    assert sorted(sent(first)) == sorted(collected(connector[1]))
    assert not first["works"][-1]["inError"]
    assert json.loads(first["state"])["added_after"]
    again = ran(connector, state=first["state"])
    assert (again["bundles"], again["state"]) == ([], first["state"])


def test_what_an_analyst_judges_wrong_is_sent_revoked(connector, tmp_path):
    with vendor_world(tmp_path, connector[0]) as world:
        first = ran(world)
        judged = {"verdict": "false_positive", "of": "observable", "value": "a.example"}
        world[1].post("judge", judged).raise_for_status()
        world[1].post("poll").raise_for_status()
        again = ran(world, state=first["state"])
    before, after = (
        [each for bundle in done["bundles"] for each in bundle["objects"] if each["type"] == "indicator"]
        for done in (first, again)
    )
    (revoked,) = after
    assert (revoked["revoked"], "a.example" in revoked["pattern"]) == (True, True)
    assert revoked["id"] in [each["id"] for each in before if not each.get("revoked")]


def test_an_outage_of_the_server_is_told_and_moves_nothing(connector):
    done = ran(connector, IOCSTREAM_URL="http://127.0.0.1:9")
    assert (done["code"], done["bundles"], done["state"]) == (0, [], None)
    assert "cannot be reached" in done["log"]
    wrong = ran(connector, IOCSTREAM_TOKEN="wrong")
    assert "http_401" in wrong["log"]
    assert connector[1].tokens["puller"] not in wrong["log"] + done["log"]


def test_what_the_platform_did_not_take_comes_again(connector):
    done = ran(connector, refuse_after=0)
    assert done["bundles"] == []
    assert done["state"] is None


def test_an_address_that_is_none_ends_it_with_a_sentence(connector):
    done = ran(connector, IOCSTREAM_URL="iocstream.example")
    assert done["code"] == 1
    assert done["log"].strip() == "IOCSTREAM_URL: the server's address must begin with https:// or http://"


def test_the_compose_file_sets_what_the_schema_knows(connector):
    schema = json.loads((connector[0] / "__metadata__" / "connector_config_schema.json").read_text())
    jsonschema_rs.meta.validate(schema)
    compose = (connector[0] / "docker-compose.yml").read_text()
    named = {line.strip()[2:].split("=")[0] for line in compose.splitlines() if line.strip().startswith("- ")}
    assert set(schema["required"]) <= named <= set(schema["properties"])
