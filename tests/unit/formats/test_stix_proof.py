"""What a mapping's load has proven hides no fault: whatever the notification, the whole check finds no more."""

import contextlib
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from malformed_notifications import body_of, dirty, misshapen
from mapping_examples import CASES, bundled

from connector import notification
from connector.formats.stix import values
from connector.formats.stix.format import _TYPES, StixFormat
from connector.formats.stix.proof import remaining
from connector.formats.stix.schema import EXTERNAL, KILL_CHAIN, SCO_NAMES, TEXTS, fault_finder
from connector.formats.stix.shared_objects import EXTENSION_ID
from connector.formats.stix.values import (
    extensions,
    filled,
    identifier,
    integer,
    many,
    milliseconds,
    reference,
    text,
    url,
)
from connector.mapping import compile_mapping
from connector.mapping.language.functions import FUNCTIONS
from connector.model import Refused
from connector.settings import yamldoc
from connector.settings.producer import Producer
from connector.values.identifiers import stix_id
from connector.values.shapes import Constant, Elements, Identifier, Members, Text, Timestamp, Url

PROFILES = [None, "misp", "opencti", "sentinel", "xsoar"]
MOMENT = "2026-03-04T05:06:07.000Z"
INDICATOR = stix_id("indicator", "x")


class Twice(StixFormat):
    """Asks the whole check as well, and notes where something was known."""

    def __init__(self):
        super().__init__(Producer())
        self.known = 0

    def finalizer(self, shape, *, check=True):
        complete, complete_unchecked = super().finalizer(shape), super().finalizer(shape, check=False)

        def both(document):
            completed = complete_unchecked(document)
            fault = fault_finder(_TYPES[completed["type"]])(completed)
            self.known += shape is not None
            if fault is None:
                assert complete(document) == completed
            else:
                with pytest.raises(Refused, match=re.escape(fault.rule)):
                    complete(document)
                raise Refused(fault.rule, by="format")
            return completed

        return both


@pytest.fixture(scope="module", params=PROFILES)
def twice(request):
    """A mapping of which every document is checked both ways."""
    made = bundled("stix21", request.param)
    output = Twice()
    return type(made)(made.document, {"stix": output}), output


@pytest.mark.parametrize("case", CASES)
def test_examples(twice, case):
    made, output = twice
    before = output.known
    try:
        made.render(notification.view(notification.read(body_of(case))))
    except Refused:
        return
    assert output.known > before


@examples(300)
@given(body=st.one_of(misshapen(), dirty()))
def test_odd_notifications(twice, body):
    made, _ = twice
    try:
        made.render(notification.view(notification.read(body)))
    except Refused:
        return


ODD = f"""
- external_references: [{{source_name: "${{{{ entity.x && 'foo' || `null` }}}}", external_id: "1"}}]
- external_references: [{{source_name: {{$switch: entity.x, a: foo}}, external_id: abc}}]
- external_references: [{{source_name: foo, external_id: {{$switch: entity.x, a: foo}}}}]
- external_references: [{{source_name: "${{{{ tool.name }}}}", external_id: "1"}}]
- external_references: [{{source_name: foo, url: "${{{{ url(entity.url) }}}}"}}]
- extensions: {{{EXTENSION_ID}: {{extension_type: "${{{{ entity.x && 'property-extension' || `null` }}}}", abc: foo}}}}
- extensions: {{{EXTENSION_ID}: {{extension_type: property-extension, abc: {"[" * 60}x{"]" * 60}}}}}
- description: "${{{{ stix_id(`\\"a\\\\u0000b\\"`, 'x') }}}}"
- description: "${{{{ opencti_id(`\\"a\\\\ud800b\\"`, {{name: 'x'}}) }}}}"
- {{type: domain-name, id: domain-name--5f42e209-14ed-5b27-bba4-0f32a93f3508, value: "${{{{ entity_value }}}}"}}
- {{type: domain-name, id: "${{{{ stix_id('domain-name', 'x') }}}}", value: example.com}}
- {{type: malware, is_family: false, sample_refs: ["${{{{ observable.id }}}}"]}}
- {{type: malware, is_family: false, sample_refs: ["${{{{ other.id }}}}"]}}
"""
"""Documents that are right or wrong as it happens: what they leave out is an identity named `n`."""


@pytest.mark.parametrize("document", yaml.safe_load(ODD), ids=str)
@pytest.mark.parametrize("entity", [{}, {"x": "a"}, {"x": "b", "url": "http://[v1.a]/"}], ids=str)
def test_what_may_be_missing_is_not_held_for_certain(document, entity):
    name = document.get("type", "identity")
    one = {"type": name, "id": f"${{{{ stix_id('{name}', 'x') }}}}", **document}
    if name == "identity":
        one["name"] = "n"
    emit = {
        "tool": {"$when": "entity.x", "type": "tool", "id": "${{ stix_id('tool', 'x') }}", "name": "n"},
        "observable": {
            "type": "domain-name",
            "id": "${{ entity.nothing && stix_id('file', 'a') || `null` }}",
            "value": "example.com",
        },
        "other": {"type": {"$switch": "'a'", "a": "domain-name"}, "value": "example.com"},
        "one": one,
    }
    text = yaml.safe_dump({"format": "stix", "emit": emit}, sort_keys=False)
    made = compile_mapping(yamldoc.parse(text, "odd.yaml"), {"stix": Twice()})
    view = notification.view(notification.read(body_of("file_hunting")))
    with contextlib.suppress(Refused):
        for completed in made.render({**view, "entity": entity}):
            assert b"\\u0000" not in made.format.encode({**completed, "created": MOMENT})


def certain(**shapes):
    """An object whose constants are always there."""
    return Members(shapes, frozenset(name for name, shape in shapes.items() if isinstance(shape, Constant)))


def holder(**shapes):
    return certain(extension_type=Constant("property-extension"), **shapes)


def nested(depth):
    """An object with so many around it as a mapping may spell out, and what it makes."""
    shape, value = Constant("x"), "x"
    for _ in range(depth):
        shape, value = certain(abc=shape), {"abc": value}
    return shape, value


FREE = [None, "x", "", 1, 2**60, [], ["x"], [None], {}, {"a": 1}, {"ä": 1}, {"a": None}, {"a": []}, float("inf"), True]
REFERENCE = {"source_name": Constant("a"), "url": Url(), "external_id": None}
DEEP = [nested(depth) for depth in (values.MAX_DEPTH - 1, values.MAX_DEPTH, values.MAX_DEPTH + 9)]


@pytest.mark.parametrize(
    ("check", "shape", "values", "is_proven"),
    [
        (filled, Constant("x"), ["x"], True),
        (filled, Constant(""), [""], False),
        (filled, Constant(1), [1], False),
        (integer(0, 100), Constant(5), [5], True),
        (integer(0, 100), Constant(101), [101], False),
        (filled, None, ["", "x", 1, None], False),
        (filled, Timestamp(), [MOMENT], True),
        (milliseconds, Timestamp(), [MOMENT], True),
        (url, Timestamp(), [MOMENT], False),
        (url, Url(), ["https://example.com/"], True),
        (milliseconds, Url(), ["https://example.com/"], False),
        (identifier("indicator"), Identifier("indicator"), [INDICATOR], True),
        (identifier("sighting"), Identifier("indicator"), [INDICATOR], False),
        (reference("malware", "indicator"), Identifier("indicator"), [INDICATOR], True),
        (many(reference(*SCO_NAMES, "indicator")), Elements((Identifier(None),)), [[stix_id("file")]], True),
        (reference(*SCO_NAMES[1:]), Identifier(None), [stix_id(SCO_NAMES[0])], False),
        (text, Text(), ["", "x"], True),
        (filled, Text(), ["", "x"], False),
        (TEXTS, Elements((Constant("a"), Constant("b"))), [["a"], ["a", "b"]], True),
        (TEXTS, Elements((Constant("a"), None)), [["a"], ["a", "x"], ["a", ""], ["a", 1]], False),
        (TEXTS, Elements((None,)), [["a"], [""], ["a", 1]], False),
        (many(reference("indicator")), Elements((Identifier("indicator"),)), [[INDICATOR]], True),
        (many(reference("indicator")), Elements((Identifier("malware"),)), [[stix_id("malware")]], False),
        (
            KILL_CHAIN,
            Elements((certain(kill_chain_name=Constant("a"), phase_name=Constant("b")),)),
            [[{"kill_chain_name": "a", "phase_name": "b"}]],
            True,
        ),
        (
            KILL_CHAIN,
            Elements((certain(kill_chain_name=Constant("a"), phase_name=None),)),
            [
                [{"kill_chain_name": "a"}],
                [{"kill_chain_name": "a", "phase_name": "b"}],
                [{"kill_chain_name": "a", "phase_name": 1}],
            ],
            False,
        ),
        (
            EXTERNAL,
            Elements((certain(**REFERENCE),)),
            [
                [{"source_name": "a"}],
                [{"source_name": "a", "url": "https://example.com/"}],
                [{"source_name": "a", "external_id": "b"}, {"source_name": "a", "external_id": 5}],
            ],
            False,
        ),
        (EXTERNAL, Elements((certain(source_name=Constant("a"), odd=Constant("b")),)), [[{"odd": "b"}]], False),
        (
            EXTERNAL,
            Elements((certain(source_name=Constant("a"), description=Constant("b")),)),
            [[{"source_name": "a", "description": "b"}]],
            True,
        ),
        (extensions, Members({EXTENSION_ID: holder(verdict=Constant("x"), at=Timestamp())}), [], False),
        (extensions, Members({EXTENSION_ID: holder(verdict=Constant("x"), since=Timestamp())}), [], True),
        (
            extensions,
            Members({EXTENSION_ID: holder(verdict=None)}),
            [{EXTENSION_ID: {"extension_type": "property-extension", "verdict": value}} for value in FREE],
            False,
        ),
        (
            extensions,
            Members({EXTENSION_ID: holder(inner=certain(first=None, other=Constant(1)))}),
            [{EXTENSION_ID: {"extension_type": "property-extension", "inner": {"first": value}}} for value in FREE],
            False,
        ),
        (
            extensions,
            Members({EXTENSION_ID: holder(inner=Elements((Members({"first": None}),)))}),
            [{EXTENSION_ID: {"extension_type": "property-extension", "inner": [{"first": value}]}} for value in FREE],
            False,
        ),
        (extensions, Members({EXTENSION_ID: None}), [{EXTENSION_ID: value} for value in FREE], False),
        (
            extensions,
            Members({EXTENSION_ID: certain(extension_type=Constant("new-sdo"))}),
            [{EXTENSION_ID: {"extension_type": "new-sdo"}}],
            False,
        ),
        (
            EXTERNAL,  # each of its members may be missing
            Elements((Members({"source_name": Constant("a"), "external_id": Constant("b")}),)),
            [[{"source_name": "a", "external_id": "b"}], [{"source_name": "a"}], [{"external_id": "b"}]],
            False,
        ),
        (
            extensions,
            Members({EXTENSION_ID: Members({"extension_type": Constant("property-extension"), "abc": Text()})}),
            [{EXTENSION_ID: {"abc": "x"}}],
            False,
        ),
        *[
            (
                extensions,
                Members({EXTENSION_ID: holder(abc=shape)}),
                [{EXTENSION_ID: {"extension_type": "property-extension", "abc": value}}],
                is_proven,
            )
            for (shape, value), is_proven in zip(DEEP, (True, False, False), strict=True)
        ],
        (extensions, Members({"x": holder()}), [{"x": {"extension_type": "property-extension"}}], False),
    ],
)
def test_what_remains_of_a_check_finds_fault_where_the_whole_does(check, shape, values, is_proven):
    left = remaining(check, shape)
    assert (left is None) == is_proven
    for value in values:
        # Null and what is empty never stand in what a mapping has made.
        if not _holds_nothing(value):
            assert (left is None or left(value) is None) == (check(value) is None), value


def _holds_nothing(value):
    if isinstance(value, dict | list):
        return not value or any(map(_holds_nothing, value.values() if isinstance(value, dict) else value))
    return value is None


CHECKS = {Timestamp: milliseconds, Url: url, type: identifier("indicator")}
ARGUMENTS = {
    "timestamp": st.tuples(st.one_of(st.integers(), st.floats(), st.integers(-(10**11), 10**12))),
    "add_days": st.tuples(
        st.one_of(st.text(), st.datetimes().map(lambda at: at.isoformat("T", "milliseconds") + "Z")),
        st.one_of(st.integers(-(10**6), 10**6), st.floats()),
    ),
    "stix_id": st.tuples(st.just("indicator"), st.text(st.characters(exclude_categories=["Cs"]))),
    "opencti_id": st.tuples(
        st.just("indicator"), st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers(0, 9))
    ),
    "url": st.tuples(
        st.one_of(
            st.text(),
            st.text().map(lambda text: f"https://example.com/{text}"),
            st.text("[]vV1aFg.:~%@/?#-", max_size=12).map(lambda text: f"http://{text}"),
            st.from_regex(r"http://\[[vV][0-9a-f]\.[a-z:!]{1,3}\]/", fullmatch=True),
        )
    ),
}
ARGUMENTS["canonical_url"] = ARGUMENTS["url"]


@pytest.mark.parametrize("name", [name for name, function in FUNCTIONS.items() if function.makes])
@examples(500)
@given(data=st.data())
def test_a_function_makes_what_it_says_it_makes(name, data):
    function = FUNCTIONS[name]
    made = function.apply(data.draw(ARGUMENTS[name]))
    check = CHECKS[type(function.makes)]
    assert made is None or check(made) is None
