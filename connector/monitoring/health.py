"""Whether the process is worth keeping (`/healthz`), and whether everything in it does its work (`/readyz`)."""

from dataclasses import dataclass, field

from connector.model import JsonObject
from connector.monitoring.current_status import CurrentStatus
from connector.pipeline.runner import Runner


@dataclass(frozen=True, slots=True)
class Health:
    """A verdict with its reasons, and what there is to know beside."""

    good: bool
    reasons: list[str]
    parts: list[JsonObject] = field(default_factory=list)


def alive(runner: Runner) -> Health:
    """Every source and route has a living thread."""
    reasons = [f"{name} should be running and is not: restart the connector and report a bug" for name in runner.dead()]
    return Health(not reasons, reasons)


def ready(runner: Runner, status: CurrentStatus) -> Health:
    """No source or route is blocked, and the journal can be read. One that waits out an outage is ready, and listed."""
    parts = list(runner.parts.values())
    reasons = [f"{part.name} is blocked: {part.message}" for part in parts if part.state == "blocked"]
    known, problem = status.now()
    if known is None:
        reasons.append(problem)
    reasons += alive(runner).reasons
    shown: list[JsonObject] = [{"name": p.name, "kind": p.kind, "state": p.state, "message": p.message} for p in parts]
    return Health(not reasons, reasons, shown)
