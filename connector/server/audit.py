"""Who did what: a line for each request that reads a collection or calls an action, whatever became of it.

Those that are turned away because there are too many make a line of each kind, and then their number. Neither secrets
nor bodies are in it: of an action's parameters, those that name what it is about.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.actions import Parameters
from connector.server.notices import Notices
from connector.telemetry import AuditLog

NAMING = frozenset(
    (
        *("id", "ids", "source", "route", "ruleset", "mapping", "list"),
        *("where", "filter", "since", "limit", "of", "value", "verdict", "until", "share", "override"),
    )
)
"""The parameters of actions that say what the action is about; none of them is a note or a notification."""
LONGEST = 200
TURNED_AWAY = frozenset(("rate_limited", "busy", "quota_spent"))
"""The codes of problems of requests that are too many, or want more than the share of their token. Those that have cost
quota all the same are no such."""
_KINDS = ("action", "resource")
"""What is said of those: there are few of each, whatever a client asks for."""
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
        turned_away: the code in `TURNED_AWAY` of the answer; empty: it was answered otherwise.
    """

    event: str = ""
    token: str = ""
    client: str = ""
    about: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    bytes: int = 0
    turned_away: str = ""

    def begin(self, event: str, **about: Any) -> None:
        """The request is one to be audited."""
        self.event, self.about = event, about

    def told(self, code: str) -> None:
        """The request is answered with the problem of this code."""
        self.turned_away = code if code in TURNED_AWAY else ""

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


class Audit:
    """Writes the records of requests. Used by one event loop."""

    def __init__(self, log: AuditLog) -> None:
        self.log = log
        self._turned_away = Notices(write=log.write)

    def write(self, record: AuditRecord, seconds: float) -> None:
        """Write the record of a request that was answered after so many seconds, if it is one to be audited."""
        if not record.event or not record.token:
            return
        if record.turned_away and not record.about.get("quota"):
            kind = {name: record.about[name] for name in _KINDS if name in record.about}
            said = {"token": record.token, **kind, "outcome": record.turned_away, "status": record.status}
            self._turned_away.tell(record.event, record.client, **said)
        else:
            self.log.write(record.event, **record.fields(), seconds=round(seconds, 3))

    def close(self) -> None:
        """Write what was only counted so far; the event loop has ended."""
        self._turned_away.close()


class AuditMiddleware:
    """Has the record of each request of somebody who was let in written, once it is answered."""

    def __init__(self, application: ASGIApp, audit: Audit) -> None:
        self._application = application
        self._audit = audit

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
            self._audit.write(record, time.monotonic() - started)
