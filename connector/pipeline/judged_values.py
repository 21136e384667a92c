"""What analysts judged wrong or VirusTotal calls benign guards as a known-good list does, where it is merely named."""

from collections.abc import Callable, Sequence

from connector.model import Guarded, JsonObject, Judgement
from connector.pipeline.newest import known_of
from connector.pipeline.route import JUDGEMENT, VERDICT
from connector.ports import Guards, Outbox
from connector.values import assessments


class JudgedValues:
    """The guards of one source on one route, with what is judged of values and what notifications about them say.

    It asks for that once, so it is for one batch.

    Args:
        guards: what is known to be good.
        journal: what knows the judgements and the notifications.
        source: whose notifications name the values.
        sources: those of the route, whose notifications are about the values.
    """

    def __init__(self, guards: Guards, journal: Outbox, source: str, sources: Sequence[str]) -> None:
        self._guards = guards
        self._journal = journal
        self._source = source
        self._sources = sources
        self._judgement: Callable[[str], Judgement | None] | None = None
        self._found: dict[str, Guarded | None] = {}

    def of_notification(self, view: JsonObject) -> Guarded | None:
        """See `connector.ports.Guards`. What is judged of that which it is about comes with the entry."""
        return self._guards.of_notification(view)

    def derived(self, value: str) -> Guarded | None:
        """See `connector.ports.Guards`. What a list suppresses is suppressed by that list."""
        if value not in self._found:
            found = self._guards.derived(value)
            is_suppressed = found is not None and found.is_suppressed
            self._found[value] = found if is_suppressed else self._judged(value) or self._benign(value) or found
        return self._found[value]

    def _benign(self, value: str) -> Guarded | None:
        """That it is known to be benign, by the last notification about it itself or the last look-up."""
        known = known_of(self._journal, value, self._sources)
        return Guarded(VERDICT, "suppress", None, value) if assessments.is_benign(known) else None

    def _judged(self, value: str) -> Guarded | None:
        if self._judgement is None:
            self._judgement = self._journal.judged_observables(self._source)
        judgement = self._judgement(value)
        if judgement is None or not judgement.withholds:
            return None
        return Guarded(JUDGEMENT, "suppress", None, judgement.judged.value)
