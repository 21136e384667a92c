"""Object versions: `created` stays, `modified` moves only when content does, and a repeat is the same bytes.

(STIX 2.1 section 3.6: every representation of one (id, modified) must be identical, and nothing follows a revocation.)

An indicator that only holds a little longer says nothing new. `valid_until` is therefore no part of the content, and
the version that is in force keeps its own.

Nor does one whose numbers and prose are a little different: the format says what it means (`ObjectFormat.meaning`).
What means the same as the version in force is sent only where the receiver is to get that once more; it is then a
version of its own, since of the other no more than digests is kept.
"""

import datetime
import operator
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from connector.model import Document, Identity, Provisional, Refused, Version, VersionBeside
from connector.values import news
from connector.values.identifiers import stix_id
from connector.values.timestamps import microseconds, timestamp

REFRESH = 0.2
"""By how much longer an indicator must hold to be sent again: a share of the time for which it then holds."""

RECENT = 2 * 86_400 * 1_000_000
"""For how long a version is recent, in microseconds: that a number has fallen is no news then, unless it is by much."""

_modified = operator.attrgetter("modified")


class Ledger:
    """The versions of one route, as far as one batch needs them.

    Attributes:
        recorded: versions that came up in this batch and are not in the journal yet.
        stamped: versions that this batch sends.
        unchanged: versions that the receiver has, and of which an entry of this batch says the same.
        has_revoked: whether any of the objects is revoked, so that others may stand in their places (`successors`).
        untold: revocations that this batch sends, and of which the receiver has not accepted any before.

    Args:
        known: the versions recorded so far, by object.
        told_until: for entries that are dealt with out of turn: by object, the last entry whose content the receiver
            has. An older entry starts no version, which would take the place of that.
        refresh: see `REFRESH`.
        is_shared: whether other routes tell the same receiver of the same objects.
    """

    def __init__(
        self,
        known: Mapping[str, Sequence[Version]],
        told_until: Mapping[str, int] = MappingProxyType({}),
        *,
        refresh: float = REFRESH,
        is_shared: bool = False,
    ) -> None:
        self._known = {object_id: tuple(versions) for object_id, versions in known.items()}
        self._refresh = refresh
        self._is_shared = is_shared
        self.has_revoked = any(version.revoked for versions in known.values() for version in versions)
        self._told_until = told_until
        self._undo: list[tuple[str, tuple[Version, ...]]] = []
        self.recorded: list[Version] = []
        self.stamped: list[Version] = []
        self.unchanged: list[Version] = []
        self.untold: set[tuple[str, str]] = set()  # by id and `modified`

    def stamp(
        self,
        document: Document,
        identity: Identity,
        seq: int,
        date: int,
        *,
        meaning: bytes = b"",
        left: bool = False,
        in_doubt_from: int = 0,
    ) -> Document | None:
        """The document with its `created` and `modified`; None when the receiver has no need of it.

        It has none when it has this version, or what a later entry said of the object (`told_until`), or, if the
        document is provisional, any version of the object.

        Args:
            document: without `created` and `modified`.
            identity: what the format says it is.
            seq: the entry it was made from.
            date: when that entry's notification was raised, in Unix seconds: the time of the version it may start.
            meaning: what of it is news (`ObjectFormat.meaning`); empty: all of it.
            left: whether no revocation may begin here: only one that is written down is sent.
            in_doubt_from: of versions that entries from this one on have begun, it is in doubt whether the receiver
                has them; 0: of none.

        Raises:
            Refused: the document is no JSON that can be written (nested too deeply, an integer over 64 bits), or
                no later `modified` can be, the calendar of RFC 3339 being at its end.
        """
        object_id, versioned, _ = identity
        versions = self._known.get(object_id, ())
        if not versioned:
            return self._first_copy(document, object_id, versions, seq)
        if isinstance(document, Provisional) and any(version.sent for version in versions):
            return None
        said = _Said(document, meaning)
        if said.revoked:
            return self._revoke(said, object_id, seq, date, left=left, in_doubt_from=in_doubt_from)
        if not versions:  # as of most documents
            at = timestamp(date)
            return self._begun(object_id, seq, said, (at, at))
        return self._say(said, object_id, seq, date)

    def versions(self, object_id: str) -> Sequence[Version]:
        """The versions of an object, as far as they are known."""
        return self._known.get(object_id, ())

    def is_there(self, object_id: str, in_doubt_from: int = 0) -> bool:
        """Whether the receiver has any version of an object, also if that is to be sent again; see `stamp`."""
        is_there = any(_may_be_there(version, in_doubt_from) for version in self._known.get(object_id, ()))
        return is_there or self._told_until.get(object_id, 0) > 0

    def _say(self, said: "_Said", object_id: str, seq: int, date: int) -> Document | None:
        versions = self._known[object_id]
        current = _current(versions, seq, said)
        if current is None or not said.is_in(current, date) or self._is_longer(said, current, date):
            if self._told_until.get(object_id, 0) > seq or _is_told_beside(versions, seq):
                return None
            times = _next_times(date, versions, seq)
            return None if times is None else self._begun(object_id, seq, said, times)
        if not current.sent and not said.is_worded_as(current):
            times = _times_following(current, date, versions)
            return None if times is None else self._begun(object_id, seq, said.until(current.valid_until), times)
        return self._repeated(said, current, seq)

    def _revoke(
        self, said: "_Said", object_id: str, seq: int, date: int, *, left: bool, in_doubt_from: int
    ) -> Document | None:
        """The document as the last version of its object, for a receiver that has one.

        There is one revocation of an object. While the receiver has not accepted it, it is given out again with the
        same times, by whichever entry makes it.
        """
        versions = self._known.get(object_id, ())
        revocation = revocation_of(versions)
        # Of what others have said too, this entry may be the last to end it, though they said it at later ones.
        said_before = (version for version in versions if not version.revoked)
        is_there = any(
            _may_be_there(version, in_doubt_from) and (version.seq <= seq or self._is_shared) for version in said_before
        )
        if isinstance(revocation, VersionBeside):
            return None  # it is for the other route to have it arrive
        if revocation is not None:
            is_needed = is_there or revocation.sent or revocation.seq == seq
            if not revocation.sent and not revocation.last_seq:
                self.untold.add((object_id, revocation.modified))
            return self._repeated(said, revocation, seq) if is_needed else None
        is_told_later = not self._is_shared and self._told_until.get(object_id, 0) > seq
        if not is_there or left or is_told_later:
            return None
        times = _times_after(date, versions)
        self.untold.add((object_id, times[1]))
        return self._begun(object_id, seq, said, times)

    def _begun(self, object_id: str, seq: int, said: "_Said", times: tuple[str, str]) -> Document:
        created, modified = times
        self._begin(object_id, seq, said, times)
        return {**said.document, "created": created, "modified": modified}

    def _repeated(self, said: "_Said", version: Version, seq: int) -> Document | None:
        """What says the same as a version, for a receiver that has not accepted that."""
        if version.sent:
            if seq >= version.seq:
                self.unchanged.append(_own(version)._replace(last_seq=seq))
            return None
        self._adopt(version)
        self._send(version, seq)
        until = {"valid_until": version.valid_until} if version.valid_until else {}
        return {**said.document, **until, "created": version.created, "modified": version.modified}

    def _is_longer(self, said: "_Said", current: Version, date: int) -> bool:
        """Whether what says the same holds for so much longer that it is worth saying."""
        if not said.valid_until or not current.valid_until or said.valid_until == current.valid_until:
            return False
        try:
            until, so_far = microseconds(said.valid_until), microseconds(current.valid_until)
        except ValueError:
            return True  # of a format that does not check it
        return until - so_far > max(0.0, self._refresh * (until - date * 1_000_000))

    def _first_copy(
        self, document: Document, object_id: str, versions: tuple[Version, ...], seq: int
    ) -> Document | None:
        """Receivers keep the first copy of an object that has no versions; its content is not compared."""
        current = versions[0] if versions else None
        if current is None:
            self._begin(object_id, seq, _NOTHING_SAID, ("", ""))
        elif current.sent:
            if isinstance(current, VersionBeside):
                self.unchanged.append(_own(current))
            return None
        else:
            self._adopt(current)
            self._send(current, seq)
        return document

    def _adopt(self, version: Version) -> None:
        """Write a version down as this route's, too, if another route has begun it."""
        if isinstance(version, VersionBeside):
            self.recorded.append(_own(version))

    def mark(self) -> tuple[int, int, int, int]:
        """How much has been stamped so far, for `undo`."""
        return len(self.recorded), len(self.stamped), len(self.unchanged), len(self._undo)

    def undo(self, mark: tuple[int, int, int, int]) -> None:
        """Forget every stamp since the mark: the notification they belong to is refused as a whole."""
        recorded, stamped, unchanged, changes = mark
        del self.recorded[recorded:]
        del self.stamped[stamped:]
        del self.unchanged[unchanged:]
        for object_id, versions in reversed(self._undo[changes:]):
            self._known[object_id] = versions
        del self._undo[changes:]

    def _begin(self, object_id: str, seq: int, said: "_Said", times: tuple[str, str]) -> None:
        versions = self._known.get(object_id, ())
        created, modified = times
        digest, valid_until, revoked = said.digest, said.valid_until, said.revoked
        # `_make` takes half the time of the constructor, which shows: every document of a new notification comes here.
        self.recorded.append(Version._make((object_id, seq, digest, created, modified, False, 0, valid_until, revoked)))
        told = seq if revoked else 0  # that a revocation was accepted is known for good
        sent = Version._make((object_id, seq, digest, created, modified, True, told, valid_until, revoked))
        self.stamped.append(sent)
        self.has_revoked |= revoked
        self._undo.append((object_id, versions))
        self._known[object_id] = (*versions, sent)

    def _send(self, version: Version, seq: int) -> None:
        versions = self._known[version.object_id]
        last_seq = max(seq, version.last_seq) if seq > version.seq or version.revoked else version.last_seq
        sent = _own(version)._replace(sent=True, last_seq=last_seq)
        self.stamped.append(sent)
        self._undo.append((version.object_id, versions))
        self._known[version.object_id] = tuple(sent if known is version else known for known in versions)


def _own(version: Version) -> Version:
    """A version as this route has it, whoever began it."""
    return Version(*version)


def _may_be_there(version: Version, in_doubt_from: int) -> bool:
    return version.is_there or 0 < in_doubt_from <= version.seq


def _is_told_beside(versions: Sequence[Version], seq: int) -> bool:
    """Whether another route into the same receiver has said something of an object at a later entry."""
    return any(
        version.sent and max(version.seq, version.last_seq) > seq
        for version in versions
        if isinstance(version, VersionBeside)
    )


def successor(object_id: str) -> str:
    """The id of what stands in the place of a revoked object, when there is something to say of it again."""
    return stix_id(object_id.partition("--")[0], object_id, "again")


def revokes(document: Document) -> bool:
    """Whether a document takes its object back."""
    return document.get("revoked") is True


def revocation_of(versions: Sequence[Version]) -> Version | None:
    """The version that revokes an object."""
    for version in versions:
        if version.revoked:
            return version
    return None


def says_otherwise(document: Document, versions: Sequence[Version], seq: int) -> Version | None:
    """The version that an entry finds in force, if that is not, word for word, what a document of the entry says."""
    if not versions:
        return None
    said = _Said(document, b"")
    current = _current(versions, seq, said)
    return None if current is None or said.is_in(current) else current


def _digest(document: Document) -> bytes:
    try:
        return news.digest(document)
    except TypeError as error:
        raise Refused(f"the {document.get('type')} cannot be written as JSON: {error}", by="format") from error


class _Said:
    """What a document says, to be compared with versions.

    Attributes:
        digest: as that of a `Version`.
        valid_until: for how long, as it is written; empty when it does not say.
        revoked: whether it is the end of its object.
    """

    __slots__ = ("digest", "document", "revoked", "valid_until")

    def __init__(self, document: Document, meaning: bytes) -> None:
        self.document = document
        self.revoked = revokes(document)
        valid_until = document.get("valid_until")
        if valid_until.__class__ is str:
            self.valid_until = valid_until
            lasting = document.copy()  # of a `Provisional`, too, this is a plain dict
            del lasting["valid_until"]
            words = _digest(lasting)
        else:
            self.valid_until = ""
            words = _digest(document)
        self.digest = words + meaning

    def is_in(self, version: Version, date: int | None = None) -> bool:
        """Whether a version means the same, be it for longer or not, to who is told at a date (Unix seconds)."""
        if self.is_worded_as(version):
            return True
        means, meant = self.digest[news.DIGEST_BYTES :], version.digest[news.DIGEST_BYTES :]
        is_alike = bool(means) and bool(meant) and not news.is_news(meant, means, is_recent=_is_recent(version, date))
        return is_alike and bool(version.valid_until) == bool(self.valid_until)

    def is_worded_as(self, version: Version) -> bool:
        """Whether a version has the same content, be it for longer or not."""
        words, known = self.digest[: news.DIGEST_BYTES], version.digest[: news.DIGEST_BYTES]
        if self.valid_until and not version.valid_until:
            # Recorded before the two were kept apart, or when it did not say how long.
            return known == _digest(self.document)
        return words == known and bool(version.valid_until) == bool(self.valid_until)

    def until(self, valid_until: str) -> "_Said":
        """The same, valid at least until then."""
        if self.valid_until and valid_until and _is_earlier(self.valid_until, valid_until):
            self.document = {**self.document, "valid_until": valid_until}
            self.valid_until = valid_until
        return self


def _is_recent(version: Version, date: int | None) -> bool:
    try:
        return date is not None and date * 1_000_000 - microseconds(version.modified) < RECENT
    except ValueError:
        return False  # of a format that does not check it


def _is_earlier(one: str, other: str) -> bool:
    try:
        return microseconds(one) < microseconds(other)
    except ValueError:
        return False  # of a format that does not check it


_NOTHING_SAID = _Said({}, b"")
_NOTHING_SAID.digest = b""  # the content of what has no versions is not compared


def _current(versions: Sequence[Version], seq: int, said: _Said) -> Version | None:
    """The version that an entry finds in force: of those that began no later than it, the newest `modified`.

    Later ones do not count, so that a replay finds each version where it was first given out. The newest `modified` is
    not always of the highest seq: a replay with a mended mapping may have begun a newer version at an older entry, and
    receivers show the newest.

    When all versions began later, this entry did not make the object then, and does now: it says the same as the first
    version with its content, if there is one.
    """
    if not versions:
        return None
    earlier = [version for version in versions if version.seq <= seq]
    if earlier:
        return max(earlier, key=_modified)
    return next((version for version in versions if said.is_in(version)), None)


def _next_times(date: int, versions: Sequence[Version], seq: int) -> tuple[str, str] | None:
    """`created` and `modified` of the version that an entry begins; None when there can be none.

    After a revocation there is none. An entry before that may say something else now than it did: such a version is
    dated before the revocation.
    """
    revocation = revocation_of(versions)
    if revocation is None:
        return _times_after(date, versions)
    return None if revocation.seq <= seq else _times_before(revocation.modified, date, versions)


def _times_following(version: Version, date: int, versions: Sequence[Version]) -> tuple[str, str] | None:
    """Those of a version that means the same as one of these, and so takes the place of no later one."""
    later = [each.modified for each in versions if each.modified > version.modified]
    return _times_before(min(later), date, versions) if later else _times_after(date, versions)


def _times_before(end: str, date: int, versions: Sequence[Version]) -> tuple[str, str] | None:
    """Those of a version that follows the ones of before a time, and is before it, too; None: there is no room."""
    before = [version for version in versions if version.modified < end]
    if not before:
        return None
    created, modified = _times_after(date, before)
    if modified >= end:
        modified = _next_millisecond(max(map(_modified, before)))
    return (created, modified) if modified < end else None


def _times_after(date: int, versions: Sequence[Version]) -> tuple[str, str]:
    """`created` and `modified` of a version that follows these."""
    at = timestamp(date)
    newest = max(map(_modified, versions))
    return versions[0].created, max(at, _next_millisecond(newest))


def _next_millisecond(text: str) -> str:
    try:
        moment = datetime.datetime.fromisoformat(text) + datetime.timedelta(milliseconds=1)
    except OverflowError:
        raise Refused("an earlier version of the object is dated at the end of the year 9999", by="format") from None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
