"""Nothing follows a revocation: an object of which there is something to say again goes on under another id.

That id is made from the former one, and is found again by the ledger alone. What refers to the former id then refers
to the other; an object that a receiver knows from before, with the former reference in it, gets another id as well.
"""

from collections.abc import Mapping

from connector.model import Document, Identity, Json, Provisional, VersionBeside
from connector.pipeline.versions import Ledger, revocation_of, revokes, successor


class Successors:
    """The ids that stand in the places of others in the documents of one entry, which are given in order of reference.

    Other routes into the same receiver may have revoked an object or gone on under another id, be it at entries to
    which this route comes later. What it tells for the first time goes under the id that stands; what it tells again,
    under the one of then.

    Args:
        ledger: the versions, with those of objects that stand in the place of others.
        seq: the entry.
        claims: whether it says that its observable is bad; if not, nothing is said anew of what is revoked.
        anew: see `connector.pipeline.convert.Rendered`.
    """

    def __init__(self, ledger: Ledger, seq: int, *, claims: bool, anew: bool = False) -> None:
        self._ledger = ledger
        self._seq = seq
        self._claims = claims
        self._anew = anew
        self._renamed: dict[str, tuple[str, list[int]]] = {}  # with the entries that began each id on the way

    def placed(self, document: Document, identity: Identity) -> tuple[Document, Identity]:
        """A document under the id that it has for this entry, referring to others by theirs."""
        object_id = identity.id
        began: list[int] = []
        if self._renamed:
            referred = references(document).intersection(self._renamed)
            if referred:
                document = _with_references(document, {each: self._renamed[each][0] for each in referred})
                began = sorted({seq for each in referred for seq in self._renamed[each][1]})
        for seq in began:
            # One that began later refers to the successor already.
            if any(version.seq < seq for version in self._ledger.versions(object_id)):
                object_id = successor(object_id)
        while self._is_over(object_id, document):
            following = successor(object_id)
            versions = self._ledger.versions(following)
            begun = [version.seq for version in versions if version.seq <= self._seq or self._anew]
            if not begun and not self._is_said_again(document):
                break
            began.append(min(begun, default=self._seq))
            object_id = following
        if object_id == identity.id:
            return document, identity
        self._renamed[identity.id] = object_id, began
        return _as(document, {"id": object_id}), identity._replace(id=object_id)

    def _is_over(self, object_id: str, document: Document) -> bool:
        revocation = revocation_of(self._ledger.versions(object_id))
        if revocation is None:
            return False
        if self._anew:
            return True
        following = [
            version
            for version in self._ledger.versions(successor(object_id))
            if version.seq <= self._seq and not isinstance(version, VersionBeside)
        ]
        if isinstance(revocation, VersionBeside):
            return bool(following)
        if revocation.seq != self._seq or not revokes(document):
            return revocation.seq <= self._seq or bool(following)
        # The entry that revoked it revokes it when it comes again; unless, in between, it went on under another id.
        return any(version.is_there or version.revoked for version in following)

    def _is_said_again(self, document: Document) -> bool:
        return self._claims and not revokes(document) and not isinstance(document, Provisional)


def _as(document: Document, changed: Document) -> Document:
    made = {**document, **changed}
    return document.__class__(made) if isinstance(document, Provisional) else made


def references(value: Json) -> set[str]:
    """All text in a document."""
    if isinstance(value, str):
        return {value}
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(references, members))


def _with_references(document: Document, renamed: Mapping[str, str]) -> Document:
    changed: Document = {name: _renamed(value, renamed) for name, value in document.items() if name != "id"}
    return _as(document, changed)


def _renamed(value: Json, renamed: Mapping[str, str]) -> Json:
    if isinstance(value, str):
        return renamed.get(value, value)
    if isinstance(value, list):
        return [_renamed(member, renamed) for member in value]
    if isinstance(value, dict):
        return {name: _renamed(member, renamed) for name, member in value.items()}
    return value
