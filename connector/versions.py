"""Object versions: `created` stays, `modified` moves only when content does, and a repeat is the same bytes.

(STIX 2.1 section 3.6: every representation of one (id, modified) must be identical.)
"""

import datetime
import hashlib
from collections.abc import Mapping, Sequence

import orjson

from connector.model import Document, Identity, Version


class Ledger:
    """The versions of one route, as far as one batch needs them.

    Attributes:
        recorded: versions that came up in this batch and are not in the journal yet.
        stamped: versions that this batch sends.
    """

    def __init__(self, known: Mapping[str, Sequence[Version]]) -> None:
        self._known = {object_id: list(versions) for object_id, versions in known.items()}
        self.recorded: list[Version] = []
        self.stamped: list[Version] = []

    def stamp(self, document: Document, identity: Identity, seq: int, date: int) -> Document | None:
        """The document with its `created` and `modified`; None when the receiver has this very version already.

        Args:
            document: without `created` and `modified`.
            identity: what the format says it is.
            seq: the entry it was made from.
            date: when that entry's notification was raised, in Unix seconds: the time of the version it may start.
        """
        versions = self._known.setdefault(identity.id, [])
        if not identity.versioned:
            # Receivers keep the first copy of an object that has no versions; its content is not compared.
            return self._once(document, identity, seq, versions)
        digest = hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).digest()
        current = max((v for v in versions if v.seq <= seq), key=lambda v: (v.seq, v.modified), default=None)
        if current is None or current.digest != digest:
            current = self._begin(identity.id, digest, seq, date, versions)
        elif current.sent:
            return None
        self._mark_sent(current, versions)
        return {**document, "created": current.created, "modified": current.modified}

    def _once(
        self, document: Document, identity: Identity, seq: int, versions: list[Version]
    ) -> Document | None:
        if not versions:
            versions.append(Version(identity.id, seq, b"", "", "", sent=False))
            self.recorded.append(versions[0])
        elif versions[0].sent:
            return None
        self._mark_sent(versions[0], versions)
        return document

    def _begin(self, object_id: str, digest: bytes, seq: int, date: int, versions: list[Version]) -> Version:
        at = timestamp(date)
        if versions:
            newest = max(v.modified for v in versions)
            created = versions[0].created
            at = max(at, _next_millisecond(newest))
        else:
            created = at
        version = Version(object_id, seq, digest, created, at, sent=False)
        versions.append(version)
        self.recorded.append(version)
        return version

    def _mark_sent(self, version: Version, versions: list[Version]) -> None:
        sent = Version(version.object_id, version.seq, version.digest, version.created, version.modified, sent=True)
        versions[versions.index(version)] = sent
        self.stamped.append(sent)


def timestamp(seconds: int) -> str:
    """RFC 3339 with exactly three digits, as the STIX Best Practice Guide asks."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _next_millisecond(text: str) -> str:
    moment = datetime.datetime.fromisoformat(text) + datetime.timedelta(milliseconds=1)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
