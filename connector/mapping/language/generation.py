"""A JMESPath syntax tree as Python: each node becomes statements, and an expression that stands for its value.

What a node means, the library's own evaluation says (`interpreter`); `tests/unit/mapping` holds both to the same
results. A place that several expressions read is read once, as far as one is always evaluated before the other.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from jmespath.exceptions import UnknownFunctionError

from connector.mapping.language import code as python
from connector.mapping.language.budget import SMALL, STEPS_OF_LIST, STEPS_OF_OBJECT, BudgetError, current
from connector.mapping.language.code import NONE, Code
from connector.mapping.language.functions import Function, Parameter
from connector.mapping.language.interpreter import CALLED_DIRECTLY, CALLS, RETURNS, SIGNATURES, Node
from connector.mapping.language.json_types import (
    ANY,
    ARRAY,
    BOOLEAN,
    NULL,
    NUMBER,
    OBJECT,
    PYTHON_TYPES,
    STRING,
    Types,
    type_name,
)
from connector.mapping.language.operations import (
    NUMBERS,
    ORDERS,
    Reference,
    checked,
    element,
    equal,
    flat,
    flat_without_null,
    only_true,
    ordered,
    part,
    without_null,
)
from connector.model import Json

Evaluate = Callable[[Any], Json]
"""From the current value to an expression's value."""


class Operand(NamedTuple):
    """What stands for a value in the code, to be used once; more often when it is a name or a constant.

    Attributes:
        types: what the value may be.
    """

    code: ast.expr
    types: Types = ANY


def compiled(node: Node) -> Evaluate:
    """The node as a function of any JSON value. It raises what the library would: a JMESPathError."""
    code = Code("value")
    found = Expressions(code, {}).value(node, Operand(code.parameters[0]))
    code.returns(found.code)
    return code.compiled()


def compiled_in_scope(node: Node, types: Mapping[str, Types] | None = None) -> Evaluate:
    """The node as a function of a scope: a dict that holds every name the expression begins with.

    Args:
        node: what is evaluated.
        types: what these names may stand for, as far as that is known.
    """
    code = Code("scope")
    found = Expressions(code, types or {}).value(node, None)
    code.returns(found.code)
    return code.compiled()


_CONSTANT_TIME = frozenset(
    (
        *("length", "lookup", "not_null", "required", "text", "type"),
        *("cef_time", "epoch_ms", "int", "ip_scope", "ip_version", "timestamp", "within", "clamp", "percent"),
    )
)
"""Functions that look at what they are given from outside, or at no more than a few characters of it."""


class Expressions:
    """Writes expressions into a function.

    Args:
        code: that function.
        types: what the names of the scope may stand for, as far as that is known.

    Attributes:
        steps: of what has been written so far, how many there are to evaluate it once.
    """

    def __init__(self, code: Code, types: Mapping[str, Types]) -> None:
        self.code = code
        self.types = types
        self.steps = 0

    # What other code is made of, too

    def budget(self) -> ast.expr:
        """The budget, which the function asks for when it begins."""
        return self.code.once("budget", lambda: self.code.call(current))

    def scope(self) -> ast.expr:
        """The scope, which the function is given."""
        return self.code.parameters[0]

    def name(self, title: str) -> Operand:
        """What a name of the scope stands for."""
        found = self.code.known.get((title,))
        if found is None:
            found = self.code.known[title,] = self.code.stored(python.item(self.scope(), python.constant(title)))
        return Operand(found, self.types.get(title, ANY))

    def truth(self, operand: Operand) -> ast.expr:
        """Whether a value is true as JMESPath has it, as a test that Python understands."""
        value, types = operand
        if types == BOOLEAN or not types & NUMBER:
            return value
        value = self.code.stored(value)
        return python.either(value, python.compare(python.class_of(value), ast.In, self.code.constant(NUMBERS)))

    def loop(self, items: ast.expr, write: Callable[[ast.Name], None]) -> None:
        """Do something for each of a list's elements, and take its steps from the budget."""
        before, at = self.steps, len(self.code.block)
        with self.code.each(items) as item:
            write(item)
        steps, self.steps = self.steps - before + 1, before + 1
        amount = python.times(python.call(python.name("len"), items), steps)
        body = self.code.block[at:]
        del self.code.block[at:]
        self.code.branch(items, self.charge(amount) + body)  # most lists are empty

    def charge(self, amount: ast.expr, error: Callable[[], Exception] = BudgetError) -> list[ast.stmt]:
        """Take steps from the budget, which ends here, with an error, when there are none left."""
        budget = self.budget()
        with self.code.inner() as block:
            block.append(python.spent(budget, amount))
            left = python.attribute(budget, "left")
            with self.code.when(python.compare(left, ast.Lt, python.constant(0))):
                self.code.raises(self.code.call(error))
        return block

    # Nodes

    def value(self, node: Node, current: Operand | None) -> Operand:
        """Write what it takes to evaluate a node.

        Args:
            node: any but an expression reference.
            current: the current value, by a name; None where that is the scope.
        """
        self.steps += 1
        visit: Callable[[Node, Operand | None], Operand] = getattr(self, f"_{node['type']}")
        return visit(node, current)

    def stored(self, node: Node, current: Operand | None) -> Operand:
        """As `value`, to be used more than once."""
        found = self.value(node, current)
        return Operand(self.code.stored(found.code), found.types)

    def test(self, node: Node, current: Operand | None) -> ast.expr:
        """As `value`, where only its truth counts."""
        kind, children = node["type"], node["children"]
        if kind == "not_expression":
            self.steps += 1
            return python.negated(self.test(children[0], current))
        if kind in ("and_expression", "or_expression"):
            self.steps += 1
            join = python.both if kind == "and_expression" else python.either
            left = self.test(children[0], current)
            with self.code.inner() as block:
                right = self.test(children[1], current)
            if not block:
                return join(left, right)
            found = self.code.fresh()
            self.code.set(found, left)
            with self.code.when(found if kind == "and_expression" else python.negated(found)):
                self.code.block += block
                self.code.set(found, right)
            return found
        return self.truth(self.value(node, current))

    def _field(self, node: Node, current: Operand | None) -> Operand:
        if current is None:
            return self.name(node["value"])
        return self.members(current, [node["value"]])

    def _subexpression(self, node: Node, current: Operand | None) -> Operand:
        first, *rest = node["children"]
        names = _leading_names(rest)
        found = self.stored(first, current)
        if names:
            path = self._path(first, current)
            found = self.members(found, names, path)
        for child in rest[len(names) :]:
            found = self.value(child, Operand(self.code.stored(found.code), found.types))
        return found

    def _path(self, first: Node, current: Operand | None) -> tuple[str, ...] | None:
        return (first["value"],) if current is None and first["type"] == "field" else None

    def members(self, base: Operand, names: Sequence[str], path: tuple[str, ...] | None = None) -> Operand:
        """`base.one.two`: what is read on the way is known afterwards.

        Args:
            base: where it begins, by a name.
            names: what is read from there.
            path: where the base stands in the scope; None: it may be anything.
        """
        if path is None:
            path = ("", base.code.id) if isinstance(base.code, ast.Name) else ("",)
        known, found = self.code.known, base.code
        names = list(names)
        while names and (step := known.get((*path, names[0]))) is not None:
            path, found = (*path, names.pop(0)), step
        if not names:
            return Operand(found)
        self.steps += len(names)
        targets = [self.code.fresh() for _ in names]
        self.code.set_all(targets, NONE)
        with self.code.ignoring(AttributeError):  # of JSON's types only objects have `get`
            self._read(found, list(zip(names, targets, strict=True)))
        if isinstance(base.code, ast.Name):
            for name, target in zip(names, targets, strict=True):
                path = (*path, name)
                known[path] = target
        return Operand(targets[-1])

    def _read(self, base: ast.expr, steps: Sequence[tuple[str, ast.Name]]) -> None:
        (name, target), *further = steps
        with self.code.when(python.is_something(base)):
            self.code.set(target, python.method(base, "get", python.constant(name)))
            if further:
                self._read(target, further)

    def _index_expression(self, node: Node, current: Operand | None) -> Operand:
        first, *rest = node["children"]
        found = self.value(first, current)
        for child in rest:
            found = self._index(child, found) if child["type"] == "index" else self._slice(child, found)
        return found

    def _index(self, node: Node, items: Operand) -> Operand:
        return Operand(self._of_list(items, element, python.constant(node["value"])))

    def _slice(self, node: Node, items: Operand) -> Operand:
        bounds = self.code.constant(slice(*node["children"]))
        return Operand(self._of_list(items, part, bounds, self.budget()), ARRAY | NULL)

    def _of_list(self, items: Operand, function: Callable[..., Json], *further: ast.expr) -> ast.expr:
        """What a function makes of a list; null of all else."""
        found = self.code.stored(items.code)
        return python.choice(_is_list(found), self.code.call(function, found, *further), NONE)

    def _current(self, _: Node, current: Operand | None) -> Operand:
        return Operand(self.scope()) if current is None else current

    _identity = _current

    def _literal(self, node: Node, _: Operand | None) -> Operand:
        return Operand(self.code.constant(node["value"]), frozenset({type_name(node["value"])}))

    def _or_expression(self, node: Node, current: Operand | None) -> Operand:
        return self._chosen(node, current, first_when_true=True)

    def _and_expression(self, node: Node, current: Operand | None) -> Operand:
        return self._chosen(node, current, first_when_true=False)

    def _chosen(self, node: Node, current: Operand | None, *, first_when_true: bool) -> Operand:
        """The first value, or the second if that is not true, or if it is."""
        first, second = node["children"]
        left = self.value(first, current)
        with self.code.inner() as block:
            right = self.value(second, current)
        types = (left.types - NULL if first_when_true else left.types - NUMBER) | right.types
        if not block and not left.types & NUMBER:
            join = python.either if first_when_true else python.both
            return Operand(join(left.code, right.code), types)
        found = self.code.fresh()
        self.code.set(found, left.code)
        is_true = self.truth(Operand(found, left.types))
        with self.code.when(python.negated(is_true) if first_when_true else is_true):
            self.code.block += block
            self.code.set(found, right.code)
        return Operand(found, types)

    def _not_expression(self, node: Node, current: Operand | None) -> Operand:
        return Operand(python.negated(self.test(node["children"][0], current)), BOOLEAN)

    def _comparator(self, node: Node, current: Operand | None) -> Operand:
        left_node, right_node = node["children"]
        name = node["value"]
        if name in ("eq", "ne"):
            return Operand(self._equality(left_node, right_node, current, is_equal=name == "eq"), BOOLEAN)
        left, right = self.value(left_node, current), self.value(right_node, current)
        if right_node["type"] == "literal" and right_node["value"].__class__ in NUMBERS:
            value = self.code.stored(left.code)
            is_number = python.compare(python.class_of(value), ast.In, self.code.constant(NUMBERS))
            return Operand(
                python.choice(is_number, python.compare(value, _ORDERS[name], right.code), NONE), BOOLEAN | NULL
            )
        compare = self.code.constant(ORDERS[name])
        return Operand(self.code.call(ordered, compare, left.code, right.code), BOOLEAN | NULL)

    def _equality(self, left_node: Node, right_node: Node, current: Operand | None, *, is_equal: bool) -> ast.expr:
        literal = right_node["value"] if right_node["type"] == "literal" else None
        if isinstance(literal, str) and left_node["type"] == "function_expression" and left_node["value"] == "type":
            CALLED_DIRECTLY["type"].check_arity(len(left_node["children"]))
            value = self.value(left_node["children"][0], current)
            types = self.code.constant(PYTHON_TYPES.get(literal, ()))
            return python.compare(python.class_of(value.code), ast.In if is_equal else ast.NotIn, types)
        left, right = self.value(left_node, current), self.value(right_node, current)
        if isinstance(literal, str):
            return python.compare(left.code, ast.Eq if is_equal else ast.NotEq, right.code)
        if isinstance(right.code, ast.Constant) and (literal is None or isinstance(literal, bool)):
            found = python.is_same(left.code, right.code)
            return found if is_equal else python.negated(found)
        found = self.code.call(equal, left.code, right.code)
        return found if is_equal else python.negated(found)

    def _pipe(self, node: Node, current: Operand | None) -> Operand:
        left, right = node["children"]
        return self.value(right, self.stored(left, current))

    def _projection(self, node: Node, current: Operand | None) -> Operand:
        left, right = node["children"]
        if right["type"] == "identity":
            if left["type"] == "flatten":
                items = self.value(left["children"][0], current)
                return Operand(self._of_list(items, flat_without_null, self.budget()), ARRAY | NULL)
            items = self.value(left, current)
            return Operand(self._of_list(items, without_null, self.budget()), ARRAY | NULL)
        return self._collected(self.stored(left, current), right)

    def _filter_projection(self, node: Node, current: Operand | None) -> Operand:
        left, right, condition = node["children"]
        if right["type"] == "identity" and condition["type"] == "current":
            items = self.value(left, current)
            return Operand(self._of_list(items, only_true, self.budget()), ARRAY | NULL)
        return self._collected(self.stored(left, current), right, condition)

    def _value_projection(self, node: Node, current: Operand | None) -> Operand:
        left, right = node["children"]
        base = self.stored(left, current)
        made = self.code.fresh()
        self.code.set(made, NONE)
        is_object = python.call(python.name("isinstance"), base.code, python.name("dict"))
        with self.code.when(is_object):
            self._collect(made, self.code.stored(python.method(base.code, "values")), right)
        return Operand(made, ARRAY | NULL)

    def _collected(self, items: Operand, each: Node, condition: Node | None = None) -> Operand:
        made = self.code.fresh()
        self.code.set(made, NONE)
        with self.code.when(_is_list(items.code)):
            self._collect(made, items.code, each, condition)
        return Operand(made, ARRAY | NULL)

    def _collect(self, made: ast.Name, items: ast.expr, each: Node, condition: Node | None = None) -> None:
        """What is not null of what each of the items becomes, if a condition holds."""
        self.code.set(made, python.list_of([]))

        def collect(item: ast.Name) -> None:
            if condition is None:
                self._add(made, each, Operand(item))
                return
            wanted = self.test(condition, Operand(item))
            with self.code.when(wanted):
                self._add(made, each, Operand(item))

        self.loop(items, collect)

    def _add(self, made: ast.Name, each: Node, item: Operand) -> None:
        found = self.value(each, item)
        if not found.types & NULL:
            self.code.do(python.method(made, "append", found.code))
            return
        value = self.code.stored(found.code)
        with self.code.when(python.is_something(value)):
            self.code.do(python.method(made, "append", value))

    def _flatten(self, node: Node, current: Operand | None) -> Operand:
        items = self.value(node["children"][0], current)
        return Operand(self._of_list(items, flat, self.budget()), ARRAY | NULL)

    def _multi_select_list(self, node: Node, current: Operand | None) -> Operand:
        def made() -> ast.expr:
            return python.list_of([self.value(child, current).code for child in node["children"]])

        self.steps += STEPS_OF_LIST
        return self._selected(made, current, ARRAY)

    def _multi_select_dict(self, node: Node, current: Operand | None) -> Operand:
        def made() -> ast.expr:
            return python.dict_of(
                [(pair["value"], self.value(pair["children"][0], current).code) for pair in node["children"]]
            )

        self.steps += STEPS_OF_OBJECT
        return self._selected(made, current, OBJECT)

    def _selected(self, made: Callable[[], ast.expr], current: Operand | None, types: Types) -> Operand:
        if current is None or not current.types & NULL:
            return Operand(made(), types)
        found = self.code.fresh()
        self.code.set(found, NONE)
        with self.code.when(python.is_something(current.code)):
            self.code.set(found, made())
        return Operand(found, types | NULL)

    def _function_expression(self, node: Node, current: Operand | None) -> Operand:
        name, children = node["value"], node["children"]
        function = CALLED_DIRECTLY.get(name)
        self.steps += 3
        if function is not None:
            function.check_arity(len(children))
            return self._call(function, children, current)
        if name not in SIGNATURES:
            raise UnknownFunctionError(f"Unknown function: {name}()")
        arguments = [
            self._reference(child) if child["type"] == "expref" else self.value(child, current).code
            for child in children
        ]
        call = self.code.call(CALLS.call_function, python.constant(name), python.list_of(arguments))
        return Operand(call, RETURNS.get(name, ANY))

    def _reference(self, node: Node) -> ast.expr:
        """An `&expression`, as a function within this one."""
        function, before = self.code.fresh(), self.steps
        with self.code.function(function) as item:
            found = self.value(node["children"][0], Operand(item))
            self.code.returns(found.code)
        steps, self.steps = self.steps - before, before + 1
        return self.code.call(Reference, function, python.constant(steps), self.budget())

    def _call(self, function: Function, nodes: Sequence[Node], current: Operand | None) -> Operand:
        """`Function.apply`, written out for arguments of the types that the function takes."""
        given: list[ast.expr] = []
        tests: list[ast.expr] = []
        null_ends = []
        is_counted = self.code.is_in_loop and function.name not in _CONSTANT_TIME
        for index, node in enumerate(nodes):
            parameter = function.parameter(index)
            if node["type"] == "expref":
                given.append(self._reference(node))
                tests.append(python.constant(value=False))
                continue
            found = self.value(node, current)
            literal = node["type"] == "literal" and node["value"].__class__ in parameter.python_types
            given.append(found.code if literal else self.code.stored(found.code))
            if literal:
                continue
            is_made_here = node["type"].startswith("multi_select")  # and so no larger than it is written
            tests += self._fits(given[-1], found.types, parameter, is_counted=is_counted and not is_made_here)
            if not parameter.passes_null:
                null_ends.append(given[-1])
        types = function.returns | (NULL if null_ends else frozenset())
        if function.name == "text" and tests:
            (value,) = given
            as_it_is = python.either(
                python.compare(python.class_of(value), ast.Is, python.name("str")), python.is_none(value)
            )
            return Operand(python.choice(as_it_is, value, self.code.call(function.apply, python.list_of(given))), types)
        fits = self._direct(function, given)
        if not tests:
            return Operand(fits, types)
        if is_counted:
            otherwise = self.code.call(checked, self.code.constant(function), self.budget(), *given)
        else:
            otherwise = self.code.call(function.apply, python.list_of(given))
        if len(tests) == 1 and len(null_ends) == 1:
            otherwise = python.choice(python.is_none(null_ends[0]), NONE, otherwise)
        return Operand(python.choice(python.both(*tests), fits, otherwise), types)

    def _fits(self, value: ast.expr, types: Types, parameter: Parameter, *, is_counted: bool) -> list[ast.expr]:
        """Tests of whether a value is of a type that a function takes, and so small that it need not be counted.

        What is neither is left to `checked`, or to `Function.apply`.
        """
        taken, classes = parameter.types, parameter.python_types
        if is_counted and types & taken & STRING:
            is_text = python.compare(python.class_of(value), ast.Is, python.name("str"))
            return [is_text, self._is_small(value)]
        tests = []
        if not (types <= taken and (types.isdisjoint(NULL) or type(None) in classes)):
            match tuple(classes):
                case (only,):
                    tests.append(python.compare(python.class_of(value), ast.Is, self.code.constant(only)))
                case _:
                    tests.append(python.compare(python.class_of(value), ast.In, self.code.constant(classes)))
        if is_counted and taken & (ARRAY | OBJECT):
            tests.append(self._is_small(value))
        return tests

    def _is_small(self, value: ast.expr) -> ast.expr:
        return python.compare(python.call(python.name("len"), value), ast.Lt, python.constant(SMALL))

    def _direct(self, function: Function, given: Sequence[ast.expr]) -> ast.expr:
        """The call; of some functions what it does."""
        match function.name, given:
            case ("lower" | "upper") as name, [value] if not isinstance(value, ast.Constant):
                return python.method(value, name)
            case "length", [value]:
                return python.call(python.name("len"), value)
        return self.code.call(function.call, *given)


def _is_list(value: ast.expr) -> ast.expr:
    return python.compare(python.class_of(value), ast.Is, python.name("list"))


_ORDERS: dict[str, type[ast.cmpop]] = {"lt": ast.Lt, "lte": ast.LtE, "gt": ast.Gt, "gte": ast.GtE}


def _leading_names(nodes: Sequence[Node]) -> list[str]:
    names: list[str] = []
    for node in nodes:
        if node["type"] != "field":
            break
        names.append(node["value"])
    return names
