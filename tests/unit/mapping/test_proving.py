"""What is known of an expression's value when the mapping is loaded."""

import pytest

from connector.mapping.compilation.proving import shape_of
from connector.mapping.language.expressions import parse
from connector.values.shapes import Constant, Elements, Identifier, Members, Timestamp, Url, shared

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
