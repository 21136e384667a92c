"""From entries of the journal to messages: rendered by the mapping, given their versions, encoded by the format."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass

import orjson

from connector import notification
from connector.mapping import Guarding
from connector.model import (
    NOT_CLAIMED,
    Claim,
    Document,
    Entry,
    Identity,
    JsonObject,
    Judgement,
    Message,
    Notification,
    Refused,
    Suppressed,
    Version,
    VersionBeside,
    Withheld,
)
from connector.pipeline.route import Route, RouteMapping, Withdrawing, guarded_view, judged_wrong, known_good
from connector.pipeline.successors import Successors
from connector.pipeline.versions import Ledger, revocation_of, revokes, successor
from connector.ports import Format, Guards, ObjectFormat, Outbox

CHANGED = "the disk has changed what the journal stored of it (its checksum is another)"
DAMAGED = f"{CHANGED}: nothing of it is sent"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of one notification: its messages, or why it has none.

    Attributes:
        made_nothing: whether the mapping wanted it, and made no document of it.
        claim: what the receiver is told of its observable, once it has accepted the messages.
        withheld: why the route does not let it through.
        guarded: what is suppressed of it.
        refused_document: what the mapping made and the format did not take, as JSON.
        before: what holds of the observable at this entry if the receiver refuses what takes it back; None: what held
            before the entry.
        left: whether what it would take back is left as it is, since another route into the same receiver claims it.
        told: what a receiver of events is told so of the assessment, if that is not what the notification says.
    """

    entry: Entry
    messages: Sequence[Message]
    _: KW_ONLY
    refusal: Refused | None = None
    wanted: bool = True
    made_nothing: bool = False
    claim: Claim | None = None
    refused_document: bytes | None = None
    withheld: Withheld | None = None
    guarded: Sequence[Suppressed] = ()
    left: bool = False
    before: Claim | None = None
    told: Version | None = None


def convert(
    notifications: Iterable[Notification],
    mapping: RouteMapping,
    source: JsonObject | None = None,
    guards: Guards | None = None,
    judged: Callable[[Notification], Judgement | None] = lambda _: None,
) -> Iterator[Conversion]:
    """Convert without a journal: the same documents and bytes as a route that starts with these notifications.

    Args:
        notifications: what is converted.
        mapping: how.
        source: what it is from (see `connector.notification.view`).
        guards: what is known to be good; None: what the mapping itself has.
        judged: what an analyst says of each.
    """
    entries = (Entry(seq, "", item, judgement=judged(item)) for seq, item in enumerate(notifications, start=1))
    guarding = Guarding(None if guards is None else guards.derived)
    yield from encode((_rendered(entry, mapping, source, guards, guarding) for entry in entries), Ledger({}))


def _rendered(
    entry: Entry, mapping: RouteMapping, source: JsonObject | None, guards: Guards | None, guarding: Guarding
) -> "Rendered":
    try:
        view = notification.view(entry.notification, entry.context, source, entry.judgement)
        if (judged := judged_wrong(entry.judgement)) is not None:
            return Rendered(entry, wanted=False, withheld=judged)
        if guards is not None and (withheld := known_good(guarded_view(view, guards))) is not None:
            return Rendered(entry, wanted=False, withheld=withheld)
        with guarding:
            documents = mapping.render(view)
    except Refused as refusal:
        return Rendered(entry, refusal=refusal.kept())
    return Rendered(entry, wanted=False) if documents is None else Rendered(entry, documents, output=mapping.format)


def convert_withdrawal(item: Notification, mapping: Withdrawing) -> Conversion:
    """What takes back what `convert` makes of a notification, were it delivered and then turned away."""
    ledger, entry, again = Ledger({}), Entry(1, "", item), Entry(2, "", item)
    try:
        view = notification.view(item)
        rendering = mapping.rendering(view, whatever=True)
        why = NOT_CLAIMED.taking_back([(item.id, view["source"])])
        withdrawal = mapping.withdrawal(rendering, why, alone=True) if rendering is not None else ()
    except Refused as refusal:
        return Conversion(again, (), refusal=refusal.kept())
    documents, output = rendering.documents if rendering else (), mapping.format
    deque(encode([Rendered(entry, documents, output=output)], ledger), maxlen=0)
    [conversion] = encode([Rendered(again, withdrawal, output=output)], ledger)
    return conversion


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the mapping made of one entry: documents without versions yet, or why there are none.

    Attributes:
        output: the format of the documents, which signs for the entry's source; None when nothing was to be made.
        wanted: whether the route lets it through. What takes something back may be made of one that it does not.
        claims: whether the documents say that the observable is bad.
        over: what takes the documents back, if a later entry has ended what they claim. They are then sent only to a
            receiver that has the objects which that revokes, and whose newer versions stay. None: they are sent.
        confirms: whether it says something of what an analyst judged true after it was delivered.
        otherwise: of documents that revoke an object, what stands in their places for a receiver that never had it.
        anew: whether it tells something for the first time, or in doubt, to a receiver that other routes tell of the
            same objects.
        in_doubt_from: of what takes something back, the entry from which on it is in doubt whether the receiver has
            that, after a crash or an outage; 0: in none.
        restores: whether it says again what a later entry took back, and takes back no more.
        only_known: ids of objects that only a receiver is told of which has them already.
        repeats: what the entry may have taken back before it was cut off, as the documents that did so: those that are
            written down are sent, for the receiver may lack some of them.
        reassesses: whether it tells a receiver of events that what was delivered is assessed otherwise now.
        before, claim, left, withheld, guarded, told: see `Conversion`.
    """

    entry: Entry
    documents: Sequence[Document] = ()
    _: KW_ONLY
    refusal: Refused | None = None
    wanted: bool = True
    output: Format | None = None
    claims: bool = True
    over: Sequence[Document] | None = None
    otherwise: Sequence[Document] = ()
    claim: Claim | None = None
    withheld: Withheld | None = None
    guarded: Sequence[Suppressed] = ()
    confirms: bool = False
    anew: bool = False
    left: bool = False
    in_doubt_from: int = 0
    restores: bool = False
    only_known: Collection[str] = ()
    repeats: Sequence[Document] = ()
    before: Claim | None = None
    reassesses: bool = False
    told: Version | None = None

    @property
    def takes_back(self) -> bool:
        """Whether it takes back what was said before."""
        return self.claim is not None and not self.claim.stands


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


def known_versions(route: Route, journal: Outbox, rendered: Sequence[Rendered]) -> Mapping[str, Sequence[Version]]:
    """The versions of all objects in rendered documents, and of those that stand in the places of revoked ones.

    Those that other routes into the same receiver know are among them (`VersionBeside`).
    """
    known = _versions(route, journal, object_ids(rendered))
    if not any(map(revocation_of, known.values())):
        return known
    asked = [object_ids([item]) for item in rendered]
    while asked := [ids for ids in asked if any(revocation_of(known.get(each, ())) for each in ids)]:
        asked = [[successor(each) for each in ids] for ids in asked]
        wanted = {each for ids in asked for each in ids}.difference(known)
        known |= _versions(route, journal, sorted(wanted))
    return known


def _versions(route: Route, journal: Outbox, ids: Sequence[str]) -> dict[str, Sequence[Version]]:
    """The versions of objects, those of each in order; one that others have told later as well stands there twice."""
    known: dict[str, Sequence[Version]] = dict(journal.versions(route.name, ids, route.receiver))
    for other in route.beside:
        for object_id, versions in journal.versions(other, ids, route.receiver).items():
            own = {each.modified: each for each in known.get(object_id, ()) if not isinstance(each, VersionBeside)}
            beside = {each.modified: each for each in known.get(object_id, ()) if isinstance(each, VersionBeside)}
            for each in versions:
                mine, before = own.get(each.modified), beside.get(each.modified)
                if mine is not None and not (each.sent and each.last_seq > max(mine.seq, mine.last_seq)):
                    continue
                if before is None or (each.sent and (not before.sent or each.last_seq > before.last_seq)):
                    beside[each.modified] = VersionBeside(*each)
            found = [*own.values(), *beside.values()]  # the route's own first, of two that are equal
            known[object_id] = sorted(found, key=lambda each: (each.seq, each.modified))
    return known


def encode(rendered: Iterable[Rendered], ledger: Ledger) -> Iterator[Conversion]:
    """Give documents their versions and make messages of those that the receiver needs: all of an entry's, or none."""
    told: set[ObjectFormat] = set()  # those whose shared documents went out with an entry of this batch
    for item in rendered:
        output = item.output
        if output is None or (item.over is not None and not _is_known(item, item.over, output, ledger)):
            yield _nothing_made(item)
            continue
        objects = output if isinstance(output, ObjectFormat) else None
        shared_documents = objects.shared_documents() if objects is not None and objects not in told else ()
        mark = ledger.mark()
        messages: list[Message] = []
        document: Document = {}
        ids = Successors(ledger, item.entry.seq, claims=item.claims, anew=item.anew) if ledger.has_revoked else None
        try:
            messages += _repeated_revocations(item, output, ledger)
            for document in [*shared_documents, *_told(item, objects, ledger)]:
                identity = objects.identify(document) if objects else None
                if item.otherwise and objects is not None:
                    document = _unless_unknown(document, item, objects, ledger)  # noqa: PLW2901 -- the one that is sent
                if ids is not None and identity is not None and identity.versioned:
                    document, identity = ids.placed(document, identity)  # noqa: PLW2901 -- likewise
                meaning = objects.meaning(document) if objects else b""
                message = _message(document, identity, item, output, ledger, meaning=meaning, left=item.left)
                if message is not None:
                    messages.append(message)
        except Refused as refusal:
            # All or nothing: a document must not refer to one that was refused.
            ledger.undo(mark)
            as_json = _as_json(document)
            yield Conversion(item.entry, (), refusal=refusal.kept(), refused_document=as_json, withheld=item.withheld)
        else:
            yield Conversion(
                item.entry,
                messages,
                wanted=item.wanted,
                made_nothing=item.wanted and not item.documents,
                claim=item.claim,
                withheld=item.withheld,
                guarded=item.guarded,
                left=item.left,
                before=item.before,
                told=item.told,
            )
            if objects is not None:
                told.add(objects)


def _told(item: Rendered, objects: ObjectFormat | None, ledger: Ledger) -> Sequence[Document]:
    """The documents of an entry, but for those that only a receiver is told which has them already."""
    if objects is None or not item.only_known:
        return item.documents
    unknown = {each for each in item.only_known if not ledger.is_there(each)}
    return [each for each in item.documents if objects.identify(each).id not in unknown]


def _repeated_revocations(item: Rendered, output: Format, ledger: Ledger) -> Iterator[Message]:
    """The revocations that an entry has written down before, and of which it is in doubt whether they arrived.

    Whatever was said since under other ids, they are sent.
    """
    if not (item.repeats and ledger.has_revoked and isinstance(output, ObjectFormat)):
        return
    objects: ObjectFormat = output
    ids = Successors(ledger, item.entry.seq, claims=False)
    for document in filter(revokes, item.repeats):
        identity = objects.identify(document)
        if identity.versioned:
            message = _message(*ids.placed(document, identity), item, output, ledger, left=True)
            if message is not None:
                yield message


def _nothing_made(item: Rendered) -> Conversion:
    refused = item.refusal.document if item.refusal else None
    return Conversion(
        item.entry,
        (),
        refusal=item.refusal,
        wanted=item.wanted and item.over is None,
        refused_document=None if refused is None else _as_json(refused),
        withheld=item.withheld,
        guarded=item.guarded,
    )


def _is_known(item: Rendered, over: Sequence[Document], objects: Format, ledger: Ledger) -> bool:
    """Whether the receiver has all objects of an entry that could be revoked."""
    if not isinstance(objects, ObjectFormat):
        return False
    revocable = {objects.identify(document).id for document in over if revokes(document)}
    ids = Successors(ledger, item.entry.seq, claims=item.claims)
    said = [(document, objects.identify(document)) for document in item.documents if not revokes(document)]
    placed = {
        identity.id: ids.placed(document, identity)[1].id if identity.versioned else identity.id
        for document, identity in said
    }
    known = [ledger.is_there(placed[each]) for each in revocable.intersection(placed)]
    return bool(known) and all(known)


def _unless_unknown(document: Document, item: Rendered, objects: ObjectFormat, ledger: Ledger) -> Document:
    """A document; if it revokes what a receiver never had, what that is now: others of the entry may refer to it."""
    if not revokes(document):
        return document
    object_id = objects.identify(document).id
    if ledger.is_there(object_id, item.in_doubt_from) or revocation_of(ledger.versions(object_id)) is not None:
        return document
    return next((each for each in item.otherwise if objects.identify(each).id == object_id), document)


def _as_json(document: Document) -> bytes | None:
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:  # which may be why it was refused
        return None


def _message(
    document: Document,
    identity: Identity | None,
    item: Rendered,
    output: Format,
    ledger: Ledger,
    *,
    left: bool,
    meaning: bytes = b"",
) -> Message | None:
    entry = item.entry
    date = entry.notification.date or 0  # one without a date was refused by `notification.view`
    if identity is None:
        return Message(entry.seq, entry.notification.id, output.encode(document), date)
    stamped = ledger.stamp(
        document, identity, entry.seq, date, meaning=meaning, left=left, in_doubt_from=item.in_doubt_from
    )
    if stamped is None:
        return None
    return Message(
        entry.seq, identity.id, output.encode(stamped), date, stamped.get("modified"), identity.dependency_level
    )
