"""Mappings and conditions as the rest of the program uses them."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from jmespath.exceptions import JMESPathError, JMESPathTypeError

from connector.mapping.compilation import compiler
from connector.mapping.compilation.checking import NOTIFICATION_SCOPE
from connector.mapping.compilation.location import Location
from connector.mapping.language.budget import (
    CONTAINERS,
    FEW_PLACES,
    FEW_STEPS,
    STEPS,
    BudgetError,
    Budgeting,
    OutputError,
    current,
    measure,
)
from connector.mapping.language.expressions import ExpressionError
from connector.mapping.language.functions import RequiredError
from connector.mapping.language.generation import Evaluate
from connector.mapping.language.guarding import Guard, Guarding
from connector.mapping.language.operations import is_false
from connector.mapping.rendering.program import Program, Rendering
from connector.model import NOT_CLAIMED, Document, Json, JsonObject, Misconfigured, Refused, Withheld
from connector.ports import Format
from connector.settings.yamldoc import YamlDocument

_T = TypeVar("_T")

TOO_DEEP = "the notification is nested too deeply to be mapped"
"""Why a notification is refused on which Python's stack ends."""

_OF_MATCH = NOT_CLAIMED._replace(of="match")


class CompiledMapping:
    """A mapping, ready to render; safe for use from several threads.

    Attributes:
        name: what errors call it: the file's name.
        format: the format of its documents.
        format_name: what the mapping calls that format.
        description: its one line; empty when it has none.
        document: the file itself.
        guard: what guards values, where nothing else is said to.
    """

    def __init__(self, document: YamlDocument, formats: Mapping[str, Format], guard: Guard | None = None) -> None:
        self.guard = guard
        self.name = document.name
        self.format_name = compiler.format_name(document, formats)
        self.format = _made(document, formats, self.format_name)
        self.description: str = document.data.get("description", "")
        self.document = document
        self._program = compiler.program(document, self.format)
        self._has_many_places = _places(document.data) > FEW_PLACES

    def render(self, view: JsonObject) -> list[Document] | None:
        """The documents of a notification, in order; None when it is not for this mapping.

        They share nothing with the view, with each other or with later ones.

        Args:
            view: what `connector.notification.view` gives.

        Raises:
            Refused: an expression does not fit this notification, text lacks a value, or the format refuses one.
        """
        return self._run(lambda program: program.run(view))

    @property
    def withdraws(self) -> bool:
        """Whether it says how to take back what was delivered."""
        return self._program.withdraw is not None

    def rendering(self, view: JsonObject, *, whatever: bool = False) -> Rendering | None:
        """As `render`, with what `withdrawal` needs; `whatever` the mapping's `match` says."""
        return self._run(lambda program: program.rendering(view, whatever=whatever))

    def is_for(self, view: JsonObject) -> bool:
        """Whether a notification is for this mapping, by its `match`."""
        return self._run(lambda program: program.is_for(view))

    def withdrawal(self, rendering: Rendering, why: Withheld, *, alone: bool) -> list[Document]:
        """The documents that take back what was delivered of an observable; unless `alone`, with those of `emit`.

        Args:
            rendering: of a notification of that observable.
            why: for the mapping, which knows it as `withdrawn`.
            alone: whether to leave out the documents of `emit`.

        Raises:
            Refused: as of `render`.
        """
        return self._run(lambda program: program.withdrawal(rendering.scope, why, alone=alone))

    def _run(self, work: Callable[[Program], _T]) -> _T:
        with Guarding(self.guard), Budgeting():
            try:
                return self._measured(work(self._program))
            except OutputError as error:
                raise Refused(f"{self.name}: emit: {error}", by="mapping") from None
            except JMESPathError:
                # The same once more, slower, with someone looking on who can say where.
                return self._explainer.run(work)
            except RecursionError:
                raise Refused(TOO_DEEP, by="mapping") from None

    def _measured(self, made: _T) -> _T:
        if self._has_many_places or current().left < STEPS - FEW_STEPS:
            measure(_documents_of(made))
        return made

    @cached_property
    def _explainer(self) -> "TracedMapping":
        # Kept: a stream full of notifications that do not fit would have the mapping compiled for each.
        return self.traced()

    def traced(self) -> "TracedMapping":
        """The same mapping, keeping record of its expressions."""
        return TracedMapping(self.document, self.format, self.guard)


class TracedMapping:
    """Renders as its mapping does, several times slower, and remembers which expressions ever had a value.

    Attributes:
        format: the format of its documents.
        program: the mapping with someone looking on.

    Args:
        document, output, guard: those of the mapping.
        check: whether the format refuses what is wrong, as it would in the mapping itself.
    """

    def __init__(
        self, document: YamlDocument, output: Format, guard: Guard | None = None, *, check: bool = True
    ) -> None:
        self.format = output
        self.guard = guard
        self.name = document.name
        self._had_value: dict[Location, bool] = {}
        self.program = compiler.program(document, output, self._trace, check=check)

    def render(self, view: JsonObject) -> list[Document] | None:
        """As `CompiledMapping.render`; what would take the documents back is made as well, and thrown away."""
        rendering = self.run(lambda program: program.rendering(view))
        if rendering is None:
            return None
        if self.program.withdraw is not None:
            self.run(lambda program: program.withdrawal(rendering.scope, NOT_CLAIMED, alone=True))
            self.run(lambda program: program.withdrawal(rendering.scope, _OF_MATCH, alone=True))
        return list(rendering.documents)

    def run(self, work: Callable[[Program], _T]) -> _T:
        """Have the program do something."""
        try:
            with Guarding(self.guard), Budgeting():
                return work(self.program)
        except BudgetError as error:
            raise Refused(f"{self.name}: {error}", by="mapping") from None
        except RecursionError:
            raise Refused(TOO_DEEP, by="mapping") from None

    def without_value(self) -> Sequence[Location]:
        """The expressions that were null in everything rendered so far, or never came to be evaluated."""
        return [location for location, had_value in self._had_value.items() if not had_value]

    def _trace(self, location: Location, evaluate: Evaluate) -> Evaluate:
        self._had_value.setdefault(location, False)

        def traced(values: Any) -> Json:
            try:
                found = evaluate(values)
                if found.__class__ in CONTAINERS:
                    current().weigh(found)
            except RequiredError as error:
                self._had_value[location] = True  # it has found that nothing is there, and is not misspelt
                raise Refused(str(error), by="mapping") from None
            except JMESPathError as error:
                raise Refused(f"{location}: {_message(error)}", by="mapping") from None
            self._note(location, found)
            return found

        return traced

    def _note(self, location: Location, found: Json) -> None:
        if found is not None:
            self._had_value[location] = True


def _places(data: Json) -> int:
    """How many texts a mapping has at most, as its aliases are written out."""
    if isinstance(data, dict):
        return sum(map(_places, data.values()))
    return sum(map(_places, data)) if isinstance(data, list) else 1


def _made(document: YamlDocument, formats: Mapping[str, Format], name: str) -> Format:
    try:
        return formats[name]
    except Misconfigured as error:  # of a plugin
        raise document.error(("format",), str(error)) from None


def _documents_of(made: Any) -> Sequence[Document]:
    if isinstance(made, Rendering):
        return made.documents
    return made if isinstance(made, list) else ()


def compile_mapping(
    document: YamlDocument, formats: Mapping[str, Format], guard: Guard | None = None
) -> CompiledMapping:
    """Compile a mapping that has been read, with or without overlays laid over it.

    Args:
        document: the mapping.
        formats: every format by its name.
        guard: what guards values, where nothing else is said to; None: nothing does.

    Raises:
        Misconfigured: with `file:line:column: path: what is wrong and what was expected`.
    """
    try:
        return CompiledMapping(document, formats, guard)
    except Misconfigured as error:
        if not document.overlays or not str(error).startswith(f"{document.name}:"):
            raise
        # A line of the mapping that nobody has touched may need what an overlay takes away.
        raise Misconfigured(f"{error}; this is of the mapping as {', '.join(document.overlays)} changes it") from None


def compile_condition(expression: str, place: str | Callable[[], str]) -> Callable[[JsonObject], bool]:
    """An expression over `notification`, `entity` and `entity_value`, as a test of a notification's view.

    What it gives is true as JMESPath has it: not null, false, nor empty. It raises Refused when the expression does
    not fit the notification.

    Args:
        expression: JMESPath, with the functions of mappings.
        place: what errors begin with, as `file:line:column: path`; or a function that gives it.

    Raises:
        Misconfigured: the expression is wrong, however the notifications look.
    """
    try:
        evaluate = compiler.condition(expression)
    except ExpressionError as error:
        raise Misconfigured(f"{_text_of(place)}: in `{expression}`: {error}") from None

    def holds(view: JsonObject) -> bool:
        try:
            with Budgeting():
                return not is_false(evaluate({name: view.get(name) for name in NOTIFICATION_SCOPE}))
        except JMESPathError as error:
            raise Refused(f"{_text_of(place)}: in `{expression}`: {_message(error)}", by="mapping") from None
        except RecursionError:
            raise Refused(TOO_DEEP, by="mapping") from None

    return holds


def _text_of(place: str | Callable[[], str]) -> str:
    return place if isinstance(place, str) else place()


def _message(error: JMESPathError) -> str:
    """The error without the value it is about, which may be long."""
    if isinstance(error, JMESPathTypeError):
        wanted = " or ".join(name for name in error.expected_types if name != "null")
        return f"{error.function_name}() takes {wanted}, and was given {error.actual_type}"
    return str(error)
