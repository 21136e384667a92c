"""How many notifications there were, hour by hour or day by day."""

from collections import Counter
from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, Field

from connector import app
from connector.actions.notification_brief import Found
from connector.actions.registry import ActionContext, Parameters, Result, action
from connector.actions.time_parameter import Time
from connector.configuration import Plan
from connector.model import Entry, Refused
from connector.ports import Journal
from connector.values.timestamps import timestamp

_SPANS = {"hour": 3600, "day": 86_400}
_TYPES = ("file", "url", "domain", "ip_address")
_BATCH = 500


class CountNotifications(Parameters):
    """Which notifications, and how finely."""

    per: Literal["hour", "day"] = Field("hour", description="The span of one count, in UTC: an hour or a day.")
    source: str | None = Field(None, description="Name of the only source to look at. Without it: all sources.")
    since: Time | None = Field(None, description="Only notifications raised at this time or later.")
    limit: int = Field(
        2000, ge=1, le=10_000, description="How many notifications to look at, at most: those that were stored last."
    )


class CountResult(BaseModel):
    """How many of one kind were raised in one span of time."""

    start: str = Field(description="When the span begins (RFC 3339).")
    entity_type: str = Field(description="What matched: file, url, domain, ip_address, or other.")
    severity: str = Field(
        description=(
            "Severity in Google Threat Intelligence's assessment of the entity: high, medium, low or "
            "none; unknown when there is none, or another one."
        )
    )
    notifications: int = Field(description="How many such notifications were raised in the span.")


class CountsResult(Result):
    """Counts, the earliest first."""

    per: Literal["hour", "day"] = Field(description="The span of one count: an hour or a day.")
    counts: list[CountResult] = Field(description="One entry for each span, type and severity; the earliest first.")
    undated: int = Field(description="How many notifications of those looked at have no date.")
    complete: bool = Field(
        description="Whether all notifications in the journal were looked at, and not only those stored last."
    )

    def message(self) -> str:
        """How many there are in all."""
        return f"{self.summary()['notifications']} notifications" + (
            "" if self.complete else ", and there are earlier ones that were not looked at"
        )

    def summary(self) -> dict[str, int]:
        """In all."""
        return {"notifications": sum(each.notifications for each in self.counts), "undated": self.undated}


@action("read", "none", per="day", since="2026-01-31")
def count_notifications(context: ActionContext, asked: CountNotifications) -> CountsResult:
    """Count the notifications of the journal over time, by what they are about and how severe that is.

    It looks at the notifications that were stored last, at most `limit` of them.
    """
    if asked.source is not None:
        context.plan.source(asked.source)
    sources = [asked.source] if asked.source else list(context.plan.settings.sources)
    span = _SPANS[asked.per]
    found: Counter[tuple[int, str, str]] = Counter()
    looked_at = undated = 0
    with app.open_journal(context.plan) as journal:
        for entry in _newest(journal, sources, asked.limit + 1, asked.since):
            looked_at += 1
            if looked_at > asked.limit:
                break
            date = entry.notification.date
            if date is None:
                undated += 1
            elif asked.since is None or date >= asked.since:
                found[(date - date % span, *_kind(entry, context.plan))] += 1
    return CountsResult(
        per=asked.per,
        counts=[
            CountResult(start=timestamp(start), entity_type=kind, severity=severity, notifications=number)
            for (start, kind, severity), number in sorted(found.items())
        ],
        undated=undated,
        complete=looked_at <= asked.limit,
    )


def _newest(journal: Journal, sources: list[str], limit: int, since: int | None) -> Iterator[Entry]:
    """The entries stored last, down to the first one raised since then."""
    first = min(journal.positions_since(None, sources, since).values())
    before = None
    while limit > 0:
        batch = journal.latest(sources, min(limit, _BATCH), before)
        yield from (entry for entry in batch if entry.seq > first)
        if not batch or batch[-1].seq <= first:
            return
        before = batch[-1].seq
        limit -= len(batch)


def _kind(entry: Entry, plan: Plan) -> tuple[str, str]:
    """The entity's type and severity."""
    found = Found.of(entry, plan)
    view = found.view
    if isinstance(view, Refused):
        return "other", "unknown"
    kind = view["notification"]["entity_type"]
    return kind if kind in _TYPES else "other", found.assessment.severity
