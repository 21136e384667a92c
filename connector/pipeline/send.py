"""From messages to the sink, and what came of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from connector.model import Claim, DeadLetter, Refusal, Suppressed, Version
from connector.pipeline.convert import Conversion
from connector.pipeline.route import CONDITION, GUARD, JUDGEMENT, Route
from connector.pipeline.versions import Ledger
from connector.ports import Confirmation, Emptiable, ObjectFormat, Resumable, Sink


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """A batch dealt with, counted in notifications.

    Attributes:
        messages: documents that the sink accepted.
        made_nothing: notifications that the mapping wanted, and made no document of.
        withdrawn: notifications that took back what was delivered; they are among those delivered or filtered.
        guarded: notifications that are withheld because of a known-good list; they are among those filtered.
        muted: notifications that are withheld because of what an analyst judged; they are among those filtered.
        revised: notifications rendered again for what was learned after they were delivered; they count as nothing
            else, unless they are refused.
        judged: those of the revised of which an analyst has judged something since.
        reconsidered: those of the revised that were delivered on other terms than the route has now.
    """

    delivered: int
    filtered: int
    dead_letters: Sequence[DeadLetter]
    refused: int
    messages: int
    revised: int = 0
    made_nothing: int = 0
    withdrawn: int = 0
    muted: int = 0
    guarded: int = 0
    judged: int = 0
    reconsidered: int = 0

    @property
    def is_nothing(self) -> bool:
        """Whether it was only looked through what there is, and nothing came of it."""
        return not (self.delivered or self.filtered or self.refused or self.made_nothing or self.revised)

    def __add__(self, other: "BatchOutcome") -> "BatchOutcome":
        return BatchOutcome(
            self.delivered + other.delivered,
            self.filtered + other.filtered,
            [*self.dead_letters, *other.dead_letters],
            self.refused + other.refused,
            self.messages + other.messages,
            self.revised + other.revised,
            self.made_nothing + other.made_nothing,
            self.withdrawn + other.withdrawn,
            self.muted + other.muted,
            self.guarded + other.guarded,
            self.judged + other.judged,
            self.reconsidered + other.reconsidered,
        )


class Accepted(NamedTuple):
    """What a sink has of what it was sent: the versions of objects, and what it thereby was told of observables.

    Attributes:
        muted: the entries that it was not sent, because of what an analyst judged.
        turned_away: the entries that it was not sent, because of a condition.
        guarded: what was suppressed of them.
        unclaimed: what it was about to be told so, and has refused; `restored` is what holds in the place of some.
        unmade: revocations that it has refused and does not have: the object goes on as if none had been made.
    """

    versions: Sequence[Version]
    claims: Sequence[Claim]
    unclaimed: Sequence[Claim]
    restored: Sequence[Claim]
    muted: Sequence[int]
    guarded: Sequence[Suppressed]
    unmade: Sequence[Version]
    turned_away: Sequence[int]


def send(sink: Sink, conversions: Sequence[Conversion], ledger: Ledger) -> tuple[BatchOutcome, Accepted]:
    """Send what was converted; what came of it, and what the sink has."""
    messages = [message for conversion in conversions for message in conversion.messages]
    refusals = sink.send(messages) if messages else ()
    dead_letters = _dead_letters(conversions, refusals)
    refused_seqs = {letter.seq for letter in dead_letters}
    refused = len(refused_seqs)
    unread = sum(each.entry.is_unreadable for each in conversions)  # the source's matter, which counts it
    filtered = sum(not each.wanted and each.entry.seq not in refused_seqs for each in conversions) - unread
    made_nothing = sum(conversion.made_nothing for conversion in conversions)
    delivered = len(conversions) - refused - filtered - made_nothing - unread
    refused_versions = {(refusal.message.id, refusal.message.version or "") for refusal in refusals}
    accepted = (*ledger.stamped, *ledger.unchanged)
    sent = [version for version in accepted if (version.object_id, version.modified) not in refused_versions]
    refused_by_sink = {refusal.message.seq for refusal in refusals}
    sent += [each.told for each in conversions if each.told is not None and each.entry.seq not in refused_by_sink]
    accepted_messages = len(messages) - len(refusals)
    claims = _claims(conversions, refusals)
    left = {each.entry.seq for each in conversions if each.left}
    muted = [each.entry.seq for each in conversions if each.withheld is not None and each.withheld.by == JUDGEMENT]
    away = [each.entry.seq for each in conversions if each.withheld is not None and each.withheld.by == CONDITION]
    counted = BatchOutcome(
        delivered,
        filtered,
        dead_letters,
        refused,
        accepted_messages,
        made_nothing=made_nothing,
        withdrawn=sum(not claim.stands and claim.seq not in left for claim in claims),
        muted=len(muted),
        guarded=sum(each.withheld is not None and each.withheld.by == GUARD for each in conversions),
    )
    guarded = [suppressed for each in conversions for suppressed in each.guarded]
    unmade = [
        version
        for version in ledger.stamped
        if version.revoked and (version.object_id, version.modified) in refused_versions & ledger.untold
    ]
    told = {(claim.observable, claim.seq) for claim in claims}
    unclaimed = [claim for claim in claimed(conversions) if (claim.observable, claim.seq) not in told]
    undone = {(claim.observable, claim.seq) for claim in unclaimed}
    former = [each.before for each in conversions if each.before is not None]
    restored = [claim for claim in former if (claim.observable, claim.seq) in undone]
    return counted, Accepted(sent, claims, unclaimed, restored, muted, guarded, unmade, away)


def dealt_with(sink: Sink, conversions: Sequence[Conversion]) -> int:
    """How many of these, from the first on, a sink has dealt with that then had to stop; see `Resumable`."""
    if not isinstance(sink, Resumable):
        return 0
    left = sink.dealt_with([message for conversion in conversions for message in conversion.messages])
    for place, conversion in enumerate(conversions):
        left -= len(conversion.messages)
        if left < 0:
            return place
    return len(conversions)


def turned_away(route: Route, accepted: Accepted) -> Sequence[int]:
    """The entries to be known as turned away: once they are let through, their events are sent, and no others again."""
    return () if isinstance(route.mapping.format, ObjectFormat) else accepted.turned_away


def claimed(conversions: Sequence[Conversion]) -> Sequence[Claim]:
    """What the receiver is about to be told, and has not been told before as far as is known."""
    return [each.claim for each in conversions if each.claim is not None and each.claim.in_doubt]


def _claims(conversions: Sequence[Conversion], refusals: Sequence[Refusal]) -> list[Claim]:
    """What the sink was told: that something is bad by any message of an entry, that this is taken back by all."""
    refused = Counter(refusal.message.seq for refusal in refusals)
    return [
        each.claim._replace(in_doubt=False)
        for each in conversions
        if each.claim is not None
        and each.refusal is None
        and (refused[each.entry.seq] == 0 or (each.claim.stands and refused[each.entry.seq] < len(each.messages)))
    ]


def unconfirmed(sink: Sink) -> int:
    """See `Confirmation`; 0 for a sink whose receiver answers."""
    return sink.unconfirmed() if isinstance(sink, Confirmation) else 0


def is_emptied(sink: Sink) -> bool:
    """See `Emptiable`; never for a sink whose receiver keeps what it is sent."""
    return isinstance(sink, Emptiable) and sink.is_emptied()


def finish(sink: Sink) -> None:
    """See `Confirmation`; a sink whose receiver answers has nothing to wait for."""
    if isinstance(sink, Confirmation):
        sink.finish()


def _dead_letters(conversions: Sequence[Conversion], refusals: Sequence[Refusal]) -> list[DeadLetter]:
    ids = {conversion.entry.seq: conversion.entry.notification.id for conversion in conversions}
    letters = [
        DeadLetter(
            conversion.entry.seq,
            conversion.refusal.by,
            str(conversion.refusal),
            document=conversion.refused_document,
            notification_id=conversion.entry.notification.id,
        )
        for conversion in conversions
        if conversion.refusal
    ]
    letters += [
        DeadLetter(message.seq, "sink", refusal.reason, message.id, message.body, ids[message.seq])
        for refusal in refusals
        for message in (refusal.message,)
    ]
    return letters
