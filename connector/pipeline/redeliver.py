"""Entries delivered once more: on request, because more is known of them now, or from an earlier position on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from connector.model import DeadLetter, Entry, Json, Outdated, Reconsidered, Redelivery, VersionBeside
from connector.pipeline.convert import DAMAGED, Rendered, damaged, encode, known_versions
from connector.pipeline.provisional import FullerVersions
from connector.pipeline.render import render
from connector.pipeline.route import Route
from connector.pipeline.send import Accepted, BatchOutcome, claimed, finish, is_emptied, send, turned_away
from connector.pipeline.versions import Ledger
from connector.ports import ObjectFormat, Outbox


def redeliver(route: Route, journal: Outbox, entries: Sequence[Entry], *, again: bool = False) -> BatchOutcome:
    """Deal with entries out of turn, the position staying where it is; their dead letters are replaced by what comes.

    They are rendered with the mapping as it is now, and what the receiver does not have is sent; with `again` what it
    has, too. An object of which a later notification has said more keeps what that said. Requires the lease on the
    route.

    Raises:
        Unavailable: nothing has changed but that some may have arrived.
    """
    with route.turn(journal):
        return redeliver_in_turn(route, journal, entries, again=again)


def redeliver_in_turn(route: Route, journal: Outbox, entries: Sequence[Entry], *, again: bool = False) -> BatchOutcome:
    """As `redeliver`, for who holds the route's turn already (`Route.turn`), as the next two do."""
    rendered = render(route, journal, entries, "again")
    if again:  # an event that a person wants again says when it was
        rendered = [each if isinstance(each.output, ObjectFormat) else replace(each, over=None) for each in rendered]
    delivered, accepted = _send_again(route, journal, rendered, resend=again)
    journal.record_redelivery(route.name, _redelivery(route, entries, delivered, delivered.dead_letters, accepted))
    return delivered


def revise(
    route: Route, journal: Outbox, outdated: Outdated, *, reconsidered: Reconsidered | None = None
) -> BatchOutcome:
    """As `redeliver`, for entries of which more has been learned since: what that changes is sent as new versions.

    They were counted when they were delivered, so what is counted now is only what they are refused for anew, and what
    was withheld and is delivered now. With `reconsidered`, that is noted in the same transaction.
    """
    entries = outdated.entries
    of_events = not isinstance(route.mapping.format, ObjectFormat)
    confirmed = {
        entry.seq
        for entry in entries
        if of_events
        and entry.seq not in outdated.withheld
        and entry.judgement is not None
        and entry.judgement.verdict == "true_positive"
        and (entry.seq, entry.judgement.judged.kind) in outdated.judged
    }
    dead = {seq for seq, _ in outdated.refused}
    wronged = {
        entry.seq
        for entry in entries
        if entry.seq not in outdated.withheld
        and entry.seq not in dead
        and entry.judgement is not None
        and (entry.seq, entry.judgement.judged.kind) in outdated.judged
    }
    if not route.can_revise:
        entries = [entry for entry in entries if entry.seq in confirmed or entry.seq in outdated.withheld]
    told = {entry.seq for entry in entries if of_events and entry.seq not in outdated.withheld} - dead
    rendered = render(route, journal, entries, "revised", confirmed=confirmed, wronged=wronged, told=told)
    if of_events:
        # Events are not sent again, nor refused that were taken: what they said can be taken back, be confirmed, or be
        # assessed otherwise. One that was withheld was not sent.
        rendered = [
            each
            for each in rendered
            if each.entry.seq in outdated.withheld
            or each.repeats
            or ((each.takes_back or each.confirms or each.restores or each.reassesses) and each.entry.seq not in dead)
        ]
    entries = [each.entry for each in rendered]
    delivered, accepted = _send_again(route, journal, rendered)
    refused_before = {seq for seq, _ in outdated.refused}
    counted = BatchOutcome(
        delivered=_let_through(rendered, outdated, delivered),
        filtered=0,
        dead_letters=[each for each in delivered.dead_letters if (each.seq, each.object_id) not in outdated.refused],
        refused=len({letter.seq for letter in delivered.dead_letters} - refused_before),
        messages=delivered.messages,
        revised=len(outdated.entries),
        judged=len({seq for seq, _ in outdated.judged}),
        withdrawn=delivered.withdrawn,
    )
    kept = {each.entry.seq for each in rendered if each.takes_back or each.confirms} | set(outdated.withheld)
    accepted = accepted._replace(
        muted=[seq for seq in accepted.muted if seq in kept],
        turned_away=[seq for seq in accepted.turned_away if seq in outdated.withheld],
    )
    redelivery = _redelivery(route, entries, counted, delivered.dead_letters, accepted, mark=outdated.mark)
    journal.record_redelivery(route.name, replace(redelivery, reconsidered=reconsidered))
    return counted


def _let_through(rendered: Sequence[Rendered], outdated: Outdated, outcome: BatchOutcome) -> int:
    """How many were withheld, and are delivered now."""
    refused = {letter.seq for letter in outcome.dead_letters}
    wanted = {
        each.entry.seq
        for each in rendered
        if each.wanted and each.documents and each.refusal is None and each.over is None
    }
    return len(wanted.intersection(outdated.withheld) - refused)


def probe(route: Route, journal: Outbox, entry: Entry) -> BatchOutcome:
    """Send an entry before its turn, to see whether the receiver takes it; it is written down only what it does take.

    The entry is not counted before its turn comes. Requires the lease on the route.
    """
    delivered, accepted = _send_again(route, journal, render(route, journal, [entry], "again"))
    if delivered.messages:
        taken = Redelivery(
            [entry.seq], 0, 0, 0, sent=accepted.versions, receiver=route.receiver, claims=accepted.claims
        )
        journal.record_redelivery(route.name, taken)
    return delivered


class Rewound(NamedTuple):
    """What a route then has before it: how many entries are pending, and how many messages were sent before these."""

    pending: int
    messages: int


def rewind(route: Route, journal: Outbox, positions: Mapping[str, int]) -> Rewound:
    """Set a route's position back, so that it delivers again from there.

    All that these entries need is sent again, in the versions given out the first time: what earlier ones sent, too.
    Of what these entries name only in passing (`Provisional`), the fuller versions of earlier ones are sent first.
    Requires the lease on the route.

    Raises:
        Unavailable: the receiver does not take these; the position stays.
    """
    with route.turn(journal):
        return _rewind(route, journal, positions)


def _rewind(route: Route, journal: Outbox, positions: Mapping[str, int]) -> Rewound:
    count = after = messages = 0
    fuller = FullerVersions()
    while entries := journal.history(positions, route.batch, after):
        rendered = render(route, journal, entries, "in turn")
        known = known_versions(route, journal, rendered)
        sent = [version for versions in known.values() for version in versions if version.sent]
        journal.mark_unsent(route.name, sent, route.receiver)
        fuller.note(rendered, known)
        after = rendered[-1].entry.seq
        count += len(rendered)
    for said_before in fuller.rendered(route, journal, positions):
        outcome, accepted = _send_again(route, journal, said_before, resend=True)
        messages += outcome.messages
        journal.record_redelivery(route.name, Redelivery((), 0, 0, 0, sent=accepted.versions, receiver=route.receiver))
    journal.rewind(route.name, positions)
    return Rewound(count, messages)


def _send_again(
    route: Route, journal: Outbox, rendered: Sequence[Rendered], *, resend: bool = False
) -> tuple[BatchOutcome, Accepted]:
    """Write versions down, send, and have the receiver confirm all of it; with `resend` what it has, too."""
    if met := damaged(rendered):
        journal.ask_again(met, DAMAGED)
    if is_emptied(route.sink):
        journal.mark_unsent(route.name, None, route.receiver)
    known = known_versions(route, journal, rendered)
    told_until = {
        object_id: max(
            (max(each.seq, each.last_seq) for each in versions if each.sent and not isinstance(each, VersionBeside)),
            default=0,
        )
        for object_id, versions in known.items()
    }
    if resend:
        known = {object_id: [each._replace(sent=False) for each in versions] for object_id, versions in known.items()}
    ledger = Ledger(known, told_until, refresh=route.refresh, is_shared=bool(route.beside))
    conversions = list(encode(rendered, ledger))
    journal.record(route.name, ledger.recorded, route.receiver, claimed(conversions))
    if resend:
        journal.mark_unsent(route.name, ledger.stamped, route.receiver)
    delivered, accepted = send(route.sink, conversions, ledger)
    journal.forget(route.name, accepted.unmade, route.receiver, accepted.unclaimed, accepted.restored)
    finish(route.sink)
    return delivered, accepted


def _redelivery(
    route: Route,
    entries: Sequence[Entry],
    counted: BatchOutcome,
    dead_letters: Sequence[DeadLetter],
    accepted: Accepted,
    *,
    mark: Json = None,
) -> Redelivery:
    seqs = [entry.seq for entry in entries]
    return Redelivery(
        seqs,
        counted.delivered,
        counted.filtered,
        counted.refused,
        dead_letters,
        accepted.versions,
        mark,
        route.receiver,
        accepted.claims,
        counted.withdrawn,
        accepted.muted,
        accepted.guarded,
        turned_away(route, accepted),
    )
