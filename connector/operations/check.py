"""Looking whether a configuration would work: mappings tried on their examples, sources and sinks probed."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

from connector import kinds, notification
from connector.app import status_report
from connector.configuration import Plan
from connector.formats.stix import strict
from connector.guards import lists
from connector.guards.breadth import too_wide
from connector.mapping import CompiledMapping, examples
from connector.mapping.examples import Examples
from connector.model import ConnectorError, JsonObject, Misconfigured, Notification, Refused, Unavailable
from connector.pipeline.convert import Conversion, convert
from connector.ports import Journal, Sink, Source
from connector.values.display import printable, shortened

_SHOWN = 80
_OF_ONE_ID = "opencti"
"""The profile whose ids are the same whoever signs."""
_MOST_TOO_WIDE = 10
"""Of one list: each is looked for in its file."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `check` looked at.

    Attributes:
        part: the name of the source, route or mapping, or `journal`.
    """

    part: str
    level: Literal["ok", "warning", "error"]
    message: str


def check(plan: Plan, on_start: Callable[[str], None] = lambda _: None) -> Iterator[Finding]:
    """Probe everything a plan names, on connections of its own, moving nothing.

    Args:
        plan: what is looked at.
        on_start: called before whatever may take long, with what that is, for people.
    """
    tried = set()
    for name, route in plan.settings.routes.items():
        called = str(route.mapping)
        on_start(f"{name}: trying the mapping {called} on its examples")
        try:
            available = examples.of(route.mapping.use)
        except Misconfigured as error:
            yield Finding(called, "error", str(error))
            continue
        if called not in tried:
            yield from try_mapping(called, plan.mappings[name], available)
            tried.add(called)
        level: Literal["warning", "error"] = "error" if route.examples_must_pass else "warning"
        sources = [plan.said_of(source) for source in plan.read_by(route)]
        yield from try_route(name, plan.mappings[name], plan.conditions.get(name), available, level, sources=sources)
    yield from _contradictions(plan)
    yield from _shared_by_producers(plan)
    on_start("reading the known-good lists")
    yield from _guards(plan)
    yield from _tokens(plan)
    on_start(f"looking at the journal {plan.settings.journal.place()}")
    is_current = False
    try:
        yield Finding("journal", "ok", kinds.check_journal(plan.settings.journal))
        is_current = kinds.is_journal_of_this_version(plan.settings.journal)
    except (Misconfigured, Unavailable) as error:
        yield Finding("journal", "error", str(error))
    for name, settings in plan.settings.sources.items():
        on_start(f"{name}: waiting for {settings.waits_for()}")
        yield _probe(name, partial(kinds.make_source, settings))
    with closing(kinds.make_journal(plan.settings.journal)) as journal:  # which opens nothing unless it is used
        if is_current:
            yield from _changes(plan, journal)
        for name, route in plan.settings.routes.items():
            on_start(f"{name}: waiting for {route.sink.waits_for()}")
            yield _probe(name, partial(kinds.make_sink, route.sink, journal.collections))


def _tokens(plan: Plan) -> Iterator[Finding]:
    """Which tokens of the server have expired, or soon will."""
    try:
        for token in plan.token_file().listed():
            if token.message is not None:
                yield Finding("tokens", "warning", token.message)
    except Misconfigured as error:
        yield Finding("tokens", "error", str(error))


def _guards(plan: Plan) -> Iterator[Finding]:
    """Whether the known-good lists can be read, and which of their entries guard nearly everything."""
    try:
        found = plan.guards.read()
    except Misconfigured as error:
        yield Finding("guards", "error", str(error))
        return
    if found:
        yield Finding("guards", "ok", f"{len(found)} known-good lists with {sum(map(len, found))} entries")
    told: set[Path | None] = set()
    for each in found:
        if each.path in told:
            continue
        told.add(each.path)
        if not each.kinds:
            yield Finding(
                "guards",
                "warning",
                f"{each.path}: guards nothing: its matching_attributes name no hosts, addresses, URLs or hashes",
            )
        wide = list(islice(too_wide(each), _MOST_TOO_WIDE + 1))
        for entry, guards in wide[:_MOST_TOO_WIDE]:
            line = lists.line_of(each, entry)
            place = each.path if line is None else f"{each.path}:{line}"
            said = "nothing is said of what it guards" if each.effect == "suppress" else "all that has a label"
            yield Finding(
                "guards", "warning", f"{place}: {shortened(printable(entry), _SHOWN)} {guards}: {said}. Is it meant?"
            )
        if len(wide) > _MOST_TOO_WIDE:
            yield Finding("guards", "warning", f"{each.path}: there are more entries like these")


def _contradictions(plan: Plan) -> Iterator[Finding]:
    """Which routes say the same STIX objects to the same receiver in other words."""
    told: set[str] = set()
    for name, route in plan.settings.routes.items():
        told.add(name)
        if plan.mappings[name].format_name != "stix":
            continue
        for other in plan.beside(name):
            if other in told and plan.settings.routes[other].mapping != route.mapping:
                yield Finding(
                    name,
                    "warning",
                    f"sends STIX to the receiver of the route {other}, signed by the same producer, with another"
                    " mapping: each match gives the objects its own words. Have both use one mapping, or"
                    " send to two collections",
                )


def _shared_by_producers(plan: Plan) -> Iterator[Finding]:
    """Which routes give Indicators of several producers one id: the marking and revocation by one hold for all."""
    for name, route in plan.settings.routes.items():
        if route.mapping.profile != _OF_ONE_ID:
            continue
        own = {source: plan.settings.sources[source].producer for source in plan.read_by(route)}
        producers = {source: plan.settings.producer.changed_by(producer) for source, producer in own.items()}
        if len({producer.name for producer in producers.values()}) <= 1:
            continue
        who = ", ".join(f"{source} (TLP {producer.tlp or 'none'})" for source, producer in producers.items())
        yield Finding(
            name,
            "warning",
            f"makes one Indicator of what several producers see, as OpenCTI does: {who}. It has the marking of the one"
            " who saw it last, and what one takes back is revoked for all. Give each producer a route and a receiver of"
            " its own, or use the mapping stix21 without this profile",
        )


def _changes(plan: Plan, journal: Journal) -> Iterator[Finding]:
    """What will become of routes and sources that the journal knows and that are configured otherwise."""
    reads, receivers = plan.reads(), plan.receivers()
    try:
        known, served = journal.status(reads), journal.served(reads)
        former = status_report(plan, journal).former
    except ConnectorError as error:
        yield Finding("journal", "error", str(error))
        return
    before = {route.name: route.receiver for route in served}
    for route in known.routes:
        receiver, backlog = receivers[route.name], f"{route.backlog} of the journal's notifications"
        if route.name not in before:
            if served:
                yield Finding(route.name, "warning", f"is a new route to the journal, and will deliver {backlog}")
        elif before[route.name] not in ("", receiver):
            yield Finding(
                route.name,
                "warning",
                f"has sent to another receiver so far: {before[route.name]}. It will send to {receiver}, from its"
                f" position on: {backlog}, and all that their objects refer to. The earlier ones too:"
                f" `iocstream replay {route.name} --from-start`. If it is the same one under another address, give the"
                f" route `receiver: {before[route.name]}`: what stands there is taken back as before",
            )
    for part in former:
        held = f"the journal holds back {part.unread} notifications for it"
        if part.kind == "source":
            said = "the source is not configured; the journal keeps what it fetched, and from where to go on"
        elif part.name not in receivers:
            said = (
                f"the route is not configured; {held}, and keeps {part.dead_letters} dead letters. Renamed, it is new"
            )
        elif part.sources:
            said = f"reads {', '.join(part.sources)} no more, and {held}"
        else:
            continue  # a former receiver, of which nothing is held back
        yield Finding(part.name, "warning", f"{said}. To give that up: `{part.forget}`")


def try_mapping(part: str, mapping: CompiledMapping, available: Examples) -> Iterator[Finding]:
    """Convert the examples to the bytes that would be sent.

    Says how many can be converted, which STIX objects the library `stix2` does not take, and which expressions found
    nothing in any example.
    """
    traced = mapping.traced()
    conversions = list(convert(available.notifications, traced))
    reasons = [str(conversion.refusal) for conversion in conversions if conversion.refusal]
    total, wanted = len(conversions), sum(conversion.wanted for conversion in conversions)
    empty = sum(_documents(mapping, view) == 0 for view in _views(available.notifications))
    converted = wanted - len(reasons) - empty
    if converted:
        yield Finding(part, "ok", f"the mapping is valid and converts {converted} of the {total} {available.called}")
    elif empty:
        yield Finding(
            part, "warning", f"the mapping is valid, but makes nothing of any of the {total} {available.called}"
        )
    elif reasons:
        yield Finding(part, "error", f"converts none of the {total} {available.called}: {_most_common(reasons)}")
    else:
        yield Finding(part, "warning", f"the mapping is valid, but for none of the {total} {available.called}")
    if mapping.format_name == "stix":
        yield from _read_by_stix2(part, conversions)
    for location in traced.without_value():
        yield Finding(part, "warning", f"{location}: found nothing in any example; is it misspelt?")


def _read_by_stix2(part: str, conversions: Iterable[Conversion]) -> Iterator[Finding]:
    """What the strict parser of `stix2` does not take: each of its objections once, with the first such object."""
    seen: set[bytes] = set()
    objections: set[str] = set()
    for conversion in conversions:
        for message in conversion.messages:
            if message.body in seen:
                continue
            seen.add(message.body)
            try:
                strict.parsed(message.body)
            except ValueError as error:
                objection = str(error)
                if objection not in objections:
                    objections.add(objection)
                    made = f"of the example {conversion.entry.notification.id} it makes {message.id}"
                    yield Finding(part, "error", f"{made}, which stix2 does not take: {objection}")


def try_route(
    part: str,
    mapping: CompiledMapping,
    holds: Callable[[JsonObject], bool] | None,
    available: Examples,
    level: Literal["warning", "error"] = "error",
    *,
    sources: Sequence[JsonObject | None] = (None,),
) -> Iterator[Finding]:
    """Try the examples on the route `part`: whether its condition fits them, and anything would reach the sink.

    Args:
        part: the name of the route.
        mapping: that of the route.
        holds: its condition; None: it has none.
        available: the examples.
        level: what it is when nothing comes through.
        sources: what is said of its sources; each example is one of the first source whose notifications it wants.
    """
    reasons: list[str] = []
    views = list(_views(available.notifications))
    chosen: list[JsonObject] = []
    for view in views:
        from_each = [{**view, "source": source or view["source"]} for source in sources]
        try:
            chosen += [each for each in from_each if holds is None or holds(each)][:1]
        except Refused as refusal:
            reasons.append(str(refusal))
    if reasons:
        failed = f"{_most_common(reasons)} (in {len(reasons)} of {len(views)} examples; the route would refuse such)"
        yield Finding(part, "error" if len(reasons) == len(views) else "warning", failed)
    if len(reasons) == len(views) or any(_documents(mapping, view) for view in chosen):
        return
    nothing = f"nothing of the {len(views)} {available.called} comes through"
    if not chosen:
        nothing += f": its condition `when` is true for none of {len(views)} examples; is a name or value misspelt?"
    else:
        nothing += f": its mapping makes nothing of the {len(chosen)} that the route would deliver; is a path misspelt?"
    yield Finding(part, level, f"{nothing} (`examples_must_pass: false` allows it)" if level == "error" else nothing)


def _documents(mapping: CompiledMapping, view: JsonObject) -> int | None:
    """How many documents a mapping makes of a notification; None when it refuses it, or is not for it."""
    try:
        documents = mapping.render(view)
    except Refused:
        return None
    return None if documents is None else len(documents)


def _views(notifications: Iterable[Notification]) -> Iterator[JsonObject]:
    for each in notifications:
        with suppress(Refused):  # some examples show what is refused, whatever the route
            yield notification.view(each)


def _most_common(reasons: Sequence[str]) -> str:
    ((reason, _),) = Counter(reasons).most_common(1)
    return reason


def _probe(name: str, make: Callable[[], Source | Sink]) -> Finding:
    try:
        with closing(make()) as part:
            return Finding(name, "ok", part.check())
    except ConnectorError as error:
        return Finding(name, "error", str(error))
