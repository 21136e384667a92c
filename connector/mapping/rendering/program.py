"""A mapping, ready to run: its condition, its named values and its documents, as functions of the scope."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from connector.mapping.language.generation import Evaluate
from connector.mapping.language.operations import is_false
from connector.model import Document, Json, JsonObject, Withheld

WITHDRAWN = "withdrawn"
"""The name under which expressions of `withdraw` find why something is taken back."""

Make = Callable[[dict[str, Json], list[Document]], None]
"""Adds each name to a scope once it is known, and the documents that it stands for to a list."""


@dataclass(frozen=True, slots=True)
class Program:
    """A mapping, ready to run.

    Attributes:
        match: whether a notification is for this mapping; None when all are.
        make: what `let` and `emit` say, in order.
        claim: whether the output says that the observable is bad; None when it always does.
        withdraw: what `withdraw` says, in order; None when it says nothing.
        emitted: the names under `emit`.
        withdrawn: those under `withdraw`.
        names: what expressions may name beside the notification, the same for all: the format's and the mapping's own.
    """

    match: Evaluate | None
    make: Make
    claim: Evaluate | None
    withdraw: Make | None
    emitted: Sequence[str]
    withdrawn: Sequence[str]
    names: JsonObject

    def run(self, view: JsonObject) -> list[Document] | None:
        """The documents of `emit`; None when the notification is not for this mapping.

        Raises:
            JMESPathError: a function was given what it does not take, or cannot work on it.
            Refused: text lacks a value that it needs, or the format refuses one.
            RecursionError: the notification is nested too deeply.
        """
        documents: list[Document] = []
        return documents if self.run_in(scope_of(view, self.names), documents) else None

    def rendering(self, view: JsonObject, *, whatever: bool = False) -> "Rendering | None":
        """As `run`, with what is needed to take the documents back; with `whatever` `match` says.

        Raises as `run` does.
        """
        scope, documents = scope_of(view, self.names), list[Document]()
        wanted = self.run_in(scope, documents, whatever=whatever)
        return Rendering(scope, documents, self.claims(scope)) if wanted else None

    def run_in(self, scope: dict[str, Json], documents: list[Document], *, whatever: bool = False) -> bool:
        """As `run`, in a scope to which each name is added once it is known; whether the notification is wanted."""
        if self.match is not None and not whatever and is_false(self.match(scope)):
            return False
        self.make(scope, documents)
        return True

    def is_for(self, view: JsonObject) -> bool:
        """Whether a notification is for this mapping; raises as `run` does."""
        return self.match is None or not is_false(self.match(scope_of(view, self.names)))

    def claims(self, scope: dict[str, Json]) -> bool:
        """Whether what was made in this scope says that the observable is bad."""
        return self.claim is None or not is_false(self.claim(scope))

    def withdrawal(self, made_in: Mapping[str, Json], why: Withheld, *, alone: bool) -> list[Document]:
        """The documents that take back what was made in a scope; unless they go `alone`, among those of `emit`.

        One whose name is also under `emit` then stands in the place of that.

        Args:
            made_in: the scope of a rendering.
            why: what expressions know as `withdrawn`.
            alone: whether to leave out the documents of `emit`.

        Raises as `run` does.
        """
        scope, documents = dict(made_in), list[Document]()
        self.withdraw_in(scope, documents, why)
        if alone:
            return documents
        made = {name: made_in[name] for name in self.emitted} | {name: scope[name] for name in self.withdrawn}
        return [document for each in made.values() for document in _listed(each)]

    def withdraw_in(self, scope: dict[str, Json], documents: list[Document], why: Withheld) -> None:
        """As `withdrawal`, alone, in a scope to which each name is added once it is known."""
        scope[WITHDRAWN] = {**why._asdict(), "notifications": [*why.notifications], "matches": [*why.matches]}
        if self.withdraw is not None:
            self.withdraw(scope, documents)


class Rendering(NamedTuple):
    """What a mapping made of one notification.

    Attributes:
        scope: every name, with its value.
        documents: those of `emit`, in order.
        claims: whether they say that the observable is bad.
    """

    scope: Mapping[str, Json]
    documents: Sequence[Document]
    claims: bool


def scope_of(view: JsonObject, names: JsonObject) -> dict[str, Json]:
    """The scope of a mapping's first expression. Each step of the mapping adds its own name to it."""
    return {
        "notification": view.get("notification"),
        "entity": view.get("entity"),
        "entity_value": view.get("entity_value"),
        "source": view.get("source"),
        "judgement": view.get("judgement"),
        "guard": view.get("guard"),
        "reassessed": view.get("reassessed"),
        **names,
    }


def _listed(made: Json) -> list[Document]:
    return made if isinstance(made, list) else [] if made is None else [made]
