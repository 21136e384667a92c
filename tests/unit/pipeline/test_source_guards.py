"""A known-good list of one source is for what that source says; one of the route or of all is for what any says."""

from dataclasses import replace

import pytest
from pipeline_receivers import START, deliver, route_into

from connector.guards.guards import GuardBook
from connector.pipeline.redeliver import redeliver, rewind
from connector.pipeline.route import Tenant
from connector.settings.guards import GuardSettings


def match(number, verdict="VERDICT_MALICIOUS"):
    said = {"notification_id": str(number), "notification_date": START + number * 900, "origin": "hunting"}
    attributes = {"gti_assessment": {"verdict": {"value": verdict}}}
    return {"type": "domain", "id": "shared.example", "attributes": attributes, "context_attributes": said}


@pytest.fixture
def shared(tmp_path):
    (tmp_path / "shared.txt").write_text("shared.example\n")
    return GuardSettings(lists=[str(tmp_path / "shared.txt")])


def guarded(route, book):
    def tenant(name):
        return Tenant({"name": name, "labels": {}}, route.mapping, book.of(route.name, name))

    return replace(route, tenants={name: tenant(name) for name in route.sources})


def indicators(documents):
    return [(each["id"], each.get("revoked", False)) for each in documents if each["type"] == "indicator"]


def test_what_one_source_says_stays_when_a_list_guards_it_for_another(journal, stix, sink, shared):
    out = guarded(stix, GuardBook(sources={"other": shared}))
    deliver(out, journal, match(1))
    ((first, _),) = indicators(sink.taken())
    for number in (2, 4):
        done = deliver(out, journal, match(number), source="other")
        assert (done.withdrawn, done.filtered, sink.taken()) == (0, 1, [])
        deliver(out, journal, match(number + 1))
        assert {each[0] for each in indicators(sink.taken())} <= {first}


def test_receivers_of_events_are_not_told_that_it_is_withdrawn_either(journal, sink, shared):
    out = guarded(route_into(sink, "cef"), GuardBook(sources={"other": shared}))
    deliver(out, journal, match(1))
    deliver(out, journal, match(2), source="other")
    assert sink.events() == [("hunting:domain", "1")]


@pytest.mark.parametrize("of", ["everywhere", "route"])
def test_a_list_of_the_route_or_of_all_takes_back_what_any_source_has_said(journal, stix, sink, shared, of):
    deliver(stix, journal, match(1))
    ((first, _),) = indicators(sink.taken())
    book = GuardBook(shared) if of == "everywhere" else GuardBook(routes={"out": shared})
    assert deliver(guarded(stix, book), journal, match(2), source="other").withdrawn == 1
    assert indicators(sink.taken()) == [(first, True)]


def test_a_list_of_a_source_takes_back_what_only_that_source_has_said(journal, stix, sink, shared):
    deliver(stix, journal, match(1), source="other")
    ((first, _),) = indicators(sink.taken())
    out = guarded(stix, GuardBook(sources={"other": shared}))
    assert deliver(out, journal, match(2), source="other").withdrawn == 1
    assert indicators(sink.taken()) == [(first, True)]


def test_what_another_source_had_said_before_that_was_ended_does_not_keep_it(journal, stix, sink, shared):
    deliver(stix, journal, match(1))
    deliver(stix, journal, match(2, verdict="VERDICT_BENIGN"))
    deliver(stix, journal, match(3), source="other")
    sink.taken()
    out = guarded(stix, GuardBook(sources={"other": shared}))
    assert deliver(out, journal, match(4), source="other").withdrawn == 1


def test_a_verdict_that_turns_is_told_even_by_a_source_that_a_list_guards(journal, stix, sink, shared):
    out = guarded(stix, GuardBook(sources={"other": shared}))
    deliver(out, journal, match(1))
    ((first, _),) = indicators(sink.taken())
    assert deliver(out, journal, match(2, verdict="VERDICT_BENIGN"), source="other").withdrawn == 1
    assert indicators(sink.taken()) == [(first, True)]


def test_a_replay_sends_the_same_and_takes_nothing_back(journal, stix, sink, shared):
    out = guarded(stix, GuardBook(sources={"other": shared}))
    deliver(out, journal, match(1))
    deliver(out, journal, match(2), source="other")
    sent = sink.taken()
    rewind(out, journal, {"vt": 0, "other": 0})
    deliver(out, journal)
    assert sink.taken() == sent


def test_what_was_refused_is_delivered_later_whatever_a_list_guards_for_another_source(journal, stix, sink, shared):
    out = guarded(stix, GuardBook(sources={"other": shared}))
    sink.refuse = lambda message: message.id.startswith("indicator--")
    deliver(out, journal, match(1))
    deliver(out, journal, match(2), source="other")
    sink.refuse = lambda message: False
    sink.taken()
    redeliver(out, journal, journal.entries([1]))
    assert [revoked for _, revoked in indicators(sink.taken())] == [False]
