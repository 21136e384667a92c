"""VirusTotal's IoC Stream: read oldest first, page by page, so that nothing is passed over.

(docs.virustotal.com/reference/get-objects-from-the-ioc-stream)
"""

import base64
import datetime
import hashlib
import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Literal

import pydantic
from pydantic import AliasChoices, Field, field_validator

from connector.model import (
    ANEW,
    Ahead,
    ConnectorError,
    Gap,
    Json,
    JsonObject,
    Judgement,
    LookUp,
    Misconfigured,
    Notification,
    Page,
    Refused,
    Subject,
    Unavailable,
    Unreadable,
)
from connector.notification import SHA256, read
from connector.plugin import CONTRACT, USER_AGENT, SourceKind
from connector.settings.parts import SourceSettings
from connector.sources.bodies import storable
from connector.sources.virustotal import api
from connector.sources.virustotal.api import Api, ApiSettings, nearly_spent
from connector.sources.virustotal.backlog import Backlog
from connector.sources.virustotal.pages import MAX_CURSOR, PAGE_LIMIT, PageReader, items_of, refused
from connector.sources.virustotal.slices import MAX_BODY_BYTES
from connector.sources.virustotal.stream_page import StreamPage
from connector.sources.virustotal.subjects import answered, endpoint
from connector.sources.virustotal.walk import RETENTION_SECONDS, Checkpoint, Walk
from connector.values.quota import by_span

LOOK_UP_TIMEOUT_SECONDS = 10.0
LOOK_UP_MAX_BYTES = 8 * 1024 * 1024
"""A look-up may hold up the next walk no longer than this, nor take more memory."""
QUOTA_RESERVE = 0.25
"""The part of each quota that look-ups leave to notifications."""
QUOTA_FRESH_SECONDS = 3600.0
HOUR_SECONDS = 3600

_FIRST_WAIT_SECONDS = 60.0
_LONGEST_WAIT_SECONDS = 900.0
_LONGEST_PAUSE_SECONDS = 300.0
"""Between two walks by date that met nothing new; each costs more requests than one that cursors lead through."""
_URL_PAUSE_SECONDS = 900.0
"""How long no page waits for the look-up of a URL after one that failed; `look_up` asks for these URLs later."""
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
        description=(
            "How many hours back the first run looks, from when it first asks. VirusTotal keeps "
            "notifications for 168 hours."
        ),
    )
    overlap_seconds: int = Field(
        900,
        ge=0,
        le=86400,
        description=(
            "How many seconds before its watermark each poll begins, because a notification can appear "
            "later than its date says. After a fetch of several pages the next one begins where that one "
            "began. The journal drops repeats."
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
    walks: int = Field(
        1,
        ge=1,
        le=8,
        description=(
            "How many pages of a backlog may be read at once. Each needs up to 25 MB of memory. More than one is tried "
            "where a poll finds more than some 10 pages, and given up where VirusTotal does not keep to the two dates "
            "that it is asked for then."
        ),
    )
    look_ups_per_day: int = Field(
        200,
        validation_alias=AliasChoices("look_ups_per_day", "lookups_per_day"),  # as it was spelt at first
        ge=0,
        le=100_000,
        description=(
            "Most requests a day (UTC) for looking up the rulesets, collections and URLs that notifications "
            "name, and then what they are about; 0 turns look-ups off. They also stop when only a quarter of a "
            "quota is left."
        ),
    )
    reassess_hours: tuple[Annotated[int, Field(ge=1, le=720)], ...] = Field(
        (1, 24, 168),
        max_length=10,
        description=(
            "How many hours after its last notification a file, URL, domain or IP address is looked up again, in "
            "case VirusTotal's verdict has changed; `[]`: never. At most three quarters of the look-ups of a day "
            "are made of these; rulesets, collections and URLs come first."
        ),
    )

    share: list[Literal["comment", "vote"]] = Field(
        default_factory=list,
        description=(
            "What `iocstream judge --share`, or the action `judge` with `share`, may publish at VirusTotal of a "
            "judgement: a comment with its note, a vote; everyone can read both. Empty: nothing is ever published."
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

    attack_techniques: bool = Field(
        default=True,
        description=(
            "Whether to look up, once for each file that is malicious or suspicious, which ATT&CK techniques "
            "sandboxes saw it use. Set it to false for a key that may not read that."
        ),
    )

    def look_up_limit(self) -> int:
        """See `connector.settings.parts.SourceSettings`."""
        return self.look_ups_per_day

    def looks_up(self) -> Ahead | None:
        """See `connector.settings.parts.SourceSettings`."""
        if not self.look_ups_per_day:
            return None
        seconds = HOUR_SECONDS * min(self.reassess_hours) if self.reassess_hours else None
        return Ahead(seconds, self.attack_techniques)

    def shares(self) -> Sequence[str]:
        """See `connector.settings.parts.SourceSettings`."""
        return self.share

    def waits_for(self) -> str:
        """See `connector.settings.parts.SourceSettings`."""
        return self.api_url

    def upstream(self) -> Hashable | None:
        """See `connector.settings.parts.SourceSettings`. The notifications of one API key at one API."""
        return self.api_url, self.api_key.get_secret_value()


class VirusTotalSource:
    """The notifications of one API key that match one filter. Not shared between threads."""

    def __init__(self, settings: VirusTotalSettings, *, user_agent: str) -> None:
        self._settings = settings
        self._api = Api(settings, user_agent=user_agent)
        brief = {"timeout_seconds": min(settings.timeout_seconds, LOOK_UP_TIMEOUT_SECONDS)}
        self._look_ups = Api(
            settings.model_copy(update=brief), user_agent=user_agent, max_body_bytes=LOOK_UP_MAX_BYTES, has_pages=False
        )
        self._quota: JsonObject | None = None
        self._quota_at = float("-inf")
        self._sent_at_quota = 0
        self._reader = PageReader(self._api, settings.filter)
        self._backlog = Backlog(
            settings.walks,
            lambda: Api(settings, user_agent=user_agent, max_body_bytes=MAX_BODY_BYTES),
            self._reader,
        )
        self._progress = _Progress()
        self._is_anew = False
        self._restarted = False
        self._fruitless = 0
        self._by_date_resume = float("-inf")
        self._stepped_over: set[str] = set()
        self._urls_resume = float("-inf")

    def pages(self, checkpoint: Json | None) -> Iterator[Page]:
        """Yield what is new, oldest first, in pages of at most 40; see `connector.ports.Source`.

        Each complete walk yields a page, an empty one when there is nothing new: its checkpoint says until when there
        was nothing. A changed filter starts anew, as the first run does; the journal knows what comes again. A walk
        that was interrupted is followed by another, for what has come since. When the very first question is not
        answered, an empty page keeps from when on a first run looks, and then the error is raised. After a walk by date
        that met nothing new there is a pause, in which no page comes; it grows until something new is met.
        """
        if time.monotonic() < self._by_date_resume:
            return
        self._backlog.close()  # of a walk that was interrupted
        state = self._restored(checkpoint)
        is_taken_up = state.walk is not None and state.walk.started is not None
        if state.walk is None:
            state = self._begun(state, int(time.time()))
        gap_looked_for = self._restarted = has_new = False
        self._progress = _Progress()
        while (walk := state.walk) is not None:
            try:
                page = self._backlog.page() or self._reader.read(walk)
            except ConnectorError:
                if checkpoint is None:
                    yield Page((), state.model_dump())
                raise
            if page is None:
                state = self._by_date(state)
                continue
            if walk.started is None and (corrected := self._corrected(state, page.clock)) is not None:
                state = corrected
                continue
            gap = None if gap_looked_for else state.gap(page.clock)
            gap_looked_for = True
            state, stored = self._after(state, page, gap)
            self._backlog.note(page, state.walk)
            checkpoint, unreadable, ids = stored.checkpoint, stored.unreadable, _ids(stored.notifications)
            handed_over, clock = [stored], page.clock
            del stored, page  # which may be large, and are not kept until the next is there
            yield handed_over.pop()
            has_new |= self._note(unreadable, ids)
            if state.walk is None:
                self._pause(is_due=walk.by_date and not has_new)
            if state.walk is None and is_taken_up:
                state, is_taken_up = self._begun(state, clock), False
                self._progress, self._restarted = _Progress(), False

    def get(self, notification_id: str) -> Notification:
        """See `connector.ports.SearchableSource`."""
        try:
            answer = self._api.get("ioc_stream_notifications", notification_id)
        except api.UnreadableAnswer as error:
            raise Refused(
                f"the notification {notification_id} cannot be read: {error.reason}, at byte {error.offset:,} of "
                "VirusTotal's answer",
                by="source",
            ) from None
        if answer.status != HTTPStatus.OK:
            raise _unknown(notification_id) if answer.status in _GONE else refused(answer)
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
            raise refused(answer)
        items, next_cursor = items_of(answer)
        return [self._notification(item) for item in items], next_cursor

    def share(self, entity_type: str, entity_id: str, judgement: Judgement) -> Sequence[str]:
        """See `connector.ports.SharingSource`. Nothing but what the option `share` names.

        (docs.virustotal.com/reference/files-comments-post, …/files-votes-post)
        """
        collection = _COLLECTIONS.get(entity_type)
        if collection is None:
            raise Refused(f"nothing can be told of a {entity_type} at VirusTotal", by="source")
        verdict = "malicious" if judgement.verdict == "true_positive" else "harmless"
        said = {"vote": {"verdict": verdict}, "comment": {"text": judgement.note}}
        told = [what for what in self._settings.share if what == "vote" or judgement.note]
        for what in told:
            document = {"data": {"type": what, "attributes": said[what]}}
            answer = self._api.post(collection, _in_path(collection, entity_id), f"{what}s", document=document)
            if answer.status not in (HTTPStatus.OK, HTTPStatus.CONFLICT):
                raise Refused(f"VirusTotal takes no {what} ({answer.said})", by="source")
        return told

    def delete(self, notification_id: str) -> None:
        """See `connector.ports.SearchableSource`."""
        answer = self._api.delete("ioc_stream_notifications", notification_id)
        if answer.status != HTTPStatus.OK:
            raise _unknown(notification_id) if answer.status in _GONE else refused(answer)

    def check(self) -> str:
        """Ask for the newest notification, and for the quota."""
        params = {"limit": "1"} | ({"filter": self._settings.filter} if self._settings.filter else {})
        answer = self._api.get("ioc_stream", params=params)
        if answer.status != HTTPStatus.OK:
            raise refused(answer)
        items, _ = items_of(answer)
        found = "VirusTotal accepts the key and the filter; "
        date = read(storable(items[0])).date if items else None
        if date is not None:
            newest = datetime.datetime.fromtimestamp(date, datetime.UTC)
            found += f"the newest notification is of {newest:%Y-%m-%d %H:%M} UTC"
        else:
            found += "there is no notification of the last 7 days"
        return found + self._quota_in_words()

    def quota(self) -> JsonObject | None:
        """What is left of the key's allowance; see `api.Api.quota`."""
        self._quota, self._quota_at = None, time.monotonic()
        try:
            self._quota = self._api.quota()
        finally:
            self._sent_at_quota = self._sent()
        return self._quota

    def look_up(self, subject: Subject) -> LookUp:
        """Read a ruleset, a collection, an entity or what a file does; see `connector.ports.Source`.

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
        answer = self._look_ups.get(*endpoint(subject))
        again = [HOUR_SECONDS * hours for hours in sorted(self._settings.reassess_hours)]
        return answered(subject, answer, int(time.time()), again, with_techniques=self._settings.attack_techniques)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._look_ups.close()
        self._backlog.close()

    def _sent(self) -> int:
        return self._api.sent + self._look_ups.sent + self._backlog.sent

    def _restored(self, checkpoint: Json | None) -> Checkpoint:
        url, key = self._settings.api_url, hashlib.sha256(self._settings.api_key.get_secret_value().encode())
        here = {"filter": self._settings.filter, "api_url": url, "key": key.hexdigest()[:16]}
        self._is_anew = checkpoint == ANEW
        if checkpoint is None or self._is_anew:
            return Checkpoint(**here)
        try:
            state = Checkpoint.model_validate(checkpoint)
        except pydantic.ValidationError:
            raise Misconfigured(
                "what the journal has under this source's name is not from a virustotal source: "
                "give the source a name that the journal does not know"
            ) from None
        if state.api_url not in (None, url):
            if state.watermark is None and state.last_id is None:
                return Checkpoint(**here)  # nothing was read there
            self._expect_same_stream(state)
        if state.filter != self._settings.filter or state.key not in (None, here["key"]):
            # It goes back to where the old filter had come, or further: a long outage may lie before the change.
            return Checkpoint(**here, seen_until=state.known_until, last_id=state.last_id)
        state = state.model_copy(update=here)
        if state.walk is not None and len(state.walk.cursor or "") > MAX_CURSOR:
            state = state.by_date()
        return state

    def _expect_same_stream(self, state: Checkpoint) -> None:
        """Go on at another address only if it knows the last notification that was read at the one before."""
        if state.last_id is not None:
            answer = self._api.get("ioc_stream_notifications", state.last_id)
            if answer.status == HTTPStatus.OK:
                return
            if answer.status not in _GONE:
                raise refused(answer)
        raise Misconfigured(
            f"what the journal has under this source's name was read at {state.api_url}, and "
            f"{self._settings.api_url} does not know the last of it: correct the source's api_url, or give the source "
            "another name (and a journal of its own, if the routes must not deliver what came from there), or have "
            "what came from there forgotten with `iocstream forget source NAME`, so that it starts anew"
        )

    def _begun(self, state: Checkpoint, now: int) -> Checkpoint:
        since_seconds = RETENTION_SECONDS if self._is_anew else self._settings.since_hours * 3600
        return state.begun(now, since_seconds=since_seconds, overlap_seconds=self._settings.overlap_seconds)

    def _corrected(self, state: Checkpoint, clock: int) -> Checkpoint | None:
        """The checkpoint of a first run, begun by the server's clock; None unless this machine's clock is ahead."""
        corrected = self._begun(state, clock)
        is_ahead = state.walk and corrected.walk and corrected.walk.since + _CLOCK_TOLERANCE_SECONDS < state.walk.since
        return corrected if is_ahead else None

    def _after(self, state: Checkpoint, page: StreamPage, gap: Gap | None) -> tuple[Checkpoint, Page]:
        """The checkpoint after a page, and the page as it is stored with it."""
        before = state.walk or Walk(since=0)
        notifications = [self._notification(item) for item in page.items]
        unreadable = [*page.unreadable]
        lead = page.cursor if page.past is None and not page.is_ahead else ""  # no cursor, and not the end
        state = state.after([each.date for each in notifications], lead, page.clock)
        if notifications:
            state = state.model_copy(update={"last_id": notifications[-1].id})
        if state.walk is not None and gap is not None:
            # Reported with this page: a run that takes up this walk must not report it again.
            state = state.model_copy(update={"seen_until": gap.end})
        if page.past is not None:
            state = state.past(page.past)
        elif page.is_ahead:
            state = state.ahead()
        elif state.walk is not None and not self._is_led_on(before, page):
            state = self._by_date(state)
            if before.by_date and state.walk is not None and state.walk.since == before.since:
                more, missing = self._rest_of(before.since, notifications)
                notifications += more
                unreadable += missing
                state = state.past(before.since)
        unheard = [each for each in unreadable if each.id not in self._stepped_over]
        return state, Page(notifications, state.model_dump(), gap, unheard, self._settings.looks_up())

    def _note(self, unreadable: Sequence[Unreadable], ids: Sequence[str]) -> bool:
        """Remember what has been stored; return whether any notification was new."""
        self._stepped_over |= {each.id for each in unreadable}
        has_new = self._reader.handed(ids)
        if has_new:
            self._fruitless = 0
        return has_new

    def _pause(self, *, is_due: bool) -> None:
        """Have the next walk wait."""
        if is_due:
            self._by_date_resume = time.monotonic() + min(_LONGEST_PAUSE_SECONDS, self._fruitless_wait())

    def _is_led_on(self, walk: Walk, page: StreamPage) -> bool:
        """Whether the cursor of a page is one to follow."""
        is_new = self._progress.count(len(page.items), walk.cursor, page.cursor)
        return is_new and not walk.by_date and len(page.cursor or "") <= MAX_CURSOR

    def _by_date(self, state: Checkpoint) -> Checkpoint:
        """Go on by date, where a cursor leads nowhere; where dates do not ascend, begin the walk again, once."""
        self._progress = _Progress()
        if state.walk is None or state.walk.ordered:
            return state.by_date()
        if self._restarted:
            raise self._no_progress("VirusTotal refuses the cursors that it gives, and does not keep to the order")
        self._restarted = True
        return state.restarted()

    def _no_progress(self, message: str) -> Unavailable:
        """An outage, with a longer wait each time until something has come in."""
        return Unavailable(message, retry_after=self._fruitless_wait())

    def _fruitless_wait(self) -> float:
        self._fruitless += 1
        return min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0 ** min(self._fruitless - 1, 10))

    def _rest_of(
        self, second: int, read: Sequence[Notification]
    ) -> tuple[Sequence[Notification], Sequence[Unreadable]]:
        """What else was raised in a second of which one page was read, and no cursor leads to the next.

        A page from the other end of the second can be read. If the two do not meet, something is missing.
        """
        if not any(each.date == second for each in read):
            raise self._no_progress("VirusTotal refuses the cursors that it gives, and its dates lead nowhere")
        page = self._reader.last_of(second)
        more = [each for item in (page.items if page else ()) if (each := self._notification(item)).date == second]
        if page is not None and page.past is not None:
            return more, page.unreadable
        is_all = page is not None and (page.cursor is None or not {*_ids(more)}.isdisjoint(_ids(read)))
        at = datetime.datetime.fromtimestamp(second, datetime.UTC)
        reason = (
            f"more notifications were raised at {at:%Y-%m-%dT%H:%M:%SZ} than two pages hold, and VirusTotal refuses "
            "the cursor to the rest"
        )
        return more, [] if is_all else [Unreadable(f"second {second}", reason, date=second)]

    def _notification(self, item: Json) -> Notification:
        body = storable(item)
        entity_id, attributes = body.get("id"), body.get("attributes")
        if body.get("type") == "url" and isinstance(entity_id, str) and SHA256.match(entity_id):
            known = dict(attributes) if isinstance(attributes, dict) else {}
            if not known.pop("url", None):  # the one thing that the digest cannot be turned back into
                looked_up = self._url(entity_id)
                if looked_up is not None:
                    body = storable({**body, "attributes": {**looked_up, **known}})
        return read(body)

    def _url(self, url_id: str) -> JsonObject | None:
        """The attributes of a URL; None when they cannot be had now. The URL is then a subject, looked up later."""
        if time.monotonic() < self._urls_resume:
            return None
        try:
            return self._look_ups.url_attributes(url_id)
        except ConnectorError:
            self._urls_resume = time.monotonic() + _URL_PAUSE_SECONDS
            return None

    def _entity(self, body: JsonObject) -> JsonObject | None:
        attributes = body.get("attributes")
        said = attributes if isinstance(attributes, dict) else {}
        collection, entity_id = _COLLECTIONS.get(str(said.get("entity_type"))), said.get("entity_id")
        if collection is None or not isinstance(entity_id, str):
            return None
        entity = self._api.get(collection, _in_path(collection, entity_id)).document.get("data")
        return entity if isinstance(entity, dict) else None

    def _quota_in_words(self) -> str:
        try:
            quota = self._api.quota() or {}
        except ConnectorError as error:
            return f"; its quota is unknown: {error}"
        said = [f"{span} {each.used} of {each.allowed}" for span, each in by_span(quota).items()]
        return f"; requests used: {', '.join(said)}" if said else ""


class _Progress:
    """Watches that each page leads to another, so that no server keeps a walk going for ever."""

    def __init__(self) -> None:
        self._used: set[int] = set()
        self._empty = 0

    def count(self, items: int, cursor: str | None, next_cursor: str | None) -> bool:
        """Whether the next page may bring anything new."""
        self._used.add(hash(cursor))
        self._empty = 0 if items else self._empty + 1
        return hash(next_cursor) not in self._used and self._empty <= _MAX_EMPTY_PAGES


def _ids(notifications: Sequence[Notification]) -> Sequence[str]:
    return [each.id for each in notifications]


def _unknown(notification_id: str) -> Refused:
    return Refused(
        f"VirusTotal has no notification {notification_id!r} for this key; it deletes them after 7 days",
        by="notification",
    )


def _in_path(collection: str, entity_id: str) -> str:
    if collection == "urls" and not SHA256.match(entity_id):
        # docs.virustotal.com/reference/url: "URL identifiers", the base64url form without padding
        return base64.urlsafe_b64encode(entity_id.encode()).decode().rstrip("=")
    return entity_id


KIND = SourceKind(
    contract=CONTRACT,
    settings=VirusTotalSettings,
    make=lambda settings: VirusTotalSource(settings, user_agent=USER_AGENT),
)
