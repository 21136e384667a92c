"""Trying out what a route would deliver: an outbox and a sink that change nothing."""
# ruff: noqa: ARG002 -- the signatures are those of the ports

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from connector.model import Advance, Entry, Message, Outdated, Redelivery, Refusal, Version
from connector.ports import Journal


@dataclass(slots=True)
class RecordingSink:
    """A sink that takes everything and keeps the ids."""

    ids: list[str] = field(default_factory=list)

    def send(self, messages: Sequence[Message]) -> Sequence[Refusal]:
        """See `connector.ports.Sink`."""
        self.ids += [message.id for message in sorted(messages, key=lambda message: message.dependency_level)]
        return ()

    def check(self) -> str:
        """See `connector.ports.Sink`."""
        return "everything is taken"

    def close(self) -> None:
        """See `connector.ports.Sink`."""


class DryRunOutbox:
    """A `connector.ports.Outbox` of one route that reads a journal, and keeps in memory what would change there."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._versions: dict[str, dict[str, Version]] = {}  # by object and `modified`
        self._positions: Mapping[str, int] = {}
        self._passed = 0

    def pending(self, route: str, sources: Sequence[str], limit: int, after: int = 0) -> Sequence[Entry]:
        """See `connector.ports.Outbox`."""
        return self.history(self._positions, limit, max(after, self._passed))

    def history(self, positions: Mapping[str, int], limit: int, after: int = 0) -> Sequence[Entry]:
        """See `connector.ports.Outbox`."""
        return self._journal.history(positions, limit, after)

    def versions(self, route: str, object_ids: Sequence[str], receiver: str = "") -> Mapping[str, Sequence[Version]]:
        """See `connector.ports.Outbox`."""
        new = [object_id for object_id in object_ids if object_id not in self._versions]
        found = self._journal.versions(route, new, receiver)
        self._versions |= {object_id: {v.modified: v for v in found.get(object_id, ())} for object_id in new}
        known = ((object_id, self._versions[object_id].values()) for object_id in object_ids)
        return {object_id: sorted(versions, key=_by_seq) for object_id, versions in known if versions}

    def record(self, route: str, versions: Sequence[Version], receiver: str = "") -> None:
        """See `connector.ports.Outbox`."""
        for version in versions:
            self._versions[version.object_id].setdefault(version.modified, version)

    def mark_unsent(self, route: str, versions: Sequence[Version] | None, receiver: str = "") -> None:
        """See `connector.ports.Outbox`."""
        for version in versions or ():
            self._versions[version.object_id][version.modified] = version._replace(sent=False)

    def advance(self, route: str, sources: Sequence[str], advance: Advance) -> None:
        """See `connector.ports.Outbox`."""
        self._passed = advance.position
        self._accept(advance.sent)

    def rewind(self, route: str, positions: Mapping[str, int]) -> None:
        """See `connector.ports.Outbox`."""
        self._positions = positions

    def record_redelivery(self, route: str, redelivery: Redelivery) -> None:
        """See `connector.ports.Outbox`."""
        self._accept(redelivery.sent)

    def outdated(self, route: str, sources: Sequence[str], limit: int) -> Outdated | None:
        """See `connector.ports.Outbox`. None, because a replay does not deliver these."""
        return None

    def are_set_aside(self, route: str, seqs: Sequence[int]) -> Collection[int]:
        """See `connector.ports.Outbox`."""
        return self._journal.are_set_aside(route, seqs)

    def to_retry(self, route: str, limit: int) -> Sequence[Entry]:
        """See `connector.ports.Outbox`. None, for the same reason."""
        return ()

    def _accept(self, versions: Sequence[Version]) -> None:
        for version in versions:
            self._versions[version.object_id][version.modified] = version


def _by_seq(version: Version) -> tuple[int, str]:
    return version.seq, version.modified
