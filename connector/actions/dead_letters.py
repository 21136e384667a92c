"""Actions for dead letters: list them, retry them."""

from collections import defaultdict
from typing import Annotated, Any

from pydantic import BaseModel, Field

from connector.actions.delivery import RouteResult, errors_of
from connector.actions.envelope import ErrorDetail
from connector.actions.preconditions import nothing_to_stdout, serving_processes
from connector.actions.registry import ActionContext, Parameters, Result, action
from connector.configuration import NotFound
from connector.operations import dead_letters

_MAX_REASONS = 100
"""Reasons that are told of at once: a receiver that puts an id into each answer has as many as there are letters."""


class ListRejected(Parameters):
    """Which dead letters."""

    route: str | None = Field(None, description="Name of the only route to look at. Without it: all routes.")
    reason: str | None = Field(
        None, description="Only those refused for this reason, word by word as `reasons` has it. Without it: all."
    )
    limit: int = Field(100, ge=1, le=1000, description="How many dead letters to list, at most.")
    after: int = Field(
        0, ge=0, description="Id of the last dead letter of the page before. Only those after it are listed."
    )


class DeadLetterResult(BaseModel):
    """What was refused, by whom, and why."""

    id: int = Field(description="Id of the dead letter, which retry_rejected takes.")
    route: str = Field(
        description="Name of the route that was to deliver it; of the source, when the source could not read it."
    )
    by: str = Field(
        description="Who refused it: notification, mapping, format, sink or person; source, when it could not be read."
    )
    reason: str = Field(description="Why it was refused, in the words of whoever refused it.")
    object: str | None = Field(description="Id of the refused object; null when the whole notification was refused.")
    refused_at: str | None = Field(description="When it was refused (RFC 3339).")
    source: str = Field(description="Name of the source that the notification is from.")
    notification: str = Field(description="The notification's id at VirusTotal.")
    raised: str | None = Field(description="When the notification was raised (RFC 3339).")


class ReasonResult(BaseModel):
    """How many dead letters of a route have the same reason."""

    dead_letters: int = Field(description="How many dead letters of the route have this reason.")
    route: str = Field(
        description="Name of the route that was to deliver them; of the source, when the source could not read them."
    )
    by: str = Field(
        description="Who refused them: notification, mapping, format, sink or person; source, when it could not read "
        "them."
    )
    reason: str = Field(description="Why they were refused, in the words of whoever refused them.")


class RejectedResult(Result):
    """A page of dead letters."""

    rejected: list[DeadLetterResult] = Field(description="The dead letters, ordered by id.")
    total: int = Field(description="How many dead letters there are in all.")
    reasons: list[ReasonResult] = Field(
        description="The same dead letters, of all pages, counted by route and reason: at most 100, the most frequent "
        "first."
    )

    def message(self) -> str:
        """How many there are."""
        return f"{len(self.rejected)} of {self.total} dead letters" if self.total else "there are no dead letters"

    def summary(self) -> dict[str, int]:
        """Listed, and in all."""
        return {"listed": len(self.rejected), "total": self.total}


@action("read", "none", limit=10)
def list_rejected(context: ActionContext, asked: ListRejected) -> RejectedResult:
    """List the dead letters, ordered by id: what was refused, by whom, when and why.

    A dead letter stays until it is delivered, or dropped on command.
    """
    found = sorted(_find(context, asked.route, asked.reason), key=lambda each: int(each["id"]))
    page = [each for each in found if each["id"] > asked.after][: asked.limit]
    return RejectedResult(
        rejected=[DeadLetterResult.model_validate(each) for each in page],
        total=len(found),
        reasons=[ReasonResult.model_validate(each) for each in dead_letters.by_reason(found)[:_MAX_REASONS]],
    )


class RetryRejected(Parameters):
    """Which dead letters."""

    route: str | None = Field(None, description="Name of the only route to retry. Without it: all routes.")
    reason: str | None = Field(
        None,
        description="Only those refused for this reason, word by word as list_rejected has it in `reasons`. Without "
        "it: all.",
    )
    ids: list[Annotated[int, Field(ge=1)]] = Field(
        default_factory=list, max_length=1000, description="Ids of the only dead letters to retry. Without any: all."
    )


class LeftResult(BaseModel):
    """Dead letters of a route that another process serves."""

    route: str = Field(description="Name of the route that another process serves.")
    dead_letters: int = Field(description="How many dead letters were left to that process.")
    process: int = Field(description="Id of the process, which retries them once it has nothing else to deliver.")
    host: str = Field(description="Name of the machine that the process runs on.")


class RetriedResult(Result):
    """What came of it, route by route."""

    routes: list[RouteResult] = Field(description="What each route did that was retried here.")
    left: list[LeftResult] = Field(description="What was left to other processes, by route.")

    def message(self) -> str:
        """What was delivered, what was refused again, and what another process does."""
        counts = self.summary()
        said = [f"{counts['delivered']} notifications delivered, {counts['refused']} refused again"] * bool(self.routes)
        said += [
            f"{each.dead_letters} left to process {each.process} on {each.host}, which serves the route {each.route}"
            " and retries them within seconds, with the mapping it was started with"
            for each in self.left
        ]
        return "; ".join(said) or "there are no dead letters"

    def summary(self) -> dict[str, int]:
        """Over all routes: in notifications; and the dead letters that were left to other processes."""
        counts = {
            name: sum(getattr(route, name) for route in self.routes) for name in ("delivered", "filtered", "refused")
        }
        return {**counts, "left": sum(each.dead_letters for each in self.left)}

    def errors(self) -> list[ErrorDetail]:
        """What was refused again, and routes that wait or are blocked."""
        return errors_of(self.routes)


@action(
    "act",
    "none; but two or three requests for each dead letter that a source could not read, which is fetched again",
    ids=[1, 2],
)
def retry_rejected(context: ActionContext, asked: RetryRejected) -> RetriedResult:
    """Deliver dead letters with the current mapping: those with these ids, or all of a route or reason, or all.

    The whole notification is converted again, and what its receiver does not have is sent. A notification that is
    delivered is no longer a dead letter; one that is refused again has the new reason. Dead letters of
    a route that another process serves are left to that process: it retries within seconds, with the mapping and
    settings it was started with, and list_rejected shows the result.
    """
    plan = context.whole
    found = _find(context, asked.route, asked.reason)
    if missing := sorted(set(asked.ids) - {each["id"] for each in found}):
        of_route = f" of the route {asked.route}" if asked.route else ""
        raise NotFound(f"there is no dead letter {missing[0]}{of_route}; list_rejected shows what there is")
    ids: defaultdict[str, list[int]] = defaultdict(list)
    for each in found:
        if not asked.ids or each["id"] in asked.ids:
            ids[each["route"]].append(each["id"])
    elsewhere = serving_processes(plan, sorted(ids))
    here = [number for route in ids.keys() - elsewhere.keys() for number in ids[route]]
    nothing_to_stdout(plan, ids.keys() - elsewhere.keys())
    if elsewhere:
        dead_letters.ask_retry(plan, [number for route in elsewhere for number in ids[route]])
    is_part = elsewhere or context.sources is not None or asked.reason is not None
    chosen = here if is_part else asked.ids
    parts = dead_letters.retry(plan, asked.route, chosen, context.stop) if here else []
    left = [
        LeftResult(route=route, dead_letters=len(ids[route]), process=by.process, host=by.host)
        for route, by in elsewhere.items()
    ]
    return RetriedResult(routes=[RouteResult.of(part) for part in parts], left=left)


def _find(context: ActionContext, route: str | None, reason: str | None) -> list[dict[str, Any]]:
    """The dead letters that the caller may see; a route that is no longer configured may have some too.

    Who may not see all sources sees no dead letter of a route that reads others as well, whoever's it is.
    """
    plan = context.plan
    is_seen = route in plan.settings.routes
    listed = dead_letters.find(plan, route) if is_seen else dead_letters.find(plan)
    found = [each for each in listed if route in (None, each["route"]) and context.sees(each["source"])]
    if context.sources is not None:
        seen = {*plan.settings.routes, *plan.settings.sources}
        found = [each for each in found if each["route"] in seen]
    if route is not None and not found:
        plan.route(route)
    return [each for each in found if reason in (None, each["reason"])]
