"""Out of the journal to a sink: read a batch, convert it, write its versions down, send it, advance past it."""

from collections import deque

from connector.model import Advance
from connector.pipeline.convert import encode, object_ids, render
from connector.pipeline.redeliver import redeliver, revise
from connector.pipeline.route import Route
from connector.pipeline.send import Delivered, finish, is_emptied, send, unconfirmed
from connector.pipeline.versions import Ledger
from connector.ports import ObjectFormat, Outbox


class Delivery:
    """A route's way out of the journal; one object for as long as it runs.

    What was sent but could still be lost with the connection (`Confirmation`) holds the position back: the journal
    is read ahead of the position, and after any error from the position again, which gives the same bytes.
    """

    def __init__(self, route: Route, journal: Outbox) -> None:
        self._route = route
        self._journal = journal
        self._read_to = 0
        self._held: deque[tuple[Advance, int]] = deque()  # batches not advanced past yet, with their messages

    def step(self) -> Delivered | None:
        """Deal with the next batch: render, write its versions down, send, advance. None when there is none.

        When nothing is pending, the next batch is of dead letters of which a retry was asked; when there are none, of
        notifications of which more has been learned since they were delivered (not of events, which have no versions).

        Whatever is raised, nothing is lost: the next step begins with what had not been confirmed.
        """
        try:
            return self._step()
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

    def _step(self) -> Delivered | None:
        route, journal = self._route, self._journal
        entries = journal.pending(route.name, route.sources, route.batch, self._read_to)
        if not entries:
            self._advance()
            return self._retry() or self._revise()
        rendered = [render(entry, route.mapping, route.wants) for entry in entries]
        if is_emptied(route.sink):
            journal.mark_unsent(route.name, None, route.receiver)
        ledger = Ledger(journal.versions(route.name, object_ids(rendered, route.mapping.format), route.receiver))
        conversions = list(encode(rendered, route.mapping.format, ledger))
        journal.record(route.name, ledger.recorded, route.receiver)
        delivered, sent = send(route.sink, conversions, ledger)
        advance = Advance(
            entries[-1].seq,
            delivered.delivered,
            delivered.filtered,
            delivered.refused,
            delivered.dead_letters,
            sent,
            learned=entries[0].learned if isinstance(route.mapping.format, ObjectFormat) else None,
            receiver=route.receiver,
        )
        self._read_to = advance.position
        self._held.append((advance, delivered.messages))
        self._advance()
        return delivered

    def _retry(self) -> Delivered | None:
        entries = self._journal.to_retry(self._route.name, self._route.batch)
        if not entries:
            return None
        self.finish()  # before anything is compared with what the receiver has
        return redeliver(self._route, self._journal, entries)

    def _revise(self) -> Delivered | None:
        route, journal = self._route, self._journal
        if not isinstance(route.mapping.format, ObjectFormat):
            return None
        outdated = journal.outdated(route.name, route.sources, route.batch)
        if outdated is None:
            return None
        self.finish()  # before anything is compared with what the receiver has
        return revise(route, journal, outdated)

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

    def _forget(self) -> None:
        self._read_to = 0
        self._held.clear()
