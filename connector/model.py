"""The nouns that all folders share, and the three errors, named by what the caller does about them.

In the order of a notification's way: what a source hands over, what the journal keeps, what goes to a sink, what the
journal then writes down; after that what `status` shows, and the objects of collections.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Self

Json = Any
"""A decoded JSON value."""
JsonObject = Mapping[str, Any]
"""A decoded JSON object, to be read."""
Document = dict[str, Any]
"""A JSON object that its holder may change: one output document of a mapping."""


class ConnectorError(Exception):
    """What can go wrong without being a bug; the message is a sentence for the person who reads the log.

    Attributes:
        has_progressed: whether something was achieved before it went wrong, so that waits need not grow.
    """

    has_progressed = False

    def kept(self) -> Self:
        """The error by itself: where it was raised, all that was in hand there would stay in memory with it."""
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self


class Unavailable(ConnectorError):
    """The other side cannot do it now: wait, then do the same again.

    Attributes:
        retry_after: seconds to wait, when the other side said so.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(ConnectorError):
    """This one notification or document cannot be handled, and never will be as it is: list it, go on.

    Attributes:
        by: who refused: `notification`, `mapping`, `format`, `sink` or `person`; `source`, when a source refused a
            question.
        document: what the mapping made and the format did not take; None when no document was at fault.
    """

    def __init__(self, message: str, *, by: str, document: "Document | None" = None) -> None:
        super().__init__(message)
        self.by = by
        self.document = document


class Misconfigured(ConnectorError):
    """Nothing will work until a person changes something: say what, and try again now and then."""


BUSY = "the receiver takes others, and has put this one off again and again"
"""How the reason of a dead letter begins that is retried without anybody asking (`Outbox.ask_retry_of`)."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One IoC-Stream notification: its identity, its time, and all that VirusTotal said of it, as it was said.

    Attributes:
        id: VirusTotal's notification id; for an item that has none, `sha256:` and the digest of its body.
        date: when VirusTotal raised it, in Unix seconds; None when the item does not say.
        body: the JSON object received, in whichever shape (`connector.notification` reads both).
    """

    id: str
    date: int | None
    body: JsonObject


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time whose notifications are gone for good, in Unix seconds."""

    start: int
    end: int


PERSON = "person"
"""Who refused what was set aside by hand (`Journal.set_aside`)."""
SET_ASIDE = "set aside by hand: the route goes on without it"
"""Why."""
UNREADABLE = "unreadable:"
"""What the id of an entry begins with that stands for an item its source could not read: no route delivers it."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What a source had to step over: it becomes a dead letter of the source.

    Attributes:
        id: the same each time it is met.
        reason: one sentence, with the place.
        date: when it was raised, in Unix seconds, as far as can be told.
        notification_id: what to ask the source for when it is retried; None when that cannot be told.
        excerpt: what was there, as text, bounded.
    """

    id: str
    reason: str
    date: int | None = None
    notification_id: str | None = None
    excerpt: str = ""


ANEW: Json = {"anew": True}
"""What stands in the place of a checkpoint that is lost: the source reads all that its upstream still has."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a source read at once, and where it then stood: stored together or not at all.

    Attributes:
        notifications: in the order the source gave them.
        checkpoint: the source's own JSON; handed back to `Source.pages` to go on from here.
        gap: what the source found to be lost since its last checkpoint.
        unreadable: what it stepped over.
        looks_up: whether the source can be asked about what they are about (`Ahead`); None: it cannot, or must not.
    """

    notifications: Sequence[Notification]
    checkpoint: Json
    gap: Gap | None = None
    unreadable: Sequence[Unreadable] = ()
    looks_up: "Ahead | None" = None


class Appended(NamedTuple):
    """What of a page the journal did not have before.

    Attributes:
        new: how many notifications.
        unreadable: what the source stepped over.
    """

    new: int
    unreadable: Sequence[Unreadable] = ()


class Ahead(NamedTuple):
    """What is to be looked up of the entities that notifications are about.

    Attributes:
        seconds: after how long each is to be looked up again; None: not at all.
        techniques: whether to look up what malicious and suspicious files do.
    """

    seconds: int | None
    techniques: bool = True


class Subject(NamedTuple):
    """What a notification names as its reason: a ruleset that matched, a collection that is followed.

    Attributes:
        type: in VirusTotal's terms: `hunting_ruleset`, `collection`; see `connector.notification.LOOKED_UP`.
    """

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class LookUp:
    """What a source answered about a subject.

    Attributes:
        state: `known`; `absent`, there is no such thing (any more); `forbidden`, this key may not read it; or `failed`,
            nothing was learned, and what was known stays.
        asked_at: when it was asked, in Unix seconds.
        due: when to ask again, in Unix seconds.
        attributes: what VirusTotal says of it, when it is known.
        digest: of those attributes whose change is news: with another digest, entries that name it are outdated.
        report: what `status` shows of it; empty for most.
        again: seconds after the subject was last named at which to ask again, sooner than when it is due.
        leads_to: what is to be looked up now that this is known: it is named by the same entries.
    """

    subject: Subject
    state: Literal["known", "absent", "forbidden", "failed"]
    asked_at: int
    due: int
    attributes: JsonObject | None = None
    digest: bytes = b""
    report: JsonObject = field(default_factory=dict)
    again: Sequence[int] = ()
    leads_to: Sequence[Subject] = ()


class Rule(NamedTuple):
    """A rule that matched: its name, the id of its ruleset, and the source whose notification says so.

    Where it stands for what is judged, an empty ruleset or source is any.
    """

    name: str
    ruleset: str = ""
    source: str = ""


class Judged(NamedTuple):
    """What an analyst judges.

    Attributes:
        kind: a `notification`; an `observable`, with all that are raised about it; or a `rule`, with all that it
            matches.
        value: the notification's id, the observable, or the rule's name.
        ruleset: of a rule, the id of its ruleset; empty: any.
        source: only what this source has raised; empty: any.
    """

    kind: Literal["notification", "observable", "rule"]
    value: str
    ruleset: str = ""
    source: str = ""


Verdict = Literal["true_positive", "false_positive", "benign"]
TAKEN_BACK: Final = "none"
"""The verdict that takes back what was judged before."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an analyst says of a notification, of an observable or of a rule.

    Attributes:
        verdict: or `TAKEN_BACK`, which decides nothing.
        by: who says so.
        note: why; empty when nothing was said.
        until: when it is over, in Unix seconds; None: never.
        at: when it was said, in Unix seconds.
    """

    judged: Judged
    verdict: Verdict | Literal["none"]
    by: str
    note: str = ""
    until: int | None = None
    at: int = 0

    @property
    def withholds(self) -> bool:
        """Whether what it is about is not to be delivered."""
        return self.verdict in ("false_positive", "benign")


@dataclass(frozen=True, slots=True)
class StoredJudgement:
    """A judgement as a journal keeps it.

    Attributes:
        id: a number, greater than that of every earlier one.
        state: `in force`; `superseded` by a later one; `over`, because it was taken back or its time has passed; or
            `damaged`: the disk has changed it, and it decides nothing.
        rules: the rules that had matched what was judged, as far as the journal knew then.
    """

    id: int
    judgement: Judgement
    state: Literal["in force", "superseded", "over", "damaged"]
    rules: Sequence[Rule] = ()


class Concerned(NamedTuple):
    """What of the journal a judgement concerns.

    Attributes:
        matches: how many entries.
        naming: the ids of notifications of others, which merely name the host that is judged, in order.
    """

    matches: int
    naming: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class JudgementFilter:
    """Which judgements to list: every condition that is given must hold.

    Attributes:
        value, source: of exactly this.
        before: only those with a lower id.
        in_force: only those that decide.
    """

    kind: str | None = None
    value: str | None = None
    verdict: str | None = None
    source: str | None = None
    by: str | None = None
    before: int | None = None
    in_force: bool = False


@dataclass(frozen=True, slots=True)
class RuleRecord:
    """How often what a rule matched was judged what: counts of judgements in force."""

    rule: Rule
    true_positive: int = 0
    false_positive: int = 0
    benign: int = 0

    @property
    def judged(self) -> int:
        """How many there are."""
        return self.true_positive + self.false_positive + self.benign

    @property
    def precision(self) -> float:
        """Of what was judged, the part that is true, from 0 to 1; 0 when nothing was."""
        return self.true_positive / self.judged if self.judged else 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A notification in the journal.

    Attributes:
        seq: grows by storing order, never reused.
        context: the attributes of what the notification names, as far as they were known when it was read.
        learned: the journal's count of what it had learned when it was read; see `Advance`.
        damaged: whether it is not what was stored any more; the notification's body is then empty.
        judgement: what decides of all that is said of it, of its observable and of its rule, when it was read. When all
            of it is over, the last word, with the verdict `TAKEN_BACK`.
        entity: the attributes of its entity as JSON, where they were looked up after it was stored, and were news.
    """

    seq: int
    source: str
    notification: Notification
    context: Mapping[Subject, JsonObject] = field(default_factory=dict)
    learned: int = field(default=0, compare=False)
    damaged: bool = False
    judgement: Judgement | None = None
    entity: bytes | None = None

    @property
    def is_unreadable(self) -> bool:
        """Whether it stands for what its source could not read (`UNREADABLE`)."""
        return self.notification.id.startswith(UNREADABLE)


class ChangeMark(NamedTuple):
    """Up to where changes have been read.

    Attributes:
        learned: the count of what had been learned (`Entry.learned`).
        seq: of what was learned last, up to which entry; None: all of it.
    """

    learned: int
    seq: int | None = None


class Change(NamedTuple):
    """An entry of whose entity, or in whose judgement, something changed after it was stored.

    Attributes:
        is_judged: whether an analyst said something of it, or of what it names; else it was looked up again.
    """

    mark: ChangeMark
    entry: Entry
    is_judged: bool


class Changes(NamedTuple):
    """Some changes, in the order in which they were learned.

    Attributes:
        mark: where to go on.
        are_all: whether there are no more now.
    """

    changes: Sequence[Change]
    mark: ChangeMark
    are_all: bool


@dataclass(frozen=True, slots=True)
class News:
    """What tells that routes have something to do.

    Attributes:
        sources: for each source a mark, which is another as soon as it has new entries, or more is known of old ones.
        to_retry: the routes with dead letters of which a retry was asked.
    """

    sources: Mapping[str, tuple[int, int]]
    to_retry: Sequence[str]


@dataclass(frozen=True, slots=True)
class Outdated:
    """Entries that a route has delivered knowing less than is known now.

    Attributes:
        mark: the journal's own note of which ones these are; handed back with the redelivery.
        refused: the dead letters that they have already, by seq and object.
        withheld: those that were not sent, because of what an analyst judged, or, with events, of a condition.
        judged: what was judged since, by seq and `Judged.kind`; what was looked up may be new of these, too.
    """

    entries: Sequence[Entry]
    mark: Json
    refused: Collection[tuple[int, str]] = ()
    withheld: Collection[int] = ()
    judged: Collection[tuple[int, str]] = ()


class Reconsidered(NamedTuple):
    """How far a route has looked through what its receiver was told to be bad, for what it lets through no more.

    Attributes:
        terms: on which it now lets notifications through; see `connector.pipeline.route.Route`.
        to: the last observable that it has looked at; None: all are looked at.
    """

    terms: str
    to: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """The last entries to have said of some observables that they are bad, where that stands at a receiver.

    Attributes:
        until: what is to be noted when they are dealt with.
        refused, withheld: see `Outdated`.
    """

    entries: Sequence[Entry]
    until: Reconsidered
    refused: Collection[tuple[int, str]] = ()
    withheld: Collection[int] = ()


class Provisional(dict[str, Any]):
    """A document that may say less of its object than an earlier one: only for receivers with no version of it yet."""


class Yielding(Provisional):
    """A provisional document that yields only to what notifications about other observables say of the object.

    Where none of them says more, it is sent as any other: what was said of the object before rested on its own.
    """


YIELDS = "yields"
"""What `$provisional` gives of such a document."""


def provisional(document: Document, why: Json) -> Document:
    """A document as provisional, by what `$provisional` gives of it."""
    return Yielding(document) if why == YIELDS else Provisional(document)


class Identity(NamedTuple):
    """What a document is, across all the times it is sent.

    Attributes:
        id: the same for every version (a STIX id).
        versioned: whether the document carries `created` and `modified` (STIX SDO and SRO do; SCO and markings do not).
        dependency_level: all documents of a level are accepted by the receiver before any of the next is sent.
            0 is what all others refer to, 1 what refers to those alone, 2 what refers to others as well.
    """

    id: str
    versioned: bool
    dependency_level: int


class Version(NamedTuple):
    """One version of a document that a route has sent or is about to send.

    Attributes:
        object_id: the document's id.
        seq: the entry that gave rise to this version.
        digest: of the content without `created`, `modified` and `valid_until`; after that, of an object whose numbers
            change all the time, what it means (`connector.values.news`).
        created: RFC 3339; empty for documents that carry none.
        modified: RFC 3339, greater than that of every earlier version of the same object; empty likewise.
        sent: whether the sink has accepted it; None: it has, and it is to be sent again.
        last_seq: the last entry found to say the same, when that came after `seq`; of a revocation also `seq`, once the
            sink has accepted it.
        valid_until: until when it is valid, as it was written; empty when it did not say, or said so within the digest.
        revoked: whether it takes the object back; no later version of it may be made.
    """

    object_id: str
    seq: int
    digest: bytes
    created: str
    modified: str
    sent: bool | None
    last_seq: int = 0
    valid_until: str = ""
    revoked: bool = False

    @property
    def is_there(self) -> bool:
        """Whether the receiver may be taken to have it."""
        return self.sent is not False


class VersionBeside(Version):
    """One that another route into the same receiver has sent or is about to send, and this route has not."""

    __slots__ = ()


class Claim(NamedTuple):
    """What a route has told its receiver of an observable.

    Attributes:
        observable: 64 bits that tell it from others (`connector.pipeline.claims.observable`).
        seq: the entry that began it.
        stands: True, it is bad; False, what was said before is taken back.
        last_seq: the last entry that said the same, when that came after `seq`.
        in_doubt: whether it is not known if the receiver has accepted that.
    """

    observable: int
    seq: int
    stands: bool
    last_seq: int = 0
    in_doubt: bool = False


class Withheld(NamedTuple):
    """Why a route does not let something of an observable through; what it has delivered of it is taken back.

    Attributes:
        by: `verdict`, the mapping's `claim` is false; `condition`, the route's `when` or the mapping's `match` is;
            `guard`, it is on a known-good list; `judgement`, an analyst says so.
        reason: one sentence, without a full stop.
        of: `observable`, all that was delivered of it; `match`, what one match has said alone, for another stands.
        notifications: of events, the ids of the notifications of which some were delivered, the newest first.
        matches: the same, each as `id` with the `tenant` whose it is (the label of its source), or None.
    """

    by: str
    reason: str
    of: Literal["observable", "match"] = "observable"
    notifications: Sequence[str] = ()
    matches: Sequence[JsonObject] = ()

    def taking_back(self, matches: Sequence[tuple[str, JsonObject]]) -> "Withheld":
        """The same of these notifications, each with its source as mappings see it."""
        told: list[JsonObject] = [{"id": each, "tenant": source["labels"].get("tenant")} for each, source in matches]
        return self._replace(notifications=[each for each, _ in matches], matches=told)


NOT_CLAIMED = Withheld("verdict", "what is known of it now does not say that it is bad")
"""The reason by verdict."""


@dataclass(frozen=True, slots=True)
class Message:
    """One encoded document on its way to a sink.

    Attributes:
        seq: the journal entry it comes from; 0 outside a journal.
        id: what a refusal names: the STIX id, or the notification id for an event.
        body: the bytes, with no framing and no line feed.
        time: when the notification was raised, in Unix seconds.
        version: the STIX `modified`, when the document has one.
        dependency_level: see `Identity`.
    """

    seq: int
    id: str
    body: bytes
    time: int
    version: str | None = None
    dependency_level: int = 1


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that the receiver will not take, in the receiver's words."""

    message: Message
    reason: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What was not delivered and will not be unless someone acts.

    Attributes:
        seq: the journal entry.
        by: who refused it: `notification`, `mapping`, `format`, `sink` or `person`; of a source, `source`.
        reason: one sentence.
        object_id: the refused document; empty when the whole notification was refused.
        document: the rendered document, when there was one.
        notification_id: whose it is; a journal need not keep it, since the entry has it.
    """

    seq: int
    by: str
    reason: str
    object_id: str = ""
    document: bytes | None = None
    notification_id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """A dead letter as a journal keeps it.

    Attributes:
        id: a number to name it by; the same for as long as this entry and object are refused.
        route: whose it is; the name of the source, when it is one of the source's own (`Unreadable`).
        source: whose notification it is about.
        date: when that was raised, in Unix seconds; None when it does not say.
        refused_at: when it was last refused, in Unix seconds; None when that was not written down.
    """

    id: int
    route: str
    source: str
    date: int | None
    refused_at: int | None
    letter: DeadLetter


@dataclass(frozen=True, slots=True)
class Advance:
    """All that changes when a route has dealt with a batch: one transaction.

    Attributes:
        position: the last entry dealt with.
        delivered: notifications of which every document was accepted.
        filtered: notifications that the route does not want.
        refused: notifications with at least one dead letter.
        dead_letters: what was refused.
        sent: the versions that the sink accepted, now or, where an entry says the same again, before.
        learned: what had been learned when the entries were read (`Entry.learned`). Entries that name a subject learned
            of since then are outdated. None: nothing is.
        revises: whether something can be sent of what is learned later; if not, only what is judged outdates entries.
        receiver: who has what was sent; see `Outbox.versions`.
        claims: what the receiver was told of observables.
        withdrawn: notifications that took something back; they are counted as delivered or filtered as well.
        muted: the entries that are withheld because of what an analyst judged.
        guarded: what was suppressed, in the place of what the journal has of these entries.
        turned_away: with events, the entries that a condition does not let through.
    """

    position: int
    delivered: int
    filtered: int
    refused: int
    dead_letters: Sequence[DeadLetter] = ()
    sent: Sequence[Version] = ()
    learned: int | None = None
    revises: bool = True
    receiver: str = ""
    claims: Sequence[Claim] = ()
    withdrawn: int = 0
    muted: Sequence[int] = ()
    guarded: "Sequence[Suppressed]" = ()
    turned_away: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Redelivery:
    """All that changes when a route has dealt with entries again, out of turn: one transaction; see `Advance`.

    Attributes:
        seqs: the entries dealt with.
        mark: that of `Outdated`, when these were outdated entries; else None.
        reconsidered: that of `Standing`, when these were among such.
        receiver: who has what was sent; see `Outbox.versions`.
    """

    seqs: Sequence[int]
    delivered: int
    filtered: int
    refused: int
    dead_letters: Sequence[DeadLetter] = ()
    sent: Sequence[Version] = ()
    mark: Json = None
    receiver: str = ""
    claims: Sequence[Claim] = ()
    withdrawn: int = 0
    muted: Sequence[int] = ()
    guarded: "Sequence[Suppressed]" = ()
    turned_away: Sequence[int] = ()
    reconsidered: Reconsidered | None = None


class Guarded(NamedTuple):
    """That a value is known to be good, and what follows.

    Attributes:
        list: the name of the list that it is on.
        effect: `suppress`, nothing is said to be bad of it; or `label`.
        confidence: with `label`, the most confidence that is given, from 0 to 100.
        entry: what of the list it matches.
    """

    list: str
    effect: str
    confidence: int | None
    entry: str

    def for_mappings(self) -> dict[str, Json]:
        """What mappings see of it."""
        return {"list": self.list, "effect": self.effect, "confidence": self.confidence}

    @property
    def is_suppressed(self) -> bool:
        """Whether nothing is said to be bad of it."""
        return self.effect == "suppress"


class Suppressed(NamedTuple):
    """A value of a notification that is not said to be bad, since a known-good list has it or an analyst says so.

    Attributes:
        seq: the entry.
        value: at most 2,048 characters of it.
        is_derived: whether the notification merely names it; else it is about it, and was not delivered.
        list, entry: see `Guarded`.
    """

    seq: int
    value: str
    is_derived: bool
    list: str
    entry: str


@dataclass(frozen=True, slots=True)
class StoredSuppressed:
    """What a route has suppressed, with the notification: its source, its id, and when it was raised (Unix seconds)."""

    route: str
    source: str
    notification_id: str
    raised: int
    suppressed: Suppressed


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """The living process that serves a source or route, as its own machine knows it."""

    host: str
    process: int


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that serves its share of the sources and routes of a journal. Times are in Unix seconds.

    Attributes:
        holder: the token of its leases.
        name: as people name it: host and process.
        since: when it began.
        seen: its last sign of life.
        is_drained: whether it was told to serve nothing.
        could: the sources, and the routes, of its configuration.
        parts: those of them that it is to serve.
        fetched, delivered: how many notifications since it began.
        is_alive: whether its last sign of life is recent.
    """

    holder: str
    name: str
    since: int
    seen: int
    is_drained: bool
    could: Sequence[Sequence[str]]
    parts: Sequence[str]
    fetched: int
    delivered: int
    is_alive: bool


@dataclass(frozen=True, slots=True)
class LookUpStatus:
    """What a source has looked up of what its notifications name.

    Attributes:
        known, absent, forbidden: how many subjects there are of each state.
        waiting: how many are to be looked up, for the first time or again.
        asked_today: how many were looked up since 00:00 UTC.
        reports: what the look-ups reported, by subject.
    """

    known: int = 0
    absent: int = 0
    forbidden: int = 0
    waiting: int = 0
    asked_today: int = 0
    reports: Mapping[Subject, JsonObject] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Damage:
    """What the disk had changed of how far a source or route had come, what is done about it, and when (Unix seconds).

    A damaged value decides nothing.
    """

    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """What the journal knows of a source.

    Attributes:
        notifications: how many were ever stored.
        newest: the latest date among all ever stored, in Unix seconds.
        damage: what the disk had changed of its checkpoint, last.
        pruned_until: the latest date of one that was pruned, in Unix seconds; up to then the journal is incomplete.
        report: what it last said of itself; it stays when its process ends.
        served_by: who holds its lease, or has let it go while something is wrong; None when nobody does.
    """

    name: str
    checkpoint: Json
    notifications: int
    newest: int | None
    gaps: Sequence[Gap]
    report: JsonObject
    pruned_until: int | None = None
    damage: Damage | None = None
    served_by: LeaseHolder | None = None
    look_ups: LookUpStatus = field(default_factory=LookUpStatus)


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """What the journal knows of a route: where it stands, and counts that only grow.

    Attributes:
        delivered, filtered, refused: how often a notification was dealt with, and how it ended; one that is replayed
            or retried counts again.
        dead_letters: what is refused now.
        dropped: dead letters that were dropped on command.
        withdrawn: notifications that took back what was delivered; they are among those delivered or filtered.
        muted: notifications in the journal that are withheld because of what an analyst judged.
        guarded: notifications in the journal that are withheld because of a known-good list.
        guarded_hosts: values that notifications in the journal name and that a known-good list suppresses.
        outdated: notifications to be converted again, for what was learned after they were delivered; one counts once
            for each subject.
        damage: what the disk had changed of its positions, last.
        report, served_by: see `SourceStatus`.
    """

    name: str
    sources: Sequence[str]
    position: int
    backlog: int
    oldest_pending: int | None
    delivered: int
    filtered: int
    refused: int
    dead_letters: int
    report: JsonObject
    dropped: int = 0
    withdrawn: int = 0
    muted: int = 0
    guarded: int = 0
    guarded_hosts: int = 0
    damage: Damage | None = None
    served_by: LeaseHolder | None = None
    outdated: int = 0


@dataclass(frozen=True, slots=True)
class ServedRoute:
    """A route that the journal has served: what is held for it until a person has it forgotten.

    Attributes:
        receiver: where it last sent; empty when that was not written down.
        former_receivers: where it sent before.
        unread: by each source it reads, or has read, how many notifications it has not dealt with.
    """

    name: str
    receiver: str
    former_receivers: Sequence[str]
    unread: Mapping[str, int]
    dead_letters: int


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """The journal at one moment.

    Attributes:
        other_dead_letters: how many there are of routes that were not asked about, by route.
        rules: what the matches of rules were judged: some of those with the most false positives, these first.
    """

    entries: int
    sources: Sequence[SourceStatus] = field(default_factory=tuple)
    routes: Sequence[RouteStatus] = field(default_factory=tuple)
    other_dead_letters: Mapping[str, int] = field(default_factory=dict)
    rules: Sequence[RuleRecord] = ()


class StixObject(NamedTuple):
    """One version of a STIX object, on its way into a collection.

    Attributes:
        type: as the object has it.
        version: its `modified`, or else its `created`, as it is written there; None when it has neither (an SCO).
        body: the object as JSON.
    """

    id: str
    type: str
    version: str | None
    body: bytes


class CollectedObject(NamedTuple):
    """One version of a STIX object, as a collection keeps it.

    Attributes:
        added: when it was added, in milliseconds since 1970; each version's own, and greater than every earlier one.
        version: see `StixObject`; of one that has none, the time it was added, as a TAXII timestamp.
        body: the object as JSON; empty when it was not asked for, or is damaged.
        damaged: whether it is not what was stored any more.
    """

    added: int
    id: str
    version: str
    body: bytes = b""
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """Which versions of which objects of a collection: every condition must hold (TAXII 2.1 section 3.4).

    Attributes:
        after: only what was added after this time, in milliseconds since 1970.
        ids, types: only these objects; None: any.
        last, first, every: whether to take the newest version of each object, the oldest, all of them.
        versions: versions to take besides, by their times in microseconds since 1970.
    """

    after: int = -1
    ids: frozenset[str] | None = None
    types: frozenset[str] | None = None
    last: bool = True
    first: bool = False
    every: bool = False
    versions: frozenset[int] = frozenset()
