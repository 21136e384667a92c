"""docs/mappings.md says what is so."""

import re
from pathlib import Path

import pytest
from unit.mapping.formats import VIEW, Plain, emitting

from connector import mapping
from connector.model import Misconfigured, Withheld
from connector.settings import yamldoc

PAGE = (Path(__file__).parents[3] / "docs" / "mappings.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_every_directive_is_described():
    assert all(f"**`{directive}`**" in PAGE for directive in ("$when", "$each", "$switch", "$provisional"))
    assert "`$default`" in PAGE


def test_the_worked_example_works():
    made = mapping.compile_mapping(yamldoc.parse(EXAMPLES[0], "example.yaml"), {"stix": Plain()})
    indicator, sighting = made.render(VIEW)
    assert indicator["pattern"] == "[domain-name:value = 'example.com']"
    assert sighting["sighting_of_ref"] == indicator["id"]


def test_what_the_example_of_taking_back_delivers_and_takes_back():
    (example,) = [each for each in EXAMPLES[1:] if "\nwithdraw:" in each]
    made = mapping.compile_mapping(yamldoc.parse(example, "example.yaml"), {"json": Plain()})
    entity = {"gti_assessment": {"verdict": {"value": "VERDICT_BENIGN"}}}
    rendering = made.rendering({**VIEW, "entity": entity})
    assert not rendering.claims
    (withdrawal,) = made.withdrawal(rendering, Withheld("verdict", "it is clean"), alone=True)
    assert withdrawal["withdrawn"] == "it is clean"
    assert withdrawal["domain"] == "example.com"


@pytest.mark.parametrize("body", [each for each in EXAMPLES[1:] if not each.startswith("format:")])
def test_every_other_example_is_part_of_a_mapping(body):
    assert emitting(body).traced().render(VIEW) is not None


def test_the_error_shown_is_the_error_given():
    said = re.search(r"^mine\.yaml:18:17: (.*)$", PAGE, re.MULTILINE)[1]
    text = EXAMPLES[0].replace("first_seen: ${{ seen }}", "first_seen: ${{ timestmp(notification.date) }}")
    with pytest.raises(Misconfigured) as caught:
        mapping.compile_mapping(yamldoc.parse(text, "mine.yaml"), {"stix": Plain()})
    place, _, message = str(caught.value).partition(" ")
    assert message == said
    assert f"{place} {said}" in PAGE
