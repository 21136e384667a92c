"""Two tenants with a notification of one id: what takes back events names each of them as its event is named."""

import json
import re
from dataclasses import replace

import pytest
from pipeline_receivers import START, deliver, route_into, store

from connector.model import Judged, Judgement
from connector.pipeline.route import Tenant

MAPPINGS = ["cef", "leef", "ecs", "splunk-hec", "ocsf", "udm"]
LONG = "a-tenant-whose-name-leaves-no-room-for-the-id"


def match(number, rule="phish"):
    said = {"notification_id": str(number), "notification_date": START + number * 900, "origin": "hunting"}
    said |= {"hunting_info": {"rule_name": rule}, "sources": []}
    known = {"gti_assessment": {"verdict": {"value": "VERDICT_MALICIOUS"}}}
    return {"type": "domain", "id": "bad.example", "attributes": known, "context_attributes": said}


@pytest.fixture(params=MAPPINGS)
def tenants(request, sink):
    """A route of two tenants, by the mapping of each kind of event."""
    out = route_into(sink, request.param)
    labels = {"vt": "acme", "other": LONG}
    return replace(
        out,
        tenants={name: Tenant({"name": name, "labels": {"tenant": of}}, out.mapping) for name, of in labels.items()},
    )


def event_id(message):
    """The id of an event, as its receiver knows it."""
    text = message.body.decode()
    if text.startswith(("CEF", "LEEF")):
        return re.search(r"(?:externalId|notificationId)=([^\s^]+)", text)[1]
    said = json.loads(text)
    if "metadata" in said and "finding_info" in said:
        return said["metadata"]["uid"]
    if "event" in said:
        return said["event"]["id"]
    return said["metadata"]["threat"][0]["threat_id"]


def names(message):
    """What takes back events names: their ids."""
    text = message.body.decode()
    found = re.search(r"[wW]ithdrawnNotifications=([^\s^]+)", text)
    if found:
        return found[1].split(",")
    found = re.search(r'"withdrawn_notifications":(\[[^\]]*\])', text)
    if found:
        return json.loads(found[1])
    return re.findall(r'"key":"withdrawn_notification","value":"([^"]*)"', text)


def taken_back(route, journal, sink, judged):
    """What takes back events after something was judged wrong: the ids that each names, and their own."""
    sink.sent.clear()
    journal.judge(Judgement(judged, "false_positive", "ana"))
    deliver(route, journal)
    return [names(each) for each in sink.sent], [event_id(each) for each in sink.sent]


@pytest.fixture
def sent(tenants, journal, sink):
    """The ids of the events that two tenants were sent of one notification id."""
    store(journal, match(1))
    store(journal, match(1), source="other")
    deliver(tenants, journal)
    ids = [event_id(each) for each in sink.sent]
    assert len({*ids}) == 2
    return ids


@pytest.mark.parametrize(
    "judged", [Judged("notification", "1"), Judged("observable", "bad.example"), Judged("rule", "phish")], ids=str
)
def test_what_takes_all_back_names_the_event_of_each_tenant(tenants, journal, sink, sent, judged):
    named, _ = taken_back(tenants, journal, sink, judged)
    assert named
    assert all(sorted(each) == sorted(sent) for each in named)


@pytest.mark.parametrize("tenants", [each for each in MAPPINGS if each != "udm"], indirect=True)  # its entity stands
@pytest.mark.parametrize("source", ["vt", "other"])
def test_what_takes_one_match_back_names_the_event_of_its_tenant_alone(tenants, journal, sink, sent, source):
    named, ids = taken_back(tenants, journal, sink, Judged("notification", "1", source=source))
    the_one = sent[list(tenants.tenants).index(source)]
    assert (named, ids) == ([[the_one]], [the_one])
