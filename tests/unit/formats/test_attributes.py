"""Every attribute of a notification that VirusTotal documents is in each event, where docs/formats.md says."""

import json
from pathlib import Path

import pytest
from mapping_examples import bundled

from connector import notification
from connector.model import Withheld

DOCS = Path(__file__).parents[3] / "docs" / "formats.md"
SHA256 = "5f0a3c1be2d94c7f8a6b1d3e5c7f9a0b2d4e6f8091a2b3c4d5e6f708192a3b4c"
NOTIFICATION = {
    "id": "10494503011",
    "type": "ioc_stream_notification",
    "links": {"self": "https://www.virustotal.com/api/v3/ioc_stream_notifications/10494503011"},
    "attributes": {
        "date": 1684311125,
        "origin": "hunting",
        "entity_type": "file",
        "entity_id": SHA256,
        "hunting_info": {
            "rule_name": "dropper_rule",
            "rule_tags": ["ruletag_a", "ruletag_b"],
            "snippet": "4D 5A *begin_highlight*90 00*end_highlight* 03",
            "source_country": "JP",
            "source_key": "9f31c0de",
            "match_in_subfile": False,
            "match_source": "ORIGINAL_FILE",
        },
        "tags": ["tag_a", "tag_b"],
        "sources": [
            {"type": "hunting_ruleset", "id": "123456792", "label": "Droppers"},
            {"type": "retrohunt_job", "id": "analyst-1684311000", "label": "Old droppers"},
        ],
    },
}
OF_THE_OBJECT = ("id", "type", "links")
DATES = {"1684311125", "1684311125000", "2023-05-17T08:12:05.000Z"}


def table():
    """Attribute → mapping → where docs/formats.md says that it is."""
    text = DOCS.read_text().split("## Where each part of a notification is\n\n")[1].split("\n\n")[0]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    names = [name.strip("`") for name in head[1:]]
    return {row[0].strip("`"): dict(zip(names, row[1:], strict=True)) for row in rows}


TABLE = table()
MAPPINGS = list(TABLE["id"])


def documented(value, path=""):
    """The path of each value of a notification, without the places in lists."""
    if isinstance(value, dict):
        return {found for key, child in value.items() for found in documented(child, f"{path}.{key}")}
    if isinstance(value, list) and isinstance(value[0], dict):
        return documented(value[0], path)
    return {path.strip(".")}


def said(value, path):
    """The values at a path, of each element of the lists on the way and at its end."""
    values = [value]
    for key in path:
        values = [inner for each in values if key in each for inner in _each(each[key])]
    return values


def _each(value):
    return value if isinstance(value, list) else [value]


def fields(document):
    """A document with the keys of its extension or attributes beside those of its header."""
    return document | document.get("extension", {}) | document.get("attributes", {})


def test_the_table_has_every_documented_attribute():
    of_the_object = {key: NOTIFICATION[key] for key in OF_THE_OBJECT}
    assert TABLE.keys() == documented(of_the_object) | documented(NOTIFICATION["attributes"])
    assert len(TABLE) == 18
    assert MAPPINGS == ["cef", "leef", "ecs", "ocsf", "udm", "splunk-hec"]


@pytest.mark.parametrize("name", MAPPINGS)
@pytest.mark.parametrize("attribute", TABLE)
def test_each_attribute_is_where_the_table_says_or_a_reason_is_given(attribute, name):
    place = TABLE[attribute][name]
    if not place.startswith("`"):
        assert place
        return
    (document,) = bundled(name).render(notification.view(notification.read(NOTIFICATION)))
    found = said(fields(document), place.split("`")[1].split("."))
    written = json.dumps(found, ensure_ascii=False)
    whole = NOTIFICATION if attribute.split(".")[0] in OF_THE_OBJECT else NOTIFICATION["attributes"]
    if attribute == "date":
        assert DATES & set(map(str, found))
        return
    for value in said(whole, attribute.split(".")):
        assert (value if isinstance(value, str) else json.dumps(value)).lower() in written.lower()


@pytest.mark.parametrize("name", MAPPINGS)
def test_an_event_that_takes_back_says_so_and_why(name):
    mapping = bundled(name)
    rendering = mapping.rendering(notification.view(notification.read(NOTIFICATION)))
    (event,) = mapping.withdrawal(rendering, Withheld("verdict", "it is the installer of a printer"), alone=True)
    encoded = mapping.format.encode(event).decode()
    assert "it is the installer of a printer" in encoded
    assert SHA256 in encoded
