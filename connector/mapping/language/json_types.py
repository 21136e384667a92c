"""The types of JMESPath values, as far as they are known before there are values."""

from typing import Any

from connector.model import Provisional

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

PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict, Provisional),
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
