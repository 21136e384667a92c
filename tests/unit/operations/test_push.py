"""One notification delivered now: after what is before it on its route, and asked for where the journal lacks it."""

import threading

import pytest

from connector import app, kinds, notification
from connector.configuration import NotFound
from connector.model import Misconfigured, Page, Refused, Unavailable
from connector.operations.push import push, stream_item
from connector.operations.route import Interrupted


@pytest.fixture
def stored(world):
    """The journal has everything, and no route has delivered anything."""
    with app.open_journal(world.plan, make=True) as journal, journal.lease("saved"):
        journal.append("saved", Page([notification.read(item) for item in world.raised], None))
    return world


def test_what_is_before_it_is_delivered_first_and_nothing_twice(stored):
    ids = stored.ids()
    pushed = push(stored.plan, "all", ids[5])
    assert (pushed.before, pushed.fetched) == (5, False)
    assert [message.id for message in pushed.accepted] == [ids[5]]
    assert stored.receivers["all"].ids == ids[:6]
    with app.open_journal(stored.plan) as journal:
        assert [entry.notification.id for entry in journal.pending("all", ["saved"], 100)] == ids[6:]


def test_what_was_delivered_is_sent_again_and_the_position_stays(stored):
    ids = stored.ids()
    push(stored.plan, "all", ids[5])
    before = stored.positions()
    pushed = push(stored.plan, "all", ids[2])
    assert (pushed.before, stored.receivers["all"].ids[6:]) == (0, [ids[2]])
    assert stored.positions() == before


def test_what_the_receiver_says_of_others_is_not_told(stored):
    ids = stored.ids()
    stored.receivers["all"].refuses = {ids[0], ids[3]}
    pushed = push(stored.plan, "all", ids[3])
    assert [(refusal.message.id, refusal.reason) for refusal in pushed.refused] == [(ids[3], "not this one")]
    assert pushed.accepted == []
    assert [batch.refused for batch in pushed.batches] == [1]


def test_an_outage_leaves_the_route_where_it_was(stored):
    stored.receivers["all"].away = True
    before = stored.positions()
    with pytest.raises(Unavailable, match="nobody there"):
        push(stored.plan, "all", stored.ids()[3])
    assert stored.positions() == before


@pytest.mark.parametrize("hangs", [False, True])
def test_asked_to_stop_it_ends_and_the_notification_keeps_its_turn(stored, hangs):
    stop, receiver = threading.Event(), stored.receivers["all"]
    stop.set()
    receiver.hangs = threading.Event() if hangs else None
    with pytest.raises(Interrupted):
        push(stored.plan, "all", stored.ids()[5], stop)
    assert stored.ids()[5] not in receiver.ids
    if hangs:
        receiver.hangs.set()


def test_a_route_that_there_is_not_and_a_source_that_cannot_be_asked_are_errors(stored):
    with pytest.raises(NotFound, match="there is no route 'none'; there is all, hunted"):
        push(stored.plan, "none", "1")
    with pytest.raises(Misconfigured, match="no source of this route can be asked for one"):
        push(stored.plan, "all", "none")


class Upstream:
    """A source that knows these items by their ids, and finds them by what they are about."""

    def __init__(self, *items):
        self.items = {item["context_attributes"]["notification_id"]: notification.read(item) for item in items}
        self.searched = []

    def get(self, notification_id):
        if notification_id not in self.items:
            raise Refused("no such notification", by="notification")
        return self.items[notification_id]

    def search(self, wanted, since=None, **_):
        self.searched.append((wanted, since))
        return list(self.items.values()), None

    def close(self):
        pass


def test_what_the_journal_lacks_is_asked_for_and_stored_for_every_route(world, monkeypatch):
    source = Upstream(world.raised[0])
    monkeypatch.setattr(type(world.plan.settings.sources["saved"]), "upstream", lambda _: "there")
    monkeypatch.setattr(kinds, "make_searchable_source", lambda _: source)
    pushed = push(world.plan, "all", world.ids()[0])
    assert (pushed.fetched, world.receivers["all"].ids) == (True, world.ids()[:1])
    with app.open_journal(world.plan) as journal:
        assert [entry.notification.id for entry in journal.pending("hunted", ["saved"], 9)] == world.ids()[:1]
        assert journal.checkpoint("saved") is None
    with pytest.raises(Refused, match="no such notification"):
        push(world.plan, "all", "none")


def test_the_item_of_the_stream_is_taken_for_it_says_more_than_the_notification_alone(world):
    source = Upstream(*world.raised[:3])
    found = stream_item(source, world.ids()[1])
    assert found.id == world.ids()[1]
    ((wanted, since),) = source.searched
    assert wanted == f"entity_id:{world.raised[1]['id']}"
    assert since == world.raised[1]["context_attributes"]["notification_date"]
