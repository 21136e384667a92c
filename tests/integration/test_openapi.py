"""The OpenAPI document: valid, kept to by the server whatever it is asked, and fit to make a client from."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from integration.servers import serving_actions
from integration.test_actions import RAISED
from integration.test_server import KEY, configured

from connector.actions import ACTIONS
from connector.simulator.api import Api
from connector.simulator.wsgi_server import serving

pytestmark = pytest.mark.xdist_group("openapi")  # one server for all of them
ROOT = Path(__file__).parents[2]


def _with_a_collection(configuration):
    route = "  published: {mapping: stix21, sink: {type: collection, name: indicators}}\n"
    configuration.write_text(configuration.read_text().replace("routes:\n", "routes:\n" + route))
    return configuration


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("openapi")
    with (
        serving(Api(RAISED, key=KEY)) as url,
        serving_actions(
            _with_a_collection(configured(folder, url)), requests_per_minute=1_000_000, wrong_token_seconds=0
        ) as server,
    ):
        server.post("poll").raise_for_status()
        yield server


@pytest.fixture(scope="module")
def document(server):
    return requests.get(f"{server.url}/openapi.json", timeout=10).json()


def _actions(document):
    return [methods for path, methods in document["paths"].items() if path.startswith("/actions/")]


def test_it_names_each_action_and_what_it_answers(document):
    assert document["openapi"].startswith("3.1")
    operations = {methods["post"]["operationId"]: methods["post"] for methods in _actions(document)}
    assert set(operations) == set(ACTIONS)
    for name, operation in operations.items():
        body = operation["requestBody"]["content"]["application/json"]
        assert body["examples"][name]["value"] == dict(ACTIONS[name].example)
        ACTIONS[name].parameters.model_validate(body["examples"][name]["value"], strict=True)
        assert {"200", "401", "403", "422", "429", "500", "503"} <= set(operation["responses"])
        errors = [answer for status, answer in operation["responses"].items() if status != "200"]
        assert all(list(answer["content"]) == ["application/problem+json"] for answer in errors)
        assert operation["security"] == [{"bearer": []}, {"basic": []}]


# What a schema cannot say: that a notification can be converted, that `next` is of a page before, or a time to come.
REFUSES_MORE = """
[[operations]]
include-operation-id = ["convert_notification", "judge", "list_notifications"]
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "422"]

[[operations]]
include-path-regex = "^/taxii2/.*/(manifest|objects|versions)/|^/taxii2/.*/objects/[^/]+/$"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "403", "404"]

[parameters]
"path.collection_id" = "indicators"
"path.object_id" = "{object_id}"
"""


def test_the_server_keeps_to_it_whatever_it_is_asked(server, document, tmp_path):
    held = f"{server.url}/taxii2/root/collections/indicators/manifest/?match[type]=indicator"
    login = {"Authorization": f"Bearer {server.tokens['puller']}"}
    object_id = requests.get(held, headers=login, timeout=10).json()["objects"][0]["id"]
    (tmp_path / "schemathesis.toml").write_text(REFUSES_MORE.replace("{object_id}", object_id))
    command = [
        Path(sys.executable).with_name("st"), "run", f"{server.url}/openapi.json",
        "--header", f"Authorization: Bearer {server.tokens['root']}",
        "--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--seed", "1", "--generation-database", "none",
        "--checks", "all", "--suppress-health-check", "all", "--request-timeout", "20", "--warnings", "off",
        "--continue-on-failure", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    operations = sum(len(methods) for methods in document["paths"].values())
    assert operations > len(ACTIONS)
    assert f"Tested: {operations}" in done.stdout
    assert not any('"request_failed"' in line for line in server.log), server.log


CALLER = """
import sys
from generated import AuthenticatedClient
from generated.api.actions import get_notification, list_notifications, push_notification
from generated.models import GetNotification, ListNotifications, ProblemDetails, PushNotification

url, token = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=token)
listed = list_notifications.sync(client=client, body=ListNotifications(limit=2, filter_="entity_type:file"))
assert listed.status == "success", listed
first, second = listed.data.notifications
assert first.entity_type == second.entity_type == "file"
pushed = push_notification.sync(client=client, body=PushNotification(id=first.id, route="events"))
assert pushed.data.outcome == "delivered", pushed
unknown = get_notification.sync(client=client, body=GetNotification(id="404404"))
assert isinstance(unknown, ProblemDetails), unknown
assert unknown.code == "not_found"
print(first.id)
"""


def test_a_client_generated_from_it_calls_actions(server, document, tmp_path):
    peer = Path(".peers/openapi-python-client/bin")
    if not (ROOT / peer / "openapi-python-client").is_file():
        message = "openapi-python-client is not installed; `make peers` does it"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    (tmp_path / "config.yml").write_text("post_hooks: []\n")

    def run(*command):
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    said = run(
        ROOT / peer / "openapi-python-client", "generate", "--path", "openapi.json", "--meta", "none",
        "--output-path", "generated", "--config", "config.yml",
    )  # fmt: skip
    assert "warning" not in said.lower(), said
    printed = run(ROOT / peer / "python", "-c", CALLER, server.url, server.tokens["soar"])
    assert printed.strip() in [item["context_attributes"]["notification_id"] for item in RAISED]
