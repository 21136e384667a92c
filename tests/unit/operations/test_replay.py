"""What was delivered is delivered again; a dry run says what would be, and changes nothing."""

import threading
import time

import pytest

from connector.configuration import NotFound
from connector.model import Misconfigured
from connector.operations import replay


@pytest.fixture
def delivered(world):
    world.run()
    return world


def received(world, name):
    """What has arrived since the last time this was asked."""
    ids = list(world.receivers[name].ids)
    world.receivers[name].ids.clear()
    return ids


def middle(world):
    dates = sorted(item["context_attributes"]["notification_date"] for item in world.raised)
    return dates[len(dates) // 2]


@pytest.mark.parametrize("name", ["all", "hunted"])
@pytest.mark.parametrize("since", [None, middle])
def test_a_dry_run_says_what_a_run_then_sends(delivered, name, since):
    at = since and since(delivered)
    received(delivered, name)
    before = delivered.positions()
    ids: list[str] = []
    tried = replay.dry_run(delivered.plan, name, at, tell=ids.append)
    assert (received(delivered, name), delivered.positions()) == ([], before)
    part = replay.replay(delivered.plan, name, at)
    assert received(delivered, name) == ids != []
    assert (part.delivered, part.filtered, part.messages) == (tried.delivered, tried.filtered, tried.messages)
    assert delivered.positions() == before


def test_a_replay_since_a_time_begins_with_what_was_raised_then(delivered):
    received(delivered, "all")
    totals = []
    replay.replay(delivered.plan, "all", middle(delivered), on_start=totals.append)
    expected = [
        item["context_attributes"]["notification_id"]
        for item in delivered.raised
        if item["context_attributes"]["notification_date"] >= middle(delivered)
    ]
    assert received(delivered, "all") == expected
    assert totals == [len(expected)]


def test_one_notification_is_sent_again_and_the_position_stays(delivered):
    received(delivered, "all")
    before, wanted = delivered.positions(), delivered.ids()[4]
    ids: list[str] = []
    assert replay.dry_run_one(delivered.plan, "all", wanted, tell=ids.append).messages == 1
    assert ids == [wanted]
    assert received(delivered, "all") == []
    part = replay.resend(delivered.plan, "all", wanted)
    assert (part.state, part.delivered, part.messages) == ("done", 1, 1)
    assert (received(delivered, "all"), delivered.positions()) == ([wanted], before)


def test_a_receiver_that_hangs_keeps_no_resend_that_was_asked_to_stop(delivered):
    receiver, stop = delivered.receivers["all"], threading.Event()
    receiver.hangs = threading.Event()
    threading.Timer(0.2, stop.set).start()
    began = time.monotonic()
    part = replay.resend(delivered.plan, "all", delivered.ids()[0], stop=stop)
    assert time.monotonic() - began < 5
    assert (part.state, part.delivered) == ("running", 0)
    receiver.hangs.set()


@pytest.mark.parametrize(
    "ask",
    [
        lambda plan, name: replay.replay(plan, name, None),
        lambda plan, name: replay.resend(plan, name, "1"),
        lambda plan, name: replay.dry_run(plan, name, None),
        lambda plan, name: replay.dry_run_one(plan, name, "1"),
        replay.pruned_until,
    ],
)
def test_a_route_that_there_is_not_is_named(delivered, ask):
    with pytest.raises(NotFound, match="there is no route 'none'; there is all, hunted"):
        ask(delivered.plan, "none")


def test_a_notification_that_the_journal_does_not_have_is_named(delivered):
    with pytest.raises(Misconfigured, match="the journal has no notification 'none' from saved"):
        replay.resend(delivered.plan, "all", "none")
