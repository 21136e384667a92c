"""The action list_notifications, which is also the feed of every package: from the journal or from VirusTotal."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, NamedTuple, Self

from pydantic import Field

from connector import app
from connector.actions.assessment import Assessment, Verdict
from connector.actions.envelope import InvalidParameters
from connector.actions.filter_terms import matcher
from connector.actions.notification_brief import Found, NotificationResult, Where
from connector.actions.registry import ActionContext, Parameters, Result, action
from connector.actions.time_parameter import Time
from connector.actions.upstream import asking, found_upstream, the_one_source
from connector.configuration import Plan
from connector.model import ChangeMark, Document, Entry, JsonObject, Refused
from connector.ports import Journal
from connector.values.assessments import with_unsaid
from connector.values.jsontext import list_or_empty

MOST_LOOKED_AT = 10_000
"""How many notifications of the journal one call looks at, at most; the next call goes on from there."""
_BATCH = 500
_PLACE = re.compile(r"[0-9]{1,18}(?:c[0-9]{1,18}){0,2}")
"""A `next` of the journal. A number of so many digits always fits into 64 bits.

What is between the numbers is a letter, so that no platform that keeps it takes it for one number, and alters it.
"""
_MOST_BESIDE = 20
"""How many other notifications of an observable are looked at to see whether it was, or is, what is asked for."""
_MOST_VALUES = 100


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
    minimum_score: int = Field(
        0,
        ge=0,
        le=100,
        description="Only notifications whose entity has at least this threat score; above 0, none without a score.",
    )
    verdicts: list[Verdict] = Field(
        default_factory=list,
        max_length=_MOST_VALUES,
        description=(
            "Only notifications with one of these verdicts on their entity: malicious, suspicious, undetected, benign, "
            "unknown."
        ),
    )
    entity_types: list[str] = Field(
        default_factory=list,
        max_length=_MOST_VALUES,
        description="Only notifications about one of these: file, url, domain, ip_address.",
    )
    rules: list[str] = Field(
        default_factory=list,
        max_length=_MOST_VALUES,
        description="Only notifications that one of these YARA rules or rulesets raised, by name.",
    )
    tags: list[str] = Field(
        default_factory=list,
        max_length=_MOST_VALUES,
        description="Only notifications that have one of these tags.",
    )
    muted: bool = Field(
        default=True,
        description=(
            "Whether to list also what no route delivers: what an analyst judged a false positive or benign, and what "
            "is on a known-good list."
        ),
    )
    changes: bool = Field(
        default=False,
        description=(
            "Whether to list also what no longer holds of what was listed before: what was looked up again or judged "
            "since, and what a later notification of the same observable says; `change` tells which. In the journal, "
            "oldest first."
        ),
    )
    order: Literal["oldest", "newest"] = Field(
        "oldest",
        description="Which notifications come first. In the journal, the order is that in which they were stored.",
    )
    limit: int = Field(
        100,
        ge=1,
        le=1000,
        description="How many notifications to list, at most; at VirusTotal, how many to look at.",
    )
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


@action(
    "read",
    "none in the journal; at VirusTotal, which needs the scope `act`, a request for every 40 notifications",
    filter="origin:hunting entity_type:file",
    since="2026-01-31T08:00:00Z",
    minimum_score=60,
    limit=50,
)
def list_notifications(context: ActionContext, asked: ListNotifications) -> ListResult:
    """List notifications with what is known of their entities, from the journal or from VirusTotal.

    Each comes with verdict, score, severity, confidence, families, actors, hashes, and when its entity was first and
    last seen. Nothing is fetched into the journal and nothing is delivered. A reader that passes `next` to its next
    call gets each notification of the journal once and misses none; with `changes`, it is also told what is to be taken
    back, and what has become what it asks for.
    """
    if asked.changes and (asked.where != "journal" or asked.order != "oldest"):
        raise InvalidParameters("changes: only the journal knows them, read with the oldest first")
    wanted = _Wanted(asked)
    if asked.source is not None:
        context.plan.source(asked.source)
    if asked.where == "virustotal":
        return _listed_upstream(context, asked, wanted)
    with app.open_journal(context.plan) as journal:
        return _listed_here(context.plan, journal, asked, wanted)


class _Wanted:
    """What a caller asks for.

    Raises:
        InvalidParameters: a term of the filter is not of its language.
    """

    def __init__(self, asked: ListNotifications) -> None:
        self._asked = asked
        self._has_terms = matcher(asked.filter) if asked.filter.strip() else None
        self._asks = any((self._has_terms, asked.entity_types, asked.tags, asked.rules))
        self._assesses = bool(asked.verdicts or asked.minimum_score or not asked.muted)

    def matches(self, found: Found, since: int | None) -> bool:
        """Whether it is asked for, whatever is known of its entity."""
        date, asked, view = found.notification.date, self._asked, found.view
        if since is not None and date is not None and date < since:
            return False
        if isinstance(view, Refused):
            return not self._asks and not self._assesses
        said = view["notification"]
        return (
            (self._has_terms is None or self._has_terms(said))
            and (not asked.entity_types or said["entity_type"] in asked.entity_types)
            and (not asked.tags or any(tag in asked.tags for tag in list_or_empty(said["tags"])))
            and (not asked.rules or any(name in asked.rules for name in _rule_names(view)))
        )

    def fits(self, found: Found) -> bool:
        """Whether what is known of its entity is what is asked for."""
        return self._is_asked_for(found.assessment) and (self._asked.muted or not found.is_muted)

    def lacks(self, found: Found, before: JsonObject) -> bool:
        """Whether what is not asked for would be, if it said what was said before of that which it says nothing of."""
        is_muted = found.is_muted and not self._asked.muted
        return not is_muted and self._is_asked_for(found.assessment_after(before))

    def fitted(self, found: Found) -> bool:
        """The same, but for known-good lists, which may have had it not yet when it was listed."""
        return self._is_asked_for(found.unguarded_assessment) and (self._asked.muted or not found.is_judged_wrong)

    def _is_asked_for(self, assessment: Assessment) -> bool:
        verdicts, minimum = self._asked.verdicts, self._asked.minimum_score
        return (not verdicts or assessment.verdict in verdicts) and (not minimum or (assessment.score or 0) >= minimum)


def _rule_names(view: Document) -> Iterator[object]:
    """The names of the rule that matched, and of its rulesets."""
    said = view["notification"]
    if isinstance(said["hunting_info"], dict):
        yield said["hunting_info"].get("rule_name")
    yield from (each.get("label") for each in list_or_empty(said["sources"]) if isinstance(each, dict))


class _Place(NamedTuple):
    """Where a reader of the journal is: up to which entry it has read, and up to where what changed of these."""

    position: int | None
    mark: ChangeMark | None

    @classmethod
    def read(cls, text: str | None) -> Self:
        """From `next`.

        Raises:
            InvalidParameters: it is none.
        """
        if text is None:
            return cls(None, None)
        if not _PLACE.fullmatch(text):
            raise InvalidParameters("next: it is not from a page of the journal")
        position, *mark = map(int, text.split("c"))
        return cls(position, ChangeMark(*mark) if mark else None)

    def __str__(self) -> str:
        numbers = [self.position or 0]
        if self.mark is not None:
            numbers += [each for each in self.mark if each is not None]
        return "c".join(map(str, numbers))


def _listed_here(plan: Plan, journal: Journal, asked: ListNotifications, wanted: _Wanted) -> ListResult:
    place = _Place.read(asked.next)
    listed: list[NotificationResult] = []
    looked_at = 0
    if asked.changes:
        listed, place, looked_at, are_all = _changed(plan, journal, asked, wanted, place)
        if not are_all:
            return ListResult(notifications=listed, next=str(place), more=True)
    more = True
    for entry in _entries(journal, plan, asked, place.position):
        if len(listed) == asked.limit or looked_at == MOST_LOOKED_AT:
            break
        place, looked_at = place._replace(position=entry.seq), looked_at + 1
        found = Found.of(entry, plan)
        if not wanted.matches(found, asked.since):
            continue
        if wanted.fits(found):
            listed.append(NotificationResult.brief(found, with_body=asked.bodies))
        elif asked.changes and _takes_back(plan, journal, asked, wanted, entry):
            listed.append(NotificationResult.brief(found, with_body=asked.bodies, change="withdrawn"))
    else:
        more = False
    kept = more or asked.order == "oldest"
    return ListResult(notifications=listed, next=str(place) if kept else None, more=more)


def _changed(
    plan: Plan, journal: Journal, asked: ListNotifications, wanted: _Wanted, place: _Place
) -> tuple[list[NotificationResult], _Place, int, bool]:
    """What has changed of what a reader has read, its place then, how much was looked at, and whether that is all."""
    listed: dict[int, NotificationResult] = {}
    looked_at = 0
    while True:
        most = min(_BATCH, asked.limit - len(listed), MOST_LOOKED_AT - looked_at)
        found = journal.changes(_sources(plan, asked), place.mark, place.position or 0, most)
        place = place._replace(mark=found.mark)
        looked_at += len(found.changes)
        for change in found.changes:
            again = Found.of(change.entry, plan)
            if (change.is_judged and again.judgement is None) or not wanted.matches(again, asked.since):
                continue
            stays = wanted.fits(again) and not again.is_muted
            if not stays and not again.is_muted:
                before = _earlier(plan, journal, asked, wanted, change.entry)
                if wanted.lacks(again, _said(plan, before, replace(change.entry, entity=None))):
                    continue
            other = _upheld_by(plan, journal, asked, wanted, change.entry) if again.is_judged_wrong else None
            listed[change.entry.seq] = NotificationResult.brief(
                again, with_body=asked.bodies, change="changed" if stays else "withdrawn", upheld_by=other
            )
        if found.are_all or len(listed) >= asked.limit or looked_at >= MOST_LOOKED_AT:
            return [*listed.values()], place, looked_at, found.are_all


def _upheld_by(plan: Plan, journal: Journal, asked: ListNotifications, wanted: _Wanted, entry: Entry) -> str | None:
    """Another notification of the observable of one that is judged wrong, which is still what is asked for."""
    for other in journal.alike(entry.seq, _sources(plan, asked), _MOST_BESIDE):
        found = Found.of(other, plan)
        if wanted.matches(found, asked.since) and wanted.fits(found) and not found.is_muted:
            return found.notification.id
    return None


def _takes_back(plan: Plan, journal: Journal, asked: ListNotifications, wanted: _Wanted, entry: Entry) -> bool:
    """Whether an entry that is not what is asked for is about an observable that was so until then.

    One that says less than the former takes nothing back.
    """
    before = _earlier(plan, journal, asked, wanted, entry)
    if before is None or not wanted.fitted(Found.of(before, plan)):
        return False
    return not wanted.lacks(Found.of(entry, plan), _said(plan, before))


def _earlier(plan: Plan, journal: Journal, asked: ListNotifications, wanted: _Wanted, entry: Entry) -> Entry | None:
    """The last entry about the same observable before one, of those that are asked for whatever is known."""
    earlier = journal.before(entry.seq, _sources(plan, asked), _MOST_BESIDE)
    return next((each for each in earlier if wanted.matches(Found.of(each, plan), asked.since)), None)


def _said(plan: Plan, *entries: Entry | None) -> JsonObject:
    """The attributes of an entity as entries had and have them, the oldest first."""
    said: JsonObject = {}
    for entry in entries:
        if entry is None:
            continue
        for each in (replace(entry, entity=None), entry):
            view = Found.of(each, plan).view
            said = said if isinstance(view, Refused) else with_unsaid(view["entity"], said)
    return said


def _sources(plan: Plan, asked: ListNotifications) -> list[str]:
    return [asked.source] if asked.source else list(plan.settings.sources)


def _entries(journal: Journal, plan: Plan, asked: ListNotifications, position: int | None) -> Iterator[Entry]:
    """Entries in the order asked for, from the position on, batch by batch."""
    sources = _sources(plan, asked)
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


def _listed_upstream(context: ActionContext, asked: ListNotifications, wanted: _Wanted) -> ListResult:
    name = asked.source or the_one_source(context.plan)
    found: list[Found] = []
    cursor, terms = asked.next, _terms(asked)
    with asking(context, name) as source:
        while True:
            try:
                items, cursor = source.search(
                    terms,
                    asked.since,
                    newest_first=asked.order == "newest",
                    limit=asked.limit - len(found),
                    cursor=cursor,
                )
            except Refused as error:
                raise InvalidParameters(str(error)) from None
            found += found_upstream(context.plan, name, items)
            if cursor is None or not items or len(found) >= asked.limit:
                break
    return ListResult(
        notifications=[
            NotificationResult.brief(each, with_body=asked.bodies)
            for each in found
            if wanted.matches(each, None) and wanted.fits(each)
        ],
        next=cursor,
        more=cursor is not None,
    )


def _terms(asked: ListNotifications) -> str:
    """What VirusTotal is asked for, so that no quota goes on what is passed over: it takes one value of each term."""
    terms = asked.filter.split()
    for name, values in (("entity_type", asked.entity_types), ("notification_tag", asked.tags)):
        if len(values) == 1 and values[0].isprintable() and " " not in values[0]:
            terms.append(f"{name}:{values[0]}")
    return " ".join(terms)
