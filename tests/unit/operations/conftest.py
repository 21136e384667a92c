"""A configuration of two routes from one file, over a real journal, into receivers that a test tells what to do."""

import json
from pathlib import Path

import pytest

from connector import app, configuration, kinds
from connector.model import Refusal, Unavailable
from connector.simulator.notifications import notifications

CONFIGURATION = """
sources:
  saved: {type: file, path: saved.jsonl}
routes:
  all: {mapping: cef, sink: {type: file, path: all.cef}}
  hunted: {mapping: cef, when: "notification.origin == 'hunting'", sink: {type: file, path: hunted.cef}}
shutdown_seconds: 0.2
"""


class Receiver:
    """A sink that keeps the ids it takes.

    Attributes:
        refuses: the ids of notifications that it refuses.
        away: whether it cannot be reached.
        hangs: when set, it answers once the event is.
    """

    def __init__(self):
        self.ids = []
        self.refuses = set()
        self.away = False
        self.hangs = None
        self.closed = 0

    def send(self, messages):
        if self.hangs is not None:
            self.hangs.wait(20)
        if self.away:
            raise Unavailable("nobody there")
        self.ids += [message.id for message in messages if message.id not in self.refuses]
        return [Refusal(message, "not this one") for message in messages if message.id in self.refuses]

    def check(self):
        return "here"

    def close(self):
        self.closed += 1


class World:
    """The plan, its receivers by the path of their sinks, and what was raised, oldest first."""

    def __init__(self, folder, count):
        raised = [item for item in notifications(4 * count) if item["type"] in ("domain", "ip_address")]
        self.raised = sorted(raised, key=lambda item: item["context_attributes"]["notification_date"])[:count]
        self.receivers = {"all": Receiver(), "hunted": Receiver()}
        self.path = folder / "iocstream.yaml"
        self.path.write_text(CONFIGURATION)
        (folder / "saved.jsonl").write_text("".join(json.dumps(item) + "\n" for item in self.raised))
        self.plan = configuration.load(self.path)

    def ids(self):
        return [item["context_attributes"]["notification_id"] for item in self.raised]

    def run(self):
        """Fetch and deliver once."""
        return {part.name: part for part in app.run(self.plan, once=True)}

    def positions(self):
        with app.open_journal(self.plan) as journal:
            return {route.name: route.position for route in journal.status(self.plan.reads()).routes}


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("connector.pipeline.runner.PATIENCE_ONCE_SECONDS", 0.0)
    made = World(tmp_path, 12)
    monkeypatch.setattr(kinds, "make_sink", lambda settings, *_: made.receivers[Path(settings.path).stem])
    return made
