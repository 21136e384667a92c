"""A mapping, ready to run: its condition, its named values and its documents, as functions of the scope."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from connector.mapping.language.closures import Evaluate, is_false
from connector.model import Document, Json, JsonObject, Withheld

WITHDRAWN = "withdrawn"
"""The name under which expressions of `withdraw` find why something is taken back."""

Let = tuple[str, Evaluate]
"""A name, and what it stands for, from the scope so far."""


class Emit(NamedTuple):
    """What `emit` or `withdraw` says under one name.

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
        claim: whether the output says that the observable is bad; None when it always does.
        emits: what `emit` says, in order.
        withdraws: what `withdraw` says, in order.
        names: what expressions may name beside the notification, the same for all: the format's and the mapping's own.
    """

    match: Evaluate | None
    lets: Sequence[Let]
    claim: Evaluate | None
    emits: Sequence[Emit]
    withdraws: Sequence[Emit]
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
        for name, evaluate in self.lets:
            scope[name] = evaluate(scope)
        _make(self.emits, scope, documents)
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
        made = {emit.name: made_in[emit.name] for emit in self.emits}
        made |= {emit.name: scope[emit.name] for emit in self.withdraws}
        return [document for each in made.values() for document in _listed(each)]

    def withdraw_in(self, scope: dict[str, Json], documents: list[Document], why: Withheld) -> None:
        """As `withdrawal`, alone, in a scope to which each name is added once it is known."""
        scope[WITHDRAWN] = why._asdict()
        _make(self.withdraws, scope, documents)


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
        **names,
    }


def _make(emits: Sequence[Emit], scope: dict[str, Json], documents: list[Document]) -> None:
    """Add to the documents what is made under each name, and the name to the scope."""
    for name, is_list, build, complete in emits:
        made = build(scope)
        if is_list:
            if made:
                made = list(map(complete, made))
                documents += made
        elif made is not None:
            made = complete(made)
            documents.append(made)
        scope[name] = made


def _listed(made: Json) -> list[Document]:
    return made if isinstance(made, list) else [] if made is None else [made]
