"""Actions for what was refused: see it, have it delivered after all."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from connector import dead_letters
from connector.actions.delivery import RouteResult, troubles_of
from connector.actions.envelope import NotFound, Trouble
from connector.actions.registry import Context, Parameters, Result, action
from connector.actions.serving import known_route, nobody_else_serves, nothing_to_stdout
from connector.app import Plan


class ListRejected(Parameters):
    """Which dead letters."""

    route: str | None = Field(None, description="Of this route alone; default: of all.")
    limit: int = Field(100, ge=1, le=1000, description="How many at most.")
    after: int = Field(0, ge=0, description="Only those after this one, by id: the last of the page before.")


class DeadLetterResult(BaseModel):
    """What was refused, by whom, and why."""

    id: int = Field(description="What retry_rejected takes.")
    route: str
    by: str = Field(description="notification, mapping, format or sink.")
    reason: str
    object: str | None = Field(description="The refused object; null when the whole notification was refused.")
    refused_at: str | None
    source: str
    notification: str = Field(description="The notification's id.")
    raised: str | None


class RejectedResult(Result):
    """A page of dead letters."""

    rejected: list[DeadLetterResult]
    total: int = Field(description="How many there are in all.")

    def message(self) -> str:
        """How many there are."""
        return f"{len(self.rejected)} of {self.total} dead letters" if self.total else "there are no dead letters"

    def summary(self) -> dict[str, int]:
        """Listed, and in all."""
        return {"listed": len(self.rejected), "total": self.total}


@action("read", limit=10)
def list_rejected(context: Context, asked: ListRejected) -> RejectedResult:
    """List the dead letters: what was refused, by whom, when and why; ordered by id.

    A dead letter stays until it is delivered after all or dropped on command.
    """
    found = sorted(_listed(context.plan, asked.route), key=lambda each: int(each["id"]))
    page = [each for each in found if each["id"] > asked.after][: asked.limit]
    return RejectedResult(rejected=[DeadLetterResult.model_validate(each) for each in page], total=len(found))


class RetryRejected(Parameters):
    """Which dead letters."""

    route: str | None = Field(None, description="Of this route alone; default: of all.")
    ids: list[Annotated[int, Field(ge=1)]] = Field(
        default_factory=list, max_length=1000, description="These alone, by id; default: all."
    )


class RetriedResult(Result):
    """What came of it, route by route."""

    routes: list[RouteResult]

    def message(self) -> str:
        """What was delivered, and what was refused again."""
        counts = self.summary()
        if not self.routes:
            return "there are no dead letters"
        return f"{counts['delivered']} notifications delivered, {counts['refused']} refused again"

    def summary(self) -> dict[str, int]:
        """Over all routes, in notifications."""
        return {
            name: sum(getattr(route, name) for route in self.routes) for name in ("delivered", "filtered", "refused")
        }

    def troubles(self) -> list[Trouble]:
        """What was refused again, and routes that wait or have stopped."""
        return troubles_of(self.routes)


@action("act", ids=[1, 2])
def retry_rejected(context: Context, asked: RetryRejected) -> RetriedResult:
    """Deliver what was refused, with the mapping as it is now: these, or all of a route, or all.

    The whole notification is converted anew, and what its receiver does not have is sent. What is delivered is a dead
    letter no more, what is refused again has the new reason. A process that serves the route must end first.
    """
    plan = context.plan
    found = _listed(plan, asked.route)
    if missing := sorted(set(asked.ids) - {each["id"] for each in found}):
        of_route = f" of the route {asked.route}" if asked.route else ""
        raise NotFound(f"there is no dead letter {missing[0]}{of_route}; list_rejected shows what there is")
    routes = sorted({each["route"] for each in found if not asked.ids or each["id"] in asked.ids})
    nothing_to_stdout(plan, routes)
    nobody_else_serves(plan, routes)
    parts = dead_letters.retry(plan, asked.route, asked.ids)
    return RetriedResult(routes=[RouteResult.of(part) for part in parts])


def _listed(plan: Plan, route: str | None) -> list[dict[str, Any]]:
    """As `dead_letters.listed`; a route that is configured no more may have some too."""
    if route in plan.settings.routes:
        return dead_letters.listed(plan, route)
    found = [each for each in dead_letters.listed(plan) if route in (None, each["route"])]
    if route is not None and not found:
        known_route(plan, route)
    return found
