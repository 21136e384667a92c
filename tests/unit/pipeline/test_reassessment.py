"""What a look-up makes of a match that was delivered reaches receivers of events: once for each change of meaning."""

import orjson
import pytest
from pipeline_receivers import START, deliver, route_into

from connector import notification
from connector.model import Ahead, LookUp, Page, Subject, Unavailable
from connector.pipeline.redeliver import rewind

MALICIOUS, SUSPICIOUS, UNDETECTED, BENIGN = (
    f"VERDICT_{verdict}" for verdict in ("MALICIOUS", "SUSPICIOUS", "UNDETECTED", "BENIGN")
)
EVENTS = ["cef", "leef", "ecs", "ocsf", "udm", "splunk-hec"]
FILE = "a" * 64


def attributes(verdict, severity="SEVERITY_LOW", score=1, **more):
    assessment = {"verdict": {"value": verdict}, "severity": {"value": severity}, "threat_score": {"value": score}}
    return {"gti_assessment": assessment, **more}


def store(journal, number, known, rule="phish"):
    said = {"notification_id": str(number), "notification_date": START + number * 900, "origin": "hunting"}
    said |= {"hunting_info": {"rule_name": rule}, "sources": []}
    body = {"type": "file", "id": FILE, "attributes": known, "context_attributes": said}
    journal.append("vt", Page([notification.read(body)], None, looks_up=Ahead(3600)))


def learn(journal, known):
    journal.learn("vt", LookUp(Subject("file", FILE), "known", START, START + 9_000_000, known, orjson.dumps(known)))


def taken(sink):
    found, sink.sent = sink.sent, []
    return [(each.id, each.body.decode()) for each in found]


def kinds(sink):
    """Class id of each CEF event, with its notification."""
    return [(body.split("|")[4], number) for number, body in taken(sink)]


@pytest.mark.parametrize("using", EVENTS)
def test_a_verdict_that_rises_reaches_the_receiver_once(journal, sink, using):
    out = route_into(sink, using)
    store(journal, 1, attributes(UNDETECTED))
    deliver(out, journal)
    ((_, first),) = taken(sink)
    learn(journal, attributes(MALICIOUS, "SEVERITY_HIGH", 90))
    deliver(out, journal)
    ((number, said),) = taken(sink)
    assert number == "1"
    assert said != first
    assert {"cef": "|reassessed:file|", "leef": "cat=reassessed", "ecs": '"indicator-reassessed"'}.get(
        using, ""
    ) in said
    assert "undetected" in said.lower()
    assert "malicious" in said.lower()
    learn(journal, attributes(MALICIOUS, "SEVERITY_HIGH", 50))
    learn(journal, attributes(MALICIOUS, "SEVERITY_HIGH", 50, tags=["new"]))
    deliver(out, journal)
    assert taken(sink) == []


def test_each_change_of_meaning_is_told_with_what_was_told_before(journal, cef, sink):
    store(journal, 1, attributes(UNDETECTED))
    deliver(cef, journal)
    taken(sink)
    told = []
    for verdict, severity in (
        (SUSPICIOUS, "SEVERITY_LOW"),
        (MALICIOUS, "SEVERITY_LOW"),
        (MALICIOUS, "SEVERITY_HIGH"),
        (UNDETECTED, "SEVERITY_LOW"),
        (MALICIOUS, "SEVERITY_HIGH"),
    ):
        learn(journal, attributes(verdict, severity))
        deliver(cef, journal)
        ((_, said),) = taken(sink)
        told.append(
            [said.partition(f"VirusTotalIoCStreamFormer{each}=")[2].split(" ")[0] for each in ("Verdict", "Severity")]
        )
    assert told == [
        ["undetected", "low"],
        ["suspicious", "low"],
        ["malicious", "low"],
        ["malicious", "high"],
        ["undetected", "low"],
    ]


def test_the_last_match_of_several_tells_it(journal, cef, sink):
    for number in (1, 2, 3):
        store(journal, number, attributes(UNDETECTED))
    deliver(cef, journal)
    taken(sink)
    learn(journal, attributes(MALICIOUS))
    deliver(cef, journal)
    assert kinds(sink) == [("reassessed:file", "3")]


def test_what_a_later_match_has_told_itself_is_told_no_more(journal, cef, sink):
    store(journal, 1, attributes(UNDETECTED))
    store(journal, 2, attributes(MALICIOUS, score=10))
    deliver(cef, journal)
    taken(sink)
    learn(journal, attributes(MALICIOUS, score=90))
    deliver(cef, journal)
    assert kinds(sink) == []


def test_what_was_known_when_it_was_delivered_is_told_no_more(journal, cef, sink):
    store(journal, 1, attributes(UNDETECTED))
    learn(journal, attributes(MALICIOUS, score=10))
    deliver(cef, journal)
    assert kinds(sink) == [("hunting:file", "1")]
    learn(journal, attributes(MALICIOUS, score=90))
    deliver(cef, journal)
    assert kinds(sink) == []
    learn(journal, attributes(SUSPICIOUS))
    deliver(cef, journal)
    assert kinds(sink) == [("reassessed:file", "1")]


def test_what_turns_benign_is_taken_back_and_what_is_bad_after_all_is_told(journal, cef, sink):
    store(journal, 1, attributes(MALICIOUS))
    deliver(cef, journal)
    taken(sink)
    learn(journal, attributes(BENIGN))
    deliver(cef, journal)
    assert kinds(sink) == [("withdrawn:file", "1")]
    learn(journal, attributes(MALICIOUS))
    deliver(cef, journal)
    assert kinds(sink) == [("reassessed:file", "1")]
    learn(journal, attributes(BENIGN))
    deliver(cef, journal)
    assert kinds(sink) == [("withdrawn:file", "1")]


def test_what_was_benign_at_first_and_rises_is_told_and_can_be_taken_back(journal, cef, sink):
    store(journal, 1, attributes(BENIGN))
    deliver(cef, journal)
    taken(sink)
    learn(journal, attributes(MALICIOUS))
    deliver(cef, journal)
    assert kinds(sink) == [("reassessed:file", "1")]
    learn(journal, attributes(BENIGN))
    deliver(cef, journal)
    assert kinds(sink) == [("withdrawn:file", "1")]


def test_without_a_verdict_the_engines_decide(journal, cef, sink):
    store(journal, 1, {"last_analysis_stats": {"malicious": 0}})
    deliver(cef, journal)
    taken(sink)
    learn(journal, {"last_analysis_stats": {"malicious": 40}})
    deliver(cef, journal)
    assert kinds(sink) == [("reassessed:file", "1")]
    learn(journal, {"last_analysis_stats": {"malicious": 60}})
    deliver(cef, journal)
    assert kinds(sink) == []


def test_what_an_outage_cut_off_is_told_after_it(journal, cef, sink):
    store(journal, 1, attributes(UNDETECTED))
    deliver(cef, journal)
    taken(sink)
    learn(journal, attributes(MALICIOUS))
    sink.outage = True
    with pytest.raises(Unavailable):
        deliver(cef, journal)
    sink.outage = False
    deliver(cef, journal)
    deliver(cef, journal)
    assert kinds(sink) == [("reassessed:file", "1")]


def test_what_the_route_turned_away_comes_as_a_match(journal, sink):
    out = route_into(sink, "cef", wants=f"entity.gti_assessment.verdict.value == '{MALICIOUS}'")
    store(journal, 1, attributes(UNDETECTED))
    deliver(out, journal)
    learn(journal, attributes(MALICIOUS))
    deliver(out, journal)
    assert kinds(sink) == [("hunting:file", "1")]
    learn(journal, attributes(MALICIOUS, "SEVERITY_HIGH"))
    deliver(out, journal)
    assert kinds(sink) == [("reassessed:file", "1")]


def test_a_replay_tells_what_is_known_and_that_is_told_no_more(journal, cef, sink):
    store(journal, 1, attributes(UNDETECTED))
    deliver(cef, journal)
    learn(journal, attributes(MALICIOUS))
    deliver(cef, journal)
    taken(sink)
    for _ in range(2):
        rewind(cef, journal, {"vt": 0})
        deliver(cef, journal)
        assert kinds(sink) == [("hunting:file", "1")]
    learn(journal, attributes(MALICIOUS, score=90))
    deliver(cef, journal)
    assert kinds(sink) == []


def test_stix_has_versions_instead(journal, stix, sink):
    store(journal, 1, attributes(UNDETECTED))
    deliver(stix, journal)
    sink.taken()
    learn(journal, attributes(MALICIOUS))
    deliver(stix, journal)
    assert [each["indicator_types"] for each in sink.taken() if each["type"] == "indicator"] == [["malicious-activity"]]
