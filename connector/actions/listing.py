"""The action list_notifications, which is also the feed of every package: from the journal or from VirusTotal."""

from collections.abc import Callable, Iterator
from typing import Literal

from pydantic import Field

from connector import app
from connector.actions.assessment import Verdict
from connector.actions.envelope import InvalidParameters
from connector.actions.filter_terms import matcher
from connector.actions.notification_brief import Found, NotificationResult, Where
from connector.actions.registry import ActionContext, Parameters, Result, action
from connector.actions.time_parameter import Time
from connector.actions.upstream import asking, found_upstream, the_one_source
from connector.configuration import Plan
from connector.model import Document, Entry, Refused
from connector.ports import Journal
from connector.values.jsontext import list_or_empty

MOST_LOOKED_AT = 10_000
"""How many notifications of the journal one call looks at, at most; the next call goes on from there."""
_BATCH = 500
_INT64_DIGITS = 18
"""A number of so many digits always fits into 64 bits."""
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
    call gets each notification of the journal once and misses none.
    """
    wanted = _wanted(asked)
    if asked.source is not None:
        context.plan.source(asked.source)
    if asked.where == "virustotal":
        return _listed_upstream(context, asked, wanted)
    with app.open_journal(context.plan) as journal:
        return _listed_here(context.plan, journal, asked, wanted)


_Wanted = Callable[[Found, Document], bool]


def _wanted(asked: ListNotifications) -> _Wanted | None:
    """Whether a notification that was found, and as mappings see it, is asked for; None when all are.

    Raises:
        InvalidParameters: a term of the filter is not of its language.
    """
    tests: list[_Wanted] = []
    if asked.filter.strip():
        matches = matcher(asked.filter)
        tests.append(lambda _, view: matches(view["notification"]))
    if asked.entity_types:
        tests.append(lambda _, view: view["notification"]["entity_type"] in asked.entity_types)
    if asked.tags:
        tests.append(lambda _, view: any(tag in asked.tags for tag in list_or_empty(view["notification"]["tags"])))
    if asked.rules:
        tests.append(lambda _, view: any(name in asked.rules for name in _rule_names(view)))
    if asked.verdicts:
        tests.append(lambda found, _: found.assessment.verdict in asked.verdicts)
    if asked.minimum_score:
        tests.append(lambda found, _: (found.assessment.score or 0) >= asked.minimum_score)
    if not asked.muted:
        tests.append(lambda found, _: not found.is_muted)
    return (lambda found, view: all(test(found, view) for test in tests)) if tests else None


def _rule_names(view: Document) -> Iterator[object]:
    """The names of the rule that matched, and of its rulesets."""
    said = view["notification"]
    if isinstance(said["hunting_info"], dict):
        yield said["hunting_info"].get("rule_name")
    yield from (each.get("label") for each in list_or_empty(said["sources"]) if isinstance(each, dict))


def _fits(found: Found, since: int | None, wanted: _Wanted | None) -> bool:
    date = found.notification.date
    if since is not None and date is not None and date < since:
        return False
    if wanted is None:
        return True
    return not isinstance(found.view, Refused) and wanted(found, found.view)


def _listed_here(plan: Plan, journal: Journal, asked: ListNotifications, wanted: _Wanted | None) -> ListResult:
    position = _position(asked.next)
    listed: list[NotificationResult] = []
    looked_at, more = 0, True
    for entry in _entries(journal, plan, asked, position):
        if len(listed) == asked.limit or looked_at == MOST_LOOKED_AT:
            break
        position, looked_at = entry.seq, looked_at + 1
        found = Found.of(entry, plan)
        if _fits(found, asked.since, wanted):
            listed.append(NotificationResult.brief(found, with_body=asked.bodies))
    else:
        more = False
    kept = more or asked.order == "oldest"
    return ListResult(notifications=listed, next=str(position or 0) if kept else None, more=more)


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


def _listed_upstream(context: ActionContext, asked: ListNotifications, wanted: _Wanted | None) -> ListResult:
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
            NotificationResult.brief(each, with_body=asked.bodies) for each in found if _fits(each, None, wanted)
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


def _position(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _INT64_DIGITS):
        raise InvalidParameters("next: it is not from a page of the journal")
    return int(text)
