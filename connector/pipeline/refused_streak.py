"""When a receiver refuses all that it is sent: then not what it is sent is at fault, and nothing is gone past."""

import re
from dataclasses import dataclass

from connector.model import BUSY, JsonObject
from connector.pipeline.send import BatchOutcome

NOTIFICATIONS = 30
"""So many in a row must be refused, every message for one reason, to be taken for everything.

Fewer may well be at fault themselves, as in a slow stream of single ones that a receiver finds invalid.
"""
TRIAL_BATCH = 10
"""How many notifications are sent at once after a batch of which everything was refused."""
_VARYING = re.compile(
    r"[a-z][a-z0-9-]*--[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # a STIX id
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|\b[0-9a-f]{16,}\b"  # a digest
    r"|\d+",
    re.IGNORECASE,
)


def kind(reason: str) -> str:
    """A reason without its ids and numbers: the same for refusals that differ in nothing else."""
    return _VARYING.sub("#", reason)


@dataclass(slots=True)
class RefusedStreak:
    """Notifications in a row of which the receiver refused every message for one reason.

    Attributes:
        reason: of the first, in the receiver's words.
    """

    reason: str = ""
    notifications: int = 0

    def count(self, batch: BatchOutcome) -> bool:
        """Take a batch into account, unless nothing of it was sent; return whether it makes the streak longer."""
        refused = [each for each in batch.dead_letters if each.by == "sink" and not each.reason.startswith(BUSY)]
        reasons = [letter.reason for letter in refused]
        if not batch.messages and not reasons:
            return False
        kinds = {kind(reason) for reason in reasons}
        if batch.messages or len(kinds) > 1:
            self.reason, self.notifications = "", 0
            return False
        if kind(self.reason) not in kinds:
            self.reason, self.notifications = reasons[0], 0
        self.notifications += len({letter.seq for letter in refused})
        return True

    @property
    def is_everything(self) -> bool:
        """Whether it is long enough to be no coincidence."""
        return self.notifications >= NOTIFICATIONS

    def restore(self, report: JsonObject) -> None:
        """Go on with what an earlier run reported of itself (`as_json`)."""
        self.reason, self.notifications = report.get("reason", ""), report.get("notifications", 0)

    def as_json(self) -> JsonObject:
        """For the route's report, so that the next run knows."""
        return {"reason": self.reason, "notifications": self.notifications}
