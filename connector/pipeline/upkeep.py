"""What is seen to now and then for a source: its quota, and notifications that are past the retention."""

import math
import threading
import time
from collections.abc import Mapping, Sequence

from connector import telemetry
from connector.model import ConnectorError, JsonObject
from connector.pipeline.part import Part
from connector.pipeline.route import Route
from connector.ports import Journal, Source

DAY_SECONDS = 86_400
UPKEEP_SECONDS = 3600.0
"""How often a source's quota is asked for and old notifications are pruned."""
KEPT = ("quota", "upkept_at", "look_up_trouble")
"""What a source's report says beside its state, so that the next run knows."""


class Upkeep:
    """The upkeep of all sources; `reads` are the sources that each route reads."""

    def __init__(self, journal: Journal, reads: Mapping[str, Sequence[str]], *, retention_seconds: float) -> None:
        self._journal = journal
        self._reads = reads
        self._retention_seconds = retention_seconds
        self._pruning = threading.Lock()
        self._pruned_at = -math.inf
        self._looked_through: dict[str, int] = {}  # by route, the day

    def see_to(self, part: Part, source: Source) -> None:
        """Ask for the quota, and forget notifications that are past the retention and dealt with, unless just done.

        These are forgotten of all sources at once, for whichever of them it is time first.
        """
        restore(part, self._journal.reported(part.name))
        if 0 <= time.time() - part.upkept_at < UPKEEP_SECONDS:
            return
        part.upkept_at = int(time.time())
        try:
            part.quota = source.quota()
        except ConnectorError as error:
            # A key may fetch notifications and not see its quota: that must hold nothing up.
            part.quota = None
            telemetry.logger().warning("quota_unknown", part=part.name, reason=str(error))
        if self._pruning.acquire(blocking=False):
            try:
                self._prune(part)
            finally:
                self._pruning.release()

    def _prune(self, part: Part) -> None:
        if time.monotonic() - self._pruned_at < UPKEEP_SECONDS / 2:  # for another source
            return
        newest = [known.newest for known in self._journal.status({}).sources if known.newest is not None]
        if newest:
            # The earlier of both: neither a clock that runs ahead nor one absurd date may empty the journal.
            before = int(min(time.time(), max(newest)) - self._retention_seconds)
            pruned = self._journal.prune(before, self._reads)
            if pruned:
                telemetry.logger().info("pruned", part=part.name, notifications=pruned)
        self._pruned_at = time.monotonic()

    def see_to_route(self, route: Route) -> None:
        """Forget what a route sent long ago, once a day."""
        today = int(time.time()) // DAY_SECONDS
        if self._looked_through.get(route.name) == today:
            return
        forgotten = self._journal.forget_old(route.name, route.receiver, route.collection, route.keep_days)
        self._looked_through[route.name] = today
        if forgotten:
            telemetry.logger().info("forgotten", part=route.name, versions=forgotten)


def restore(part: Part, report: JsonObject) -> None:
    """Take over what was last reported of a source."""
    part.quota, part.upkept_at = report.get("quota"), report.get("upkept_at", 0)
    part.look_up_trouble = report.get("look_up_trouble", "")
