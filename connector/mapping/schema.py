"""The JSON Schema of mapping files, for editors: what completes and checks while one types.

It knows the shape of the language; expressions, names and the properties of a format are checked at load.
"""

from collections.abc import Iterable
from typing import Any

_JsonSchema = dict[str, Any]

_NAME = "^[A-Za-z_][A-Za-z0-9_]*$"
_EXPRESSION = {"$ref": "#/$defs/expression"}
_VALUE = {"$ref": "#/$defs/value"}


def json_schema(formats: Iterable[str]) -> _JsonSchema:
    """The schema of a mapping (JSON Schema 2020-12); `formats` are the names of those it may have."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "IoC-Stream Connector mapping",
        "type": "object",
        "required": ["format", "emit"],
        "additionalProperties": False,
        "properties": {
            "format": {
                "description": "The format of the documents: it checks them, escapes text and writes the bytes.",
                "enum": sorted(formats),
            },
            "description": {"description": "One line, for people.", "type": "string"},
            "match": _EXPRESSION | {"description": "A notification for which this is false is not for this mapping."},
            "let": {
                "description": "Named values, each of which may use those above it.",
                "type": "object",
                "propertyNames": {"pattern": _NAME},
                "additionalProperties": _VALUE,
            },
            "emit": {
                "description": "The documents by name, in the order they are sent. Each may use those above it.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": _NAME},
                "additionalProperties": {"$ref": "#/$defs/document"},
            },
            "claim": _EXPRESSION
            | {"description": "Whether the output says that the observable is bad; it does when absent."},
            "withdraw": {
                "description": (
                    "Documents that take back what was delivered of an observable, by name. Each may use those of "
                    "`emit`, those above it, and `withdrawn`."
                ),
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": _NAME},
                "additionalProperties": {"$ref": "#/$defs/document"},
            },
        },
        "$defs": {
            "expression": {"description": "JMESPath, without ${{ }}.", "type": "string", "minLength": 1},
            "value": {
                "description": "Literal, or with ${{ JMESPath }} in it.",
                "anyOf": [
                    {"type": ["string", "number", "boolean"]},
                    {"type": "array", "minItems": 1, "items": _VALUE},
                    _object(_directives()),
                ],
            },
            "document": {
                "anyOf": [_object({**_directives(), "$provisional": _PROVISIONAL}), _LONE_EXPRESSION],
            },
        },
    }


_PROVISIONAL = _EXPRESSION | {"description": "The document is provisional where this is true."}


_LONE_EXPRESSION = {
    "description": "JMESPath that gives an object, or a list of them.",
    "type": "string",
    "pattern": r"\$\{\{",
}


def _directives() -> _JsonSchema:
    return {
        "$when": _EXPRESSION | {"description": "The value is left out where this is false."},
        "$each": {
            "description": "A list, for each `item` of which there is one value; or names with a list each.",
            "anyOf": [
                _EXPRESSION,
                {
                    "type": "object",
                    "minProperties": 1,
                    "propertyNames": {"pattern": _NAME},
                    "additionalProperties": _EXPRESSION,
                },
            ],
        },
        "$switch": _EXPRESSION | {"description": "Chooses the value: the other keys are its cases."},
        "$default": _VALUE | {"description": "The value for all other cases."},
    }


def _object(directives: _JsonSchema) -> _JsonSchema:
    return {
        "type": "object",
        "minProperties": 1,
        "properties": directives,
        "patternProperties": {r"^[^$]|^$": _VALUE},
        "additionalProperties": False,
        "dependentRequired": {"$default": ["$switch"]},
    }
