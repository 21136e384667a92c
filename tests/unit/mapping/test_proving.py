"""What is known of an expression's value when the mapping is loaded."""

from types import MappingProxyType

import pytest
from unit.mapping.formats import VIEW, Plain

from connector.mapping import compile_mapping
from connector.mapping.compilation.proving import shape_of
from connector.mapping.compiled import TracedMapping
from connector.mapping.language.expressions import parse
from connector.settings import yamldoc
from connector.values.shapes import Constant, Elements, Identifier, Members, Text, Timestamp, Url, shared

INNER = Members({"id": Identifier("malware"), "since": Timestamp(), "name": None})
KNOWN = {"inner": INNER, "seen": Timestamp(), "list": Elements((INNER,)), "unknown": None}


@pytest.mark.parametrize(
    ("expression", "shape"),
    [
        ("'text'", Constant("text")),
        ("`5`", Constant(5)),
        ("`true`", Constant(True)),
        ("`null`", None),
        ("`[]`", None),
        ('`"a\\u0000b"`', None),  # which a format cleans
        ("seen", Timestamp()),
        ("unknown", None),
        ("list", KNOWN["list"]),
        ("inner", INNER),
        ("inner.id", Identifier("malware")),
        ("inner.since", Timestamp()),
        ("inner.name", None),
        ("inner.other", None),
        ("inner.id.more", None),
        ("list.id", None),
        ("list[0]", None),
        ("timestamp(unknown)", Timestamp()),
        ("add_days(unknown, `5`)", Timestamp()),
        ("url(unknown)", Url()),
        ("lower(unknown)", None),
        ("length(list)", None),
        ("stix_id('tool', unknown)", Identifier("tool")),
        ("opencti_id('tool', {name: unknown})", Identifier("tool")),
        ("stix_id(unknown, 'tool')", None),
        ("stix_id(`5`, 'tool')", None),
        ("stix_id(`\"a\\u0000b\"`, 'x')", None),
        ("stix_id('Tool', 'x')", None),
        ("url(unknown) || `null`", Url()),
        ("url(unknown) || url(seen)", Url()),
        ("url(unknown) || seen", None),
        ("unknown && seen", None),  # it may be what `unknown` is
        ("unknown && seen || `null`", Timestamp()),
        ("unknown && seen || inner.since", Timestamp()),
        ("unknown && (unknown && seen || inner.since) || `null`", Timestamp()),
        ("unknown && (seen || unknown && seen) || `null`", Timestamp()),
        ("unknown && seen || inner.id", None),
        ("'a' || 'b'", None),
        ("'a' || 'a'", Constant("a")),
        ("seen == 'x'", None),
    ],
)
def test_the_shape_of_an_expression(expression, shape):
    assert shape_of(parse(expression), KNOWN) == shape


def test_what_python_holds_for_equal_shares_no_shape():
    assert shared([Constant(1), Constant(True)]) is None
    assert shared([Elements((Constant(1),)), Elements((Constant(True),))]) is None
    assert shared([Constant(1), Constant(1)]) == Constant(1)


class Told(Plain):
    """Remembers the shape that it is told of each document, and tells the same of what it completes."""

    def __init__(self):
        self.shapes = []
        self.checks = []

    def finalizer(self, shape, *, check=True):
        self.shapes.append(shape)
        self.checks.append(check)
        return super().finalizer(shape)

    def finalized_shape(self, shape):
        assert isinstance(shape, Members)
        return shape


def told(text):
    output = Told()
    mapping = compile_mapping(yamldoc.parse(f"format: told\n{text}", "test.yaml"), {"told": output})
    assert mapping.render(VIEW)
    assert all(output.checks)
    return output.shapes


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("text", Constant("text")),
        ("5", Constant(5)),
        ("'${{ url(entity_value) }}'", Url()),
        ("'${{ entity_value }}'", Text()),
        ("'${{ entity.score }}'", None),
        ("'a ${{ entity_value }}'", Text()),
        ("[a, 5]", Elements((Constant("a"), Constant(5)))),
        ('["${{ url(entity_value) }}"]', Elements((Url(),))),
        ('[a, "${{ url(entity_value) }}"]', Elements((Constant("a"), Url()))),
        ("{$switch: entity_value, a: x, b: x}", Constant("x")),
        ("{$switch: entity_value, a: x, $default: x}", Constant("x")),
        ("{$switch: entity_value, a: x, b: y}", None),
        ("{$switch: entity_value, a: x, $default: y}", None),
    ],
)
def test_the_shape_of_a_property(value, shape):
    (document,) = told(f"emit: {{one: {{type: x, a: {value}}}}}")
    assert document.shapes == {"type": Constant("x"), "a": shape}
    assert document.certain == {"type"} | ({"a"} if isinstance(shape, Constant) and "$" not in value else set())


@pytest.mark.parametrize(
    "directive", ["$when: entity_value", "$provisional: entity_value", "$each: notification.sources"]
)
def test_a_document_has_the_shape_of_its_properties_under_any_directive(directive):
    (document,) = told(f"emit: {{one: {{{directive}, type: x, a: '${{{{ url(entity_value) }}}}'}}}}")
    assert (document.shapes, document.certain) == ({"type": Constant("x"), "a": Url()}, {"type"})


@pytest.mark.parametrize(
    ("let", "expression", "shape"),
    [
        ("{a: '${{ url(entity_value) }}'}", "let.a", Url()),
        ("{$when: entity_value, a: '${{ url(entity_value) }}'}", "let.a", Url()),
        ("'${{ url(entity_value) }}'", "let", Url()),
        ("{$each: notification.sources, a: '${{ url(item.id) }}'}", "let", Elements(({"a": Url()},))),
    ],
)
def test_a_name_has_the_shape_of_what_it_stands_for(let, expression, shape):
    (document,) = told(f"let: {{let: {let}}}\nemit: {{one: {{type: x, b: '${{{{ {expression} }}}}'}}}}")
    found = document.shapes["b"]
    if isinstance(found, Elements):
        found = Elements(tuple(each.shapes for each in found.shapes))
    assert found == shape


def test_an_element_has_the_shape_that_its_list_says():
    text = """
emit:
  first: {$each: notification.sources, type: x, link: "${{ url(item.id) }}"}
  second: {$each: first, type: y, a: "${{ item.link }}"}
  third: {$each: {one: first, other: "[one.id]"}, type: z, a: "${{ one.link }}", b: "${{ other }}"}
"""
    _, second, third = told(text)
    assert second.shapes["a"] == Url()
    assert third.shapes == {"type": Constant("z"), "a": Url(), "b": None}


def test_a_list_and_a_document_have_the_shapes_of_what_is_in_them():
    text = """
emit:
  first: {type: x, link: "${{ url(entity_value) }}", list: {$each: notification.sources, a: "${{ url(item.id) }}"}}
  second: {type: y, a: "${{ first.link }}"}
"""
    first, second = told(text)
    (element,) = first.shapes["list"].shapes
    assert element.shapes == {"a": Url()}
    assert second.shapes["a"] == Url()


def test_a_document_of_which_nothing_is_known_has_no_shape_for_later_ones_either():
    text = """
emit:
  first: {$switch: entity_value, a: {type: x}, $default: {type: y}}
  second: {type: z, a: "${{ first.type }}"}
"""
    first, second = told(text)
    assert first is None
    assert second.shapes == {"type": Constant("z"), "a": None}


@pytest.mark.parametrize("check", [True, False])
def test_a_format_is_told_whether_to_check(check):
    output = Told()
    document = yamldoc.parse("format: told\nemit: {one: {type: x}}", "test.yaml")
    TracedMapping(document, output, check=check)
    assert output.checks == [check]


def test_the_names_of_a_format_have_shapes_too():
    class Signed(Told):
        names = MappingProxyType({"producer": {"name": "someone"}})

    output = Signed()
    text = "format: signed\nemit: {one: {type: x, by: '${{ producer.name }}'}}"
    compile_mapping(yamldoc.parse(text, "test.yaml"), {"signed": output})
    assert output.shapes[0].shapes["by"] == Constant("someone")
