"""How much comes and goes a minute, between two status reports: what `iocstream top` shows."""

from collections.abc import Sequence
from typing import Any

from connector.cli.terminal import state
from connector.monitoring.status import PartReport, RouteReport, SourceReport, StatusReport

Row = dict[str, Any]
"""One source or route: name, kind, state, per_minute, total, waiting, refused, message."""


class Rates:
    """Compares each report with the one before."""

    def __init__(self, report: StatusReport, now: float) -> None:
        self._counts = _counts(report)
        self._at = now

    def next(self, report: StatusReport, now: float) -> Sequence[Row]:
        """A row for each source and route; what a part did is per minute since the last report."""
        counts = _counts(report)
        minutes = (now - self._at) / 60
        rows: list[Row] = []
        parts: Sequence[SourceReport | RouteReport] = (*report.sources, *report.routes)
        for part in parts:
            key = _key(part)
            grown = max(0, counts[key] - self._counts.get(key, counts[key]))
            rows.append(
                {
                    "name": part.name,
                    "kind": key[0],
                    "state": state(part),
                    "per_minute": round(grown / minutes) if minutes > 0 else 0,
                    "total": counts[key],
                    "waiting": part.backlog if isinstance(part, RouteReport) else None,
                    "refused": part.dead_letters,
                    "message": part.message or None,
                }
            )
        self._counts, self._at = counts, now
        return rows


def _key(part: PartReport) -> tuple[str, str]:
    return ("route" if isinstance(part, RouteReport) else "source", part.name)


def _counts(report: StatusReport) -> dict[tuple[str, str], int]:
    fetched = {("source", each.name): each.notifications for each in report.sources}
    return fetched | {
        ("route", each.name): each.delivered + each.filtered + each.refused + each.made_nothing
        for each in report.routes
    }
