"""Entries delivered once more: on request, because more is known of them now, or from an earlier position on."""

from collections.abc import Mapping, Sequence

from connector.model import DeadLetter, Entry, Json, Outdated, Redelivery, Version
from connector.pipeline.convert import DAMAGED, damaged, encode, object_ids, render
from connector.pipeline.route import Route
from connector.pipeline.send import BatchOutcome, finish, is_emptied, send
from connector.pipeline.versions import Ledger
from connector.ports import Outbox


def redeliver(route: Route, journal: Outbox, entries: Sequence[Entry], *, again: bool = False) -> BatchOutcome:
    """Deal with entries out of turn, the position staying where it is; their dead letters are replaced by what comes.

    They are rendered with the mapping as it is now, and what the receiver does not have is sent; with `again` what it
    has, too. An object of which a later notification has said more keeps what that said. Requires the lease on the
    route.

    Raises:
        Unavailable: nothing has changed but that some may have arrived.
    """
    delivered, sent = _send_again(route, journal, entries, resend=again)
    journal.record_redelivery(route.name, _redelivery(route, entries, delivered, delivered.dead_letters, sent))
    return delivered


def revise(route: Route, journal: Outbox, outdated: Outdated) -> BatchOutcome:
    """As `redeliver`, for entries of which more has been learned since: what that changes is sent as new versions.

    They were counted when they were delivered, so what is counted now is only what they are refused for anew.
    """
    delivered, sent = _send_again(route, journal, outdated.entries)
    refused_before = {seq for seq, _ in outdated.refused}
    counted = BatchOutcome(
        delivered=0,
        filtered=0,
        dead_letters=[each for each in delivered.dead_letters if (each.seq, each.object_id) not in outdated.refused],
        refused=len({letter.seq for letter in delivered.dead_letters} - refused_before),
        messages=delivered.messages,
        revised=len(outdated.entries),
    )
    redelivery = _redelivery(route, outdated.entries, counted, delivered.dead_letters, sent, mark=outdated.mark)
    journal.record_redelivery(route.name, redelivery)
    return counted


def probe(route: Route, journal: Outbox, entry: Entry) -> BatchOutcome:
    """Send an entry before its turn, to see whether the receiver takes it; it is written down only what it does take.

    The entry is not counted before its turn comes. Requires the lease on the route.
    """
    delivered, sent = _send_again(route, journal, [entry])
    if delivered.messages:
        journal.record_redelivery(route.name, Redelivery([entry.seq], 0, 0, 0, sent=sent, receiver=route.receiver))
    return delivered


def rewind(route: Route, journal: Outbox, positions: Mapping[str, int]) -> int:
    """Set a route's position back, so that it delivers again from there; return how many entries it then has pending.

    All that these entries need is sent again, in the versions given out the first time: what earlier ones sent, too.
    Requires the lease on the route.
    """
    count = after = 0
    while entries := journal.history(positions, route.batch, after):
        rendered = [render(entry, route) for entry in entries]
        known = journal.versions(route.name, object_ids(rendered), route.receiver)
        sent = [version for versions in known.values() for version in versions if version.sent]
        journal.mark_unsent(route.name, sent, route.receiver)
        after = entries[-1].seq
        count += len(entries)
    journal.rewind(route.name, positions)
    return count


def _send_again(
    route: Route, journal: Outbox, entries: Sequence[Entry], *, resend: bool = False
) -> tuple[BatchOutcome, Sequence[Version]]:
    """Render, write versions down, send, and have the receiver confirm all of it; with `resend` what it has, too."""
    rendered = [render(entry, route) for entry in entries]
    if met := damaged(rendered):
        journal.ask_again(met, DAMAGED)
    if is_emptied(route.sink):
        journal.mark_unsent(route.name, None, route.receiver)
    known = journal.versions(route.name, object_ids(rendered), route.receiver)
    told_until = {
        object_id: max((max(each.seq, each.last_seq) for each in versions if each.sent), default=0)
        for object_id, versions in known.items()
    }
    if resend:
        known = {object_id: [each._replace(sent=False) for each in versions] for object_id, versions in known.items()}
    ledger = Ledger(known, told_until, refresh=route.refresh)
    conversions = list(encode(rendered, ledger))
    journal.record(route.name, ledger.recorded, route.receiver)
    if resend:
        journal.mark_unsent(route.name, ledger.stamped, route.receiver)
    delivered, sent = send(route.sink, conversions, ledger)
    finish(route.sink)
    return delivered, sent


def _redelivery(
    route: Route,
    entries: Sequence[Entry],
    counted: BatchOutcome,
    dead_letters: Sequence[DeadLetter],
    sent: Sequence[Version],
    *,
    mark: Json = None,
) -> Redelivery:
    seqs = [entry.seq for entry in entries]
    return Redelivery(
        seqs, counted.delivered, counted.filtered, counted.refused, dead_letters, sent, mark, route.receiver
    )
