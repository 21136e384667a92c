"""Whether the process is worth keeping (`/healthz`), and whether everything in it does its work (`/readyz`)."""

from dataclasses import dataclass, field

from connector.model import ConnectorError, JsonObject
from connector.pipeline.runner import Runner
from connector.ports import Journal


@dataclass(frozen=True, slots=True)
class Health:
    """A verdict with its reasons, and what there is to know beside."""

    good: bool
    reasons: list[str]
    parts: list[JsonObject] = field(default_factory=list)


def alive(runner: Runner) -> Health:
    """Every source and route runs, and finds a thread when it has something to do."""
    reasons = [
        *(f"{name} should be running and is not: restart the connector and report a bug" for name in runner.ended()),
        *(f"{name} finds no thread to run on: all wait for others that do not answer" for name in runner.stalled()),
    ]
    return Health(not reasons, reasons)


def ready(runner: Runner, journal: Journal) -> Health:
    """All of them can do their work, and the journal can be read. One that waits out an outage is ready, and listed."""
    parts = list(runner.parts.values())
    reasons = [f"{part.name} is blocked: {part.message}" for part in parts if part.state == "blocked"]
    reasons += [f"{name} has been at one step for a quarter of an hour or longer" for name in runner.hanging()]
    try:
        journal.news()  # which costs little, whatever there is
    except ConnectorError as error:
        reasons.append(str(error))
    reasons += alive(runner).reasons
    shown: list[JsonObject] = [{"name": p.name, "kind": p.kind, "state": p.state, "message": p.message} for p in parts]
    return Health(not reasons, reasons, shown)
