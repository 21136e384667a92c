"""What a configuration withholds of notifications that need not be in its journal: known-good lists and judgements."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from connector import app, kinds
from connector.configuration import Plan
from connector.model import Judgement, Notification
from connector.pipeline.judged_values import JudgedValues
from connector.ports import Guards


class Withholding(NamedTuple):
    """What is withheld on one route, of one source.

    Attributes:
        guards: what is known to be good, and what analysts judged wrong of what notifications merely name.
        judged: what decides of all that analysts say of a notification; None: nobody says anything.
    """

    guards: Guards
    judged: Callable[[Notification], Judgement | None]


@contextmanager
def withholding(plan: Plan, route: str = "", source: str = "") -> Iterator[Withholding]:
    """What is withheld on a route, of a source; without these names, on all and of all.

    Raises:
        Misconfigured: a known-good list is not what it should be, or the journal cannot be opened.
    """
    guards = plan.guards.of(route, source)
    if not kinds.journal_exists(plan.settings.journal):
        yield Withholding(guards, lambda _: None)
        return
    sources = plan.reads()[route] if route else tuple(plan.settings.sources)
    with app.open_journal(plan) as journal:
        yield Withholding(
            JudgedValues(guards, journal, source, sources),
            lambda item: journal.judgement(item, source),
        )
