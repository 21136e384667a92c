"""A mapping, ready to run: its condition, its named values and its documents, as functions of the scope."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from connector.mapping.language.closures import Evaluate, is_false
from connector.model import Document, Json, JsonObject

Let = tuple[str, Evaluate]
"""A name, and what it stands for, from the scope so far."""


class Emit(NamedTuple):
    """What `emit` says under one name.

    Attributes:
        is_list: whether it makes a document for each element of a list.
        build: makes of the scope what the mapping says of the document, or the list of that for each element.
        complete: makes a document of that, as the format wants it.
    """

    name: str
    is_list: bool
    build: Callable[[Any], Any]
    complete: Callable[[Document], Document]


@dataclass(frozen=True, slots=True)
class Program:
    """A mapping, ready to run.

    Attributes:
        match: whether a notification is for this mapping; None when all are.
        lets: what `let` says, in order.
        emits: what `emit` says, in order.
        names: what expressions may name beside the notification, the same for all: the format's and the mapping's own.
    """

    match: Evaluate | None
    lets: Sequence[Let]
    emits: Sequence[Emit]
    names: JsonObject

    def run(self, view: JsonObject) -> list[Document] | None:
        """The documents; None when the notification is not for this mapping.

        Raises:
            JMESPathError: a function was given what it does not take, or cannot work on it.
            Refused: text lacks a value that it needs, or the format refuses one.
            RecursionError: the notification is nested too deeply.
        """
        documents: list[Document] = []
        return documents if self.run_in(scope_of(view, self.names), documents) else None

    def run_in(self, scope: dict[str, Json], documents: list[Document]) -> bool:
        """As `run`, in a scope to which each name is added once it is known; whether the notification is wanted."""
        if self.match is not None and is_false(self.match(scope)):
            return False
        for name, evaluate in self.lets:
            scope[name] = evaluate(scope)
        for name, is_list, build, complete in self.emits:
            made = build(scope)
            if is_list:
                if made:
                    made = list(map(complete, made))
                    documents += made
            elif made is not None:
                made = complete(made)
                documents.append(made)
            scope[name] = made
        return True


def scope_of(view: JsonObject, names: JsonObject) -> dict[str, Json]:
    """The scope of a mapping's first expression. Each step of the mapping adds its own name to it."""
    return {
        "notification": view.get("notification"),
        "entity": view.get("entity"),
        "entity_value": view.get("entity_value"),
        **names,
    }
