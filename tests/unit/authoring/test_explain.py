"""What `mapping explain` says: for machines, on a terminal, and as a page that no notification can break."""

import base64
import copy
import functools
import hashlib
import re
from html.parser import HTMLParser

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from integration.command import iocstream_here
from mapping_examples import CASES, MAPPINGS, bundled

from connector.authoring import explain, page, tree
from connector.mapping.examples import read_one
from connector.model import Notification, Refused
from connector.notification import read

STIX, CEF = bundled("stix21"), bundled("cef")
INPUTS = MAPPINGS / "examples" / "inputs"


@functools.cache
def told(case, mapping=STIX):
    return explain.explain(mapping, read_one(INPUTS / f"{case}.json"))


@functools.cache
def usual(case, mapping):
    return Parsed(page.page(told(case, mapping)))


def found(parts, *keys):
    for key in keys:
        (part,) = [each for each in parts if each["key"] == key]
        parts = part["parts"]
    return part


class Parsed(HTMLParser):
    """A page as a browser would take it apart."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.pieces, self.inside = [], {}, []
        self.feed(html.decode("utf-8"))
        self.texts = {tag: "".join(pieces) for tag, pieces in self.pieces.items()}

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside.append(tag)

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        for tag in self.inside[-1:]:
            self.pieces.setdefault(tag, []).append(data)

    def all(self, attribute):
        return [attributes[attribute] for _, attributes in self.tags if attribute in attributes]


def test_machines_get_each_value_with_its_place_and_its_reads():
    explained = orjson.loads(orjson.dumps(explain.as_json(told("domain_hunting"))))
    part = found(explained["emit"], "indicator", "confidence")
    assert part["value"] == 1
    assert part["path"] == "emit.indicator.confidence"
    assert part["place"].startswith("mappings/stix21.yaml:")
    (evaluation,) = part["evaluations"]
    assert {"path": "entity.gti_assessment.threat_score.value", "value": 1} in evaluation["inputs"]
    assert {"path": "confidence", "value": 1} in evaluation["reads"]
    assert found(explained["emit"], "location")["left_out"] == "$when `country` is null"
    assert explained["refused"] is None
    assert [orjson.loads(each)["type"] for each in explained["sent"]][-1] == "sighting"
    assert explained["input"]["notification"]["hunting_info"]["rule_name"] == "new_c2_domain"


def test_a_refusal_by_the_format_says_so():
    body = orjson.loads((INPUTS / "file_descriptor.json").read_bytes())
    explained = explain.as_json(explain.explain(STIX, read({**body, "id": "no hash"})))
    assert explained["refused"].startswith("format: file.hashes.SHA-256 must be 64 lower-case hexadecimal digits")
    assert explained["sent"] == []
    assert found(explained["emit"], "observable")["left_out"].startswith("refused: file.hashes.SHA-256 must be")
    assert found(explained["emit"], "sighting")["left_out"].startswith("not reached")


def test_a_refusal_that_the_mapping_has_words_for_is_in_those_words():
    explained = explain.as_json(told("unknown_entity_type"))
    assert explained["refused"] == "mapping: no STIX object is known for the entity type collection"
    assert explained["sent"] == []


def test_what_cannot_be_mapped_at_all_is_rejected():
    with pytest.raises(Refused, match="no notification id"):
        explain.explain(STIX, read({"type": "file", "id": "x"}))


def test_what_nobody_could_read_on_a_screen_is_rejected():
    deep = None
    for _ in range(900):
        deep = [deep]
    body = {"type": "file", "id": "x", "attributes": {"a": deep}}
    body["context_attributes"] = {"notification_id": "1", "notification_date": 1}
    with pytest.raises(Refused, match="more than 60 levels"):
        explain.explain(STIX, read(body))


def test_a_terminal_gets_a_tree_with_the_same(capsys):
    tree.show(told("domain_hunting"))
    printed = capsys.readouterr().out
    assert "├── confidence: 1  stix21.yaml:" in printed
    assert "entity.gti_assessment.threat_score.value = 1" in printed
    assert "location  left out: $when `country` is null  stix21.yaml:" in printed
    assert 'spec_version: "2.1"  added by the format' in printed
    assert "the names that it uses, from let:" in printed


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("mapping", [STIX, CEF])
def test_every_link_of_the_page_leads_to_one_place_in_it(mapping, case):
    parsed = usual(case, mapping)
    ids = parsed.all("id")
    assert len(set(ids)) == len(ids)
    assert {each[1:] for each in parsed.all("href")} <= set(ids)
    assert {target for each in parsed.all("data-links") for target in each.split()} <= set(ids)


def test_input_and_output_are_linked_both_ways():
    parsed = Parsed(page.page(told("domain_hunting")))
    links = {
        attributes["id"]: attributes["data-links"].split()
        for _, attributes in parsed.tags
        if "data-links" in attributes
    }
    from_input = {(row, other) for row, others in links.items() if row.startswith("in") for other in others}
    assert from_input
    for row, other in from_input:
        assert row in links[other] or any(around in links[other] for around in links if around.startswith("in"))


def test_the_page_needs_nothing_else_and_runs_nothing_else():
    html = page.page(told("file_hunting"))
    parsed = Parsed(html)
    assert not {"link", "img", "iframe", "object", "form"} & {tag for tag, _ in parsed.tags}
    assert parsed.all("src") == []
    (policy,) = [attributes["content"] for _, attributes in parsed.tags if "http-equiv" in attributes]
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(parsed.texts[tag].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "url(" not in parsed.texts["style"]


HOSTILE = st.sampled_from(
    [
        "</script><script>alert(1)</script>",
        "</style><img src=x onerror=alert(1)>",
        "\"' onmouseover=alert(1) x='",
        "&lt;b&gt; &#x3c;",
        "-->]]><!--",
        "\u202eabc\u2066\x00\x1b[31m\ud800",
        "javascript:alert(1)",
        "#in1",
    ]
)


def dirtied(value, text):
    if isinstance(value, dict):
        return {key: dirtied(child, text) for key, child in value.items()} | {text: text}
    if isinstance(value, list):
        return [*(dirtied(child, text) for child in value), text]
    return value + text if isinstance(value, str) else value


@examples(60)
@given(text=HOSTILE | st.text(max_size=20), case=st.sampled_from(CASES), mapping=st.sampled_from([STIX, CEF]))
def test_nothing_in_a_notification_becomes_part_of_the_page(text, case, mapping):
    clean = orjson.loads((INPUTS / f"{case}.json").read_bytes())
    body = dirtied(copy.deepcopy(clean), text) | {"type": clean["type"]}
    try:
        explained = explain.explain(mapping, Notification(f"1{text}", 1759894055, body))
    except Refused:
        return
    html = page.page(explained)
    parsed = Parsed(html)
    assert {tag for tag, _ in parsed.tags} <= {tag for tag, _ in usual(case, mapping).tags} | {
        "small",
        "a",
        "h3",
        "pre",
        "ul",
        "details",
        "summary",
    }
    assert [tag for tag, _ in parsed.tags].count("script") == 1
    assert parsed.texts["script"] == usual(case, mapping).texts["script"]
    assert not [name for _, attributes in parsed.tags for name in attributes if name.startswith("on")]
    assert all(each.startswith("#") for each in parsed.all("href"))
    shown = html.decode("utf-8").replace(parsed.texts["script"], "").replace(parsed.texts["style"], "")
    assert all(character.isprintable() or character == "\n" for character in shown)


@examples(30)
@given(text=HOSTILE, case=st.sampled_from(CASES))
def test_nothing_in_a_notification_steers_the_terminal(text, case):
    clean = orjson.loads((INPUTS / f"{case}.json").read_bytes())
    body = dirtied(clean, text) | {"type": clean["type"]}
    try:
        lines = list(tree._lines(explain.explain(CEF, Notification(f"1{text}", 1759894055, body))))
    except Refused:
        return
    for line in lines:
        for text_ in texts(line):
            assert all(character.isprintable() or character == "\n" for character in text_)


def texts(line):
    if hasattr(line, "plain"):
        return [line.plain]
    return [line.label.plain, *(text for child in line.children for text in texts(child))]


def test_the_command_explains_one_of_a_file_in_all_three_forms(tmp_path):
    bodies = [orjson.loads((INPUTS / f"{case}.json").read_bytes()) for case in ("domain_hunting", "ip_v4")]
    (tmp_path / "page.json").write_bytes(orjson.dumps({"data": bodies}))
    ask = ("mapping", "explain", "cef", "--notification", "page.json")
    assert "new_c2_domain" in iocstream_here(*ask, cwd=tmp_path).stdout
    second = bodies[1]["context_attributes"]["notification_id"]
    done = iocstream_here(*ask, "--id", second, "--json", "--html", "out.html", cwd=tmp_path)
    assert done.returncode == 0
    assert orjson.loads(done.stdout)["notification"] == second
    assert re.search(rb"<title>\d+ by mappings/cef.yaml</title>", (tmp_path / "out.html").read_bytes())
    done = iocstream_here(*ask, "--profile", "qradar", cwd=tmp_path)
    assert done.stdout.startswith("mappings/cef.yaml with mappings/profiles/cef/qradar.yaml makes this of")
    done = iocstream_here(*ask, "--id", "7", cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no notification 7 in page.json" in done.stderr


def test_what_cannot_be_explained_is_one_sentence(tmp_path):
    (tmp_path / "a.json").write_text('{"type": "file", "id": "x"}')
    done = iocstream_here("mapping", "explain", "cef", "--notification", "a.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "the notification in a.json cannot be explained: it has no notification id\n" in done.stderr
    done = iocstream_here("mapping", "explain", "cef", "--notification", "b.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "b.json cannot be read: No such file or directory" in done.stderr


def test_a_page_that_cannot_be_written_is_one_sentence_and_a_dash_is_stdout(tmp_path):
    ask = ("mapping", "explain", "cef", "--notification", INPUTS / "ip_v4.json", "--html")
    done = iocstream_here(*ask, "no/page.html", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: no/page.html cannot be written: No such file or directory\n" in done.stderr
    done = iocstream_here(*ask, "-", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("<!DOCTYPE html>")
    assert iocstream_here(*ask, "-", "--json", cwd=tmp_path).returncode == 2
