"""What several files say of the hosts that their malware configurations name: it rests on all of them.

A document of such a host yields to what the others say (`Yielding`), and what takes it back does so only where no other
says it. Each file counts with what is known of it now, as the route sees it.
"""

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from connector.model import Document, Entry, JsonObject, Provisional, Refused, Yielding
from connector.notification import CONFIGURATION
from connector.pipeline.newest import counts
from connector.pipeline.pieces import pieces
from connector.pipeline.route import Route, Withdrawing
from connector.pipeline.seen import Seen, Sight
from connector.pipeline.versions import revokes
from connector.ports import LAST, ObjectFormat, Outbox
from connector.values import assessments

OTHERS = 20, 1000
"""How many other files that name a host are looked at, of each the newest match: first, and if none of these says all
that can be said, then."""
FORMER = 5
"""Of the notifications about one file, how many of the newest are looked at for a host that the last does not name."""
PIECE = 100
"""How many are read at once."""
KEPT = 20_000
"""How many documents are kept of what other files say: beyond that, they are made anew."""


class _Said(NamedTuple):
    """What another entry says, with what is known of it from one entry on, and before another.

    Attributes:
        source: whose entry it is.
        documents: by id; nothing where it is withheld.
    """

    source: str
    since: int
    before: int
    documents: Mapping[str, Document]


class NamedHosts:
    """What the entries of one route say of hosts that they merely name; it is for one batch.

    Args:
        route: the route.
        journal: what it has.
        sight: how the route sees entries.
        in_turn: whether entries are dealt with in order, so that later ones do not count.
    """

    def __init__(self, route: Route, journal: Outbox, sight: Sight, *, in_turn: bool) -> None:
        self._route = route
        self._journal = journal
        self._sight = sight
        self._in_turn = in_turn
        self._said: dict[int, _Said] = {}  # by entry
        self._kept = 0

    def settled(self, seen: Seen, mapping: Withdrawing, documents: Sequence[Document]) -> Sequence[Document]:
        """The documents of an entry, each that yields as the strongest of the files says it.

        With them is what only earlier entries about the same file have named, and said more of than is true now.
        """
        if not isinstance(mapping.format, ObjectFormat) or not _names_hosts(seen):
            return documents
        objects: ObjectFormat = mapping.format
        made = {objects.identify(each).id for each in documents}
        lowered = [each for each in self._lowered(seen, objects) if objects.identify(each).id not in made]
        if not lowered and not any(isinstance(each, Yielding) for each in documents):
            return documents
        named = self._journal.named_before(seen.entry.seq, self._route.sources, FORMER) if lowered else ()
        asked = {objects.identify(each).id for each in [*documents, *lowered] if isinstance(each, Yielding)}
        others = self._said_by_others([seen.entry, *named], seen.entry, objects, asked)
        return [
            _strongest(each, others.get(objects.identify(each).id)) if isinstance(each, Yielding) else each
            for each in [*documents, *lowered]
        ]

    def note(self, seen: Seen, mapping: Withdrawing, documents: Sequence[Document]) -> None:
        """Keep what an entry claims, which need not be made once more for others of the batch that name the same."""
        names_any = _names_hosts(seen) and bool(seen.view["entity"].get(CONFIGURATION))
        if not (self._in_turn and names_any and isinstance(mapping.format, ObjectFormat)):
            return
        newest, before = self._newest(seen, seen.entry)
        if newest is seen:
            said = _supported(documents, mapping.format)
            self._keep(seen.entry.seq, _Said(seen.entry.source, seen.entry.seq, before, said))

    def not_said_by_others(self, seen: Seen, mapping: Withdrawing, documents: Sequence[Document]) -> Sequence[Document]:
        """What takes back an entry, with what others say of an object in the place of what would take that back."""
        if not isinstance(mapping.format, ObjectFormat) or not _names_hosts(seen):
            return documents
        objects: ObjectFormat = mapping.format
        former = self._journal.named_before(seen.entry.seq, self._route.sources, FORMER)
        asked = {objects.identify(each).id for each in documents if revokes(each)}
        others = self._said_by_others([seen.entry, *former], seen.entry, objects, asked)
        if not others:
            return documents
        return [dict(others.get(objects.identify(each).id, each)) if revokes(each) else each for each in documents]

    def last_to_name(self, seen: Seen) -> Sequence[int]:
        """The last entries about other files that name the hosts which an entry names: what they say may rest on it."""
        if seen.claiming is None or not isinstance(seen.claiming.format, ObjectFormat) or not _names_hosts(seen):
            return ()
        return self._journal.naming_alike([seen.entry.seq], self._route.sources, 1, LAST)

    def _lowered(self, seen: Seen, objects: ObjectFormat) -> Iterator[Document]:
        """What earlier entries about the same file have named and said more of than is true now."""
        if not seen.view["entity"]:
            return
        entry = seen.entry
        former = [*self._journal.named_before(entry.seq, self._route.sources, FORMER)]
        if entry.entity is not None:
            former.append(replace(entry, entity=None))
        told: set[str] = set()
        for each in former:
            before = self._sight.see(each)
            if not isinstance(before, Seen) or before.observable != seen.observable:
                continue
            said = self._documents(before, before.view, objects)
            for object_id, document in self._documents(before, _now(before, seen), objects).items():
                is_less = isinstance(document, Yielding) and not isinstance(said.get(object_id, document), Yielding)
                if is_less and object_id not in told:
                    told.add(object_id)
                    yield document

    def _said_by_others(
        self, named_by: Sequence[Entry], entry: Entry, objects: ObjectFormat, asked: Collection[str]
    ) -> Mapping[str, Document]:
        """What entries about other files say of these objects, about the same hosts: the strongest of each."""
        found: dict[str, Document] = {}
        seqs = [each.seq for each in named_by]
        until = entry.seq if self._in_turn else LAST
        looked_at: set[int] = set()
        for most in OTHERS if asked else ():
            others = [*self._journal.naming_alike(seqs, self._route.sources, most, until)]
            more = [seq for seq in others if seq not in looked_at]
            for said in self._said_by(more, entry, objects):
                for object_id in said.keys() & asked:
                    found[object_id] = _strongest(said[object_id], found.get(object_id), plain=False)
            looked_at.update(more)
            is_all_said = all(each in found and not isinstance(found[each], Yielding) for each in asked)
            if is_all_said or len(others) < most:
                break
        return found

    def _said_by(self, seqs: Sequence[int], entry: Entry, objects: ObjectFormat) -> Iterator[Mapping[str, Document]]:
        """What each of these entries says, as far as the route has come to it."""
        unknown = []
        for seq in seqs:
            said = self._said.get(seq)
            if said is None or not said.since <= entry.seq < said.before:
                unknown.append(seq)
            elif self._in_turn or self._sight.is_passed(said.source, seq):
                yield said.documents
        for read in pieces(self._journal, sorted(unknown), PIECE):
            for other, known in zip(read, self._sight.as_known(read, in_turn=self._in_turn), strict=True):
                said = self._what_says(other, known, entry, objects)
                self._keep(other.seq, said)
                if self._in_turn or self._sight.is_passed(said.source, other.seq):
                    yield said.documents

    def _keep(self, seq: int, said: _Said) -> None:
        if self._kept > KEPT:
            self._said.clear()
            self._kept = 0
        self._kept += 1 + len(said.documents)
        self._said[seq] = said

    def _what_says(self, other: Entry, known: Entry, entry: Entry, objects: ObjectFormat) -> _Said:
        """What is said of the hosts that an entry names, by it or by the last before it that is let through."""
        seen = self._sight.see(known)
        if not isinstance(seen, Seen):
            return _Said(other.source, 0, LAST, {})
        newest, before = self._newest(seen, entry)
        if newest is seen and known is other and not counts(other, seen.view["entity"]):
            view = {**seen.view, "entity": self._sight.known_now(seen, in_turn=self._in_turn)}
            newest = seen._replace(view=view)
        if not newest.view["entity"] or assessments.is_benign(newest.view["entity"]):
            return _Said(other.source, newest.entry.seq if self._in_turn else 0, before, {})
        since = newest.entry.seq if self._in_turn else 0
        documents: Mapping[str, Document] = {}
        for each in itertools.chain((seen,), self._before(seen)):
            documents = {} if each.is_muted else self._documents(each, _now(each, newest), objects)
            if documents and (each.entry.seq != newest.entry.seq or known is not other):
                is_over = self._sight.is_ended(
                    other if each is seen else each.entry, entry.seq if self._in_turn else LAST
                )
                documents = {} if is_over else documents
            if documents or each.withheld is None:
                break
        return _Said(other.source, since, before, documents)

    def _before(self, seen: Seen) -> Iterator[Seen]:
        """Entries about the same before one, the newest first."""
        for each in map(self._sight.see, self._sight.alike(seen.entry, seen.entry.seq)):
            if isinstance(each, Seen) and each.observable == seen.observable:
                yield each

    def _newest(self, seen: Seen, entry: Entry) -> tuple[Seen, int]:
        """The last entry about the same that tells what is known of it, and before which entry that holds.

        Entries after that with which it is asked do not count.
        """
        before, later = LAST, 0
        about = self._sight.alike(seen.entry) if self._in_turn else self._sight.passed_alike(seen.entry)
        for each in about:
            if each.seq < seen.entry.seq:
                break
            if self._in_turn and each.seq > entry.seq:
                before, later = each.seq, later + 1
                if later < FORMER:
                    continue
                before = entry.seq + 1  # many are still to come
                about = self._sight.alike(seen.entry, before)
                return self._last_to_tell(seen, about) or seen, before
            if (told := self._last_to_tell(seen, [each])) is not None:
                return told, before
        return seen, before

    def _last_to_tell(self, seen: Seen, entries: Iterable[Entry]) -> Seen | None:
        for each in entries:
            if each.seq < seen.entry.seq:
                break
            other = self._sight.see(each)
            is_known = isinstance(other, Seen) and other.observable == seen.observable and other.view["entity"]
            if isinstance(other, Seen) and is_known and counts(each, other.view["entity"]):
                (known,) = self._sight.as_known([each], in_turn=self._in_turn)
                if known is not each:
                    other = other._replace(view=self._sight.view(known))
                return other
        return None

    def _documents(self, seen: Seen, view: JsonObject, objects: ObjectFormat) -> Mapping[str, Document]:
        """What an entry says, seen so, of objects that others may support as well; nothing if it is withheld."""
        mapping = seen.claiming
        if mapping is None:
            return {}
        try:
            with self._sight.guarding(seen.entry.source):
                if self._route.withheld(seen.entry, view) is not None or not mapping.is_for(view):
                    return {}
                rendering = mapping.rendering(view, whatever=True)
        except Refused:
            return {}
        return _supported(rendering.documents, objects) if rendering.claims else {}


def _supported(documents: Sequence[Document], objects: ObjectFormat) -> Mapping[str, Document]:
    """The documents of objects that others may support as well."""
    return {
        objects.identify(each).id: each
        for each in documents
        if not revokes(each) and (isinstance(each, Yielding) or not isinstance(each, Provisional))
    }


def _names_hosts(seen: Seen) -> bool:
    return bool(seen.view["notification"]["entity_type"] == "file")


def _now(seen: Seen, newest: Seen) -> JsonObject:
    """An entry with what a newer one knows of the same file, and the configuration that it has itself."""
    said = seen.view["entity"]
    known = {**said, **newest.view["entity"], CONFIGURATION: said.get(CONFIGURATION)}
    return {**seen.view, "entity": known}


def _strongest(document: Document, other: Document | None, *, plain: bool = True) -> Document:
    """Of two documents of one object the one that says more; unless it is to yield, as any other."""
    if other is not None and _strength(other) > _strength(document):
        document = other
    return dict(document) if plain else document


def _strength(document: Document) -> tuple[bool, int]:
    confidence = document.get("confidence")
    return not isinstance(document, Yielding), confidence if isinstance(confidence, int) else -1
