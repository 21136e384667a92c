"""Entries delivered once more: on request, because more is known of them now, or from an earlier position on."""

from collections.abc import Mapping, Sequence

from connector.model import Entry, Outdated, Redelivery
from connector.pipeline.convert import encode, object_ids, render
from connector.pipeline.route import Route
from connector.pipeline.send import Delivered, finish, send
from connector.pipeline.versions import Ledger
from connector.ports import Outbox


def redeliver(route: Route, journal: Outbox, entries: Sequence[Entry], *, again: bool = False) -> Delivered:
    """Deal with entries out of turn, the position staying where it is; their dead letters are replaced by what comes.

    They are rendered with the mapping as it is now, and what the receiver does not have is sent; with `again` what it
    has, too. An object of which a later notification has said more keeps what that said. Requires the lease on the
    route.

    Raises:
        Unavailable: nothing has changed but that some may have arrived.
    """
    return _redelivered(route, journal, entries, again=again)


def _redelivered(
    route: Route, journal: Outbox, entries: Sequence[Entry], *, again: bool = False, outdated: Outdated | None = None
) -> Delivered:
    rendered = [render(entry, route.mapping, route.wants) for entry in entries]
    known = journal.versions(route.name, object_ids(rendered, route.mapping.format))
    last_words = {
        object_id: max((max(each.seq, each.last_seq) for each in versions if each.sent), default=0)
        for object_id, versions in known.items()
    }
    if again:
        known = {object_id: [each._replace(sent=False) for each in known[object_id]] for object_id in known}
    ledger = Ledger(known, last_words)
    conversions = list(encode(rendered, route.mapping.format, ledger))
    journal.record(route.name, ledger.recorded)
    if again:
        journal.mark_unsent(route.name, ledger.stamped)
    batch, sent = send(route.sink, conversions, ledger)
    finish(route.sink)
    mark, letters = None, batch.dead_letters
    if outdated is not None:
        batch, mark = _only_news(batch, outdated), outdated.mark
    seqs = [entry.seq for entry in entries]
    redelivery = Redelivery(seqs, batch.delivered, batch.filtered, batch.refused, letters, sent, mark)
    journal.record_redelivery(route.name, redelivery)
    return batch


def _only_news(batch: Delivered, outdated: Outdated) -> Delivered:
    """Counted as what it is: entries that were counted when they were delivered; of refusals, those that are new."""
    before = {seq for seq, _ in outdated.refused}
    return Delivered(
        delivered=0,
        filtered=0,
        dead_letters=[each for each in batch.dead_letters if (each.seq, each.object_id) not in outdated.refused],
        refused=len({letter.seq for letter in batch.dead_letters} - before),
        messages=batch.messages,
        revised=len(outdated.entries),
    )


def rewind(route: Route, journal: Outbox, positions: Mapping[str, int]) -> int:
    """Set a route's position back, so that it delivers again from there; return how many entries it then has pending.

    All that these entries need is sent again, in the versions given out the first time: what earlier ones sent, too.
    Requires the lease on the route.
    """
    count = after = 0
    while entries := journal.history(positions, route.batch, after):
        rendered = [render(entry, route.mapping, route.wants) for entry in entries]
        known = journal.versions(route.name, object_ids(rendered, route.mapping.format))
        journal.mark_unsent(
            route.name, [version for versions in known.values() for version in versions if version.sent]
        )
        after = entries[-1].seq
        count += len(entries)
    journal.rewind(route.name, positions)
    return count
