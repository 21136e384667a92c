"""A match judged wrong while another stands is taken back alone; what takes all back names all that was sent."""

import orjson
import pytest
from pipeline_receivers import START, deliver, route_into

from connector.model import Judged, Judgement, Unavailable
from connector.pipeline.deliver import Delivery
from connector.pipeline.redeliver import rewind

MALICIOUS, BENIGN = "VERDICT_MALICIOUS", "VERDICT_BENIGN"
FIRST = Judged("notification", "1")
ALONE = [FIRST, Judged("rule", "noisy")]


def match(number, rule="noisy", domain="bad.example", verdict=MALICIOUS):
    said = {"notification_id": str(number), "notification_date": START + number * 900, "origin": "hunting"}
    said |= {"hunting_info": {"rule_name": rule}, "sources": []}
    attributes = {"gti_assessment": {"verdict": {"value": verdict}}}
    return {"type": "domain", "id": domain, "attributes": attributes, "context_attributes": said}


def judge(journal, judged, verdict="false_positive", note=""):
    journal.judge(Judgement(judged, verdict, "ana", note))


def of_type(documents, kind):
    return [each for each in documents if each["type"] == kind]


@pytest.mark.parametrize("judged", ALONE)
def test_stix_gets_an_opinion_on_what_that_match_said_and_the_indicator_stays(journal, stix, sink, judged):
    deliver(stix, journal, match(1), match(2, "other"))
    sent = sink.taken()
    ((sighting, _), (indicator,)) = of_type(sent, "sighting"), of_type(sent, "indicator")
    judge(journal, judged, note="only this")
    deliver(stix, journal)
    (opinion,) = sink.taken()
    assert (opinion["opinion"], opinion["object_refs"]) == ("strongly-disagree", [sighting["id"]])
    assert (opinion["explanation"], opinion["authors"]) == ("only this", ["ana"])
    assert deliver(stix, journal) is None
    judge(journal, judged, "none")
    deliver(stix, journal)
    (over,) = sink.taken()
    assert (over["id"], over["opinion"]) == (opinion["id"], "neutral")
    judge(journal, Judged("observable", "bad.example"))
    deliver(stix, journal)
    assert {each["object_refs"][0] for each in of_type(sink.taken(), "opinion")} == {indicator["id"]}


@pytest.mark.parametrize("judged", ALONE)
@pytest.mark.parametrize("verdict", ["false_positive", "benign"])
def test_receivers_of_events_get_one_that_names_that_match(journal, cef, sink, judged, verdict):
    deliver(cef, journal, match(1), match(2, "other"))
    sink.events()
    judge(journal, judged, verdict)
    deliver(cef, journal)
    (message,) = sink.sent
    assert b"externalId=1 " in message.body
    assert b"One match of a domain is taken back, others stand" in message.body
    assert sink.events() == [("withdrawn-match:domain", "1")]
    assert journal.status({"out": ["vt"]}).routes[0].muted == 1
    assert deliver(cef, journal) is None
    judge(journal, judged, "none")
    deliver(cef, journal)
    assert sink.events() == [("hunting:domain", "1")]


@pytest.mark.parametrize(
    ("using", "says"),
    [
        ("leef", b"withdrawn-match:domain"),
        ("ecs", b'"action":"match-withdrawn"'),
        ("ocsf", b'"withdrawn_of":"match"'),
        ("splunk-hec", b'"action":"match-withdrawn"'),
    ],
)
def test_each_format_tells_it_from_what_takes_all_back(journal, sink, using, says):
    route = route_into(sink, using)
    deliver(route, journal, match(1), match(2, "other"))
    sink.sent.clear()
    judge(journal, FIRST)
    deliver(route, journal)
    (message,) = sink.sent
    assert (message.id, says in message.body) == ("1", True)


def test_a_format_that_tells_of_observables_alone_says_nothing_while_another_match_stands(journal, sink):
    route = route_into(sink, "udm")
    deliver(route, journal, match(1), match(2, "other"))
    sink.sent.clear()
    judge(journal, FIRST)
    deliver(route, journal)
    assert sink.sent == []


@pytest.mark.parametrize("using", ["stix21", "cef"])
def test_nothing_is_said_of_a_match_that_was_not_delivered(journal, sink, using):
    route = route_into(sink, using)
    deliver(route, journal, match(2, "other"))
    judge(journal, Judged("rule", "noisy"))
    deliver(route, journal, match(3))
    sink.sent.clear()
    judge(journal, Judged("notification", "3"))
    deliver(route, journal)
    assert sink.sent == []


def test_no_opinion_is_over_where_none_was_sent(journal, stix, sink):
    judge(journal, FIRST)
    judge(journal, Judged("rule", "noisy"))
    judge(journal, Judged("notification", "2"), "true_positive")
    for judged in (FIRST, Judged("rule", "noisy"), Judged("notification", "2")):
        judge(journal, judged, "none")
    deliver(stix, journal, match(1), match(2, "other"))
    assert of_type(sink.taken(), "opinion") == []


def test_an_outage_has_it_sent_once_more(journal, cef, sink):
    deliver(cef, journal, match(1), match(2, "other"))
    sink.events()
    judge(journal, FIRST)
    sink.outage = True
    with pytest.raises(Unavailable):
        Delivery(cef, journal).step()
    sink.outage = False
    deliver(cef, journal)
    assert sink.events() == [("withdrawn-match:domain", "1")]


def test_a_replay_does_not_deliver_it(journal, cef, sink):
    deliver(cef, journal, match(1, "other"), match(2))
    judge(journal, Judged("notification", "2"))
    deliver(cef, journal)
    sink.events()
    rewind(cef, journal, {"vt": 0})
    deliver(cef, journal)
    assert sink.events() == [("hunting:domain", "1")]


NAMES = {
    "cef": lambda body: body.decode().split("WithdrawnNotifications=")[1].split(" ")[0].split(","),
    "leef": lambda body: body.decode().split("withdrawnNotifications=")[1].split("^")[0].split(","),
    "ecs": lambda body: orjson.loads(body)["virustotal"]["ioc_stream"]["withdrawn_notifications"],
    "ocsf": lambda body: orjson.loads(body)["unmapped"]["withdrawn_notifications"],
    "udm": lambda body: [
        each["value"]
        for each in orjson.loads(body)["metadata"]["threat"][0]["detection_fields"]
        if each["key"] == "withdrawn_notification"
    ],
    "splunk-hec": lambda body: orjson.loads(body)["event"]["withdrawn_notifications"],
}


@pytest.mark.parametrize("using", NAMES)
@pytest.mark.parametrize("ends", ["verdict", "judgement"])
def test_what_takes_all_back_names_all_matches_that_were_delivered(journal, sink, using, ends):
    route = route_into(sink, using)
    deliver(route, journal, match(1), match(2, domain="else.example"), match(3, verdict=BENIGN))
    deliver(route, journal, match(4), match(5))
    judge(journal, Judged("notification", "6"))
    deliver(route, journal, match(6), match(7, "other"))
    sink.sent.clear()
    if ends == "verdict":
        deliver(route, journal, match(8, verdict=BENIGN))
    else:
        judge(journal, Judged("observable", "bad.example"))
        deliver(route, journal)
    message = sink.sent[-1]
    assert NAMES[using](message.body) == ["7", "5", "4"]  # 1 was taken back before, 6 was muted
