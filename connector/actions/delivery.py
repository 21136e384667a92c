"""Actions that move notifications: fetch and deliver once, or one notification now."""

from collections.abc import Iterator, Sequence
from typing import Literal, Self

from pydantic import BaseModel, Field

from connector import app
from connector.actions.envelope import Code, ErrorDetail
from connector.actions.preconditions import nobody_else_serves, nothing_to_stdout
from connector.actions.registry import ActionContext, Parameters, Result, action
from connector.actions.upstream import must_have_a_key_of_its_own
from connector.configuration import NotFound
from connector.model import Message, Refused
from connector.monitoring.status import Lost
from connector.operations import push
from connector.operations.push import Pushed
from connector.pipeline.part import Part
from connector.sources.virustotal.spending import NotAllowed
from connector.values.timestamps import timestamp


class PartResult(BaseModel):
    """What a source or route did.

    `waiting` is for an outage to end, `blocked` until a person acts, `running` cut short.
    """

    name: str = Field(description="Name of the source or route.")
    state: Literal["running", "done", "waiting", "blocked"] = Field(
        description=(
            "What it was doing at the end: `done`; `waiting` for an outage to end; `blocked` until a "
            "person acts; `running`, when it was cut short."
        )
    )
    why: str = Field(description="Why it waits or is blocked; otherwise empty.")


class SourceResult(PartResult):
    """What a source did."""

    fetched: int = Field(description="How many notifications the source gave.")
    new: int = Field(description="How many notifications of these the journal did not have.")
    lost: list[Lost] = Field(
        description="Spans of time whose notifications VirusTotal deleted before they were fetched."
    )
    unreadable: int = Field(
        description="How many dead letters there are now of what could not be read; earlier ones are not counted again."
    )
    reasons: dict[str, int] = Field(description="Each reason why something could not be read, with how often.")

    @classmethod
    def of(cls, part: Part) -> Self:
        """From the part of a run."""
        lost = [Lost(start=timestamp(gap.start), end=timestamp(gap.end)) for gap in part.gaps]
        return cls(
            name=part.name,
            state=part.state,
            why=part.message,
            fetched=part.fetched,
            new=part.new,
            lost=lost,
            unreadable=part.unreadable,
            reasons=dict(part.reasons),
        )


class RouteResult(PartResult):
    """What a route did, in notifications."""

    delivered: int = Field(description="How many notifications were delivered.")
    filtered: int = Field(description="How many notifications the route or its mapping does not want.")
    made_nothing: int = Field(description="How many notifications the mapping wants and made nothing of.")
    withdrawn: int = Field(description="How many notifications took back what was delivered.")
    muted: int = Field(description="How many notifications were withheld because of what an analyst judged.")
    refused: int = Field(description="How many notifications were refused and are dead letters now.")
    messages: int = Field(description="How many objects or events the receiver accepted.")
    reasons: dict[str, int] = Field(description="Each reason for a refusal, with how often it occurred.")

    @classmethod
    def of(cls, part: Part) -> Self:
        """From the part of a run."""
        return cls(
            name=part.name,
            state=part.state,
            why=part.message,
            delivered=part.delivered,
            filtered=part.filtered,
            made_nothing=part.made_nothing,
            withdrawn=part.withdrawn,
            muted=part.muted,
            refused=part.refused,
            messages=part.messages,
            reasons=dict(part.reasons),
        )


def errors_of(parts: Sequence[PartResult]) -> list[ErrorDetail]:
    """What went wrong in parts: an outage, a configuration, what was refused or lost."""
    return [ErrorDetail.of(code, f"{name}: {cause}") for part in parts for name, code, cause in _errors(part)]


def _errors(part: PartResult) -> Iterator[tuple[str, Code, str]]:
    if part.state == "blocked":
        yield part.name, "misconfigured", part.why
    elif part.state != "done":
        yield part.name, "unavailable", part.why or "asked to stop; the rest is for the next time"
    if isinstance(part, RouteResult | SourceResult):
        for reason, times in part.reasons.items():
            yield part.name, "rejected", f"{reason} ({times} time{'s' if times > 1 else ''})"
    if isinstance(part, SourceResult):
        for gap in part.lost:
            yield part.name, "notifications_lost", f"notifications from {gap.start} to {gap.end} are lost for good"


class Poll(Parameters):
    """Polls everything."""


class PollResult(Result):
    """What was fetched, and delivered where."""

    sources: list[SourceResult] = Field(description="What each source did, in the order of the configuration.")
    routes: list[RouteResult] = Field(description="What each route did, in the order of the configuration.")

    def message(self) -> str:
        """What was new, and what became of it."""
        counts = self.summary()
        return (
            f"{counts['new']} new notifications fetched; deliveries: {counts['delivered']},"
            f" refusals: {counts['refused']}, over {len(self.routes)} routes"
        )

    def summary(self) -> dict[str, int]:
        """In notifications; one that two routes deliver counts twice."""
        return {
            "fetched": sum(source.fetched for source in self.sources),
            "new": sum(source.new for source in self.sources),
            "delivered": sum(route.delivered for route in self.routes),
            "filtered": sum(route.filtered for route in self.routes),
            "refused": sum(route.refused for route in self.routes),
        }

    def errors(self) -> list[ErrorDetail]:
        """Outages, refusals, losses."""
        return errors_of([*self.sources, *self.routes])


@action(
    "act", "one request for each 40 new notifications of a source, at least one; besides, the look-ups that it may do"
)
def poll(context: ActionContext, _: Poll) -> PollResult:
    """Fetch what is new and deliver it on every route, once; then say what was done.

    This is for platforms that poll: called every few minutes, it does what `iocstream run` does all the time. What
    cannot be delivered during an outage is delivered by a later call. While another process serves a source or route it
    answers `served_elsewhere` and does nothing, because that process fetches and delivers already.
    """
    if context.sources is not None:
        raise NotAllowed("a token for some sources alone cannot poll, for that moves what is of others, too")
    context.spending.must_be_allowed()
    plan = context.plan
    nothing_to_stdout(plan, plan.settings.routes)
    nobody_else_serves(plan, (*plan.settings.sources, *plan.settings.routes))
    parts = app.run(plan, once=True, stop=context.stop)
    return PollResult(
        sources=[SourceResult.of(part) for part in parts if part.kind == "source"],
        routes=[RouteResult.of(part) for part in parts if part.kind == "route"],
    )


class PushNotification(Parameters):
    """What to deliver, and where."""

    id: str = Field(min_length=1, max_length=256, description="The notification's id at VirusTotal.")
    route: str = Field(description="Name of the route to deliver it on.")


class Answered(BaseModel):
    """What the receiver said of one object or event."""

    id: str = Field(description="The object's STIX id; for an event, the notification's id.")
    version: str | None = Field(description="The object's `modified`; null for what has no versions.")
    accepted: bool = Field(description="Whether the receiver accepted the object or event.")
    reason: str | None = Field(None, description="Why the receiver refused it, in the receiver's words.")


class PushResult(Result):
    """What became of the notification."""

    notification: str = Field(description="Id of the notification that was to be delivered.")
    route: str = Field(description="Name of the route it was delivered on.")
    outcome: Literal["delivered", "filtered", "withdrawn", "refused"] = Field(
        description=(
            "What became of it. `filtered`: the route or its mapping does not want it, and nothing was sent. "
            "`withdrawn`: the same, but what had been delivered of it was taken back."
        )
    )
    answers: list[Answered] = Field(description="What was sent, and how the receiver answered.")
    reasons: list[str] = Field(description="Why it was refused: by mapping, format or receiver.")
    fetched: bool = Field(
        description="Whether it was fetched from VirusTotal and stored first, as a poll would have done."
    )
    delivered_before: int = Field(description="How many notifications were due before it and were dealt with first.")

    def message(self) -> str:
        """What became of it, in a sentence."""
        accepted = sum(answer.accepted for answer in self.answers)
        match self.outcome:
            case "delivered":
                return (
                    f"notification {self.notification} delivered on {self.route}: {accepted} objects or events accepted"
                )
            case "filtered":
                return f"the route {self.route} does not want notification {self.notification}: nothing was sent"
            case "withdrawn":
                return (
                    f"the route {self.route} does not want notification {self.notification}: what was delivered of it"
                    f" was taken back, {accepted} objects or events accepted"
                )
        return f"notification {self.notification} was refused on {self.route}: {self.reasons[0]}"

    def summary(self) -> dict[str, int]:
        """Objects or events."""
        accepted = sum(answer.accepted for answer in self.answers)
        return {"accepted": accepted, "refused": len(self.answers) - accepted, "before": self.delivered_before}

    def errors(self) -> list[ErrorDetail]:
        """Each refusal."""
        return [ErrorDetail.of("rejected", reason) for reason in self.reasons]


@action(
    "act",
    "none when the journal has the notification, otherwise two or three requests",
    id="23423199401",
    route="taxii",
)
def push_notification(context: ActionContext, asked: PushNotification) -> PushResult:
    """Deliver one notification on one route now, and say what the receiver answered.

    A notification that is not in the journal is first fetched from VirusTotal and stored, as a poll would do; the
    other routes of its source deliver it later. If it is after the route's position, all notifications before it are
    delivered first, and the next poll does not send it again. If the route has dealt with it already, it is sent again
    in the same version. While another process serves the route the answer is `served_elsewhere`.
    """
    for name in context.plan.read_by(context.plan.route(asked.route)):
        must_have_a_key_of_its_own(context, name)
    plan = context.whole
    nothing_to_stdout(plan, [asked.route])
    nobody_else_serves(plan, [asked.route])
    try:
        pushed = push.push(plan, asked.route, asked.id, context.stop)
    except Refused as refusal:
        raise NotFound(str(refusal)) from None
    letters = [letter for batch in pushed.batches for letter in batch.dead_letters]
    return PushResult(
        notification=asked.id,
        route=asked.route,
        outcome=_outcome(pushed),
        answers=_answers(pushed),
        reasons=[f"{letter.by}: {letter.reason}" for letter in letters],
        fetched=pushed.fetched,
        delivered_before=pushed.before,
    )


def _outcome(pushed: Pushed) -> Literal["delivered", "filtered", "withdrawn", "refused"]:
    if any(batch.refused for batch in pushed.batches):
        return "refused"
    if any(batch.delivered for batch in pushed.batches):
        return "delivered"
    return "withdrawn" if pushed.accepted else "filtered"


def _answers(pushed: Pushed) -> list[Answered]:
    accepted = [_answered(message, None) for message in pushed.accepted]
    return accepted + [_answered(refusal.message, refusal.reason) for refusal in pushed.refused]


def _answered(message: Message, reason: str | None) -> Answered:
    return Answered(id=message.id, version=message.version, accepted=reason is None, reason=reason)
