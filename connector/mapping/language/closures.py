"""A JMESPath syntax tree as nested Python functions, several times as fast as walking it.

Each node becomes a function from the current value to the node's value. What is rare is left to `interpreter`, the
library's own evaluation; `tests/unit/mapping` holds both to the same results. Forms that mappings use often have a
function of their own, with the calls of the general form written out in it: each has its case in
`test_specialised_forms`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from operator import ge, gt, itemgetter, le, lt
from typing import Any

from jmespath.exceptions import UnknownFunctionError

from connector.mapping.language.functions import Function
from connector.mapping.language.interpreter import CALLED_DIRECTLY, CALLS, INTERPRETER, SIGNATURES, Node
from connector.mapping.language.json_types import PYTHON_TYPES
from connector.model import Json

Evaluate = Callable[[Any], Json]
"""From the current value to an expression's value."""
_Argument = tuple[int, Evaluate, frozenset[type]]
"""An argument that is evaluated: its index, how, and the Python types that the function takes there."""
Read = Callable[[str], Evaluate]
"""How the member of a name is read: from a scope, which has it, or from any value, which may not."""


def compiled(node: Node) -> Evaluate:
    """The node as a function of any JSON value. It raises what the library would: a JMESPathError."""
    return _compile(node, _member)


def compiled_in_scope(node: Node) -> Evaluate:
    """The node as a function of a scope: a dict that holds every name the expression begins with."""
    return _compile(node, itemgetter)


def path_of(node: Node) -> Sequence[str]:
    """The names, when the node is nothing but names from the scope downwards; else none."""
    names = _leading_names(node["children"]) if node["type"] == "subexpression" else _leading_names([node])
    return names if len(names) == max(1, len(node["children"])) else []


_NUMBERS = (int, float)


def is_false(value: Json) -> bool:
    """JMESPath's false: null, false, empty text, empty list, empty object. Zero is true."""
    return not value and value.__class__ not in _NUMBERS


def _compile(node: Node, read: Read) -> Evaluate:
    make = _MAKERS.get(node["type"])
    if make is None or _has_expression_argument(node):
        return lambda value: INTERPRETER.visit(node, value)
    return make(node, read)


def _has_expression_argument(node: Node) -> bool:
    return node["type"] == "function_expression" and any(child["type"] == "expref" for child in node["children"])


def _member(name: str) -> Evaluate:
    def get(value: Any) -> Json:
        if value is None:
            return None
        try:
            return value.get(name)
        except AttributeError:  # of JSON's types only objects have `get`, and what is read is seldom anything else
            return None

    return get


def _field(node: Node, read: Read) -> Evaluate:
    return read(node["value"])


def _subexpression(node: Node, read: Read) -> Evaluate:
    first, *rest = node["children"]
    names = _leading_names(rest)
    rest = rest[len(names) :]
    if first["type"] == "field" and read is itemgetter and names:
        evaluate = _path(first["value"], names)
    else:
        evaluate = _compile(first, read)
        if names:
            evaluate = _then(evaluate, _members(names))
    for child in rest:
        evaluate = _then(evaluate, _compile(child, _member))
    return evaluate


def _leading_names(nodes: Sequence[Node]) -> list[str]:
    names: list[str] = []
    for node in nodes:
        if node["type"] != "field":
            break
        names.append(node["value"])
    return names


def _path(root: str, names: Sequence[str]) -> Evaluate:
    """The commonest expression, in one call: names from the scope downwards."""
    match names:
        case [name]:
            return _path_of_two(root, name)
        case [first, second]:
            return _path_of_three(root, first, second)
    follow = _members(names)
    return lambda scope: follow(scope[root])


def _path_of_two(root: str, name: str) -> Evaluate:
    def get(scope: Any) -> Json:
        inner = scope[root]
        if inner is None:
            return None
        try:
            return inner.get(name)
        except AttributeError:  # of JSON's types only objects have `get`, and what is read is seldom anything else
            return None

    return get


def _path_of_three(root: str, first: str, second: str) -> Evaluate:
    def get(scope: Any) -> Json:
        inner = scope[root]
        try:
            if inner is None or (inner := inner.get(first)) is None:
                return None
            return inner.get(second)
        except AttributeError:  # as above
            return None

    return get


def _members(names: Sequence[str]) -> Evaluate:
    if len(names) == 1:
        return _member(names[0])

    def get_all(value: Any) -> Json:
        inner = value
        try:
            for name in names:
                if inner is None:
                    return None
                inner = inner.get(name)
        except AttributeError:  # as above
            return None
        return inner

    return get_all


def _then(first: Evaluate, second: Evaluate) -> Evaluate:
    return lambda value: second(first(value))


def _index_expression(node: Node, read: Read) -> Evaluate:
    first, *rest = node["children"]
    evaluate = _compile(first, read)
    for child in rest:
        evaluate = _BRACKETS[child["type"]](child, evaluate)
    return evaluate


def _index(node: Node, base: Evaluate) -> Evaluate:
    position = node["value"]

    def get(value: Any) -> Json:
        items = base(value)
        if not isinstance(items, list):
            return None
        try:
            return items[position]
        except IndexError:
            return None

    return get


def _slice(node: Node, base: Evaluate) -> Evaluate:
    part = slice(*node["children"])

    def get(value: Any) -> Json:
        items = base(value)
        return items[part] if isinstance(items, list) else None

    return get


_BRACKETS = {"index": _index, "slice": _slice}


def _current(_: Node, __: Read) -> Evaluate:
    return lambda value: value


def _literal(node: Node, _: Read) -> Evaluate:
    literal = node["value"]
    return lambda _: literal


def _or_expression(node: Node, read: Read) -> Evaluate:
    first, last = node["children"]
    if last["type"] == "literal" and first["type"] == "and_expression":
        return _if_else(first, last["value"], read)
    left, right = _compile(first, read), _compile(last, read)
    if last["type"] == "literal":
        literal = last["value"]

        def either_or_literal(value: Any) -> Json:
            found = left(value)
            return found if found or found.__class__ in _NUMBERS else literal

        return either_or_literal

    def either(value: Any) -> Json:
        found = left(value)
        return found if found or found.__class__ in _NUMBERS else right(value)

    return either


def _if_else(node: Node, otherwise: Json, read: Read) -> Evaluate:
    """`condition && value || literal`, in one call."""
    left, right = (_compile(child, read) for child in node["children"])

    def choose(value: Any) -> Json:
        found = left(value)
        if found or found.__class__ in _NUMBERS:
            found = right(value)
            if found or found.__class__ in _NUMBERS:
                return found
        return otherwise

    return choose


def _and_expression(node: Node, read: Read) -> Evaluate:
    left, right = (_compile(child, read) for child in node["children"])

    def both(value: Any) -> Json:
        found = left(value)
        return right(value) if found or found.__class__ in _NUMBERS else found

    return both


def _not_expression(node: Node, read: Read) -> Evaluate:
    inner = _compile(node["children"][0], read)

    def negated(value: Any) -> Json:
        found = inner(value)
        return not found and found.__class__ not in _NUMBERS

    return negated


def _comparator(node: Node, read: Read) -> Evaluate:
    left, right = (_compile(child, read) for child in node["children"])
    name = node["value"]
    if name in ("eq", "ne"):
        return _equality(node, left, right, read)
    compare: Callable[[Any, Any], bool] = {"lt": lt, "lte": le, "gt": gt, "gte": ge}[name]
    right_node = node["children"][1]
    if right_node["type"] == "literal" and right_node["value"].__class__ in _NUMBERS:
        number = right_node["value"]

        def order_against(value: Any) -> Json:
            found = left(value)
            return compare(found, number) if found.__class__ in _NUMBERS else None

        return order_against

    def order(value: Any) -> Json:
        a, b = left(value), right(value)
        if (_is_number(a) and _is_number(b)) or (isinstance(a, str) and isinstance(b, str)):
            return compare(a, b)
        return None

    return order


def _equality(node: Node, left: Evaluate, right: Evaluate, read: Read) -> Evaluate:
    wanted = node["value"] == "eq"
    left_node, right_node = node["children"]
    if right_node["type"] != "literal" or not isinstance(right_node["value"], str):
        return lambda value: equal(left(value), right(value)) is wanted
    text = right_node["value"]
    if left_node["type"] == "function_expression" and left_node["value"] == "type" and wanted:
        types = PYTHON_TYPES.get(text, ())
        inner = _compile(left_node["children"][0], read)
        return lambda value: inner(value).__class__ in types
    if left_node["type"] == "field" and read is _member and wanted:
        return _member_equals(left_node["value"], text)
    return (lambda value: left(value) == text) if wanted else (lambda value: left(value) != text)


def _member_equals(name: str, text: str) -> Evaluate:
    """What conditions mostly ask of the elements of a list, in one call."""

    def equals(value: Any) -> Json:
        try:
            return value is not None and value.get(name) == text
        except AttributeError:  # of JSON's types only objects have `get`
            return False

    return equals


def equal(a: Json, b: Json) -> bool:
    """JMESPath's `==`: true and 1 are different things."""
    return bool(a == b) and (type(a) is bool) is (type(b) is bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _pipe(node: Node, read: Read) -> Evaluate:
    left, right = node["children"]
    joined = _joined(left, right)
    return _compile(joined, read) if joined else _then(_compile(left, read), _compile(right, _member))


_FROM_FIRST_CHILD = frozenset(("projection", "filter_projection", "flatten", "value_projection", "index_expression"))
"""What sees the current value in its first child alone, and goes on with that child's value."""


def _joined(left: Node, right: Node) -> Node | None:
    """`left | right` without the pipe, where the right side begins with what the left one gives: `a | [?b]`."""
    if right["type"] in ("identity", "current"):
        return left
    if right["type"] not in _FROM_FIRST_CHILD:
        return None
    first, *rest = right["children"]
    joined = _joined(left, first)
    return {**right, "children": [joined, *rest]} if joined else None


def _projection(node: Node, read: Read) -> Evaluate:
    left, right = node["children"]
    if left["type"] == "flatten" and right["type"] == "identity":
        return _flatten(left, read, keep_null=False)
    base, each = _compile(left, read), _compile(right, _member)

    if right["type"] == "identity":

        def project_present(value: Any) -> Json:
            items = base(value)
            if not isinstance(items, list):
                return None
            return [item for item in items if item is not None] if None in items else items

        return project_present

    if right["type"] == "field":
        name = right["value"]

        def project_member(value: Any) -> Json:
            items = base(value)
            if not isinstance(items, list):
                return None
            return [found for item in items if isinstance(item, dict) and (found := item.get(name)) is not None]

        return project_member

    def project(value: Any) -> Json:
        items = base(value)
        if not isinstance(items, list):
            return None
        return [found for item in items if (found := each(item)) is not None]

    return project


def _filter_projection(node: Node, read: Read) -> Evaluate:
    left, right, condition = node["children"]
    base = _compile(left, read)
    if right["type"] == "identity":
        return _selection(base, condition)
    each, wanted = _compile(right, _member), _test(condition)

    def project(value: Any) -> Json:
        items = base(value)
        if not isinstance(items, list):
            return None
        return [found for item in items if wanted(item) if (found := each(item)) is not None]

    return project


def _selection(base: Evaluate, condition: Node) -> Evaluate:
    """The elements of which something holds."""
    if condition["type"] == "current":

        def select_present(value: Any) -> Json:  # [?@], the commonest
            items = base(value)
            if not isinstance(items, list):
                return None
            return items if all(items) else [item for item in items if item or item.__class__ in _NUMBERS]

        return select_present

    if condition["type"] == "field":
        name = condition["value"]

        def select_with_member(value: Any) -> Json:
            items = base(value)
            if not isinstance(items, list):
                return None
            return [
                item
                for item in items
                if isinstance(item, dict) and ((found := item.get(name)) or found.__class__ in _NUMBERS)
            ]

        return select_with_member

    wanted = _test(condition)

    def select(value: Any) -> Json:
        items = base(value)
        if not isinstance(items, list):
            return None
        return [item for item in items if wanted(item) and item is not None]

    return select


def _flatten(node: Node, read: Read, *, keep_null: bool = True) -> Evaluate:
    base = _compile(node["children"][0], read)

    def flat(value: Any) -> Json:
        items = base(value)
        if not isinstance(items, list):
            return None
        made: list[Json] = []
        for item in items:
            if isinstance(item, list):
                made += item
            else:
                made.append(item)
        return made if keep_null or None not in made else [item for item in made if item is not None]

    return flat


def _value_projection(node: Node, read: Read) -> Evaluate:
    left, right = node["children"]
    base, each = _compile(left, read), _compile(right, _member)

    def project(value: Any) -> Json:
        found = base(value)
        if not isinstance(found, dict):
            return None
        return [made for member in found.values() if (made := each(member)) is not None]

    return project


def _test(node: Node) -> Callable[[Any], bool]:
    """A condition on the current value, as Python has it."""
    evaluate = _compile(node, _member)
    if node["type"] == "not_expression" or (node["type"] == "comparator" and node["value"] in ("eq", "ne")):
        return evaluate

    def holds(value: Any) -> bool:
        found = evaluate(value)
        return bool(found) or found.__class__ in _NUMBERS

    return holds


def _multi_select_list(node: Node, read: Read) -> Evaluate:
    members = tuple(_compile(child, read) for child in node["children"])
    match members:
        case (first, second):  # the commonest; a comprehension would be one more call
            return lambda value: None if value is None else [first(value), second(value)]
    return lambda value: None if value is None else [member(value) for member in members]


def _multi_select_dict(node: Node, read: Read) -> Evaluate:
    members = tuple((pair["value"], _compile(pair["children"][0], read)) for pair in node["children"])
    return lambda value: None if value is None else {key: member(value) for key, member in members}


def _function_expression(node: Node, read: Read) -> Evaluate:
    name = node["value"]
    function = CALLED_DIRECTLY.get(name)
    if function is not None:
        function.check_arity(len(node["children"]))
        return _call(function, node["children"], read)
    if name not in SIGNATURES:
        raise UnknownFunctionError(f"Unknown function: {name}()")
    arguments = tuple(_compile(child, read) for child in node["children"])
    call = CALLS.call_function
    return lambda value: call(name, [argument(value) for argument in arguments])


def _call(function: Function, nodes: Sequence[Node], read: Read) -> Evaluate:
    """`Function.apply`, with parameters and literals looked up beforehand.

    Each form below calls the function where all arguments are of a type that it takes; what null or any other value
    means, `Function.apply` says for all of them.
    """
    literals: list[Json] = [node["value"] if node["type"] == "literal" else None for node in nodes]
    types = [function.parameter(index).python_types for index in range(len(nodes))]
    computed = [
        index
        for index, node in enumerate(nodes)
        if node["type"] != "literal" or node["value"].__class__ not in types[index]
    ]
    if len(computed) == 1 and read is itemgetter and (path := path_of(nodes[computed[0]])):
        return _call_with_path(function, path, computed[0], literals)
    arguments = [(index, _compile(nodes[index], read), types[index]) for index in computed]
    match arguments:
        case [one]:
            return _call_with_one(function, one, literals)
        case [one, other]:
            return _call_with_two(function, one, other, literals)
        case [one, other, third] if len(nodes) == 3:  # noqa: PLR2004
            return _call_with_three(function, one, other, third)
    call = function.call

    def call_many(value: Any) -> Json:
        given = literals.copy()
        fits = True
        for index, argument, wanted in arguments:
            given[index] = found = argument(value)
            fits = fits and found.__class__ in wanted
        return call(*given) if fits else function.apply(given)

    return call_many


def _after(function: Function, before: Sequence[Json]) -> Callable[..., Json]:
    """What is left of a function to be called when its first arguments are known."""
    return partial(function.call, *before) if before else function.call


def _call_with_path(function: Function, path: Sequence[str], index: int, literals: list[Json]) -> Evaluate:
    """A call with one argument that is a path from the scope, as most are: what that does is done right here."""
    parameter = function.parameter(index)
    types, null_ends = parameter.python_types, not parameter.passes_null
    before, after = literals[:index], literals[index + 1 :]
    call = _after(function, before)
    root, *names = path

    def call_path(scope: Any) -> Json:
        given = scope[root]
        try:
            for name in names:
                if given is None:
                    break
                given = given.get(name)
        except AttributeError:  # of JSON's types only objects have `get`
            given = None
        if given.__class__ in types:
            return call(given, *after)
        return None if given is None and null_ends else function.apply([*before, given, *after])

    return call_path


def _call_with_one(function: Function, computed: _Argument, literals: list[Json]) -> Evaluate:
    index, argument, types = computed
    null_ends = not function.parameter(index).passes_null
    before, after = literals[:index], literals[index + 1 :]
    call = _after(function, before)

    def call_one(value: Any) -> Json:
        given = argument(value)
        if given.__class__ in types:
            return call(given, *after)
        return None if given is None and null_ends else function.apply([*before, given, *after])

    return call_one


def _call_with_two(function: Function, one: _Argument, other: _Argument, literals: list[Json]) -> Evaluate:
    (index_a, argument_a, types_a), (index_b, argument_b, types_b) = one, other
    before, between, after = literals[:index_a], literals[index_a + 1 : index_b], literals[index_b + 1 :]
    call = _after(function, before)

    def call_two(value: Any) -> Json:
        a, b = argument_a(value), argument_b(value)
        if a.__class__ in types_a and b.__class__ in types_b:
            return call(a, *between, b, *after)
        return function.apply([*before, a, *between, b, *after])

    return call_two


def _call_with_three(function: Function, one: _Argument, other: _Argument, third: _Argument) -> Evaluate:
    """A call of which all three arguments are computed."""
    (_, argument_a, types_a), (_, argument_b, types_b), (_, argument_c, types_c) = one, other, third
    call = function.call

    def call_three(value: Any) -> Json:
        a, b, c = argument_a(value), argument_b(value), argument_c(value)
        if a.__class__ in types_a and b.__class__ in types_b and c.__class__ in types_c:
            return call(a, b, c)
        return function.apply([a, b, c])

    return call_three


_MAKERS: dict[str, Callable[[Node, Read], Evaluate]] = {
    "and_expression": _and_expression,
    "comparator": _comparator,
    "current": _current,
    "field": _field,
    "filter_projection": _filter_projection,
    "flatten": _flatten,
    "function_expression": _function_expression,
    "identity": _current,
    "index_expression": _index_expression,
    "literal": _literal,
    "multi_select_dict": _multi_select_dict,
    "multi_select_list": _multi_select_list,
    "not_expression": _not_expression,
    "or_expression": _or_expression,
    "pipe": _pipe,
    "projection": _projection,
    "subexpression": _subexpression,
    "value_projection": _value_projection,
}
