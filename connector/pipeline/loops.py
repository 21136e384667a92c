"""The two loops that move data: `fetch` into the journal, `Delivery` out of it. They name no concrete kind.

`rewind` makes a route deliver again from an earlier place, `redeliver` deals with single entries out of turn.
"""

from collections import abc, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson

from connector import notification
from connector.model import (
    Advance,
    DeadLetter,
    Document,
    Entry,
    Gap,
    JsonObject,
    Message,
    Notification,
    Outdated,
    Redelivery,
    Refusal,
    Refused,
    Version,
)
from connector.pipeline.versions import Ledger
from connector.ports import Format, Journal, Outbox, Sink, Source


class Mapping(Protocol):
    """A compiled mapping, as far as the pipeline uses it."""

    @property
    def format(self) -> Format:
        """The format of its documents."""
        ...

    def render(self, view: JsonObject) -> Sequence[Document] | None:
        """Documents, in order of reference; None when the notification is not for this mapping; or Refused."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """A mapping and a sink, with a position of its own in the journal.

    Attributes:
        sources: the sources whose notifications it reads.
        wants: the route's filter over the view of a notification.
        batch: how many notifications are rendered, sent and advanced past at once.
    """

    name: str
    sources: Sequence[str]
    wants: Callable[[JsonObject], bool]
    mapping: Mapping
    sink: Sink
    batch: int = 500


@dataclass(frozen=True, slots=True)
class Stored:
    """A page in the journal: how many notifications it had, how many of them were new, and what was found lost."""

    notifications: int
    new: int
    gap: Gap | None


@dataclass(frozen=True, slots=True)
class Delivered:
    """A batch dealt with, counted in notifications.

    Attributes:
        messages: documents that the sink accepted.
        revised: notifications rendered again for what was learned after they were delivered; they count as nothing
            else, unless they are refused.
    """

    delivered: int
    filtered: int
    dead_letters: Sequence[DeadLetter]
    refused: int
    messages: int
    revised: int = 0


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of one notification: its messages, or why it has none.

    Attributes:
        refused_document: what the mapping made and the format did not take, as JSON.
    """

    entry: Entry
    messages: Sequence[Message]
    refusal: Refused | None = None
    wanted: bool = True
    refused_document: bytes | None = None


def fetch(name: str, source: Source, journal: Journal) -> Iterator[Stored]:
    """Store what is new, page by page: each with its checkpoint, before the next is asked for."""
    for page in source.pages(journal.checkpoint(name)):
        new = journal.append(name, page)
        yield Stored(len(page.notifications), new, page.gap)


class Delivery:
    """A route's way out of the journal; one object for as long as it runs.

    What was sent but could still be lost with the connection (`Sink.unconfirmed`) holds the position back: the journal
    is read ahead of it, and after any error again from it, byte for byte.
    """

    def __init__(self, route: Route, journal: Outbox) -> None:
        self._route = route
        self._journal = journal
        self._read_to = 0
        self._held: deque[tuple[Advance, int]] = deque()

    def step(self) -> Delivered | None:
        """Deal with the next batch: render, write its versions down, send, advance. None when there is none.

        When nothing is pending, refused notifications come again of which a retry was asked; then notifications
        delivered earlier of which more has been learned since: what that changes is sent as new versions. Events, which
        have none, are not repeated.

        Whatever is raised, nothing is lost: what had not been confirmed is next again.
        """
        try:
            return self._step()
        except BaseException:
            self._forget()
            raise

    def finish(self) -> None:
        """Have the receiver confirm all that was sent, and advance past it; raises as `step` does."""
        try:
            if self._held:
                self._route.sink.finish()
                self._advance()
        except BaseException:
            self._forget()
            raise

    def _step(self) -> Delivered | None:
        route, journal = self._route, self._journal
        entries = journal.pending(route.name, route.sources, route.batch, self._read_to)
        if not entries:
            self._advance()
            return self._retry() or self._revise()
        rendered = [_render_entry(entry, route.mapping, route.wants) for entry in entries]
        ledger = Ledger(journal.versions(route.name, _object_ids(rendered, route.mapping.format)))
        conversions = list(_encode(rendered, route.mapping.format, ledger))
        journal.record(route.name, ledger.recorded)
        batch, sent = _send(route.sink, conversions, ledger)
        advance = Advance(
            entries[-1].seq,
            batch.delivered,
            batch.filtered,
            batch.refused,
            batch.dead_letters,
            sent,
            learned=entries[0].learned if _has_versions(route.mapping.format) else None,
        )
        self._read_to = advance.position
        self._held.append((advance, batch.messages))
        self._advance()
        return batch

    def _retry(self) -> Delivered | None:
        entries = self._journal.to_retry(self._route.name, self._route.batch)
        if not entries:
            return None
        self.finish()  # before anything is compared with what the receiver has
        return redeliver(self._route, self._journal, entries)

    def _revise(self) -> Delivered | None:
        route, journal = self._route, self._journal
        if not _has_versions(route.mapping.format):
            return None
        outdated = journal.outdated(route.name, route.sources, route.batch)
        if outdated is None:
            return None
        self.finish()  # before anything is compared with what the receiver has
        return _redelivered(route, journal, outdated.entries, outdated=outdated)

    def _advance(self) -> None:
        """Advance past every batch after which enough was sent that none of it can be among the unconfirmed."""
        unconfirmed = self._route.sink.unconfirmed()
        sent_after = sum(messages for _, messages in self._held)
        while self._held:
            advance, messages = self._held[0]
            sent_after -= messages
            if messages and sent_after < unconfirmed:
                return
            self._journal.advance(self._route.name, self._route.sources, advance)
            self._held.popleft()

    def _forget(self) -> None:
        self._read_to = 0
        self._held.clear()


def rewind(route: Route, journal: Outbox, positions: abc.Mapping[str, int]) -> int:
    """Set a route's position back, so that it delivers again from there; return how many entries it then has pending.

    All that these entries need is sent again, in the versions given out the first time: what earlier ones sent, too.
    Requires the lease on the route.
    """
    count = after = 0
    while entries := journal.history(positions, route.batch, after):
        rendered = [_render_entry(entry, route.mapping, route.wants) for entry in entries]
        known = journal.versions(route.name, _object_ids(rendered, route.mapping.format))
        journal.mark_unsent(
            route.name, [version for versions in known.values() for version in versions if version.sent]
        )
        after = entries[-1].seq
        count += len(entries)
    journal.rewind(route.name, positions)
    return count


def redeliver(route: Route, journal: Outbox, entries: Sequence[Entry], *, again: bool = False) -> Delivered:
    """Deal with entries out of turn, the position staying where it is; their dead letters are replaced by what comes.

    They are rendered with the mapping as it is now, and what the receiver does not have is sent; with `again` what it
    has, too. An object of which a later notification has said more keeps what that said. Requires the lease on the
    route.

    Raises:
        Unavailable: nothing has changed but that some may have arrived.
    """
    return _redelivered(route, journal, entries, again=again)


def _redelivered(
    route: Route, journal: Outbox, entries: Sequence[Entry], *, again: bool = False, outdated: Outdated | None = None
) -> Delivered:
    rendered = [_render_entry(entry, route.mapping, route.wants) for entry in entries]
    known = journal.versions(route.name, _object_ids(rendered, route.mapping.format))
    last_words = {
        object_id: max((max(each.seq, each.last_seq) for each in versions if each.sent), default=0)
        for object_id, versions in known.items()
    }
    if again:
        known = {object_id: [each._replace(sent=False) for each in known[object_id]] for object_id in known}
    ledger = Ledger(known, last_words)
    conversions = list(_encode(rendered, route.mapping.format, ledger))
    journal.record(route.name, ledger.recorded)
    if again:
        journal.mark_unsent(route.name, ledger.stamped)
    batch, sent = _send(route.sink, conversions, ledger)
    route.sink.finish()
    mark, letters = None, batch.dead_letters
    if outdated is not None:
        batch, mark = _only_news(batch, outdated), outdated.mark
    seqs = [entry.seq for entry in entries]
    redelivery = Redelivery(seqs, batch.delivered, batch.filtered, batch.refused, letters, sent, mark)
    journal.record_redelivery(route.name, redelivery)
    return batch


def _only_news(batch: Delivered, outdated: Outdated) -> Delivered:
    """Counted as what it is: entries that were counted when they were delivered; of refusals, those that are new."""
    before = {seq for seq, _ in outdated.refused}
    return Delivered(
        delivered=0,
        filtered=0,
        dead_letters=[each for each in batch.dead_letters if (each.seq, each.object_id) not in outdated.refused],
        refused=len({letter.seq for letter in batch.dead_letters} - before),
        messages=batch.messages,
        revised=len(outdated.entries),
    )


def _send(sink: Sink, conversions: Sequence[Conversion], ledger: Ledger) -> tuple[Delivered, list[Version]]:
    """Send what was converted; what came of it, and the versions that the sink has."""
    messages = [message for conversion in conversions for message in conversion.messages]
    refusals = sink.send(messages) if messages else ()
    dead_letters = _dead_letters(conversions, refusals)
    refused = len({letter.seq for letter in dead_letters})
    filtered = sum(not conversion.wanted for conversion in conversions)
    delivered = len(conversions) - refused - filtered
    refused_versions = {(refusal.message.id, refusal.message.version or "") for refusal in refusals}
    accepted = (*ledger.stamped, *ledger.unchanged)
    sent = [version for version in accepted if (version.object_id, version.modified) not in refused_versions]
    return Delivered(delivered, filtered, dead_letters, refused, len(messages) - len(refusals)), sent


def _dead_letters(conversions: Sequence[Conversion], refusals: Sequence[Refusal]) -> list[DeadLetter]:
    ids = {conversion.entry.seq: conversion.entry.notification.id for conversion in conversions}
    letters = [
        DeadLetter(
            conversion.entry.seq,
            conversion.refusal.by,
            str(conversion.refusal),
            document=conversion.refused_document,
            notification_id=conversion.entry.notification.id,
        )
        for conversion in conversions
        if conversion.refusal
    ]
    letters += [
        DeadLetter(message.seq, "sink", refusal.reason, message.id, message.body, ids[message.seq])
        for refusal in refusals
        for message in (refusal.message,)
    ]
    return letters


def convert(notifications: Iterable[Notification], mapping: Mapping) -> Iterator[Conversion]:
    """Convert without a journal: the same documents and bytes as a route that starts with these notifications."""
    ledger = Ledger({})
    for seq, item in enumerate(notifications, start=1):
        rendered = _render_entry(Entry(seq, "", item), mapping)
        yield from _encode([rendered], mapping.format, ledger)


@dataclass(frozen=True, slots=True)
class _Rendered:
    entry: Entry
    documents: Sequence[Document] = ()
    refusal: Refused | None = None
    wanted: bool = True


def _render_entry(entry: Entry, mapping: Mapping, wants: Callable[[JsonObject], bool] | None = None) -> _Rendered:
    try:
        view = notification.view(entry.notification, entry.context)
        documents = mapping.render(view) if wants is None or wants(view) else None
    except Refused as refusal:
        return _Rendered(entry, refusal=refusal)
    if documents is None:
        return _Rendered(entry, wanted=False)
    return _Rendered(entry, documents)


def _has_versions(output: Format) -> bool:
    """Whether its documents are objects that come in versions; only such rest on others (`Format.shared_documents`)."""
    return bool(output.shared_documents())


def _object_ids(rendered: Iterable[_Rendered], output: Format) -> Sequence[str]:
    documents = (document for item in rendered for document in item.documents)
    identities = (output.identify(document) for document in [*output.shared_documents(), *documents])
    return sorted({identity.id for identity in identities if identity is not None})


def _encode(rendered: Iterable[_Rendered], output: Format, ledger: Ledger) -> Iterator[Conversion]:
    shared_documents = output.shared_documents()
    for item in rendered:
        if item.refusal or not item.wanted:
            refused = item.refusal.document if item.refusal else None
            yield Conversion(item.entry, (), item.refusal, item.wanted, None if refused is None else _as_json(refused))
            continue
        mark = ledger.mark()
        messages: list[Message] = []
        document: Document = {}
        try:
            for document in [*shared_documents, *item.documents]:
                message = _message(document, item.entry, output, ledger)
                if message is not None:
                    messages.append(message)
        except Refused as refusal:
            # All or nothing: a document must not refer to one that was refused.
            ledger.undo(mark)
            yield Conversion(item.entry, (), refusal, refused_document=_as_json(document))
        else:
            yield Conversion(item.entry, messages)
            shared_documents = ()


def _as_json(document: Document) -> bytes | None:
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:  # which may be why it was refused
        return None


def _message(document: Document, entry: Entry, output: Format, ledger: Ledger) -> Message | None:
    date = entry.notification.date or 0  # a notification without a date is rejected before it is rendered
    identity = output.identify(document)
    if identity is None:
        return Message(entry.seq, entry.notification.id, output.encode(document), date)
    stamped = ledger.stamp(document, identity, entry.seq, date)
    if stamped is None:
        return None
    return Message(
        entry.seq, identity.id, output.encode(stamped), date, stamped.get("modified"), identity.dependency_level
    )
