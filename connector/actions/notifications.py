"""Actions on notifications: list, look at, convert, delete."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Literal, Self

import orjson
from pydantic import BaseModel, Field, model_validator

from connector import app, configuration, kinds, notification
from connector.actions.envelope import InvalidParameters, NotDelivered
from connector.actions.filter_terms import matcher
from connector.actions.registry import ActionContext, Parameters, Result, action
from connector.actions.time_parameter import Time
from connector.configuration import NotFound, Plan
from connector.formats.stix.bundle import bundle as bundle_of
from connector.formats.stix.format import Producer
from connector.mapping import CompiledMapping, files
from connector.model import Document, Entry, JsonObject, Misconfigured, Notification, Refused
from connector.operations.push import stream_item
from connector.pipeline.convert import convert
from connector.ports import Journal, SearchableSource
from connector.sources.bodies import storable
from connector.values.timestamps import timestamp

MOST_LOOKED_AT = 10_000
"""How many notifications of the journal one call looks at, at most; the next call goes on from there."""
_BATCH = 500
_INT64_DIGITS = 18
"""A number of so many digits always fits into 64 bits."""

Id = Field(min_length=1, max_length=256, description="The notification's id at VirusTotal.")
Where = Literal["journal", "virustotal"]


class NotificationResult(BaseModel):
    """A notification, in short."""

    id: str = Field(description="The notification's id at VirusTotal.")
    source: str = Field(description="Name of the source that the notification is from.")
    position: int | None = Field(
        None, description="The notification's place in the journal; null when VirusTotal was asked."
    )
    date: str | None = Field(description="When the notification was raised (RFC 3339).")
    origin: str | None = Field(None, description="Where the match comes from: hunting or subscriptions.")
    entity_type: str | None = Field(None, description="What matched: file, url, domain or ip_address.")
    entity_value: str | None = Field(None, description="The observable: SHA-256, URL, domain or IP address.")
    rule: str | None = Field(None, description="Name of the YARA rule that matched.")
    rulesets: list[str] = Field(
        default_factory=list, description="Names of the rulesets, collections and threat profiles that matched."
    )
    tags: list[str] = Field(default_factory=list, description="The notification's tags, from VirusTotal.")
    link: str | None = Field(None, description="Address of the entity's page at VirusTotal.")
    unreadable: str | None = Field(None, description="Why nothing more can be said of the notification.")
    body: dict[str, Any] | None = Field(
        None, description="The notification as VirusTotal sent it, when `bodies` asks for it."
    )

    @classmethod
    def of(cls, item: Notification, source: str, position: int | None, *, with_body: bool) -> Self:
        """From a notification."""
        body = dict(item.body) if with_body else None
        date = None if item.date is None else timestamp(item.date)
        known: dict[str, Any] = {"id": item.id, "source": source, "position": position, "date": date, "body": body}
        try:
            view = notification.view(item)
        except Refused as error:
            return cls(**known, unreadable=str(error))
        said = view["notification"]
        info = said["hunting_info"] if isinstance(said["hunting_info"], dict) else {}
        sources = [each for each in said["sources"] or () if isinstance(each, dict)]
        return cls(
            **known,
            origin=_text(said["origin"]),
            entity_type=said["entity_type"],
            entity_value=view["entity_value"],
            rule=_text(info.get("rule_name")),
            rulesets=[name for each in sources if (name := _text(each.get("label") or each.get("id")))],
            tags=[tag for tag in said["tags"] or () if isinstance(tag, str)],
            link=said["link"],
        )


class ListNotifications(Parameters):
    """Which notifications, where from, how many."""

    where: Where = Field(
        "journal",
        description=(
            "Where to look: `journal` for what has been fetched, `virustotal` to ask VirusTotal now, "
            "which costs a request for every 40 notifications."
        ),
    )
    source: str | None = Field(None, description="Name of the only source to look at. Without it: all sources.")
    filter: str = Field(
        "",
        max_length=2000,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description=(
            "Which notifications, in VirusTotal's terms, such as `origin:hunting entity_type:file`. "
            "Terms are origin, entity_type, entity_id, source_type, source_id, notification_tag."
        ),
    )
    since: Time | None = Field(None, description="Only notifications raised at this time or later.")
    order: Literal["oldest", "newest"] = Field(
        "oldest",
        description="Which notifications come first. In the journal, the order is that in which they were stored.",
    )
    limit: int = Field(100, ge=1, le=1000, description="How many notifications to list, at most.")
    next: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="The `next` of the page before, to go on from there. The other parameters must be the same.",
    )
    bodies: bool = Field(False, description="Whether each notification comes with its body, as VirusTotal sent it.")  # noqa: FBT003


class ListResult(Result):
    """A page of notifications."""

    notifications: list[NotificationResult] = Field(description="The notifications found, in the order asked for.")
    next: str | None = Field(
        description=(
            "Where to go on. In the journal, oldest first, it is always there: kept until later, it "
            "gives what has been stored since, so that a reader that keeps it misses nothing."
        )
    )
    more: bool = Field(description="Whether more notifications can be had now.")

    def message(self) -> str:
        """How many."""
        return f"{len(self.notifications)} notifications" + (", and there are more" if self.more else "")

    def summary(self) -> dict[str, int]:
        """Listed."""
        return {"listed": len(self.notifications)}


@action("read", filter="origin:hunting entity_type:file", since="2026-01-31T08:00:00Z", limit=50)
def list_notifications(context: ActionContext, asked: ListNotifications) -> ListResult:
    """List notifications, from the journal or from VirusTotal, filtered in VirusTotal's terms.

    Nothing is fetched into the journal and nothing is delivered. A reader that passes `next` to its next call gets each
    notification of the journal once and misses none.
    """
    matches = matcher(asked.filter)
    if asked.source is not None:
        context.plan.source(asked.source)
    if asked.where == "virustotal":
        return _listed_upstream(context.plan, asked)
    with app.open_journal(context.plan) as journal:
        return _listed_here(context.plan, journal, asked, matches)


def _listed_here(
    plan: Plan, journal: Journal, asked: ListNotifications, matches: Callable[[JsonObject], bool]
) -> ListResult:
    position = _position(asked.next)
    found: list[Entry] = []
    looked_at, more = 0, True
    for entry in _entries(journal, plan, asked, position):
        if len(found) == asked.limit or looked_at == MOST_LOOKED_AT:
            break
        position, looked_at = entry.seq, looked_at + 1
        if _fits(entry.notification, asked.since, matches, is_filtered=bool(asked.filter.strip())):
            found.append(entry)
    else:
        more = False
    kept = more or asked.order == "oldest"
    return ListResult(
        notifications=[
            NotificationResult.of(entry.notification, entry.source, entry.seq, with_body=asked.bodies)
            for entry in found
        ],
        next=str(position or 0) if kept else None,
        more=more,
    )


def _entries(journal: Journal, plan: Plan, asked: ListNotifications, position: int | None) -> Iterator[Entry]:
    """Entries in the order asked for, from the position on, batch by batch."""
    sources = [asked.source] if asked.source else list(plan.settings.sources)
    positions = journal.positions_since(None, sources, asked.since)
    first = min(positions.values())
    while True:
        if asked.order == "oldest":
            batch = journal.history(positions, _BATCH, position or 0)
        else:
            batch = [entry for entry in journal.latest(sources, _BATCH, position) if entry.seq > first]
        if not batch:
            return
        yield from batch
        position = batch[-1].seq


def _fits(item: Notification, since: int | None, matches: Callable[[JsonObject], bool], *, is_filtered: bool) -> bool:
    if since is not None and item.date is not None and item.date < since:
        return False
    if not is_filtered:
        return True
    try:
        return matches(notification.view(item)["notification"])
    except Refused:
        return False


def _listed_upstream(plan: Plan, asked: ListNotifications) -> ListResult:
    name = asked.source or _the_one_source(plan)
    found: list[Notification] = []
    cursor = asked.next
    with _opened(plan, name) as source:
        while True:
            try:
                items, cursor = source.search(
                    asked.filter,
                    asked.since,
                    newest_first=asked.order == "newest",
                    limit=asked.limit - len(found),
                    cursor=cursor,
                )
            except Refused as error:
                raise InvalidParameters(str(error)) from None
            found += items
            if cursor is None or not items or len(found) >= asked.limit:
                break
    return ListResult(
        notifications=[NotificationResult.of(item, name, None, with_body=asked.bodies) for item in found],
        next=cursor,
        more=cursor is not None,
    )


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


@action("read", id="23423199401")
def get_notification(context: ActionContext, asked: GetNotification) -> GetResult:
    """Get one notification with its entity, from the journal or from VirusTotal.

    From VirusTotal it costs two or three requests.
    """
    where, source, position, found = _found(context.plan, asked.id, asked.where)
    brief = NotificationResult.of(found, source, position, with_body=False)
    try:
        view: Document = notification.view(found)
    except Refused:
        view = {"notification": {}, "entity": {}, "entity_value": None}
    return GetResult(where=where, brief=brief, body=dict(found.body), **view)


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

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.id is None) == (self.notification is None):
            raise ValueError("give either id or notification")
        return self


class ConvertResult(Result):
    """What a route with this mapping would send for the notification alone."""

    mapping: str = Field(description="The mapping that was used.")
    format: str = Field(description="Format of the documents: stix, cef, leef or json.")
    documents: list[dict[str, Any] | str] = Field(
        description="STIX objects, or events as text. Empty when the mapping does not want the notification."
    )
    bundle: dict[str, Any] | None = Field(description="The STIX objects as one bundle; null for other formats.")

    def message(self) -> str:
        """How many documents."""
        if not self.documents:
            return f"the mapping {self.mapping} does not want the notification"
        return f"converted by {self.mapping} to {len(self.documents)} " + (
            "STIX objects" if self.format == "stix" else "events"
        )

    def summary(self) -> dict[str, int]:
        """Documents."""
        return {"documents": len(self.documents)}


@action("read", id="23423199401", mapping="stix21")
def convert_notification(context: ActionContext, asked: ConvertNotification) -> ConvertResult:
    """Convert a notification, found by its id or given whole, with a mapping; nothing is sent or stored.

    The result is what a route with this mapping would send for this notification alone: STIX 2.1 objects, CEF events or
    JSON.
    """
    compiled = _mapping(context.plan, asked.mapping, asked.profile)
    if asked.id is not None:
        _, _, _, item = _found(context.plan, asked.id, "anywhere")
    else:
        item = notification.read(storable(asked.notification))
    (conversion,) = convert([item], compiled)
    if conversion.refusal:
        raise conversion.refusal
    texts = [message.body.decode() for message in conversion.messages]
    is_stix = compiled.format_name == "stix"
    documents = [orjson.loads(text) for text in texts] if is_stix else texts
    bundle = orjson.loads(bundle_of(conversion.messages)) if is_stix and texts else None
    return ConvertResult(mapping=asked.mapping, format=compiled.format_name, documents=documents, bundle=bundle)


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


@action("admin", id="23423199401")
def delete_notification(context: ActionContext, asked: DeleteNotification) -> DeleteResult:
    """Delete one notification at VirusTotal, for good, once every route has delivered it.

    A route has delivered it when its position is past it and there is no dead letter of it; a notification that the
    route filters out counts as delivered. The journal keeps its copy. VirusTotal itself deletes notifications after 7
    days.
    """
    plan = context.plan
    entries = _in_journal(plan, asked.id)
    sources = list(dict.fromkeys(entry.source for entry in entries)) or list(plan.settings.sources)
    upstreams = {plan.settings.sources[name].upstream() for name in sources} - {None}
    if not upstreams:
        raise NotFound(f"no source of the notification can delete it: {', '.join(sources)}")
    same_upstream = [name for name, each in plan.settings.sources.items() if each.upstream() in upstreams]
    undelivered = _undelivered(plan, entries, same_upstream) if entries else ["the journal does not have it"]
    if undelivered and not asked.override:
        raise NotDelivered(f"notification {asked.id} is not delivered everywhere: {'; '.join(undelivered)}")
    refusal: Refused | None = None
    for name in (name for name in sources if plan.settings.sources[name].upstream() is not None):
        with _opened(plan, name) as source:
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


def _found(plan: Plan, notification_id: str, where: str) -> tuple[Where, str, int | None, Notification]:
    """Where a notification was found, its source, its position in the journal, and the notification."""
    if where != "virustotal" and (entries := _in_journal(plan, notification_id)):
        return "journal", entries[0].source, entries[0].seq, entries[0].notification
    if where == "journal":
        raise NotFound(f"the journal has no notification {notification_id!r}")
    refusal: Refused | None = None
    for name in _searchable_sources(plan):
        with _opened(plan, name) as source:
            try:
                return "virustotal", name, None, stream_item(source, notification_id)
            except Refused as error:
                refusal = error
    why = (
        str(refusal) if refusal else f"the journal has no notification {notification_id!r}, and no source can be asked"
    )
    raise NotFound(why)


def _in_journal(plan: Plan, notification_id: str) -> Sequence[Entry]:
    if not plan.settings.journal.path.exists():
        return []
    with app.open_journal(plan) as journal:
        return journal.find(list(plan.settings.sources), notification_id)


def _mapping(plan: Plan, using: str, profile: str | None) -> CompiledMapping:
    """A bundled mapping, or that of a route; callers over a network cannot name other files."""
    if using in files.bundled_mappings():
        try:
            return _bundled(using, profile, plan.settings.producer)
        except Misconfigured as error:
            raise NotFound(str(error)) from None
    for name, route in plan.settings.routes.items():
        if route.mapping.use == using and profile in (None, route.mapping.profile):
            return plan.mappings[name]
    known = [*files.bundled_mappings(), *(route.mapping.use for route in plan.settings.routes.values())]
    which = f"{using!r}" if profile is None else f"{using!r} with the profile {profile!r}"
    raise NotFound(f"there is no mapping {which} here; there is {', '.join(dict.fromkeys(known))}")


@functools.lru_cache(maxsize=32)
def _bundled(using: str, profile: str | None, producer: Producer) -> CompiledMapping:
    return configuration.load_mapping(using, producer, profile)


def _searchable_sources(plan: Plan) -> list[str]:
    return [name for name, each in plan.settings.sources.items() if each.upstream() is not None]


def _the_one_source(plan: Plan) -> str:
    names = _searchable_sources(plan)
    if len(names) != 1:
        raise InvalidParameters(
            f"source: say which, of {', '.join(names)}" if names else "where: no source can be asked"
        )
    return names[0]


@contextmanager
def _opened(plan: Plan, name: str) -> Iterator[SearchableSource]:
    settings = plan.settings.sources[name]
    if settings.upstream() is None:
        raise InvalidParameters(f"source: {name} is of type {settings.type}, which cannot be asked")
    with closing(kinds.make_searchable_source(settings)) as source:
        yield source


def _position(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _INT64_DIGITS):
        raise InvalidParameters("next: it is not from a page of the journal")
    return int(text)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
