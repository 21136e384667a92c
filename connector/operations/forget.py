"""Giving up what the journal holds for routes and sources that the configuration names no more."""

from typing import Literal

from connector import app
from connector.configuration import NotFound, Plan
from connector.model import Misconfigured
from connector.monitoring.status import FormerPart

Kind = Literal["route", "source"]


def held(plan: Plan, kind: Kind, name: str) -> FormerPart:
    """What would be forgotten.

    Raises:
        NotFound: the journal holds nothing under this name.
        Misconfigured: it holds nothing but what the configuration names; or there is no journal.
    """
    with app.open_journal(plan) as journal:
        former = app.status_report(plan, journal).former
    for part in former:
        if (part.kind, part.name) == (kind, name):
            return part
    if name in (plan.settings.routes if kind == "route" else plan.settings.sources):
        raise Misconfigured(f"the {kind} {name} is configured: take it out of there to have it forgotten")
    known = ", ".join(part.name for part in former if part.kind == kind) or "none"
    raise NotFound(f"the journal holds nothing for a {kind} {name!r}; no longer configured are: {known}")


def forget(plan: Plan, kind: Kind, name: str) -> FormerPart:
    """Forget what `held` tells of; of a route that is still configured only what it reads and sends to no more.

    Raises:
        Unavailable: a living process serves it; nothing has changed.
        NotFound, Misconfigured: as `held`.
    """
    part = held(plan, kind, name)
    with app.open_journal(plan) as journal, journal.lease(name):
        if kind == "source":
            journal.forget_source(name)
        else:
            journal.forget_route(name, plan.reads().get(name, ()), plan.receivers().get(name))
    return part
