"""The types of JMESPath values, as far as they are known before there are values."""

from collections.abc import Mapping
from typing import Any, Self

from connector.model import Provisional, Yielding

Types = frozenset[str]
"""The types that a value may have, by their JMESPath names."""

NULL: Types = frozenset({"null"})
BOOLEAN: Types = frozenset({"boolean"})
NUMBER: Types = frozenset({"number"})
STRING: Types = frozenset({"string"})
ARRAY: Types = frozenset({"array"})
OBJECT: Types = frozenset({"object"})
SCALAR = STRING | NUMBER | BOOLEAN
ANY = NULL | SCALAR | ARRAY | OBJECT


class Shape(frozenset[str]):
    """The type of an object all of whose members are known.

    Attributes:
        members: the type of each.
        remedy: what to do about a name that is none of them.
    """

    members: Mapping[str, Types]
    remedy: str

    @classmethod
    def of(cls, members: Mapping[str, Types], remedy: str = "") -> Self:
        """The type of an object with these members."""
        shape = cls(OBJECT)
        shape.members, shape.remedy = members, remedy
        return shape


PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict, Provisional, Yielding),
}

_NAMES: dict[type, str] = {python: name for name, pythons in PYTHON_TYPES.items() for python in pythons}


def type_name(value: Any) -> str:
    """The JMESPath name of a value's type."""
    return _NAMES.get(type(value), "unknown")


def described(types: Types) -> str:
    """Types as a sentence names them: `number or string`."""
    if types >= ANY - NULL:
        return "anything"
    return " or ".join(sorted(types - NULL) or ["null"])
