"""Configuration files: read, fill in `${ENV}` and `${file:/path}`, validate; every error names line and path."""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import pydantic
from pydantic import BaseModel, ConfigDict

from connector import yamldoc
from connector.model import Json, Misconfigured
from connector.yamldoc import YamlDocument, YamlPath

_PLACEHOLDER = re.compile(r"\$(?:\$(?=\{)|\{([^{}]*)\})")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_MAX_SECRET_BYTES = 64 * 1024
_MAX_FAULTS = 20
"""Shown at once: a file of another kind may have one in every line."""


class Settings(BaseModel):
    """Options of one part: unknown keys are refused, values never appear in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)


SettingsType = TypeVar("SettingsType", bound=Settings)


def load(path: Path, model: type[SettingsType], environ: Mapping[str, str] | None = None) -> SettingsType:
    """Read and validate a configuration file.

    Raises:
        Misconfigured: with `file:line:column: path: what is wrong` for each fault found.
    """
    return validate(yamldoc.load(path), model, environ)


def validate(
    document: YamlDocument, model: type[SettingsType], environ: Mapping[str, str] | None = None
) -> SettingsType:
    """Fill in and validate a parsed document; errors as for `load`."""
    data = _substitute(document, document.data, (), os.environ if environ is None else environ)
    data = {} if data is None else data
    try:
        return model.model_validate(data)
    except pydantic.ValidationError as error:
        found = error.errors(include_input=False)
        faults = [_explain(document, data, model, fault) for fault in found[:_MAX_FAULTS]]
        if len(found) > _MAX_FAULTS:
            faults.append(f"and {len(found) - _MAX_FAULTS} faults more")
        raise Misconfigured("\n".join(dict.fromkeys(faults))) from None


def json_schema(model: type[Settings], title: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a configuration file, for editors: any option may also be `${…}`."""
    schema = model.model_json_schema()
    _allow_placeholders(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}


def _allow_placeholders(schema: Json) -> None:
    if isinstance(schema, list):
        for child in schema:
            _allow_placeholders(child)
    elif isinstance(schema, dict):
        for child in schema.values():
            _allow_placeholders(child)
        if schema.get("type") in ("integer", "number", "boolean"):
            limits = {key: schema.pop(key) for key in [*schema] if key not in ("title", "description", "default")}
            schema["anyOf"] = [limits, {"type": "string", "pattern": r"\$\{"}]


def _substitute(document: YamlDocument, value: Json, path: YamlPath, environ: Mapping[str, str]) -> Json:
    if isinstance(value, dict):
        return {key: _substitute(document, child, (*path, key), environ) for key, child in value.items()}
    if isinstance(value, list):
        return [_substitute(document, child, (*path, index), environ) for index, child in enumerate(value)]
    if not isinstance(value, str) or "$" not in value:
        return value

    def fill(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:  # `$${` is a literal `${`
            return "$"
        if name.startswith("file:"):
            return _secret_file(document, path, name.removeprefix("file:"))
        if not _VARIABLE.match(name):
            raise document.error(path, f"${{{name}}} is neither ${{VARIABLE}} nor ${{file:/path}}; write $${{ for ${{")
        if name not in environ:
            raise document.error(path, f"the environment variable {name} is not set")
        return environ[name]

    return _PLACEHOLDER.sub(fill, value)


def _secret_file(document: YamlDocument, path: YamlPath, name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            content = file.read(_MAX_SECRET_BYTES + 1)
        if len(content) > _MAX_SECRET_BYTES:
            raise document.error(path, f"the file {name} is larger than {_MAX_SECRET_BYTES} bytes")
        return content.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise document.error(path, f"the file {name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise document.error(path, f"the file {name} is not UTF-8 text") from None


def _explain(document: YamlDocument, data: Json, model: type[BaseModel], fault: Any) -> str:
    path = _real_path(data, fault["loc"])
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        unknown = str(path[-1])
        close = difflib.get_close_matches(unknown, sorted(_all_keys(model.model_json_schema())), n=1)
        message = f"there is no such option{f'; did you mean {close[0]}?' if close else ''}"
    elif fault["type"] == "missing":
        message = "is required"
    elif fault["type"] == "union_tag_not_found":
        message = "needs a type"
    elif fault["type"] == "union_tag_invalid":
        path = (*path, "type")
        message = f"there is no such type; choose one of {fault['ctx']['expected_tags']}"
    return str(document.error(path, message[:1].lower() + message[1:]))


def _real_path(data: Json, loc: tuple[str | int, ...]) -> YamlPath:
    """Pydantic's location without the names of union members, which stand in no file."""
    path: list[str | int] = []
    for index, part in enumerate(loc):
        if isinstance(data, dict):
            if part in data:
                data = data[part]
                path.append(part)
            elif index == len(loc) - 1:
                path.append(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
            path.append(part)
    return tuple(path)


def _all_keys(schema: Json) -> set[str]:
    keys: set[str] = set()
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            keys.update(properties)
        for child in schema.values():
            keys |= _all_keys(child)
    elif isinstance(schema, list):
        for child in schema:
            keys |= _all_keys(child)
    return keys
