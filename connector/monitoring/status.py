"""What is known of a journal, its sources and its routes: what `iocstream status --json` and `get_status` show.

Times are RFC 3339, lags in seconds.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from connector.model import JournalStatus, JsonObject, RouteStatus, RuleRecord, ServedRoute, SourceStatus, Worker
from connector.values.timestamps import timestamp


class ServedBy(BaseModel):
    """A living process that serves a source or route."""

    process: int = Field(description="Id of the process, on its own machine.")
    host: str = Field(description="Name of the machine that the process runs on.")


class Lost(BaseModel):
    """A span of time whose notifications are gone for good."""

    start: str = Field(description="When the span begins (RFC 3339).")
    end: str = Field(description="When the span ends (RFC 3339).")


class RulesetReport(BaseModel):
    """How close a ruleset is to the limit of its notifications in 24 hours."""

    id: str = Field(description="The ruleset's id at VirusTotal.")
    name: str | None = Field(None, description="The ruleset's name; null when it is not known.")
    rate_limited: bool = Field(default=False, description="Whether VirusTotal drops the ruleset's matches now.")
    rate_limited_ratio: float | None = Field(
        None, description="Part of the last 24 hours in which VirusTotal dropped its matches, from 0 to 1."
    )
    limit: int | None = Field(None, description="How many notifications it may raise a day; null when not known.")


class LookUpsReport(BaseModel):
    """What was looked up of what a source's notifications name."""

    known: int = Field(description="How many rulesets and collections are known.")
    absent: int = Field(description="How many VirusTotal does not have.")
    forbidden: int = Field(description="How many the API key may not read.")
    waiting: int = Field(description="How many of what notifications name are to be looked up, at first or again.")
    today: int = Field(description="How many look-ups were made since 00:00 UTC.")
    per_day: int = Field(description="How many look-ups are allowed a day, by `look_ups_per_day`.")
    message: str | None = Field(description="Why look-ups are paused; null when they are not.")
    rulesets: list[RulesetReport] = Field(description="The rulesets that were looked up, with their limits.")


class DamageReport(BaseModel):
    """What the disk had changed of how far a source or route had come."""

    reason: str = Field(description="What it was, and what is done about it.")
    at: str = Field(description="When it was found (RFC 3339).")


class PartReport(BaseModel):
    """What a source or route last said of itself."""

    name: str = Field(description="Name of the source or route.")
    state: str | None = Field(
        description="What it is doing: running, done, waiting or blocked; null when it has never run."
    )
    message: str | None = Field(description="Why it waits or is blocked.")
    retry_at: str | None = Field(
        None,
        description="When it tries again (RFC 3339), while it waits or is blocked: not sooner than the other side "
        "asked for (Retry-After), of which one hour is believed.",
    )
    served_by: ServedBy | None = Field(description="The process that serves it now; null when none does.")
    lag_seconds: int | None = Field(description="How many seconds it is behind.")
    damage: DamageReport | None = Field(
        None, description="What the disk had changed of how far it had come, last; null when it never has."
    )


class SourceReport(PartReport):
    """What is known of a source."""

    watermark: str | None = Field(
        description="Date up to which every notification has been stored (RFC 3339), but for those that appear late."
    )
    notifications: int = Field(description="How many notifications it has ever stored.")
    lost: list[Lost] = Field(
        description="Spans of time whose notifications VirusTotal deleted before they were fetched."
    )
    quota: dict[str, Any] | None = Field(description="The API key's quota, as VirusTotal last told it.")
    dead_letters: int = Field(
        0, description="How many items could not be read, and are dead letters of the source now."
    )
    look_ups: LookUpsReport | None = Field(
        description="What has been looked up of the rulesets and collections that notifications name; null when "
        "`look_ups_per_day` is 0."
    )


class RouteReport(PartReport):
    """What is known of a route."""

    sources: list[str] = Field(description="Names of the sources whose notifications the route delivers.")
    position: int = Field(description="The route's place in the journal.")
    backlog: int = Field(description="How many notifications wait to be delivered.")
    delivered: int = Field(description="How many notifications were ever delivered; one that is replayed counts again.")
    filtered: int = Field(description="How many notifications the route or its mapping ever left out.")
    made_nothing: int = Field(
        description="How many notifications the mapping wanted and made nothing of; not among the delivered."
    )
    nothing_passed: int = Field(
        description="How many notifications in a row, until now, were filtered out or made nothing of."
    )
    refused: int = Field(description="How many notifications were ever refused; one that is retried counts again.")
    dead_letters: int = Field(description="How many dead letters there are now.")
    dropped: int = Field(description="How many dead letters were dropped on command.")
    muted: int = Field(
        0, description="How many notifications in the journal it withholds now, because of what an analyst judged."
    )
    guarded: int = Field(
        0, description="How many notifications in the journal it did not deliver, because a known-good list has them."
    )
    guarded_hosts: int = Field(
        0, description="How many values that notifications merely name are not said to be bad, for a known-good list."
    )
    withdrawn: int = Field(
        description="How many notifications ever took back what was delivered; they are among the other counts."
    )
    outdated: int = Field(
        description="How many delivered notifications will be converted again with what was looked up or judged since."
    )


class JournalReport(BaseModel):
    """What is kept."""

    path: str = Field(description="Path of the journal's file; of one in a database, where that is.")
    notifications: int = Field(description="How many notifications the journal has now.")


class RuleReport(BaseModel):
    """What the matches of a rule were judged: counts of judgements in force."""

    name: str = Field(description="Name of the rule.")
    ruleset: str | None = Field(description="Id of its ruleset; null when that is not known.")
    source: str | None = Field(description="Name of the source whose notifications named it; null: of any.")
    judged: int = Field(description="How many judgements there are of it or of what it matched.")
    true_positive: int = Field(description="How many of them say true_positive.")
    false_positive: int = Field(description="How many of them say false_positive.")
    benign: int = Field(description="How many of them say benign.")
    precision: float = Field(description="Part of the judgements that say true_positive, from 0 to 1.")


class FormerPart(BaseModel):
    """What the journal holds for a route or source that is no longer configured as it was, until it is forgotten."""

    kind: str = Field(description="What it was: route or source.")
    name: str = Field(description="Name of the route or source.")
    sources: list[str] = Field(description="Names of the sources that a route read and reads no more.")
    unread: int = Field(description="How many notifications of these sources the route has not dealt with.")
    receivers: list[str] = Field(description="Receivers that a route sent to and sends to no more.")
    dead_letters: int = Field(description="How many dead letters there are of a route that is no longer configured.")
    forget: str = Field(description="The command that forgets it.")


class WorkerReport(BaseModel):
    """A process that serves its share of the sources and routes of a journal."""

    name: str = Field(description="Machine and process: `HOST/PID`.")
    since: str = Field(description="When it began (RFC 3339).")
    seen: str = Field(description="When it last gave a sign of life (RFC 3339).")
    is_alive: bool = Field(description="Whether that is recent; the others take over from one that is not alive.")
    is_drained: bool = Field(description="Whether it was told to serve nothing.")
    parts: list[str] = Field(description="Names of the sources and routes that it serves.")
    fetched: int = Field(description="How many notifications it has fetched since it began.")
    delivered: int = Field(description="How many notifications it has delivered since it began.")


class StatusReport(BaseModel):
    """What is known of everything."""

    journal: JournalReport = Field(description="What the journal holds now.")
    sources: list[SourceReport] = Field(description="One entry for each source of the configuration.")
    routes: list[RouteReport] = Field(description="One entry for each route of the configuration.")
    dead_letters_of_former_routes: dict[str, int] = Field(
        description="How many dead letters there are of routes that are no longer configured, by route."
    )
    former: list[FormerPart] = Field(
        description="What the journal still holds for routes and sources that are no longer configured as they were."
    )

    rules: list[RuleReport] = Field(
        default_factory=list,
        description="The rules whose matches were judged: at most 20, those with the most false positives first.",
    )

    workers: list[WorkerReport] = Field(
        default_factory=list,
        description="The processes that share the journal, and those that died in the last hour; none for a file.",
    )

    def as_json(self) -> JsonObject:
        """As JSON."""
        return self.model_dump(mode="json")


def report(
    known: JournalStatus,
    path: str,
    look_ups_per_day: Mapping[str, int],
    former: Sequence[FormerPart] = (),
    workers: Sequence[Worker] = (),
) -> StatusReport:
    """The status report of what a journal knows now.

    Args:
        known: what the journal says.
        path: where it is, for people.
        former: see `former_parts`.
        look_ups_per_day: how many look-ups each source may make a day.
        workers: the processes that share the journal.
    """
    now = time.time()
    return StatusReport(
        journal=JournalReport(path=path, notifications=known.entries),
        sources=[
            _source(source, now, look_ups_per_day.get(source.name, 0), known.other_dead_letters.get(source.name, 0))
            for source in known.sources
        ],
        routes=[_route(route, now) for route in known.routes],
        dead_letters_of_former_routes={
            name: count
            for name, count in known.other_dead_letters.items()
            if name not in {source.name for source in known.sources}
        },
        former=list(former),
        rules=[_rule(each) for each in known.rules],
        workers=[_worker(each) for each in workers],
    )


def former_parts(
    served: Sequence[ServedRoute],
    other_sources: Sequence[str],
    reads: Mapping[str, Sequence[str]],
    receivers: Mapping[str, str],
) -> Sequence[FormerPart]:
    """What a journal holds for routes and sources that are no longer configured as they were.

    Args:
        served: the routes it knows.
        other_sources: the sources it knows that are not configured.
        reads: the sources that each configured route reads.
        receivers: where each configured route sends.
    """
    parts = []
    for route in served:
        sources = [name for name in route.unread if name not in reads.get(route.name, ())]
        sent_to = [name for name in (*route.former_receivers, route.receiver) if name]
        others = [name for name in sent_to if name != receivers.get(route.name)]
        is_gone = route.name not in reads
        if is_gone or sources or others:
            parts.append(
                FormerPart(
                    kind="route",
                    name=route.name,
                    sources=sources,
                    unread=sum(route.unread[name] for name in sources),
                    receivers=others,
                    dead_letters=route.dead_letters if is_gone else 0,
                    forget=f"iocstream forget route {route.name}",
                )
            )
    for name in other_sources:
        forget = f"iocstream forget source {name}"
        parts.append(
            FormerPart(kind="source", name=name, sources=[], unread=0, receivers=[], dead_letters=0, forget=forget)
        )
    return parts


def _source(source: SourceStatus, now: float, per_day: int, dead_letters: int) -> SourceReport:
    checkpoint = source.checkpoint if isinstance(source.checkpoint, dict) else {}
    watermark, quota = checkpoint.get("watermark"), source.report.get("quota")
    # A source that looked and found nothing new is not behind: the lag is since it last looked.
    seen_until = max((at for at in (watermark, checkpoint.get("seen_until")) if at is not None), default=None)
    return SourceReport(
        **_of_part(source),
        lag_seconds=None if seen_until is None else max(0, round(now - seen_until)),
        watermark=None if watermark is None else timestamp(watermark),
        notifications=source.notifications,
        lost=[Lost(start=timestamp(gap.start), end=timestamp(gap.end)) for gap in source.gaps],
        quota=quota if isinstance(quota, dict) else None,
        dead_letters=dead_letters,
        look_ups=_look_ups(source, per_day) if per_day else None,
    )


def _rule(record: RuleRecord) -> RuleReport:
    return RuleReport(
        name=record.rule.name,
        ruleset=record.rule.ruleset or None,
        source=record.rule.source or None,
        judged=record.judged,
        true_positive=record.true_positive,
        false_positive=record.false_positive,
        benign=record.benign,
        precision=record.precision,
    )


def _worker(worker: Worker) -> WorkerReport:
    return WorkerReport(
        name=worker.name,
        since=timestamp(worker.since),
        seen=timestamp(worker.seen),
        is_alive=worker.is_alive,
        is_drained=worker.is_drained,
        parts=list(worker.parts) if worker.is_alive else [],
        fetched=worker.fetched,
        delivered=worker.delivered,
    )


def _look_ups(source: SourceStatus, per_day: int) -> LookUpsReport:
    found = source.look_ups
    return LookUpsReport(
        known=found.known,
        absent=found.absent,
        forbidden=found.forbidden,
        waiting=found.waiting,
        today=found.asked_today,
        per_day=per_day,
        message=source.report.get("look_up_trouble") or None,
        rulesets=[RulesetReport(id=subject.id, **said) for subject, said in found.reports.items()],
    )


def _route(route: RouteStatus, now: float) -> RouteReport:
    return RouteReport(
        **_of_part(route),
        lag_seconds=0 if route.oldest_pending is None else max(0, round(now - route.oldest_pending)),
        sources=list(route.sources),
        position=route.position,
        backlog=route.backlog,
        delivered=route.delivered,
        filtered=route.filtered,
        made_nothing=route.report.get("made_nothing", 0),
        nothing_passed=route.report.get("nothing_passed", 0),
        refused=route.refused,
        dead_letters=route.dead_letters,
        dropped=route.dropped,
        withdrawn=route.withdrawn,
        muted=route.muted,
        guarded=route.guarded,
        guarded_hosts=route.guarded_hosts,
        outdated=route.outdated,
    )


def _of_part(part: SourceStatus | RouteStatus) -> dict[str, Any]:
    by = part.served_by
    retry_at = part.report.get("retry_at")
    return {
        "name": part.name,
        "state": part.report.get("state"),
        "message": part.report.get("message") or None,
        "retry_at": None if retry_at is None else timestamp(round(retry_at)),
        "damage": None
        if part.damage is None
        else DamageReport(reason=part.damage.reason, at=timestamp(part.damage.at)),
        "served_by": None if by is None else ServedBy(process=by.process, host=by.host),
    }
