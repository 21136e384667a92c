"""The verbs: what a source, a journal, a format and a sink must do.

The docstring of each is its contract, and the tests of `connector/contract/` hold every implementation to it.

*Outages are exceptions, refusals are values.* Every method may raise `Unavailable` (wait, and call again with the
same arguments) and `Misconfigured` (a person must act). Anything else that is raised is a bug.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Protocol, _ProtocolMeta, runtime_checkable

from connector.model import (
    Advance,
    Appended,
    ChangeMark,
    Changes,
    Claim,
    CollectedObject,
    Concerned,
    Document,
    Entry,
    Guarded,
    Identity,
    JournalStatus,
    Json,
    JsonObject,
    Judgement,
    JudgementFilter,
    LookUp,
    Message,
    News,
    Notification,
    Outdated,
    Page,
    Reconsidered,
    Redelivery,
    Refusal,
    RuleRecord,
    Selection,
    ServedRoute,
    Standing,
    StixObject,
    StoredDeadLetter,
    StoredJudgement,
    StoredSuppressed,
    Subject,
    Version,
    Worker,
)
from connector.values.shapes import Members

LAST = 2**63 - 1
"""After all entries."""
ALIKE = 1000
"""Of the entries about one observable, how many are looked at: those of three weeks where a rule matches the same
domain twice an hour, and few enough to be looked at for each entry of a batch. Mostly one of the first decides."""


class Source(Protocol):
    """Where notifications come from."""

    def pages(self, checkpoint: Json | None) -> Iterator[Page]:
        """Yield what is new since the checkpoint, and end when there is nothing more now.

        Without a checkpoint it begins as the source's settings say; with `connector.model.ANEW`, as early as it can.

        A page is yielded before the next one is asked for, so that the caller can store it first. Stopping anywhere
        and going on from the last stored checkpoint loses nothing; it may repeat what the journal then knows. What
        cannot be read holds up nothing that follows: the page says so (`Page.unreadable`).
        """
        ...

    def look_up(self, subject: Subject) -> LookUp:
        """Ask what is known of a subject that notifications of this source name.

        That there is no such subject, or that it may not be read, is an answer too, and stored as one.

        Raises:
            Unavailable: there was no answer; ask about no other subject for now either.
        """
        ...

    def check(self) -> str:
        """Probe the source without moving anything; return one sentence on what was found."""
        ...

    def quota(self) -> JsonObject | None:
        """What is left of the source's allowance, in its own terms; None when it has none or cannot tell."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


@runtime_checkable
class SearchableSource(Source, Protocol):
    """A source that can be asked for single notifications: one whose settings have an `upstream`."""

    def get(self, notification_id: str) -> Notification:
        """One notification by its id, with its entity beside it.

        Raises:
            Refused: there is no such notification, or no longer.
            Unavailable: there is no answer now.
            Misconfigured: it may not be read.
        """
        ...

    def search(
        self,
        wanted: str,
        since: int | None = None,
        *,
        newest_first: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> tuple[Sequence[Notification], str | None]:
        """Notifications that match the source's own filter and `wanted`; and the cursor to what follows.

        At most `limit`, and as many as come in one answer.

        Args:
            wanted: more terms of the source's filter, without a date.
            since: raised then or later, in Unix seconds.
            newest_first: the order; else the oldest come first.
            limit: how many to ask for.
            cursor: where an earlier answer to the same question ended.

        Raises:
            Refused: the filter or the cursor is not understood.
        """
        ...

    def delete(self, notification_id: str) -> None:
        """Delete one notification upstream, for good. Raises as `get` does."""
        ...


class Guards(Protocol):
    """What is known to be good of what notifications say. Safe for use from several threads; asks nobody."""

    def of_notification(self, view: JsonObject) -> Guarded | None:
        """What guards that which a notification is about; `view` is what `connector.notification.view` gives."""
        ...

    def derived(self, value: str) -> Guarded | None:
        """What guards a value that a notification merely names: a host, an address, a URL or a hash."""
        ...


@runtime_checkable
class SharingSource(Source, Protocol):
    """A source that can tell others upstream what is judged: one whose settings `shares` something."""

    def share(self, entity_type: str, entity_id: str, judgement: Judgement) -> Sequence[str]:
        """Tell it of an entity, for everyone to read; return what was told: `comment`, `vote`.

        What was told before counts as told. A comment needs a note.

        Raises:
            Refused: there is no such entity, or nothing may be told of it.
            Unavailable: there is no answer now.
            Misconfigured: the key is not accepted.
        """
        ...


class Outbox(Protocol):
    """What a route knows about itself: what it has to deliver, its position, what its receiver has."""

    def pending(self, route: str, sources: Sequence[str], limit: int, after: int = 0) -> Sequence[Entry]:
        """The next entries of these sources after the route's position, in order, at most `limit`.

        A route never heard of starts before the first entry. Entries up to `after` are left out: they have been read
        already, and the position waits for the receiver to confirm them.
        """
        ...

    def history(self, positions: Mapping[str, int], limit: int, after: int = 0) -> Sequence[Entry]:
        """The next entries in order, at most `limit`: of each source those after its position; none up to `after`."""
        ...

    def entries(self, seqs: Sequence[int]) -> Sequence[Entry]:
        """These entries, in order: as many as together take no more memory than they may, or one.

        What was pruned is missing. `connector.pipeline.pieces` reads all of them.
        """
        ...

    def versions(self, route: str, object_ids: Sequence[str], receiver: str = "") -> Mapping[str, Sequence[Version]]:
        """Every version that this route recorded of these objects for a receiver, by ascending `seq`.

        Absent when there is none. The receiver is the identity of the route's destination
        (`connector.settings.parts.SinkSettings.receiver`): what one has is not what another has. What was recorded
        before receivers were told apart is what the first of them has.
        """
        ...

    def record(self, route: str, versions: Sequence[Version], receiver: str = "", claims: Sequence[Claim] = ()) -> None:
        """Write down versions that are about to be sent, so that a `modified` means the same content after a crash.

        So are claims that are about to be made, in doubt until they are accepted: they may be taken back meanwhile.
        Writing one down again changes nothing. Requires the lease on the route.
        """
        ...

    def mark_unsent(self, route: str, versions: Sequence[Version] | None, receiver: str = "") -> None:
        """Have these versions sent again when they are next made; None: any, for the receiver has lost them all.

        Requires the lease on the route.
        """
        ...

    def forget(
        self,
        route: str,
        versions: Sequence[Version],
        receiver: str = "",
        claims: Sequence[Claim] = (),
        restored: Sequence[Claim] = (),
    ) -> None:
        """Forget that these versions and claims were ever made: the receiver has refused them.

        What holds in the place of some of the claims is `restored`.

        Requires the lease on the route.
        """
        ...

    def claims(self, route: str, observables: Sequence[int], receiver: str = "") -> Mapping[int, Sequence[Claim]]:
        """What this route has told a receiver of these observables, in order; absent when that is nothing.

        Any route may be asked for, without its lease; so it is with `versions`.
        """
        ...

    def unclaimed_until(self, route: str, receiver: str = "") -> int:
        """Up to which entry a receiver may have been told what no claim was kept of; 0: all claims are known."""
        ...

    def spelled_until(self, route: str, receiver: str = "") -> int:
        """Up to which entry claims may be kept by how their observable was spelled; 0: none is.

        (`connector.pipeline.claims.as_spelled`)
        """
        ...

    def turn(self, receiver: str) -> AbstractContextManager[None]:
        """The sole right to tell a receiver anything, of the routes that may tell it of the same objects.

        Waits while another thread has it.

        Raises:
            Unavailable: another living process has it.
        """
        ...

    def advance(self, route: str, sources: Sequence[str], advance: Advance) -> None:
        """Move the route's position, with dead letters, counts, claims and accepted versions, all or nothing.

        Of the entries moved past, those that are muted are known to be so until they are dealt with again.

        The dead letters of the entries moved past are replaced by those of the advance: one for the same entry and
        object keeps its number, and what is refused no more is gone. Requires the lease on the route.
        """
        ...

    def rewind(self, route: str, positions: Mapping[str, int]) -> None:
        """Set the route's position in these sources back; never forward. Requires the lease on the route."""
        ...

    def record_redelivery(self, route: str, redelivery: Redelivery) -> None:
        """As `advance`, for entries that were delivered again, and the position stays. Requires the lease on the route.

        The entries are no longer outdated, unless more was learned after they were read.
        """
        ...

    def outdated(self, route: str, sources: Sequence[str], limit: int) -> Outdated | None:
        """Entries of these sources that the route has passed, and of whose subjects more was learned afterwards.

        At most `limit`, in order; the same ones again until their redelivery is recorded. None when there are none.
        """
        ...

    def standing(
        self, route: str, terms: str, limit: int, receiver: str = "", since: Reconsidered | None = None
    ) -> Standing | None:
        """The next entries whose claims stand at a receiver, and were let through on other terms than these perhaps.

        Of at most `limit` observables; the same ones again until it is recorded (`Redelivery.reconsidered`) that they
        are dealt with. None once all are.

        Args:
            route: which one.
            terms: see `connector.pipeline.route.Route`.
            limit: of how many observables.
            receiver: see `versions`.
            since: what has been dealt with, where that is not recorded.
        """
        ...

    def newer_dated(
        self, seqs: Sequence[int], sources: Sequence[str], *, of_all: bool = False
    ) -> Mapping[int, Sequence[int]]:
        """For those of these entries that came late: earlier ones about the same observable that are dated later.

        Only the last ones before it, of these sources, are looked at; that with the latest date comes first. With
        `of_all`, those that came after it count, too: all that are newer, then.
        """
        ...

    def unsent(self, route: str, seqs: Sequence[int]) -> Collection[int]:
        """Those of these entries of which the route is known to have sent nothing: refused, judged or turned away."""
        ...

    def alike(self, seq: int, sources: Sequence[str], limit: int, before: int | None = None) -> Sequence[Entry]:
        """Other entries of these sources about the same observable, the newest first, at most `limit`.

        With `before`, only those before that entry. Fewer where they take more memory than they may; one at least.
        """
        ...

    def about(self, observable: str, sources: Sequence[str], limit: int, before: int | None = None) -> Sequence[Entry]:
        """Entries of these sources about an observable, the newest first, at most `limit`; `before` as in `alike`."""
        ...

    def naming_alike(self, seqs: Sequence[int], sources: Sequence[str], limit: int, until: int) -> Sequence[int]:
        """Which entries of these sources name a host that one of some entries names, the newest first.

        Of each host at most `limit`, about as many observables: of each the newest up to the entry `until`. None is
        about the same as the first of the given.
        """
        ...

    def named_before(self, seq: int, sources: Sequence[str], limit: int) -> Sequence[Entry]:
        """Earlier entries about the same observable that name hosts which an entry does not name, the newest first.

        Of each of these hosts at most `limit`.
        """
        ...

    def judged_observables(self, source: str) -> Callable[[str], Judgement | None]:
        """What tells of an observable, however it is spelled, what analysts say of it; None when that is nothing.

        It is asked of what notifications of this source merely name, for as long as one batch is dealt with.
        """
        ...

    def has_learned(self, sources: Sequence[str], learned: int, until: int) -> bool:
        """Whether more than this (`Entry.learned`) was learned of what entries of these sources up to one name."""
        ...

    def are_set_aside(self, route: str, seqs: Sequence[int]) -> Collection[int]:
        """Those of these entries that a person has set aside for the route (`Journal.set_aside`)."""
        ...

    def ask_again(self, seqs: Sequence[int], reason: str) -> None:
        """Have whoever serves their sources ask for these entries again, once: a route found them damaged.

        Each becomes a dead letter whose route is the source, for this reason, of which a retry is asked. One that
        there is already stays as it is. Of an entry that was mended meanwhile, the routes' dead letters are to be
        retried.
        """
        ...

    def ask_retry_of(self, route: str, reason: str, refused_until: int) -> int:
        """Mark a route's dead letters for a retry whose reason begins so, and that were refused by then.

        Return how many there are. `refused_until` is in Unix seconds.
        """
        ...

    def to_retry(self, route: str, limit: int) -> Sequence[Entry]:
        """Entries with dead letters that are to be retried (`Journal.ask_retry`), in order, at most `limit`.

        The same ones again until their redelivery is recorded.
        """
        ...


class Collections(Protocol):
    """The STIX objects that others may read over TAXII, in collections by name. `Journal.forget_old` alone removes any.

    Safe for use from several threads and processes.
    """

    def store(self, collection: str, objects: Sequence[StixObject]) -> Sequence[bool]:
        """Add what is not there yet, in order, in one transaction; return for each whether it is there now.

        A version that is there already stays as it is: for the same version with other bytes the answer is False. An
        object that carries no version and is there with other bytes is added, as a further version.

        Raises:
            ValueError: a version is no timestamp; nothing is added.
        """
        ...

    def objects(
        self, collection: str, selection: Selection, limit: int, max_bytes: int
    ) -> tuple[Sequence[CollectedObject], bool]:
        """The first of what is selected, by the time it was added, and whether there is more.

        At most `limit`, and as many as have `max_bytes` bytes together, but one in any case.
        """
        ...

    def manifest(self, collection: str, selection: Selection, limit: int) -> tuple[Sequence[CollectedObject], bool]:
        """As `objects`, without the bodies."""
        ...

    def holds(self, collection: str, object_id: str) -> bool:
        """Whether there is any version of an object."""
        ...

    def state(self, collection: str) -> tuple[int, int]:
        """When the last version was added (see `CollectedObject`), or -1; and how often any was removed or mended.

        While this stays, nothing has changed.
        """
        ...

    def check(self) -> str:
        """Look whether objects could be kept, changing nothing; return one sentence."""
        ...


class Journal(Outbox, Protocol):
    """The durable, ordered, deduplicated store of raw notifications, and what routes know about themselves.

    Safe for use from several threads. Two processes may open it; a lease keeps them off each other's routes.
    """

    def lease(self, name: str) -> AbstractContextManager[None]:
        """Hold the sole right to append for a source or advance a route; `name` is theirs.

        A block that ends with `Unavailable` or `Misconfigured` frees it for others; until one takes it, `status` names
        this process.

        Raises:
            Unavailable: another living process holds it, named in the message.
        """
        ...

    def renew_leases(self) -> Sequence[str]:
        """Renew every lease held, where it is time for that; return the names of those that were lost meanwhile.

        What needs a lost one is refused from then on, until it is taken anew.
        """
        ...

    def news(self) -> News:
        """What tells that routes have something to do; it costs little, however many routes there are."""
        ...

    def checkpoint(self, source: str) -> Json | None:
        """The checkpoint stored with the source's last page; `connector.model.ANEW` when the store has damaged it."""
        ...

    def append(self, source: str, page: Page) -> Appended:
        """Store a page, its gap and its checkpoint, all or nothing; return what of it was new.

        Deduplicates by source and notification id. What was unreadable becomes an entry (`connector.model.UNREADABLE`)
        and a dead letter whose route is the source, once. Requires the lease on the source.
        """
        ...

    def mend(self, source: str, seq: int, notification: Notification) -> bool:
        """Put a notification in the place of what is damaged of it (`Entry.damaged`); return whether it is whole now.

        Nothing changes unless the entry is damaged, and is of this source and of this notification's id, as it was when
        it was stored. The dead letters that routes made of the damage are to be retried, in the same transaction.
        Requires the lease on the source.
        """
        ...

    def due(self, source: str, now: int, limit: int, *, about: int = 0) -> Sequence[Subject]:
        """Subjects that entries of the source name and whose next look-up is due by a time (Unix seconds).

        At most `limit`; those never looked up come first, and of these the one that was named last. After them, at most
        `about` of what the entries are about (`Page.looks_up`), those first that became due last: when there are more
        than can ever be looked up, it is the newest that are.
        """
        ...

    def asked_since(self, source: str, since: int) -> int:
        """How many look-ups of the source were made at a time (Unix seconds) or later, of the last two days."""
        ...

    def learn(self, source: str, look_up: LookUp) -> bool:
        """Store what was looked up; return whether it says anything new.

        If it does, the entries that name the subject and that a route has delivered are outdated from then on, in the
        same transaction. Of an entity nothing is stored unless it is news: its digest is then another than that of
        the last notification, or of the last news. Entries stored later say what is newer themselves.
        When the answer is `absent` or `forbidden`, what was known before stays known. When it is of a
        URL, dead letters that were made without it, and not by a sink, are to be retried. Requires the lease on the
        source.
        """
        ...

    def judge(self, judgement: Judgement) -> tuple[StoredJudgement, Concerned]:
        """Store a judgement, with the time; return it, and what it concerns.

        From then on entries are read with it (`Entry.judgement`), where none of a higher kind decides: a notification's
        before an observable's, that before a rule's; of one kind the newest. Those that a route has delivered are
        outdated, in the same transaction; so are those that merely name the host that is judged. `TAKEN_BACK` ends all
        that was said of the same.
        """
        ...

    def sha256_of(self, digest: str) -> str | None:
        """The SHA-256 of the file with this MD5 or SHA-1; None: the journal, all of which is read, knows none."""
        ...

    def end_judgements(self) -> int:
        """Note of which judgements the time is over, which ends them as `judge` begins them; return how many."""
        ...

    def guarded(
        self,
        route: str | None,
        list_name: str | None,
        limit: int,
        sources: Collection[str] | None = None,
        routes: Collection[str] | None = None,
    ) -> Sequence[StoredSuppressed]:
        """What routes have suppressed, at most `limit`, the newest entries first: of one route and list, or of any.

        With `sources`, of the entries of these alone; with `routes`, by these alone.
        """
        ...

    def judgement(self, notification: Notification, source: str) -> Judgement | None:
        """What decides of all that is said of a notification (`Entry.judgement`), which need not be in the journal.

        An empty source is none: what is said for one source alone says nothing of it then.
        """
        ...

    def judgements(self, wanted: JudgementFilter, limit: int) -> Sequence[StoredJudgement]:
        """The judgements that are wanted, the newest first, at most `limit`."""
        ...

    def rule_records(self, limit: int, sources: Collection[str] | None = None) -> Sequence[RuleRecord]:
        """What the matches of each rule were judged, at most `limit`: those with the most false positives first.

        With `sources`, of the rules that matched in these alone.
        """
        ...

    def find(self, sources: Sequence[str], notification_id: str) -> Sequence[Entry]:
        """The entries of these sources that have this notification, in order: at most one for each source.

        As many as together take no more memory than they may, or one.
        """
        ...

    def changes(self, sources: Sequence[str], after: ChangeMark | None, until: int, limit: int) -> Changes:
        """What has changed since a mark of the assessment of entries of these sources, up to an entry; at most `limit`.

        That is what another look-up of their entity told, and what was judged. Without a mark: nothing, and the mark of
        this moment. An entry whose judgement or look-up is not its own, but of what it names, is among them.
        """
        ...

    def before(self, seq: int, sources: Sequence[str], limit: int) -> Sequence[Entry]:
        """Earlier entries of these sources about the same observable, the newest first, at most `limit`."""
        ...

    def latest(self, sources: Sequence[str], limit: int, before: int | None = None) -> Sequence[Entry]:
        """The entries of these sources that were stored last, the newest first, at most `limit`.

        They are fewer when together they would take more memory than they may; none only when there is none.
        With `before`, only those stored before that entry: the last one of the previous answer.
        """
        ...

    def positions_since(self, route: str | None, sources: Sequence[str], since: int | None) -> Mapping[str, int]:
        """The positions, by source, from which a route would deliver what was raised at a time (Unix seconds) or later.

        Each is just before the first such notification, and never after the route's own position.

        Args:
            route: None for a route that has delivered everything.
            sources: the sources it reads.
            since: None for the position before all entries.
        """
        ...

    def dead_letters(self, route: str | None = None, ids: Sequence[int] | None = None) -> Iterator[StoredDeadLetter]:
        """Dead letters, in the order of their entries: those of a route, or of these numbers, or all; read in pages.

        All of them include those of routes that are no longer configured.
        """
        ...

    def set_aside(self, route: str, seq: int, reason: str) -> bool:
        """Make a dead letter of an entry that the route is yet to deliver, so that it passes it without sending it.

        Returns False, and changes nothing, if the route has passed it already.
        """
        ...

    def ask_retry(self, ids: Sequence[int]) -> int:
        """Mark these dead letters for a retry by whoever serves their routes; return how many there are."""
        ...

    def drop(self, ids: Sequence[int]) -> int:
        """Forget these dead letters, and count them as dropped; return how many there were."""
        ...

    def report(self, name: str, report: JsonObject) -> None:
        """Keep what a source or route last said of itself, for `status` to show, unless another serves it."""
        ...

    def reported(self, name: str) -> JsonObject:
        """What a source or route last said of itself (`report`); empty when it never did."""
        ...

    def status(self, routes: Mapping[str, Sequence[str]], sources: Collection[str] | None = None) -> JournalStatus:
        """Counts and positions; `routes` has the configured routes, each with the sources that it reads.

        With `sources`, nothing of other sources is told or counted.
        """
        ...

    def prune(self, before: int, routes: Mapping[str, Sequence[str]]) -> int:
        """Forget notifications raised before a time (Unix seconds) that every route has dealt with; return how many.

        What is known of subjects is forgotten with the last notification that names them.

        Never drops what a route in `routes`, or one that the journal has ever served, has not read, nor what a dead
        letter of any route still needs. Their ids
        stay known for a while longer, so that a repeat is not stored again. What that frees is given back to the disk.
        """
        ...

    def forget_old(self, route: str, receiver: str, collection: str = "", keep_days: int | None = None) -> int:
        """Forget what the route sent to the receiver long ago; return how many versions, or objects of a collection.

        Of the ledger: superseded versions whose entries are past the retention, and objects that were not said for
        longer. Of the collection that the route fills, if it keeps what is old for some days alone: what was added
        before these, but for the newest version of what is still valid and of what something that stays refers to.
        Such an object is unknown to the ledger from then on.

        Does nothing if it was done on the same day. Requires the lease on the route.
        """
        ...

    def enlist(self, route: str, sources: Sequence[str], receiver: str, *, reads_all: bool = False) -> None:
        """Write down what a route reads, and where it sends: from now on that is held for it.

        With `reads_all` all sources are, those that come later too. Requires the lease on the route.
        """
        ...

    def served(self, routes: Mapping[str, Sequence[str]] = MappingProxyType({})) -> Sequence[ServedRoute]:
        """Every route that the journal has served and that was not forgotten, by name.

        What they have read of the sources that `routes` gives is left out: `status` has it.
        """
        ...

    def forget_route(self, route: str, sources: Sequence[str] = (), receiver: str | None = None) -> None:
        """Forget a route, with its dead letters; or, given sources, only what it has of others and of other receivers.

        Requires the lease on the route.
        """
        ...

    def forget_source(self, source: str) -> None:
        """Forget a source, its notifications and their dead letters. Requires the lease on the source."""
        ...

    @property
    def collections(self) -> Collections:
        """Where sinks may keep objects for others to read, in the same store."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...


@runtime_checkable
class SharedJournal(Protocol):
    """A journal whose sources and routes several processes share, on several machines."""

    def allot(self, kinds: Sequence[Sequence[str]], fetched: int, delivered: int) -> Collection[str]:
        """Give a sign of life, and learn which sources and routes this process is to serve.

        All processes have the same number of each kind, or one more, as far as their configurations have the same.
        What is not allotted any more is to be let go of; others are allotted it when its lease is free.

        Args:
            kinds: the names of all sources, and of all routes, that this process could serve.
            fetched: how many notifications it has fetched since it began.
            delivered: how many it has delivered.

        Raises:
            Unavailable: the store cannot be reached; what was allotted before stays so.
        """
        ...

    def workers(self) -> Sequence[Worker]:
        """The processes that share it, and those that died in the last hour; oldest first."""
        ...


class Format(Protocol):
    """Bytes and validity of one output format. No I/O.

    A mapping calls `quote` while it fills text; the pipeline calls `encode` on what the mapping made. This is all that
    a format of events needs. What else a format may have stands below: `Finalizing`, `ObjectFormat`, `Vocabulary`.

    Attributes:
        names: what mappings may name beside the notification: the format's own settings, the same for all
            notifications (STIX: the producer).
    """

    @property
    def names(self) -> JsonObject:
        """See above."""
        ...

    def quote(self, key: str, value: Json) -> str:
        """A value as it must stand inside other text of the property `key` (in a STIX pattern: a quoted literal).

        Raises:
            Refused: the value cannot stand there.
        """
        ...

    def encode(self, document: Document) -> bytes:
        """The bytes of a document: one line, UTF-8. Checks what a finalizer has not checked already.

        Args:
            document: as the mapping or, with `Finalizing`, a finalizer made it; with its times, if it has versions.

        Raises:
            Refused: the document breaks the format's rules; the message names the property, the value and the rule.
        """
        ...


@runtime_checkable
class Finalizing(Protocol):
    """A format that adds something to each document. A mapping has it do so before later documents refer to this one.

    Some of what a mapping will say is known when the mapping is loaded: the *shape* of its documents. What the shape
    shows to be right, a finalizer need not check in each document.
    """

    def finalizer(self, shape: Members | None, *, check: bool = True) -> Callable[[Document], Document]:
        """A function that completes what one name under `emit` has built.

        It adds what every document of the format carries (id, spec_version, …), and raises Refused, with the document,
        for what can be seen to be wrong already.

        Args:
            shape: what is known of everything that is built there; None when nothing is.
            check: False to refuse only what cannot be completed.
        """
        ...

    def finalized_shape(self, shape: Members) -> Members:
        """The shape that documents of this shape have once a finalizer has completed them."""
        ...


class _ToldByType(_ProtocolMeta):
    """What it is that an object is an instance of is told by its type alone, which Python remembers.

    `isinstance` with a protocol looks for each method at each call, which takes 15 µs; it is asked several times for
    each notification.
    """

    def __instancecheck__(self, instance: object) -> bool:
        return issubclass(type(instance), self)


@runtime_checkable
class ObjectFormat(Protocol, metaclass=_ToldByType):
    """A format whose documents are objects with an id, which come in versions. Those of any other format are events.

    An object is sent again when what it means has changed, and not otherwise; an event is new each time.
    """

    def shared_documents(self) -> Sequence[Document]:
        """Documents that all others refer to (STIX: identities, marking, extension definition)."""
        ...

    def identify(self, document: Document) -> Identity:
        """The identity of a document, which its finalizer has made."""
        ...

    def meaning(self, document: Document) -> bytes:
        """What of a document is news when it changes (`connector.values.news.meaning`); empty: all of it."""
        ...


@runtime_checkable
class Vocabulary(Protocol):
    """A format that knows which properties its specification defines. It refuses nothing on that account."""

    def undefined(self, document: Document) -> Mapping[tuple[str, ...], str]:
        """Properties of a document that the specification does not define, each with the list that lacks it.

        `("extension", "MyKey")` → `the CEF dictionary`.
        """
        ...


class Sink(Protocol):
    """Where messages go: transport only. A sink knows no mapping and no notification."""

    def send(self, messages: Sequence[Message]) -> Sequence[Refusal]:
        """Send all, by dependency level and then as given; return those that the receiver refused for good.

        Returns only when every other message was accepted, as far as the transport can tell.

        Raises:
            Unavailable: some may have arrived, all will be sent again.
        """
        ...

    def check(self) -> str:
        """Probe the receiver without sending anything that stays, on a connection of its own; return one sentence."""
        ...

    def close(self) -> None:
        """Let go of connections and files. `send` may be called again afterwards."""
        ...


@runtime_checkable
class Confirmation(Protocol):
    """A sink whose receiver does not answer (syslog over TCP): what it accepted could still be lost.

    For any other sink, what `send` has accepted is at the receiver.
    """

    def unconfirmed(self) -> int:
        """How many of the messages sent last could still be lost with the connection.

        The route's position waits until they are confirmed by what is sent after them, or by time.

        Raises:
            Unavailable: the connection ended with some of them unconfirmed; they will be sent again.
        """
        ...

    def finish(self) -> None:
        """Nothing more will be sent for now: make sure that the receiver takes all of it, so that all is confirmed.

        Raises:
            Unavailable: nobody can know that it did; what is unconfirmed will be sent again.
        """
        ...


@runtime_checkable
class Resumable(Protocol):
    """A sink that sends one batch in several requests, and remembers what came of each until all is dealt with.

    So one request that fails near the end has only what is left sent again.
    """

    def dealt_with(self, messages: Sequence[Message]) -> int:
        """How many of these, from the first on, were accepted or refused before `send` raised.

        Sent again without the others, they are answered as they were, and nothing goes out.
        """
        ...


@runtime_checkable
class Emptiable(Protocol):
    """What a sink has whose destination can begin anew without anyone saying so: a bundle that is rotated away."""

    def is_emptied(self) -> bool:
        """Whether what is sent next begins anew, so that nothing that was sent before is there.

        It is asked before a batch is made; when it becomes so after that, `send` raises `Unavailable` and sends
        nothing.
        """
        ...
