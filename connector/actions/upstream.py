"""Asking VirusTotal within an action: which sources can be asked, and whether the caller may spend quota."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from connector import kinds
from connector.actions.envelope import InvalidParameters
from connector.actions.notification_brief import Found
from connector.actions.registry import ActionContext
from connector.configuration import Plan
from connector.model import Notification
from connector.operations.withholding import withholding
from connector.ports import SearchableSource
from connector.sources.virustotal.spending import NotAllowed


def searchable_sources(plan: Plan) -> list[str]:
    """The names of the sources that can be asked."""
    return [name for name, each in plan.settings.sources.items() if each.upstream() is not None]


def the_one_source(plan: Plan) -> str:
    """The one source that can be asked.

    Raises:
        InvalidParameters: there is none, or more than one.
    """
    names = searchable_sources(plan)
    if len(names) != 1:
        raise InvalidParameters(
            f"source: say which, of {', '.join(names)}" if names else "where: no source can be asked"
        )
    return names[0]


def must_have_a_key_of_its_own(context: ActionContext, name: str) -> None:
    """Raises NotAllowed when a source has its API key in common with one that the caller may not see.

    With the key every notification of both can be had, by its id.
    """
    upstream = context.plan.settings.sources[name].upstream()
    for other, settings in context.whole.settings.sources.items():
        if upstream is not None and settings.upstream() == upstream and not context.sees(other):
            raise NotAllowed(
                f"the source {name} has its API key in common with sources that this token may not see, so that"
                " VirusTotal is not asked with it"
            )


@contextmanager
def asking(context: ActionContext, name: str) -> Iterator[SearchableSource]:
    """A source, to ask VirusTotal by its API key.

    Raises:
        NotAllowed: the caller may not spend quota, or might see what it may not.
        InvalidParameters: the source cannot be asked.
    """
    context.spending.must_be_allowed()
    must_have_a_key_of_its_own(context, name)
    settings = context.plan.settings.sources[name]
    if settings.upstream() is None:
        raise InvalidParameters(f"source: {name} is of type {settings.type}, which cannot be asked")
    with closing(kinds.make_searchable_source(settings)) as source:
        yield source


def found_upstream(plan: Plan, source: str, items: Sequence[Notification]) -> list[Found]:
    """What VirusTotal answered for a source, with what lists and analysts say of it."""
    guards = plan.guards.of(source=source)
    with withholding(plan, source=source) as withheld:
        return [Found(item, source, judgement=withheld.judged(item), guards=guards) for item in items]
