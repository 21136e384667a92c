"""The simulated API compared with Google's OpenAPI description of the real one, and with a real answer."""

import json
from pathlib import Path

import jsonschema_rs
import pytest
import requests
from integration.simulated_virustotal import KEY, NOW, simulated
from ruamel.yaml import YAML

from connector.simulator.notifications import notifications

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"


def sample(name):
    path = SAMPLES / name
    if not path.is_file():
        pytest.skip(f"Google's samples are not at hand ({name})")
    return path.read_text()


@pytest.fixture(scope="module")
def description():
    return YAML(typ="safe").load(sample("ioc-stream-openapi.yml"))


@pytest.fixture(scope="module")
def url():
    with simulated(notifications(120, now=NOW)) as (_, served):
        yield f"{served}/api/v3"


def ask(url, **params):
    return requests.get(url, params=params, headers={"x-apikey": KEY, "x-tool": "Example.Tool.1.0"}, timeout=20)


def answer_schema(description, path, method, status):
    schema = description["paths"][path][method]["responses"][str(status)]["content"]["application/json"]["schema"]
    return {**schema, "components": description["components"]}


def nullable_hunting_info(schema):
    """The description has it as an object; every real answer for a subscription has null."""
    text = json.dumps(schema).replace(
        '{"properties": {"rule_name": {"type": "string"}}, "type": "object"}', '{"type": ["object", "null"]}'
    )
    assert text != json.dumps(schema)
    return json.loads(text)


def test_pages_are_as_googles_description_has_them(description, url):
    schema = nullable_hunting_info(answer_schema(description, "/ioc_stream", "get", 200))
    cursor = {}
    for _ in range(3):
        page = ask(f"{url}/ioc_stream", limit=40, order="date+", **cursor).json()
        jsonschema_rs.validate(schema, page)
        cursor = {"cursor": page["meta"].get("cursor")}
    assert cursor == {"cursor": None}


def test_every_parameter_of_the_description_is_understood(description, url):
    names = {parameter["name"] for parameter in description["paths"]["/ioc_stream"]["get"]["parameters"]}
    assert names == {"limit", "descriptors_only", "filter", "cursor", "order"}
    page = ask(f"{url}/ioc_stream", limit=1, descriptors_only="true", filter="origin:hunting", order="date-").json()
    item = json.loads(sample("ioc_stream_get_200.json"))["data"][0]
    assert page["data"][0].keys() == item.keys()


def test_a_refusal_is_word_for_word_the_documented_one(description, url):
    answer = ask(f"{url}/ioc_stream", filter="origin:notHunting")
    assert answer.status_code == 400
    assert answer.json() == json.loads(sample("ioc_stream_get_400.json"))
    jsonschema_rs.validate(answer_schema(description, "/ioc_stream", "get", 400), answer.json())


@pytest.mark.parametrize("identifier", ["1", "x"])
def test_errors_have_the_envelope_of_the_description(description, url, identifier):
    answer = ask(f"{url}/ioc_stream_notifications/{identifier}")
    assert answer.status_code == 404
    jsonschema_rs.validate(answer_schema(description, "/ioc_stream_notifications/{id}", "delete", 404), answer.json())


def test_an_item_has_the_shape_of_a_real_one(url):
    real = json.loads(sample("ioc_stream_full_file_objects_subscription.json"))[0]
    page = ask(f"{url}/ioc_stream", limit=40, filter="entity_type:file origin:subscriptions").json()
    for item in page["data"]:
        assert item.keys() == real.keys()
        assert item["context_attributes"].keys() == real["context_attributes"].keys()
        assert item["context_attributes"]["hunting_info"] is None
        assert item["context_attributes"]["tags"] == []
        assert {key for source in item["context_attributes"]["sources"] for key in source} == {"id", "type", "label"}
        for name, value in item["attributes"].items():
            if name in real["attributes"]:
                assert type(value) is type(real["attributes"][name]), name


def test_one_notification_has_the_shape_of_the_documented_one(url):
    documented = json.loads(sample("notification.json"))["data"]
    item = ask(f"{url}/ioc_stream", filter="origin:hunting entity_type:file").json()["data"][0]
    answer = ask(f"{url}/ioc_stream_notifications/{item['context_attributes']['notification_id']}").json()["data"]
    assert answer.keys() == documented.keys()
    assert answer["attributes"].keys() == documented["attributes"].keys()
    assert answer["attributes"]["sources"][0].keys() == documented["attributes"]["sources"][0].keys()
    assert type(answer["attributes"]["date"]) is int
