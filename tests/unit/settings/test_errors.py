"""What a configuration with a mistake in it is answered: each names the place and the remedy, and is true."""

import pytest

from connector import configuration
from connector.configuration import Config
from connector.model import Misconfigured
from connector.settings import options

GOOD = """sources:
  v:
    type: virustotal
    api_key: abcdefgh
routes:
  r:
    mapping: stix21
    sink:
      type: taxii
      collection_url: https://t.example/r/collections/a/
      token: abcdefgh
"""
ROUTES = GOOD[GOOD.index("routes") :]
SINK = GOOD[: GOOD.index("    sink")]


def with_(old, new):
    assert old in GOOD
    return GOOD.replace(old, new)


def in_source(line):
    return with_("    api_key", f"    {line}\n    api_key")


FAULTS = {
    "a right option at the top": (
        GOOD + "timeout_seconds: 5\n",
        12,
        "under sources.NAME (type: virustotal)",
    ),
    "one of a section at the top": (GOOD + "listen: 127.0.0.1:1\n", 12, "here, but under server or under telemetry"),
    "one of a source in a route": (
        with_("    mapping", "    poll_seconds: 5\n    mapping"),
        7,
        "but under sources.NAME",
    ),
    "one of a sink in a source": (
        in_source("status_timeout_seconds: 5"),
        4,
        "under routes.NAME.sink (type: taxii)",
    ),
    "one of another kind": (
        "sources: {v: {type: file, path: in, api_key: x}}\n" + ROUTES,
        1,
        "NAME (type: virustotal)",
    ),
    "a slip": (with_("collection_url", "colection_url"), 10, "did you mean collection_url?"),
    "a hyphen": (with_("collection_url", "collection-url"), 10, "did you mean collection_url?"),
    "capitals": (with_("collection_url", "Collection_URL"), 10, "did you mean collection_url?"),
    "a list of sources": ("sources:\n  - type: file\n" + ROUTES, 2, "a name of your choice for each, no list"),
    "a source without a name": ("sources:\n  type: file\n" + ROUTES, 2, "under sources come names of your choice"),
    "a route without a name": (
        GOOD[: GOOD.index("routes")] + "routes:\n  mapping: cef\n",
        6,
        "under routes come names",
    ),
    "text for a section": (SINK + "    sink: taxii\n", 8, "must be a section with options"),
    "no type": (with_("    type: virustotal\n", ""), 3, "needs a type"),
    "a type that is none": (with_("virustotal", "virustotl"), 3, "choose one of 'virustotal', 'file'"),
    "a number for text": (with_("abcdefgh\nroutes", "12345\nroutes"), 4, "must be text: put it in quotation marks"),
    "nothing for text": (with_("abcdefgh\nroutes", "\nroutes"), 4, "and there is none: give a value"),
    "truth for a number": (in_source("poll_seconds: true"), 3, "poll_seconds must be a number, not true or false"),
    "text for a number": (in_source("poll_seconds: 5m"), 4, "must be a whole number"),
    "a name that is none": (with_("  v:", "  a b:"), 3, "a name has letters, digits"),
    "a key twice": (in_source("api_key: b"), 5, "stands here twice, first in line 4"),
    "a tab": (with_("    type: virus", "\ttype: virus"), 3, "indent with spaces, not with a tab"),
    "too little indented": (with_("    api_key", "   api_key"), 4, "indent it as the lines"),
    "a colon missing": (with_("type: virustotal", "type virustotal"), 4, "a colon is missing in the line before"),
    "a quotation mark that stays open": (in_source('filter: "abc'), 4, "a quotation mark opens here"),
    "a brace that stays open": (in_source("labels: {a: b"), 5, "a bracket or brace is not closed"),
    "a backslash": (in_source(r'filter: "C:\key"'), 4, "write two backslashes for one"),
    "a text that begins with @": (in_source("filter: @a"), 4, "in quotation marks"),
    "a text that begins with *": (in_source("filter: *a"), 4, "in quotation marks"),
    "a merge key": (GOOD + "producer: {<<: {name: x}}\n", 12, "write the options out"),
    "a tag": (GOOD + "producer: !!python/object:os.system x\n", 12, "leave it out"),
    "a second document": (GOOD + "---\n" + GOOD, 12, "leave out what follows ---"),
    "a character that is none": (GOOD + 'x: "\a"\n', 12, "the character U+0007 may not stand in it"),
}


def error(tmp_path, text):
    path = tmp_path / "iocstream.yaml"
    path.write_text(text)
    with pytest.raises(Misconfigured) as caught:
        configuration.load(path, {})
    return str(caught.value).replace(str(tmp_path), "")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_is_answered_with_its_place_and_its_remedy(tmp_path, fault):
    text, line, remedy = FAULTS[fault]
    said = [each for each in error(tmp_path, text).splitlines() if remedy in each]
    assert said, error(tmp_path, text)
    assert said[0].startswith(f"/iocstream.yaml:{line}:")


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "\ufeff"])
def test_an_empty_file_is_called_one(tmp_path, text):
    assert "nothing in this file; `iocstream init` writes one" in error(tmp_path, text)


SCHEMA = Config.model_json_schema()
PLACES = [
    ("sources", "v", {"sources": {"v": {"type": "virustotal"}}}),
    ("sources", "f", {"sources": {"f": {"type": "file"}}}),
    ("routes", "r", {"routes": {"r": {}}}),
    ("routes", "r", "sink", {"routes": {"r": {"sink": {"type": "syslog"}}}}),
    ("server", {"server": {}}),
    ({},),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(place[:-1]) or "the top")
def test_what_was_written_is_never_what_may_have_been_meant(place):
    *path, data = place
    for option in options._places(SCHEMA):
        said = options.unknown_option(SCHEMA, data, (*path, option))
        assert f"did you mean {option}?" not in said
        assert "does not belong here, but" in said
