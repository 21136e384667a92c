"""What a mapping does with its examples that its author may not have meant."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from connector import notification
from connector.mapping import CompiledMapping
from connector.mapping.examples import Examples
from connector.mapping.explanation import ExplainedValue, Explainer, Explanation
from connector.model import Json, Refused
from connector.pipeline.convert import convert
from connector.ports import Vocabulary
from connector.settings.yamldoc import dotted
from connector.values.display import one_line

Kind = Literal["valid", "invalid", "refused", "without value", "unread", "undefined"]
Level = Literal["ok", "note", "warning", "error"]

_Place = tuple[str, ...]
"""Names from `notification`, `entity` or `entity_value` downwards; `[]` stands for every element of a list."""
_ELEMENT = "[]"
_ASKING = ("match", "claim", "$when", "$each", "$provisional")
"""The roles of expressions whose values are not written to the output."""
_COPIED: Mapping[_Place, _Place] = {
    ("entity", "sha256"): ("entity_value",),
    ("entity", "url"): ("entity_value",),
    ("notification", "hunting_info", "sources"): ("notification", "sources"),
    ("notification", "hunting_info", "tags"): ("notification", "tags"),
}
"""Places that `connector.notification.view` copies, each with the place of its copy: to read the copy is to read it."""

_NOT_OF_THE_NOTIFICATION = ("source", "judgement", "reassessed")
"""Names that say nothing of the notification itself, so that a mapping loses nothing of it by not reading them."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to look at.

    Attributes:
        kind: `without value`: an expression that was null in all examples. `unread`: a part of the input that the
            mapping makes nothing of. `undefined`: a property that the format's specification does not define.
        place: `file:line:column` in the mapping; empty when it is about no line of it.
        subject: the path in the mapping, in the input or in the output.
    """

    level: Level
    kind: Kind
    message: str
    place: str = ""
    subject: str = ""


def review(mapping: CompiledMapping, examples: Examples) -> Iterator[Remark]:
    """Convert the examples, and say what to look at."""
    total = len(examples.notifications)
    conversions = list(convert(examples.notifications, mapping))
    reasons = Counter(str(conversion.refusal) for conversion in conversions if conversion.refusal)
    converted = sum(conversion.wanted for conversion in conversions) - reasons.total()
    message = f"converts {converted} of the {total} {examples.called}"
    if converted:
        yield Remark("ok", "valid", f"the mapping is valid and {message}")
    else:
        yield Remark("error" if reasons else "warning", "valid", message)
    for reason, times in reasons.most_common():
        yield Remark("note" if converted else "error", "refused", f"{times} of {total} refused: {reason}")
    explainer = Explainer(mapping, every_branch=True)
    explanations = list(_explained(explainer, examples))
    for location in explainer.without_value():
        message = f"`{one_line(location.expression)}` found nothing in any example; is it misspelt?"
        yield Remark("warning", "without value", message, location.place, dotted(location.path))
    if isinstance(mapping.format, Vocabulary):
        yield from _undefined(mapping.format, explanations)
    yield from _unread(explanations)


def _explained(explainer: Explainer, examples: Examples) -> Iterator[Explanation]:
    for each in examples.notifications:
        try:
            yield explainer.explain(notification.view(each))
        except Refused:  # an example of what is refused whatever the mapping
            continue


def _undefined(vocabulary: Vocabulary, explanations: Iterable[Explanation]) -> Iterator[Remark]:
    found: dict[tuple[str, str], str] = {}
    for explanation in explanations:
        for part in _documents(explanation):
            for path, of in vocabulary.undefined(part.value).items():
                inner = _inner(part, path)
                if not inner.by_format:
                    found.setdefault((inner.place, dotted(inner.path)), f"{path[-1]} is not defined by {of}")
    for (place, subject), message in found.items():
        yield Remark("note", "undefined", message, place, subject)


def _documents(explanation: Explanation) -> Iterator[ExplainedValue]:
    for part in (*explanation.emitted, *explanation.withdrawn):
        if isinstance(part.value, list):
            yield from (each for each in part.parts if not each.left_out)
        elif isinstance(part.value, dict):
            yield part


def _inner(part: ExplainedValue, path: Sequence[str]) -> ExplainedValue:
    """The part that says what stands at a path, or that around it which one expression gave."""
    for key in path:
        inner = next((each for each in part.parts if each.key == key), None)
        if inner is None:
            break
        part = inner
    return part


def _unread(explanations: Sequence[Explanation]) -> Iterator[Remark]:
    """The parts of the input that were there in some example and read in none, as large as can be."""
    there: Counter[_Place] = Counter()
    used: set[_Place] = set()
    # Places where an expression asked only whether something is there, or for its elements one by one: what is in them
    # has not been read by that.
    asked: set[_Place] = set()
    for explanation in explanations:
        said = {name: value for name, value in explanation.view.items() if name not in _NOT_OF_THE_NOTIFICATION}
        there.update({around for leaf in _leaves(said, ()) for around in _prefixes(leaf)})
        for evaluation in explanation.evaluations():
            for path, value in evaluation.reads.items():
                is_asked = evaluation.role in _ASKING and isinstance(value, dict | list)
                (asked if is_asked else used).add(tuple(_ELEMENT if isinstance(key, int) else key for key in path))
    used.update(place for place, copy in _COPIED.items() if any(path[: len(copy)] == copy for path in used))
    touched = {around for path in used | asked for around in _prefixes(path)}
    for place in sorted(there):
        around = _prefixes(place)
        if place not in touched and used.isdisjoint(around) and (len(around) == 1 or around[-2] in touched):
            yield Remark(
                "note", "unread", f"in {there[place]} of {len(explanations)} examples", subject=_written(place)
            )


def _leaves(value: Json, place: _Place) -> Iterator[_Place]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from _leaves(member, (*place, key))
    elif isinstance(value, list):
        for member in value:
            yield from _leaves(member, (*place, _ELEMENT))
    elif value is not None:
        yield place


def _prefixes(place: _Place) -> list[_Place]:
    return [place[: length + 1] for length in range(len(place))]


def _written(place: _Place) -> str:
    return "".join(key if key == _ELEMENT or index == 0 else f".{key}" for index, key in enumerate(place))
