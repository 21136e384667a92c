"""A receiver that tests tell what to do, a route into it, and a journal with a clock of its own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import orjson
from mapping_examples import bundled

from connector import mapping, notification
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Page, Refusal, Unavailable
from connector.pipeline.deliver import Delivery
from connector.pipeline.route import Route

START = 1_760_000_000


class Clock:
    """A day after the first notifications, until a test sets it."""

    def __init__(self):
        self.now = START + 86_400.0

    def __call__(self):
        return self.now


class Sink:
    """A receiver that keeps each version of each object, and refuses or fails on cue."""

    def __init__(self):
        self.sent = []
        self.refuse = lambda message: False
        self.outage = False
        self.doubtful = 0

    def unconfirmed(self):
        return self.doubtful

    def finish(self):
        self.doubtful = 0

    def send(self, messages):
        if self.outage:
            raise Unavailable("away")
        taken = [message for message in messages if not self.refuse(message)]
        self.sent += taken
        versions = {}
        for message in self.sent:
            body = versions.setdefault((message.id, message.version), message.body)
            assert message.version is None or body == message.body, "two contents for one version"
        return [Refusal(message, "no") for message in messages if self.refuse(message)]

    def taken(self):
        """What was sent since this was last asked, as JSON."""
        found, self.sent = self.sent, []
        return [orjson.loads(message.body) for message in found]

    def events(self):
        """Class id of each event of CEF that was sent since this was last asked, and its notification."""
        found, self.sent = self.sent, []
        return [(message.body.decode().split("|")[4], message.id) for message in found]


@contextmanager
def opened(folder, clock) -> Iterator[SqliteJournal]:
    """A journal in a folder, with the leases on two sources and a route."""
    with ExitStack() as stack:
        journal = SqliteJournal(SqliteSettings(path=folder / "journal.db"), clock=clock)
        stack.callback(journal.close)
        for name in ("vt", "other", "out"):
            stack.enter_context(journal.lease(name))
        yield journal


def when(expression):
    return mapping.compile_condition(expression, "test.yaml: when")


def route_into(sink, using, sources=("vt", "other"), wants="`true`"):
    """A route with a bundled mapping, or one that a test has compiled."""
    return Route("out", sources, when(wants), bundled(using) if isinstance(using, str) else using, sink)


def store(journal, *bodies, source="vt"):
    """Store notifications in one page."""
    if bodies:
        journal.append(source, Page([notification.read(body) for body in bodies], None))


def deliver(route, journal, *bodies, source="vt"):
    """Store notifications, and deliver all there is; the outcome."""
    store(journal, *bodies, source=source)
    delivery, done = Delivery(route, journal), None
    while (batch := delivery.step()) is not None:
        done = batch if done is None else done + batch
    delivery.finish()
    return done
