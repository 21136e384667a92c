"""docs/stix.md is true: its overlay can be loaded, and its names and limits are those of the mapping."""

import re
from pathlib import Path

import orjson
import stix_gates
from integration.command import iocstream_here
from mapping_examples import MAPPINGS

from connector.configuration import load_mapping
from connector.settings.producer import Producer

PAGE = (Path(__file__).parents[2] / "docs" / "stix.md").read_text(encoding="utf-8")
[OVERLAY] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
SOURCE = (MAPPINGS / "stix21.yaml").read_text(encoding="utf-8")
EXPLAINED = MAPPINGS / "examples" / "inputs" / "file_explained.json"


def test_the_overlay_does_what_it_says(tmp_path):
    (tmp_path / "ours.yaml").write_text(OVERLAY, encoding="utf-8")
    done = iocstream_here("convert", "--overlay", "ours.yaml", str(EXPLAINED), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    objects = orjson.loads(done.stdout)["objects"]
    assert any(each.get("confidence") for each in objects)
    assert not any("c2" in each.get("labels", ()) for each in objects)


def test_the_names_that_one_may_want_to_change_are_the_mapping_s():
    named = {name for row in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", PAGE, re.MULTILINE) for name in row.split("`")}
    names = list(load_mapping("stix21", Producer()).document.data["let"])
    assert named - {"", ", "} == set(names[: names.index("seen")])


def test_every_limit_is_the_mapping_s():
    for limit in re.findall(r"(\d[\d,]*) (?:hosts|sources|labels|sandboxes|characters)|at (\d[\d,]*)", PAGE):
        number = "".join(limit).replace(",", "")
        assert f"[:{number}]" in SOURCE or f"`{number}`" in SOURCE, number


def test_every_type_that_the_mapping_makes_is_on_the_page():
    made = {each["type"] for each in orjson.loads((MAPPINGS / "examples" / "stix21" / EXPLAINED.name).read_bytes())}
    observables = {"file", "domain-name", "ipv4-addr", "ipv6-addr"}
    for name in made - observables - {"relationship"}:
        assert name.replace("-", " ").title() in PAGE, name


def test_the_findings_that_are_left_are_on_the_page():
    for _, finding in stix_gates.UNMET:
        if re.fullmatch(r"\{\d+\}", finding):
            assert f"| {finding.strip('{}')}: " in PAGE
