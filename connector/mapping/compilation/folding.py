"""The names in expressions: those that mean the same for all notifications are put in, the others can be listed."""

from connector.mapping.language.interpreter import Node
from connector.model import JsonObject

_FIRST_SEES_SCOPE = frozenset(
    ("filter_projection", "flatten", "index_expression", "pipe", "projection", "subexpression", "value_projection")
)
"""Of these the first child sees what the whole sees, and the others what that child gives."""
_ALL_SEE_SCOPE = frozenset(
    (
        "and_expression",
        "comparator",
        "function_expression",
        "key_val_pair",
        "multi_select_dict",
        "multi_select_list",
        "not_expression",
        "or_expression",
    )
)


def folded(node: Node, known: JsonObject) -> Node:
    """The same expression over a scope, with literals for the names that are known and for their members."""
    kind = node["type"]
    if kind == "field" and node["value"] in known:
        return {"type": "literal", "value": known[node["value"]], "children": []}
    if kind in _ALL_SEE_SCOPE:
        return {**node, "children": [folded(child, known) for child in node["children"]]}
    if kind not in _FIRST_SEES_SCOPE:
        return node
    first, *rest = node["children"]
    first = folded(first, known)
    while kind == "subexpression" and first["type"] == "literal" and rest and rest[0]["type"] == "field":
        held, name = first["value"], rest.pop(0)["value"]
        value = held.get(name) if isinstance(held, dict) else None
        first = {"type": "literal", "value": value, "children": []}
    return {**node, "children": [first, *rest]} if rest or kind != "subexpression" else first


GUARDS = "guarded()"
"""Stands for what is known of values beside the notification, among the names that an expression reads: the known-good
lists and the claims are not the same for all."""


def roots(node: Node) -> frozenset[str]:
    """The names that an expression reads from its scope, and `GUARDS`."""
    return _roots(node) | _guards(node)


def _guards(node: Node) -> frozenset[str]:
    if node["type"] == "function_expression" and node["value"] in ("guarded", "claimed"):
        return frozenset({GUARDS})
    return frozenset().union(*(_guards(child) for child in node["children"] if isinstance(child, dict)))


def _roots(node: Node) -> frozenset[str]:
    kind, children = node["type"], node["children"]
    if kind == "field":
        return frozenset({node["value"]})
    if kind in _ALL_SEE_SCOPE:
        return frozenset().union(*map(_roots, children))
    return _roots(children[0]) if kind in _FIRST_SEES_SCOPE else frozenset()
