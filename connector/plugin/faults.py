"""What becomes of an exception of a plugin that is none of the three errors: an error that names the plugin.

It does not end the program, as a bug of our own does, for other routes have nothing to do with it. A source, a sink or
a journal that fails so blocks its part, which keeps its place and tries again; a format refuses the document.
"""

import functools
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, SecretStr

from connector.clients.hiding import Hiding
from connector.entry_points import Offer, is_of_the_terminal, said, words_of
from connector.model import ConnectorError, Identity, LookUp, Misconfigured, Page, Refusal, Refused
from connector.ports import Collections
from connector.values.display import printable

_OF_PROPERTIES: Mapping[str, tuple[type, type[Exception]]] = {"collections": (Collections, ValueError)}
"""The properties of ports that are ports themselves, and what these may raise beside the three errors."""
_GIVES: Mapping[str, Callable[[Any], bool]] = {
    "send": lambda given: (
        isinstance(given, list | tuple)
        and all(isinstance(each, Refusal) and isinstance(each.reason, str) for each in given)
    ),
    "check": lambda given: isinstance(given, str),
    "unconfirmed": lambda given: isinstance(given, int),
    "dealt_with": lambda given: isinstance(given, int),
    "pages": lambda given: isinstance(given, Iterator),
    "look_up": lambda given: isinstance(given, LookUp),
    "quota": lambda given: isinstance(given, Mapping | None),
    "quote": lambda given: isinstance(given, str),
    "encode": lambda given: isinstance(given, bytes),
    "identify": lambda given: isinstance(given, Identity),
}
"""By verb, whether what it gives is such as others go on with: the rest of a port is for its own kind of part."""
_END = object()
Fault = Callable[[BaseException], Exception]
"""What is raised in the place of an exception of a plugin: for one of the three errors that one, in words that can be
shown, and for any other an error that names the plugin."""


def fault_of(
    offer: Offer, settings: BaseModel | None = None, error: Callable[[str], ConnectorError] = Misconfigured
) -> Fault:
    """What names a plugin and the place in its code, without the secrets of its settings."""
    hiding = Hiding(*_secrets(settings))

    def fault(raised: BaseException) -> ConnectorError:
        if isinstance(raised, ConnectorError) and type(raised).__str__ is Exception.__str__:
            raised.args = (printable(hiding(words_of(raised))),)
            return raised
        frames = traceback.extract_tb(raised.__traceback__)
        place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno}, in {frames[-1].name})" if frames else ""
        return error(
            f"{offer.what} failed: {said(raised, hiding)}{place}. That is a fault of the plugin; tell its author"
        )

    return fault


def _secrets(value: Any) -> Iterator[SecretStr]:
    """Every secret in settings, at any depth."""
    if isinstance(value, SecretStr):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, list | tuple | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _secrets(each)


def made(make: Callable[[], Any], fault: Fault) -> Any:
    """What a plugin makes.

    Raises:
        ConnectorError: it raised that, or something else that is a fault.
    """
    try:
        return make()
    except BaseException as raised:
        if is_of_the_terminal(raised):
            raise
        raise fault(raised) from None


def held(
    part: Any,
    port: type,
    fault: Fault,
    more: tuple[type, ...] = (),
    *,
    others: Collection[str] = (),
    other: Fault | None = None,
) -> Any:
    """A part of a plugin that raises nothing but the three errors; it has those of the ports that the part has.

    Args:
        part: the plugin's.
        port: what it must be.
        fault: what becomes of an exception.
        more: the ports that it may have beside.
        others: the verbs whose exceptions, as those of functions that any verb gives, become another error.
        other: what these become.

    Raises:
        ConnectorError: it has not all that it must have.
    """
    members: dict[str, Any] = {}
    for each in (port, *more):
        for name, verb in _verbs(each):
            own = other if other is not None and name in others else fault
            if not made(functools.partial(hasattr, part, name), own):
                if each is port:
                    raise fault(TypeError(f"it is a {type(part).__name__}, which has no {name}"))
                continue
            if isinstance(verb, property):
                members[name] = _property(part, name, own)
            else:
                members[name] = _method(part, name, own, other or fault)
    return type(f"Held{type(part).__name__}", (), {"__slots__": (), **members})()


def _verbs(port: type) -> Iterator[tuple[str, Any]]:
    for each in port.__mro__:
        if each not in (object, Protocol):
            yield from ((name, verb) for name, verb in vars(each).items() if not name.startswith("_"))


def _property(part: Any, name: str, fault: Fault) -> property:
    def value(_: Any) -> Any:
        found = made(lambda: getattr(part, name), fault)
        if name not in _OF_PROPERTIES:
            return found
        port, may_raise = _OF_PROPERTIES[name]
        return held(found, port, lambda raised: raised if isinstance(raised, may_raise) else fault(raised))

    return property(value)


def _method(part: Any, name: str, fault: Fault, later: Fault) -> Any:
    call = made(lambda: getattr(part, name), fault)

    def method(_: Any, *arguments: Any, **named: Any) -> Any:
        result = made(lambda: call(*arguments, **named), fault)
        if name in _GIVES and not _GIVES[name](result):
            raise fault(TypeError(f"{name}() gave something else than it must: {type(result).__name__}"))
        if name == "send":
            return [replace(each, reason=str(fault(Refused(each.reason, by="sink")))) for each in result]
        if isinstance(result, Iterator):
            return _iterated(result, fault, Page if name == "pages" else object)
        if isinstance(result, AbstractContextManager):
            return _entered(result, fault)
        return _called(result, later) if callable(result) else result

    return method


def _called(function: Callable[..., Any], fault: Fault) -> Callable[..., Any]:
    return lambda *arguments: made(lambda: function(*arguments), fault)


def _iterated(items: Iterator[Any], fault: Fault, kind: type = object) -> Iterator[Any]:
    while (item := made(lambda: next(items, _END), fault)) is not _END:
        if not isinstance(item, kind):
            raise fault(TypeError(f"a {kind.__name__} is expected, not a {type(item).__name__}"))
        yield item


@contextmanager
def _entered(manager: AbstractContextManager[Any], fault: Fault) -> Iterator[Any]:
    value = made(manager.__enter__, fault)
    try:
        yield value
    except BaseException:
        what = sys.exc_info()
        if not made(lambda: manager.__exit__(*what), fault):
            raise
    else:
        made(lambda: manager.__exit__(None, None, None), fault)
