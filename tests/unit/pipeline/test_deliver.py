"""Fetching and delivering over a real journal; source, mapping, format and sink are the smallest that show it."""

import sqlite3
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from types import SimpleNamespace

import orjson
import pytest

from connector import notification
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import (
    DeadLetter,
    Identity,
    Message,
    Misconfigured,
    Page,
    Redelivery,
    Refusal,
    Refused,
    Unavailable,
)
from connector.pipeline.convert import convert
from connector.pipeline.deliver import Delivery
from connector.pipeline.fetch import fetch
from connector.pipeline.redeliver import redeliver, rewind
from connector.pipeline.refusal_log import RefusalLog
from connector.pipeline.refused_streak import RefusedStreak, kind
from connector.pipeline.route import Route
from connector.pipeline.send import BatchOutcome
from connector.values.timestamps import timestamp

DATE = 1_700_000_000
LEVELS = {"identity": 0, "indicator": 1, "sighting": 2}


def item(number, **attributes):
    return {
        "type": "domain",
        "id": f"d{number}.example",
        "attributes": attributes,
        "context_attributes": {"notification_id": str(number), "notification_date": DATE + number, "origin": "hunting"},
    }


def page(*bodies, checkpoint=None):
    return Page([notification.read(body) for body in bodies], checkpoint)


class Source:
    def __init__(self, *pages):
        self.given = pages
        self.asked_from = []

    def pages(self, checkpoint):
        self.asked_from.append(checkpoint)
        yield from self.given


class Objects:
    """A format of versioned objects; the words `refuse` and `dirty` are what it does not take."""

    def shared_documents(self):
        return [{"id": "identity--1"}]

    def identify(self, document):
        kind = document["id"].partition("--")[0]
        return Identity(document["id"], versioned=kind != "identity", dependency_level=LEVELS[kind])

    def meaning(self, document):
        return b""

    def encode(self, document):
        if document.get("name") == "dirty":
            raise Refused("name: is dirty", by="format")
        return orjson.dumps(document)


class Domains:
    """A mapping: one object for the domain, one for the match that refers to it."""

    format = Objects()

    def render(self, view):
        entity = view["entity"]
        if entity.get("name") == "unmappable":
            raise Refused("nothing to map", by="mapping")
        domain = {"id": f"indicator--{view['entity_value']}", "name": "x"}
        return [domain, {"id": f"sighting--{view['notification']['id']}", "name": entity.get("name", "y")}]


class Sink:
    def __init__(self):
        self.sent = []
        self.refuse = set()
        self.outage = None
        self.doubtful = 0

    def unconfirmed(self):
        return self.doubtful

    def finish(self):
        if self.outage:
            raise self.outage
        self.doubtful = 0

    def send(self, messages):
        if self.outage:
            raise self.outage
        self.sent += messages
        return [Refusal(message, "no room") for message in messages if message.id in self.refuse]


@pytest.fixture
def journal(tmp_path):
    with ExitStack() as stack:
        journal = SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"))
        stack.callback(journal.close)
        stack.enter_context(journal.lease("vt"))
        stack.enter_context(journal.lease("out"))
        yield journal


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def route(sink):
    return Route("out", ("vt",), lambda view: not view["entity"].get("unwanted"), Domains(), sink, batch=3)


def drained(route, journal):
    return list(iter(Delivery(route, journal).step, None))


def test_each_page_is_stored_before_the_next_is_asked_for(journal):
    seen = []

    class Watching(Source):
        def pages(self, checkpoint):
            for number in (1, 2):
                yield page(item(number), checkpoint={"at": number})
                seen.append((journal.checkpoint("vt"), journal.status({}).entries))

    assert [stored.new for stored in fetch("vt", Watching(), journal)] == [1, 1]
    assert seen == [({"at": 1}, 1), ({"at": 2}, 2)]


def test_fetching_goes_on_from_the_stored_checkpoint_and_knows_repeats(journal):
    list(fetch("vt", Source(page(item(1), item(2), checkpoint={"at": 2})), journal))
    again = Source(page(item(2), item(3), checkpoint={"at": 3}))
    (stored,) = fetch("vt", again, journal)
    assert again.asked_from == [{"at": 2}]
    assert (stored.notifications, stored.new) == (2, 1)


def test_the_foundation_is_sent_first_and_once_and_each_document_once(journal, route, sink):
    journal.append("vt", page(*(item(number) for number in (1, 2, 3, 4, 5))))
    assert [batch.delivered for batch in drained(route, journal)] == [3, 2]
    ids = [message.id for message in sink.sent]
    assert ids[0] == "identity--1"
    assert len(ids) == len(set(ids)) == 1 + 2 * 5


def test_an_unchanged_object_is_not_sent_again_and_a_new_match_is(journal, route, sink):
    journal.append("vt", page(item(1)))
    drained(route, journal)
    repeat = item(2) | {"id": "d1.example"}
    journal.append("vt", page(repeat))
    drained(route, journal)
    assert [message.id for message in sink.sent] == [
        "identity--1",
        "indicator--d1.example",
        "sighting--1",
        "sighting--2",
    ]


def test_an_outage_keeps_the_position_and_the_same_bytes_are_next_again(journal, route, sink):
    journal.append("vt", page(item(1), item(2)))
    sink.outage = Unavailable("down")
    with pytest.raises(Unavailable):
        Delivery(route, journal).step()
    sink.outage = None
    Delivery(route, journal).step()
    first = [message.body for message in sink.sent]

    # As if the answer had been lost: the journal never heard of the delivery.
    sink.sent.clear()
    route = Route("late", ("vt",), route.wants, route.mapping, sink)
    with journal.lease("late"):
        Delivery(route, journal).step()
    assert [message.body for message in sink.sent] == first


def test_a_crash_after_sending_repeats_identical_bytes_even_when_the_mapping_was_edited(journal, route, sink):
    class Crash(BaseException):
        pass

    journal.append("vt", page(item(1)))
    advance, journal.advance = journal.advance, None

    def crash(*_):
        raise Crash

    journal.advance = crash
    with pytest.raises(Crash):
        Delivery(route, journal).step()
    before = {(m.id, m.version): m.body for m in sink.sent}
    journal.advance = advance

    class Edited(Domains):
        def render(self, view):
            return [document | {"name": "edited"} for document in super().render(view)]

    sink.sent.clear()
    Delivery(Route("out", ("vt",), route.wants, Edited(), sink), journal).step()
    after = {(m.id, m.version): m.body for m in sink.sent}
    versioned = {key for key in after if key[1]}
    # Content changed between the crash and the repeat, so each object comes as a later version, never as the same one.
    assert versioned
    assert not versioned & set(before)


def test_what_a_mapping_or_format_rejects_is_a_dead_letter_and_nothing_of_it_is_sent(journal, route, sink):
    journal.append("vt", page(item(1, name="unmappable"), item(2, name="dirty"), item(3)))
    (batch,) = drained(route, journal)
    assert (batch.delivered, batch.refused) == (1, 2)
    assert [(letter.seq, letter.by) for letter in batch.dead_letters] == [(1, "mapping"), (2, "format")]
    assert [message.id for message in sink.sent] == ["identity--1", "indicator--d3.example", "sighting--3"]


def test_the_first_notification_being_rejected_does_not_take_the_foundation_with_it(journal, route, sink):
    journal.append("vt", page(item(1, name="dirty")))
    drained(route, journal)
    journal.append("vt", page(item(2)))
    drained(route, journal)
    assert [message.id for message in sink.sent] == ["identity--1", "indicator--d2.example", "sighting--2"]


def test_what_the_sink_refuses_is_a_dead_letter_with_its_document_and_words(journal, route, sink):
    sink.refuse = {"sighting--2"}
    journal.append("vt", page(item(1), item(2)))
    (batch,) = drained(route, journal)
    (letter,) = batch.dead_letters
    assert (letter.seq, letter.by, letter.reason, letter.object_id) == (2, "sink", "no room", "sighting--2")
    assert orjson.loads(letter.document)["id"] == "sighting--2"
    assert (batch.delivered, batch.refused) == (1, 1)
    versions = journal.versions("out", ["sighting--1", "sighting--2"])
    assert [versions[key][0].sent for key in ("sighting--1", "sighting--2")] == [True, False]


def test_what_a_person_set_aside_is_passed_and_sent_by_a_retry_alone(journal, route, sink):
    journal.append("vt", page(item(1), item(2), item(3)))
    (_, bad, _) = journal.pending("out", ["vt"], 3)
    journal.set_aside("out", bad.seq, "x")
    (done,) = drained(route, journal)
    assert (done.delivered, done.refused) == (2, 1)
    (stored,) = journal.dead_letters()
    assert (stored.letter.by, stored.letter.notification_id) == ("person", "2")
    assert not any("d2.example" in str(message) for message in sink.sent)
    assert redeliver(route, journal, [bad]).delivered == 1
    assert list(journal.dead_letters()) == []


def test_what_the_filter_does_not_want_is_counted_and_passed(journal, route, sink):
    journal.append("vt", page(item(1, unwanted=True), item(2)))
    (batch,) = drained(route, journal)
    assert (batch.delivered, batch.filtered) == (1, 1)
    assert journal.status({"out": ("vt",)}).routes[0].backlog == 0


def test_an_item_without_an_id_is_kept_and_refused_with_the_reason(journal, route):
    journal.append("vt", page({"type": "domain", "id": "x.example"}))
    (batch,) = drained(route, journal)
    assert batch.dead_letters[0].by == "notification"
    assert "no notification id" in batch.dead_letters[0].reason


def test_converting_without_a_journal_gives_what_a_fresh_route_sends(journal, route, sink):
    bodies = [item(1), item(2), item(3) | {"id": "d1.example"}, item(4, name="dirty")]
    journal.append("vt", page(*bodies))
    drained(route, journal)
    conversions = list(convert([notification.read(body) for body in bodies], Domains()))
    assert [m.body for conversion in conversions for m in conversion.messages] == [m.body for m in sink.sent]
    assert conversions[3].refusal.by == "format"


def test_a_message_says_of_which_entry_it_is_and_when_that_was_raised():
    raised = timestamp(DATE + 1)
    (conversion,) = convert([notification.read(item(1))], Domains())
    messages = [(each.seq, each.id, each.time, each.version, each.dependency_level) for each in conversion.messages]
    assert messages == [
        (1, "identity--1", DATE + 1, None, 0),
        (1, "indicator--d1.example", DATE + 1, raised, 1),
        (1, "sighting--1", DATE + 1, raised, 2),
    ]
    assert orjson.loads(conversion.messages[1].body)["created"] == raised


def test_a_message_of_an_event_is_called_after_the_notification():
    events = SimpleNamespace(format=SimpleNamespace(encode=orjson.dumps), render=lambda view: [{"a": 1}])
    (conversion,) = convert([notification.read(item(1))], events)
    assert list(conversion.messages) == [Message(1, "1", b'{"a":1}', DATE + 1)]


class Halting(Sink):
    """Takes messages up to one that holds a word, says so, and fails there until it is told not to."""

    def __init__(self, word, error):
        super().__init__()
        self.word = word
        self.error = error
        self.dealt = {}

    def send(self, messages):
        for message in messages:
            if message in self.dealt:
                continue
            if self.error is not None and self.word in message.id:
                raise self.error
            self.sent.append(message)
            self.dealt[message] = message.id in self.refuse
        return [Refusal(message, "no room") for message in messages if self.dealt.pop(message)]

    def dealt_with(self, messages):
        return next((place for place, each in enumerate(messages) if each not in self.dealt), len(messages))


@pytest.mark.parametrize("error", [Unavailable("busy"), Misconfigured("no right to")])
def test_what_a_sink_had_dealt_with_before_it_had_to_stop_is_advanced_past(journal, error):
    sink = Halting("d5", error)
    route = Route("out", ("vt",), lambda _: True, Domains(), sink, batch=8)
    sink.refuse = {"sighting--2"}
    journal.append("vt", page(*(item(number) for number in range(1, 9))))
    delivery = Delivery(route, journal)
    done = delivery.step()
    assert (done.delivered, done.refused) == (3, 1)
    (state,) = journal.status({"out": ("vt",)}).routes
    assert (state.position, state.backlog) == (4, 4)
    for _ in range(2):
        with pytest.raises(type(error)):
            delivery.step()
    sink.error = None
    assert delivery.step().delivered == 4
    assert delivery.step() is None
    ids = [message.id for message in sink.sent]
    assert len(ids) == len(set(ids)) == 1 + 2 * 8
    assert [stored.letter.object_id for stored in journal.dead_letters()] == ["sighting--2"]


def test_a_sink_that_stops_at_the_first_notification_leaves_the_position(journal):
    sink = Halting("sighting--1", Unavailable("busy"))
    route = Route("out", ("vt",), lambda _: True, Domains(), sink, batch=8)
    journal.append("vt", page(item(1), item(2)))
    with pytest.raises(Unavailable):
        Delivery(route, journal).step()
    assert journal.status({"out": ("vt",)}).routes[0].position == 0


def test_the_position_waits_for_what_the_transport_may_still_lose(journal, route, sink):
    journal.append("vt", page(*(item(number) for number in range(1, 10))))
    delivery = Delivery(route, journal)

    def position():
        return journal.status({"out": ("vt",)}).routes[0].position

    sink.doubtful = 8
    positions = []
    while delivery.step():
        positions.append(position())
    # Three notifications a batch, two messages each (and the shared documents in the first): each is let go when eight
    # messages were sent after it.
    assert positions == [0, 0, 3]
    assert len({message.body for message in sink.sent}) == 1 + 2 * 9
    delivery.finish()
    assert position() == 9


def test_after_a_break_everything_unconfirmed_is_sent_again_byte_for_byte(journal, route, sink):
    journal.append("vt", page(*(item(number) for number in range(1, 7))))
    delivery = Delivery(route, journal)
    sink.doubtful = 100
    while delivery.step():
        pass
    first = [message.body for message in sink.sent]
    journal.append("vt", page(item(7)))
    sink.outage = Unavailable("the connection was cut")
    with pytest.raises(Unavailable):
        delivery.step()
    sink.outage = None
    sink.sent.clear()
    while delivery.step():
        pass
    assert [message.body for message in sink.sent][: len(first)] == first
    delivery.finish()
    assert journal.status({"out": ("vt",)}).routes[0].backlog == 0


def test_an_end_that_the_receiver_did_not_confirm_is_no_end(journal, route, sink):
    journal.append("vt", page(item(1)))
    delivery = Delivery(route, journal)
    sink.doubtful = 100
    delivery.step()
    sink.outage = Unavailable("no answer")
    with pytest.raises(Unavailable):
        delivery.finish()
    sink.outage = None
    assert delivery.step().delivered == 1


def sent_again(route, journal, sink, since=None):
    """What a replay from a time sends, in the order it is sent."""
    sink.sent.clear()
    rewind(route, journal, journal.positions_since("out", ("vt",), since))
    drained(route, journal)
    return [(message.id, message.body) for message in sink.sent]


def test_a_replay_from_the_start_sends_the_same_bytes_in_the_same_order(journal, route, sink):
    journal.append("vt", page(item(1), item(2), item(3) | {"id": "d1.example"}, item(4, unwanted=True), item(5)))
    drained(route, journal)
    first = [(message.id, message.body) for message in sink.sent]
    assert sent_again(route, journal, sink) == first
    assert sent_again(route, journal, sink, since=DATE + 99) == []
    assert journal.status({"out": ("vt",)}).routes[0].delivered == 2 * 4


def test_a_replay_sends_nothing_again_for_what_the_route_does_not_want(journal, route, sink):
    journal.append("vt", page(item(1), item(2, unwanted=True) | {"id": "d1.example"}))
    drained(route, journal)
    rewind(route, journal, {"vt": 1})
    drained(route, journal)
    sink.sent.clear()
    journal.append("vt", page(item(3) | {"id": "d1.example"}))
    drained(route, journal)
    assert "indicator--d1.example" not in [message.id for message in sink.sent]


def test_a_replay_from_the_middle_brings_what_earlier_entries_sent(journal, route, sink):
    journal.append("vt", page(item(1), item(2), item(3) | {"id": "d1.example"}))
    drained(route, journal)
    first = {message.id: message.body for message in sink.sent}

    replayed = dict(sent_again(route, journal, sink, since=DATE + 3))

    assert replayed == {name: first[name] for name in ("identity--1", "indicator--d1.example", "sighting--3")}
    # Entry 2 was not replayed, and what only it needs is not sent anew by what refers to it later.
    sink.sent.clear()
    journal.append("vt", page(item(9) | {"id": "d2.example"}))
    drained(route, journal)
    assert [message.id for message in sink.sent] == ["sighting--9"]


def test_a_replay_that_is_cut_off_goes_on_where_it_was(journal, route, sink):
    journal.append("vt", page(*(item(number) for number in range(1, 8))))
    drained(route, journal)
    first = [message.body for message in sink.sent]
    sink.sent.clear()
    assert rewind(route, journal, journal.positions_since("out", ("vt",), None)).pending == 7
    Delivery(route, journal).step()
    drained(route, journal)
    assert [message.body for message in sink.sent] == first


def test_retrying_sends_only_what_was_refused_and_clears_it(journal, route, sink):
    journal.append("vt", page(item(1), item(2)))
    sink.refuse = {"sighting--1"}
    drained(route, journal)
    (refused,) = [message.body for message in sink.sent if message.id == "sighting--1"]
    sink.sent.clear()
    sink.refuse = set()

    batch = redeliver(route, journal, journal.entries([1]))

    assert (batch.delivered, batch.refused, batch.messages) == (1, 0, 1)
    assert [message.body for message in sink.sent] == [refused]
    (standing,) = journal.status({"out": ("vt",)}).routes
    assert (standing.dead_letters, standing.delivered, standing.refused, standing.position) == (0, 2, 1, 2)
    assert redeliver(route, journal, journal.entries([1])).messages == 0


def test_what_is_refused_again_has_the_new_reason(journal, route, sink):
    journal.append("vt", page(item(1, name="unmappable")))
    drained(route, journal)
    before = list(journal.dead_letters())
    sink.refuse = {"sighting--1"}
    route.mapping.render = lambda view: Domains.render(route.mapping, view | {"entity": {}})

    batch = redeliver(route, journal, journal.entries([1]))

    assert batch.refused == 1
    assert [letter.letter.by for letter in before] == ["mapping"]
    (after,) = journal.dead_letters()
    assert (after.letter.by, after.letter.reason, after.letter.object_id) == ("sink", "no room", "sighting--1")


def test_an_outage_while_retrying_changes_nothing(journal, route, sink):
    journal.append("vt", page(item(1)))
    sink.refuse = {"sighting--1"}
    drained(route, journal)
    before = (list(journal.dead_letters()), journal.status({"out": ("vt",)}))
    sink.outage = Unavailable("down")
    with pytest.raises(Unavailable):
        redeliver(route, journal, journal.entries([1]))
    sink.outage = None
    assert (list(journal.dead_letters()), journal.status({"out": ("vt",)})) == before


def test_a_retry_counts_only_when_the_receiver_has_confirmed(journal, route, sink):
    journal.append("vt", page(item(1, name="unmappable")))
    drained(route, journal)
    route.mapping.render = lambda view: Domains.render(route.mapping, view | {"entity": {}})
    sink.finish = lambda: (_ for _ in ()).throw(Unavailable("cut off at the end"))
    with pytest.raises(Unavailable):
        redeliver(route, journal, journal.entries([1]))
    assert len(list(journal.dead_letters())) == 1


def test_a_retry_of_what_the_route_wants_no_more_sends_nothing(journal, route, sink):
    journal.append("vt", page(item(1)))
    sink.refuse = {"sighting--1"}
    drained(route, journal)
    sink.sent.clear()
    batch = redeliver(replace(route, wants=lambda _: False), journal, journal.entries([1]))
    assert (batch.filtered, batch.delivered, batch.refused, sink.sent) == (1, 0, 0, [])
    assert list(journal.dead_letters()) == []


def test_a_late_retry_does_not_take_back_what_a_later_notification_said(journal, route, sink):
    route.mapping.render = naming_after_the_note
    for bodies in ([item(1, note="old")], [item(2, note="lost", bad=1) | {"id": "d1.example"}]):
        journal.append("vt", page(*bodies))
        drained(route, journal)
    journal.append("vt", page(item(3, note="old") | {"id": "d1.example"}))  # unchanged: no version of its own
    drained(route, journal)
    sink.sent.clear()

    route.mapping.render = lambda view: naming_after_the_note(view | {"entity": view["entity"] | {"bad": 0}})
    redeliver(route, journal, journal.entries([2]))

    assert [message.id for message in sink.sent] == ["sighting--2"]
    assert list(journal.dead_letters()) == []


def test_what_was_sent_is_confirmed_before_a_retry_is_compared_with_it(journal, route, sink):
    route.mapping.render = naming_after_the_note
    journal.append("vt", page(item(1, note="old", bad=1)))
    delivery = Delivery(route, journal)
    assert delivery.step().refused == 1
    journal.append("vt", page(item(2, note="new") | {"id": "d1.example"}))
    sink.doubtful = 100
    delivery.step()
    sink.sent.clear()

    route.mapping.render = lambda view: naming_after_the_note(view | {"entity": view["entity"] | {"bad": 0}})
    assert journal.ask_retry([letter.id for letter in journal.dead_letters()]) == 1
    delivery.step()

    assert [message.id for message in sink.sent] == ["sighting--1"]
    assert journal.status({"out": ("vt",)}).routes[0].position == 2
    assert list(journal.dead_letters()) == []


def test_a_retry_says_what_no_later_notification_has_said(journal, route, sink):
    route.mapping.render = naming_after_the_note
    journal.append("vt", page(item(1, note="old"), item(2, note="new", bad=1) | {"id": "d1.example"}))
    drained(route, journal)
    sink.sent.clear()
    route.mapping.render = lambda view: naming_after_the_note(view | {"entity": view["entity"] | {"bad": 0}})
    redeliver(route, journal, journal.entries([2]))
    assert [message.id for message in sink.sent] == ["indicator--d1.example", "sighting--2"]
    assert b'"new"' in sink.sent[0].body


def naming_after_the_note(view):
    entity = view["entity"]
    if entity.get("bad"):
        raise Refused("nothing to map", by="mapping")
    indicator = {"id": f"indicator--{view['entity_value']}", "name": entity["note"]}
    return [indicator, {"id": f"sighting--{view['notification']['id']}", "name": "y"}]


def test_one_notification_is_sent_again_whole_and_the_position_stays(journal, route, sink):
    journal.append("vt", page(item(1), item(2), item(3)))
    drained(route, journal)
    first = {message.id: message.body for message in sink.sent}
    sink.sent.clear()

    batch = redeliver(route, journal, journal.entries([2]), again=True)

    assert {message.id: message.body for message in sink.sent} == {
        name: first[name] for name in ("identity--1", "indicator--d2.example", "sighting--2")
    }
    assert batch.messages == 3
    assert journal.status({"out": ("vt",)}).routes[0].position == 3
    assert redeliver(route, journal, journal.entries([2])).messages == 0


def test_what_is_refused_when_it_is_sent_again_can_be_retried(journal, route, sink):
    journal.append("vt", page(item(1)))
    drained(route, journal)
    sink.refuse = {"sighting--1"}
    assert redeliver(route, journal, journal.entries([1]), again=True).refused == 1
    sink.refuse = set()
    assert redeliver(route, journal, journal.entries([1])).messages == 1


def test_a_dead_letter_of_the_format_has_the_document_that_it_refused(journal, route):
    journal.append("vt", page(item(1, name="dirty")))
    (batch,) = drained(route, journal)
    (letter,) = batch.dead_letters
    document = orjson.loads(letter.document)
    assert (document["id"], document["name"]) == ("sighting--1", "dirty")


def test_a_dead_letter_has_the_document_that_was_refused_while_it_was_rendered(journal, route):
    def render(view):
        raise Refused("name: is dirty", by="format", document={"name": "dirty"})

    route.mapping.render = render
    journal.append("vt", page(item(1)))
    (batch,) = drained(route, journal)
    assert [letter.document for letter in batch.dead_letters] == [b'{"name":"dirty"}']


def test_a_dead_letter_names_its_notification_whoever_refused(journal, route, sink):
    sink.refuse = {"sighting--2"}
    journal.append("vt", page(item(1, name="unmappable"), item(2)))
    (batch,) = drained(route, journal)
    assert [(each.by, each.notification_id) for each in batch.dead_letters] == [("mapping", "1"), ("sink", "2")]


def test_a_document_that_no_json_can_say_is_refused_without_it(journal, route):
    journal.append("vt", page(item(1)))
    route.mapping.render = lambda view: [{"id": "indicator--1", "name": 2**70}]
    (batch,) = drained(route, journal)
    (letter,) = batch.dead_letters
    assert (letter.by, letter.document) == ("format", None)


class Events:
    def encode(self, document):
        return document["value"].encode()


class Values:
    """A mapping of events."""

    format = Events()

    def render(self, view):
        return [{"value": view["entity_value"]}]


class Refusing(Sink):
    """A receiver that refuses what `refuses` says, for the reason that this gives."""

    def __init__(self, refuses):
        super().__init__()
        self.refuses = refuses

    def send(self, messages):
        self.sent += messages
        reasons = [(message, self.refuses(message)) for message in messages]
        return [Refusal(message, reason) for message, reason in reasons if reason]


def licence(message):
    return f"licence exceeded: {message.seq} of 500 ({message.id})"


def everything(journal, mapping=Values, refuses=licence, batch=50, count=120):
    sink = Refusing(refuses)
    journal.append("vt", page(*(item(number) for number in range(1, count + 1))))
    return sink, Route("out", ("vt",), lambda _: True, mapping(), sink, batch=batch)


def known(journal):
    (route,) = journal.status({"out": ("vt",)}).routes
    return route


def test_a_receiver_that_refuses_everything_makes_no_dead_letters_and_is_tried_with_one(journal):
    sink, route = everything(journal)
    delivery = Delivery(route, journal)
    with pytest.raises(Misconfigured, match="refuses everything it is sent, with: licence exceeded"):
        delivery.step()
    assert len(sink.sent) == 50
    for _ in range(3):
        sink.sent.clear()
        with pytest.raises(Misconfigured):
            delivery.step()
        oldest, other = sink.sent
        assert oldest.body == b"d1.example"
        assert other.body != b"d1.example"
    assert (known(journal).backlog, known(journal).dead_letters, known(journal).refused) == (120, 0, 0)
    sink.refuses = lambda _: None
    sink.sent.clear()
    while delivery.step():
        pass
    assert sorted(message.id for message in sink.sent) == sorted(str(number) for number in range(1, 121))
    assert (known(journal).backlog, known(journal).dead_letters, known(journal).delivered) == (0, 0, 120)


def test_small_batches_that_are_refused_are_held_until_more_is_known(journal):
    """A row of 30 is not advanced past, in whatever batches it comes; a shorter one is, once something is accepted."""
    sink, route = everything(journal, batch=12)
    with pytest.raises(Misconfigured):
        Delivery(route, journal).step()
    assert len(sink.sent) == 12 + 10 + 10
    assert (known(journal).backlog, known(journal).dead_letters) == (120, 0)
    sink.refuses = lambda message: licence(message) if message.seq <= 25 else None
    batch = Delivery(route, journal).step()
    assert (batch.refused, batch.delivered) == (25, 7)
    assert (known(journal).backlog, known(journal).dead_letters) == (88, 25)


def test_objects_that_were_accepted_before_their_turn_are_not_sent_twice(journal):
    sink, route = everything(journal, Domains, lambda _: "licence exceeded")
    delivery = Delivery(route, journal)
    with pytest.raises(Misconfigured):
        delivery.step()
    sink.refuses = lambda _: None
    sink.sent.clear()
    while delivery.step():
        pass
    assert len({message.id for message in sink.sent}) == len(sink.sent) == 1 + 2 * 120
    assert (known(journal).backlog, known(journal).dead_letters, known(journal).delivered) == (0, 0, 120)


def test_the_next_run_begins_with_one_message(journal):
    sink, route = everything(journal)
    first = Delivery(route, journal)
    with pytest.raises(Misconfigured):
        first.step()
    sink.sent.clear()
    second = Delivery(route, journal)
    second.streak.restore(first.streak.as_json())
    with pytest.raises(Misconfigured):
        second.step()
    assert len(sink.sent) == 2


def test_what_is_refused_for_reasons_of_its_own_becomes_dead_letters_as_before(journal):
    _, route = everything(journal, refuses=lambda message: f"the value {message.body.decode().replace('1', 'x')}")
    while Delivery(route, journal).step():
        pass
    assert (known(journal).backlog, known(journal).dead_letters) == (0, 120)


def test_what_is_refused_beside_what_is_accepted_becomes_dead_letters_as_before(journal):
    _, route = everything(journal, refuses=lambda message: "invalid" if message.seq % 40 else None)
    delivery = Delivery(route, journal)
    while delivery.step():
        pass
    assert (known(journal).backlog, known(journal).dead_letters, known(journal).delivered) == (0, 117, 3)


def test_a_slow_stream_of_refused_ones_holds_up_no_good_one_for_long(journal):
    """29 refused ones, one at a time, are dead letters; from the 30th on it is blocked, until the first good one."""
    sink, route = everything(journal, refuses=lambda message: "invalid" if message.seq <= 35 else None, count=0)
    delivery = Delivery(route, journal)
    for number in range(1, 30):
        journal.append("vt", page(item(number)))
        assert delivery.step().refused == 1
    assert (known(journal).backlog, known(journal).dead_letters) == (0, 29)
    for number in range(30, 36):
        journal.append("vt", page(item(number)))
        with pytest.raises(Misconfigured):
            delivery.step()
    journal.append("vt", page(item(36), *(item(number) for number in range(37, 400))))
    tries = 0
    while known(journal).backlog and tries < 20:
        tries += 1
        with suppress(Misconfigured):
            while delivery.step():
                pass
    assert (known(journal).backlog, known(journal).dead_letters, known(journal).delivered) == (0, 35, 364)
    assert [message.seq for message in sink.sent].count(36) == 1


def test_a_streak_is_broken_by_what_is_accepted_or_refused_for_another_reason():
    streak = RefusedStreak()
    assert not streak.count(BatchOutcome(3, 0, [], 0, 0))
    letters = [DeadLetter(seq, "sink", f"no {seq}") for seq in range(29)]
    assert streak.count(BatchOutcome(0, 0, letters, 29, 0))
    assert not streak.is_everything
    assert streak.count(BatchOutcome(0, 0, letters[:1], 1, 0))
    assert streak.is_everything
    assert streak.count(BatchOutcome(0, 0, [DeadLetter(1, "sink", "another")], 1, 0))
    assert not streak.is_everything
    assert not streak.count(BatchOutcome(0, 0, [DeadLetter(1, "sink", "another")], 1, 1))
    assert streak.as_json() == {"reason": "", "notifications": 0}


@pytest.mark.parametrize(
    "reason",
    [
        "indicator--5f2c1f3e-7c8e-4c8e-9d2b-8a6a9d1f0c11 is not wanted",
        "line 7, column 12",
        "5F2C1F3E-7C8E-4C8E-9D2B-8A6A9D1F0C11: 500 licence exceeded",
        "d41d8cd98f00b204e9800998ecf8427e is too old",
    ],
)
def test_the_kind_of_a_reason_has_no_ids_and_numbers(reason):
    assert "#" in kind(reason)
    assert not set("0123456789") & set(kind(reason))
    assert kind(reason) == kind(reason.replace("5", "6").replace("d41d", "e42e"))


def test_the_log_has_a_reason_at_once_and_its_repeats_as_a_count(monkeypatch):
    said, now = [], [0.0]
    monkeypatch.setattr(
        "connector.telemetry.logger", lambda: SimpleNamespace(error=lambda event, **rest: said.append((event, rest)))
    )
    monkeypatch.setattr("connector.pipeline.refusal_log.time.monotonic", lambda: now[0])
    log = RefusalLog("out")
    for start in range(0, 5000, 500):
        log.tell([DeadLetter(seq, "sink", f"full: {seq}") for seq in range(start, start + 500)])
        log.sum_up()
    log.tell([DeadLetter(1, "format", "full: 1")])
    assert [(event, rest["by"]) for event, rest in said] == [("refused", "sink"), ("refused", "format")]
    now[0] = 601.0
    log.sum_up()
    assert (said[2][0], said[2][1]["times"], said[2][1]["reason"]) == ("refused_again", 4999, "full: 0")
    log.tell([DeadLetter(1, "sink", "full: 1"), DeadLetter(1, "format", "full: 1")])
    log.sum_up(at_end=True)
    assert [(event, rest.get("times")) for event, rest in said[3:]] == [("refused", None), ("refused_again", 1)]


def test_what_is_met_damaged_is_asked_for_again_and_what_a_person_has_set_aside_is_not(journal, route, tmp_path):
    journal.append("vt", page(*(item(number) for number in (1, 2, 3))))
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute("UPDATE notifications SET body = x'00' WHERE seq < 3")
    journal.set_aside("out", 1, "enough")
    drained(route, journal)
    assert [entry.seq for entry in journal.to_retry("vt", 9)] == [2]
    assert [(each.letter.seq, each.letter.by) for each in journal.dead_letters("out")] == [
        (1, "person"),
        (2, "notification"),
    ]


def test_what_is_mended_while_the_route_is_at_its_batch_is_delivered(journal, route, sink, tmp_path):
    journal.append("vt", page(*(item(number) for number in (1, 2))))
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute("UPDATE notifications SET body = x'00' WHERE seq = 1")
    send = sink.send

    def mended_meanwhile(messages):
        if not journal.entries([1])[0].damaged:
            return send(messages)
        assert journal.mend("vt", 1, notification.read(item(1)))
        journal.record_redelivery("vt", Redelivery([1], 1, 0, 0))
        return send(messages)

    sink.send = mended_meanwhile
    drained(route, journal)
    assert list(journal.dead_letters()) == []
    assert journal.to_retry("vt", 9) == []


def test_what_is_met_damaged_by_a_redelivery_is_asked_for_again(journal, route, tmp_path):
    journal.append("vt", page(item(1)))
    drained(route, journal)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute("UPDATE notifications SET body = x'00'")
    redeliver(route, journal, journal.entries([1]))
    assert [entry.seq for entry in journal.to_retry("vt", 9)] == [1]


def test_what_is_refused_whole_and_is_not_damaged_is_not_asked_for_again(journal, route):
    journal.append("vt", page(item(1) | {"context_attributes": {"notification_id": "1"}}))
    drained(route, journal)
    assert [each.letter.by for each in journal.dead_letters("out")] == ["notification"]
    assert journal.to_retry("vt", 9) == []
