"""What is seen to now and then for a route."""

import time

import pytest
from structlog.testing import capture_logs

from connector.model import Unavailable
from connector.pipeline import upkeep
from connector.pipeline.route import Route
from connector.pipeline.upkeep import DAY_SECONDS, Upkeep


class Journal:
    def __init__(self):
        self.asked = []
        self.answers = [0]

    def forget_old(self, *asked):
        self.asked.append(asked)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def route(name, **more):
    return Route(name, ("vt",), lambda _: True, None, None, receiver=f"to {name}", **more)


def test_what_a_route_sent_long_ago_is_forgotten_once_a_day(monkeypatch):
    now = today = 20_000 * DAY_SECONDS
    monkeypatch.setattr(upkeep.time, "time", lambda: now)
    journal = Journal()
    seen_to = Upkeep(journal, {}, retention_seconds=1)
    journal.answers = [0, Unavailable("locked"), 7, 0]
    seen_to.see_to_route(route("events"))
    with pytest.raises(Unavailable):
        seen_to.see_to_route(route("objects", collection="iocs", keep_days=90))
    with capture_logs() as logged:
        for now in (today, today + 40_000, today + DAY_SECONDS - 1):  # noqa: B007 -- what the clock says
            seen_to.see_to_route(route("events"))
            seen_to.see_to_route(route("objects", collection="iocs", keep_days=90))
    assert logged == [{"event": "forgotten", "log_level": "info", "part": "objects", "versions": 7}]
    now = today + DAY_SECONDS
    seen_to.see_to_route(route("events"))
    assert journal.asked == [
        ("events", "to events", "", None),
        ("objects", "to objects", "iocs", 90),
        ("objects", "to objects", "iocs", 90),
        ("events", "to events", "", None),
    ]
    assert time.time() == now
