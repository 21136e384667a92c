"""What is let through later is said then: what a judgement no longer withholds, what a look-up has made wanted."""

import pytest
from pipeline_receivers import START, deliver, route_into

from connector import configuration
from connector.model import Judged, Judgement, LookUp, Subject
from connector.pipeline.redeliver import rewind

HOST = "bad.example"
MALICIOUS = {"gti_assessment": {"verdict": {"value": "VERDICT_MALICIOUS"}, "threat_score": {"value": 90}}}
BENIGN = {"gti_assessment": {"verdict": {"value": "VERDICT_BENIGN"}, "threat_score": {"value": 0}}}
OURS = "notification.sources[0].attributes.name == 'ours'"


def match(number, rule="ra", attributes=MALICIOUS):
    said = {"notification_id": str(number), "notification_date": START + number * 900, "origin": "hunting"}
    said |= {"hunting_info": {"rule_name": rule}, "sources": [{"type": "collection", "id": "c--1"}]}
    return {"type": "domain", "id": HOST, "attributes": attributes, "context_attributes": said}


def judge(journal, kind, value, verdict):
    journal.judge(Judgement(Judged(kind, value), verdict, "ana", ""))


def learn(journal, name):
    attributes = {"name": name, "collection_type": "report"}
    answer = LookUp(Subject("collection", "c--1"), "known", START, START * 2, attributes, name.encode())
    assert journal.learn("vt", answer)


def states(sink):
    """Of each Indicator that the receiver has: whether its newest version is revoked."""
    newest = {}
    for document in sink.taken():
        if document["type"] == "indicator":
            newest[document["id"]] = document.get("revoked", False)
    return newest


@pytest.fixture
def both_judged(stix, journal, sink):
    """Two matches of a domain, each judged wrong by its rule, one after the other."""
    deliver(stix, journal, match(1), match(2, rule="rb"))
    judge(journal, "rule", "ra", "false_positive")
    deliver(stix, journal)
    assert list(states(sink).values()) == [False]
    judge(journal, "rule", "rb", "false_positive")
    deliver(stix, journal)
    assert list(states(sink).values()) == [True]
    return stix


@pytest.mark.parametrize("rule", ["ra", "rb"])
def test_what_one_of_two_says_stands_again_once_it_is_not_judged_wrong(both_judged, journal, sink, rule):
    judge(journal, "rule", rule, "none")
    deliver(both_judged, journal)
    assert list(states(sink).values()) == [False]
    assert deliver(both_judged, journal) is None


@pytest.mark.parametrize("rule", ["ra", "rb"])
def test_what_stands_again_is_taken_back_once_both_are_judged_wrong_again(both_judged, journal, sink, rule):
    judge(journal, "rule", rule, "none")
    deliver(both_judged, journal)
    (again,) = states(sink)
    judge(journal, "rule", rule, "false_positive")
    deliver(both_judged, journal)
    assert states(sink) == {again: True}


def test_what_stands_again_is_taken_back_by_a_later_match_that_is_benign(both_judged, journal, sink):
    judge(journal, "rule", "ra", "none")
    deliver(both_judged, journal)
    (again,) = states(sink)
    deliver(both_judged, journal, match(3, "rc", BENIGN))
    assert states(sink)[again] is True


def test_a_replay_of_what_stands_again_leaves_it_in_force(both_judged, journal, sink):
    judge(journal, "rule", "ra", "none")
    deliver(both_judged, journal)
    (again,) = states(sink)
    rewind(both_judged, journal, {"vt": 0, "other": 0})
    deliver(both_judged, journal)
    assert not states(sink).get(again, False)


def test_what_a_later_match_has_ended_does_not_stand_again(both_judged, journal, sink):
    deliver(both_judged, journal, match(3, "rc", BENIGN))
    sink.taken()
    judge(journal, "rule", "ra", "none")
    deliver(both_judged, journal)
    assert False not in states(sink).values()


def test_an_event_says_again_what_is_not_judged_wrong_any_more(cef, journal, sink):
    deliver(cef, journal, match(1), match(2, rule="rb"))
    judge(journal, "rule", "ra", "false_positive")
    judge(journal, "rule", "rb", "false_positive")
    deliver(cef, journal)
    assert sink.events()[-1][0] == "withdrawn:domain"
    judge(journal, "rule", "ra", "none")
    deliver(cef, journal)
    assert sink.events() == [("hunting:domain", "1")]


@pytest.mark.parametrize("using", ["cef", "leef", "ecs"])
def test_a_match_that_passes_only_after_a_look_up_is_delivered_then_and_once(journal, sink, using):
    route = route_into(sink, using, wants=OURS)
    deliver(route, journal, match(1))
    assert sink.sent == []
    learn(journal, "ours")
    done = deliver(route, journal)
    assert (done.delivered, done.filtered, done.refused) == (1, 0, 0)
    assert [message.id for message in sink.sent] == ["1"]
    assert deliver(route, journal) is None


def test_an_event_that_was_delivered_is_not_sent_again_after_a_look_up(cef, journal, sink):
    deliver(cef, journal, match(1))
    sink.events()
    learn(journal, "ours")
    deliver(cef, journal)
    assert sink.events() == []


def test_a_match_that_a_look_up_has_not_made_wanted_waits_for_the_next(journal, sink):
    route = route_into(sink, "cef", wants=OURS)
    deliver(route, journal, match(1))
    for name in ("theirs", "ours"):
        assert sink.events() == []
        learn(journal, name)
        deliver(route, journal)
    assert sink.events() == [("hunting:domain", "1")]


def test_what_a_condition_turns_away_is_not_counted_as_muted(journal, sink):
    deliver(route_into(sink, "cef", wants=OURS), journal, match(1))
    assert [each.muted for each in journal.status({"out": ("vt", "other")}).routes] == [0]


def test_a_mapping_without_claims_delivers_what_passes_only_after_a_look_up(journal, sink, tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("format: json\nemit:\n  one:\n    value: ${{ entity_value }}\n")
    route = route_into(sink, configuration.load_mapping(file, None), wants=OURS)
    deliver(route, journal, match(1))
    learn(journal, "ours")
    deliver(route, journal)
    assert sink.taken() == [{"value": HOST}]
