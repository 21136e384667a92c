"""What a route makes of entries: what they say, and what they take back of what was said before."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

from connector.mapping import Guarding
from connector.model import (
    NOT_CLAIMED,
    PERSON,
    SET_ASIDE,
    TAKEN_BACK,
    Claim,
    Document,
    Entry,
    JsonObject,
    Refused,
    Withheld,
)
from connector.pipeline.assessed import Assessments
from connector.pipeline.claims import Claims
from connector.pipeline.convert import Rendered
from connector.pipeline.named_hosts import NamedHosts
from connector.pipeline.other_words import OtherWords
from connector.pipeline.pieces import pieces
from connector.pipeline.route import NOT_MATCHED, SPOKEN_AGAINST, Rendering, Route, Withdrawing
from connector.pipeline.seen import Seen, Sight
from connector.pipeline.successors import references
from connector.pipeline.suppressions import Suppressions
from connector.pipeline.told import Told
from connector.pipeline.versions import revokes
from connector.ports import LAST, ObjectFormat, Outbox

Turn = Literal["in turn", "again", "revised"]
"""`in turn`: in the order of the journal, also when it is replayed. `again`: entries by themselves, once more.
`revised`: the same, for what was learned since; only what stands is taken back."""


class TooMuchAtOnceError(Exception):
    """What is to be rendered with some entries takes more memory than it may: fewer are to be dealt with at once."""


def render(
    route: Route,
    journal: Outbox,
    entries: Sequence[Entry],
    turn: Turn,
    *,
    aside: Collection[int] = (),
    held: Iterable[Claim] = (),
    confirmed: Collection[int] = (),
    wronged: Collection[int] = (),
    told: Collection[int] = (),
) -> list[Rendered]:
    """What a route's mapping makes of entries, unless the route turns them away.

    In turn it ends before an entry that says the opposite of what an earlier one of them says of the same observable:
    whether the receiver has accepted that is known only then.

    Args:
        route: the route.
        journal: what it has told its receiver so far.
        entries: in order.
        turn: see `Turn`.
        aside: those that a person has set aside.
        held: what was told to the receiver, and is not in the journal yet.
        confirmed: entries that were judged true after they were dealt with, of which receivers of events are told.
        wronged: entries that were judged wrong after they were delivered.
        told: entries of which events were sent, so that what has become of them since is told.

    Raises:
        TooMuchAtOnceError: revised, several entries bring more others with them than may be read at once.
    """
    return list(
        _Batch(route, journal, turn, confirmed=confirmed, wronged=wronged, told=told).rendered(entries, aside, held)
    )


class _Batch:
    """Renders entries, with what the receiver was told of their observables."""

    def __init__(
        self,
        route: Route,
        journal: Outbox,
        turn: Turn,
        *,
        confirmed: Collection[int],
        wronged: Collection[int],
        told: Collection[int],
    ) -> None:
        self._route = route
        self._journal = journal
        self._turn = turn
        self._confirmed = confirmed
        self._wronged = wronged
        self._told: Collection[int] = told
        self._claims = Claims({})
        self._spoken_for: set[int] = set()  # entries of which others know more
        self._away: set[int] = set()  # entries that are turned away in turn, so that no events were sent of them
        self._sight = Sight(route, journal)
        self._others = OtherWords(route, journal, self._sight)
        self._assessments = Assessments(route, journal, self._sight)
        self._hosts = NamedHosts(route, journal, self._sight, in_turn=turn == "in turn")

    def rendered(self, entries: Sequence[Entry], aside: Collection[int], held: Iterable[Claim]) -> Iterator[Rendered]:
        """What is made of these, as far as it can be told now."""
        seen = [
            Rendered(entry, refusal=Refused(SET_ASIDE, by=PERSON)) if entry.seq in aside else self._sight.see(entry)
            for entry in self._as_known(entries)
        ]
        self._claims = self._told_of(seen, held)
        if self._turn == "revised":
            is_one = len(entries) == 1
            with_hosts = self._with_last_to_name(seen, is_one=is_one)
            if len(with_hosts) > len(seen):
                self._claims = self._told_of(with_hosts, held)
            seen = self._with_last_claims(with_hosts, is_one=is_one)
        for each in seen:
            made = self._made(each) if isinstance(each, Seen) else each
            if made is None:
                return
            yield made

    def _told_of(self, seen: Sequence[Seen | Rendered], held: Iterable[Claim]) -> Claims:
        """What the receiver was told of what these are about."""
        claiming = [each for each in seen if isinstance(each, Seen) and each.claiming is not None]
        if not claiming:
            return Claims({})
        told = Told(self._route, self._journal, self._sight, claiming)
        claims = Claims(told.known, held, told.beside)
        if until := self._journal.unclaimed_until(self._route.name, self._route.receiver):
            self._recall(claims, [each for each in claiming if each.observable not in told.known], until)
        return claims

    def _as_known(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Entries with what is known of their observables; what is retried is compared with later ones (`over`)."""
        known = self._sight.as_known(entries, in_turn=self._turn != "revised")
        self._spoken_for |= {one.seq for one, other in zip(entries, known, strict=True) if one is not other}
        return known

    def _recall(self, claims: Claims, seen: Sequence[Seen], until: int) -> None:
        """Find what was claimed of observables before claims were kept, as far as the ledger shows that it arrived."""
        found: set[int] = set()
        for each in seen:
            if each.observable not in found:
                found.add(each.observable)
                if (seq := self._others.delivered_claim(each, until)) is not None:
                    claims.recall(each.observable, seq)

    def _with_last_claims(self, seen: Sequence[Seen | Rendered], *, is_one: bool) -> list[Seen | Rendered]:
        """Add the entries that are the last to have said of the same that it is bad: what is true now is said there."""
        about = {each.observable for each in seen if isinstance(each, Seen) and each.claiming}
        last = {self._claims.claimed_until(each) for each in about} - {each.entry.seq for each in seen}
        seqs = sorted(seq for seq in last if seq is not None)
        more = self._as_known(self._read(seqs, is_one=is_one))
        self._told = {*self._told, *seqs}.difference(self._journal.unsent(self._route.name, seqs))
        return sorted([*seen, *map(self._sight.see, more)], key=lambda each: each.entry.seq)

    def _with_last_to_name(self, seen: Sequence[Seen | Rendered], *, is_one: bool) -> list[Seen | Rendered]:
        """Add the last entries that name the same hosts: what they say of these may rest on what was learned, too."""
        there = {each.entry.seq for each in seen}
        more = {seq for each in seen if isinstance(each, Seen) for seq in self._hosts.last_to_name(each)} - there
        added = self._as_known(self._read(sorted(more), is_one=is_one))
        passed = [self._sight.see(each) for each in added if self._sight.is_passed(each.source, each.seq)]
        return sorted([*seen, *passed], key=lambda each: each.entry.seq)

    def _read(self, seqs: Sequence[int], *, is_one: bool) -> Sequence[Entry]:
        """These entries; what belongs to one that is asked for is never too much, whatever was added to it before."""
        found: list[Entry] = []
        for read in pieces(self._journal, seqs, self._route.batch):
            if found and not is_one:
                raise TooMuchAtOnceError
            found += read
        return found

    def _made(self, seen: Seen) -> Rendered | None:
        """What is made of one entry; None when it has to wait for what came of an earlier one."""
        guards = self._sight.guards(seen.entry.source)
        noted = None if guards is None else Suppressions(guards, seen)
        try:
            with Guarding(noted, self._sight.claims):
                made = self._confirming(seen) if self._is_confirmed(seen) else self._made_of(seen)
                if made is not None:
                    made = self._assessments.told(seen, made, self._made_of, is_sent=seen.entry.seq in self._told)
        except Refused as refusal:
            return Rendered(seen.entry, refusal=refusal.kept())
        if made is not None and made.documents and _is_over(seen):
            made = self._without_first_words_of_what_is_over(made, seen)
        if made is not None and noted is not None and noted.suppressed:
            return replace(made, guarded=list(noted.suppressed.values()))
        return made

    def _made_of(self, seen: Seen) -> Rendered | None:
        if seen.claiming is not None:
            return self._claiming(seen, seen.claiming)
        documents = seen.mapping.render(seen.view) if seen.withheld is None else None
        if documents is None:
            return Rendered(seen.entry, wanted=False, withheld=seen.withheld)
        return Rendered(seen.entry, documents, output=seen.mapping.format)

    def _is_confirmed(self, seen: Seen) -> bool:
        """Whether the receiver is to be told that what it has was judged true: of an observable once, with the last."""
        entry = seen.entry
        if entry.seq not in self._confirmed or seen.withheld is not None:
            return False
        is_of_all = entry.judgement is not None and entry.judgement.judged.kind == "observable"
        return not (is_of_all and seen.claiming and self._claims.is_told_later(seen.observable, entry.seq))

    def _confirming(self, seen: Seen) -> Rendered | None:
        """What is made of an entry that was judged true later, to be sent if the mapping says anything of that.

        It is sent, too, if the route has waited for the judgement, so that the receiver has nothing yet.
        """
        was_told = seen.claiming is None or self._claims.at(seen.observable, seen.entry.seq) is not None
        made = self._made_of(seen)
        if made is None or made.takes_back or not made.documents:
            return made
        if not was_told and made.claims:
            return replace(made, confirms=True)
        unjudged = self._made_of(seen._replace(view={**seen.view, "judgement": None}))
        judged = self._made_of(seen._replace(view=_judged_after_delivery(seen.view)))
        if unjudged is None or judged is None or judged.documents == unjudged.documents:
            return made
        return replace(judged, confirms=True)

    def _claiming(self, seen: Seen, mapping: Withdrawing) -> Rendered | None:
        rendering = mapping.rendering(seen.view) if seen.withheld is None else None
        if rendering is None:
            return self._turned_away(seen._replace(withheld=seen.withheld or NOT_MATCHED), mapping)
        if rendering.claims:
            return self._claimed(seen, mapping, rendering)
        about, seq, output = seen.observable, seen.entry.seq, mapping.format
        documents = self._hosts.settled(seen, mapping, rendering.documents)
        if self._is_to_take_back(about, seq) and seen.view["entity"]:
            if self._must_wait(about):
                return None
            made = Rendered(seen.entry, documents, output=output, claims=False, otherwise=documents)
            why = self._naming_all(NOT_CLAIMED, seen)
            taking_back = mapping.withdrawal(rendering, why, alone=seq in self._told)  # its event is not sent again
            taking_back = self._all_to_withdraw(seen, mapping, why, taking_back)
            return self._taken_back(made, about, taking_back)
        if self._turn == "revised" and seq in self._spoken_for:
            return self._over(seen, mapping, rendering)
        return self._with_hosts_of_what_is_over(
            seen, mapping, Rendered(seen.entry, documents, output=output, claims=False)
        )

    def _claimed(self, seen: Seen, mapping: Withdrawing, rendering: Rendering) -> Rendered | None:
        about, seq, output = seen.observable, seen.entry.seq, mapping.format
        told = self._claims.at(about, seq)
        if told is not None and not told.stands and self._must_wait(about):
            return None
        taken_back = self._claims.taken_back_later(about, seq) if self._turn == "revised" else None
        is_known = taken_back is None and self._claims.is_known(about, seq, stands=True)
        is_said_late = self._turn == "revised" and not is_known
        if (self._turn == "again" or is_said_late) and self._others.have_ended(seen, mapping):
            return self._over(seen, mapping, rendering)
        if seq in self._spoken_for and self._is_ended(seen):
            return self._over(seen, mapping, rendering)
        self._hosts.note(seen, mapping, rendering.documents)
        is_in_doubt = self._claims.may_be_withdrawn_by(about, seq if taken_back is None else taken_back)
        repeats = mapping.withdrawal(rendering, NOT_CLAIMED, alone=True) if is_in_doubt else ()
        documents = self._hosts.settled(seen, mapping, rendering.documents)
        made = Rendered(seen.entry, documents, output=output, repeats=repeats)
        if taken_back is not None and rendering.documents and not self._others.is_claimed_by(taken_back):
            # The entry that took it back for all is still withheld, and this one is not any more.
            before = self._claims.at(about, taken_back)
            claim = self._claims.restore(about, taken_back)
            return replace(made, claim=claim, before=before, anew=True, restores=True)
        anew = self._is_anew(about, seq, stands=True)
        told_of = self._claims.claim(about, seq) if rendering.documents else None
        return replace(made, claim=told_of, anew=anew)

    def _is_ended(self, seen: Seen) -> bool:
        """Whether one that is dated later ended what an entry says, and no other says it anew."""
        return self._was_ended(seen) and self._others.said_by_another(seen, in_turn=self._turn == "in turn") is None

    def _was_ended(self, seen: Seen) -> bool:
        entry = seen.entry
        if entry.seq in self._spoken_for:
            entry = replace(entry, entity=None)  # as it says itself
        return self._sight.is_ended(entry, entry.seq if self._turn == "in turn" else LAST)

    @staticmethod
    def _over(seen: Seen, mapping: Withdrawing, rendering: Rendering) -> Rendered:
        over = mapping.withdrawal(rendering, NOT_CLAIMED, alone=True)
        documents, output = rendering.documents, mapping.format
        return Rendered(seen.entry, documents, output=output, claims=False, over=over, withheld=SPOKEN_AGAINST)

    def _turned_away(self, seen: Seen, mapping: Withdrawing) -> Rendered | None:
        entry, about = seen.entry, seen.observable
        away = Rendered(entry, wanted=False, withheld=seen.withheld)
        if self._turn == "in turn":
            self._away.add(entry.seq)
        if not self._is_to_take_back(about, entry.seq):
            made = self._match_taken_back(seen, mapping)
            return self._with_hosts_of_what_is_over(seen, mapping, away) if made is None else made
        rendering = mapping.rendering(seen.view, whatever=True)
        is_in_turn = self._turn == "in turn"
        why = self._others.why_to_take_back(seen, rendering, self._claims, in_turn=is_in_turn)
        if why is None:
            match = self._match_taken_back(seen, mapping)
            said = self._said_by_another(seen, away)
            if match is None or said is None:
                return match or said or away
            return replace(said, documents=[*match.documents, *said.documents], confirms=True)
        why = self._naming_all(why, seen)
        if self._must_wait(about):
            return None
        away = replace(away, output=mapping.format, claims=False)
        documents = mapping.withdrawal(rendering, why, alone=True)
        return self._taken_back(away, about, self._all_to_withdraw(seen, mapping, why, documents))

    def _with_hosts_of_what_is_over(self, seen: Seen, mapping: Withdrawing, made: Rendered) -> Rendered:
        """What was made of an entry, revised, with what is true now of the hosts that it named while it was bad.

        Of these it may be the last to have told, so that what other files say of them is told here.
        """
        told = self._claims.at(seen.observable, seen.entry.seq)
        is_over = (
            told is not None and not told.stands and not self._claims.is_told_later(seen.observable, seen.entry.seq)
        )
        if self._turn != "revised" or not is_over or not isinstance(mapping.format, ObjectFormat):
            return made
        objects: ObjectFormat = mapping.format
        rendering = mapping.rendering(seen.view, whatever=True)
        withdrawal = mapping.withdrawal(rendering, NOT_CLAIMED, alone=True)
        there = {objects.identify(each).id for each in made.documents}
        found = self._all_to_withdraw(seen, mapping, NOT_CLAIMED, withdrawal)
        more = [each for each in found if objects.identify(each).id not in there]
        return replace(made, documents=[*made.documents, *more], output=mapping.format, claims=False)

    def _said_by_another(self, seen: Seen, away: Rendered) -> Rendered | None:
        """What another match says, that is not turned away, with what is known of the observable now."""
        in_turn = self._turn == "in turn"
        if self._turn == "again" or (in_turn and (seen.is_muted or not seen.view["entity"])):
            return None
        another = self._others.said_by_another(seen, in_turn=in_turn)
        rendering = None if another is None or another.claiming is None else another.claiming.rendering(another.view)
        if another is None or another.claiming is None or rendering is None:
            return None
        documents = self._hosts.settled(another, another.claiming, rendering.documents)
        made = replace(away, documents=documents, output=another.claiming.format)
        if not isinstance(made.output, ObjectFormat):
            again = self._assessments.told_again(another, made, self._made_of)
            if again is None:
                return None
            made = again
        return replace(made, claim=self._claims.claim(seen.observable, seen.entry.seq))

    def _all_to_withdraw(
        self, seen: Seen, mapping: Withdrawing, why: Withheld, documents: Sequence[Document]
    ) -> Sequence[Document]:
        found = self._others.all_to_withdraw(seen, mapping, why, documents)
        return self._hosts.not_said_by_others(seen, mapping, found)

    def _naming_all(self, why: Withheld, seen: Seen) -> Withheld:
        """Why something is taken back, with the matches of which events were sent. Objects have an id."""
        if isinstance(seen.mapping.format, ObjectFormat):
            return why
        since = self._claims.claimed_since(seen.observable, seen.entry.seq)
        until = seen.entry.seq if self._turn == "in turn" else self._claims.told_until(seen.observable)
        return why.taking_back(self._others.delivered(seen, since, until, self._away))

    def _match_taken_back(self, seen: Seen, mapping: Withdrawing) -> Rendered | None:
        """What takes back what one match said that is judged wrong, while another says the same; None: nothing does.

        A mapping that does not tell that from what takes all back says nothing.
        """
        entry, about, why = seen.entry, seen.observable, seen.withheld
        until = self._claims.claimed_until(about)
        if entry.seq not in self._wronged or not seen.is_muted or why is None or until is None:
            return None
        if self._was_ended(seen):
            return None  # all that was said by then was taken back
        if self._others.said_by_another(seen, in_turn=self._turn == "in turn") is None:
            return None
        rendering = mapping.rendering(seen.view)
        if rendering is None or not rendering.claims or not self._route.wants(seen.view):
            return None
        why = why.taking_back([(entry.notification.id, seen.view["source"])])
        of_all = mapping.withdrawal(rendering, why, alone=True)
        of_match = why._replace(of="match")
        documents = [each for each in mapping.withdrawal(rendering, of_match, alone=True) if not revokes(each)]
        documents = [each for each in documents if each not in of_all]
        if not documents or not self._has_what_they_name(documents, rendering, mapping):
            return None
        return Rendered(
            entry, documents, wanted=False, withheld=why, output=mapping.format, claims=False, confirms=True
        )

    def _has_what_they_name(self, documents: Sequence[Document], rendering: Rendering, mapping: Withdrawing) -> bool:
        """Whether the receiver has all objects of a notification that other documents refer to."""
        if not isinstance(mapping.format, ObjectFormat):
            return True
        objects: ObjectFormat = mapping.format
        ids = {objects.identify(each).id for each in rendering.documents}
        named = ids.intersection(set().union(*map(references, documents)))
        known = self._journal.versions(self._route.name, sorted(named), self._route.receiver)
        return all(any(version.is_there for version in known.get(each, ())) for each in named)

    def _without_first_words_of_what_is_over(self, made: Rendered, seen: Seen) -> Rendered:
        """What is made of an entry of which a judgement is over: of that only a receiver is told that knew of it."""
        if not isinstance(seen.mapping.format, ObjectFormat):
            return made
        objects: ObjectFormat = seen.mapping.format
        unjudged = seen.mapping.render({**seen.view, "judgement": None}) or ()
        said = {objects.identify(each).id for each in unjudged}
        return replace(made, only_known={objects.identify(each).id for each in made.documents} - said)

    def _taken_back(self, made: Rendered, about: int, documents: Sequence[Document]) -> Rendered:
        """What was made of an entry, with what takes back what was said before; but for what another route claims."""
        seq = made.entry.seq
        is_anew = self._is_anew(about, seq, stands=False)
        is_left = self._claims.is_claimed_beside(about)
        if is_left and not isinstance(made.output, ObjectFormat):
            documents = made.documents
        # That which was left to others before is not taken back by a replay, when they have ended it since.
        left = is_left or (bool(self._route.beside) and not is_anew)
        before, doubt = self._claims.at(about, seq), self._claims.in_doubt_from(about, seq)
        claim = self._claims.withdraw(about, seq)
        return replace(
            made,
            documents=documents,
            claim=claim,
            before=before if before is not None and before.seq == seq else None,
            anew=is_anew,
            left=left,
            in_doubt_from=doubt,
            repeats=documents if is_anew else (),
        )

    def _is_anew(self, about: int, seq: int, *, stands: bool) -> bool:
        """Whether an entry tells something for the first time, or in doubt, among routes into one receiver."""
        if not self._route.beside or self._claims.is_known(about, seq, stands=stands):
            return False
        return self._turn == "in turn" or not self._claims.is_told_later(about, seq)

    def _is_to_take_back(self, about: int, seq: int) -> bool:
        """Whether an entry that is no claim finds one at the receiver."""
        told = self._claims.at(about, seq)
        if told is None or (self._turn != "in turn" and self._claims.is_told_later(about, seq)):
            return False
        # The entry that took something back takes it back when it comes again.
        return told.stands or told.in_doubt or (told.seq == seq and self._turn != "revised")

    def _must_wait(self, about: int) -> bool:
        return self._turn == "in turn" and about in self._claims.told_now


def _is_over(seen: Seen) -> bool:
    """Whether what was judged of an entry is over."""
    judgement = seen.entry.judgement
    return judgement is not None and judgement.verdict == TAKEN_BACK


def _judged_after_delivery(view: JsonObject) -> JsonObject:
    return {**view, "judgement": {**view["judgement"], "after_delivery": True}}
