"""Who serves what, when processes die, clocks move on and machines differ."""

import dataclasses
import os
import sqlite3
import time
from contextlib import closing, suppress

import pytest

from connector.journals.sql.leases import LEASE_SECONDS
from connector.journals.sql.process import Process
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Advance, LeaseHolder, Notification, Page, Unavailable, Version

ELSEWHERE = Process("elsewhere", "another boot", 7, "1")


class Clock:
    def __init__(self) -> None:
        self.now = 1_760_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def opened(tmp_path, clock):
    journals: list[SqliteJournal] = []

    def open_journal(process: Process | None = None) -> SqliteJournal:
        journals.append(SqliteJournal(SqliteSettings(path=tmp_path / "j.db"), process=process, clock=clock))
        return journals[-1]

    yield open_journal
    for journal in journals:
        journal.close()


@pytest.fixture
def finished():
    """A process of this machine that has ended: its number is larger than any that is given out."""
    return dataclasses.replace(Process.current(), pid=2**22, started="0")


def test_a_process_knows_itself():
    me = Process.current()
    assert me == Process.current()
    assert me.pid == os.getpid()
    assert not me.is_gone()


def test_a_number_given_out_again_is_not_the_process_that_had_it():
    assert dataclasses.replace(Process.current(), started="1").is_gone()


def test_the_lease_of_a_dead_neighbour_is_free_at_once(opened, finished):
    with opened(finished).lease("route"), opened().lease("route"):
        pass


def test_a_part_is_served_by_nobody_when_its_process_was_killed(opened, clock, finished):
    with opened(finished).lease("route"), opened(ELSEWHERE).lease("vt"):
        known = opened().status({"route": ["vt"]})
        assert (known.routes[0].served_by, known.sources[0].served_by) == (None, LeaseHolder("elsewhere", 7))
        clock.now += LEASE_SECONDS
        assert opened().status({"route": ["vt"]}).sources[0].served_by is None


def test_the_lease_of_a_living_neighbour_stays_its_own_however_late_it_is(opened, clock):
    parent = dataclasses.replace(Process.current(), pid=os.getppid(), started="")
    with opened(parent).lease("route"):
        clock.now += 1000 * LEASE_SECONDS
        with (
            pytest.raises(Unavailable, match=rf"route is served by process {os.getppid()} on .* since 2025-10-09T"),
            opened().lease("route"),
        ):
            pass


def test_a_lease_on_another_machine_is_free_once_it_has_expired(opened, clock):
    with opened(ELSEWHERE).lease("route"):
        clock.now += LEASE_SECONDS - 1
        with pytest.raises(Unavailable, match="process 7 on elsewhere"), opened().lease("route"):
            pass
        clock.now += 1
        with opened().lease("route"):
            pass


def test_the_same_host_name_in_another_container_is_another_machine(opened):
    container = dataclasses.replace(Process.current(), realm="another namespace", pid=1)
    with opened(container).lease("route"), pytest.raises(Unavailable), opened().lease("route"):
        pass


@pytest.mark.parametrize("use", ["append", "record", "advance", "checkpoint", "pending"])
def test_using_a_lease_renews_it(opened, clock, use):
    holder = opened(ELSEWHERE)
    uses = {
        "append": lambda: holder.append("name", Page([], None)),
        "record": lambda: holder.record("name", [Version("a", 1, b"", "", "", sent=False)]),
        "advance": lambda: holder.advance("name", ["vt"], Advance(1, 0, 0, 0)),
        "checkpoint": lambda: holder.checkpoint("name"),
        "pending": lambda: holder.pending("name", ["vt"], 1),
    }
    with holder.lease("name"):
        clock.now += LEASE_SECONDS - 1
        uses[use]()
        clock.now += LEASE_SECONDS - 1
        with pytest.raises(Unavailable), opened().lease("name"):
            pass


@pytest.mark.parametrize("use", ["append", "record", "advance", "checkpoint", "pending"])
def test_a_holder_that_lost_its_lease_writes_nothing_more(opened, clock, use):
    sleeper, successor = opened(ELSEWHERE), opened()
    uses = {
        "append": lambda: sleeper.append("name", Page([Notification("1", 1, {})], "stale")),
        "record": lambda: sleeper.record("name", [Version("a", 1, b"", "", "", sent=False)]),
        "advance": lambda: sleeper.advance("name", ["name"], Advance(1, 1, 0, 0)),
        "checkpoint": lambda: sleeper.checkpoint("name"),
        "pending": lambda: sleeper.pending("name", ["name"], 1),
    }
    with sleeper.lease("name"):
        clock.now += LEASE_SECONDS
        with successor.lease("name"):
            with pytest.raises(Unavailable, match=f"name is served by process {os.getpid()}"):
                uses[use]()
            successor.append("name", Page([Notification("2", 1, {})], "fresh"))
        with pytest.raises(Unavailable, match="lost"):
            uses["append"]()

    assert successor.checkpoint("name") == "fresh"
    assert [entry.notification.id for entry in successor.pending("route", ["name"], 10)] == ["2"]
    assert successor.versions("name", ["a"]) == {}
    assert successor.status({"name": ["name"]}).routes[0].delivered == 0


def test_all_leases_are_renewed_at_once_before_half_of_their_time_is_left(opened, clock):
    holder = opened(ELSEWHERE)
    with holder.lease("route"), holder.lease("vt"):
        clock.now += LEASE_SECONDS // 2
        assert holder.renew_leases() == []
        clock.now += 1
        assert holder.renew_leases() == []
        clock.now += LEASE_SECONDS - 1
        for name in ("route", "vt"):
            with pytest.raises(Unavailable), opened().lease(name):
                pass


@pytest.mark.parametrize(
    "use", [lambda holder: holder.renew_leases(), lambda holder: holder.pending("route", ["vt"], 1)], ids=["all", "one"]
)
def test_a_lease_is_written_down_again_when_half_of_its_time_is_over_and_not_before(opened, clock, use):
    holder = opened(ELSEWHERE)
    with holder.lease("route"):
        clock.now += LEASE_SECONDS // 2
        use(holder)
        clock.now += LEASE_SECONDS // 2
        with opened().lease("route"):
            pass
    with holder.lease("route"):
        clock.now += LEASE_SECONDS // 2 + 1
        use(holder)
        clock.now += LEASE_SECONDS - 1
        with pytest.raises(Unavailable), opened().lease("route"):
            pass


def test_what_was_renewed_with_all_is_not_renewed_again_at_the_next_use(opened, clock):
    holder = opened(ELSEWHERE)
    with holder.lease("route"):
        clock.now += LEASE_SECONDS // 2 + 1
        assert holder.renew_leases() == []
        clock.now += LEASE_SECONDS // 2
        holder.pending("route", ["vt"], 1)
        clock.now += LEASE_SECONDS // 2
        with opened().lease("route"):
            pass


def test_a_journal_that_holds_no_lease_has_none_to_renew(opened):
    assert opened().renew_leases() == []


def test_who_is_refused_is_told_who_serves_it_since_when_and_what_to_do(opened, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    with opened(ELSEWHERE).lease("route"), pytest.raises(Unavailable) as refused, opened().lease("route"):
        pass
    monkeypatch.undo()
    time.tzset()
    assert str(refused.value) == (
        "route is served by process 7 on elsewhere since 2025-10-09T08:53:20Z; one process at a time may serve it, so"
        " let that one end first (SIGTERM loses nothing)"
    )


def test_who_cannot_have_a_turn_is_told_that_it_will_be_over_and_not_to_end_the_other(opened):
    with opened(ELSEWHERE).turn("syslog tcp siem:514"), pytest.raises(Unavailable) as refused:
        opened().turn("syslog tcp siem:514").__enter__()
    assert str(refused.value) == (
        "the receiver syslog tcp siem:514 is served by process 7 on elsewhere since 2025-10-09T08:53:20Z; it is sending"
        " for another route, and routes into one receiver take turns: `iocstream run` goes on by itself after that"
        " batch, and another command can be given again then"
    )
    with opened().turn("syslog tcp siem:514"):
        pass


def test_a_lease_found_lost_while_all_are_renewed_is_named_and_its_holder_refused(opened, clock):
    sleeper, successor = opened(ELSEWHERE), opened()
    with sleeper.lease("kept"), sleeper.lease("route"):
        clock.now += LEASE_SECONDS
        with successor.lease("route"):
            assert sleeper.renew_leases() == ["route"]
            with pytest.raises(Unavailable, match=f"route is served by process {os.getpid()}"):
                sleeper.pending("route", ["vt"], 1)
        sleeper.pending("kept", ["vt"], 1)


def test_a_lease_that_was_let_go_for_an_outage_is_not_taken_back_by_renewing(opened, clock):
    holder = opened(ELSEWHERE)
    with holder.lease("held"):
        with suppress(Unavailable), holder.lease("offered"):
            raise Unavailable("down")
        clock.now += LEASE_SECONDS - 1
        assert holder.renew_leases() == []
        with opened().lease("offered"):
            pass


def test_giving_back_a_lost_lease_leaves_the_new_holders_alone(opened, clock):
    successor, third = opened(), opened(dataclasses.replace(ELSEWHERE, pid=8))
    sleeping = opened(ELSEWHERE).lease("route")
    with sleeping:
        clock.now += LEASE_SECONDS
        taken = successor.lease("route")
        taken.__enter__()
    with pytest.raises(Unavailable), third.lease("route"):
        pass
    taken.__exit__(None, None, None)


def test_a_lease_that_an_earlier_journal_of_this_process_left_behind_expires(opened, clock):
    abandoned = opened()
    lease = abandoned.lease("route")
    lease.__enter__()
    with pytest.raises(Unavailable), opened().lease("route"):
        pass
    clock.now += LEASE_SECONDS
    with opened().lease("route"):
        pass
    lease.__exit__(None, None, None)


def test_a_process_is_not_told_to_end_itself(opened):
    with opened().lease("route"), pytest.raises(Unavailable, match="that is this process") as raised:
        opened().lease("route").__enter__()
    assert "SIGTERM" not in str(raised.value)


@pytest.mark.parametrize("is_closed_first", [True, False])
def test_a_lease_that_cannot_be_given_back_holds_nothing_up(tmp_path, is_closed_first):
    path = tmp_path / "j.db"
    journal = SqliteJournal(SqliteSettings(path=path, busy_timeout_seconds=0.05))
    with closing(sqlite3.connect(path, isolation_level=None)) as other, journal.lease("route"):
        other.execute("BEGIN IMMEDIATE")
        if is_closed_first:
            journal.close()
    journal.close()
