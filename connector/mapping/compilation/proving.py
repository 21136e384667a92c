"""What an expression's value is bound to look like, whatever the notification."""

from collections.abc import Mapping

from connector.mapping.language.functions import FUNCTIONS
from connector.mapping.language.interpreter import Node
from connector.values.shapes import Members, Shape, constant, shared


def shape_of(node: Node, known: Mapping[str, Shape | None]) -> Shape | None:
    """The shape of a node's value over a scope, when that is not null; None when nothing is known of it.

    Args:
        node: with literals for what is known when a mapping is loaded (`folding`).
        known: the shapes of names in scope.
    """
    children = node["children"]
    match node["type"]:
        case "literal":
            return constant(node["value"])
        case "field":
            return known.get(node["value"])
        case "subexpression":
            return _member(node, known)
        case "function_expression" if node["value"] in FUNCTIONS:
            return FUNCTIONS[node["value"]].shape(children)
        case "or_expression":
            left, right = children
            is_null = right["type"] == "literal" and right["value"] is None
            return shared([_when_true(left, known), *([] if is_null else [shape_of(right, known)])])
    return None


def _when_true(node: Node, known: Mapping[str, Shape | None]) -> Shape | None:
    """The shape of what a node gives when that is not JMESPath's false."""
    if node["type"] == "and_expression":
        return _when_true(node["children"][1], known)
    if node["type"] == "or_expression":
        return shared([_when_true(child, known) for child in node["children"]])
    return shape_of(node, known)


def _member(node: Node, known: Mapping[str, Shape | None]) -> Shape | None:
    first, *rest = node["children"]
    shape = shape_of(first, known)
    for child in rest:
        if child["type"] != "field" or not isinstance(shape, Members):
            return None
        shape = shape.shapes.get(child["value"])
    return shape
