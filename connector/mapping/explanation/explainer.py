"""Why a mapping's output is what it is: each value with the expressions it came of, and what these read.

The values are those of a real rendering (`recording`); this walks the YAML beside them.
"""

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from connector.mapping.compilation.checking import NOTIFICATION_SCOPE
from connector.mapping.compilation.location import Location
from connector.mapping.compiled import TOO_DEEP, CompiledMapping
from connector.mapping.explanation.reads import ScopePath, Traced, reads
from connector.mapping.explanation.recording import Recorder, Recording
from connector.mapping.language import placeholders
from connector.mapping.language.budget import Budget
from connector.mapping.language.expressions import parse, shown
from connector.mapping.language.guarding import Guarding
from connector.mapping.language.operations import is_false
from connector.mapping.language.placeholders import Placeholder
from connector.mapping.rendering.program import WITHDRAWN
from connector.mapping.rendering.values import ITEM, present
from connector.model import Document, Json, JsonObject, Refused
from connector.settings.yamldoc import YamlPath, dotted
from connector.values.display import value_text

Role = Literal["match", "claim", "value", "text", "$when", "$each", "$switch", "$provisional"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One expression, evaluated once.

    Attributes:
        place: `file:line:column`.
        role: what its value is used for.
        reads: the places it read, by names from the scope downwards, and what was there.
        inputs: the places of the notification that it came of, also through names under `let` and `emit`.
    """

    expression: str
    place: str
    role: Role
    value: Json
    reads: Mapping[ScopePath, Json]
    inputs: Mapping[ScopePath, Json]


@dataclass(slots=True)
class ExplainedValue:
    """A value that a mapping makes, or would have.

    Attributes:
        key: its property, index or, at the top, name. Elements that are left out are counted.
        path: where the mapping says it.
        place: `file:line:column` of that.
        evaluations: the expressions that decided on it, in order.
        parts: its properties or elements, in order; none of a value that one expression gave.
        value: what it became; None when it was left out.
        left_out: why it was left out; empty when it was not.
        by_format: whether the format added it, and no line of the mapping.
    """

    key: str | int
    path: YamlPath
    place: str
    evaluations: list[Evaluation] = field(default_factory=list)
    parts: list["ExplainedValue"] = field(default_factory=list)
    value: Json = None
    left_out: str = ""
    by_format: bool = False

    def walk(self) -> Iterator["ExplainedValue"]:
        """This and all below."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a mapping made of a notification, and of what.

    Attributes:
        view: the notification as the mapping sees it.
        match: the mapping's condition; None when it has none.
        claim: whether the documents say that the observable is bad; None when the mapping does not say.
        names: what is under `let`.
        withdrawn: what is under `withdraw`, as `emitted`, if it were to be taken back.
        emitted: what is under `emit`: a document each, or with `$each` a list of them.
        documents: what was rendered, in order.
        refused: why it was refused; empty when it was not.
        wanted: whether the notification is for this mapping.
    """

    view: JsonObject
    match: Evaluation | None
    claim: Evaluation | None
    names: Sequence[ExplainedValue]
    emitted: Sequence[ExplainedValue]
    withdrawn: Sequence[ExplainedValue]
    documents: Sequence[Document]
    refused: str
    wanted: bool

    def evaluations(self) -> Iterator[Evaluation]:
        """Every one of them."""
        yield from (each for each in (self.match, self.claim) if each is not None)
        for top in (*self.names, *self.emitted, *self.withdrawn):
            for part in top.walk():
                yield from part.evaluations


class Explainer:
    """Explains a mapping, compiled once for that; for one thread.

    Args:
        mapping: the mapping.
        every_branch: whether `reads` also has what the right side of `||` and `&&` would read where it was not needed.
    """

    def __init__(self, mapping: CompiledMapping, *, every_branch: bool = False) -> None:
        self._mapping = mapping
        self._every_branch = every_branch
        self._recorder = Recorder(mapping.document, mapping.format, mapping.guard)

    def explain(self, view: JsonObject) -> Explanation:
        """Render the view of a notification, and say how it went.

        Raises:
            Refused: the notification is nested too deeply for that.
        """
        try:
            with Guarding(self._mapping.guard):
                recording = self._recorder.record(view)
                return _Explaining(self._mapping, recording, every_branch=self._every_branch).explanation(view)
        except RecursionError:
            raise Refused(TOO_DEEP, by="mapping") from None

    def without_value(self) -> Sequence[Location]:
        """The expressions that were null in everything explained so far."""
        return self._recorder.without_value()


class _UnreachedError(Exception):
    """An expression was not evaluated, since the rendering had ended."""


class _Explaining:
    """Goes through the mapping in the order of the rendering."""

    def __init__(self, mapping: CompiledMapping, recording: Recording, *, every_branch: bool) -> None:
        self.document = mapping.document
        self.recording = recording
        self.every_branch = every_branch
        self.values = {path: deque(values) for path, values in recording.values.items()}
        self.given = mapping.format.names
        self.scope = {name: Traced(recording.scope[name], (name,)) for name in (*NOTIFICATION_SCOPE, *self.given)}
        self.names: dict[str, ExplainedValue] = {}
        self.items: dict[str, Mapping[ScopePath, Json]] = {}
        self.has_ended = False

    def explanation(self, view: JsonObject) -> Explanation:
        data, recording = self.document.data, self.recording
        match = None
        if "match" in data and (recording.values.get(("match",)) is not None):
            match = self.evaluation(data["match"], ("match",), "match")
        lets = [self.top("let", name, value) for name, value in data.get("let", {}).items() if recording.wanted]
        emitted = [self.top("emit", name, value) for name, value in data["emit"].items() if recording.wanted]
        claim = None
        if recording.values.get(("claim",)):
            claim = self.evaluation(data["claim"], ("claim",), "claim")
        withdrawn = self.withdrawn(data["withdraw"]) if recording.withdrawal is not None else []
        refused = str(recording.refusal or "")
        return Explanation(view, match, claim, lets, emitted, withdrawn, recording.documents, refused, recording.wanted)

    def withdrawn(self, data: dict[str, Json]) -> list[ExplainedValue]:
        """What is under `withdraw`, which has a scope of its own."""
        recording = self.recording.withdrawal
        assert recording is not None  # noqa: S101 -- the caller has looked
        self.recording, self.values = recording, {path: deque(values) for path, values in recording.values.items()}
        self.given = {**self.given, WITHDRAWN: recording.scope[WITHDRAWN]}
        self.scope[WITHDRAWN] = Traced(recording.scope[WITHDRAWN], (WITHDRAWN,))
        return [self.top("withdraw", name, value) for name, value in data.items()]

    def top(self, section: str, name: str, data: Json) -> ExplainedValue:
        """What is under `let`, `emit` or `withdraw`, which then is a name that others may use."""
        path = (section, name)
        part = self.value(data, path, name)
        if name in self.recording.scope:
            made = self.recording.scope[name]
            if section == "let" and not part.parts:  # a name stands for what its expression gave, empty or not
                part.value, part.left_out = made, part.left_out if made is None else ""
            else:
                _fill(part, None if made == [] else made)
            self.scope[name] = Traced(made, (name,))
        else:
            self.unmade(part)
        self.names[name] = part
        return part

    def value(self, data: Json, path: YamlPath, key: str | int) -> ExplainedValue:
        part = ExplainedValue(key, path, self.document.place(path))
        try:
            self.make(part, data)
        except _UnreachedError:
            part.left_out = self.ended(part)
        return part

    def make(self, part: ExplainedValue, data: Json) -> None:
        match data:
            case str():
                self.text(part, data)
            case {"$each": _}:
                self.each(part, data)
            case dict():
                self.body(part, data)
            case list():
                part.parts = [self.value(member, (*part.path, index), index) for index, member in enumerate(data)]
                self.check_left(part)
            case _:
                part.value = data

    def text(self, part: ExplainedValue, data: str) -> None:
        match placeholders.parts(data.strip()):
            case [Placeholder(expression)]:
                evaluation = self.noted(part, expression, part.path, "value")
                part.value = present(evaluation.value, Budget())
                if part.value is None:
                    part.left_out = _without_value(evaluation)
                return
        for piece in placeholders.parts(data):
            if isinstance(piece, Placeholder):
                evaluation = self.noted(part, piece.expression, part.path, "text")
                if evaluation.value is None:
                    part.left_out = f"refused: {_without_value(evaluation)}, and the text around it needs one"

    def each(self, part: ExplainedValue, data: dict[str, Json]) -> None:
        given, place = data["$each"], (*part.path, "$each")
        loops = [(ITEM, given, place)]
        if isinstance(given, dict):
            loops = [(name, elements, (*place, name)) for name, elements in given.items()]
        body = {name: member for name, member in data.items() if name != "$each"}
        self.loop(part, loops, body)
        if part.parts:
            self.check_left(part)

    def loop(self, part: ExplainedValue, loops: Sequence[tuple[str, str, YamlPath]], body: dict[str, Json]) -> None:
        """Go through a list, and for each element through those after it."""
        (name, expression, path), *inner = loops
        elements = self.noted(part, expression, path, "$each")
        if not elements.value:
            part.left_out = f"nothing to go through: {_without_value(elements)}"
            return
        traced, _ = reads(parse(expression), self.scope)
        outer = self.scope.get(name)
        for index, element in enumerate(elements.value):
            known = traced.part(index).path if traced.value == elements.value else None
            self.items[name] = elements.inputs
            self.scope[name] = Traced(element, known or (name,))
            if inner:
                self.loop(part, inner, body)
            else:
                part.parts.append(self.value(body, part.path, len(part.parts)))
        if outer is not None:
            self.scope[name] = outer
            self.items.pop(name, None)  # the name stands for something else again

    def body(self, part: ExplainedValue, data: dict[str, Json]) -> None:
        if "$when" in data:
            wanted = self.noted(part, data["$when"], (*part.path, "$when"), "$when")
            if is_false(wanted.value):
                part.left_out = f"$when `{shown(wanted.expression, 120)}` is {value_text(wanted.value, 60)}"
                return
        content = {name: member for name, member in data.items() if name not in ("$when", "$each", "$provisional")}
        provisional = (*part.path, "$provisional")
        if "$switch" in content:
            self.switch(part, content)
        else:
            part.parts = [self.value(member, (*part.path, name), name) for name, member in content.items()]
            self.check_left(part)
        if not part.left_out and "$provisional" in data:
            self.noted(part, data["$provisional"], provisional, "$provisional")

    def switch(self, part: ExplainedValue, data: dict[str, Json]) -> None:
        chosen = self.noted(part, data["$switch"], (*part.path, "$switch"), "$switch")
        case = chosen.value if chosen.value is None or isinstance(chosen.value, str) else json.dumps(chosen.value)
        name = case if case in data and case not in ("$switch", "$default") else "$default"
        if name not in data:
            said = f"$switch `{shown(chosen.expression, 120)}` is {value_text(chosen.value, 60)}"
            part.left_out = f"{said}: there is no such case and no $default"
            return
        inner = self.value(data[name], (*part.path, name), part.key)
        inner.evaluations[:0] = part.evaluations
        part.path, part.place = inner.path, inner.place
        part.evaluations, part.parts = inner.evaluations, inner.parts
        part.value, part.left_out = inner.value, inner.left_out

    def noted(self, part: ExplainedValue, expression: str, path: YamlPath, role: Role) -> Evaluation:
        evaluation = self.evaluation(expression, path, role)
        part.evaluations.append(evaluation)
        return evaluation

    def evaluation(self, expression: str, path: YamlPath, role: Role) -> Evaluation:
        if not self.values.get(path):
            raise _UnreachedError
        value = self.values[path].popleft()
        _, read = reads(parse(expression), self.scope, every_branch=self.every_branch)
        inputs: dict[ScopePath, Json] = {}
        for place, found in read.items():
            inputs.update(self.inputs(place, found))
        return Evaluation(expression, self.document.place(path), role, value, read, inputs)

    def inputs(self, path: ScopePath, value: Json) -> Mapping[ScopePath, Json]:
        """The places of the notification that the value at a path came of."""
        root, *keys = path
        if root in self.items:
            return self.items[str(root)]
        if root in NOTIFICATION_SCOPE and root not in self.names:
            return {path: value}
        if root in self.given:
            return {}
        part = self.names[str(root)]
        found: dict[ScopePath, Json] = {}
        for key in keys:
            if not part.parts:  # within what an expression gave
                break
            found.update(_inputs(part.evaluations))
            kept = [each for each in part.parts if not each.left_out]
            inner = kept[key : key + 1] if isinstance(key, int) else [each for each in part.parts if each.key == key]
            if not inner:  # the format added it
                return found
            part = inner[0]
        for each in part.walk():
            found.update(_inputs(each.evaluations))
        return found

    def unmade(self, part: ExplainedValue) -> None:
        """Say why a name has no value: the notification was refused while it was made, or by the format, or before."""
        if self.has_ended:
            part.left_out = _ENDED
        elif any(each.left_out.startswith("refused") for each in part.walk()):
            part.left_out = "not made: the notification was refused within it"
        else:
            part.left_out = f"refused: {self.recording.refusal}"
        self.has_ended = True

    def check_left(self, part: ExplainedValue) -> None:
        if all(each.left_out for each in part.parts):
            ended = any(each.left_out == _ENDED for each in part.parts)
            part.left_out = _ENDED if ended else "nothing is left of it"

    def ended(self, part: ExplainedValue) -> str:
        """Why a part was not reached."""
        refusal = str(self.recording.refusal)
        return f"refused: {refusal}" if refusal.startswith(f"{part.place}: {dotted(part.path)}") else _ENDED


_ENDED = "not reached: the notification was refused before"


def _fill(part: ExplainedValue, made: Json) -> None:
    """Give a part, and those below, what they really became."""
    part.value = made
    if made is None:
        for each in part.parts:
            _fill(each, None)
        return
    kept = [each for each in part.parts if not each.left_out]
    if isinstance(made, dict):
        for each in kept:
            _fill(each, made.get(str(each.key)))
        known = {each.key for each in part.parts}
        if part.parts:
            added = [
                ExplainedValue(key, part.path, "", value=made[key], by_format=True) for key in made if key not in known
            ]
            part.parts += added
    elif isinstance(made, list):
        for each, member in zip(kept, made, strict=False):
            _fill(each, member)


def _inputs(evaluations: Sequence[Evaluation]) -> Mapping[ScopePath, Json]:
    return {path: value for evaluation in evaluations for path, value in evaluation.inputs.items()}


def _without_value(evaluation: Evaluation) -> str:
    missing = [dotted(path) for path, value in evaluation.inputs.items() if value is None]
    because = f" ({', '.join(missing)}: not given)" if missing else ""
    what = "has no value" if evaluation.value is None else "is empty"
    return f"`{shown(evaluation.expression, 120)}` {what}{because}"
