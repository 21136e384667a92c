"""Actions for analysts: judge a notification, an observable or a rule; list what was judged."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from connector.actions.envelope import ErrorDetail, InvalidParameters, error_detail
from connector.actions.registry import ActionContext, Parameters, Result, action
from connector.actions.time_parameter import Time
from connector.model import ConnectorError, Judged, Judgement, JudgementFilter
from connector.operations import judgements, sharing
from connector.operations.judgements import LIMIT, MAX_NAME, MAX_NOTE, MAX_VALUE

AnyVerdict = Literal["true_positive", "false_positive", "benign", "none"]
Kind = Literal["notification", "observable", "rule"]


class Judge(Parameters):
    """What is judged, and how."""

    verdict: AnyVerdict = Field(
        description="What it is: true_positive, false_positive or benign; none takes back what was said of it."
    )
    of: Kind = Field(description="What is judged: a notification, an observable, or a rule with all that it matches.")
    value: str = Field(
        min_length=1,
        max_length=MAX_VALUE,
        description="The notification's id; the observable: a hash, URL, domain or address; or the rule's name.",
    )
    ruleset: str = Field("", max_length=MAX_NAME, description="Id of the rule's ruleset. Without it: any.")
    source: str = Field("", max_length=MAX_NAME, description="Name of the only source it holds for. Without it: any.")
    note: str = Field("", max_length=MAX_NOTE, description="Why, in a few words; it goes out with the judgement.")
    until: Time | None = Field(None, description="When it is over. Without it: never.")
    share: bool = Field(
        default=False,
        description=(
            "Whether to publish it at VirusTotal, for everyone to read, as a comment or vote: what the option `share` "
            "of the source allows."
        ),
    )


class RuleResult(BaseModel):
    """A rule that matched what was judged."""

    name: str = Field(description="Name of the rule.")
    ruleset: str | None = Field(description="Id of its ruleset; null when that is not known.")
    source: str | None = Field(description="Name of the source whose notification named it; null: of any.")


class JudgementDetail(BaseModel):
    """One judgement."""

    id: int = Field(description="Id of the judgement, greater than that of every earlier one.")
    verdict: AnyVerdict = Field(description="What was said; none took back what was said before.")
    of: Kind = Field(description="What was judged: a notification, an observable or a rule.")
    value: str = Field(description="The notification's id, the observable, or the rule's name.")
    ruleset: str | None = Field(description="Id of the rule's ruleset; null: any.")
    source: str | None = Field(description="Name of the source it holds for; null: all.")
    note: str = Field(description="Why it was said, in the words of whoever did; may be empty.")
    by: str = Field(description="Who said so: the name of a token, or of a user.")
    at: str = Field(description="When it was said (RFC 3339).")
    until: str | None = Field(description="When it is over (RFC 3339); null: never.")
    state: Literal["in force", "superseded", "over", "damaged"] = Field(
        description=(
            "Whether it decides: `in force`; `superseded` by a later one; `over`, because it was taken back or its "
            "time has passed; `damaged` by the disk."
        )
    )
    rules: list[RuleResult] = Field(description="The rules that had matched what was judged, as far as was known then.")


class JudgedResult(Result, JudgementDetail):
    """What was written down."""

    concerns: int = Field(description="How many notifications in the journal it concerns.")
    named_by: int = Field(
        description="How many notifications of other things name the host that is judged, in a malware configuration."
    )
    naming: list[str] = Field(description="The ids of these notifications, the newest first, at most 20.")
    shared: list[Literal["comment", "vote"]] = Field(
        default_factory=list, description="What was published of it at VirusTotal."
    )
    not_shared: ErrorDetail | None = Field(
        None, description="Why it was not published although that was asked; it is judged all the same."
    )

    def message(self) -> str:
        """What was judged what."""
        said = "taken back" if self.verdict == "none" else self.verdict.replace("_", " ")
        return f"the {self.of} {self.value:.200}: {said}; {judgements.concerned_text(self.model_dump())}"

    def summary(self) -> dict[str, int]:
        """How many it concerns."""
        return {"concerns": self.concerns, "named_by": self.named_by}

    def errors(self) -> list[ErrorDetail]:
        """That it was not published."""
        return [self.not_shared] if self.not_shared else []


@action(
    "act",
    "none; with `share` one request for a comment, and one for a vote",
    verdict="false_positive",
    of="observable",
    value="intranet.example",
    note="our own proxy",
)
def judge(context: ActionContext, asked: Judge) -> JudgedResult:
    """Judge a notification, an observable or a rule: what is wrong is withdrawn at its receivers, and muted.

    What was delivered of a false positive, or of what is benign, is withdrawn, and later notifications of it are not
    delivered until its time is over or it is taken back. What is said of a notification goes before what is said of its
    observable, and that before what is said of its rule. A process that serves the routes takes it up within seconds;
    otherwise the next poll does.
    """
    if asked.ruleset and asked.of != "rule":
        raise InvalidParameters("ruleset: it goes with `of: rule` alone")
    judged = Judged(asked.of, asked.value, asked.ruleset, _source(context, asked.source or None) or "")
    said = Judgement(judged, asked.verdict, context.caller or judgements.user_name(), asked.note, asked.until)
    where = sharing.audience(context.plan, said) if asked.share else None
    stored = judgements.judge(context.plan, said)
    if where is not None:
        try:
            stored["shared"] = list(sharing.share(context.plan, where, said))
        except ConnectorError as error:
            stored["not_shared"] = error_detail(error)
    return JudgedResult.model_validate(_seen(context, stored))


def _source(context: ActionContext, source: str | None) -> str | None:
    """The source that is meant; None: any. A caller who may see some alone must mean one of these.

    Raises:
        NotFound: the caller sees no such source.
        InvalidParameters: several can be meant.
    """
    if context.sources is None:
        return source
    if source is not None:
        context.plan.source(source)
        return source
    if len(context.sources) != 1:
        raise InvalidParameters(f"source: say which, of {', '.join(context.sources)}")
    return next(iter(context.sources))


def _seen(context: ActionContext, judgement: dict[str, Any]) -> dict[str, Any]:
    """A judgement without the rules of sources that the caller may not see."""
    rules = [each for each in judgement["rules"] if context.sees(each["source"])]
    return {**judgement, "rules": rules}


class ListJudgements(Parameters):
    """Which judgements."""

    of: Kind | None = Field(None, description="Only judgements of this kind.")
    value: str | None = Field(None, description="Only judgements of exactly this notification, observable or rule.")
    verdict: AnyVerdict | None = Field(None, description="Only judgements with this verdict.")
    source: str | None = Field(None, description="Only judgements that were made for this source.")
    by: str | None = Field(None, description="Only judgements by this person or token.")
    in_force: bool = Field(default=False, description="Whether to list only what decides now.")
    before: int | None = Field(None, ge=1, description="Id of the last judgement of the page before.")
    limit: int = Field(100, ge=1, le=LIMIT, description="How many judgements to list, at most.")


class JudgementsResult(Result):
    """A page of judgements."""

    judgements: list[JudgementDetail] = Field(description="The judgements, the newest first.")

    def message(self) -> str:
        """How many there are."""
        return f"{len(self.judgements)} judgements" if self.judgements else "there are no such judgements"

    def summary(self) -> dict[str, int]:
        """Listed."""
        return {"listed": len(self.judgements)}


class ListJudgedRules(Parameters):
    """How many rules."""

    limit: int = Field(20, ge=1, le=LIMIT, description="How many rules to list, at most.")


class RuleRecordResult(RuleResult):
    """What the matches of a rule were judged, by the judgements that are in force."""

    judged: int = Field(description="How many judgements there are of what it matched.")
    true_positive: int = Field(description="How many of them say that it is what it was taken for.")
    false_positive: int = Field(description="How many of them say that it is not what it was taken for.")
    benign: int = Field(description="How many of them say that it matched rightly and does no harm.")
    precision: float = Field(description="Part of them that says true_positive, from 0 to 1.")


class JudgedRulesResult(Result):
    """Which rules to tune."""

    rules: list[RuleRecordResult] = Field(description="The rules, those with the most false positives first.")

    def message(self) -> str:
        """How many there are, and which is the worst."""
        if not self.rules:
            return "nothing that a rule matched has been judged"
        worst = self.rules[0]
        return (
            f"{len(self.rules)} rules; {worst.name:.200}: {worst.false_positive} of {worst.judged} are false positives"
        )

    def summary(self) -> dict[str, int]:
        """Listed."""
        return {"listed": len(self.rules)}


@action("read", "none", limit=20)
def list_judged_rules(context: ActionContext, asked: ListJudgedRules) -> JudgedRulesResult:
    """List which rules to tune: what the matches of each were judged, those with the most false positives first."""
    found = judgements.rules(context.plan, asked.limit, context.sources)
    return JudgedRulesResult(rules=[RuleRecordResult.model_validate(each) for each in found])


@action("read", "none", in_force=True, limit=10)
def list_judgements(context: ActionContext, asked: ListJudgements) -> JudgementsResult:
    """List what was judged, the newest first."""
    wanted = JudgementFilter(
        asked.of,
        asked.value,
        asked.verdict,
        _source(context, asked.source),
        asked.by,
        asked.before,
        in_force=asked.in_force,
    )
    found = judgements.find(context.plan, wanted, asked.limit)
    return JudgementsResult(judgements=[JudgementDetail.model_validate(_seen(context, each)) for each in found])
