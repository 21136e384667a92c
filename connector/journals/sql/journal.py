"""The verbs of the journal, each with its transaction; the docstring of each is in `connector.ports`."""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import MappingProxyType
from typing import Any

import orjson

from connector.journals.sql import (
    changes,
    damage,
    dead_letters,
    entries,
    file_hashes,
    judging,
    ledger,
    look_ups,
    named_hosts,
    naming,
)
from connector.journals.sql.bodies import Bodies
from connector.journals.sql.dialect import Database, Leases, Transaction
from connector.journals.sql.judgements import JudgedObservables, trait, with_judgements
from connector.journals.sql.old_objects import OldObjects, last_before
from connector.journals.sql.positions import (
    AFTER_ALL,
    begin,
    begins_anew,
    damaged,
    known_position,
    move,
    position,
    positions,
    positions_since,
    route_id,
    source_id,
)
from connector.journals.sql.pruning import DAY_SECONDS, Retention, forget_ids, prune_source
from connector.journals.sql.rows import json_list, json_names
from connector.journals.sql.served import forget_route, forget_source, served_routes
from connector.journals.sql.status import StatusReader, decoded, reported
from connector.model import (
    ANEW,
    PERSON,
    Advance,
    Appended,
    ChangeMark,
    Changes,
    Claim,
    Concerned,
    DeadLetter,
    Entry,
    JournalStatus,
    Json,
    JsonObject,
    Judgement,
    JudgementFilter,
    LookUp,
    News,
    Notification,
    Outdated,
    Page,
    Reconsidered,
    Redelivery,
    RuleRecord,
    ServedRoute,
    Standing,
    StoredDeadLetter,
    StoredJudgement,
    StoredSuppressed,
    Subject,
    Suppressed,
    Version,
)
from connector.ports import ALIKE, Collections

LATER = 20
"""Of those that are dated later, how many of the last are told."""
_IT_SENDS_A_BATCH = (
    "it is sending for another route, and routes into one receiver take turns: `iocstream run` goes on by itself after "
    "that batch, and another command can be given again then"
)
"""What to do when another process has the turn at a receiver."""


class SqlJournal:
    """A `connector.ports.Journal` over any SQL store."""

    def __init__(
        self,
        database: Database,
        leases: Leases,
        bodies: Bodies,
        collections: Collections,
        clock: Callable[[], float],
        *,
        retention: Retention,
    ) -> None:
        self._retention = retention
        self._database = database
        self._bodies = bodies
        self._leases = leases
        self._clock = clock
        self.collections = collections
        self._judged_observables = JudgedObservables(database)
        self._traits_are_found = self._hosts_are_found = False
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def lease(self, name: str) -> AbstractContextManager[None]:
        """As `connector.ports.Journal.lease`. A second entry by the same journal is refused too."""
        return self._leases.hold(name)

    def renew_leases(self) -> Sequence[str]:
        """As `connector.ports.Journal.renew_leases`."""
        return self._leases.renew_all()

    def news(self) -> News:
        """As `connector.ports.Journal.news`."""
        with self._database.read() as db:
            sources = {name: (newest, learned) for name, newest, learned in db.run("news")}
            return News(sources, [name for (name,) in db.run("routes_to_retry")])

    def checkpoint(self, source: str) -> Json | None:
        """As `connector.ports.Journal.checkpoint`."""
        self._leases.renew(source)
        with self._database.read() as db:
            row = db.run("checkpoint", {"source": source}).fetchone()
        if row is None:
            return None
        if damage.is_checkpoint_damaged(*row):
            damage.mend_checkpoint(self._database, source, int(self._clock()))
            return ANEW
        return decoded(row[1], self._database)

    def append(self, source: str, page: Page) -> Appended:
        """As `connector.ports.Journal.append`."""
        now = int(self._clock())
        with self._database.write() as db:
            self._leases.fence(db, source)
            appended = entries.store(db, self._bodies, source, page, now)
            judging.recognise(db, file_hashes.of_notifications(page.notifications))
            return appended

    def mend(self, source: str, seq: int, notification: Notification) -> bool:
        """As `connector.ports.Journal.mend`."""
        with self._database.write() as db:
            self._leases.fence(db, source)
            return entries.mend(db, self._bodies, source, seq, notification)

    def due(self, source: str, now: int, limit: int, *, about: int = 0) -> Sequence[Subject]:
        """As `connector.ports.Journal.due`."""
        with self._database.read() as db:
            return look_ups.due(db, source, now, limit, about)

    def asked_since(self, source: str, since: int) -> int:
        """As `connector.ports.Journal.asked_since`."""
        with self._database.read() as db:
            (count,) = db.run("asked_since", {"source": source, "since": since}).fetchone()
            return int(count)

    def learn(self, source: str, look_up: LookUp) -> bool:
        """As `connector.ports.Journal.learn`."""
        with self._database.write() as db:
            self._leases.fence(db, source)
            has_learned = look_ups.learn(db, self._bodies, source_id(db, source), look_up)
            named_hosts.note_look_up(db, source_id(db, source), look_up)
            judging.recognise(db, file_hashes.of_look_up(look_up))
            return has_learned

    def entries(self, seqs: Sequence[int]) -> Sequence[Entry]:
        """As `connector.ports.Journal.entries`."""
        with self._database.read() as db:
            found, _ = entries.that_fit(db, self._bodies, seqs)
            return found

    def find(self, sources: Sequence[str], notification_id: str) -> Sequence[Entry]:
        """As `connector.ports.Journal.find`."""
        with self._database.read() as db:
            return entries.find(db, self._bodies, sources, notification_id)

    def pending(self, route: str, sources: Sequence[str], limit: int, after: int = 0) -> Sequence[Entry]:
        """As `connector.ports.Journal.pending`.

        A route's position is kept per source, so a source added to a route is read from its first notification.
        What the disk garbled comes as an empty object and `damaged`: it is refused, and the route goes on.
        """
        self._leases.renew(route)
        with self._database.read() as db:
            wrong = damaged(db, route, sources)
            found = entries.after(db, self._bodies, positions(db, route, sources), limit, after)
        if wrong:
            damage.mend_positions(self._database, route, wrong, int(self._clock()))
            if after:
                raise begins_anew()
        return found

    def history(self, positions: Mapping[str, int], limit: int, after: int = 0) -> Sequence[Entry]:
        """As `connector.ports.Journal.history`."""
        with self._database.read() as db:
            return entries.after(db, self._bodies, positions, limit, after)

    def about(self, observable: str, sources: Sequence[str], limit: int, before: int | None = None) -> Sequence[Entry]:
        """As `connector.ports.Journal.about`."""
        self._find_traits()
        asked = {"observable": trait("observable", observable), **_newest(sources, limit, before)}
        with self._database.read() as db:
            return entries.newest_that_fit(db, self._bodies, [seq for (seq,) in db.run("about", asked)])

    def changes(self, sources: Sequence[str], after: ChangeMark | None, until: int, limit: int) -> Changes:
        """As `connector.ports.Journal.changes`."""
        with self._database.read() as db:
            return changes.since(db, self._bodies, sources, after, until=until, limit=limit)

    def before(self, seq: int, sources: Sequence[str], limit: int) -> Sequence[Entry]:
        """As `connector.ports.Journal.before`."""
        with self._database.read() as db:
            asked = {"seq": seq, "sources": json_list(sources), "limit": limit}
            return entries.newest_that_fit(db, self._bodies, [each for (each,) in db.run("alike_before", asked)])

    def latest(self, sources: Sequence[str], limit: int, before: int | None = None) -> Sequence[Entry]:
        """As `connector.ports.Journal.latest`."""
        with self._database.read() as db:
            return entries.latest(db, self._bodies, sources, limit, before)

    def positions_since(self, route: str | None, sources: Sequence[str], since: int | None) -> Mapping[str, int]:
        """As `connector.ports.Journal.positions_since`. A notification without a date was raised when it was stored."""
        with self._database.read() as db:
            return positions_since(db, route, sources, since)

    def enlist(self, route: str, sources: Sequence[str], receiver: str, *, reads_all: bool = False) -> None:
        """As `connector.ports.Journal.enlist`."""
        with self._database.write() as db:
            self._leases.fence(db, route)
            route_number = route_id(db, route)
            ledger.ledger_id(db, route, route_number, receiver)
            db.run("enlist", {"route": route_number, "receiver": receiver, "reads_all": reads_all})
            for source in dict.fromkeys(sources):
                begin(db, route_number, source_id(db, source))

    def versions(self, route: str, object_ids: Sequence[str], receiver: str = "") -> Mapping[str, Sequence[Version]]:
        """As `connector.ports.Outbox.versions`."""
        if not object_ids:
            return {}
        with self._database.read() as db:
            return ledger.versions(db, route, object_ids, receiver)

    def record(self, route: str, versions: Sequence[Version], receiver: str = "", claims: Sequence[Claim] = ()) -> None:
        """As `connector.ports.Outbox.record`."""
        if not versions and not claims:
            return
        with self._database.write() as db:
            self._leases.fence(db, route)
            number = ledger.ledger_id(db, route, route_id(db, route), receiver)
            ledger.record(db, number, versions)
            ledger.record_claims(db, number, claims)

    def mark_unsent(self, route: str, versions: Sequence[Version] | None, receiver: str = "") -> None:
        """As `connector.ports.Outbox.mark_unsent`."""
        if versions is not None and not versions:
            return
        with self._database.write() as db:
            self._leases.fence(db, route)
            number = ledger.ledger_id(db, route, route_id(db, route), receiver)
            if versions is None:
                db.run("mark_all_unsent", {"ledger": number})
            else:
                ledger.mark_unsent(db, number, versions)

    def forget(
        self,
        route: str,
        versions: Sequence[Version],
        receiver: str = "",
        claims: Sequence[Claim] = (),
        restored: Sequence[Claim] = (),
    ) -> None:
        """As `connector.ports.Outbox.forget`."""
        if not versions and not claims:
            return
        with self._database.write() as db:
            self._leases.fence(db, route)
            number = ledger.ledger_id(db, route, route_id(db, route), receiver)
            ledger.forget(db, number, versions)
            ledger.forget_claims(db, number, claims)
            ledger.record_claims(db, number, restored)

    def claims(self, route: str, observables: Sequence[int], receiver: str = "") -> Mapping[int, Sequence[Claim]]:
        """As `connector.ports.Outbox.claims`."""
        if not observables:
            return {}
        with self._database.read() as db:
            return ledger.claims(db, route, observables, receiver)

    def unclaimed_until(self, route: str, receiver: str = "") -> int:
        """As `connector.ports.Outbox.unclaimed_until`."""
        with self._database.read() as db:
            return ledger.reached(db, route, receiver, "unclaimed_until")

    def spelled_until(self, route: str, receiver: str = "") -> int:
        """As `connector.ports.Outbox.spelled_until`."""
        with self._database.read() as db:
            return ledger.reached(db, route, receiver, "spelled_until")

    @contextmanager
    def turn(self, receiver: str) -> Iterator[None]:
        """As `connector.ports.Outbox.turn`."""
        with self._turns[receiver], self._leases.hold(f"the receiver {receiver}", _IT_SENDS_A_BATCH):
            yield

    def advance(self, route: str, sources: Sequence[str], advance: Advance) -> None:
        """As `connector.ports.Outbox.advance`.

        To advance to where the route already is counts nothing: it is the repeat of a commit that seemed to fail.
        """
        with self._database.write() as db:
            self._leases.fence(db, route)
            route_number = route_id(db, route)
            is_new = False
            former = []
            for source in dict.fromkeys(sources):
                source_number = source_id(db, source)
                before = known_position(db, route_number, source_number)
                is_new |= before < advance.position
                passed = {"route": route_number, "source": source_number, "after": before, "until": advance.position}
                former += db.run("dead_letters_between", passed).fetchall()
                look_ups.outdate_read(db, passed, advance.learned, revises=advance.revises)
                db.run("let_through_between", passed)
                move(db, route_number, source_number, max(before, advance.position))
            if is_new:
                look_ups.set_revises(db, route_number, revises=advance.revises and advance.learned is not None)
            self._record_outcome(db, route, route_number, advance, former, is_counted=is_new)

    def rewind(self, route: str, positions: Mapping[str, int]) -> None:
        """As `connector.ports.Outbox.rewind`."""
        with self._database.write() as db:
            self._leases.fence(db, route)
            route_number = route_id(db, route)
            for source, to in positions.items():
                source_number = source_id(db, source)
                if to < position(db, route_number, source_number):
                    db.run("unguard_after", {"route": route_number, "position": to, "source": source_number})
                    move(db, route_number, source_number, to)

    def record_redelivery(self, route: str, redelivery: Redelivery) -> None:
        """As `connector.ports.Outbox.record_redelivery`."""
        with self._database.write() as db:
            self._leases.fence(db, route)
            route_number = route_id(db, route)
            former = dead_letters.of_entries(db, route_number, redelivery.seqs)
            db.run_many("let_through", [{"route": route_number, "seq": seq} for seq in redelivery.seqs])
            db.run_many("unguard", [{"route": route_number, "seq": seq} for seq in redelivery.seqs])
            self._record_outcome(db, route, route_number, redelivery, former)
            if redelivery.mark is not None:
                look_ups.record_redelivery(db, route_number, redelivery.mark)
            if redelivery.reconsidered is not None:
                number = ledger.ledger_id(db, route, route_number, redelivery.receiver)
                ledger.note_reconsidered(db, number, redelivery.reconsidered)

    def outdated(self, route: str, sources: Sequence[str], limit: int) -> Outdated | None:
        """As `connector.ports.Outbox.outdated`."""
        with self._database.read() as db:
            mentions = look_ups.outdated(db, route, sources, limit)
            if not mentions:
                return None
            found, left = entries.that_fit(db, self._bodies, [each.seq for each in mentions])
            mentions = [each for each in mentions if each.seq < left]
            seqs = sorted({each.seq for each in mentions})
            (route_number,) = db.run("route_id", {"route": route}).fetchone()
            former = dead_letters.of_entries(db, route_number, seqs)
            letters = {(seq, object_id) for _, seq, object_id in former}
            withheld = {seq for (seq,) in db.run("withheld_among", {"route": route_number, "seqs": json_list(seqs)})}
            judged = {(each.seq, each.judged) for each in mentions if each.judged}
            return Outdated(found, look_ups.outdated_mark(db, mentions), letters, withheld, judged)

    def newer_dated(
        self, seqs: Sequence[int], sources: Sequence[str], *, of_all: bool = False
    ) -> Mapping[int, Sequence[int]]:
        """As `connector.ports.Outbox.newer_dated`."""
        found: dict[int, list[int]] = {}
        asked = {"seqs": json_list(seqs), "sources": json_list(sources), "former": ALIKE, "limit": LATER}
        with self._database.read() as db:
            for late, newer in db.run("newer_dated", {**asked, "are_all": int(of_all)}):
                found.setdefault(late, []).insert(0, newer)
        return found

    def unsent(self, route: str, seqs: Sequence[int]) -> Collection[int]:
        """As `connector.ports.Outbox.unsent`."""
        with self._database.read() as db:
            row = db.run("route_id", {"route": route}).fetchone()
            if row is None:
                return ()
            refused = {seq for _, seq, _ in dead_letters.of_entries(db, row[0], seqs)}
            withheld = db.run("withheld_among", {"route": row[0], "seqs": json_list(seqs)})
            return refused.union(seq for (seq,) in withheld)

    def standing(
        self, route: str, terms: str, limit: int, receiver: str = "", since: Reconsidered | None = None
    ) -> Standing | None:
        """As `connector.ports.Outbox.standing`."""
        with self._database.read() as db:
            found = ledger.standing(db, route, receiver, terms=terms, limit=limit, since=since)
            if found is None:
                return None
            claims, until = found
            read, left = entries.that_fit(db, self._bodies, sorted(max(each.seq, each.last_seq) for each in claims))
            if left != AFTER_ALL and limit > 1:  # they would take too much memory
                return self.standing(route, terms, limit // 2, receiver, since)
            if not read:
                return Standing(read, until)
            (route_number,) = db.run("route_id", {"route": route}).fetchone()
            seqs = [entry.seq for entry in read]
            letters = {(seq, each) for _, seq, each in dead_letters.of_entries(db, route_number, seqs)}
            withheld = {seq for (seq,) in db.run("withheld_among", {"route": route_number, "seqs": json_list(seqs)})}
            return Standing(read, until, letters, withheld)

    def judge(self, judgement: Judgement) -> tuple[StoredJudgement, Concerned]:
        """As `connector.ports.Journal.judge`."""
        return judging.judge(self._database, self._bodies, judgement, int(self._clock()))

    def sha256_of(self, digest: str) -> str | None:
        """As `connector.ports.Journal.sha256_of`."""
        return file_hashes.sha256_of(self._database, self._bodies, digest)

    def end_judgements(self) -> int:
        """As `connector.ports.Journal.end_judgements`."""
        return judging.end_due(self._database, self._bodies, int(self._clock()))

    def guarded(
        self,
        route: str | None,
        list_name: str | None,
        limit: int,
        sources: Collection[str] | None = None,
        routes: Collection[str] | None = None,
    ) -> Sequence[StoredSuppressed]:
        """As `connector.ports.Journal.guarded`."""
        asked: dict[str, Any] = {"route": route, "list": list_name, "limit": limit}
        asked |= {"sources": json_names(sources), "routes": json_names(routes)}
        with self._database.read() as db:
            rows = db.run("guarded", asked).fetchall()
        return [
            StoredSuppressed(name, source, notification_id, raised, Suppressed(seq, value, bool(derived), of, entry))
            for name, seq, source, notification_id, raised, value, derived, of, entry in rows
        ]

    def judgement(self, notification: Notification, source: str) -> Judgement | None:
        """As `connector.ports.Journal.judgement`."""
        with self._database.read() as db:
            (entry,) = with_judgements(db, [Entry(0, source, notification)])
        return entry.judgement

    def judgements(self, wanted: JudgementFilter, limit: int) -> Sequence[StoredJudgement]:
        """As `connector.ports.Journal.judgements`."""
        with self._database.read() as db:
            return judging.listed(db, wanted, limit)

    def rule_records(self, limit: int, sources: Collection[str] | None = None) -> Sequence[RuleRecord]:
        """As `connector.ports.Journal.rule_records`."""
        with self._database.read() as db:
            return judging.rule_records(db, limit, sources)

    def dead_letters(self, route: str | None = None, ids: Sequence[int] | None = None) -> Iterator[StoredDeadLetter]:
        """As `connector.ports.Journal.dead_letters`."""
        if ids is not None:
            return dead_letters.numbered(self._database, ids)
        return dead_letters.listed(self._database, route)

    def ask_retry(self, ids: Sequence[int]) -> int:
        """As `connector.ports.Journal.ask_retry`."""
        with self._database.write() as db:
            return db.run("ask_retry", {"ids": json_list(ids)}).rowcount

    def ask_again(self, seqs: Sequence[int], reason: str) -> None:
        """As `connector.ports.Outbox.ask_again`."""
        if not seqs:
            return
        with self._database.write() as db:
            for seq, source, is_whole in entries.are_whole(db, self._bodies, seqs):
                if is_whole:
                    db.run("retry_mended", {"seq": seq})
                    continue
                number = route_id(db, source)
                if not dead_letters.of_entries(db, number, [seq]):
                    letter = DeadLetter(seq, "source", reason)
                    dead_letters.replace(db, number, (), [letter], int(self._clock()))
                    ((letter_id, *_),) = dead_letters.of_entries(db, number, [seq])
                    db.run("ask_retry", {"ids": json_list([letter_id])})

    def ask_retry_of(self, route: str, reason: str, refused_until: int) -> int:
        """As `connector.ports.Outbox.ask_retry_of`."""
        asked = {"route": route, "reason": reason, "refused_until": refused_until}
        with self._database.write() as db:
            return db.run("ask_retry_of", asked).rowcount

    def to_retry(self, route: str, limit: int) -> Sequence[Entry]:
        """As `connector.ports.Outbox.to_retry`."""
        with self._database.read() as db:
            seqs = [seq for (seq,) in db.run("to_retry", {"route": route, "limit": limit})]
            found, _ = entries.that_fit(db, self._bodies, seqs)
            return found

    def set_aside(self, route: str, seq: int, reason: str) -> bool:
        """As `connector.ports.Journal.set_aside`."""
        with self._database.write() as db:
            ((_, source, _),) = entries.are_whole(db, self._bodies, [seq])
            route_number = route_id(db, route)
            if position(db, route_number, source_id(db, source)) >= seq:
                return False
            dead_letters.replace(db, route_number, (), [DeadLetter(seq, PERSON, reason)], int(self._clock()))
        return True

    def alike(self, seq: int, sources: Sequence[str], limit: int, before: int | None = None) -> Sequence[Entry]:
        """As `connector.ports.Outbox.alike`."""
        self._find_traits()
        with self._database.read() as db:
            asked = {"seq": seq, **_newest(sources, limit, before)}
            return entries.newest_that_fit(db, self._bodies, [each for (each,) in db.run("alike", asked)])

    def naming_alike(self, seqs: Sequence[int], sources: Sequence[str], limit: int, until: int) -> Sequence[int]:
        """As `connector.ports.Outbox.naming_alike`."""
        self._find_hosts()
        with self._database.read() as db:
            return named_hosts.with_hosts_of(db, seqs, sources, limit, until)

    def named_before(self, seq: int, sources: Sequence[str], limit: int) -> Sequence[Entry]:
        """As `connector.ports.Outbox.named_before`."""
        self._find_hosts()
        with self._database.read() as db:
            asked = {"seq": seq, "sources": json_list(sources), "limit": limit, "former": ALIKE}
            found = [each for (each,) in db.run("named_before", asked)]
            return entries.newest_that_fit(db, self._bodies, found) if found else ()

    def _find_hosts(self) -> None:
        """Have it known which hosts old entries name; new ones are written down when they are stored."""
        if not self._hosts_are_found:
            self._find_traits()
            naming.find_hosts(self._database, self._bodies)
            self._hosts_are_found = True

    def _find_traits(self) -> None:
        """Likewise of their traits."""
        if not self._traits_are_found:
            judging.find_traits(self._database, self._bodies)
            self._traits_are_found = True

    def judged_observables(self, source: str) -> Callable[[str], Judgement | None]:
        """As `connector.ports.Outbox.judged_observables`."""
        return self._judged_observables.of(source)

    def has_learned(self, sources: Sequence[str], learned: int, until: int) -> bool:
        """As `connector.ports.Outbox.has_learned`."""
        with self._database.read() as db:
            asked = {"sources": json_list(sources), "learned": learned, "until": until}
            return db.run("has_learned", asked).fetchone() is not None

    def are_set_aside(self, route: str, seqs: Sequence[int]) -> Collection[int]:
        """As `connector.ports.Outbox.are_set_aside`."""
        with self._database.read() as db:
            found = db.run("set_aside", {"route": route, "seqs": json_list(seqs)})
            return {seq for (seq,) in found}

    def drop(self, ids: Sequence[int]) -> int:
        """As `connector.ports.Journal.drop`."""
        if not ids:
            return 0
        with self._database.write() as db:
            db.run("count_dropped", {"ids": json_list(ids)})
            return dead_letters.forget(db, ids)

    def report(self, name: str, report: JsonObject) -> None:
        """As `connector.ports.Journal.report`."""
        with self._database.write() as db:
            if not self._leases.is_anothers(db, name):
                row = {"name": name, "report": orjson.dumps(report), "at": int(self._clock())}
                db.run("store_report", row)

    def reported(self, name: str) -> JsonObject:
        """As `connector.ports.Journal.reported`."""
        with self._database.read() as db:
            return reported(db, self._database, name)

    def status(self, routes: Mapping[str, Sequence[str]], sources: Collection[str] | None = None) -> JournalStatus:
        """As `connector.ports.Journal.status`.

        Sources are all that the journal or a route knows, by name. A source's `notifications` and `newest` count what
        was ever stored, `entries` what is there now. A route's position is that in the source where it is least far.
        """
        with self._database.read() as db:
            return StatusReader(db, self._database, self._leases, int(self._clock())).journal(routes, sources)

    def prune(self, before: int, routes: Mapping[str, Sequence[str]]) -> int:
        """As `connector.ports.Journal.prune`. A notification without a date counts as raised when it was stored."""
        with self._database.read() as db:
            ids = {name: number for number, name, *_ in db.run("sources")}
        readers = {name: [route for route, sources in routes.items() if name in sources] for name in ids}
        pruned = sum(prune_source(self._database, ids[name], readers[name], before) for name in ids)
        longer = max(0, self._retention.ids - self._retention.notifications)
        for number in ids.values():
            forget_ids(self._database, number, before - longer * DAY_SECONDS)
        with self._database.write() as db:
            older = max(0, self._retention.objects - self._retention.notifications)
            db.run("forget_judgements", {"before": before - older * DAY_SECONDS})
        self._database.reclaim()
        return pruned

    def forget_old(self, route: str, receiver: str, collection: str = "", keep_days: int | None = None) -> int:
        """As `connector.ports.Journal.forget_old`."""
        with self._database.read() as db:
            row = db.run("ledger", {"route": route, "receiver": receiver}).fetchone()
            if row is None:
                return 0
            number = int(row[0])
            # The earlier of both: neither a clock that runs ahead nor one absurd date may empty a collection.
            (newest,) = db.run("newest_raised").fetchone()
            now = min(self._clock(), self._clock() if newest is None else newest)
            today = int(now) // DAY_SECONDS
            if today <= db.run("looked_through", {"ledger": number}).fetchone()[0]:
                return 0
            superseded_until = last_before(db, today - self._retention.notifications)
            claimed_until = last_before(db, today - self._retention.objects)
            said_until = 0 if collection else claimed_until
        old = OldObjects(self._database, self._leases, self._bodies, route, number)
        forgotten = old.forget_versions(superseded_until, said_until)
        old.forget_claims(claimed_until)
        if collection and keep_days is not None:
            before = int((now - keep_days * DAY_SECONDS) * 1000)
            forgotten += old.forget_collected(collection, before, int(now * 1_000_000))
        with self._database.write() as db:
            self._leases.fence(db, route)
            db.run("look_through", {"ledger": number, "day": today})
        return forgotten

    def served(self, routes: Mapping[str, Sequence[str]] = MappingProxyType({})) -> Sequence[ServedRoute]:
        """As `connector.ports.Journal.served`."""
        with self._database.read() as db:
            return served_routes(db, routes)

    def forget_route(self, route: str, sources: Sequence[str] = (), receiver: str | None = None) -> None:
        """As `connector.ports.Journal.forget_route`."""
        with self._database.write() as db:
            self._leases.fence(db, route)
            forget_route(db, route, sources, receiver)

    def forget_source(self, source: str) -> None:
        """As `connector.ports.Journal.forget_source`."""
        forget_source(self._database, self._leases, source)

    def close(self) -> None:
        """As `connector.ports.Journal.close`; gives back the leases still held."""
        self._leases.close()
        self._database.close()

    def _record_outcome(
        self,
        db: Transaction,
        route: str,
        route_number: int,
        step: Advance | Redelivery,
        former: Sequence[tuple[int, int, str]],
        *,
        is_counted: bool = True,
    ) -> None:
        """Count what was dealt with, put its dead letters in the place of the former ones, note what was sent."""
        if is_counted:
            counts = {"delivered": step.delivered, "filtered": step.filtered, "refused": step.refused}
            counts["withdrawn"] = step.withdrawn
            db.run("count_notifications", {"route": route_number, **counts})
        dead_letters.replace(db, route_number, former, step.dead_letters, int(self._clock()))
        withheld = [(seq, 1) for seq in step.muted] + [(seq, 0) for seq in step.turned_away]
        db.run_many("withhold", [{"route": route_number, "seq": seq, "judged": judged} for seq, judged in withheld])
        guarded = (each._asdict() | {"derived": int(each.is_derived)} for each in step.guarded)
        db.run_many("guard", [{"route": route_number, **each} for each in guarded])
        if step.sent or step.claims:
            number = ledger.ledger_id(db, route, route_number, step.receiver)
            if step.sent:
                ledger.record(db, number, step.sent)
            if step.claims:
                ledger.record_claims(db, number, step.claims)


def _newest(sources: Sequence[str], limit: int, before: int | None) -> Mapping[str, Any]:
    """What the newest of some entries are asked for by."""
    return {"sources": json_list(sources), "limit": limit, "before": AFTER_ALL if before is None else before}
