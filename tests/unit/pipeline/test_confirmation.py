"""What an analyst judges true after a receiver of events has it is told to that receiver, once."""

import pytest
from pipeline_receivers import START, deliver, route_into

from connector import configuration
from connector.model import Judged, Judgement, LookUp, Subject

HOST = Judged("observable", "bad.example")


def match(number, domain="bad.example", rule="phish"):
    said = {"notification_id": str(number), "notification_date": START + number * 900, "origin": "hunting"}
    said |= {"hunting_info": {"rule_name": rule}, "sources": []}
    attributes = {"gti_assessment": {"verdict": {"value": "VERDICT_MALICIOUS"}}}
    return {"type": "domain", "id": domain, "attributes": attributes, "context_attributes": said}


def judge(journal, judged=HOST, verdict="true_positive", note=""):
    journal.judge(Judgement(judged, verdict, "ana", note))


def test_a_receiver_of_events_is_told_who_judged_it_true_when_and_why(journal, cef, sink):
    deliver(cef, journal, match(1))
    sink.events()
    judge(journal, note="seen\nin our mail")

    done = deliver(cef, journal)

    (message,) = sink.sent
    assert b"|confirmed:domain|Confirmed: a domain|" in message.body
    assert b"VirusTotalIoCStreamJudgedBy=ana " in message.body
    assert b"VirusTotalIoCStreamJudgementNote=seen in our mail " in message.body
    assert b"VirusTotalIoCStreamJudgedAt=2025-10-10T08:53:20.000Z " in message.body
    assert (done.messages, done.delivered, done.withdrawn) == (1, 0, 0)
    assert deliver(cef, journal) is None


def test_of_an_observable_it_is_told_once_with_its_last_match(journal, cef, sink):
    deliver(cef, journal, match(1), match(2), match(3, "worse.example"))
    sink.events()
    judge(journal)
    deliver(cef, journal)
    assert sink.events() == [("confirmed:domain", "2")]


@pytest.mark.parametrize("judged", [Judged("notification", "1"), Judged("rule", "phish")])
def test_of_a_match_or_a_rule_it_is_told_of_each_match(journal, cef, sink, judged):
    deliver(cef, journal, match(1), match(2, rule="other"))
    sink.events()
    judge(journal, judged)
    deliver(cef, journal)
    assert sink.events() == [("confirmed:domain", "1")]


def test_what_comes_later_is_one_event_that_has_the_judgement_in_it(journal, cef, sink):
    judge(journal)
    deliver(cef, journal, match(1))
    (message,) = sink.sent
    assert b"VirusTotalIoCStreamJudgement=true_positive " in message.body
    assert sink.events() == [("hunting:domain", "1")]
    assert deliver(cef, journal) is None


def test_what_is_learned_later_of_what_was_judged_true_is_not_told_again(journal, cef, sink, clock):
    deliver(cef, journal, match(1))
    judge(journal)
    deliver(cef, journal)
    sink.events()
    more = {"gti_assessment": {"verdict": {"value": "VERDICT_MALICIOUS"}, "threat_score": {"value": 90}}}
    journal.learn(
        "vt", LookUp(Subject("domain", "bad.example"), "known", int(clock.now), int(clock.now), more, digest=b"1" * 16)
    )
    deliver(cef, journal)
    assert sink.events() == []


def test_what_else_is_judged_later_does_not_confirm_it_again(journal, cef, sink):
    deliver(cef, journal, match(1))
    judge(journal, Judged("notification", "1"))
    deliver(cef, journal)
    sink.events()
    judge(journal, Judged("rule", "phish"), "false_positive")
    deliver(cef, journal)
    assert sink.events() == []


def test_what_was_withdrawn_and_is_judged_true_is_said_again_and_not_confirmed_too(journal, cef, sink):
    deliver(cef, journal, match(1))
    judge(journal, verdict="false_positive")
    deliver(cef, journal)
    sink.events()
    judge(journal)
    deliver(cef, journal)
    assert sink.events() == [("hunting:domain", "1")]


def test_a_route_that_waits_for_a_judgement_delivers_what_is_judged_true(journal, sink):
    waiting = route_into(sink, "cef", wants="judgement.verdict == 'true_positive'")
    deliver(waiting, journal, match(1))
    assert sink.events() == []
    judge(journal)
    deliver(waiting, journal)
    assert sink.events() == [("hunting:domain", "1")]
    assert deliver(waiting, journal) is None


def test_a_mapping_that_says_nothing_of_judgements_sends_nothing(journal, sink, tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(
        "format: json\nclaim: '`true`'\nemit:\n  one:\n    value: ${{ entity_value }}\n"
        "withdraw:\n  gone:\n    value: ${{ entity_value }}\n    gone: true\n"
    )
    own = route_into(sink, configuration.load_mapping(file, None))
    deliver(own, journal, match(1))
    sink.taken()
    judge(journal)
    deliver(own, journal)
    assert sink.taken() == []


def test_receivers_of_stix_get_an_opinion_and_no_event(journal, stix, sink):
    deliver(stix, journal, match(1))
    sink.taken()
    judge(journal)
    deliver(stix, journal)
    assert [each["type"] for each in sink.taken()] == ["opinion"]
