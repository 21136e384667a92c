"""A finding of OCSF is closed by its own uid, so that the receiver closes that one."""

from dataclasses import replace

import orjson
from pipeline_receivers import START, deliver, route_into, store

from connector.model import Judged, Judgement
from connector.pipeline.route import Tenant


def match(number, verdict="VERDICT_MALICIOUS", rule="phish"):
    said = {"notification_id": str(number), "notification_date": START + number * 900, "origin": "hunting"}
    said |= {"hunting_info": {"rule_name": rule}, "sources": []}
    known = {"gti_assessment": {"verdict": {"value": verdict}}}
    return {"type": "domain", "id": "bad.example", "attributes": known, "context_attributes": said}


def findings(sink, activity):
    """The uid of each finding of an activity that was sent since this was last asked."""
    found, sink.sent = [orjson.loads(each.body) for each in sink.sent], []
    of_activity = [each for each in found if each["activity_name"] == activity]
    for each in of_activity:
        assert each["metadata"]["uid"] == each["finding_info"]["uid"]
    return [each["finding_info"]["uid"] for each in of_activity]


def test_each_finding_that_was_sent_is_closed_by_its_uid(journal, sink):
    out = route_into(sink, "ocsf")
    deliver(out, journal, match(1), match(2))
    assert findings(sink, "Create") == ["1", "2"]
    deliver(out, journal, match(3, "VERDICT_BENIGN"))
    assert findings(sink, "Close") == ["2", "1"]


def test_a_finding_of_one_match_is_closed_alone(journal, sink):
    out = route_into(sink, "ocsf")
    deliver(out, journal, match(1), match(2, rule="other"))
    sink.sent.clear()
    journal.judge(Judgement(Judged("notification", "1"), "false_positive", "ana"))
    deliver(out, journal)
    assert findings(sink, "Close") == ["1"]
    journal.judge(Judgement(Judged("observable", "bad.example"), "false_positive", "ana"))
    deliver(out, journal)
    assert "2" in findings(sink, "Close")


def test_findings_of_tenants_are_closed_by_the_uid_that_each_has(journal, sink):
    out = route_into(sink, "ocsf")
    tenants = {name: Tenant({"name": name, "labels": {"tenant": name}}, out.mapping) for name in ("vt", "other")}
    out = replace(out, tenants=tenants)
    store(journal, match(1))
    store(journal, match(1), source="other")
    deliver(out, journal)
    assert findings(sink, "Create") == ["vt:1", "other:1"]
    deliver(out, journal, match(2, "VERDICT_BENIGN"))
    assert findings(sink, "Close") == ["other:1", "vt:1"]
