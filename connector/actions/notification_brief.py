"""A notification in short, as actions show it: where it was found, what matched, and what is known of the entity."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field

from connector import notification
from connector.actions.assessment import Assessment
from connector.actions.entity_facts import EntityFacts
from connector.configuration import Plan
from connector.model import (
    TAKEN_BACK,
    Document,
    Entry,
    Guarded,
    JsonObject,
    Judgement,
    Notification,
    Refused,
    Subject,
)
from connector.ports import Guards
from connector.values import observables
from connector.values.assessments import with_unsaid
from connector.values.jsontext import list_or_empty
from connector.values.timestamps import timestamp

Where = Literal["journal", "virustotal"]
Change = Literal["changed", "withdrawn"]


@dataclass(frozen=True)
class Found:
    """A notification, and where it was found.

    Attributes:
        position: its place in the journal; None when VirusTotal was asked.
        context: the attributes of what it names, as far as the journal knows them.
        judgement: what an analyst says of it.
        guards: what is known to be good in its source.
        newest: its entity's attributes as JSON, where they were looked up later.
    """

    notification: Notification
    source: str
    position: int | None = None
    context: Mapping[Subject, JsonObject] = field(default_factory=dict)
    judgement: Judgement | None = None
    guards: Guards | None = None
    newest: bytes | None = None

    @classmethod
    def of(cls, entry: Entry, plan: Plan) -> Self:
        """From an entry of the journal.

        Raises:
            Misconfigured: a known-good list is not what it should be.
        """
        guards = plan.guards.of(source=entry.source)
        return cls(entry.notification, entry.source, entry.seq, entry.context, entry.judgement, guards, entry.entity)

    @property
    def where(self) -> Where:
        """Where it was found."""
        return "virustotal" if self.position is None else "journal"

    @cached_property
    def view(self) -> Document | Refused:
        """What mappings see of it; or why nothing true can be said of it."""
        try:
            said = {"name": self.source}
            return notification.view(self.notification, self.context, said, self.judgement, self.newest)
        except Refused as error:
            return error.kept()

    @cached_property
    def assessment(self) -> Assessment:
        """What is known of its entity; analysts and known-good lists go before VirusTotal's verdict."""
        if isinstance(self.view, Refused):
            return Assessment()
        return Assessment.of(self.view).corrected(self.judgement, self.guarded)

    @cached_property
    def guarded(self) -> Guarded | None:
        """What guards its entity: a known-good list of the configuration or of its source."""
        if self.guards is None or isinstance(self.view, Refused):
            return None
        return self.guards.of_notification(self.view)

    @cached_property
    def unguarded_assessment(self) -> Assessment:
        """The same as if no known-good list had it."""
        if isinstance(self.view, Refused):
            return Assessment()
        return Assessment.of(self.view).corrected(self.judgement, None)

    def assessment_after(self, earlier: JsonObject) -> Assessment:
        """The same, with what earlier attributes of the entity say of what its own do not say at all."""
        if isinstance(self.view, Refused):
            return Assessment()
        view = {**self.view, "entity": with_unsaid(self.view["entity"], earlier)}
        return Assessment.of(view).corrected(self.judgement, self.guarded)

    @property
    def judged(self) -> str | None:
        """What an analyst says of it, while that holds."""
        said = None if self.judgement is None else self.judgement.verdict
        return None if said == TAKEN_BACK else said

    @property
    def is_judged_wrong(self) -> bool:
        """Whether no route delivers it, because an analyst judged it wrong."""
        return self.judgement is not None and self.judgement.withholds

    @property
    def is_muted(self) -> bool:
        """Whether no route delivers it, because it was judged wrong or is known to be good."""
        return self.is_judged_wrong or (self.guarded is not None and self.guarded.is_suppressed)


class NotificationResult(Assessment):
    """A notification in short, with what is known of its entity."""

    id: str = Field(description="The notification's id at VirusTotal.")
    change: Change | None = Field(
        None,
        description=(
            "With `changes`: `changed`, it is listed again, for its assessment is another, or an analyst judged it; "
            "`withdrawn`, its entity is no longer what is asked for, and what was made of it is to be taken back; "
            "null: it is new."
        ),
    )
    upheld_by: str | None = Field(
        None,
        description=(
            "Id of another notification of the same observable that is still what is asked for, where this one is "
            "withdrawn because an analyst judged it wrong: only what was made of this one is to be taken back."
        ),
    )
    source: str = Field(description="Name of the source that the notification is from.")
    position: int | None = Field(
        None, description="The notification's place in the journal; null when VirusTotal was asked."
    )
    date: str | None = Field(description="When the notification was raised (RFC 3339).")
    origin: str | None = Field(None, description="Where the match comes from: hunting or subscriptions.")
    entity_type: str | None = Field(None, description="What matched: file, url, domain or ip_address.")
    entity_value: str | None = Field(
        None,
        description=(
            "The observable as it is looked up, sent and logged: SHA-256, URL, domain or IP address; null when it is "
            "not known, or is none that could be."
        ),
    )
    rule: str | None = Field(None, description="Name of the YARA rule that matched.")
    rulesets: list[str] = Field(
        default_factory=list, description="Names of the rulesets, collections and threat profiles that matched."
    )
    tags: list[str] = Field(default_factory=list, description="The notification's tags, from VirusTotal.")
    link: str | None = Field(None, description="Address of the entity's page at VirusTotal.")
    entity: EntityFacts = Field(
        EntityFacts(), description="What VirusTotal knows of the entity beside its assessment, such as name and size."
    )
    judgement: str | None = Field(
        None,
        description="What an analyst judged of it: true_positive, false_positive or benign; null when nobody did.",
    )
    guarded: str | None = Field(
        None, description="Name of the known-good list that the entity is on; null when it is on none."
    )
    unreadable: str | None = Field(None, description="Why nothing more can be said of the notification.")
    body: dict[str, Any] | None = Field(
        None, description="The notification as VirusTotal sent it, when `bodies` asks for it."
    )

    @classmethod
    def brief(
        cls, found: Found, *, with_body: bool, change: Change | None = None, upheld_by: str | None = None
    ) -> Self:
        """Of a notification that was found; with `change`, why it is listed again."""
        item, view = found.notification, found.view
        known: dict[str, Any] = {
            "id": item.id,
            "change": change,
            "upheld_by": upheld_by,
            "source": found.source,
            "position": found.position,
            "date": None if item.date is None else timestamp(item.date),
            "body": dict(item.body) if with_body else None,
            "judgement": found.judged,
        }
        if isinstance(view, Refused):
            return cls(**known, unreadable=str(view))
        said = view["notification"]
        info = said["hunting_info"] if isinstance(said["hunting_info"], dict) else {}
        sources = [each for each in list_or_empty(said["sources"]) if isinstance(each, dict)]
        return cls(
            **known,
            **dict(found.assessment),
            origin=_text(said["origin"]),
            entity_type=said["entity_type"],
            entity_value=observables.of_entity(said["entity_type"], view["entity_value"]),
            rule=_text(info.get("rule_name")),
            rulesets=[name for each in sources if (name := _text(each.get("label") or each.get("id")))],
            tags=[tag for tag in list_or_empty(said["tags"]) if isinstance(tag, str)],
            link=said["link"],
            guarded=found.guarded.list if found.guarded else None,
            entity=EntityFacts.of(view["entity"]),
        )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
