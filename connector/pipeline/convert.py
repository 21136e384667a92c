"""From entries of the journal to messages: rendered by the mapping, given their versions, encoded by the format."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from connector import notification
from connector.mapping import Guarding
from connector.model import (
    NOT_CLAIMED,
    UNREADABLE,
    Document,
    Entry,
    Identity,
    JsonObject,
    Message,
    Notification,
    Refused,
)
from connector.pipeline.route import Route, RouteMapping, Withdrawing
from connector.pipeline.versions import Ledger
from connector.ports import Format, Guards, ObjectFormat

CHANGED = "the disk has changed what the journal stored of it (its checksum is another)"
DAMAGED = f"{CHANGED}: nothing of it is sent"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of one notification: its messages, or why it has none.

    Attributes:
        made_nothing: whether the mapping wanted it, and made no document of it.
        refused_document: what the mapping made and the format did not take, as JSON.
    """

    entry: Entry
    messages: Sequence[Message]
    refusal: Refused | None = None
    wanted: bool = True
    made_nothing: bool = False
    refused_document: bytes | None = None


def convert(notifications: Iterable[Notification], mapping: RouteMapping) -> Iterator[Conversion]:
    """Convert without a journal: the same documents and bytes as a route that starts with these notifications."""
    entries = (Entry(seq, "", item) for seq, item in enumerate(notifications, start=1))
    yield from encode((_rendered(entry, mapping) for entry in entries), Ledger({}))


def convert_withdrawal(item: Notification, mapping: Withdrawing) -> Conversion:
    """What takes back what `convert` makes of a notification, were it delivered and then turned away."""
    ledger, entry, again = Ledger({}), Entry(1, "", item), Entry(2, "", item)
    try:
        rendering = mapping.rendering(notification.view(item), whatever=True)
        withdrawal = mapping.withdrawal(rendering, NOT_CLAIMED, alone=True) if rendering is not None else ()
    except Refused as refusal:
        return Conversion(again, (), refusal)
    documents, output = rendering.documents if rendering else (), mapping.format
    deque(encode([Rendered(entry, documents, output=output)], ledger), maxlen=0)
    [conversion] = encode([Rendered(again, withdrawal, output=output)], ledger)
    return conversion


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the mapping made of one entry: documents without versions yet, or why there are none.

    Attributes:
        output: the format of the documents, which signs for the entry's source; None when nothing was to be made.
    """

    entry: Entry
    documents: Sequence[Document] = ()
    refusal: Refused | None = None
    wanted: bool = True
    output: Format | None = None


def render(entry: Entry, route: Route) -> Rendered:
    """What a route's mapping makes of an entry, unless the route turns it away."""
    tenant = route.tenant(entry.source)
    return _rendered(entry, tenant.mapping, tenant.source, route.wants, tenant.guards)


def _rendered(
    entry: Entry,
    mapping: RouteMapping,
    source: JsonObject | None = None,
    wants: Callable[[JsonObject], bool] | None = None,
    guards: Guards | None = None,
) -> Rendered:
    """What a mapping makes of an entry, unless `wants` or a known-good list turns it away.

    What could not be read is the source's matter.
    """
    if entry.notification.id.startswith(UNREADABLE):
        return Rendered(entry, wanted=False)
    if entry.damaged:
        return Rendered(entry, refusal=Refused(DAMAGED, by="notification"))
    try:
        view = notification.view(entry.notification, entry.context, source, entry.judgement, entry.entity)
        with Guarding(guards.derived if guards is not None else None):
            if guards is not None and (guard := guards.of_notification(view)) is not None:
                if guard.is_suppressed:
                    return Rendered(entry, wanted=False)
                view["guard"] = guard.for_mappings()
            documents = mapping.render(view) if wants is None or wants(view) else None
    except Refused as refusal:
        return Rendered(entry, refusal=refusal)
    if documents is None:
        return Rendered(entry, wanted=False)
    return Rendered(entry, documents, output=mapping.format)


def damaged(rendered: Iterable[Rendered]) -> Sequence[int]:
    """The entries that are refused because they are damaged."""
    refused = (each for each in rendered if each.refusal is not None and each.refusal.by == "notification")
    return [each.entry.seq for each in refused if each.entry.damaged]


def object_ids(rendered: Iterable[Rendered]) -> Sequence[str]:
    """The ids of all objects in rendered documents, and in those that they rest on; none for events."""
    ids: set[str] = set()
    told: set[ObjectFormat] = set()
    for item in rendered:
        if item.output is None or not isinstance(item.output, ObjectFormat):
            continue
        objects: ObjectFormat = item.output
        if objects not in told:
            told.add(objects)
            ids.update(objects.identify(document).id for document in objects.shared_documents())
        ids.update(objects.identify(document).id for document in item.documents)
    return sorted(ids)


def encode(rendered: Iterable[Rendered], ledger: Ledger) -> Iterator[Conversion]:
    """Give documents their versions and make messages of those that the receiver needs: all of an entry's, or none."""
    told: set[ObjectFormat] = set()  # those whose shared documents went out with an entry of this batch
    for item in rendered:
        output = item.output
        if output is None:
            refused = item.refusal.document if item.refusal else None
            as_json = None if refused is None else _as_json(refused)
            yield Conversion(item.entry, (), item.refusal, item.wanted, refused_document=as_json)
            continue
        objects = output if isinstance(output, ObjectFormat) else None
        shared_documents = objects.shared_documents() if objects is not None and objects not in told else ()
        mark = ledger.mark()
        messages: list[Message] = []
        document: Document = {}
        try:
            for document in [*shared_documents, *item.documents]:
                identity = objects.identify(document) if objects else None
                message = _message(document, identity, item.entry, output, ledger)
                if message is not None:
                    messages.append(message)
        except Refused as refusal:
            # All or nothing: a document must not refer to one that was refused.
            ledger.undo(mark)
            yield Conversion(item.entry, (), refusal, refused_document=_as_json(document))
        else:
            yield Conversion(item.entry, messages, made_nothing=not item.documents)
            if objects is not None:
                told.add(objects)


def _as_json(document: Document) -> bytes | None:
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:  # which may be why it was refused
        return None


def _message(
    document: Document, identity: Identity | None, entry: Entry, output: Format, ledger: Ledger
) -> Message | None:
    date = entry.notification.date or 0  # one without a date was refused by `notification.view`
    if identity is None:
        return Message(entry.seq, entry.notification.id, output.encode(document), date)
    stamped = ledger.stamp(document, identity, entry.seq, date)
    if stamped is None:
        return None
    return Message(
        entry.seq, identity.id, output.encode(stamped), date, stamped.get("modified"), identity.dependency_level
    )
