"""What is learned of notifications after a route delivered them: new versions of objects, no repeat of events."""

import contextlib
import itertools

import orjson
import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from hypothesis_profiles import examples

from connector import notification
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Identity, LookUp, Page, Provisional, Refusal, Refused, Subject, Unavailable
from connector.pipeline.deliver import Delivery
from connector.pipeline.redeliver import redeliver, rewind
from connector.pipeline.route import Route, everything

DATE = 1_700_000_000
HERON = Subject("collection", "threat-actor--heron")
KITS = Subject("hunting_ruleset", "7100000003")


def item(number, *named, entity=None):
    """A notification of an entity, by default of one of its own, that names its sources."""
    return {
        "type": "domain",
        "id": f"{entity or number}.example",
        "context_attributes": {
            "notification_id": str(number),
            "notification_date": DATE + number,
            "sources": [{"type": kind, "id": identifier} for kind, identifier in named],
        },
    }


def page(*bodies):
    return Page([notification.read(body) for body in bodies], None)


def known(subject, said):
    return LookUp(subject, "known", 1, 10**10, {"name": said}, str(said).encode())


def named_in(view):
    """By id of the subject, what is known of it."""
    sources = view["notification"]["sources"]
    return {source["id"]: source["attributes"]["name"] for source in sources if "attributes" in source}


class Objects:
    def shared_documents(self):
        return [{"id": "identity--1"}]

    def identify(self, document):
        return Identity(document["id"], versioned=True, dependency_level=1)

    def meaning(self, document):
        return b""

    def encode(self, document):
        return orjson.dumps(document)


class Events:
    def encode(self, document):
        return orjson.dumps(document)


class Explained:
    """One object for the entity, one for the match, one for each source that is known."""

    format = Objects()

    def render(self, view):
        sources = named_in(view)
        if "unmappable" in sources.values():
            raise Refused("nothing to map", by="mapping")
        return [
            {"id": f"indicator--{view['entity_value']}", "names": sources},
            {"id": f"sighting--{view['notification']['id']}"},
            *({"id": f"actor--{identifier}", "name": name} for identifier, name in sources.items()),
        ]


class ExplainedEvents:
    format = Events()

    def render(self, view):
        return [{"event": view["notification"]["id"], "names": named_in(view)}]


class Sink:
    """A receiver that keeps each version of each object, and goes away on cue: before it takes them, or after."""

    def __init__(self):
        self.sent = []
        self.has = {}
        self.refuse = set()
        self.outage = None
        self.doubtful = 0

    def send(self, messages):
        if self.outage == "before":
            raise Unavailable("away")
        taken = [message for message in messages if message.id not in self.refuse]
        self.sent += taken
        for message in taken:
            assert self.has.setdefault((message.id, message.version), message.body) == message.body
        if self.outage == "after":
            raise Unavailable("gone away")
        return [Refusal(message, "no") for message in messages if message.id in self.refuse]

    def unconfirmed(self):
        return self.doubtful

    def finish(self):
        if self.outage == "finish":
            raise Unavailable("who knows")
        self.doubtful = 0

    def newest(self):
        """By object, its newest version, without the times."""
        found = {}
        for (identifier, _), body in sorted(self.has.items()):
            document = orjson.loads(body)
            found[identifier] = {key: document[key] for key in document.keys() - {"created", "modified"}}
        return found

    def taken(self):
        """The ids of what came since the last time that this was asked."""
        ids, self.sent = [message.id for message in self.sent], []
        return ids


@pytest.fixture
def journal(tmp_path):
    journal = SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"))
    with journal.lease("vt"), journal.lease("out"):
        yield journal
    journal.close()


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def route(sink):
    return Route("out", ("vt",), lambda _: True, Explained(), sink, batch=3)


def drained(route, journal):
    return list(iter(Delivery(route, journal).step, None))


def test_what_is_not_known_yet_is_left_out_and_becomes_a_new_version_when_it_is(journal, route, sink):
    journal.append("vt", page(item(1, HERON), item(2)))
    assert [batch.delivered for batch in drained(route, journal)] == [2]
    assert sink.newest()["indicator--1.example"] == {"id": "indicator--1.example", "names": {}}
    sink.taken()

    journal.learn("vt", known(HERON, "Heron"))
    (batch,) = drained(route, journal)

    assert (batch.revised, batch.judged, batch.delivered, batch.filtered, batch.refused, batch.messages) == (
        1,
        0,
        0,
        0,
        0,
        2,
    )
    assert sink.taken() == ["indicator--1.example", f"actor--{HERON.id}"]
    assert sink.newest()["indicator--1.example"]["names"] == {HERON.id: "Heron"}
    created = {orjson.loads(body)["created"] for (name, _), body in sink.has.items() if name == "indicator--1.example"}
    assert len(created) == 1
    assert drained(route, journal) == []


def test_counts_of_notifications_stay_what_they_were(journal, route):
    journal.append("vt", page(item(1, HERON), item(2)))
    drained(route, journal)
    before = journal.status({"out": ["vt"]}).routes[0]
    journal.learn("vt", known(HERON, "Heron"))
    drained(route, journal)
    assert journal.status({"out": ["vt"]}).routes[0] == before


def test_events_are_not_repeated(journal, sink):
    route = Route("out", ("vt",), everything, ExplainedEvents(), sink)
    journal.append("vt", page(item(1, HERON)))
    drained(route, journal)
    journal.learn("vt", known(HERON, "Heron"))
    assert journal.status({"out": ["vt"]}).routes[0].outdated == 0
    assert drained(route, journal) == []
    journal.append("vt", page(item(2, HERON)))
    drained(route, journal)
    assert [orjson.loads(message.body) for message in sink.sent] == [
        {"event": "1", "names": {}},
        {"event": "2", "names": {HERON.id: "Heron"}},
    ]


def test_what_is_pending_goes_first_and_what_is_outdated_in_batches(journal, route, sink):
    journal.append("vt", page(*(item(number, HERON) for number in range(1, 11))))
    drained(route, journal)
    sink.taken()
    journal.learn("vt", known(HERON, "Heron"))
    delivery = Delivery(route, journal)
    assert delivery.step().revised == 3
    journal.append("vt", page(item(11, HERON)))
    steps = list(iter(delivery.step, None))
    assert [(step.delivered, step.revised) for step in steps] == [(1, 0), (0, 3), (0, 3), (0, 1)]
    indicators = [name for name in sink.taken() if name.startswith("indicator")]
    assert indicators == [f"indicator--{number}.example" for number in (1, 2, 3, 11, *range(4, 11))]


def test_a_mapping_to_which_it_makes_no_difference_sends_nothing(journal, route, sink):
    journal.append("vt", page(item(1, KITS)))
    drained(route, journal)
    sink.taken()
    route.mapping.render = lambda view: [{"id": f"sighting--{view['notification']['id']}"}]
    journal.learn("vt", known(KITS, "kits"))
    assert [(batch.revised, batch.messages) for batch in drained(route, journal)] == [(1, 0)]
    assert sink.taken() == []


def test_an_entity_that_later_notifications_tell_of_keeps_what_the_last_of_them_said(journal, route, sink):
    journal.append("vt", page(item(1, HERON, entity="x"), item(2, KITS, entity="x")))
    drained(route, journal)
    journal.learn("vt", known(HERON, "Heron"))
    drained(route, journal)
    assert sink.newest()["indicator--x.example"]["names"] == {}
    assert sink.newest()[f"actor--{HERON.id}"]["name"] == "Heron"
    journal.learn("vt", known(KITS, "kits"))
    drained(route, journal)
    assert sink.newest()["indicator--x.example"]["names"] == {KITS.id: "kits"}


@pytest.mark.parametrize("outage", ["before", "after", "finish"])
def test_an_outage_amid_it_loses_nothing_and_gives_the_same_bytes_again(journal, route, sink, outage):
    journal.append("vt", page(item(1, HERON)))
    drained(route, journal)
    journal.learn("vt", known(HERON, "Heron"))
    sink.outage = outage
    for _ in range(2):
        with pytest.raises(Unavailable):
            drained(route, journal)
    sink.outage = None
    drained(route, journal)
    assert sink.newest()["indicator--1.example"]["names"] == {HERON.id: "Heron"}
    assert sum(name == "indicator--1.example" for name, _ in sink.has) == 2


def test_what_is_learned_anew_before_the_last_news_arrived_is_yet_another_version(journal, route, sink):
    journal.append("vt", page(item(1, HERON)))
    drained(route, journal)
    journal.learn("vt", known(HERON, "Heron"))
    sink.outage = "after"
    with pytest.raises(Unavailable):
        drained(route, journal)
    journal.learn("vt", known(HERON, "Grey Heron"))
    sink.outage = None
    drained(route, journal)
    assert sink.newest()["indicator--1.example"]["names"] == {HERON.id: "Grey Heron"}
    assert sum(name == "indicator--1.example" for name, _ in sink.has) == 3


def test_what_was_sent_and_is_not_confirmed_is_before_anything_is_revised(journal, route, sink):
    journal.append("vt", page(item(1, HERON)))
    sink.doubtful = 99
    delivery = Delivery(route, journal)
    delivery.step()
    assert delivery.step() is None
    journal.append("vt", page(item(2, HERON)))
    journal.learn("vt", known(HERON, "Heron"))
    delivery.step()
    delivery.finish()
    assert [step.revised for step in iter(delivery.step, None)] == [1]
    assert sink.newest()["indicator--1.example"]["names"] == {HERON.id: "Heron"}


def test_what_was_sent_is_confirmed_before_a_revision_is_compared_with_it(journal, route, sink):
    journal.append("vt", page(item(1, HERON, entity="x")))
    drained(route, journal)
    journal.append("vt", page(item(2, KITS, entity="x")))
    sink.doubtful = 99
    delivery = Delivery(route, journal)
    delivery.step()
    journal.learn("vt", known(HERON, "Heron"))
    assert delivery.step().revised == 1
    assert sink.newest()["indicator--x.example"]["names"] == {}
    assert journal.status({"out": ["vt"]}).routes[0].position == 2


def test_what_the_receiver_refuses_of_it_is_a_dead_letter_and_can_be_retried(journal, route, sink):
    journal.append("vt", page(item(1, HERON)))
    drained(route, journal)
    journal.learn("vt", known(HERON, "Heron"))
    sink.refuse = {f"actor--{HERON.id}"}
    (batch,) = drained(route, journal)
    assert (batch.refused, batch.delivered, batch.revised) == (1, 0, 1)
    (letter,) = journal.dead_letters("out")
    assert (letter.letter.by, letter.letter.object_id) == ("sink", f"actor--{HERON.id}")
    sink.refuse = set()
    redeliver(route, journal, journal.entries([letter.letter.seq]))
    assert list(journal.dead_letters("out")) == []
    assert sink.newest()[f"actor--{HERON.id}"]["name"] == "Heron"


def test_what_was_refused_before_and_is_again_counts_once(journal, route, sink):
    journal.append("vt", page(item(1, HERON)))
    sink.refuse = {"sighting--1"}
    assert [batch.refused for batch in drained(route, journal)] == [1]
    journal.learn("vt", known(HERON, "Heron"))
    (batch,) = drained(route, journal)
    assert (batch.refused, batch.dead_letters, batch.revised) == (0, [], 1)
    assert [each.letter.object_id for each in journal.dead_letters("out")] == ["sighting--1"]
    assert journal.status({"out": ["vt"]}).routes[0].refused == 1


def test_what_the_mapping_then_refuses_is_a_dead_letter_and_a_mended_one_is_none(journal, route):
    journal.append("vt", page(item(1, HERON)))
    drained(route, journal)
    journal.learn("vt", known(HERON, "unmappable"))
    assert [batch.refused for batch in drained(route, journal)] == [1]
    assert [each.letter.by for each in journal.dead_letters("out")] == ["mapping"]
    journal.learn("vt", known(HERON, "Heron"))
    assert [batch.refused for batch in drained(route, journal)] == [0]
    assert list(journal.dead_letters("out")) == []


def test_a_route_may_want_a_notification_for_what_was_learned_of_it(journal, sink):
    route = Route("out", ("vt",), lambda view: bool(named_in(view)), Explained(), sink)
    journal.append("vt", page(item(1, HERON)))
    assert [batch.filtered for batch in drained(route, journal)] == [1]
    assert sink.taken() == []
    journal.learn("vt", known(HERON, "Heron"))
    drained(route, journal)
    assert sink.taken() == ["identity--1", "indicator--1.example", "sighting--1", f"actor--{HERON.id}"]


def test_a_replay_gives_the_bytes_that_were_given_out(journal, route, sink):
    journal.append("vt", page(*(item(number, HERON) for number in (1, 2))))
    drained(route, journal)
    journal.learn("vt", known(HERON, "Heron"))
    journal.append("vt", page(item(3, HERON)))
    drained(route, journal)
    before = dict(sink.has)
    sink.taken()
    rewind(route, journal, {"vt": 0})
    drained(route, journal)
    assert sink.has == before
    assert {name.partition("--")[0] for name in sink.taken()} == {"identity", "indicator", "sighting", "actor"}


class NamesInPassing(Explained):
    """The first notification tells all of the family that the others only name."""

    def render(self, view):
        number = view["notification"]["id"]
        family = {"id": "malware--1", "name": "Emotet"}
        told = {**family, "description": "All of it."} if number == "1" else Provisional(family)
        return [told, {"id": f"sighting--{number}", "of": "malware--1"}]


@pytest.mark.parametrize("is_emptied", [True, False])
def test_a_replay_of_what_names_an_object_in_passing_brings_all_that_was_said_of_it(journal, sink, is_emptied):
    route = Route("out", ("vt",), lambda view: True, NamesInPassing(), sink)
    journal.append("vt", page(*(item(number) for number in (1, 2, 3))))
    drained(route, journal)
    before = dict(sink.has)
    sink.taken()
    if is_emptied:
        sink.has.clear()
    rewound = rewind(route, journal, {"vt": 1})
    drained(route, journal)
    assert rewound == (2, 2)  # what was said before: the identity and the family
    assert sink.taken() == ["identity--1", "malware--1", "sighting--2", "sighting--3"]
    assert sink.has == {key: body for key, body in before.items() if key[0] != "sighting--1" or not is_emptied}


NUMBERS = itertools.count(1)


class RevisionMachine(RuleBasedStateMachine):
    """Whatever happens in whatever order, the receiver ends up with what is known, and no version has two contents."""

    open_journal = None

    def __init__(self):
        super().__init__()
        self.journal = self.open_journal()
        self.leases = [self.journal.lease("vt"), self.journal.lease("out"), self.journal.lease("events")]
        for lease in self.leases:
            lease.__enter__()
        self.sink, self.events = Sink(), Sink()
        self.route = Route("out", ("vt",), lambda _: True, Explained(), self.sink, batch=2)
        self.event_route = Route("events", ("vt",), lambda _: True, ExplainedEvents(), self.events)
        self.delivery = Delivery(self.route, self.journal)
        self.bodies = []
        self.known = {}

    @rule(entity=st.sampled_from("xyz"), named=st.sets(st.sampled_from([HERON, KITS])))
    def raise_one(self, entity, named):
        self.bodies.append(item(len(self.bodies) + 1, *sorted(named), entity=entity))
        self.journal.append("vt", page(self.bodies[-1]))

    @rule(subject=st.sampled_from([HERON, KITS]), said=st.sampled_from(["one", "two"]))
    def learn(self, subject, said):
        if any(subject in notification.subjects(body) for body in self.bodies):
            self.journal.learn("vt", known(subject, said))
            self.known[subject] = said

    @rule(outage=st.sampled_from([None, None, "before", "after", "finish"]), doubtful=st.sampled_from([0, 2, 99]))
    def step(self, outage, doubtful):
        self.sink.outage, self.sink.doubtful = outage, doubtful
        with contextlib.suppress(Unavailable):
            self.delivery.step()
        self.sink.outage = None

    @rule()
    def crash(self):
        """As a process that begins anew: the journal is all that is left."""
        self.delivery = Delivery(self.route, self.journal)

    @precondition(lambda self: self.bodies)
    @rule(data=st.data())
    def replay(self, data):
        self.crash()
        rewind(self.route, self.journal, {"vt": data.draw(st.integers(0, len(self.bodies)))})

    @rule()
    def finish(self):
        """All is delivered, and what the receiver has of each object is what its last notification says by now."""
        self.sink.doubtful = 0
        while self.delivery.step() is not None:
            pass
        self.delivery.finish()
        while self.delivery.step() is not None:
            pass
        wanted = {"identity--1": {"id": "identity--1"}} if self.bodies else {}
        for body in self.bodies:
            context = {subject: {"name": said} for subject, said in self.known.items()}
            for document in Explained().render(notification.view(notification.read(body), context)):
                wanted[document["id"]] = document
        assert self.sink.newest() == wanted
        before = list(self.sink.sent)
        list(iter(Delivery(self.event_route, self.journal).step, None))
        assert self.delivery.step() is None
        assert self.sink.sent == before
        events = [message.id for message in self.events.sent]
        assert events == [str(number) for number in range(1, len(self.bodies) + 1)]

    def teardown(self):
        self.finish()
        for again in (False, True):
            before = dict(self.sink.has)
            self.crash()
            rewind(self.route, self.journal, {"vt": 0})
            self.finish()
            assert not again or self.sink.has == before, "what was replayed once is the same the next time"
        for lease in self.leases:
            lease.__exit__(None, None, None)
        self.journal.close()


def test_the_receiver_ends_up_with_what_is_known_whatever_happens_in_whatever_order(tmp_path, monkeypatch):
    # No power is cut here, and thousands of commits would wait for the disk.
    monkeypatch.setattr(
        "connector.journals.sqlite.database._PRAGMAS", ("PRAGMA foreign_keys = ON", "PRAGMA synchronous = OFF")
    )

    class Machine(RevisionMachine):
        def open_journal(self):
            return SqliteJournal(SqliteSettings(path=tmp_path / f"{next(NUMBERS)}.db"))

    run_state_machine_as_test(
        Machine,
        settings=examples(60, stateful_step_count=25, suppress_health_check=list(HealthCheck), database=None),
    )
