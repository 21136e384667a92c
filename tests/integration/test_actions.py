"""The actions over a simulated VirusTotal and receivers, each reached through its socket."""

import contextlib
import copy
import functools
import json
import signal
import subprocess
import threading
import time
from collections import Counter
from datetime import UTC, datetime

import pytest
from integration.command import iocstream, iocstream_here, started

from connector import configuration, convert
from connector.actions import ACTIONS, ActionContext, call
from connector.simulator.api import Api, Fault
from connector.simulator.notifications import notifications
from connector.simulator.stream import position
from connector.simulator.syslog import SyslogReceiver
from connector.simulator.taxii import TaxiiReceiver
from connector.simulator.wsgi_server import serving
from connector.values.timestamps import timestamp

KEY = "canary-api-key"
CONFIGURATION = """
sources:
  virustotal: {{type: virustotal, api_key: {key}, api_url: "{api}/api/v3", since_hours: 168, poll_seconds: 1}}
journal: {{path: "{folder}/iocstream.db"}}
routes:
  taxii:
    mapping: stix21
    sink: {{type: taxii, collection_url: "{taxii}", username: u, password: p}}
  syslog:
    mapping: cef
    sink: {{type: syslog, host: 127.0.0.1, port: {syslog}, transport: tcp}}
  hunted:
    mapping: cef
    when: notification.origin == 'hunting'
    sink: {{type: file, path: "{folder}/events.cef"}}
"""


class World:
    """A configuration, the simulated VirusTotal before it and the receivers behind it."""

    def __init__(self, folder, api, taxii, syslog):
        self.folder, self.api, self.taxii, self.syslog = folder, api, taxii, syslog
        self.path = folder / "iocstream.yaml"

    def configure(self, api_url, taxii_url):
        collection = taxii_url + self.taxii.path
        self.path.write_text(
            CONFIGURATION.format(key=KEY, api=api_url, folder=self.folder, taxii=collection, syslog=self.syslog.port)
        )

    def call(self, action, **parameters):
        return call(ActionContext(configuration.load(self.path)), ACTIONS[action], parameters)

    def done(self, action, **parameters):
        envelope = self.call(action, **parameters)
        assert envelope.status == "success", envelope.errors
        return envelope.data

    def code(self, action, **parameters):
        envelope = self.call(action, **parameters)
        assert envelope.status == "failed"
        assert envelope.data is None
        (error,) = envelope.errors
        assert error.cause == envelope.message
        assert error.remedy
        return error.code

    def refuse_indicators(self):
        self.taxii.refuse = indicators()

    def edit(self, old, new):
        text = self.path.read_text()
        assert old in text
        self.path.write_text(text.replace(old, new))


# All of which can be converted.
RAISED = sorted(
    (item for item in notifications(90) if item["type"] in ("file", "domain", "ip_address")),
    key=position,
)
IDS = [item["context_attributes"]["notification_id"] for item in RAISED]


@functools.cache
def indicators():
    """The ids of the indicators that become of them."""
    messages = (message for conversion in convert(RAISED) for message in conversion.messages)
    return {message.id for message in messages if message.id.startswith("indicator--")}


@pytest.fixture
def world(tmp_path):
    api, taxii = Api(RAISED, key=KEY), TaxiiReceiver(username="u", password="p")
    with serving(api) as url, serving(taxii) as taxii_url, SyslogReceiver() as syslog:
        world = World(tmp_path, api, taxii, syslog)
        world.configure(url, taxii_url)
        yield world


def sightings(world):
    return [item for item in world.taxii.objects() if item["type"] == "sighting"]


def test_connectivity_is_in_order_until_a_receiver_is_gone(world):
    envelope = world.call("test_connectivity")
    assert envelope.status == "success"
    assert {"virustotal", "taxii", "syslog", "journal"} <= {found.part for found in envelope.data.findings}
    assert not (world.folder / "iocstream.db").exists()

    world.edit("password: p", "password: wrong")
    envelope = world.call("test_connectivity")
    assert (envelope.status, envelope.exit_code) == ("failed", 1)
    assert [error.code for error in envelope.errors] == ["check_failed"]
    assert envelope.errors[0].cause.startswith("taxii: ")
    assert envelope.summary["errors"] == 1
    assert envelope.data.findings


def test_a_poll_fetches_and_delivers_once_and_says_what_it_did(world):
    envelope = world.call("poll")
    assert envelope.status == "success", envelope.errors
    hunted = sum(item["context_attributes"]["origin"] == "hunting" for item in RAISED)
    assert envelope.summary == {
        "fetched": len(RAISED),
        "new": len(RAISED),
        "delivered": 2 * len(RAISED) + hunted,
        "filtered": len(RAISED) - hunted,
        "refused": 0,
    }
    assert len(sightings(world)) == len(RAISED)
    assert len((world.folder / "events.cef").read_text().splitlines()) == hunted
    world.syslog.wait_for(len(RAISED), seconds=10)
    assert len(world.syslog.lines()) == len(RAISED)

    again = world.call("poll")
    assert (again.summary["new"], again.summary["delivered"]) == (0, 0)


def test_a_poll_tells_of_an_outage_and_the_next_brings_what_it_left(world, monkeypatch):
    monkeypatch.setattr("connector.pipeline.runner.PATIENCE_ONCE_SECONDS", 0.5)
    world.taxii.fail_next(503, Retry_After="120")
    envelope = world.call("poll")
    assert [(error.code, envelope.exit_code) for error in envelope.errors] == [("unavailable", 1)]
    assert envelope.errors[0].cause.startswith("taxii: ")
    assert sightings(world) == []
    assert world.done("poll").routes[0].delivered == len(RAISED)


def test_what_is_listed_from_the_journal_is_each_notification_once(world):
    world.done("poll")
    pages, place = [], None
    while True:
        page = world.done("list_notifications", limit=20, **({"next": place} if place else {}))
        pages.append([item.id for item in page.notifications])
        place = page.next
        if not page.more:
            break
    assert [identifier for page in pages for identifier in page] == IDS
    assert len(pages) > 2

    late = {**RAISED[0], "context_attributes": {**RAISED[0]["context_attributes"], "notification_id": "77"}}
    late["context_attributes"]["notification_date"] = RAISED[-1]["context_attributes"]["notification_date"]
    world.api.add([late])
    assert world.done("list_notifications", next=place).notifications == []
    world.done("poll")
    later = world.done("list_notifications", next=place)
    assert ([item.id for item in later.notifications], later.more) == (["77"], False)


def test_notifications_are_filtered_alike_in_the_journal_and_at_virustotal(world):
    world.done("poll")
    label = next(s["id"] for item in RAISED for s in item["context_attributes"]["sources"])
    tag = next(tag for item in RAISED for tag in item["context_attributes"]["tags"])
    for terms in (
        "origin:hunting entity_type:file",
        f"source_id:{label}",
        f"notification_tag:{tag}",
        "entity_type:url",
    ):
        there = world.done("list_notifications", where="virustotal", filter=terms, limit=1000)
        here = world.done("list_notifications", where="journal", filter=terms, limit=1000)
        assert [item.id for item in here.notifications] == [item.id for item in there.notifications], terms
        assert bool(here.notifications) == (terms != "entity_type:url")
    middle = RAISED[len(RAISED) // 2]["context_attributes"]["notification_date"]
    moment = world.done("get_notification", id=IDS[len(RAISED) // 2]).brief.date
    for where in ("journal", "virustotal"):
        for order in ("oldest", "newest"):
            page = world.done("list_notifications", where=where, since=moment, order=order, limit=1000)
            expected = [i for i in RAISED if i["context_attributes"]["notification_date"] >= middle]
            ids = [item["context_attributes"]["notification_id"] for item in expected]
            assert sorted(item.id for item in page.notifications) == sorted(ids)
            assert page.notifications[0].id == (ids[0] if order == "oldest" else IDS[-1])


def score(item):
    return item["attributes"].get("gti_assessment", {}).get("threat_score", {}).get("value", 0)


@pytest.mark.parametrize("where", ["journal", "virustotal"])
def test_a_feed_is_of_what_is_bad_enough_and_of_the_rules_tags_and_types_that_are_asked_for(world, where):
    world.done("poll")

    def listed(**asked):
        page = world.done("list_notifications", where=where, limit=1000, **asked)
        return [item.id for item in page.notifications]

    def raised(is_asked_for):
        return [number for number, item in zip(IDS, RAISED, strict=True) if is_asked_for(item)]

    hunting = next(i["context_attributes"] for i in RAISED if i["context_attributes"]["hunting_info"])
    rule, ruleset, tag = hunting["hunting_info"]["rule_name"], hunting["sources"][0]["label"], hunting["tags"][0]
    assert listed(minimum_score=80) == raised(lambda item: score(item) >= 80)
    assert listed(entity_types=["domain", "ip_address"]) == raised(lambda item: item["type"] != "file")
    assert listed(tags=[tag, "none"]) == raised(lambda item: tag in item["context_attributes"]["tags"])
    by_rule = raised(lambda item: (item["context_attributes"]["hunting_info"] or {}).get("rule_name") == rule)
    assert listed(rules=[rule]) == by_rule
    assert set(by_rule) & set(listed(rules=[ruleset]))
    malicious = raised(
        lambda item: item["attributes"].get("gti_assessment", {}).get("verdict", {}).get("value") == "VERDICT_MALICIOUS"
    )
    assert set(malicious) <= set(listed(verdicts=["malicious"])) < set(IDS)
    both = listed(verdicts=["malicious"], minimum_score=80, entity_types=["file"])
    assert set(both) == set(listed(verdicts=["malicious"])) & set(listed(minimum_score=80)) & set(
        listed(entity_types=["file"])
    )
    assert world.code("list_notifications", verdicts=["evil"]) == "invalid_parameters"


def test_virustotal_is_asked_only_for_what_is_wanted_where_it_has_a_term_for_it(world):
    page = world.done(
        "list_notifications", where="virustotal", entity_types=["domain"], filter="origin:hunting", limit=3
    )
    assert len(page.notifications) == 3
    (request,) = [asked for asked in world.api.requests if asked.path == "/ioc_stream"]
    assert request.args["filter"].split() == ["origin:hunting", "entity_type:domain"]


def test_what_is_listed_has_what_is_known_of_its_entity(world):
    world.done("poll")
    listed = {item.id: item for item in world.done("list_notifications", limit=1000).notifications}
    for number, item in zip(IDS, RAISED, strict=True):
        said, known = listed[number], item["attributes"]
        if "gti_assessment" in known:
            assert said.score == score(item)
            assert f"SEVERITY_{said.severity.upper()}" == known["gti_assessment"]["severity"]["value"]
        if item["type"] == "file":
            assert (said.hashes.md5, said.hashes.sha256) == (known["md5"], known["sha256"])
            assert said.first_seen == timestamp(known["first_submission_date"])
        assert said.malicious_engines == known["last_analysis_stats"]["malicious"]
    assert {item.verdict for item in listed.values()} >= {"malicious", "suspicious", "undetected"}
    assert any(item.families for item in listed.values())
    assert any(item.actors for item in listed.values())


def test_what_an_analyst_judged_wrong_is_nothing_to_block_by_and_can_be_left_out(world):
    world.done("poll")
    listed = world.done("list_notifications", limit=1000, verdicts=["malicious"]).notifications
    values = list(dict.fromkeys(item.entity_value for item in listed))
    verdicts = {"false_positive": "unknown", "benign": "benign", "true_positive": "malicious"}
    for value, judged in zip(values, verdicts, strict=False):
        world.done("judge", of="observable", value=value, verdict=judged)
    judged = {}
    for item in world.done("list_notifications", limit=1000).notifications:
        if item.judgement:
            judged[item.entity_value] = item
            assert item.verdict == verdicts[item.judgement]
            assert (item.confidence is None) == (item.judgement != "true_positive")
    assert list(judged) == values[:3]
    left = world.done("list_notifications", limit=1000, muted=False).notifications
    assert {item.judgement for item in left} == {None, "true_positive"}
    assert values[0] not in {item.entity_value for item in left}
    world.done("judge", of="observable", value=values[0], verdict="none")
    listed = world.done("list_notifications", limit=1000, muted=False).notifications
    assert {(item.verdict, item.judgement) for item in listed if item.entity_value == values[0]} == {
        ("malicious", None)
    }


def test_what_is_on_a_known_good_list_is_nothing_to_block_by_and_can_be_left_out(world):
    world.done("poll")
    bad = world.done("list_notifications", limit=1000, verdicts=["malicious"]).notifications
    suppressed, labelled = list(dict.fromkeys(item.entity_value for item in bad if item.confidence))[:2]
    (world.folder / "good.txt").write_text(f"{suppressed}\n")
    (world.folder / "half.txt").write_text(f"{labelled}\n")
    lists = "{path: good.txt, name: good}, {path: half.txt, name: half, effect: label, confidence: 7}"
    world.path.write_text(world.path.read_text() + f"guards: {{lists: [{lists}]}}\n")
    listed = {item.entity_value: item for item in world.done("list_notifications", limit=1000).notifications}
    good, half = listed[suppressed], listed[labelled]
    assert (good.guarded, good.verdict, good.confidence) == ("good", "unknown", None)
    assert (half.guarded, half.verdict, half.confidence) == ("half", "malicious", 7)
    left = {item.entity_value for item in world.done("list_notifications", limit=1000, muted=False).notifications}
    assert suppressed not in left
    assert labelled in left


def test_newest_first_goes_back_to_the_beginning(world):
    world.done("poll")
    found, place = [], None
    while True:
        page = world.done("list_notifications", order="newest", limit=25, **({"next": place} if place else {}))
        found += [item.id for item in page.notifications]
        if not page.more:
            break
        place = page.next
    assert found == IDS[::-1]
    assert page.next is None


def test_pages_from_virustotal_go_on_at_its_cursor(world):
    first = world.done("list_notifications", where="virustotal", limit=50)
    second = world.done("list_notifications", where="virustotal", limit=50, next=first.next)
    assert [item.id for item in (*first.notifications, *second.notifications)] == IDS[:100]
    assert first.more
    assert not second.more
    assert world.code("list_notifications", where="virustotal", next="not a cursor") == "invalid_parameters"
    bodies = world.done("list_notifications", where="virustotal", limit=1, bodies=True)
    assert bodies.notifications[0].body == RAISED[0]


def test_a_notification_is_found_wherever_it_is_and_its_entity_with_it(world):
    fetched = world.done("get_notification", id=IDS[3])
    assert fetched.where == "virustotal"
    assert fetched.body == RAISED[3]
    world.done("poll")
    stored = world.done("get_notification", id=IDS[3])
    assert stored.where == "journal"
    assert stored.entity == fetched.entity
    looked_up = [each.pop("attributes", None) for each in stored.notification["sources"]]
    assert stored.notification == fetched.notification
    assert looked_up[0]["rules"]
    assert stored.entity == RAISED[3]["attributes"]
    assert world.code("get_notification", id="404404") == "not_found"
    asked = len(world.api.requests)
    assert world.code("get_notification", id="404404", where="journal") == "not_found"
    assert len(world.api.requests) == asked


def test_a_conversion_is_what_a_route_sends(world):
    world.done("poll")
    sent = {(item["id"], item.get("modified")): item for item in world.taxii.objects()}
    converted = world.done("convert_notification", id=IDS[0])
    assert converted.documents
    assert all(sent[item["id"], item.get("modified")] == item for item in converted.documents)
    assert converted.bundle["type"] == "bundle"
    event = world.done("convert_notification", notification=RAISED[0], mapping="cef")
    assert event.documents[0].startswith("CEF:0|")
    assert event.bundle is None
    assert world.call("convert_notification", notification={"type": "file"}).errors[0].code == "rejected"


def test_a_conversion_of_what_was_judged_wrong_says_that_it_is_muted(world):
    world.done("poll")
    judged = world.call("judge", verdict="benign", of="notification", value=IDS[0], note="ours")
    assert judged.message == f"the notification {IDS[0]}: benign; it concerns 1 notification in the journal"

    converted = world.call("convert_notification", id=IDS[0])

    assert (converted.data.documents, converted.data.bundle) == ([], None)
    assert converted.data.withheld.endswith("judged it benign: ours")
    assert converted.message == f"it is not sent: {converted.data.withheld}"
    world.done("judge", verdict="none", of="notification", value=IDS[0])
    assert world.done("convert_notification", id=IDS[0]).documents


def test_a_conversion_is_guarded_as_its_route(world):
    world.done("poll")
    (world.folder / "ours.txt").write_text(f"{RAISED[0]['id']}\n")
    world.edit("mapping: stix21\n", f'mapping: stix21\n    guards: {{lists: ["{world.folder}/ours.txt"]}}\n')

    assert world.done("convert_notification", id=IDS[0]).withheld == (
        "it is on the list ours of what is known to be good"
    )
    assert world.done("convert_notification", id=IDS[0], mapping="cef").withheld is None


def test_a_conversion_of_a_whole_notification_is_withheld_like_one_that_is_found(world):
    world.done("poll")
    (world.folder / "ours.txt").write_text(f"{RAISED[1]['id']}\n")
    world.edit("mapping: stix21\n", f'mapping: stix21\n    guards: {{lists: ["{world.folder}/ours.txt"]}}\n')
    world.done("judge", verdict="false_positive", of="notification", value=IDS[0])

    other = next(each for each in RAISED if each["id"] not in {RAISED[0]["id"], RAISED[1]["id"]})

    muted, listed, left = (world.done("convert_notification", notification=body) for body in (*RAISED[:2], other))
    cef = world.done("convert_notification", notification=RAISED[1], mapping="cef")

    assert (muted.documents, muted.withheld.partition(" judged ")[2]) == ([], "it a false positive")
    assert (listed.documents, listed.withheld) == ([], "it is on the list ours of what is known to be good")
    assert [each.withheld for each in (left, cef)] == [None, None]
    assert left.documents
    assert cef.documents


def test_a_conversion_of_a_whole_notification_heeds_what_is_judged_of_its_observable_rule_and_source(world):
    world.done("poll")
    unseen = copy.deepcopy(RAISED[0])
    unseen["context_attributes"]["notification_id"] = "404404"
    world.done("judge", verdict="benign", of="observable", value=unseen["id"], source="virustotal")

    assert world.done("convert_notification", notification=unseen).documents  # it may be of another source
    of_source = world.done("convert_notification", notification=unseen, source="virustotal")
    assert (of_source.documents, of_source.withheld.endswith("judged it benign")) == ([], True)
    assert world.code("convert_notification", notification=unseen, source="none") == "not_found"
    assert world.code("convert_notification", id=IDS[0], source="virustotal") == "invalid_parameters"
    world.done("judge", verdict="true_positive", of="observable", value=unseen["id"])
    (event,) = world.done("convert_notification", notification=unseen, mapping="cef").documents
    assert "VirusTotalIoCStreamJudgement=true_positive" in event


def test_what_virustotal_is_asked_for_comes_with_what_was_judged_of_it(world):
    world.done("poll")
    world.done("judge", verdict="false_positive", of="observable", value=RAISED[0]["id"])
    answered = world.done("list_notifications", where="virustotal", limit=1).notifications
    assert [each.judgement for each in answered] == ["false_positive"]
    found = world.done("get_notification", id=IDS[0], where="virustotal")
    assert found.brief.judgement == "false_positive"


def test_the_rules_to_tune_are_listed_with_what_was_judged_of_them(world):
    world.done("poll")
    assert world.call("list_judged_rules").message == "nothing that a rule matched has been judged"
    said = [item["context_attributes"] for item in RAISED]
    hunted = [each["notification_id"] for each in said if (each.get("hunting_info") or {}).get("rule_name")]
    for verdict, value in zip(("true_positive", "false_positive", "benign"), hunted, strict=False):
        world.done("judge", verdict=verdict, of="notification", value=value)
    rules = world.done("list_judged_rules").rules
    assert (sum(each.judged for each in rules), rules[0].false_positive) == (3, 1)
    assert all(each.precision == each.true_positive / each.judged for each in rules)
    worst = rules[0]
    assert world.call("list_judged_rules").message.endswith(
        f"; {worst.name}: {worst.false_positive} of {worst.judged} are false positives"
    )
    assert world.done("list_judged_rules", limit=1).rules == rules[:1]


def test_a_push_of_what_was_judged_wrong_says_what_it_took_back(world):
    world.done("poll")
    world.done("judge", verdict="false_positive", of="notification", value=IDS[0])
    world.done("poll")

    pushed = world.call("push_notification", id=IDS[0], route="taxii")

    assert pushed.data.outcome == "withdrawn"
    assert pushed.data.answers
    assert "what was delivered of it was taken back" in pushed.message


def test_a_conversion_takes_a_profile_of_the_mapping(world):
    plain = world.done("convert_notification", notification=RAISED[0]).documents
    profiled = world.done("convert_notification", notification=RAISED[0], profile="opencti").documents
    assert profiled != plain
    assert world.code("convert_notification", notification=RAISED[0], profile="nobody") == "not_found"
    world.edit("mapping: stix21", "mapping: {use: stix21, profile: opencti}")
    world.done("poll")
    sent = {(item["id"], item.get("modified")): item for item in world.taxii.objects()}
    assert all(sent[item["id"], item.get("modified")] == item for item in profiled)


def test_a_conversion_by_a_mapping_of_a_route_needs_no_other_name(world):
    (world.folder / "own.yaml").write_text("format: json\nemit:\n  line: {id: '${{ notification.id }}'}\n")
    own = str(world.folder / "own.yaml")
    world.edit("mapping: cef\n    when", f'mapping: "{own}"\n    when')
    converted = world.done("convert_notification", notification=RAISED[0], mapping=own)
    assert json.loads(converted.documents[0]) == {"id": IDS[0]}
    assert world.code("convert_notification", notification=RAISED[0], mapping=own, profile="x") == "not_found"


def test_a_conversion_reads_no_file_that_the_caller_names(world):
    (world.folder / "secret.yaml").write_text("canary: secret")
    envelope = world.call("convert_notification", notification=RAISED[0], mapping=str(world.folder / "secret.yaml"))
    assert envelope.errors[0].code == "not_found"
    assert "canary" not in envelope.model_dump_json()


def test_a_push_of_what_was_never_fetched_stores_it_as_a_poll_would_and_delivers_it_once(world):
    pushed = world.done("push_notification", id=IDS[5], route="syslog")
    assert (pushed.outcome, pushed.fetched, pushed.delivered_before) == ("delivered", True, 0)
    assert [(answer.id, answer.accepted) for answer in pushed.answers] == [(IDS[5], True)]
    (line,) = world.syslog.lines()
    assert f"externalId={IDS[5]}".encode() in line
    assert world.done("get_notification", id=IDS[5], where="journal").body == RAISED[5]

    summary = world.call("poll").summary
    assert summary["new"] == len(RAISED) - 1
    world.syslog.wait_for(len(RAISED), seconds=10)
    assert len(world.syslog.lines()) == len(RAISED)
    assert len(sightings(world)) == len(RAISED)


def test_a_push_of_what_was_delivered_sends_the_same_versions_again(world):
    world.done("poll")
    before = world.taxii.objects()
    pushed = world.done("push_notification", id=IDS[2], route="taxii")
    assert (pushed.outcome, pushed.fetched) == ("delivered", False)
    sent = {(answer.id, answer.version) for answer in pushed.answers}
    assert sent <= {(item["id"], item.get("modified")) for item in before}
    assert any(identifier.startswith("sighting--") for identifier, _ in sent)
    assert world.taxii.objects() == before


def test_a_push_of_what_is_due_delivers_what_is_before_it_first(world):
    world.edit("password: p", "password: wrong")
    world.call("poll")
    world.edit("password: wrong", "password: p")
    pushed = world.done("push_notification", id=IDS[10], route="taxii")
    assert (pushed.outcome, pushed.delivered_before) == ("delivered", 10)
    assert len(sightings(world)) == 11
    assert any(answer.id.startswith("sighting--") for answer in pushed.answers)
    assert world.call("poll").data.routes[0].delivered == len(RAISED) - 11


def test_a_push_says_what_the_receiver_refused_and_a_retry_delivers_it(world):
    world.refuse_indicators()
    envelope = world.call("push_notification", id=IDS[0], route="taxii")
    assert (envelope.status, envelope.exit_code) == ("failed", 1)
    assert envelope.data.outcome == "refused"
    refused = [answer for answer in envelope.data.answers if not answer.accepted]
    assert [(answer.reason, answer.id.split("--")[0]) for answer in refused] == [("refused on cue", "indicator")]
    assert envelope.errors[0].code == "rejected"

    listed = world.done("list_rejected")
    assert [(each.route, each.by, each.notification) for each in listed.rejected] == [("taxii", "sink", IDS[0])]
    assert world.done("list_rejected", route="syslog").total == 0
    (why,) = listed.reasons
    assert (why.dead_letters, why.route, why.by) == (1, "taxii", "sink")
    assert world.done("list_rejected", reason=why.reason).total == 1
    assert world.done("list_rejected", reason=why.reason[:-1]).total == 0
    assert world.done("retry_rejected", reason=why.reason[:-1]).routes == []
    assert world.call("retry_rejected", reason=why.reason).data.routes[0].refused == 1
    again = world.call("retry_rejected", ids=[listed.rejected[0].id])
    assert again.data.routes[0].refused == 1
    assert again.errors[0].code == "rejected"
    world.taxii.refuse = set()
    retried = world.done("retry_rejected", route="taxii")
    assert [(route.name, route.delivered) for route in retried.routes] == [("taxii", 1)]
    assert world.done("retry_rejected").routes == []


def test_a_push_to_a_route_that_does_not_want_it_sends_nothing(world):
    index, item = next((i, x) for i, x in enumerate(RAISED) if x["context_attributes"]["origin"] != "hunting")
    pushed = world.done("push_notification", id=IDS[index], route="hunted")
    assert (pushed.outcome, pushed.answers) == ("filtered", [])
    assert item["id"] in world.done("get_notification", id=IDS[index]).body["id"]


def test_names_that_are_not_there_are_told(world):
    assert world.code("push_notification", id="404404", route="taxii") == "not_found"
    assert world.code("push_notification", id=IDS[0], route="nowhere") == "not_found"
    assert world.code("list_notifications", source="nobody") == "not_found"
    world.done("poll")
    assert world.code("retry_rejected", ids=[99]) == "not_found"
    assert world.code("list_rejected", route="nowhere") == "not_found"
    assert world.code("list_notifications", next="x") == "invalid_parameters"
    assert world.code("list_notifications", filter="colour:red") == "invalid_parameters"
    assert world.code("list_notifications", since="yesterday") == "invalid_parameters"
    assert world.code("list_notifications", limit="5") == "invalid_parameters"
    assert world.code("convert_notification") == "invalid_parameters"
    assert world.code("poll", what="all") == "invalid_parameters"


def test_nothing_is_deleted_upstream_before_every_route_has_delivered_it(world):
    def upstream():
        listed = world.done("list_notifications", where="virustotal", limit=1000).notifications
        return {item.id for item in listed}

    assert world.code("delete_notification", id=IDS[0]) == "not_delivered"
    world.refuse_indicators()
    world.call("poll")
    assert world.code("delete_notification", id=IDS[0]) == "not_delivered"
    assert IDS[0] in upstream()
    world.taxii.refuse = set()
    world.done("retry_rejected")
    assert world.done("delete_notification", id=IDS[0]).undelivered == []
    assert upstream() == set(IDS[1:])
    assert world.code("delete_notification", id=IDS[0]) == "not_found"
    assert world.done("get_notification", id=IDS[0]).where == "journal"


@pytest.mark.parametrize("added", ["a route that has not run", "a source with the same key that has not fetched"])
def test_a_deletion_waits_for_routes_that_have_not_come_to_it(world, added):
    world.done("poll")
    if added.startswith("a route"):
        world.edit("routes:", 'routes:\n  new: {mapping: json, sink: {type: file, path: "new.json"}}')
    else:
        source = world.path.read_text().split("virustotal:", 1)[1].split("\n", 1)[0]
        world.edit("journal:", f"  another:{source}\njournal:")
        world.edit(
            "routes:", 'routes:\n  new: {mapping: json, sources: [another], sink: {type: file, path: "new.json"}}'
        )
    assert world.code("delete_notification", id=IDS[0]) == "not_delivered"
    deleted = world.done("delete_notification", id=IDS[0], override=True)
    assert "new" in deleted.undelivered[0]


def test_the_quota_is_asked_for_and_told(world):
    quota = world.call("get_quota")
    assert quota.summary["daily_left"] == world.api.allowed - world.api.used
    world.api.faults.append(Fault(path="overall_quotas", status=503, body=b"{}"))
    envelope = world.call("get_quota")
    assert envelope.errors[0].code == "unavailable"
    assert envelope.data.failed.keys() == {"virustotal"}


def test_the_status_is_that_of_the_command(world):
    assert world.code("get_status") == "misconfigured"
    world.done("poll")
    told = world.done("get_status")
    shown = json.loads(iocstream_here("status", "--json", "-c", world.path, cwd=world.folder).stdout)
    assert shown.pop("tokens") == []  # whoever asks over HTTP is not told of other tokens
    assert {**told.model_dump(), "sources": [], "routes": []} == {**shown, "sources": [], "routes": []}
    assert [route.model_dump() for route in told.routes] == shown["routes"]
    assert told.sources[0].model_dump().keys() == shown["sources"][0].keys()
    assert told.sources[0].notifications == len(RAISED)


@contextlib.contextmanager
def running(world):
    """`iocstream run` as a service, which has delivered something."""
    with started("run", "-c", world.path, cwd=world.folder, stderr=subprocess.PIPE) as process:
        try:
            next(line for line in process.stderr if b'"delivered"' in line)
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_what_a_service_serves_is_left_to_it_at_once_and_by_name(world):
    with running(world) as process:
        for action, parameters in (("poll", {}), ("push_notification", {"id": IDS[0], "route": "taxii"})):
            envelope = world.call(action, **parameters)
            (error,) = envelope.errors
            assert error.code == "served_elsewhere"
            assert f"process {process.pid}" in error.cause
        assert world.done("get_status").routes[0].served_by.process == process.pid
        assert world.done("list_notifications", limit=1).notifications
    assert world.done("poll").routes


def test_a_retry_of_what_a_service_serves_is_done_by_it_within_seconds(world):
    world.refuse_indicators()
    with running(world) as process:
        until(lambda: world.done("get_status").routes[0].backlog == 0)
        letters = world.done("list_rejected").rejected
        until(lambda: timestamp(int(time.time())) > letters[0].refused_at)  # which is in whole seconds
        retried = world.call("retry_rejected", ids=[letters[0].id])
        assert (retried.status, retried.data.routes, retried.errors) == ("success", [], [])
        (left,) = retried.data.left
        assert (left.route, left.dead_letters, left.process) == ("taxii", 1, process.pid)
        assert f"process {process.pid}" in retried.message
        until(lambda: world.done("list_rejected").rejected[0].refused_at > letters[0].refused_at)  # refused again
        assert letters[0].id in {each.id for each in world.done("list_rejected").rejected}
        world.taxii.refuse = set()
        there = world.done("list_rejected").total  # a look-up may have made others, or made some needless
        assert there > 1
        assert world.call("retry_rejected").summary["left"] >= there
        until(lambda: world.done("list_rejected").total == 0)
        assert world.done("get_status").routes[0].served_by.process == process.pid


def until(happened, seconds=30):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_poll_that_is_asked_to_stop_ends_and_loses_nothing(world):
    hold = threading.Event()
    world.api.faults.append(Fault(path="/ioc_stream", hold=hold))
    context = ActionContext(configuration.load(world.path))
    results = []
    thread = threading.Thread(target=lambda: results.append(call(context, ACTIONS["poll"], {})))
    thread.start()
    context.stop.set()
    hold.set()
    thread.join(30)
    assert not thread.is_alive()
    assert results[0].status == "failed"
    assert world.done("poll").routes[0].state == "done"
    assert len(sightings(world)) == len(RAISED)


def test_from_a_shell_json_comes_out_and_the_exit_code_says_how_it_went(world):
    def called(*arguments, code=0, stdin=b"", command=iocstream_here):
        done = command("action", *arguments, "-c", world.path, cwd=world.folder, stdin=stdin)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    assert called("get_status", code=2)["errors"][0]["code"] == "misconfigured"
    assert called("poll")["summary"]["new"] == len(RAISED)
    listed = called("list_notifications", "-p", "limit=2", "--param", "filter=entity_type:file")
    assert len(listed["data"]["notifications"]) == 2
    from_stdin = called(
        "list_notifications", "--json-in", "-", stdin=b'{"limit": 2, "filter": "entity_type:file"}', command=iocstream
    )
    assert from_stdin == listed
    (world.folder / "parameters.json").write_text(json.dumps({"notification": RAISED[0], "mapping": "cef"}))
    converted = called("convert_notification", "--json-in", "parameters.json")
    assert converted["data"]["documents"][0].startswith("CEF:0|")
    assert called("get_notification", "-p", "id=404404", code=2)["errors"][0]["code"] == "not_found"
    assert called("retry_rejected", "-p", "ids=3", "-p", "ids=4", code=2)["message"].startswith(
        "there is no dead letter 3"
    )
    assert "limit" in called("list_notifications", "-p", "limit=many", code=2)["message"]
    assert called("nothing", code=2, command=iocstream)["errors"][0]["code"] == "not_found"
    assert called("poll", "--json-in", "-", code=2, stdin=b"[1]")["errors"][0]["code"] == "invalid_parameters"
    assert called("poll", "--json-in", "gone.json", code=2)["errors"][0]["code"] == "invalid_parameters"
    world.edit("syslog, host", "sislog, host")
    assert called("get_status", code=2)["errors"][0]["code"] == "misconfigured"
    world.edit("sislog, host", "syslog, host")
    world.edit(KEY, "canary-wrong-key")
    failed = called("list_notifications", "-p", "where=virustotal", code=2)
    assert failed["errors"][0]["code"] == "misconfigured"
    assert "canary-wrong-key" not in json.dumps(failed)


def test_the_actions_are_listed_with_what_they_take(world):
    listed = iocstream_here("action", "--list", cwd=world.folder)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(ACTIONS)
    one = json.loads(iocstream_here("action", "push_notification", "--list", cwd=world.folder).stdout)
    assert one["parameters"]["required"] == ["id", "route"]
    assert iocstream_here("action", cwd=world.folder).returncode == 2
    assert iocstream_here("action", "nothing", "--list", cwd=world.folder).returncode == 2


def test_an_answer_never_shares_stdout_with_a_sink(world):
    world.edit(f'path: "{world.folder}/events.cef"', "path: '-'")
    assert world.code("poll") == "misconfigured"
    assert world.code("push_notification", id=IDS[0], route="hunted") == "misconfigured"


def test_counts_over_time_are_those_of_the_notifications(world):
    assert world.code("count_notifications") == "misconfigured"
    world.done("poll")
    by_day = world.done("count_notifications", per="day")
    assert (by_day.complete, by_day.undated) == (True, 0)
    expected = Counter()
    for item in RAISED:
        context = item["context_attributes"]
        severity = item["attributes"].get("gti_assessment", {}).get("severity", {}).get("value", "SEVERITY_UNKNOWN")
        day = datetime.fromtimestamp(context["notification_date"], UTC).strftime("%Y-%m-%dT00:00:00.000Z")
        expected[day, item["type"], severity.removeprefix("SEVERITY_").lower()] += 1
    assert {(each.start, each.entity_type, each.severity): each.notifications for each in by_day.counts} == expected
    assert [each.start for each in by_day.counts] == sorted(each.start for each in by_day.counts)

    moment = RAISED[len(RAISED) // 2]["context_attributes"]["notification_date"]
    since = datetime.fromtimestamp(moment, UTC).isoformat()
    later = sum(item["context_attributes"]["notification_date"] >= moment for item in RAISED)
    by_hour = world.call("count_notifications", per="hour", since=since)
    assert by_hour.summary == {"notifications": later, "undated": 0}
    assert all(each.start.endswith(":00:00.000Z") for each in by_hour.data.counts)

    last = world.call("count_notifications", limit=10)
    assert (last.summary["notifications"], last.data.complete) == (10, False)
    assert world.done("count_notifications", limit=len(RAISED)).complete
    assert world.code("count_notifications", source="nobody") == "not_found"


def test_what_cannot_be_read_is_counted_too(world):
    odd = copy.deepcopy(RAISED[-3:])
    odd[0]["type"] = "hash_list"
    odd[1]["attributes"]["gti_assessment"] = {"severity": {"value": ["SEVERITY_HIGH"]}}
    odd[2]["attributes"]["gti_assessment"] = "SEVERITY_HIGH"
    with serving(Api(odd, key=KEY)) as url, serving(world.taxii) as taxii_url:
        world.configure(url, taxii_url)
        world.call("poll")
        counts = world.done("count_notifications").counts
    assert sum(each.notifications for each in counts) == 3
    assert {each.severity for each in counts if each.entity_type != "other"} == {"unknown"}
    assert sum(each.notifications for each in counts if each.entity_type == "other") == 1
