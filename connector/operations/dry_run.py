"""Trying out what a route would deliver: an outbox and a sink that change nothing."""
# ruff: noqa: ARG002 -- the signatures are those of the ports

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path

from connector import kinds
from connector.journals.sqlite.journal import SqliteSettings
from connector.model import (
    Advance,
    Claim,
    Entry,
    Judgement,
    Message,
    Outdated,
    Reconsidered,
    Redelivery,
    Refusal,
    Standing,
    Version,
)
from connector.ports import Journal


class RecordingSink:
    """A sink that takes everything and tells the ids, in the order of sending."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def send(self, messages: Sequence[Message]) -> Sequence[Refusal]:
        """See `connector.ports.Sink`."""
        for message in sorted(messages, key=lambda message: message.dependency_level):
            self._tell(message.id)
        return ()

    def check(self) -> str:
        """See `connector.ports.Sink`."""
        return "everything is taken"

    def close(self) -> None:
        """See `connector.ports.Sink`."""


@contextmanager
def dry_run_outbox(journal: Journal, route: str) -> Iterator["DryRunOutbox"]:
    """An outbox of a route, for as long as the block lasts."""
    with (
        tempfile.TemporaryDirectory(prefix="iocstream-dry-run-") as folder,
        closing(kinds.make_journal(SqliteSettings(path=Path(folder) / "changed.db"))) as changed,
        changed.lease(route),
    ):
        yield DryRunOutbox(journal, changed, route)


class DryRunOutbox:
    """A `connector.ports.Outbox` of one route that reads a journal, and keeps elsewhere what would change there.

    Args:
        journal: what is read.
        changed: an empty one, for the versions of the objects that came up: more of them than memory may hold.
        route: which route.
    """

    def __init__(self, journal: Journal, changed: Journal, route: str) -> None:
        self._journal = journal
        self._changed = changed
        self._route = route
        self._positions: Mapping[str, int] = {}
        self._passed = 0
        self._reconsidered: Reconsidered | None = None

    def pending(self, route: str, sources: Sequence[str], limit: int, after: int = 0) -> Sequence[Entry]:
        """See `connector.ports.Outbox`."""
        return self.history(self._positions, limit, max(after, self._passed))

    def history(self, positions: Mapping[str, int], limit: int, after: int = 0) -> Sequence[Entry]:
        """See `connector.ports.Outbox`."""
        return self._journal.history(positions, limit, after)

    def versions(self, route: str, object_ids: Sequence[str], receiver: str = "") -> Mapping[str, Sequence[Version]]:
        """See `connector.ports.Outbox`."""
        if route != self._route:
            return self._journal.versions(route, object_ids, receiver)
        found = self._changed.versions(route, object_ids, receiver)
        new = self._journal.versions(route, [each for each in object_ids if each not in found], receiver)
        self._changed.record(route, [version for versions in new.values() for version in versions], receiver)
        return {**found, **new}

    def record(self, route: str, versions: Sequence[Version], receiver: str = "", claims: Sequence[Claim] = ()) -> None:
        """See `connector.ports.Outbox`. A dry run leaves nothing in doubt."""
        self._changed.record(route, versions, receiver)

    def mark_unsent(self, route: str, versions: Sequence[Version] | None, receiver: str = "") -> None:
        """See `connector.ports.Outbox`. A sink that only records is never emptied, so that it is never asked of all."""
        self._changed.mark_unsent(route, versions or (), receiver)

    def forget(
        self,
        route: str,
        versions: Sequence[Version],
        receiver: str = "",
        claims: Sequence[Claim] = (),
        restored: Sequence[Claim] = (),
    ) -> None:
        """See `connector.ports.Outbox`."""
        self._changed.forget(route, versions, receiver, claims, restored)

    def claims(self, route: str, observables: Sequence[int], receiver: str = "") -> Mapping[int, Sequence[Claim]]:
        """See `connector.ports.Outbox`."""
        if route != self._route:
            return self._journal.claims(route, observables, receiver)
        found = self._changed.claims(route, observables, receiver)
        new = self._journal.claims(route, [each for each in observables if each not in found], receiver)
        self._keep([claim for claims in new.values() for claim in claims], route, receiver)
        return {**found, **new}

    def _keep(self, claims: Sequence[Claim], route: str, receiver: str) -> None:
        if claims:
            self._changed.record_redelivery(route, Redelivery((), 0, 0, 0, receiver=receiver, claims=claims))

    def entries(self, seqs: Sequence[int]) -> Sequence[Entry]:
        """See `connector.ports.Outbox`."""
        return self._journal.entries(seqs)

    def unclaimed_until(self, route: str, receiver: str = "") -> int:
        """See `connector.ports.Outbox`."""
        return self._journal.unclaimed_until(route, receiver)

    def spelled_until(self, route: str, receiver: str = "") -> int:
        """See `connector.ports.Outbox`."""
        return self._journal.spelled_until(route, receiver)

    def turn(self, receiver: str) -> AbstractContextManager[None]:
        """See `connector.ports.Outbox`. Nothing is told, so that nobody need wait."""
        return nullcontext()

    def advance(self, route: str, sources: Sequence[str], advance: Advance) -> None:
        """See `connector.ports.Outbox`."""
        self._passed = advance.position
        self._changed.record(route, advance.sent, advance.receiver)
        self._keep(advance.claims, route, advance.receiver)

    def rewind(self, route: str, positions: Mapping[str, int]) -> None:
        """See `connector.ports.Outbox`."""
        self._positions = positions

    def record_redelivery(self, route: str, redelivery: Redelivery) -> None:
        """See `connector.ports.Outbox`."""
        self._changed.record(route, redelivery.sent, redelivery.receiver)
        self._keep(redelivery.claims, route, redelivery.receiver)
        self._reconsidered = redelivery.reconsidered or self._reconsidered

    def outdated(self, route: str, sources: Sequence[str], limit: int) -> Outdated | None:
        """See `connector.ports.Outbox`. None, because a replay does not deliver these."""
        return None

    def standing(
        self, route: str, terms: str, limit: int, receiver: str = "", since: Reconsidered | None = None
    ) -> Standing | None:
        """See `connector.ports.Outbox`."""
        return self._journal.standing(route, terms, limit, receiver, since or self._reconsidered)

    def newer_dated(
        self, seqs: Sequence[int], sources: Sequence[str], *, of_all: bool = False
    ) -> Mapping[int, Sequence[int]]:
        """See `connector.ports.Outbox`."""
        return self._journal.newer_dated(seqs, sources, of_all=of_all)

    def unsent(self, route: str, seqs: Sequence[int]) -> Collection[int]:
        """See `connector.ports.Outbox`."""
        return self._journal.unsent(route, seqs)

    def alike(self, seq: int, sources: Sequence[str], limit: int, before: int | None = None) -> Sequence[Entry]:
        """See `connector.ports.Outbox`."""
        return self._journal.alike(seq, sources, limit, before)

    def about(self, observable: str, sources: Sequence[str], limit: int, before: int | None = None) -> Sequence[Entry]:
        """See `connector.ports.Outbox`."""
        return self._journal.about(observable, sources, limit, before)

    def naming_alike(self, seqs: Sequence[int], sources: Sequence[str], limit: int, until: int) -> Sequence[int]:
        """See `connector.ports.Outbox`."""
        return self._journal.naming_alike(seqs, sources, limit, until)

    def named_before(self, seq: int, sources: Sequence[str], limit: int) -> Sequence[Entry]:
        """See `connector.ports.Outbox`."""
        return self._journal.named_before(seq, sources, limit)

    def judged_observables(self, source: str) -> Callable[[str], Judgement | None]:
        """See `connector.ports.Outbox`."""
        return self._journal.judged_observables(source)

    def has_learned(self, sources: Sequence[str], learned: int, until: int) -> bool:
        """See `connector.ports.Outbox`. No: a replay delivers nothing that is outdated."""
        return False

    def are_set_aside(self, route: str, seqs: Sequence[int]) -> Collection[int]:
        """See `connector.ports.Outbox`."""
        return self._journal.are_set_aside(route, seqs)

    def ask_again(self, seqs: Sequence[int], reason: str) -> None:
        """See `connector.ports.Outbox`. Nothing is asked for: a delivery does that."""

    def ask_retry_of(self, route: str, reason: str, refused_until: int) -> int:
        """See `connector.ports.Outbox`. None, for the same reason."""
        return 0

    def to_retry(self, route: str, limit: int) -> Sequence[Entry]:
        """See `connector.ports.Outbox`. None, for the same reason."""
        return ()
