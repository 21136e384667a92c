"""What an action checks before it fetches or delivers."""

from collections.abc import Iterable, Mapping

from connector import app, kinds
from connector.actions.envelope import ServedElsewhere
from connector.configuration import Plan
from connector.model import LeaseHolder, Misconfigured


def nothing_to_stdout(plan: Plan, routes: Iterable[str]) -> None:
    """Raises Misconfigured when a route writes where the action's own answer goes."""
    for name in routes:
        route = plan.settings.routes.get(name)
        if route is not None and route.sink.writes_to_stdout():
            raise Misconfigured(
                f"the route {name} writes to stdout (`path: -`), where no action can deliver: give it a file"
            )


def serving_processes(plan: Plan, parts: Iterable[str]) -> Mapping[str, LeaseHolder]:
    """Which of these sources and routes a process serves, and which process; a lease would tell after a minute only."""
    if not kinds.journal_exists(plan.settings.journal):
        return {}
    with app.open_journal(plan) as journal:
        known = journal.status(plan.reads())
    by = {part.name: part.served_by for part in known.sources}
    by |= {part.name: part.served_by for part in known.routes}
    return {name: holder for name in parts if (holder := by.get(name)) is not None}


def nobody_else_serves(plan: Plan, parts: Iterable[str]) -> None:
    """Raises ServedElsewhere when another process serves a source or route, naming it."""
    for name, by in serving_processes(plan, parts).items():
        raise ServedElsewhere(
            f"{name} is served by process {by.process} on {by.host}, which fetches and delivers;"
            " only one process at a time may do so"
        )
