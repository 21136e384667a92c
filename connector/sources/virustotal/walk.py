"""How far a VirusTotal source has come: the watermark, and the walk through the stream that moves it.

A walk asks for everything from `since` on, oldest first, and follows the cursor to the end. The watermark comes from
the dates of notifications that have been handed over, and from nothing else.

What appears behind the place where a walk stands is not met by it. A walk of several pages takes time, and may be
interrupted for days; so the next one begins where it began, and the overlap counts from there.
"""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from connector.model import Gap

RETENTION_SECONDS = 7 * 86400
"""VirusTotal deletes notifications after 7 days (docs.virustotal.com/docs/ioc-stream-threat-feeds)."""


class Walk(BaseModel):
    """A walk under way.

    Attributes:
        since: the date it asks from; it rises while the walk goes on by date.
        started: the server's clock at its first answer.
        base: the watermark when it began.
        highest: the newest date it has met.
        ordered: whether no date was lower than one before it.
        cursor: what the next page is asked with; None for the first, and while the walk goes on by date.
        by_date: whether it goes on from the last date it has met, because cursors lead nowhere.
        next_since: where the next walk begins if this one takes more than one page.
    """

    model_config = ConfigDict(frozen=True)

    since: int
    started: int | None = None
    base: int | None = None
    highest: int | None = None
    ordered: bool = True
    cursor: str | None = None
    by_date: bool = False
    next_since: int | None = None


class Checkpoint(BaseModel):
    """All that is needed to go on, stored with each page. Times are in Unix seconds.

    Attributes:
        filter: the user's filter that it belongs to.
        watermark: every notification raised before it, less the overlap, has been handed over.
        seen_until: the server's clock when the last complete walk began, or until when losses have been reported.
        walk: the walk under way, if it is not complete.
        next_since: where the next walk begins at the latest: where the last one began, if it took several pages.
        api_url: where it was read; None in checkpoints of before this was kept.
        key: a digest of the API key it was read with.
        last_id: the last notification handed over, by which another address shows that it is the same stream.
    """

    model_config = ConfigDict(frozen=True)

    filter: str
    watermark: int | None = None
    seen_until: int | None = None
    walk: Walk | None = None
    next_since: int | None = None
    api_url: str | None = None
    key: str | None = None
    last_id: str | None = None

    @property
    def known_until(self) -> int | None:
        """The time up to which the stream is known: it was read until then, or there was nothing to read."""
        return _newer(self.watermark, self.seen_until)

    def begun(self, now: int, *, since_seconds: int, overlap_seconds: int) -> "Checkpoint":
        """The checkpoint with a new walk, from the watermark less the overlap.

        Without a watermark it begins `since_seconds` ago; or earlier, where the last walk, which found nothing, ended.
        """
        if self.watermark is not None:
            since = self.watermark - overlap_seconds
        else:
            since = now - since_seconds
            if self.seen_until is not None:
                since = min(since, self.seen_until - overlap_seconds)
        next_since = max(0, since)
        since = next_since if self.next_since is None else min(next_since, self.next_since)
        return self.model_copy(update={"walk": Walk(since=since, base=self.watermark, next_since=next_since)})

    def after(self, dates: Iterable[int | None], cursor: str | None, clock: int) -> "Checkpoint":
        """The checkpoint after a page. `cursor` leads to the next one, None ends the walk; `clock` is the server's.

        Within a walk whose dates never fall, the watermark follows them. Once one has, older ones may yet come, and
        it stays where the walk began until the walk is complete. A date in the future says nothing: believed, it
        would keep the next walk from everything before it.
        """
        walk = self.walk or Walk(since=0)
        highest, ordered = walk.highest, walk.ordered
        for date in dates:
            if date is None or date > clock:
                continue
            if highest is not None and date < highest:
                ordered = False
            highest = _newer(highest, date)
        started = clock if walk.started is None else walk.started
        reached = _newer(walk.base, highest)
        if cursor is None:
            next_since = None if walk.started is None else walk.next_since
            done = {"watermark": reached, "seen_until": started, "walk": None, "next_since": next_since}
            return self.model_copy(update=done)
        walked = {"started": started, "highest": highest, "ordered": ordered, "cursor": cursor}
        return self.model_copy(
            update={"watermark": reached if ordered else walk.base, "walk": walk.model_copy(update=walked)}
        )

    def by_date(self) -> "Checkpoint":
        """The checkpoint with a walk that goes on without a cursor: from the newest date that it has met, once more."""
        walk = self.walk or Walk(since=0)
        return self._at(walk.since if walk.highest is None else max(walk.since, walk.highest))

    def ahead(self) -> "Checkpoint":
        """The checkpoint after a page that was read ahead: all that is older than its newest date was handed over."""
        walk = self.walk or Walk(since=0)
        since = walk.since if walk.highest is None else max(walk.since, walk.highest)
        return self.model_copy(update={"walk": walk.model_copy(update={"since": since, "cursor": None})})

    def restarted(self) -> "Checkpoint":
        """The checkpoint with the walk at its beginning again, when nobody can tell what it has met since."""
        walk = self.walk or Walk(since=0)
        anew = {"cursor": None, "highest": None, "ordered": True}
        return self.model_copy(update={"walk": walk.model_copy(update=anew)})

    def past(self, second: int) -> "Checkpoint":
        """The checkpoint with a walk that goes on by date after this second."""
        return self._at(second + 1)

    def _at(self, since: int) -> "Checkpoint":
        walk = self.walk or Walk(since=0)
        went_on = {"since": since, "cursor": None, "by_date": True}
        return self.model_copy(update={"walk": walk.model_copy(update=went_on)})

    def gap(self, clock: int) -> Gap | None:
        """The span that VirusTotal has deleted since this checkpoint; None when there can be none."""
        horizon = clock - RETENTION_SECONDS
        known = self.known_until
        return Gap(known, horizon) if known is not None and known < horizon else None


def _newer(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else max(a, b)
