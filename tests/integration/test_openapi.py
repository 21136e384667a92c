"""The OpenAPI document: valid, kept to by the server whatever it is asked, and fit to make a client from."""

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
from connector.simulator.serving import serving

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("openapi")
    with serving(Api(RAISED, key=KEY)) as url:
        with serving_actions(configured(folder, url), requests_per_minute=1_000_000) as server:
            server.post("poll").raise_for_status()
            yield server


@pytest.fixture(scope="module")
def document(server):
    return requests.get(f"{server.url}/openapi.json", timeout=10).json()


def test_it_names_each_action_and_what_it_answers(document):
    assert document["openapi"].startswith("3.1")
    operations = {methods["post"]["operationId"]: methods["post"] for methods in document["paths"].values()}
    assert set(operations) == set(ACTIONS)
    for name, operation in operations.items():
        body = operation["requestBody"]["content"]["application/json"]
        assert body["examples"][name]["value"] == dict(ACTIONS[name].example)
        ACTIONS[name].parameters.model_validate(body["examples"][name]["value"], strict=True)
        assert {"200", "401", "403", "422", "429", "500", "503"} <= set(operation["responses"])
        errors = [answer for status, answer in operation["responses"].items() if status != "200"]
        assert all(list(answer["content"]) == ["application/problem+json"] for answer in errors)
        assert operation["security"] == [{"bearer": []}, {"basic": []}]


# What a schema cannot say: that a notification can be converted, or that `next` is from a page before.
REFUSES_MORE = """
[[operations]]
include-operation-id = ["convert_notification", "list_notifications"]
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "422"]
"""


def test_the_server_keeps_to_it_whatever_it_is_asked(server, tmp_path):
    (tmp_path / "schemathesis.toml").write_text(REFUSES_MORE)
    command = [
        Path(sys.executable).with_name("st"), "run", f"{server.url}/openapi.json",
        "--header", f"Authorization: Bearer {server.tokens['root']}",
        "--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--seed", "1", "--generation-database", "none",
        "--checks", "all", "--suppress-health-check", "all", "--request-timeout", "20", "--warnings", "off",
        "--continue-on-failure", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert f"Tested: {len(ACTIONS)}" in done.stdout
    assert not any('"request_failed"' in line for line in server.log), server.log
