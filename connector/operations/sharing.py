"""Telling others at VirusTotal what was judged: when asked alone, and only what the option of the source allows."""

from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

from connector import app, kinds, notification
from connector.configuration import NotFound, Plan
from connector.model import TAKEN_BACK, Entry, Judged, Judgement, Misconfigured
from connector.operations.judgements import name_of, written_alike
from connector.ports import Journal, SharingSource


class Audience(NamedTuple):
    """Where a judgement is told.

    Attributes:
        source: whose API key is used.
        entity_type, entity_id: what it is told of.
        told_as: `comment`, `vote`.
    """

    source: str
    entity_type: str
    entity_id: str
    told_as: Sequence[str]


def audience(plan: Plan, judgement: Judgement) -> Audience:
    """Where a judgement would be told.

    Raises:
        NotFound: no notification in the journal is about what is judged.
        Misconfigured: it cannot be told, or the source that raised it may tell nothing.
    """
    judged = written_alike(judgement.judged)
    if judged.kind == "rule" or judgement.verdict == TAKEN_BACK:
        raise Misconfigured("VirusTotal can be told of files, URLs, domains and addresses, and takes nothing back")
    with app.open_journal(plan) as journal:
        entries = _entries(plan, journal, judged)
    if not entries:
        raise NotFound(f"the journal has no notification about {name_of(judged)}, so it cannot be told at VirusTotal")
    for entry in entries:
        settings = plan.settings.sources.get(entry.source)
        told_as = [what for what in settings.shares() if what == "vote" or judgement.note] if settings else []
        if told_as:
            said = notification.view(entry.notification)["notification"]
            return Audience(entry.source, said["entity_type"], said["entity_id"], told_as)
    names = ", ".join(sorted({entry.source for entry in entries}))
    raise Misconfigured(
        f"nothing of it may be published: the option `share` of the source {names} names neither vote, nor comment"
        " (which needs a note)"
    )


def share(plan: Plan, where: Audience, judgement: Judgement) -> Sequence[str]:
    """Tell a judgement there; return what was told: `comment`, `vote`. Raises as `connector.ports.SharingSource`."""
    with closing(kinds.make_source(plan.source(where.source))) as source:
        if not isinstance(source, SharingSource):
            raise Misconfigured(f"the source {where.source} cannot tell anybody of a judgement")
        return source.share(where.entity_type, where.entity_id, judgement)


def _entries(plan: Plan, journal: Journal, judged: Judged) -> Sequence[Entry]:
    """Some notifications about what is judged."""
    sources = [judged.source] if judged.source else list(plan.settings.sources)
    if judged.kind == "notification":
        return journal.find(sources, judged.value)
    return journal.about(judged.value, sources, 10)
