"""Actions on one notification: look at it, convert it, delete it."""

import functools
from collections.abc import Sequence
from typing import Any, Literal, Self

import orjson
from pydantic import Field, model_validator

from connector import app, configuration, kinds, notification
from connector.actions.envelope import NotDelivered
from connector.actions.notification_brief import Found, NotificationResult, Where
from connector.actions.registry import ActionContext, Parameters, Result, action
from connector.actions.upstream import asking, found_upstream, must_have_a_key_of_its_own, searchable_sources
from connector.configuration import NotFound, Plan
from connector.formats.stix.bundle import bundle as bundle_of
from connector.mapping import CompiledMapping, files
from connector.model import Document, Entry, Misconfigured, Refused
from connector.operations.push import stream_item
from connector.operations.withholding import withholding
from connector.pipeline.convert import convert
from connector.ports import Journal
from connector.settings.producer import Producer
from connector.sources.bodies import storable
from connector.values.suggestions import instead

Id = Field(min_length=1, max_length=256, description="The notification's id at VirusTotal.")
_COST = "none in the journal; at VirusTotal, which needs the scope `act`, two or three requests"


class GetNotification(Parameters):
    """Which notification."""

    id: str = Id
    where: Literal["anywhere", "journal", "virustotal"] = Field(
        "anywhere",
        description=("Where to look. `anywhere`: in the journal, and at VirusTotal when the journal does not have it."),
    )


class GetResult(Result):
    """A notification with its entity, as mappings see them, and as VirusTotal sent them."""

    where: Where = Field(description="Where the notification was found.")
    brief: NotificationResult = Field(description="The notification in short, as list_notifications gives it.")
    notification: dict[str, Any] = Field(description="What VirusTotal says of the match.")
    entity: dict[str, Any] = Field(description="The attributes of the file, URL, domain or IP address.")
    entity_value: str | None = Field(description="The observable itself: SHA-256, URL, domain or IP address.")
    body: dict[str, Any] = Field(description="The notification as VirusTotal sent it. convert_notification takes it.")

    def message(self) -> str:
        """What matched what."""
        brief = self.brief
        by = f" by {brief.rule or ', '.join(brief.rulesets)}" if brief.rule or brief.rulesets else ""
        return f"{brief.entity_type or 'a notification'} {brief.entity_value or brief.id}, matched{by} at {brief.date}"


@action("read", _COST, id="23423199401")
def get_notification(context: ActionContext, asked: GetNotification) -> GetResult:
    """Get one notification with its entity, from the journal or from VirusTotal."""
    found = _found(context, asked.id, asked.where)
    nothing: Document = {"notification": {}, "entity": {}, "entity_value": None}
    view = nothing if isinstance(found.view, Refused) else found.view
    brief = NotificationResult.brief(found, with_body=False)
    return GetResult(where=found.where, brief=brief, body=dict(found.notification.body), **view)


class ConvertNotification(Parameters):
    """What to convert, and how."""

    id: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        description=(
            "Id of the notification to find, in the journal or at VirusTotal. Give either this or `notification`."
        ),
    )
    notification: dict[str, Any] | None = Field(
        None, description="The notification itself, in either shape. Give either this or `id`."
    )
    mapping: str = Field(
        "stix21",
        max_length=4096,
        description="A bundled mapping by name, or the mapping of a route as the configuration writes it.",
    )

    profile: str | None = Field(
        None, min_length=1, max_length=256, description="Name of one of the mapping's profiles."
    )
    source: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        description=(
            "Name of the source that `notification` is from, whose producer, labels and known-good lists then count. "
            "Without it: none."
        ),
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.id is None) == (self.notification is None):
            raise ValueError("give either id or notification")
        if self.source is not None and self.notification is None:
            raise ValueError("source: it goes with notification alone")
        return self


class ConvertResult(Result):
    """What a route with this mapping would send for the notification alone."""

    mapping: str = Field(description="The mapping that was used.")
    format: str = Field(description="Format of the documents: stix, cef, leef or json.")
    documents: list[dict[str, Any] | str] = Field(
        description="STIX objects, or events as text. Empty when the mapping does not want the notification."
    )
    bundle: dict[str, Any] | None = Field(description="The STIX objects as one bundle; null for other formats.")
    withheld: str | None = Field(
        None,
        description="Why it is not sent: an analyst judged it wrong, or a known-good list has it; null: it is sent.",
    )

    def message(self) -> str:
        """How many documents."""
        if self.withheld:
            return f"it is not sent: {self.withheld}"
        if not self.documents:
            return f"the mapping {self.mapping} does not want the notification"
        return f"converted by {self.mapping} to {len(self.documents)} " + (
            "STIX objects" if self.format == "stix" else "events"
        )

    def summary(self) -> dict[str, int]:
        """Documents."""
        return {"documents": len(self.documents)}


@action("read", _COST, id="23423199401", mapping="stix21")
def convert_notification(context: ActionContext, asked: ConvertNotification) -> ConvertResult:
    """Convert a notification, found by its id or given whole, with a mapping; nothing is sent or stored.

    The result is what a route with this mapping would send for this notification alone: STIX 2.1 objects, CEF events or
    JSON. Nothing is sent if an analyst judged it wrong, or a known-good list suppresses it; `withheld` says so.
    """
    plan = context.plan
    source = asked.source
    if asked.id is not None:
        found = _found(context, asked.id, "anywhere")
        item, source = found.notification, found.source
    else:
        item = notification.read(storable(asked.notification))
        if source is not None:
            plan.source(source)
    compiled = _mapping(plan, asked.mapping, asked.profile, source)
    said = notification.EXAMPLE_SOURCE if source is None else plan.said_of(source)
    with withholding(plan, _first_route(plan, asked.mapping, asked.profile, source), source or "") as withheld_here:
        (conversion,) = convert([item], compiled, said, *withheld_here)
    if conversion.refusal:
        raise conversion.refusal
    texts = [message.body.decode() for message in conversion.messages]
    is_stix = compiled.format_name == "stix"
    documents = [orjson.loads(text) for text in texts] if is_stix else texts
    bundle = orjson.loads(bundle_of(conversion.messages)) if is_stix and texts else None
    withheld = conversion.withheld.reason if conversion.withheld else None
    return ConvertResult(
        mapping=asked.mapping, format=compiled.format_name, documents=documents, bundle=bundle, withheld=withheld
    )


class DeleteNotification(Parameters):
    """What to delete."""

    id: str = Id
    override: bool = Field(
        default=False,
        description=(
            "Whether to delete it although a route has not delivered it, or has a dead letter of it, or "
            "the journal does not have it."
        ),
    )


class DeleteResult(Result):
    """What was deleted."""

    id: str = Field(description="Id of the notification that was deleted.")
    source: str = Field(description="Name of the source with whose API key it was deleted.")
    undelivered: list[str] = Field(
        description="What `override` ignored: the reasons why it would not have been deleted."
    )

    def message(self) -> str:
        """What was deleted."""
        return f"notification {self.id} was deleted at VirusTotal; what the journal has of it stays"


@action("admin", "one request for each source that is tried", id="23423199401")
def delete_notification(context: ActionContext, asked: DeleteNotification) -> DeleteResult:
    """Delete one notification at VirusTotal, for good, once every route has delivered it.

    A route has delivered it when its position is past it and there is no dead letter of it; a notification that the
    route filters out counts as delivered. The journal keeps its copy. VirusTotal itself deletes notifications after 7
    days.
    """
    plan = context.plan
    entries = _in_journal(plan, asked.id)
    every = context.whole
    sources = list(dict.fromkeys(entry.source for entry in entries)) or list(plan.settings.sources)
    upstreams = {plan.settings.sources[name].upstream() for name in sources} - {None}
    if not upstreams:
        raise NotFound(f"no source of the notification can delete it: {', '.join(sources)}")
    for name in sources:
        must_have_a_key_of_its_own(context, name)  # before routes are named that the caller may not see
    same_upstream = [name for name, each in every.settings.sources.items() if each.upstream() in upstreams]
    undelivered = _undelivered(every, entries, same_upstream) if entries else ["the journal does not have it"]
    if undelivered and not asked.override:
        raise NotDelivered(f"notification {asked.id} is not delivered everywhere: {'; '.join(undelivered)}")
    refusal: Refused | None = None
    for name in (name for name in sources if plan.settings.sources[name].upstream() is not None):
        with asking(context, name) as source:
            try:
                source.delete(asked.id)
            except Refused as error:
                refusal = error
                continue
            return DeleteResult(id=asked.id, source=name, undelivered=undelivered)
    raise NotFound(str(refusal))


def _undelivered(plan: Plan, entries: Sequence[Entry], sources: Sequence[str]) -> list[str]:
    """Why the notification is not delivered everywhere: a reason for each route that reads one of these sources."""
    found = []
    with app.open_journal(plan) as journal:
        for route, reads in plan.reads().items():
            if not set(reads) & set(sources):
                continue
            of_route = [entry for entry in entries if entry.source in reads]
            if not of_route:
                found.append(f"the source of the route {route} has not fetched it")
            for entry in of_route:
                first = journal.pending(route, [entry.source], 1)
                if first and first[0].seq <= entry.seq:
                    found.append(f"the route {route} has not come to it")
                elif _is_refused(journal, route, entry.seq):
                    found.append(f"the route {route} has a dead letter of it")
    return found


def _is_refused(journal: Journal, route: str, seq: int) -> bool:
    for stored in journal.dead_letters(route):
        if stored.letter.seq >= seq:
            return stored.letter.seq == seq
    return False


def _found(context: ActionContext, notification_id: str, where: str) -> Found:
    """The notification, from where it may be looked for."""
    if where != "virustotal" and (entries := _in_journal(context.plan, notification_id)):
        return Found.of(entries[0], context.plan)
    absent = f"the journal has no notification {notification_id!r}"
    if where == "journal":
        raise NotFound(absent)
    if where == "anywhere" and not context.spending.is_allowed:
        raise NotFound(f"{absent}, and VirusTotal is asked only for a token of the scope act, because that costs quota")
    refusal: Refused | None = None
    for name in searchable_sources(context.plan):
        with asking(context, name) as source:
            try:
                (found,) = found_upstream(context.plan, name, [stream_item(source, notification_id)])
            except Refused as error:
                refusal = error
                continue
            return found
    raise NotFound(str(refusal) if refusal else f"{absent}, and no source can be asked")


def _in_journal(plan: Plan, notification_id: str) -> Sequence[Entry]:
    if not kinds.journal_exists(plan.settings.journal):
        return []
    with app.open_journal(plan) as journal:
        return journal.find(list(plan.settings.sources), notification_id)


def _mapping(plan: Plan, using: str, profile: str | None, source: str | None) -> CompiledMapping:
    """A bundled mapping, or that of a route, signed for a source; callers over a network cannot name other files."""
    if using in files.bundled_mappings():
        settings = plan.settings.sources.get(source) if source is not None else None
        producer = plan.settings.producer.changed_by(settings.producer if settings else None)
        try:
            return _bundled(using, profile, producer)
        except Misconfigured as error:
            raise NotFound(str(error)) from None
    for name, route in plan.settings.routes.items():
        if route.mapping.use == using and profile in (None, route.mapping.profile):
            return plan.mappings[name] if source is None else plan.mapping(name, source)
    known = dict.fromkeys([*files.bundled_mappings(), *(route.mapping.use for route in plan.settings.routes.values())])
    which = f"{using!r}" if profile is None else f"{using!r} with the profile {profile!r}"
    raise NotFound(f"there is no mapping {which} here{instead(using, known)}")


def _first_route(plan: Plan, using: str, profile: str | None, source: str | None) -> str:
    """The first route with this mapping that reads a source, or any; empty: there is none."""
    routes = (
        name
        for name, route in plan.settings.routes.items()
        if route.mapping.use == using
        and profile in (None, route.mapping.profile)
        and (source is None or source in plan.read_by(route))
    )
    return next(routes, "")


@functools.lru_cache(maxsize=32)
def _bundled(using: str, profile: str | None, producer: Producer) -> CompiledMapping:
    return configuration.load_mapping(using, producer, profile)
