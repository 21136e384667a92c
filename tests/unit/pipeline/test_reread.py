"""A damaged notification asked for again: what a source answers, and what becomes of the entry and its dead letters."""

import sqlite3
from contextlib import ExitStack, closing

import pytest
from structlog.testing import capture_logs

from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import (
    UNREADABLE,
    Advance,
    DeadLetter,
    Misconfigured,
    Notification,
    Page,
    Refused,
    Unavailable,
    Unreadable,
)
from connector.pipeline.convert import CHANGED
from connector.pipeline.reread import reread, reread_asked
from connector.pipeline.send import BatchOutcome

DATE = 1_700_000_000


class Source:
    """Has notifications by id; one that is an error is raised."""

    def __init__(self, *has):
        self.has = {each.id: each for each in has}
        self.asked = []

    def get(self, notification_id):
        self.asked.append(notification_id)
        answer = self.has.get(notification_id, Refused("gone", by="notification"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def no_other(self, *_):
        raise AssertionError("it is asked for nothing else")

    pages = look_up = check = quota = close = search = delete = no_other


class Files:
    """A source that cannot be asked for one notification."""


def made(number):
    return Notification(str(number), DATE, {"n": number})


@pytest.fixture
def journal(tmp_path):
    """Three notifications, of which the route `out` has found the first two damaged."""
    path = tmp_path / "journal.db"
    with ExitStack() as stack:
        journal = SqliteJournal(SqliteSettings(path=path))
        stack.callback(journal.close)
        for name in ("vt", "out"):
            stack.enter_context(journal.lease(name))
        journal.append("vt", Page([made(1), made(2), made(3)], None))
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE notifications SET body = x'00' WHERE seq < 3")
        journal.ask_again([1, 2], "damaged")
        letters = [DeadLetter(seq, "notification", "damaged") for seq in (1, 2)]
        journal.advance("out", ["vt"], Advance(3, 1, 0, 2, letters))
        yield journal


def reasons(journal):
    return [each.letter.reason for each in journal.dead_letters("vt")]


def test_what_the_source_still_has_is_whole_again_and_to_be_retried_by_the_route(journal):
    source = Source(made(1), made(2))
    assert sum(reread_asked("vt", source, journal)) == 2
    assert [each.notification for each in journal.entries([1, 2, 3])] == [made(1), made(2), made(3)]
    assert [each.seq for each in journal.to_retry("out", 9)] == [1, 2]
    assert reasons(journal) == []


@pytest.mark.parametrize("answer", [None, Misconfigured("the key may not")])
def test_what_cannot_be_had_is_asked_for_once_and_the_dead_letter_of_the_source_says_why(journal, answer):
    source = Source(made(2))
    if answer:
        source.has["1"] = answer
    for _ in range(3):
        sum(reread_asked("vt", source, journal))
    assert sorted(source.asked) == ["1", "2"]
    (reason,) = reasons(journal)
    assert reason == f"{CHANGED}, and it could not be fetched again: {answer or 'gone'}"
    assert [each.damaged for each in journal.entries([1, 2])] == [True, False]
    assert [each.seq for each in journal.to_retry("out", 9)] == [2]


def test_another_notification_under_its_id_does_not_take_its_place(journal):
    source = Source(made(2))
    source.has["1"] = made(7)
    assert sum(reread_asked("vt", source, journal)) == 1
    assert [each.damaged for each in journal.entries([1, 2])] == [True, False]
    assert "under its id is another one" in reasons(journal)[0]


def test_an_outage_leaves_all_of_it_for_the_next_poll(journal):
    source = Source()
    source.has |= {"1": Unavailable("away"), "2": Unavailable("away")}
    assert sum(reread_asked("vt", source, journal)) == 0
    assert len(source.asked) == 1
    assert reasons(journal) == ["damaged", "damaged"]
    source.has |= {"1": made(1), "2": made(2)}
    assert sum(reread_asked("vt", source, journal)) == 2
    assert reasons(journal) == []


def test_one_at_which_the_source_always_fails_holds_up_no_other(journal):
    source = Source(made(2))
    source.has["1"] = Unavailable("away")
    polls = 0
    while len(reasons(journal)) == 2:
        assert sum(reread_asked("vt", source, journal)) <= 1
        polls += 1
        assert polls < 100
    assert [each.damaged for each in journal.entries([1, 2])] == [True, False]


def test_what_was_mended_by_a_run_that_was_cut_off_is_not_asked_for_again(journal):
    journal.mend("vt", 1, made(1))
    source = Source(made(2))
    assert sum(reread_asked("vt", source, journal)) == 2
    assert source.asked == ["2"]
    assert reasons(journal) == []


def test_a_source_that_cannot_be_asked_leaves_it_to_the_dead_letters_of_the_routes(journal):
    assert sum(reread_asked("vt", Files(), journal)) == 0
    assert reasons(journal) == []
    assert [each.letter.seq for each in journal.dead_letters("out")] == [1, 2]
    assert journal.news().to_retry == []


def test_a_retry_of_what_is_still_damaged_asks_the_source_no_second_time(journal):
    source = Source()
    sum(reread_asked("vt", source, journal))
    journal.ask_again([1, 2], "damaged")
    sum(reread_asked("vt", source, journal))
    assert sorted(source.asked) == ["1", "2"]


def test_what_became_of_it_is_told_and_counted(journal):
    source = Source(made(2))
    first, second = journal.entries([1, 2])
    letter = DeadLetter(1, "source", f"{CHANGED}, and it could not be fetched again: gone", notification_id="1")
    assert reread("vt", source, journal, first) == BatchOutcome(0, 0, [letter], 1, 0)
    assert reread("vt", source, journal, second) == BatchOutcome(1, 0, [], 0, 0)
    (kept,) = journal.dead_letters("vt")
    assert (kept.letter.by, kept.letter.notification_id) == ("source", "1")
    (counts,) = journal.status({"vt": ["vt"]}).routes
    assert (counts.delivered, counts.filtered, counts.refused) == (1, 0, 1)


def test_what_is_left_to_the_routes_counts_as_nothing(journal):
    sum(reread_asked("vt", Files(), journal))
    (counts,) = journal.status({"vt": ["vt"]}).routes
    assert (counts.delivered, counts.filtered, counts.refused) == (0, 0, 0)


def test_an_outage_is_logged(journal):
    source = Source()
    source.has |= {"1": Unavailable("away"), "2": Unavailable("away")}
    with capture_logs() as logged:
        sum(reread_asked("vt", source, journal))
    assert logged == [{"event": "not_reread", "log_level": "warning", "part": "vt", "reason": "away"}]


# What the source could not read when it met it


class Searched(Source):
    """Gives what it has in pages of two, and keeps with what it was searched."""

    def search(self, wanted, since, *, cursor=None):
        self.asked.append((wanted, since))
        at = int(cursor or 0)
        found = list(self.has.values())
        return found[at : at + 2], str(at + 2) if at + 2 < len(found) else None


@pytest.fixture
def step_over(tmp_path):
    """A journal whose source `vt` has stepped over something, of which a retry was asked."""
    with ExitStack() as stack:
        journal = SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"))
        stack.callback(journal.close)
        stack.enter_context(journal.lease("vt"))

        def step(**known):
            journal.append("vt", Page([], {"at": 5}, unreadable=[Unreadable("x", "no JSON", **known)]))
            (letter,) = journal.dead_letters("vt")
            journal.ask_retry([letter.id])
            return journal

        yield step


def stored(journal):
    """What routes deliver."""
    entries = [entry.notification for entry in journal.pending("out", ["vt"], 100)]
    return [each for each in entries if not each.id.startswith(UNREADABLE)]


def test_what_could_not_be_read_is_asked_for_by_its_id_and_stored_for_all_routes(step_over):
    journal, source = step_over(notification_id="7", date=DATE), Source(made(7))
    assert list(reread_asked("vt", source, journal)) == [1]
    assert (stored(journal), reasons(journal), source.asked) == ([made(7)], [], ["7"])
    assert journal.checkpoint("vt") == {"at": 5}, "the source goes on from where it was"


def test_without_its_id_all_of_its_second_is_asked_for(step_over):
    journal, source = step_over(date=DATE), Searched(*(made(number) for number in range(5)))
    assert list(reread_asked("vt", source, journal)) == [1]
    assert (stored(journal), reasons(journal)) == ([made(number) for number in range(5)], [])
    assert source.asked == [(f"date:{DATE}-", DATE)] * 3


def test_of_what_nothing_is_known_the_dead_letter_says_so(step_over):
    journal, source = step_over(), Searched(made(1))
    assert list(reread_asked("vt", source, journal)) == [0]
    assert (stored(journal), source.asked) == ([], [])
    assert reasons(journal) == ["nothing is known by which to ask for it again"]


def test_what_can_still_not_be_read_stays_a_dead_letter_with_the_reason(step_over):
    journal, source = step_over(notification_id="7"), Source()
    assert list(reread_asked("vt", source, journal)) == [0]
    assert reasons(journal) == ["gone"]
    assert list(reread_asked("vt", source, journal)) == [], "it is not asked for again by itself"
