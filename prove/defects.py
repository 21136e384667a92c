"""Mistakes that a maintainer could make: what each proof must notice, or it proves nothing."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson
import requests

from connector import app, configuration, kinds, telemetry
from connector.clients import http
from connector.formats.cef import format as cef
from connector.formats.stix.format import StixFormat
from connector.journals.sql import entries
from connector.journals.sqlite.journal import SqliteJournal
from connector.model import Advance, Page, Unavailable
from connector.pipeline import render, retry, versions
from connector.pipeline.claims import Claims
from connector.pipeline.refused_streak import RefusedStreak
from connector.sinks.http.sink import HttpSink
from connector.sinks.taxii import status_resource
from connector.sinks.taxii.settings import TaxiiSettings
from connector.sinks.taxii.sink import TaxiiSink
from connector.sources.virustotal import pages
from connector.sources.virustotal.source import VirusTotalSource
from connector.sources.virustotal.walk import Checkpoint, Walk
from prove.figures import Figure, broken, must


def advance_before_send(_: float) -> None:
    """A route advances past a batch before its sink has it."""
    pending, record = SqliteJournal.pending, SqliteJournal.record
    last: dict[str, tuple[Sequence[str], int, int]] = {}

    def noting(journal: SqliteJournal, route: str, sources: Sequence[str], limit: int, after: int = 0) -> Any:
        entries = pending(journal, route, sources, limit, after)
        if entries:
            last[route] = (sources, entries[-1].seq, len(entries))
        return entries

    def hasty(
        journal: SqliteJournal, route: str, versions: Sequence[Any], receiver: str = "", claims: Sequence[Any] = ()
    ) -> None:
        record(journal, route, versions, receiver, claims)
        sources, seq, count = last[route]
        journal.advance(route, sources, Advance(seq, delivered=count, filtered=0, refused=0))
        time.sleep(0.02)  # as long as a receiver elsewhere takes to answer

    SqliteJournal.pending = noting
    SqliteJournal.record = hasty


def accepted_is_delivered(_: float) -> None:
    """What an HTTP receiver accepts counts as delivered, before it has confirmed that it keeps it."""

    def hasty(sink: HttpSink) -> None:
        for messages in sink._accepted.values():  # noqa: SLF001 -- see module
            sink._dealt.take(messages)  # noqa: SLF001 -- see module
        sink._accepted.clear()  # noqa: SLF001 -- see module

    HttpSink._await_confirmation = hasty  # noqa: SLF001 -- see module


def checkpoint_before_page(_: float) -> None:
    """A source's checkpoint is stored before the page that it stands for, and no later walk goes back behind it."""
    append = SqliteJournal.append

    def hasty(journal: SqliteJournal, source: str, page: Page) -> int:
        early = Checkpoint.model_validate(page.checkpoint)
        walk = early.walk and early.walk.model_copy(update={"next_since": None})
        early = early.model_copy(update={"walk": walk, "next_since": None})
        append(journal, source, Page((), early.model_dump()))
        time.sleep(0.02)
        return append(journal, source, page)

    SqliteJournal.append = hasty


def others_forgotten(_: float) -> None:
    """A route takes back what other routes into the same receiver still claim."""
    Claims.is_claimed_beside = lambda *_: False


def unclaimed_taken_back(_: float) -> None:
    """A route takes back what it has never claimed."""
    render._Batch._is_to_take_back = lambda *_: True  # noqa: SLF001 -- see module


def doubt_forgotten(_: float) -> None:
    """What is about to be claimed is not written down before it is sent."""
    record, advance = SqliteJournal.record, SqliteJournal.advance

    def hasty(journal: SqliteJournal, route: str, versions: Sequence[Any], receiver: str, _: Sequence[Any]) -> None:
        record(journal, route, versions, receiver)

    def late(journal: SqliteJournal, *arguments: Any) -> None:
        time.sleep(0.2)  # as if the process were killed just then
        advance(journal, *arguments)

    SqliteJournal.record = hasty
    SqliteJournal.advance = late


def modified_by_clock(_: float) -> None:
    """A version of an object has the time at which it is made."""
    versions._next_times = lambda *_: (versions.timestamp(int(time.time())),) * 2  # noqa: SLF001 -- see module


def created_by_clock(_: float) -> None:
    """An object is created whenever it is made."""
    next_times = versions._next_times  # noqa: SLF001 -- see module

    def hasty(*arguments: Any) -> tuple[str, str]:
        return versions.timestamp(int(time.time() * 1000) % 10**9), next_times(*arguments)[1]

    versions._next_times = hasty  # noqa: SLF001 -- see module


def watermark_by_clock(_: float) -> None:
    """The watermark is this machine's clock at the end of a walk, and no later walk goes back behind it."""
    after = Checkpoint.after

    def hasty(state: Checkpoint, dates: Any, cursor: str | None, clock: int) -> Checkpoint:
        moved = after(state, dates, cursor, clock)
        clocked = {"watermark": int(time.time()), "next_since": None}
        return moved if cursor else moved.model_copy(update=clocked)

    Checkpoint.after = hasty


def cursors_by_clock(_: float) -> None:
    """Where a cursor is refused, the walk goes on from this machine's clock."""

    def hasty(state: Checkpoint) -> Checkpoint:
        now = int(time.time())
        return state.model_copy(update={"watermark": now, "walk": Walk(since=now, base=now)})

    Checkpoint.by_date = hasty


def whole_pages(_: float) -> None:
    """A page with a broken item is a broken page."""
    items_of = pages.items_of

    def strict(answer: Any) -> Any:
        items, cursor = items_of(answer)
        return (items if all(isinstance(each, dict) and "id" in each for each in items) else []), cursor

    pages.items_of = strict


def generous_limits(_: float) -> None:
    """An answer may have 640 MiB."""
    begin = http.Client.__init__

    def generous(client: http.Client, *settings: Any, **options: Any) -> None:
        begin(client, *settings, **{**options, "max_body_bytes": 640 * 2**20})

    http.Client.__init__ = generous


def followed_redirects(_: float) -> None:
    """A redirect is followed, wherever it leads."""
    request = requests.Session.request

    def following(*arguments: Any, **options: Any) -> Any:
        return request(*arguments, **{**options, "allow_redirects": True})

    requests.Session.request = following
    del http._Session.get_redirect_target  # noqa: SLF001 -- which says that there are none


def forget_outages(_: float) -> None:
    """What could not be sent is counted as sent."""
    make = kinds.make_sink

    def forgetful(*settings: Any, **options: Any) -> Any:
        sink = make(*settings, **options)
        send = sink.send

        def hasty(messages: Any) -> Any:
            try:
                return send(messages)
            except Unavailable:
                return ()

        sink.send = hasty
        return sink

    kinds.make_sink = forgetful


def once_blocked_for_good(_: float) -> None:
    """What needs a person is not tried again."""
    retry.BLOCKED_WAIT_SECONDS = retry.MAX_BLOCKED_WAIT_SECONDS = 1e6


def refused_one_by_one(_: float) -> None:
    """A receiver that refuses everything is taken for one that refuses each."""
    RefusedStreak.is_everything = False


def statuses_believed(_: float) -> None:
    """Whatever a TAXII server reports of an envelope that it accepted, it has been stored."""
    status_resource.read = lambda *_: status_resource.ACCEPTED


def no_search(_: float) -> None:
    """An envelope that a TAXII server does not take is an outage."""

    def hasty(_: TaxiiSink, __: Any, outcome: Any) -> Any:
        raise Unavailable(outcome.trouble.words if outcome.trouble else "not taken")

    TaxiiSink._search = hasty  # noqa: SLF001 -- see module


def no_halving(_: float) -> None:
    """A page that cannot be read is an outage."""

    def hasty(_: pages.PageReader, __: Walk, error: Unavailable) -> Any:
        raise error

    pages.PageReader._narrowed = hasty  # noqa: SLF001 -- see module


def cursors_alone(_: float) -> None:
    """A cursor that is refused is an outage."""
    read = pages.PageReader.read

    def hasty(reader: pages.PageReader, walk: Walk) -> Any:
        page = read(reader, walk)
        if page is None:
            raise Unavailable("the cursor is refused")
        return page

    pages.PageReader.read = hasty


def overlap_forgotten(_: float) -> None:
    """A walk begins an overlap before the newest notification, wherever the one before it began."""
    begun = Checkpoint.begun

    def hasty(state: Checkpoint, *arguments: Any, **options: Any) -> Checkpoint:
        return begun(state.model_copy(update={"next_since": None}), *arguments, **options)

    Checkpoint.begun = hasty


def ledger_of_the_route(_: float) -> None:
    """What a route has sent, it has sent to whatever receiver it has."""
    TaxiiSettings.receiver = lambda _: ""


def prunes_for_its_own(_: float) -> None:
    """What no route of this configuration needs is pruned."""
    prune = SqliteJournal.prune

    def hasty(journal: SqliteJournal, before: int, routes: Mapping[str, Sequence[str]]) -> int:
        with journal._database.write() as db:  # noqa: SLF001 -- see module
            for name in {route.name for route in journal.served(routes)} - routes.keys():
                db.execute("UPDATE routes SET reads_all = 0 WHERE name = ?", (name,))
                db.execute("DELETE FROM positions WHERE route = (SELECT id FROM routes WHERE name = ?)", (name,))
        return prune(journal, before, routes)

    SqliteJournal.prune = hasty


def unchecked_bodies(_: float) -> None:
    """What the disk gives back is taken for what was stored."""
    entries.is_damaged = lambda *_: False


def any_upstream(_: float) -> None:
    """A source goes on wherever it is pointed."""
    VirusTotalSource._expect_same_stream = lambda *_: None  # noqa: SLF001 -- see module


def silent_gap(_: float) -> None:
    """Nobody looks for what the API forgot."""
    Checkpoint.gap = lambda *_: None


def telling_key(_: float) -> None:
    """The configuration, secrets and all, goes into the log."""
    run = app.run

    def telling(plan: configuration.Plan, **options: Any) -> Any:
        for source in plan.settings.sources.values():
            if hasattr(source, "api_key"):
                telemetry.logger().info("configured", api_key=source.api_key.get_secret_value())
        return run(plan, **options)

    app.run = telling


def unescaped(_: float) -> None:
    """CEF values are written without escapes."""
    cef._WRITTEN = {each: written for each, written in cef._WRITTEN.items() if not written.startswith("\\")}  # noqa: SLF001 -- see module


def unchecked(_: float) -> None:
    """STIX objects are written as a mapping makes them, and values stand in patterns as they come."""
    StixFormat.quote = lambda _, key, value: f"'{value}'"  # noqa: ARG005 -- see module
    StixFormat.encode = lambda _, document: orjson.dumps(document)


DEFECTS: Sequence[Callable[[float], None]] = (
    advance_before_send,
    accepted_is_delivered,
    checkpoint_before_page,
    others_forgotten,
    unclaimed_taken_back,
    doubt_forgotten,
    modified_by_clock,
    created_by_clock,
    watermark_by_clock,
    cursors_by_clock,
    whole_pages,
    generous_limits,
    followed_redirects,
    forget_outages,
    once_blocked_for_good,
    refused_one_by_one,
    statuses_believed,
    no_search,
    no_halving,
    cursors_alone,
    overlap_forgotten,
    ledger_of_the_route,
    prunes_for_its_own,
    unchecked_bodies,
    any_upstream,
    silent_gap,
    telling_key,
    unescaped,
    unchecked,
)

SHOWN, SHOWN_LENGTH = 3, 120
"""How many of the promises that a defect breaks are told, and how much of each."""


def noticed(defect: str, figures: Iterable[Figure]) -> Figure:
    """What the same proof says of a connector with this defect: a promise must be broken."""
    (about,) = [each.__doc__ for each in DEFECTS if each.__name__ == defect]
    found = [f"{each.what.removeprefix('… ')}: {each.measured}" for each in broken(figures)]
    text = (about or "").rstrip(".")
    shown = "; ".join(each if len(each) <= SHOWN_LENGTH else f"{each[:SHOWN_LENGTH]} …" for each in found[:SHOWN])
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    first = text[0] if text[1].isupper() else text[0].lower()
    return must(f"… with a defect: {first}{text[1:]}", shown + more or "nothing", "noticed", kept=bool(found))
