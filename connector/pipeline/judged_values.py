"""What analysts judged wrong guards as a known-good list does, where a notification merely names it."""

from collections.abc import Mapping

from connector.model import Guarded, JsonObject, Judgement
from connector.pipeline.route import JUDGEMENT
from connector.ports import Guards, Outbox
from connector.values import observables


class JudgedValues:
    """The guards of one source on one route, with what is judged of values; asks for that once, so it is for one batch.

    Args:
        guards: what is known to be good.
        journal: what knows the judgements.
        source: whose notifications name the values.
    """

    def __init__(self, guards: Guards, journal: Outbox, source: str) -> None:
        self._guards = guards
        self._journal = journal
        self._source = source
        self._judgements: Mapping[str, Judgement] | None = None
        self._found: dict[str, Guarded | None] = {}

    def of_notification(self, view: JsonObject) -> Guarded | None:
        """See `connector.ports.Guards`. What is judged of that which it is about comes with the entry."""
        return self._guards.of_notification(view)

    def derived(self, value: str) -> Guarded | None:
        """See `connector.ports.Guards`. What a list suppresses is suppressed by that list."""
        if value not in self._found:
            found = self._guards.derived(value)
            self._found[value] = found if found is not None and found.is_suppressed else self._judged(value) or found
        return self._found[value]

    def _judged(self, value: str) -> Guarded | None:
        if self._judgements is None:
            self._judgements = self._journal.judged_observables(self._source)
        judgement = self._judgements.get(observables.name(value)) if self._judgements else None
        if judgement is None or not judgement.withholds:
            return None
        return Guarded(JUDGEMENT, "suppress", None, judgement.judged.value)
