"""What the known-good lists say: of one value, or of what was held back for them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from connector import app
from connector.configuration import Plan
from connector.guards import lists
from connector.guards.guards import Guards
from connector.model import Json
from connector.values import observables
from connector.values.timestamps import timestamp


@dataclass(frozen=True, slots=True)
class Answer:
    """What guards a value somewhere.

    Attributes:
        route, source: for whose notifications; empty: for all that have no guards of their own.
        is_derived: whether as what a notification merely names; else as what it is about.
        entry: what of the list it matches.
        file, line: where that stands.
        exception: what takes the effect away; None: nothing does.
    """

    route: str
    source: str
    is_derived: bool
    list: str
    effect: str
    confidence: int | None
    entry: str
    file: str
    line: int | None
    exception: str | None


def look(plan: Plan, value: str) -> list[Answer]:
    """Which lists guard a value, where, and what comes of it; none when nothing does.

    Raises:
        Misconfigured: a list is not what it should be.
    """
    return [answer for place in _places(plan) for answer in _answers(plan.guards.of(*place), *place, value)]


def of_route(plan: Plan, route: str | None) -> Guards:
    """What guards the notifications of a route, and of its source where it reads one; without a route what guards all.

    Raises:
        NotFound: there is no such route.
        Misconfigured: a list is not what it should be.
    """
    return plan.guards.of(*place_of(plan, route))


def place_of(plan: Plan, route: str | None) -> tuple[str, str]:
    """A route, and its source where it reads one; empty where there is none.

    Raises:
        NotFound: there is no such route.
    """
    if route is None:
        return "", ""
    sources = plan.read_by(plan.route(route))
    return route, sources[0] if len(sources) == 1 else ""


def held_back(
    plan: Plan, route: str | None, list_name: str | None, limit: int, sources: Collection[str] | None = None
) -> list[dict[str, Json]]:
    """What routes have suppressed, as JSON, the newest notifications first: all of it.

    With `sources`: of these alone, by routes of the plan.

    Raises:
        NotFound: there is no such route.
        Misconfigured: there is no journal.
    """
    if route is not None:
        plan.route(route)
    with app.open_journal(plan) as journal:
        routes = None if sources is None else plan.settings.routes.keys()
        found = journal.guarded(route, list_name, limit, sources, routes)
    return [
        {
            "route": each.route,
            "source": each.source,
            "notification": each.notification_id,
            "raised": timestamp(each.raised),
            "value": each.suppressed.value,
            "as": "derived" if each.suppressed.is_derived else "observable",
            "list": each.suppressed.list,
            "effect": "suppress",
            "entry": each.suppressed.entry,
        }
        for each in found
    ]


def kind(value: str) -> str | None:
    """What a value is: hash, url, address or host; None when it is nothing that is guarded but as a text."""
    found = observables.read(value)
    return None if found is None else found.kind


def as_json(value: str, answers: list[Answer]) -> dict[str, Json]:
    """What `look` found, for machines."""
    return {
        "value": value,
        "kind": kind(value),
        "guarded": any(answer.exception is None for answer in answers),
        "matches": [
            {
                "route": answer.route or None,
                "source": answer.source or None,
                "as": "derived" if answer.is_derived else "observable",
                "list": answer.list,
                "effect": answer.effect,
                "confidence": answer.confidence,
                "entry": answer.entry,
                "file": answer.file,
                "line": answer.line,
                "exception": answer.exception,
            }
            for answer in answers
        ],
    }


def _places(plan: Plan) -> list[tuple[str, str]]:
    """Every route and source whose guards differ from those of others, by name; first what holds for all."""
    read = [
        plan.guards.key(name, source) for name, route in plan.settings.routes.items() for source in plan.read_by(route)
    ]
    return [*dict.fromkeys([("", ""), *read])]


def _answers(guards: Guards, route: str, source: str, value: str) -> Iterator[Answer]:
    exception = guards.exception(value)
    for is_derived in (False, True):
        for of, entry in guards.matches(value, derived=is_derived):
            confidence = of.confidence if of.effect == "label" else None
            line = lists.line_of(of, entry)
            yield Answer(
                route, source, is_derived, of.name, of.effect, confidence, entry, str(of.path or ""), line, exception
            )
