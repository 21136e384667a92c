"""The one shape in which every action answers, and how errors become codes, causes and remedies."""

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, Self

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from connector.configuration import NotFound
from connector.model import ConnectorError, Misconfigured, Refused, Unavailable
from connector.operations.judgements import Unsound
from connector.sources.virustotal.spending import NotAllowed, ShareSpent
from connector.values.suggestions import instead

Code = Literal[
    "invalid_parameters",
    "not_found",
    "forbidden",
    "quota_spent",
    "misconfigured",
    "unavailable",
    "served_elsewhere",
    "rejected",
    "not_delivered",
    "check_failed",
    "notifications_lost",
]
REMEDIES: Mapping[Code, str] = {
    "invalid_parameters": "Correct the parameters; the action's reference says what each takes.",
    "not_found": "Look at the names and ids: get_status lists sources and routes, list_rejected dead letters.",
    "forbidden": "Ask with a token of the scope act, or ask for what the journal has.",
    "quota_spent": "Ask for what the journal has, or again tomorrow; quota_per_day of the token is the limit.",
    "misconfigured": "Correct the configuration; `iocstream check` looks at all of it.",
    "unavailable": "Wait, then call the action again: nothing is lost.",
    "served_elsewhere": "Let that process do it (get_status shows how far it is), or end it; SIGTERM loses nothing.",
    "rejected": "Correct the mapping or the receiver as the reason says, then call retry_rejected.",
    "not_delivered": "Have every route deliver it first (poll, retry_rejected), or call again with override: true.",
    "check_failed": "Put right what the message says, then check again.",
    "notifications_lost": "Poll more often than every 7 days, after which VirusTotal deletes notifications.",
}
"""What to do about each code, unless the error itself knows better."""
_FOR_A_PERSON = frozenset(("invalid_parameters", "not_found", "forbidden", "misconfigured"))


class ErrorDetail(BaseModel):
    """One thing that went wrong."""

    model_config = ConfigDict(frozen=True)

    code: Code = Field(description="What kind of error it is, for machines.")
    cause: str = Field(description="What happened, in a sentence.")
    remedy: str = Field(description="What to do about it, in a sentence.")
    retry_after_seconds: float | None = Field(
        None, description="How many seconds to wait first, when the other side said so."
    )

    @classmethod
    def of(cls, code: Code, cause: str, retry_after: float | None = None) -> Self:
        """With the remedy for its code."""
        return cls(code=code, cause=cause, remedy=REMEDIES[code], retry_after_seconds=retry_after)


class InvalidParameters(Misconfigured):
    """The parameters do not fit the action, or each other."""


class ServedElsewhere(Unavailable):
    """Another living process holds what the action needs."""


class NotDelivered(Refused):
    """A notification cannot be deleted before every route has delivered it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, by="notification")


_CODES: Sequence[tuple[type[ConnectorError], Code]] = (
    (NotFound, "not_found"),
    (InvalidParameters, "invalid_parameters"),
    (Unsound, "invalid_parameters"),
    (ShareSpent, "quota_spent"),
    (NotAllowed, "forbidden"),
    (Misconfigured, "misconfigured"),
    (ServedElsewhere, "served_elsewhere"),
    (Unavailable, "unavailable"),
    (NotDelivered, "not_delivered"),
    (Refused, "rejected"),
)


class Envelope(BaseModel):
    """What an action answers."""

    model_config = ConfigDict(frozen=True)

    action: str = Field(description="Name of the action that answered.")
    status: Literal["success", "failed"] = Field(
        description="Whether all went well: `failed` when there is any error, even if there is `data`."
    )
    message: str = Field(description="What came of it, in a sentence for people.")
    summary: dict[str, int] = Field(default_factory=dict, description="The result in numbers: counts by name.")
    data: Any = Field(None, description="The action's result; null when there is none.")
    errors: list[ErrorDetail] = Field(default_factory=list, description="What went wrong, one entry for each error.")

    @property
    def exit_code(self) -> int:
        """0 done, 1 work that failed, 2 a person must put something right first."""
        if not self.errors:
            return 0
        return 2 if any(error.code in _FOR_A_PERSON for error in self.errors) else 1


def error_detail(error: ConnectorError) -> ErrorDetail:
    """An error as its code, cause and remedy."""
    code = next(code for kind, code in _CODES if isinstance(error, kind))
    retry_after = error.retry_after if isinstance(error, Unavailable | ShareSpent) else None
    return ErrorDetail.of(code, str(error), retry_after)


@functools.cache
def envelope_of(result: type[BaseModel]) -> type[Envelope]:
    """The envelope with this kind of data; `PollResult` comes in a `PollEnvelope`."""
    kind: Any = result | None
    described: Any = Field(None, description=Envelope.model_fields["data"].description)
    name = f"{result.__name__.removesuffix('Result')}Envelope"
    return pydantic.create_model(name, __base__=Envelope, __doc__=Envelope.__doc__, data=(kind, described))


def failed(action: str, *errors: ErrorDetail) -> Envelope:
    """The envelope of an action that has no result."""
    return Envelope(action=action, status="failed", message=errors[0].cause, errors=list(errors))


def faults(error: pydantic.ValidationError, known: Collection[str]) -> list[ErrorDetail]:
    """What is wrong with parameters, of those `known`, one by one; their values, which may be secret, are not shown."""
    return [
        ErrorDetail.of("invalid_parameters", _fault(each, known))
        for each in error.errors(include_input=False, include_url=False)
    ]


_WORDING = {"missing": "is required", "int_type": "must be a whole number", "int_parsing": "must be a whole number"}
"""How pydantic's most common faults read."""


def _fault(fault: Any, known: Collection[str]) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    said = _WORDING.get(fault["type"], str(fault["msg"]).removeprefix("Value error, "))
    if fault["type"] == "extra_forbidden":
        said = "there is no such parameter"
        if len(fault["loc"]) == 1:
            said += instead(place, known) if known else "; the action takes none"
    return f"{place}: {said[:1].lower()}{said[1:]}" if place else said
