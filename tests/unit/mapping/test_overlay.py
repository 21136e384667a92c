"""Overlays: what they change, and what they say when they do not fit."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from unit.mapping.formats import FORMATS, VIEW

from connector import mapping
from connector.model import Misconfigured, Refused
from connector.settings import yamldoc

MAPPING = """\
format: plain
let:
  days: 14
  title: match
emit:
  place:
    $when: notification.origin == 'hunting'
    type: place
    name: here
  one:
    type: indicator
    name: ${{ title }}
    place: ${{ place.id }}
    nested: {a: 1, b: 2}
    tags: [x, y]
    kind:
      $switch: notification.entity_type
      file: f
      domain: d
"""


def laid(*overlays, base=MAPPING):
    document = yamldoc.parse(base, "base.yaml")
    for number, text in enumerate(overlays, start=1):
        document = mapping.apply_overlay(document, yamldoc.parse("extends: base\n" + text, f"over{number}.yaml"))
    return document


def rendered(*overlays):
    made = mapping.compile_mapping(laid(*overlays), FORMATS)
    return {document["type"]: document for document in made.render(VIEW)}


def refusal(*overlays):
    with pytest.raises(Misconfigured) as caught:
        mapping.compile_mapping(laid(*overlays), FORMATS)
    return str(caught.value)


BEFORE = rendered()


def test_a_value_is_changed_and_nothing_else():
    assert rendered("change: {emit: {one: {name: mine}}}") == {
        "place": BEFORE["place"],
        "indicator": BEFORE["indicator"] | {"name": "mine"},
    }


def test_a_name_under_let_is_changed_for_all_that_use_it():
    assert rendered("change: {let: {title: seen}}")["indicator"]["name"] == "seen"


def test_a_mapping_goes_deeper_and_a_switch_takes_the_place_of_all():
    changed = rendered("change: {emit: {one: {nested: {b: 3}, kind: {domain: D}}}}")["indicator"]
    assert (changed["nested"], changed["kind"]) == ({"a": 1, "b": 3}, "D")
    changed = rendered("change: {emit: {one: {kind: {$switch: entity_value, example.com: E}}}}")["indicator"]
    assert changed["kind"] == "E"
    changed = rendered("change: {emit: {one: {name: {$switch: entity_value, example.com: E}, nested: flat}}}")
    assert (changed["indicator"]["name"], changed["indicator"]["nested"]) == ("E", "flat")


def test_a_condition_is_changed():
    assert [*rendered("change: {emit: {place: {$when: '`false`'}}}")] == ["indicator"]


def test_what_is_added_comes_last_and_sees_what_is_above():
    added = rendered(
        "add: {let: {more: '${{ title }}!'}, emit: {two: {type: note, of: '${{ one.id }}', is: '${{ more }}'}}}"
    )
    assert [*added] == ["place", "indicator", "note"]
    assert (added["note"]["of"], added["note"]["is"]) == ("indicator--1", "match!")


def test_a_property_a_case_and_elements_of_a_list_are_added():
    added = rendered("add: {emit: {one: {new: {c: 3}, nested: {c: 3}, kind: {url: u}, tags: [z]}}}")["indicator"]
    assert (added["new"], added["nested"], added["tags"]) == ({"c": 3}, {"a": 1, "b": 2, "c": 3}, ["x", "y", "z"])


def test_a_match_and_the_first_let_are_added():
    base = "format: plain\nemit: {one: {type: x}}\n"
    document = laid("add: {match: '`false`', let: {a: 1}}", base=base)
    assert mapping.compile_mapping(document, FORMATS).render(VIEW) is None
    assert [*document.data] == ["format", "emit", "match", "let"]


def test_properties_documents_and_cases_are_removed():
    removed = rendered("remove:\n  emit:\n    place:\n    one: {place: , nested: {a: }, kind: {domain: }}")
    assert removed == {
        "indicator": {k: v for k, v in BEFORE["indicator"].items() if k not in ("place", "kind")} | {"nested": {"b": 2}}
    }


def test_removing_comes_before_adding_so_a_mapping_can_be_replaced_whole():
    replaced = rendered("remove: {emit: {one: {nested: }}}\nadd: {emit: {one: {nested: {c: 3}}}}")
    assert replaced["indicator"]["nested"] == {"c": 3}


def test_an_overlay_lies_over_another():
    profile, mine = "add: {emit: {one: {score: 1}}}", "change: {emit: {one: {score: 2, name: x}}}"
    assert rendered(profile, mine)["indicator"] == BEFORE["indicator"] | {"score": 2, "name": "x"}
    assert "over1.yaml:2:30: change.emit.one.score: this line does not fit" in refusal(mine, profile)


def test_the_mapping_and_the_overlay_are_left_as_they_were():
    document = yamldoc.parse(MAPPING, "base.yaml")
    before = copy.deepcopy(document)
    over = yamldoc.parse("extends: base\nadd: {emit: {one: {tags: [z], more: [{a: 1}]}}}", "over.yaml")
    first, second = mapping.apply_overlay(document, over), mapping.apply_overlay(document, over)
    assert document == before
    first.data["emit"]["one"]["more"][0]["a"] = 2
    assert second.data["emit"]["one"]["more"] == [{"a": 1}] == over.data["add"]["emit"]["one"]["more"]


def test_the_description_is_the_last_overlays():
    made = mapping.compile_mapping(laid("description: Ours\nchange: {let: {days: 1}}"), FORMATS)
    assert (made.name, made.description) == ("base.yaml", "Ours")


def test_every_value_knows_the_file_it_came_from():
    document = laid("change:\n  emit:\n    one:\n      name: mine\nadd:\n  emit:\n    one:\n      tags:\n      - z\n")
    assert document.place(("emit", "one", "name")) == "over1.yaml:5:13"
    assert document.place(("emit", "one", "tags", 2)) == "over1.yaml:10:9"
    assert document.place(("emit", "one", "tags", 1)) == "base.yaml:15:15"
    assert document.place(("emit", "one", "type")) == "base.yaml:11:11"


def test_what_a_replaced_value_held_is_known_no_more():
    document = laid("change: {emit: {one: {nested: flat}}}")
    assert document.place(("emit", "one", "nested", "a")) == document.place(("emit", "one", "nested"))
    assert document.place(("emit", "one", "nested")).startswith("over1.yaml:2:")


def test_an_error_in_an_overlay_names_its_line():
    said = refusal("change:\n  emit:\n    one:\n      name: ${{ titel }}\n")
    assert said.startswith(
        "over1.yaml:5:13: emit.one.name: in `titel`: the name 'titel' is not known here; did you mean title?"
    )


def test_an_error_of_a_notification_names_the_overlays_line():
    made = mapping.compile_mapping(laid("change:\n  emit:\n    one:\n      name: a ${{ entity.gone }}\n"), FORMATS)
    with pytest.raises(Refused, match=r"^over1\.yaml:5:13: emit\.one\.name: in `entity\.gone`"):
        made.render(VIEW)


def test_a_line_of_the_mapping_that_needs_what_was_removed_says_who_removed_it():
    said = refusal("remove: {emit: {place: }}")
    assert said.startswith("base.yaml:13:12: emit.one.place: in `place.id`: the name 'place' is not known here")
    assert said.endswith("; this is of the mapping as over1.yaml changes it")


MISFIT = "this line does not fit, correct it or take it out: "
THERE = MISFIT + "emit.one.name is there already (base.yaml:12:11); to give it another value, move the line to change"


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ("change: {emit: {one: {nmae: x}}}", f"over1.yaml:2:29: change.emit.one.nmae: {MISFIT}base.yaml has no "),
        (
            "change: {emit: {one: {nmae: x}}}",
            "no emit.one.nmae; did you mean name? (known in emit.one: type, name, place",
        ),
        (
            "change: {emit: {oen: {name: x}}}",
            "base.yaml has no emit.oen; did you mean one? (known in emit: place, one)",
        ),
        ("change: {match: '`true`'}", "base.yaml has no match"),
        ("remove: {let: {dasy: }}", f"remove.let.dasy: {MISFIT}base.yaml has no let.dasy; did you mean days?"),
        ("add: {emit: {one: {name: x}}}", f"over1.yaml:2:26: add.emit.one.name: {THERE}"),
        ("add: {emit: {one: {name: {a: 1}}}}", "emit.one.name is there already"),
        ("add: {emit: {one: {tags: z}}}", "emit.one.tags is there already"),
        ("add: {emit: {one: {kind: {$switch: entity_value, a: b}}}}", "emit.one.kind is there already"),
        ("remove: {emit: {one: {name: x}}}", "what is to be removed has no value: write only `name:`"),
        (
            "remove: {emit: {one: {name: {a: }}}}",
            "one.name holds nothing by name (base.yaml:12:11); write only `name:`",
        ),
        (
            "remove: {emit: {one: {nested: {a: , b: }}}}",
            "nothing would be left of emit.one.nested: write only `nested:`",
        ),
        ("remove: {let: {days: }}\nchange: {let: {days: 1}}", "change.let.days: let.days is removed by this overlay"),
        ("change: {emit: {one: {name: }}}", "a value is expected here; to leave something out, put it under remove"),
        ("add: {emit: {two: {}}}", "over1.yaml:2:19: add.emit.two: a value is expected here"),
        ("change: {format: x}", "an overlay can change nothing but match, let, claim, emit, withdraw"),
        (
            "change: {emti: x}",
            "an overlay can change nothing but match, let, claim, emit, withdraw; did you mean emit?",
        ),
        ("change: []", "change: a mapping is expected here, with match, let, claim, emit, withdraw"),
        ("change: {let: {days: 1}}\nremove:", "over1.yaml:3:1: remove: a mapping is expected here"),
        ("emit: {}", "there is no such key in an overlay; put it under change, add or remove"),
        ("chagne: {}", "there is no such key in an overlay; did you mean change? (known: extends, description, change"),
        ("description: 1\nchange: {let: {days: 1}}", "over1.yaml:2:14: description: must be text"),
        ("description: x", "over1.yaml:1:1: an overlay needs a change, an add or a remove"),
    ],
)
def test_an_overlay_that_does_not_fit_is_refused_with_its_place(overlay, said):
    assert said in refusal(overlay)
    assert refusal(overlay).startswith("over1.yaml:")


SMALL = "format: plain\nlet: {days: 1}\nemit: {one: {type: x}}\n"


def test_every_name_may_be_removed():
    assert laid("remove: {let: {days: }}", base=SMALL).data["let"] == {}


def test_what_the_mapping_does_not_have_at_the_top_is_named_alone():
    with pytest.raises(Misconfigured) as caught:
        laid("change: {match: entity}", base=SMALL)
    assert str(caught.value).endswith("take it out: base.yaml has no match")


def test_all_lines_that_do_not_fit_are_named_at_once():
    said = refusal("remove: {emit: {gone: }}\nchange: {let: {nope: 1}, emit: {one: {name: mine, name2: x}}}")
    assert [line.split(": ")[1] for line in said.splitlines()] == [
        "remove.emit.gone",
        "change.let.nope",
        "change.emit.one.name2",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "over.yaml:1:1: an overlay is expected here, with extends, description, change, add, remove"),
        ("change: {let: {days: 1}}", "over.yaml:1:1: extends is required"),
        ("extends: 1\nchange: {let: {days: 1}}", "over.yaml:1:10: extends: must be text"),
        (
            "extends: other\nchange: {let: {days: 1}}",
            "over.yaml:1:10: extends: this is an overlay of 'other', and the mapping is 'base'",
        ),
    ],
)
def test_what_is_no_overlay_of_this_mapping_is_refused(text, said):
    with pytest.raises(Misconfigured) as caught:
        mapping.apply_overlay(yamldoc.parse(MAPPING, "folder/base.yaml"), yamldoc.parse(text, "over.yaml"))
    assert str(caught.value).startswith(said)


def test_an_overlay_in_the_place_of_a_mapping_is_told_apart():
    with pytest.raises(
        Misconfigured, match=r"over\.yaml:1:10: extends: this is an overlay: name the mapping it extends"
    ):
        mapping.compile_mapping(yamldoc.parse("extends: base\nchange: {}", "over.yaml"), FORMATS)


def test_what_is_no_mapping_at_all_carries_no_overlay():
    with pytest.raises(Misconfigured, match=r"base\.yaml:1:1: a mapping is expected here"):
        laid("change: {let: {days: 1}}", base="- a")


names = st.sampled_from(
    ["match", "let", "emit", "one", "place", "name", "nested", "a", "tags", "kind", "$switch", "new"]
)
values = st.recursive(
    st.sampled_from([None, 1, "x", "${{ title }}", "notification.origin", ["z"], [], {}]),
    lambda inner: st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@examples(300)
@given(st.dictionaries(st.sampled_from(["change", "add", "remove", "description", "let"]), values, max_size=3))
def test_any_overlay_is_refused_or_gives_a_mapping_that_is_refused_or_renders(data):
    base = yamldoc.parse(MAPPING, "base.yaml")
    try:
        document = mapping.apply_overlay(base, yamldoc.YamlDocument("over.yaml", {"extends": "base", **data}, {}))
        made = mapping.compile_mapping(document, FORMATS)
    except Misconfigured as refused:
        assert str(refused).startswith(("base.yaml:", "over.yaml:"))  # noqa: PT017 -- either outcome is right
        return
    made.render(VIEW)
