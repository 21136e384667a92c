"""Values with `${{ … }}` in them, and expressions, outside of mappings: of files that say how something is sent.

They are written as those of mappings are, over names that the file's reader gives them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from jmespath.exceptions import JMESPathError

from connector.mapping.compilation import compiler
from connector.mapping.compilation.checking import Scope
from connector.mapping.language import placeholders
from connector.mapping.language.budget import Budgeting
from connector.mapping.language.expressions import ExpressionError
from connector.mapping.language.placeholders import Placeholder
from connector.model import Json, JsonObject, Misconfigured
from connector.settings.yamldoc import YamlDocument, YamlPath

Evaluated = Callable[[JsonObject], Json]
"""From the names of the scope to a value."""
Written = Callable[[Placeholder, str], str]
"""From a placeholder and its value to what stands in its place."""


class NoValue(Exception):
    """An expression does not fit what it is given, or text lacks a value; the message names the place."""


def compile_expression(document: YamlDocument, path: YamlPath, text: Json, scope: Scope) -> Evaluated:
    """An expression as a function of the names in scope. It raises NoValue.

    Raises:
        Misconfigured: it is wrong, whatever it is given; with its place.
    """
    if not isinstance(text, str):
        raise document.error(path, "an expression is expected here")
    place = document.error(path, f"in `{text}`")
    try:
        evaluate = compiler.condition(text, scope)
    except ExpressionError as error:
        raise Misconfigured(f"{place}: {error}") from None

    def evaluated(names: JsonObject) -> Json:
        try:
            with Budgeting():
                return evaluate(names)
        except (JMESPathError, RecursionError) as error:
            raise NoValue(f"{place}: {error}") from None

    return evaluated


def compile_template(document: YamlDocument, path: YamlPath, data: Json, scope: Scope) -> Evaluated:
    """Lists, objects and text with `${{ … }}` as a function of the names in scope. It raises NoValue.

    As in a mapping, text that is one placeholder becomes its value, and a member whose value is null is left out.

    Raises:
        Misconfigured: an expression is wrong, whatever it is given; with its place.
    """
    match data:
        case dict():
            members = {key: compile_template(document, (*path, key), each, scope) for key, each in data.items()}
            return lambda names: _without_null({key: make(names) for key, make in members.items()})
        case list():
            items = [compile_template(document, (*path, place), each, scope) for place, each in enumerate(data)]
            return lambda names: [make(names) for make in items]
        case str() if "${{" in data:
            return _text(document, path, data, scope)
    return lambda _: data


def _without_null(members: Mapping[str, Json]) -> JsonObject:
    return {key: value for key, value in members.items() if value is not None}


def compile_text(
    document: YamlDocument, path: YamlPath, text: str, scope: Scope, written: Written
) -> Callable[[JsonObject], str]:
    """Text with `${{ … }}` in it as a function of the names in scope, to text in any case. It raises NoValue.

    Args:
        document: the file.
        path: where in it the text stands.
        text: the text.
        scope: what its expressions may name.
        written: what is written for the value of a placeholder. It may raise NoValue.

    Raises:
        Misconfigured: an expression is wrong, whatever it is given.
    """
    place = document.error(path, "the text needs a value")
    made = [
        part if isinstance(part, str) else (part, compile_expression(document, path, part.expression, scope))
        for part in _parts(document, path, text)
    ]

    def joined(names: JsonObject) -> str:
        return "".join(
            part if isinstance(part, str) else written(part[0], _in_text(part[1](names), place)) for part in made
        )

    return joined


def _parts(document: YamlDocument, path: YamlPath, text: str) -> list[str | Placeholder]:
    try:
        return placeholders.parts(text)
    except ExpressionError as error:
        raise document.error(path, str(error)) from None


def _text(document: YamlDocument, path: YamlPath, data: str, scope: Scope) -> Evaluated:
    match _parts(document, path, data):
        case [Placeholder(expression)]:
            return compile_expression(document, path, expression, scope)
    return compile_text(document, path, data, scope, lambda _, value: value)


def _in_text(value: Any, place: object) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        raise NoValue(f"{place} here, of text or a number")
    return str(value)
