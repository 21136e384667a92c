"""Object versions: `created` stays, `modified` moves only when content does, and a repeat is the same bytes.

(STIX 2.1 section 3.6: every representation of one (id, modified) must be identical.)
"""

import datetime
import hashlib
import operator
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import orjson

from connector.model import Document, Identity, Provisional, Refused, Version
from connector.values.timestamps import timestamp

DIGEST_BYTES = 16
"""Of a content's SHA-256, as much as the ledger keeps: enough to tell the contents of one object apart."""

_SHA256 = hashlib.sha256()
_modified = operator.attrgetter("modified")


class Ledger:
    """The versions of one route, as far as one batch needs them.

    Attributes:
        recorded: versions that came up in this batch and are not in the journal yet.
        stamped: versions that this batch sends.
        unchanged: versions that the receiver has, and of which an entry of this batch says the same.

    Args:
        known: the versions recorded so far, by object.
        told_until: for entries that are dealt with out of turn: by object, the last entry whose content the receiver
            has. An older entry starts no version, which would take the place of that.
    """

    def __init__(
        self, known: Mapping[str, Sequence[Version]], told_until: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self._known = {object_id: tuple(versions) for object_id, versions in known.items()}
        self._told_until = told_until
        self._undo: list[tuple[str, tuple[Version, ...]]] = []
        self.recorded: list[Version] = []
        self.stamped: list[Version] = []
        self.unchanged: list[Version] = []

    def stamp(self, document: Document, identity: Identity, seq: int, date: int) -> Document | None:
        """The document with its `created` and `modified`; None when the receiver has no need of it.

        It has none when it has this version, or what a later entry said of the object (`told_until`), or, if the
        document is provisional, any version of the object.

        Args:
            document: without `created` and `modified`.
            identity: what the format says it is.
            seq: the entry it was made from.
            date: when that entry's notification was raised, in Unix seconds: the time of the version it may start.

        Raises:
            Refused: the document is no JSON that can be written (nested too deeply, an integer over 64 bits), or
                no later `modified` can be, the calendar of RFC 3339 being at its end.
        """
        object_id, versioned, _ = identity
        versions = self._known.get(object_id, ())
        if not versioned:
            return self._first_copy(document, object_id, versions, seq)
        if document.__class__ is Provisional and any(version.sent for version in versions):
            return None
        digest = _digest(document)
        current = _current(versions, seq, digest)
        if current is None or current.digest != digest:
            if self._told_until.get(object_id, 0) > seq:
                return None
            times = _next_times(date, versions)
            self._begin(object_id, seq, digest, times, versions)
        elif current.sent:
            if seq >= current.seq:
                self.unchanged.append(current._replace(last_seq=seq))
            return None
        else:
            self._send(current, versions, seq)
            times = current.created, current.modified
        created, modified = times
        return {**document, "created": created, "modified": modified}

    def _first_copy(
        self, document: Document, object_id: str, versions: tuple[Version, ...], seq: int
    ) -> Document | None:
        """Receivers keep the first copy of an object that has no versions; its content is not compared."""
        current = versions[0] if versions else None
        if current is None:
            self._begin(object_id, seq, b"", ("", ""), versions)
        elif current.sent:
            return None
        else:
            self._send(current, versions, seq)
        return document

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

    def _begin(
        self, object_id: str, seq: int, digest: bytes, times: tuple[str, str], versions: tuple[Version, ...]
    ) -> None:
        created, modified = times
        # `_make` takes half the time of the constructor, which shows: every document of a new notification comes here.
        self.recorded.append(Version._make((object_id, seq, digest, created, modified, False, 0)))
        sent = Version._make((object_id, seq, digest, created, modified, True, 0))
        self.stamped.append(sent)
        self._undo.append((object_id, versions))
        self._known[object_id] = (*versions, sent)

    def _send(self, version: Version, versions: tuple[Version, ...], seq: int) -> None:
        object_id, first_seq, digest, created, modified, _, last_seq = version
        if seq > first_seq:
            last_seq = max(seq, last_seq)
        sent = Version(object_id, first_seq, digest, created, modified, sent=True, last_seq=last_seq)
        self.stamped.append(sent)
        self._undo.append((object_id, versions))
        self._known[object_id] = tuple(sent if known is version else known for known in versions)


def _digest(document: Document) -> bytes:
    hashed = _SHA256.copy()  # cheaper than to start a new one
    try:
        hashed.update(orjson.dumps(document, option=orjson.OPT_SORT_KEYS))
    except orjson.JSONEncodeError as error:
        raise Refused(f"the {document.get('type')} cannot be written as JSON: {error}", by="format") from error
    return hashed.digest()[:DIGEST_BYTES]


def _current(versions: Sequence[Version], seq: int, digest: bytes) -> Version | None:
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
    return next((version for version in versions if version.digest == digest), None)


def _next_times(date: int, versions: Sequence[Version]) -> tuple[str, str]:
    """`created` and `modified` of an object's next version."""
    at = timestamp(date)
    if not versions:
        return at, at
    newest = max(map(_modified, versions))
    return versions[0].created, max(at, _next_millisecond(newest))


def _next_millisecond(text: str) -> str:
    try:
        moment = datetime.datetime.fromisoformat(text) + datetime.timedelta(milliseconds=1)
    except OverflowError:
        raise Refused("an earlier version of the object is dated at the end of the year 9999", by="format") from None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
