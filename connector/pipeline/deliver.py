"""Out of the journal to a sink: read a batch, convert it, write its versions down, send it, advance past it."""

import secrets
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TypeVar

from connector.model import Advance, ConnectorError, Entry, Misconfigured, Unavailable
from connector.pipeline.busy import BusyLetters
from connector.pipeline.convert import DAMAGED, Conversion, damaged, encode, known_versions
from connector.pipeline.reconsider import begin_reconsidering, reconsider, to_reconsider
from connector.pipeline.redeliver import probe, redeliver_in_turn, revise
from connector.pipeline.refused_streak import TRIAL_BATCH, RefusedStreak
from connector.pipeline.render import TooMuchAtOnceError, render
from connector.pipeline.route import Route
from connector.pipeline.send import (
    BatchOutcome,
    claimed,
    dealt_with,
    finish,
    is_emptied,
    send,
    turned_away,
    unconfirmed,
)
from connector.pipeline.versions import Ledger
from connector.ports import Outbox
from connector.room import ROOM, SECONDS, NoRoom

_Found = TypeVar("_Found")


class _Turn:
    """A route's turn (`Route.turn`): taken in a step that has something to deal with, and held until that ends."""

    def __init__(self, route: Route, journal: Outbox) -> None:
        self._route = route
        self._journal = journal
        self._taken = ExitStack()
        self._is_taken = False

    def take(self) -> None:
        """Raises as `connector.ports.Outbox.turn` does."""
        if not self._is_taken:
            self._taken.enter_context(self._route.turn(self._journal))
            self._is_taken = True

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        self._is_taken = False
        self._taken.close()


class Delivery:
    """A route's way out of the journal; one object for as long as it runs.

    What was sent but could still be lost with the connection (`Confirmation`) holds the position back: the journal
    is read ahead of the position, and after any error from the position again, which gives the same bytes.

    While the receiver refuses everything (`RefusedStreak`), nothing is advanced past and nothing becomes a dead letter.

    Attributes:
        streak: how much was refused without anything accepted; the runner keeps it for the next run.
        busy: dead letters that are retried without anybody asking.
    """

    def __init__(self, route: Route, journal: Outbox, on_work: Callable[[], None] = lambda: None) -> None:
        """With `on_work`, which is called whenever there is something to deal with, before that is sent."""
        self._route = route
        self._journal = journal
        self._on_work = on_work
        self._turn = _Turn(route, journal)
        self._read_to = 0
        self._held: deque[tuple[Advance, int]] = deque()  # batches not advanced past yet, with their messages
        self._damaged: list[int] = []  # entries in them that the disk has changed
        self._accepted_before: set[int] = set()  # entries that were accepted before their turn
        self._has_begun = False
        self._is_reconsidered = False
        self._is_refused = False  # the last batch, as a whole
        self._stopped_by: ConnectorError | None = None  # within the last batch; raised once what came before is counted
        self.streak = RefusedStreak()
        self.busy = BusyLetters(route.name)

    def step(self) -> BatchOutcome | None:
        """Deal with the next batch: render, write its versions down, send, advance. None when there is none.

        When nothing is pending, the next batch is of dead letters of which a retry was asked; when there are none, of
        notifications of which more has been learned since they were delivered (not of events, which have no versions);
        then of what was delivered on other terms than the route has now.

        Whatever is raised, nothing is lost: the next step begins with what had not been confirmed. What a sink had
        dealt with before it had to stop is advanced past first; the step after that raises why it stopped.

        Raises:
            Misconfigured: the receiver refuses everything; the next step tries one notification, and goes on if it is
                accepted.
        """
        if (error := self._stopped_by) is not None:
            self._stopped_by = None
            raise error
        try:
            return self._step_in_turn()
        except NoRoom as short:
            # It is waited for without the turn: a route that has room may be waiting for that. What has room gets more.
            self._forget()
            if not ROOM.reserve(short.count, SECONDS):
                raise
        except BaseException:
            self._forget()
            raise
        try:
            return self._step_in_turn()
        except BaseException:
            self._forget()
            raise

    def finish(self) -> None:
        """Have the receiver confirm all that was sent, and advance past it; raises as `step` does."""
        try:
            if self._held:
                finish(self._route.sink)
                self._advance()
        except BaseException:
            self._forget()
            raise

    @property
    def is_held(self) -> bool:
        """Whether the position waits for what was sent to be confirmed, by time if by nothing else."""
        return bool(self._held)

    def _begin(self) -> None:
        """There is something to deal with, which the receiver may have to be told."""
        self._on_work()
        self._turn.take()

    def _step_in_turn(self) -> BatchOutcome | None:
        with self._turn:
            if not self._has_begun:
                begin_reconsidering(self._route, self._journal)
                self._has_begun = True
            return self._step()

    def _step(self) -> BatchOutcome | None:
        route, streak = self._route, self.streak
        if streak.is_everything and (pending := self._journal.pending(route.name, route.sources, route.batch)):
            self._probe(pending)
        trial = min(route.batch, TRIAL_BATCH)
        done = self._batch(trial if streak.notifications else route.batch)
        if done is None:
            self._advance()
            if self._held and self._journal.has_learned(
                self._route.sources, self._held[0][0].learned or 0, self._read_to
            ):
                self.finish()  # what is in doubt is not outdated before it is advanced past
            self.busy.ask(self._journal)
            return self._retry() or self._revise() or self._reconsider()
        # What is refused as a whole is advanced past when something else is accepted, or nothing else is pending.
        while self._is_refused and self._stopped_by is None and (more := self._batch(trial)) is not None:
            done += more
        if self._is_refused and self._stopped_by is not None:
            raise self._stopped_by
        self._advance()
        return done

    def _batch(self, limit: int) -> BatchOutcome | None:
        """Render, write versions down and send so many entries; they are held until they are advanced past."""
        route, journal = self._route, self._journal
        entries = journal.pending(route.name, route.sources, limit, self._read_to)
        if not entries:
            return None
        self._begin()
        held = [claim for advance, _ in self._held for claim in advance.claims]
        rendered = render(route, journal, entries, "in turn", aside=self._aside(entries), held=held)
        if met := damaged(rendered):
            journal.ask_again(met, DAMAGED)
            self._damaged += met
        if is_emptied(route.sink):
            journal.mark_unsent(route.name, None, route.receiver)
        ledger = Ledger(known_versions(route, journal, rendered), refresh=route.refresh, is_shared=bool(route.beside))
        conversions = [self._unless_accepted(each) for each in encode(rendered, ledger)]
        journal.record(route.name, ledger.recorded, route.receiver, claimed(conversions))
        try:
            delivered, accepted = send(route.sink, conversions, ledger)
        except (Unavailable, Misconfigured) as error:
            if 0 < (count := dealt_with(route.sink, conversions)) < len(conversions):
                self._stopped_by = error
                return self._batch(count)
            raise
        journal.forget(route.name, accepted.unmade, route.receiver, accepted.unclaimed, accepted.restored)
        self._is_refused = self.streak.count(delivered)
        self.busy.note(delivered)
        if self._is_refused and self.streak.is_everything:
            raise self._everything_refused()
        advance = Advance(
            rendered[-1].entry.seq,
            delivered.delivered,
            delivered.filtered,
            delivered.refused,
            delivered.dead_letters,
            accepted.versions,
            learned=entries[0].learned,
            revises=route.can_revise,
            receiver=route.receiver,
            claims=accepted.claims,
            withdrawn=delivered.withdrawn,
            muted=accepted.muted,
            guarded=accepted.guarded,
            turned_away=turned_away(route, accepted),
        )
        self._read_to = advance.position
        self._held.append((advance, delivered.messages))
        return delivered

    def _aside(self, entries: Sequence[Entry]) -> Collection[int]:
        return self._journal.are_set_aside(self._route.name, [entry.seq for entry in entries])

    def _probe(self, pending: Sequence[Entry]) -> None:
        """See whether the receiver takes the oldest entry that makes messages, or any one of the others.

        The other is for what waits behind entries that are at fault themselves.

        Raises:
            Misconfigured: it refuses them as before.
        """
        self._turn.take()
        rendered = render(self._route, self._journal, pending, "in turn", aside=self._aside(pending))
        entries = [each.entry for each in rendered if each.documents]
        for entry in [*entries[:1], *([secrets.choice(entries[1:])] if entries[1:] else [])]:
            delivered = probe(self._route, self._journal, entry)
            if delivered.messages and not delivered.dead_letters:
                self._accepted_before.add(entry.seq)
            if not self.streak.count(delivered) or not self.streak.is_everything:
                return
        if entries:
            raise self._everything_refused()

    def _unless_accepted(self, conversion: Conversion) -> Conversion:
        if conversion.entry.seq not in self._accepted_before:
            return conversion
        self._accepted_before.remove(conversion.entry.seq)
        return replace(conversion, messages=())

    def _everything_refused(self) -> Misconfigured:
        return Misconfigured(
            f"The receiver refuses everything it is sent, with: {self.streak.reason}. Put that right, at the receiver "
            "or in what the mapping makes for it. The backlog is kept, and one notification at a time is tried until "
            "one is accepted"
        )

    def _retry(self) -> BatchOutcome | None:
        entries = self._journal.to_retry(self._route.name, self._route.batch)
        if not entries:
            return None
        self._begin()
        self.finish()  # before anything is compared with what the receiver has
        delivered = redeliver_in_turn(self._route, self._journal, entries)
        self.streak.count(delivered)
        self.busy.note(delivered, retried=True)
        return delivered

    def _revise(self) -> BatchOutcome | None:
        route, journal = self._route, self._journal
        return self._dealt_with_anew(lambda most: journal.outdated(route.name, route.sources, most), revise)

    def _reconsider(self) -> BatchOutcome | None:
        if self._is_reconsidered:
            return None
        done = self._dealt_with_anew(lambda most: to_reconsider(self._route, self._journal, most), reconsider)
        self._is_reconsidered = done is None
        return done

    def _dealt_with_anew(
        self, find: Callable[[int], _Found | None], deal: Callable[[Route, Outbox, _Found], BatchOutcome]
    ) -> BatchOutcome | None:
        """Deal once more with what was delivered, at most so many; None when nothing is found."""
        was_everything = self.streak.is_everything
        most = 1 if was_everything else self._route.batch
        delivered = None
        while delivered is None:
            found = find(most)
            if found is None:
                return None
            self._begin()
            self.finish()  # before anything is compared with what the receiver has
            try:
                delivered = deal(self._route, self._journal, found)
            except TooMuchAtOnceError:
                if most == 1:
                    raise  # the same would be found again without end
                most //= 2
        self.busy.note(delivered)
        if self.streak.count(delivered) and was_everything and self.streak.is_everything:
            raise self._everything_refused()
        return delivered

    def _advance(self) -> None:
        """Advance past every batch after which enough was sent that none of it can be among the unconfirmed."""
        still_in_doubt = unconfirmed(self._route.sink)
        sent_after = sum(messages for _, messages in self._held)
        while self._held:
            advance, messages = self._held[0]
            sent_after -= messages
            if messages and sent_after < still_in_doubt:
                return
            self._journal.advance(self._route.name, self._route.sources, advance)
            self._held.popleft()
        if self._damaged:
            # One that was mended before its dead letter was there has nobody else to have it retried.
            self._journal.ask_again(self._damaged, DAMAGED)
            self._damaged.clear()

    def _forget(self) -> None:
        self._stopped_by = None
        self._read_to = 0
        self._held.clear()
        self._damaged.clear()
