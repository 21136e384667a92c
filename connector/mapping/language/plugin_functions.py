"""Functions of mappings that plugins bring: found when a mapping names one, held to what they declare."""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from connector import entry_points
from connector.entry_points import Offer, is_of_the_terminal, said, words_of
from connector.mapping.language.budget import CHARACTERS, SMALL, current
from connector.mapping.language.functions import FUNCTIONS, Function, InvalidValueError, Parameter
from connector.mapping.language.interpreter import CALLED_DIRECTLY, SIGNATURES
from connector.mapping.language.json_types import NULL, Types, described, type_name
from connector.model import Json, Misconfigured
from connector.values.display import one_line, shortened

GROUP = "functions"
_MOST = 200
_DEEPEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingFunction:
    """A function that mappings may call by the name of its entry point.

    Attributes:
        contract: the version of the contract that it was written for.
        call: the function. It is pure: the same arguments give the same result, in every process and at any time; it
            asks nobody, reads and writes nothing, and leaves its arguments as they are. It may be called when a mapping
            is loaded, from several threads, and a thousand times for one notification, so it takes microseconds, and
            no more than a few milliseconds for a megabyte of text. It gives JSON. A `ValueError` says that it cannot
            work on a value: the notification is refused then. The first line of its docstring says what it gives, and
            a line `name('a') → "b"` shows it.
        parameters: what it takes, in order; see `Parameter`. Null in gives null out, without a call, unless a parameter
            passes null.
        returns: the types that its result may have.
        variadic: the last parameter may be given more than once.
    """

    contract: int
    call: Callable[..., Json]
    parameters: tuple[Parameter, ...]
    returns: Types
    variadic: bool = False


def find(name: str) -> Function | None:
    """A function of the mapping language: one of ours, or of a plugin, which is imported now.

    Raises:
        Misconfigured: several have this name, or it cannot be used.
    """
    if name in _OF_PLUGINS:
        return FUNCTIONS[name]
    if name in FUNCTIONS or name in SIGNATURES:
        entry_points.refuse_namesake(GROUP, name)
        return FUNCTIONS.get(name)
    offer = entry_points.find(GROUP, name)
    if offer is None:
        return None
    declared = offer.load(MappingFunction)
    if not declared.parameters:
        raise Misconfigured(f"{offer.what} has no parameters: it could only give the same each time")
    function = Function(name, _held(declared, offer), declared.parameters, declared.variadic, declared.returns)
    FUNCTIONS[name] = CALLED_DIRECTLY[name] = function
    _OF_PLUGINS[name] = declared.contract
    return function


_OF_PLUGINS: dict[str, int] = {}
"""Those that were found, which are in `FUNCTIONS` since, and the version of the contract of each."""


def used_plugins() -> Mapping[str, int]:
    """Name of each function of a plugin that was found → the version of the contract that it was written for."""
    return _OF_PLUGINS


def _held(declared: MappingFunction, offer: Offer) -> Callable[..., Json]:
    """The function, so that all it does wrong is an error in the mapping language."""
    allowed = declared.returns | NULL

    @functools.wraps(declared.call)  # whose docstring has the example
    def call(*arguments: Json) -> Json:
        try:
            made = declared.call(*arguments)
        except ValueError as error:
            words = shortened(one_line(words_of(error)), _MOST) or type(error).__name__
            raise InvalidValueError(f"{offer.name}(): {words}") from None
        except BaseException as error:
            if is_of_the_terminal(error):
                raise
            raise InvalidValueError(
                f"{offer.name}() of {offer.who} failed, which is a fault of it: {said(error)}"
            ) from None
        if type_name(made) not in allowed or not _is_json(made):
            raise InvalidValueError(
                f"{offer.name}() of {offer.who} gave something else than {described(declared.returns)}: a fault of "
                "the plugin"
            )
        return made

    return call


def _is_json(value: Any, level: int = 0) -> bool:
    """Whether it is JSON through and through; its size counts as steps."""
    match value:
        case str():
            if len(value) > SMALL:
                current().spend(len(value) // CHARACTERS)
            return True
        case float():
            return math.isfinite(value)
        case list() | dict():
            current().spend(len(value))
            if level == _DEEPEST or (isinstance(value, dict) and not all(isinstance(key, str) for key in value)):
                return False
            return all(_is_json(each, level + 1) for each in (value.values() if isinstance(value, dict) else value))
        case _:
            return value is None or type(value) in (bool, int)
