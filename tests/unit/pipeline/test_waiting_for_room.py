"""A route that needs much memory waits for it, but never while others into the same receiver wait for it."""

from contextlib import contextmanager

import pytest
from pipeline_receivers import START, deliver

from connector.model import Unavailable
from connector.pipeline.route import Route
from connector.room import ROOM, NoRoom

MATCH = {
    "type": "domain",
    "id": "bad.example",
    "attributes": {"gti_assessment": {"verdict": {"value": "VERDICT_MALICIOUS"}}},
    "context_attributes": {"notification_id": "1", "notification_date": START, "origin": "hunting", "sources": []},
}


@pytest.fixture(params=["pending", "are_set_aside", "record", "to_retry", "outdated"])
def short_of_room(request, journal, monkeypatch):
    """There is no room at one of the places where a step reads or writes, until it has waited for some."""
    waited = []
    whole = getattr(type(journal), request.param)

    def read(self, *asked, **more):
        if not waited:
            raise NoRoom(5)
        return whole(self, *asked, **more)

    monkeypatch.setattr(type(journal), request.param, read)
    return waited


@pytest.fixture
def turns(monkeypatch):
    """The turns that are held now."""
    held = []

    @contextmanager
    def turn(_route, _journal):
        held.append("turn")
        try:
            yield
        finally:
            held.pop()

    monkeypatch.setattr(Route, "turn", turn)
    return held


def test_room_is_waited_for_without_the_turn(journal, stix, monkeypatch, short_of_room, turns):
    """A route that has room may wait for the turn: each would wait for the other."""

    def reserve(_count, _seconds):
        assert not turns
        short_of_room.append("room")
        return True

    monkeypatch.setattr(ROOM, "reserve", reserve)
    assert deliver(stix, journal, MATCH).delivered == 1
    assert short_of_room == ["room"]
    assert "bad.example" in {each.get("name") for each in stix.sink.taken()}


def test_without_room_after_a_while_the_step_is_taken_again_later(journal, stix, monkeypatch, short_of_room, turns):
    monkeypatch.setattr(ROOM, "reserve", lambda _count, _seconds: False)
    with pytest.raises(Unavailable):
        deliver(stix, journal, MATCH)
    assert (turns, short_of_room) == ([], [])
