"""docs/profiles.md says what is so."""

import re
from pathlib import Path

from connector import mapping
from connector.formats.json import JsonFormat
from connector.mapping import files
from connector.settings import yamldoc

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8")


def test_the_overlay_works():
    (text,) = (block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if block.startswith("extends"))
    document = mapping.apply_overlay(files.read("json"), yamldoc.parse(text, "ours.yaml"))
    made = mapping.compile_mapping(document, {"json": JsonFormat()})
    (line,) = made.render({"notification": {"id": "1"}, "entity": {}, "entity_value": "x"})
    assert line["site"] == "Example SOC"


def test_every_profile_is_described():
    profiles = (ROOT / "mappings" / "profiles").glob("*/*.yaml")
    assert sorted(re.findall(r"^\| `(\w+)` `([\w-]+)` \|", PAGE, re.MULTILINE)) == sorted(
        (path.parent.name, path.stem) for path in profiles
    )
