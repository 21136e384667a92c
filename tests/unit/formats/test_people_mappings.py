"""What goes to people: no text from outside is markup, everything has room, and what is taken back says so."""

import functools
import json

import pytest
from hypothesis import given
from malformed_notifications import body_of, dirty, misshapen
from mapping_examples import CASES, MAPPINGS, bundled, conversion, withdrawn
from peers.people_receivers import Jira, PagerDuty, Teams, faults, is_block, is_document

from connector import convert
from connector.settings import yamldoc

NAMES = ["slack", "teams", "pagerduty", "jira"]
HOSTILE = (
    "<!channel> <https://evil.example|click> *bold* _i_ `c` [click](https://evil.example) :boom: {{DATE(2026-01-01)}} "
    "{color:red}h{color} <at>all</at> & \" ' \\"
)
OF_ITS_OWN = {"facts", "link"}
"""What a receiver's own form decides."""
VERDICTS = ("Malicious", "Suspicious", "Undetected", "Benign", "Unassessed", "Withdrawn:", "Match")


def documents(name, body):
    return [json.loads(message.body) for each in convert([body], name) for message in each.messages]


def parts(value, kind):
    """Every object of this type in a document."""
    if isinstance(value, dict):
        if value.get("type") == kind:
            yield value
        value = list(value.values())
    for each in value if isinstance(value, list) else ():
        yield from parts(each, kind)


def fits_slack(message):
    assert all(map(is_block, message["blocks"]))
    assert len(message["text"]) < 4000
    for text in parts(message["blocks"], "mrkdwn"):
        is_link = text["text"].startswith("<https://www.virustotal.com/")
        assert text["verbatim"]
        assert is_link or text["text"].strip("*").split()[0] in VERDICTS
        assert sum(text["text"].count(each) for each in "<>|") == (3 if is_link else 0)
    for text in [message["text"], *(each["text"] for each in parts(message["blocks"], "plain_text"))]:
        assert "<" not in text
        assert ">" not in text
        assert all(part.startswith(("amp;", "lt;", "gt;")) for part in text.split("&")[1:])


def fits_teams(message):
    (attachment,) = message["attachments"]
    card = attachment["content"]
    assert len(json.dumps(message, ensure_ascii=False).encode()) < Teams.most_bytes
    for block in parts(card, "TextBlock"):
        assert block["text"].split()[0] in VERDICTS
    assert all(part["text"] for part in parts(card, "TextRun"))
    assert all(each["url"].startswith("https://www.virustotal.com/") for each in card.get("actions", []))


def fits_pagerduty(event):
    assert [*faults({**event, "routing_key": PagerDuty.routing_key}, PagerDuty.routing_key)] == []
    assert len(json.dumps(event)) < PagerDuty.most_bytes


def fits_jira(issue):
    assert is_document(issue["text"])
    assert len(json.dumps(issue)) < Jira.longest
    assert 0 < len(issue["summary"]) <= 255
    assert all(" " not in label for label in issue["labels"])
    assert issue["summary"].splitlines() == [issue["summary"]]
    for link in parts(issue["text"], "link"):
        assert link["attrs"]["href"].startswith("https://www.virustotal.com/")
    assert all(text["text"].strip() for text in parts(issue["text"], "text"))


FITS = {"slack": fits_slack, "teams": fits_teams, "pagerduty": fits_pagerduty, "jira": fits_jira}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES)
def test_an_example_is_taken(name, case):
    for message in conversion(bundled(name), case).messages:
        FITS[name](json.loads(message.body))


@pytest.mark.parametrize("name", NAMES)
def test_what_takes_an_example_back_is_taken(name):
    for line in withdrawn(name):
        FITS[name](json.loads(line))


@pytest.mark.parametrize("name", NAMES)
@given(body=dirty())
def test_odd_text_is_no_markup_and_has_room(name, body):
    for document in documents(name, body):
        FITS[name](document)


@pytest.mark.parametrize("name", NAMES)
@given(body=misshapen())
def test_whatever_else_virustotal_might_send_is_taken(name, body):
    for document in documents(name, body):
        FITS[name](document)


@functools.cache
def hostile():
    body = body_of("file_hunting")
    hunting = {**body["context_attributes"]["hunting_info"], "rule_name": HOSTILE * 20}
    body["context_attributes"] |= {"hunting_info": hunting, "tags": [HOSTILE] * 50}
    body["attributes"] |= {"meaningful_name": HOSTILE * 100}
    return body


@pytest.mark.parametrize("name", NAMES)
def test_markup_in_a_rule_or_file_name_stays_text(name):
    (document,) = documents(name, hostile())
    FITS[name](document)
    assert "evil.example" in json.dumps(document)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", ["domain_hunting", "url_hunting", "ip_v4"])
def test_an_observable_is_no_link(name, case):
    body = body_of(case)
    body["attributes"]["gti_assessment"] = {"verdict": {"value": "VERDICT_MALICIOUS"}}
    (document,) = documents(name, body)
    text = json.dumps(document).replace("https://www.virustotal.com/", "")
    assert "://" not in text.replace("[://]", "")
    assert "[.]" in text


@pytest.mark.parametrize("name", ["pagerduty", "jira"])
def test_what_is_harmless_asks_nothing_of_anybody(name):
    body = body_of("domain_hunting")
    for verdict, count in {"VERDICT_BENIGN": 0, "VERDICT_UNDETECTED": 0, "VERDICT_MALICIOUS": 1}.items():
        body["attributes"]["gti_assessment"] = {"verdict": {"value": verdict}}
        assert len(documents(name, body)) == count


def test_all_matches_of_an_observable_are_one_alert_and_its_withdrawal_resolves_it():
    body = body_of("file_hunting")
    again = {**body, "context_attributes": {**body["context_attributes"], "notification_id": "99"}}
    (first,), (second,) = documents("pagerduty", body), documents("pagerduty", again)
    back = [json.loads(line) for line in withdrawn("pagerduty")]
    assert first["dedup_key"] == second["dedup_key"]
    assert first["dedup_key"] in [event["dedup_key"] for event in back]
    assert {event["event_action"] for event in back} == {"resolve"}


def test_what_is_told_of_an_observable_goes_to_one_issue():
    (found,) = documents("jira", body_of("file_hunting"))
    back = [json.loads(line) for line in withdrawn("jira")]
    assert found["key"] in [issue["key"] for issue in back]
    assert found["key"] in found["labels"]
    assert {issue["kind"] for issue in back} == {"withdrawal"}


def body_with(text):
    """A file of which every name, tag and description is this."""
    body = body_of("file_hunting")
    body["attributes"] |= {"meaningful_name": text, "type_description": text}
    body["attributes"]["gti_assessment"] = {"description": text, "verdict": {"value": "VERDICT_MALICIOUS"}}
    body["attributes"]["malware_config"] = {"families": [{"family": text}]}
    body["attributes"]["attribution"] = {"threat_actors": [text], "malware_families": [{"family": text}]}
    sources = [
        {"type": "hunting_ruleset", "id": "1", "label": text},
        {"type": "threat_actor", "id": "2", "label": text},
    ]
    body["context_attributes"] |= {"tags": [text], "sources": sources}
    return body


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("blank", [" ", "\a", "\u200b\n"])
def test_what_is_blank_is_left_out(name, blank):
    (document,) = documents(name, body_with(blank))
    FITS[name](document)
    assert "Behind it" not in json.dumps(document)
    texts = [text["text"] for kind in ("plain_text", "TextRun", "text") for text in parts(document, kind)]
    assert not [text for text in texts if text.strip(" ,") == "" or text.endswith(": ,")]
    if name == "slack":
        assert not [text for text in texts if text.rstrip().endswith(":")]
    if name == "pagerduty":
        details = document["payload"]["custom_details"]
        assert not [value for value in details.values() if value in ("", [""])]


@pytest.mark.parametrize("origin", ["hunting", "subscriptions"])
@pytest.mark.parametrize("name", NAMES)
def test_no_address_that_somebody_wrote_is_a_link(name, origin):
    body = body_with("see http://evil.example/x")
    body["context_attributes"] |= {"origin": origin}
    if origin == "subscriptions":
        body["context_attributes"]["sources"][0]["type"] = "collection"
    (document,) = documents(name, body)
    text = json.dumps(document)
    assert "http[://]evil" in text
    assert "://evil" not in text


def test_what_the_mappings_find_out_under_one_name_is_the_same_in_all():
    found = {}
    for name in NAMES:
        for key, value in yamldoc.parse((MAPPINGS / f"{name}.yaml").read_text(), name).data["let"].items():
            if key not in OF_ITS_OWN:
                found.setdefault(key, {})[name] = json.dumps(value)
    assert len(found) > 20
    assert [key for key, each in found.items() if len(set(each.values())) > 1] == []
