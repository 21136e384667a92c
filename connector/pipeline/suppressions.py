"""What of an entry is held back since it is known to be good, noted while the entry is rendered."""

from connector.model import Guarded, Suppressed
from connector.pipeline.route import GUARD
from connector.pipeline.seen import Seen
from connector.ports import Guards

MOST_SUPPRESSED = 200
"""Values of one notification that are written down as suppressed, at most."""
LONGEST_VALUE = 2048
"""Characters of such a value."""


class Suppressions:
    """What guards the values that an entry names, noting what is suppressed.

    Attributes:
        suppressed: by value; that which the entry is about is under the empty text.
    """

    __slots__ = ("_guards", "_seq", "suppressed")

    def __init__(self, guards: Guards, seen: Seen) -> None:
        self._guards = guards
        self._seq = seen.entry.seq
        self.suppressed: dict[str, Suppressed] = {}
        if seen.withheld is not None and seen.withheld.by == GUARD:
            value = seen.view["entity_value"] or seen.view["notification"]["entity_id"]
            self._note("", value, guards.of_notification(seen.view), is_derived=False)

    def __call__(self, value: str) -> Guarded | None:
        """What guards a value that the entry merely names."""
        found = self._guards.derived(value)
        if found is not None and found.is_suppressed and len(self.suppressed) < MOST_SUPPRESSED:
            self._note(value, value, found, is_derived=True)
        return found

    def _note(self, key: str, value: str, guard: Guarded | None, *, is_derived: bool) -> None:
        if guard is not None:
            self.suppressed[key] = Suppressed(
                self._seq, value[:LONGEST_VALUE], is_derived, guard.list, guard.entry[:LONGEST_VALUE]
            )
