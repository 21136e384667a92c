"""Configuration files: read, fill in `${ENV}`, `${file:/path}` and `${credential:NAME}`, validate.

Every error names line and path.

Relative paths in a configuration file are relative to its folder, whatever folder the command runs in.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pydantic
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from connector.model import Json, Misconfigured
from connector.settings import options, yamldoc
from connector.settings.yamldoc import YamlDocument, YamlPath
from connector.values.display import shortened_in_the_middle
from connector.values.suggestions import suggestion

_PLACEHOLDER = re.compile(r"\$(?:\$(?=\{)|\{([^{}]*)\})")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_MAX_SECRET_BYTES = 64 * 1024
_SHORTEST_SECRET = 6
"""What is shorter is a number or a word that an error needs."""
_NOT_THERE = "not-there"
"""What stands in for a secret that a command does without."""
_NAME = "[key]"
"""What pydantic adds to a location to say that the key is at fault, not its value."""
_WORDING = {
    "model_type": "must be a section with options",
    "model_attributes_type": "must be a section with options",
    "dict_type": "must be a section with options",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "string_type": "must be text",
    "path_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "string_too_long": "must have at most {max_length} characters",
    "missing": "is required",
    "union_tag_not_found": "needs a type",
    "union_tag_invalid": "there is no such type; choose one of {expected_tags}, or install the plugin that has it",
}
"""How pydantic's types of faults (docs.pydantic.dev/latest/errors/validation_errors) read in a configuration file."""
PLUGIN_FAULT = "plugin_fault"
"""The type of the fault that the plugin which `type` names cannot be used."""
_SECTION_WANTED = ("model_type", "model_attributes_type", "dict_type")
_BELOW_NAMES = 2
_MAX_FAULTS = 20
"""Shown at once: a file of another kind may have one in every line."""
_LONGEST_FAULT = 2000
"""In characters: longer than any path of a file that systems take, and its place."""


NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
"""What the names that a configuration gives look like; they are safe in file names, URLs and metrics."""

_NAME_RULE = "a name has letters, digits, dots, hyphens and underscores, 64 at most, and begins with a letter or digit"

Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]


def placed(path: Path, info: ValidationInfo) -> Path:
    """A path of a configuration, for a validator: a relative one is made absolute, from the folder of the file."""
    return info.context / path if info.context is not None else path


def _stream_path(path: str, info: ValidationInfo) -> str:
    if "\0" in path:
        raise ValueError("no path holds a NUL character")
    return path if path == "-" else str(placed(Path(path), info))


StreamPath = Annotated[str, Field(min_length=1), AfterValidator(_stream_path)]
"""The path of a file, or `-` for standard input or output."""


PlacedPath = Annotated[Path, AfterValidator(placed)]
"""The path of a file, which need not be there."""


def _existing(path: Path, info: ValidationInfo) -> Path:
    path = placed(path, info)
    if not path.is_file():
        raise ValueError(f"no file {path}")
    return path


ExistingFile = Annotated[Path, AfterValidator(_existing)]
"""The path of a file that must be there when the configuration is read."""

ClientCertificate = Annotated[
    ExistingFile | None, Field(description="PEM file of the client certificate, for servers that ask for one.")
]
ClientKey = Annotated[
    ExistingFile | None,
    Field(
        description="PEM file of the client certificate's key. Not needed where the certificate's file holds the key."
    ),
]


class Settings(BaseModel):
    """Options of one part: unknown keys are refused, values never appear in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _truth_is_no_number(cls, data: Any) -> Any:
        # Pydantic would take `true` for 1.
        for name, value in data.items() if isinstance(data, dict) else ():
            if isinstance(value, bool) and name in cls.model_fields and cls.model_fields[name].annotation in _NUMBERS:
                raise ValueError(f"{name} must be a number, not true or false")
        return data


_NUMBERS = (int, float, int | None, float | None)

SettingsType = TypeVar("SettingsType", bound=Settings)


def load(path: Path, model: type[SettingsType], environ: Mapping[str, str] | None = None) -> SettingsType:
    """Read and validate a configuration file.

    Raises:
        Misconfigured: with `file:line:column: path: what is wrong` for each fault found.
    """
    return validate(yamldoc.load(path), model, Placeholders(path.parent.resolve(), environ))


class Placeholders:
    """What `${…}` in a configuration file stands for.

    Args:
        folder: that of the configuration file.
        environ: the environment variables; None: those of this process.
        without: whether the option at a path may do without its secret, where that is not to be had.
    """

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str] | None = None,
        without: Callable[[YamlPath], bool] = lambda _: False,
    ) -> None:
        self.folder = folder
        self.without = without
        self._environ = os.environ if environ is None else environ

    def content(self, name: str) -> str:
        """What `${name}` stands for.

        Raises:
            ValueError: nothing.
        """
        if name.startswith("file:"):
            return _secret_file(self.folder / name.removeprefix("file:"))
        if name.startswith("credential:"):
            return self._credential(name.removeprefix("credential:"))
        if not _VARIABLE.match(name):
            raise ValueError(
                f"${{{name}}} is neither ${{VARIABLE}} nor ${{file:/path}} nor ${{credential:NAME}}; write $${{ for ${{"
            )
        if name not in self._environ:
            raise ValueError(f"the environment variable {name} is not set")
        return self._environ[name]

    def _credential(self, name: str) -> str:
        """One of those that systemd gives a service (systemd.exec, LoadCredential)."""
        if not re.fullmatch(NAME_PATTERN, name):
            raise ValueError(f"${{credential:{name}}} does not name a credential: a name must match {NAME_PATTERN}")
        folder = self._environ.get("CREDENTIALS_DIRECTORY")
        if not folder:
            raise ValueError(
                f"${{credential:{name}}} is there only for a service that systemd gives credentials "
                f"(LoadCredential={name}:/path); elsewhere set CREDENTIALS_DIRECTORY to their folder"
            )
        return _secret_file(Path(folder) / name)


def validate(document: YamlDocument, model: type[SettingsType], placeholders: Placeholders) -> SettingsType:
    """Fill in and validate a parsed document; errors as for `load`."""
    schema = cache(model.model_json_schema)
    unfilled: list[str] = []
    left_out: list[str] = []

    def not_filled(path: YamlPath, reason: str, value: str, placeholder: str) -> str:
        may_do_without = value == placeholder and placeholders.without(path)
        is_left_out = may_do_without and options.is_secret(schema(), document.data, path)
        (left_out if is_left_out else unfilled).append(str(document.error(path, reason)))
        return _NOT_THERE

    data = _substitute(document.data, (), placeholders, not_filled)
    if unfilled:
        raise _told(unfilled[:_MAX_FAULTS], len(unfilled) - _MAX_FAULTS)
    if data is None:
        raise Misconfigured(
            f"{document.name}: there is nothing in this file; `iocstream init` writes one to start from"
        )
    try:
        return model.model_validate(data, context=placeholders.folder)
    except pydantic.ValidationError as error:
        if left_out:  # what stands in for a secret may be all that is wrong
            raise _told(left_out[:_MAX_FAULTS], len(left_out) - _MAX_FAULTS) from None
        found = error.errors(include_input=False)
        faults = [_explain(document, data, model, fault) for fault in found[:_MAX_FAULTS]]
        raise _told(faults, len(found) - _MAX_FAULTS) from None


def _told(faults: Sequence[str], more: int) -> Misconfigured:
    """Faults in one error, a line each, and how many there are that are not told."""
    lines = [shortened_in_the_middle(fault, _LONGEST_FAULT) for fault in dict.fromkeys(faults)]
    return Misconfigured("\n".join([*lines, f"and {more} faults more"] if more > 0 else lines))


@contextmanager
def placeholders_shown(document: YamlDocument, placeholders: Placeholders) -> Iterator[None]:
    """In errors of this block, show the placeholder in place of the text that it was filled with.

    Whatever came out of a variable or a file may be a secret, even where no secret belongs.
    """
    try:
        yield
    except Misconfigured as error:
        text = str(error)
        filled = set(_filled(document.data, placeholders))
        # The longest first, so that none is cut up by one within it.
        for content, placeholder in sorted(filled, key=lambda each: -len(each[0])):
            for form in (content, repr(content)[1:-1]):
                text = text.replace(form, placeholder)
        raise Misconfigured(text) from None


def _filled(value: Json, placeholders: Placeholders) -> Iterator[tuple[str, str]]:
    """The text that each placeholder was filled with, and the placeholder; not texts too short for a secret."""
    if isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _filled(child, placeholders)
    elif isinstance(value, str):
        for match in _PLACEHOLDER.finditer(value):
            with suppress(ValueError):
                content = "" if match.group(1) is None else placeholders.content(match.group(1))
                if len(content) >= _SHORTEST_SECRET:
                    yield content, match.group()


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


def _substitute(
    value: Json, path: YamlPath, filling: Placeholders, not_filled: Callable[[YamlPath, str, str, str], str]
) -> Json:
    """The value with its filling filled in.

    Args:
        value: what stands in the file.
        path: where.
        filling: what placeholders stand for.
        not_filled: called where there is nothing, with the path, the reason, the value and the placeholder in it;
            returns what takes its place.
    """
    if isinstance(value, dict):
        return {key: _substitute(child, (*path, key), filling, not_filled) for key, child in value.items()}
    if isinstance(value, list):
        return [_substitute(child, (*path, index), filling, not_filled) for index, child in enumerate(value)]
    if not isinstance(value, str) or "$" not in value:
        return value

    def fill(match: re.Match[str]) -> str:
        try:
            return "$" if match.group(1) is None else filling.content(match.group(1))  # `$${` is a literal `${`
        except ValueError as error:
            return not_filled(path, str(error), value, match.group())

    return _PLACEHOLDER.sub(fill, value)


def _secret_file(name: Path) -> str:
    try:
        # A pipe that nobody writes to would be waited for.
        with os.fdopen(os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError(f"{name} is no file that can be read whole: put the secret into a regular file")
            content = file.read(_MAX_SECRET_BYTES + 1)
        if len(content) > _MAX_SECRET_BYTES:
            raise ValueError(f"the file {name} is larger than {_MAX_SECRET_BYTES} bytes")
        return content.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"the file {name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"the file {name} is not UTF-8 text") from None


def _explain(document: YamlDocument, data: Json, model: type[BaseModel], fault: Any) -> str:
    kind, context = fault["type"], fault.get("ctx", {})
    path = _real_path(data, fault["loc"], is_missing=kind == "missing")
    message = str(fault["msg"]).removeprefix("Value error, ")
    message = re.sub("^(Input|String|Value) should ", "must ", message)
    if kind == "extra_forbidden":
        message = options.unknown_option(model.model_json_schema(), data, path)
    elif kind in ("string_too_short", "too_short"):
        least = context["min_length"]
        message = "must not be empty" if least == 1 else f"must have a length of at least {least}"
    elif kind in _WORDING:
        message = _WORDING[kind].format_map(context)
    if kind == "union_tag_not_found" and (kinds := options.kinds(model.model_json_schema(), data, path)):
        message += f": choose one of {', '.join(kinds)}"
    if kind in ("union_tag_invalid", PLUGIN_FAULT):
        path = (*path, "type")
    message += _remedy(kind, data, path, str(context.get("expected") or context.get("expected_tags") or ""))
    if fault["loc"] and fault["loc"][-1] == _NAME and kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        message = _NAME_RULE if pattern == f"^{NAME_PATTERN}$" else f"this name must match {pattern}"
    return str(document.error(path, message[:1].lower() + message[1:]))


def _real_path(data: Json, loc: tuple[str | int, ...], *, is_missing: bool) -> YamlPath:
    """Pydantic's location without the names of union members and the mark of keys, which stand in no file."""
    path: list[str | int] = []
    for index, part in enumerate(loc):
        if isinstance(data, dict):
            if part in data:
                data = data[part]
                path.append(part)
            elif is_missing and index == len(loc) - 1:
                path.append(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
            path.append(part)
    return tuple(path)


def _remedy(kind: str, data: Json, path: YamlPath, expected: str) -> str:
    """What to do about a wrong value, where one of the quoted ones is expected; empty when the fault says enough."""
    value = _value(data, path)
    is_section = kind in _SECTION_WANTED
    is_token = path[:2] == ("server", "tokens")
    remedies = (
        (expected and isinstance(value, str), suggestion(str(value), re.findall("'([^']+)'", expected))),
        (
            kind == "missing" and is_token and path[-1] == "hash",
            ": `iocstream token new NAME --scope read --print` makes a token and prints what belongs here",
        ),
        (kind.endswith("_type") and value is None, ", and there is none: give a value, or leave the option out"),
        (kind in ("list_type", "tuple_type") and isinstance(value, str), ": put it in brackets"),
        (kind == "string_type" and isinstance(value, bool | int | float), ": put it in quotation marks"),
        (
            is_section and len(path) == _BELOW_NAMES and path[0] in ("sources", "routes"),
            f": under {path[0] if path else ''} come names of your choice, and the options under each name",
        ),
        (
            is_section and path in (("sources",), ("routes",)) and isinstance(value, list),
            ": a name of your choice for each, no list",
        ),
    )
    return next((remedy for applies, remedy in remedies if applies), "")


def _value(data: Json, path: YamlPath) -> Json:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data
