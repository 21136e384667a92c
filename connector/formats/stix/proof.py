"""Checks made cheaper by what loading a mapping has proven of the values it makes."""

from collections.abc import Mapping, Sequence
from functools import partial

from connector.formats.stix.values import (
    ELEMENT,
    LARGEST,
    MAX_DEPTH,
    RECORD,
    TYPES_ALLOWED,
    Check,
    Fault,
    Record,
    extension_definition,
    extensions,
    filled,
    free,
    milliseconds,
    text,
    timestamp,
    url,
    wrong_dictionary_key,
    wrong_property_name,
)
from connector.model import Json
from connector.values.identifiers import ID_CONTRIBUTING_PROPERTIES
from connector.values.shapes import Constant, Elements, Identifier, Members, Shape, Text, Timestamp, Url

_Shapes = Mapping[str, Shape | None]
_Checks = tuple[tuple[str, Check], ...]
_WITH_OWN_ID = ID_CONTRIBUTING_PROPERTIES.keys()
_PROPERTY_EXTENSION = Constant("property-extension")


def remaining(check: Check, shape: Shape | None) -> Check | None:
    """A cheaper check that fails for the same values of a shape as `check` does; None when it can never fail.

    The fault that it returns need not be that of `check`: ask `check` for the one to show.
    """
    match shape:
        case Elements(shapes) if check in ELEMENT:
            return _of_elements(shapes, [remaining(ELEMENT[check], each) for each in shapes], check)
        case Members() if check in RECORD:
            return _of_record(shape, RECORD[check], check)
        case Members() if check is extensions:
            return _of_extensions(shape.shapes)
    return None if _holds(check, shape) else check


def _holds(check: Check, shape: Shape | None) -> bool:
    """Whether every value of a shape passes the check."""
    match shape:
        case Constant(value):
            return check(value) is None
        case Text():
            return check is text
        case Identifier(object_type):
            types = _WITH_OWN_ID if object_type is None else {object_type}
            return check in (filled, text) or TYPES_ALLOWED.get(check, frozenset()) >= types
        case Timestamp():
            return check in (timestamp, milliseconds, filled, text)
        case Url():
            return check in (url, filled, text)
    return False


def is_storable(shape: Shape | None) -> bool:
    """Whether all values of a shape are what JSON and the receivers' databases can store."""
    match shape:
        case Constant(value):
            return not isinstance(value, int) or abs(value) <= LARGEST
        case Elements(shapes):
            return all(map(is_storable, shapes))
        case Members(shapes):
            return all(map(is_storable, shapes.values())) and all(name.isprintable() for name in shapes)
        case Text() | None:
            return False
    return True


def _of_elements(shapes: tuple[Shape | None, ...], left: Sequence[Check | None], check: Check) -> Check | None:
    one = left[0]
    if one is None or len(shapes) > 1:
        return check if any(left) else None

    def check_left(value: Json) -> Fault | None:
        for element in value:
            fault = one(element)
            if fault is not None:
                return fault
        return None

    return check_left


def _of_record(members: Members, record: Record, check: Check) -> Check | None:
    shapes, certain = members.shapes, members.certain
    if not record.checks.keys() >= shapes.keys() or not certain.issuperset(record.required):
        return check
    one_of = record.one_of if certain.isdisjoint(record.one_of) else ()
    left = _left({name: remaining(record.checks[name], shape) for name, shape in shapes.items()})

    def check_left(value: Json) -> Fault | None:
        for name, check_one in left:
            if name in value and (fault := check_one(value[name])) is not None:
                return fault
        return Fault("must have one of some", value) if one_of and value.keys().isdisjoint(one_of) else None

    return check_left if left or one_of else None


def _of_extensions(shapes: _Shapes) -> Check | None:
    """The cheaper check of `extensions`: the mapping gives the keys and the kind of each; what is in it may vary."""
    left = {}
    for key, content in shapes.items():
        if (
            extension_definition(key) is not None
            or not isinstance(content, Members)
            or "extension_type" not in content.certain
            or content.shapes["extension_type"] != _PROPERTY_EXTENSION
            or wrong_property_name(tuple(content.shapes)) is not None
        ):
            return extensions
        left[key] = _of_free_members(content.shapes, 1)
    return _of_free_values(_left(left))


def _of_free(shape: Shape | None, depth: int) -> Check | None:
    """The cheaper check of `free`."""
    whole = partial(free, depth=depth)
    match shape:
        case Constant(value):
            return whole if free(value, depth) is not None else None
        case Text() | Identifier() | Timestamp() | Url():
            return None
        case Elements(shapes) if depth < MAX_DEPTH:
            return _of_elements(shapes, [_of_free(each, depth + 1) for each in shapes], whole)
        case Members() if depth < MAX_DEPTH and wrong_dictionary_key(tuple(shape.shapes)) is None:
            return _of_free_members(shape.shapes, depth + 1)
    return whole


def _of_free_members(shapes: _Shapes, depth: int) -> Check | None:
    return _of_free_values(_left({name: _of_free(shape, depth) for name, shape in shapes.items()}))


def _of_free_values(left: _Checks) -> Check | None:
    def check_left(value: Json) -> Fault | None:
        for name, check in left:
            found = value.get(name)
            if found is None or found.__class__ is str:  # both are right, and most are text
                continue
            fault = check(found)
            if fault is not None:
                return fault
        return None

    return check_left if left else None


def _left(checks: Mapping[str, Check | None]) -> _Checks:
    return tuple((name, check) for name, check in checks.items() if check is not None)
