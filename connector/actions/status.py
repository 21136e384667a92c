"""Actions that look: whether everything can be reached, its status, what is left of the quota."""

from collections.abc import Hashable
from contextlib import closing
from typing import Any, Literal

from pydantic import BaseModel, Field

from connector import kinds
from connector.actions.envelope import ErrorDetail
from connector.actions.registry import ActionContext, Parameters, Result, action
from connector.kinds import AnySourceSettings
from connector.model import ConnectorError, JsonObject
from connector.monitoring.status import StatusReport
from connector.operations.check import check
from connector.operations.status import status
from connector.values.quota import by_span


class NoParameters(Parameters):
    """This action takes no parameters."""


class FindingResult(BaseModel):
    """One thing that was looked at."""

    part: str = Field(description="What was checked: a source, a route, a mapping or the journal.")
    level: Literal["ok", "warning", "error"] = Field(
        description="How bad the finding is. A warning does not fail the check."
    )
    message: str = Field(description="What was found, in a sentence.")


class ConnectivityResult(Result):
    """What was found."""

    findings: list[FindingResult] = Field(description="One entry for each thing that was checked.")

    def message(self) -> str:
        """The first error, or that there is none."""
        counts = self.summary()
        if counts["errors"]:
            return f"{counts['errors']} of {len(self.findings)} checks failed: {self.errors()[0].cause}"
        return f"all {len(self.findings)} checks passed" + (
            f", {counts['warnings']} with a warning" * bool(counts["warnings"])
        )

    def summary(self) -> dict[str, int]:
        """By level."""
        levels = [finding.level for finding in self.findings]
        return {"ok": levels.count("ok"), "warnings": levels.count("warning"), "errors": levels.count("error")}

    def errors(self) -> list[ErrorDetail]:
        """Each error."""
        return [
            ErrorDetail.of("check_failed", f"{found.part}: {found.message}")
            for found in self.findings
            if found.level == "error"
        ]


@action("act", "three requests for each source, two of them for its quota")
def test_connectivity(context: ActionContext, _: NoParameters) -> ConnectivityResult:  # noqa: PT019 -- an action, no test
    """Check that sources and sinks can be reached and log in, and that mappings convert their examples.

    It moves no notification. A warning deserves a look, but does not fail the check.
    """
    return ConnectivityResult(
        findings=[
            FindingResult(part=found.part, level=found.level, message=found.message)
            for found in check(context.plan)
            if context.sources is None or found.part in _parts(context)
        ]
    )


def _parts(context: ActionContext) -> set[str]:
    """What a caller who may see some sources alone may be told of."""
    settings = context.plan.settings
    return {*settings.sources, *settings.routes, *(str(route.mapping) for route in settings.routes.values())}


class StatusResult(Result, StatusReport):
    """What is known of everything."""

    def message(self) -> str:
        """How much is kept, waiting and refused, and which parts are in trouble."""
        counts = self.summary()
        in_trouble = [
            f"{part.name} {part.state}"
            for part in (*self.sources, *self.routes)
            if part.state in ("waiting", "blocked")
        ]
        return (
            f"{counts['notifications']} notifications kept, {counts['backlog']} waiting to be delivered,"
            f" {counts['dead_letters']} dead letters" + (f"; {', '.join(in_trouble)}" if in_trouble else "")
        )

    def summary(self) -> dict[str, int]:
        """Over all routes."""
        return {
            "notifications": self.journal.notifications,
            "backlog": sum(route.backlog for route in self.routes),
            "dead_letters": sum(route.dead_letters for route in self.routes),
        }


@action("read", "none")
def get_status(context: ActionContext, _: NoParameters) -> StatusResult:
    """Get the status of sources and routes: watermark, lag, quota; position, backlog, dead letters.

    It reads only the journal, so it costs no quota and answers during an outage. A token for some sources alone is not
    told the path of the journal, and which process serves a part on which machine.
    """
    found = status(context.plan, context.sources).model_dump()
    if context.sources is not None:  # a tenant needs to know nothing of the machine
        found["journal"]["path"] = ""
        for each in (*found["sources"], *found["routes"]):
            if each["served_by"] is not None:
                each["served_by"] = {"process": 0, "host": ""}
    return StatusResult.model_validate(found)


class SourceQuota(BaseModel):
    """A source's allowance."""

    source: str = Field(description="Name of the source whose quota this is.")
    quota: dict[str, Any] | None = Field(
        description=(
            "What is allowed and used: `api_requests_{hourly,daily,monthly}` → `{user|group: {allowed, "
            "used}}`; null when there is none, or VirusTotal does not say."
        )
    )


class QuotaResult(Result):
    """The allowances."""

    sources: list[SourceQuota] = Field(description="One entry for each source that could be asked.")
    failed: dict[str, str] = Field(description="Why a source's quota could not be asked for, by source.")

    def message(self) -> str:
        """What is left, source by source."""
        told = [f"{each.source}: {_left(each.quota)}" for each in self.sources]
        return "; ".join([*told, *(f"{name}: {why}" for name, why in self.failed.items())])

    def summary(self) -> dict[str, int]:
        """What is left of each span of the first source that has any."""
        quota = next((each.quota for each in self.sources if each.quota), None)
        return {f"{span}_left": each.left for span, each in by_span(quota).items()}

    def errors(self) -> list[ErrorDetail]:
        """Each source that could not be asked."""
        return [ErrorDetail.of("unavailable", f"{name}: {why}") for name, why in self.failed.items()]


@action("act", "two requests for each API key, of which VirusTotal does not say whether they count")
def get_quota(context: ActionContext, _: NoParameters) -> QuotaResult:
    """Ask VirusTotal what is left of the API key's quota.

    Sources with one API key are asked about once. A token of the scope `read` has what each source was last told, from
    get_status.
    """
    context.spending.must_be_allowed()
    sources: list[SourceQuota] = []
    failed: dict[str, str] = {}
    told: dict[Hashable, JsonObject | str | None] = {}
    for name, settings in context.plan.settings.sources.items():
        key = settings.upstream() or name
        if key not in told:
            told[key] = _quota(settings)
        found = told[key]
        if isinstance(found, str):
            failed[name] = found
        else:
            sources.append(SourceQuota(source=name, quota=None if found is None else dict(found)))
    return QuotaResult(sources=sources, failed=failed)


def _quota(settings: AnySourceSettings) -> JsonObject | str | None:
    """The quota of a source; a text: why it cannot be told."""
    with closing(kinds.make_source(settings)) as source:
        try:
            return source.quota()
        except ConnectorError as error:
            return str(error)


def _left(quota: dict[str, Any] | None) -> str:
    spans = [f"{span} {each.left} of {each.allowed} requests left" for span, each in by_span(quota).items()]
    return ", ".join(spans) or "has no quota, or does not tell"
