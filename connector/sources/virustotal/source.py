"""VirusTotal's IoC Stream: read oldest first, page by page, so that nothing is passed over.

(docs.virustotal.com/reference/get-objects-from-the-ioc-stream)
"""

import base64
import datetime
import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Literal

import pydantic
from pydantic import AliasChoices, Field, field_validator

from connector.model import (
    ConnectorError,
    Json,
    JsonObject,
    LookUp,
    Misconfigured,
    Notification,
    Page,
    Refused,
    Subject,
    Unavailable,
)
from connector.notification import SHA256, read
from connector.settings.parts import SourceSettings
from connector.sources.bodies import storable
from connector.sources.virustotal.api import Answer, Api, ApiSettings, nearly_spent
from connector.sources.virustotal.subjects import answered, endpoint
from connector.sources.virustotal.walk import Checkpoint

PAGE_LIMIT = 40
"""The most that the API gives at once."""

LOOK_UP_TIMEOUT_SECONDS = 10.0
LOOK_UP_MAX_BYTES = 8 * 1024 * 1024
"""A look-up may hold up the next walk no longer than this, nor take more memory."""
QUOTA_RESERVE = 0.25
"""The part of each quota that look-ups leave to notifications."""
QUOTA_FRESH_SECONDS = 3600.0

_MOST_ITEMS = 25 * PAGE_LIMIT
"""Of an answer: what is beyond it costs memory without bound, and is no page of the real API's."""
_CURSOR_REFUSED = frozenset((400, 404, 410))
_GONE = frozenset((HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GONE))
_MAX_EMPTY_PAGES = 100
_CLOCK_TOLERANCE_SECONDS = 60
_COLLECTIONS = {"file": "files", "url": "urls", "domain": "domains", "ip_address": "ip_addresses"}


class VirusTotalSettings(ApiSettings, SourceSettings):
    """Notifications from the IoC Stream of VirusTotal, or of Google Threat Intelligence."""

    type: Literal["virustotal"] = Field(description="The kind of source: VirusTotal's API.")
    filter: str = Field(
        "",
        description=(
            "Which notifications to fetch, in VirusTotal's terms: origin, entity_type, entity_id, "
            "source_type, source_id, notification_tag. Empty: all."
        ),
    )
    since_hours: int = Field(
        24,
        ge=1,
        le=168,
        description="How many hours back the first run looks. VirusTotal keeps notifications for 168 hours.",
    )
    overlap_seconds: int = Field(
        900,
        ge=0,
        le=86400,
        description=(
            "How many seconds before its watermark each poll begins, because a notification can appear "
            "later than its date says. The journal drops repeats."
        ),
    )
    poll_seconds: int = Field(
        300,
        ge=1,
        le=86400,
        description=(
            "How many seconds to wait between two polls. A shorter time brings notifications sooner and "
            "costs more requests of the quota."
        ),
    )
    look_ups_per_day: int = Field(
        200,
        validation_alias=AliasChoices("look_ups_per_day", "lookups_per_day"),  # as it was spelt at first
        ge=0,
        le=100_000,
        description=(
            "Most requests a day (UTC) for looking up the rulesets and collections that notifications "
            "name; 0 turns look-ups off. They also stop when only a quarter of a quota is left."
        ),
    )

    @field_validator("filter")
    @classmethod
    def _one_line_without_date(cls, text: str) -> str:
        text = text.strip()
        if not text.isprintable():
            raise ValueError("it must be one line of printable characters: spaces separate its terms")
        if any(term.lower().startswith("date:") for term in text.split()):
            raise ValueError(
                "it must not have a date: term, the source adds its own to go on where it stands; "
                "since_hours says how far back the first run looks"
            )
        return text

    def look_up_limit(self) -> int:
        """See `connector.settings.parts.SourceSettings`."""
        return self.look_ups_per_day

    def upstream(self) -> Hashable | None:
        """See `connector.settings.parts.SourceSettings`. The notifications of one API key at one API."""
        return self.api_url, self.api_key.get_secret_value()


class VirusTotalSource:
    """The notifications of one API key that match one filter. Not shared between threads."""

    def __init__(self, settings: VirusTotalSettings, *, user_agent: str) -> None:
        self._settings = settings
        self._api = Api(settings, user_agent=user_agent)
        brief = {"timeout_seconds": min(settings.timeout_seconds, LOOK_UP_TIMEOUT_SECONDS)}
        self._look_ups = Api(settings.model_copy(update=brief), user_agent=user_agent, max_body_bytes=LOOK_UP_MAX_BYTES)
        self._quota: JsonObject | None = None
        self._quota_at = float("-inf")
        self._sent_at_quota = 0

    def pages(self, checkpoint: Json | None) -> Iterator[Page]:
        """Yield what is new, oldest first, in pages of at most 40; see `connector.ports.Source`.

        Each complete walk yields a page, an empty one when there is nothing new: its checkpoint says until when there
        was nothing. A changed filter starts anew, as the first run does; the journal knows what comes again.
        """
        state = self._restored(checkpoint)
        if state.walk is None:
            state = self._begun(state, int(time.time()))
        gap_looked_for = clock_corrected = restarted = False
        pages = _Progress()
        while (walk := state.walk) is not None:
            cursor = walk.cursor
            answer = self._ask(walk.since, cursor)
            if answer.status != HTTPStatus.OK:
                if cursor is None or answer.status not in _CURSOR_REFUSED:
                    raise _refused(answer)
                if restarted:
                    raise Unavailable(f"VirusTotal refuses the cursors that it gives ({answer.said})")
                state, restarted, pages = state.restarted(self._settings.overlap_seconds), True, _Progress()
                continue
            if cursor is None and not clock_corrected:
                # A first run counts back from this machine's clock. Where that runs ahead, the server's shows it.
                corrected, clock_corrected = self._begun(state, answer.clock), True
                if corrected.walk and corrected.walk.since + _CLOCK_TOLERANCE_SECONDS < walk.since:
                    state = corrected
                    continue
            gap = None if gap_looked_for else state.gap(answer.clock)
            gap_looked_for = True
            items, next_cursor = _page(answer)
            pages.count(len(items), cursor, next_cursor)
            notifications = [self._notification(item) for item in items]
            state = state.after([each.date for each in notifications], next_cursor, answer.clock)
            if gap is not None and state.walk is not None:
                # Reported with this page: a run that takes up this walk must not report it again.
                state = state.model_copy(update={"seen_until": gap.end})
            yield Page(notifications, state.model_dump(), gap)

    def get(self, notification_id: str) -> Notification:
        """See `connector.ports.SearchableSource`."""
        answer = self._api.get("ioc_stream_notifications", notification_id)
        if answer.status != HTTPStatus.OK:
            raise _unknown(notification_id) if answer.status in _GONE else _refused(answer)
        body = answer.document.get("data")
        if not isinstance(body, dict):
            raise Unavailable(f"VirusTotal answered without the notification that it was asked for ({answer.said})")
        entity = self._entity(body)
        return read(storable({**body, "entity": entity} if entity else body))

    def search(
        self,
        wanted: str,
        since: int | None = None,
        *,
        newest_first: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> tuple[Sequence[Notification], str | None]:
        """See `connector.ports.SearchableSource`. One answer has at most 40."""
        date = "" if since is None else f"date:{since}+"
        terms = " ".join(filter(None, (self._settings.filter, wanted, date)))
        params = {"limit": str(min(limit or PAGE_LIMIT, PAGE_LIMIT)), "order": "date-" if newest_first else "date+"}
        params |= {name: value for name, value in (("filter", terms), ("cursor", cursor)) if value}
        answer = self._api.get("ioc_stream", params=params)
        if answer.status == HTTPStatus.BAD_REQUEST:
            raise Refused(f"VirusTotal refuses the question ({answer.said})", by="source")
        if answer.status != HTTPStatus.OK:
            raise _refused(answer)
        items, next_cursor = _page(answer)
        return [self._notification(item) for item in items], next_cursor

    def delete(self, notification_id: str) -> None:
        """See `connector.ports.SearchableSource`."""
        answer = self._api.delete("ioc_stream_notifications", notification_id)
        if answer.status != HTTPStatus.OK:
            raise _unknown(notification_id) if answer.status in _GONE else _refused(answer)

    def check(self) -> str:
        """Ask for the newest notification, and for the quota."""
        params = {"limit": "1"} | ({"filter": self._settings.filter} if self._settings.filter else {})
        answer = self._api.get("ioc_stream", params=params)
        if answer.status != HTTPStatus.OK:
            raise _refused(answer)
        items, _ = _page(answer)
        found = "VirusTotal accepts the key and the filter; "
        date = read(storable(items[0])).date if items else None
        if date is not None:
            newest = datetime.datetime.fromtimestamp(date, datetime.UTC)
            found += f"the newest notification is of {newest:%Y-%m-%d %H:%M} UTC"
        else:
            found += "there is no notification of the last 7 days"
        return found + self._quota_in_words()

    def quota(self) -> JsonObject | None:
        """What is left of the key's allowance; see `virustotal_api.Api.quota`."""
        self._quota, self._quota_at = None, time.monotonic()
        try:
            self._quota = self._api.quota()
        finally:
            self._sent_at_quota = self._sent()
        return self._quota

    def look_up(self, subject: Subject) -> LookUp:
        """Read a ruleset, Retrohunt job, collection or threat actor; see `connector.ports.Source`.

        Raises:
            Unavailable: also when no more than `QUOTA_RESERVE` of a quota is left.
            Misconfigured: the key is not accepted, or something other than the API answers.
        """
        if time.monotonic() - self._quota_at > QUOTA_FRESH_SECONDS:
            with suppress(ConnectorError):  # a key may not see its quota: then `look_ups_per_day` is the one limit
                self.quota()
        spent = nearly_spent(self._quota or {}, self._sent() - self._sent_at_quota, QUOTA_RESERVE)
        if spent is not None:
            raise Unavailable(f"what is left of the quota is kept for notifications: {spent}")
        return answered(subject, self._look_ups.get(*endpoint(subject)), int(time.time()))

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._look_ups.close()

    def _sent(self) -> int:
        return self._api.sent + self._look_ups.sent

    def _restored(self, checkpoint: Json | None) -> Checkpoint:
        if checkpoint is None:
            return Checkpoint(filter=self._settings.filter)
        try:
            state = Checkpoint.model_validate(checkpoint)
        except pydantic.ValidationError:
            raise Misconfigured(
                "what the journal has under this source's name is not from a virustotal source: "
                "give the source a name that the journal does not know"
            ) from None
        if state.filter != self._settings.filter:
            # It goes back to where the old filter had come, or further: a long outage may lie before the change.
            return Checkpoint(filter=self._settings.filter, seen_until=state.known_until)
        return state

    def _begun(self, state: Checkpoint, now: int) -> Checkpoint:
        return state.begun(
            now, since_seconds=self._settings.since_hours * 3600, overlap_seconds=self._settings.overlap_seconds
        )

    def _ask(self, since: int, cursor: str | None) -> Answer:
        wanted = f"{self._settings.filter} date:{since}+".strip()
        params = {"limit": str(PAGE_LIMIT), "order": "date+", "filter": wanted}
        if cursor is not None:
            params["cursor"] = cursor
        return self._api.get("ioc_stream", params=params)

    def _notification(self, item: Json) -> Notification:
        body = storable(item)
        entity_id, attributes = body.get("id"), body.get("attributes")
        if body.get("type") == "url" and isinstance(entity_id, str) and SHA256.match(entity_id):
            known = dict(attributes) if isinstance(attributes, dict) else {}
            if not known.pop("url", None):  # the one thing that the digest cannot be turned back into
                looked_up = self._api.url_attributes(entity_id)
                if looked_up is not None:
                    body = storable({**body, "attributes": {**looked_up, **known}})
        return read(body)

    def _entity(self, body: JsonObject) -> JsonObject | None:
        attributes = body.get("attributes")
        said = attributes if isinstance(attributes, dict) else {}
        collection, entity_id = _COLLECTIONS.get(str(said.get("entity_type"))), said.get("entity_id")
        if collection is None or not isinstance(entity_id, str):
            return None
        if collection == "urls" and not SHA256.match(entity_id):
            # docs.virustotal.com/reference/url: "URL identifiers", the base64url form without padding
            entity_id = base64.urlsafe_b64encode(entity_id.encode()).decode().rstrip("=")
        entity = self._api.get(collection, entity_id).document.get("data")
        return entity if isinstance(entity, dict) else None

    def _quota_in_words(self) -> str:
        try:
            quota = self._api.quota() or {}
        except ConnectorError as error:
            return f"; its quota is unknown: {error}"
        said = [
            f"{name.removeprefix('api_requests_')} {numbers.get('used')} of {numbers.get('allowed')}"
            for name, spans in quota.items()
            if isinstance(spans, dict) and isinstance(numbers := spans.get("user") or spans.get("group"), dict)
        ]
        return f"; requests used: {', '.join(said)}" if said else ""


class _Progress:
    """Watches that pages lead on, so that no answer of the server's keeps a walk going for ever."""

    def __init__(self) -> None:
        self._used: set[int] = set()
        self._empty = 0

    def count(self, items: int, cursor: str | None, next_cursor: str | None) -> None:
        self._used.add(hash(cursor))
        self._empty = 0 if items else self._empty + 1
        if next_cursor is None:
            return
        if hash(next_cursor) in self._used or self._empty > _MAX_EMPTY_PAGES:
            raise Unavailable("VirusTotal's pages lead nowhere: the same cursors, or no notifications, again and again")


def _page(answer: Answer) -> tuple[Sequence[Any], str | None]:
    """The items of a page, and the cursor to the next: None at the end, which VirusTotal also says as an empty one."""
    items, meta = answer.document.get("data"), answer.document.get("meta") or {}
    cursor = meta.get("cursor") if isinstance(meta, dict) else None
    if not isinstance(items, list) or not isinstance(meta, dict) or not isinstance(cursor, str | None):
        raise Unavailable(f"VirusTotal answered with JSON that is no page of the IoC Stream ({answer.said})")
    if len(items) > _MOST_ITEMS:
        raise Unavailable(
            f"VirusTotal answered with {len(items)} notifications where {PAGE_LIMIT} were asked for: something else "
            "answers in its place"
        )
    return items, cursor or None


def _unknown(notification_id: str) -> Refused:
    return Refused(
        f"VirusTotal has no notification {notification_id!r} for this key; it deletes them after 7 days",
        by="notification",
    )


def _refused(answer: Answer) -> Misconfigured:
    if answer.status == HTTPStatus.BAD_REQUEST:
        return Misconfigured(f"VirusTotal refuses the request ({answer.said}): correct the source's filter")
    if answer.status == HTTPStatus.FORBIDDEN:
        return Misconfigured(
            f"VirusTotal does not open the IoC Stream to this API key ({answer.said}): the key in the source's option "
            "api_key needs a licence that includes it (VirusTotal Enterprise or Google Threat Intelligence)"
        )
    if answer.status == HTTPStatus.NOT_FOUND:
        return Misconfigured(f"there is no IoC Stream at the source's api_url ({answer.said}): correct it")
    return Misconfigured(f"VirusTotal refuses the request ({answer.said}): correct the source's filter or api_url")
