"""What receivers of events were told of an assessment: when that has become something else, one more event says so.

An event says what is known when it is sent, which mostly is what the notification says. What it was told else, after a
look-up, is kept in the ledger, as versions of an assessment: by observable and entry, each with verdict and severity.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from connector.model import Version
from connector.pipeline.convert import Rendered
from connector.pipeline.route import Route
from connector.pipeline.seen import Seen, Sight
from connector.ports import ObjectFormat, Outbox
from connector.values import assessments

_Standing = tuple[str, str]
"""Verdict and severity."""


class Assessments:
    """What one route has told of the entries of a batch.

    Args:
        route: the route.
        journal: what it has told.
        sight: how it sees entries.
    """

    def __init__(self, route: Route, journal: Outbox, sight: Sight) -> None:
        self._route = route
        self._journal = journal
        self._sight = sight

    def told(self, seen: Seen, made: Rendered, make: Callable[[Seen], Rendered | None], *, is_sent: bool) -> Rendered:
        """What was made of an entry, with what that tells of its assessment, or what tells that this has changed.

        Of several matches of one observable, the last that was sent tells it. A mapping that does not tell it from the
        first event says nothing.

        Args:
            seen: the entry.
            made: what was made of it.
            make: makes it.
            is_sent: whether an event of it was sent, and something was learned since.
        """
        is_of_events = seen.claiming is not None and not isinstance(seen.claiming.format, ObjectFormat)
        is_told = made.told is not None or made.over is not None or not made.documents
        if not is_of_events or seen.entry.entity is None or is_told:
            return made
        news = self._news(seen)
        if news is None:
            return made
        if not is_sent or made.takes_back or made.restores or made.confirms:
            return replace(made, told=news[1])
        if not made.wanted or seen.withheld is not None or self._is_told_by_a_later_one(seen):
            return made
        return self._reassessed(seen, made, make, news) or made

    def told_again(self, seen: Seen, made: Rendered, make: Callable[[Seen], Rendered | None]) -> Rendered | None:
        """What tells that another entry has changed the assessment of what one was sent of; None: it has not."""
        news = self._news(seen)
        return None if news is None else self._reassessed(seen, made, make, news)

    def _news(self, seen: Seen) -> tuple[_Standing, Version] | None:
        """What was told before of an entry, and what is to be told now, if that is something else."""
        former = self._former(seen)
        before = _read(former[-1]) if former else self._at_first(seen)
        now = assessments.standing(seen.view["entity"])
        return None if now == before else (before, _version(seen, len(former), now))

    @staticmethod
    def _reassessed(
        seen: Seen, made: Rendered, make: Callable[[Seen], Rendered | None], news: tuple[_Standing, Version]
    ) -> Rendered | None:
        (verdict, severity), version = news
        reassessed = {"verdict": verdict or None, "severity": severity or None}
        again = make(seen._replace(view={**seen.view, "reassessed": reassessed}, withheld=None))
        if again is None or again.documents == made.documents:
            return None
        return replace(
            again, entry=made.entry, reassesses=True, told=version, wanted=made.wanted, withheld=made.withheld
        )

    def _former(self, seen: Seen) -> Sequence[Version]:
        """What it was told at this entry."""
        object_id = _id(seen)
        known = self._journal.versions(self._route.name, [object_id], self._route.receiver).get(object_id, ())
        return [each for each in known if each.seq == seen.entry.seq]

    def _at_first(self, seen: Seen) -> _Standing:
        return assessments.standing(self._sight.view(replace(seen.entry, entity=None))["entity"])

    def _is_told_by_a_later_one(self, seen: Seen) -> bool:
        for entry in self._sight.passed_alike(seen.entry):
            if entry.seq < seen.entry.seq:
                break
            later = self._sight.see(entry)
            is_sent = isinstance(later, Seen) and later.observable == seen.observable and later.withheld is None
            if is_sent and not self._journal.unsent(self._route.name, [entry.seq]):
                return True
        return False


def _id(seen: Seen) -> str:
    return f"assessment:{seen.observable:x}"


def _version(seen: Seen, number: int, now: _Standing) -> Version:
    at = f"{seen.entry.seq:019d}.{number:06d}"
    said = "\n".join(now).encode()
    return Version(_id(seen), seen.entry.seq, said, at, at, sent=True)


def _read(version: Version) -> _Standing:
    verdict, _, severity = version.digest.decode("utf-8", "replace").partition("\n")
    return verdict, severity
