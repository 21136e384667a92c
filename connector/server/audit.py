"""Who did what: a line for each request that reads a collection or calls an action, whatever became of it.

Neither secrets nor bodies are in it: of an action's parameters, those that name what it is about.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.actions import Parameters
from connector.telemetry import AuditLog

NAMING = frozenset(
    (
        *("id", "ids", "source", "route", "ruleset", "mapping", "list"),
        *("where", "filter", "since", "limit", "of", "value", "verdict", "until", "share", "override"),
    )
)
"""The parameters of actions that say what the action is about; none of them is a note or a notification."""
LONGEST = 200
_STATE = "audit"


@dataclass(slots=True)
class AuditRecord:
    """What is known of one request.

    Attributes:
        event: `action` or `taxii_read`; empty for what is not audited.
        token: name of the token; empty: nobody was let in, which is no read and no act.
        about: what was asked for, and how much came of it.
        status: the HTTP status of the answer; None: the client had gone before there was one.
        bytes: how many bytes of its body were sent.
    """

    event: str = ""
    token: str = ""
    client: str = ""
    about: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    bytes: int = 0

    def begin(self, event: str, **about: Any) -> None:
        """The request is one to be audited."""
        self.event, self.about = event, about

    def fields(self) -> Mapping[str, Any]:
        """For the log."""
        return {
            "token": self.token,
            "client": self.client,
            **self.about,
            "status": self.status,
            "bytes": self.bytes,
        }


def record_of(request: Request) -> AuditRecord:
    """The record of a request, to be filled by whatever answers it."""
    found = request.scope.setdefault("state", {}).setdefault(_STATE, AuditRecord())
    assert isinstance(found, AuditRecord)  # noqa: S101 -- nothing else is called so
    return found


def named(parameters: Parameters) -> Mapping[str, Any]:
    """Those parameters of an action that were given and say what it is about; long ones are cut."""
    given = parameters.model_dump(mode="json", include=set(NAMING), exclude_unset=True)
    return {name: _short(value) for name, value in given.items()}


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(each) for each in value[:LONGEST]]
    return f"{value[:LONGEST]}…" if isinstance(value, str) and len(value) > LONGEST else value


class AuditMiddleware:
    """Writes the record of each request of somebody who was let in, once it is answered."""

    def __init__(self, application: ASGIApp, log: AuditLog) -> None:
        self._application = application
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        record = record_of(Request(scope))
        started = time.monotonic()

        async def counted(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.start":
                record.status = message["status"]
            else:
                record.bytes += len(message.get("body", b""))

        try:
            await self._application(scope, receive, counted)
        finally:
            if record.event and record.token:
                seconds = round(time.monotonic() - started, 3)
                self._log.write(record.event, **record.fields(), seconds=seconds)
