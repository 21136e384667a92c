"""What notifications name is looked up after they are delivered, over HTTP, and goes out as new versions."""

import json
import subprocess
import time
from urllib.parse import quote

import pytest
from integration.command import iocstream_here, started

from connector.notification import subjects
from connector.simulator.api import Api, Fault
from connector.simulator.notifications import notifications
from connector.simulator.taxii import TaxiiReceiver
from connector.simulator.wsgi_server import serving

CONFIGURATION = """
sources:
  vt: {{type: virustotal, api_key: demo-key, api_url: "{api}/api/v3", since_hours: 168, poll_seconds: 1,
       attack_techniques: false{options}}}
routes:
  taxii:
    mapping: why.yaml
    sink: {{type: taxii, collection_url: "{collection}", username: u, password: p}}
  events:
    mapping: why-events.yaml
    sink: {{type: file, path: events.cef}}
"""
MAPPING = """
format: stix
emit:
  indicator:
    type: indicator
    id: ${{ stix_id('indicator', notification.id) }}
    pattern_type: stix
    pattern: "[domain-name:value = ${{ notification.id }}]"
    valid_from: ${{ timestamp(notification.date) }}
    name: ${{ notification.sources[0].attributes.name }}
  actors:
    $each: notification.sources
    $when: item.attributes.collection_type == 'threat-actor'
    type: threat-actor
    id: ${{ stix_id('threat-actor', item.id) }}
    name: ${{ item.attributes.name }}
"""
EVENTS = """
format: json
emit:
  event:
    id: ${{ notification.id }}
    why: ${{ notification.sources[0].attributes.name }}
"""
RAISED = [
    item
    for item in notifications(120)
    if item["context_attributes"]["sources"][0]["type"] != "threat_profile"
    and not any(subject.type == "url" for subject in subjects(item))
]
NAMED = {(s["type"], s["id"]) for item in RAISED for s in item["context_attributes"]["sources"]}


class World:
    """A simulated VirusTotal and a TAXII receiver, and a configuration for both."""

    def __init__(self, folder, api, receiver, urls):
        self.folder, self.api, self.receiver, self.urls = folder, api, receiver, urls
        (folder / "why.yaml").write_text(MAPPING)
        (folder / "why-events.yaml").write_text(EVENTS)
        self.configure("")

    def configure(self, options):
        api, taxii = self.urls
        text = CONFIGURATION.format(api=api, collection=taxii + self.receiver.path, options=options)
        (self.folder / "iocstream.yaml").write_text(text)

    def run(self, code=0):
        done = iocstream_here("run", "--once", "--json", cwd=self.folder, env={"COLUMNS": "300"})
        assert done.returncode == code, done.stdout + done.stderr
        return {part["name"]: part for part in json.loads(done.stdout)}

    def status(self):
        done = iocstream_here("status", "--json", cwd=self.folder)
        return json.loads(done.stdout)["sources"][0]

    def asked(self):
        """The look-ups that arrived."""
        places = ("/intelligence/", "/collections/")
        return [asked for asked in self.api.requests if asked.path.startswith(places)]

    def names(self):
        """By indicator, the names of its versions, oldest first."""
        found = {}
        for item in sorted(self.receiver.objects(), key=lambda each: each.get("modified", "")):
            if item["type"] == "indicator":
                found.setdefault(item["id"], []).append(item.get("name"))
        return found

    def events(self):
        return [json.loads(line) for line in (self.folder / "events.cef").read_text().splitlines()]


@pytest.fixture
def world(tmp_path):
    api, receiver = Api(RAISED, key="demo-key"), TaxiiReceiver(username="u", password="p")
    with serving(api) as url, serving(receiver) as taxii:
        yield World(tmp_path, api, receiver, (url, taxii))


def answered(world):
    """The names that the API gives, by type and id."""
    answers = {**world.api.subjects}
    for (kind, identifier), answer in world.api.subjects.items():
        if kind == "collection":
            answers["threat_actor", identifier] = answer
    return {key: said.get("name") for key, (status, said) in answers.items() if status == 200}


def test_the_first_delivery_knows_nothing_the_look_ups_follow_and_then_a_new_version(world):
    parts = world.run()

    assert parts["taxii"]["delivered"] == parts["events"]["delivered"] == len(RAISED)
    assert parts["vt"]["looked_up"] == len(NAMED)
    assert parts["taxii"]["revised"] >= len(RAISED) // 2
    assert parts["events"]["revised"] == 0
    known = answered(world)
    named = [item["context_attributes"]["sources"][0] for item in RAISED]
    names = [known.get((source["type"], source["id"])) for source in named]
    expected = sorted(str([None, name] if name else [None]) for name in names)
    assert sorted(map(str, world.names().values())) == expected
    assert {item["name"] for item in world.receiver.objects() if item["type"] == "threat-actor"} <= set(known.values())
    assert [event.get("why") for event in world.events()] == [None] * len(RAISED)


def test_look_ups_name_the_tool_encode_ids_and_are_not_repeated(world):
    odd = "an actor/../?x=ü"
    item = json.loads(json.dumps(RAISED[0]))
    item["context_attributes"] |= {"notification_id": "1", "sources": [{"type": "collection", "id": odd, "label": ""}]}
    world.api.add([item])
    world.api.subjects["collection", odd] = (200, {"name": "Odd"})
    world.run()
    asked = world.asked()
    assert {(each.headers["x-tool"] != "", each.method) for each in asked} == {(True, "GET")}
    assert len(asked) == len(NAMED) + 1
    assert quote(odd, safe="") not in "".join(each.path for each in asked)  # werkzeug has decoded it
    sent = len(world.receiver.objects())

    parts = world.run()

    assert len(world.asked()) == len(asked)
    assert (parts["vt"]["looked_up"], parts["taxii"]["revised"]) == (0, 0)
    assert len(world.receiver.objects()) == sent


def test_events_of_later_notifications_carry_what_is_known(world):
    world.run()
    item = json.loads(json.dumps(RAISED[-1]))
    ruleset = {"type": "hunting_ruleset", "id": "7100000001", "label": "Ransomware"}
    item["context_attributes"] |= {"notification_id": "1", "sources": [ruleset]}
    world.api.add([item])
    world.run()
    assert world.events()[-1] == {"id": "1", "why": "Ransomware"}


def test_status_shows_what_is_known_and_what_virustotal_drops(world):
    world.run()
    found = world.status()["look_ups"]
    assert found["known"] + found["absent"] + found["forbidden"] == len(NAMED) == found["today"]
    assert min(found["absent"], found["forbidden"]) > 0
    assert (found["waiting"], found["per_day"], found["message"]) == (0, 200, None)
    limited = [ruleset for ruleset in found["rulesets"] if ruleset["rate_limited"]]
    assert limited == [
        {"id": "7100000003", "name": "Phishing kits", "rate_limited": True, "rate_limited_ratio": 0.25, "limit": 100}
    ]
    text = iocstream_here("status", cwd=world.folder, env={"COLUMNS": "300"}).stdout
    assert "VirusTotal dropped the matches of the ruleset Phishing kits for 25% of 24 hours and now" in text
    assert "raise its limit of 100 a day" in text


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault("/collections/|/intelligence/", 999, status=503, body=b"busy"), "cannot answer now"),
        (Fault("/collections/|/intelligence/", 999, status=429, body=b"{}"), "cannot answer now"),
        (Fault("/collections/|/intelligence/", 999, status=200, body=b"<html>"), "not JSON"),
        (Fault("/collections/|/intelligence/", 999, status=401, body=b"{}"), "refused"),
        (Fault("/collections/|/intelligence/", 999, body=b"[" * 9_000_000), "more than"),
    ],
    ids=["busy", "too many", "a page", "a firewall", "endless"],
)
def test_an_endpoint_that_fails_makes_nothing_else_look_failed_and_is_left_alone_for_a_while(world, fault, says):
    world.api.faults.append(fault)
    parts = world.run()
    assert (parts["vt"]["state"], parts["taxii"]["delivered"]) == ("done", len(RAISED))
    assert len(world.asked()) == 1
    found = world.status()
    assert found["state"] == "done"
    assert says in found["look_ups"]["message"]
    assert found["look_ups"]["waiting"] == len(NAMED) - 1

    world.api.faults.clear()
    assert world.run()["vt"]["looked_up"] == len(NAMED) - 1
    assert world.status()["look_ups"]["message"] is None


def test_answers_that_make_no_sense_cost_one_request_each(world):
    world.api.faults.append(Fault("/collections/", 999, edit=lambda _: {"data": ["nonsense"]}))
    world.run()
    found = world.status()["look_ups"]
    assert found["message"] is None
    assert len(world.asked()) == len(NAMED) == found["today"]


def test_zero_a_day_is_none(world):
    world.configure(", look_ups_per_day: 0")
    world.run()
    assert world.asked() == []
    assert world.status()["look_ups"] is None


def test_no_more_than_are_allowed_a_day_are_made_however_often_it_runs(world):
    world.configure(", look_ups_per_day: 3")
    for _ in range(3):
        world.run()
    assert len(world.asked()) == 3
    assert world.status()["look_ups"]["waiting"] == len(NAMED) - 3


def test_the_last_quarter_of_the_quota_is_left_to_notifications(world):
    world.api.allowed = 20
    world.run()
    assert 0 < len(world.asked()) < 15
    assert world.api.used == 15
    assert "kept for notifications" in world.status()["look_ups"]["message"]


def test_a_kill_between_learning_and_telling_loses_nothing_and_gives_no_version_two_contents(world):
    process = started("run", cwd=world.folder, stderr=subprocess.DEVNULL)
    try:
        until(world.names)
        until(lambda: len(world.asked()) >= 3)
    finally:
        process.kill()
        process.wait()
    for kills in range(6):
        # What is left to be told meets a receiver that fails, and the process its end.
        world.receiver.fail_next(503, times=1, store=kills % 2 == 0)
        process = started("run", cwd=world.folder, stderr=subprocess.DEVNULL)
        time.sleep(1.0 + 0.3 * kills)
        process.kill()
        process.wait()
    world.receiver._failures.clear()
    world.run()
    known = answered(world)
    last = sorted(str(names[-1]) for names in world.names().values())
    first = [item["context_attributes"]["sources"][0] for item in RAISED]
    assert last == sorted(str(known.get((source["type"], source["id"]))) for source in first)
    events = [event["id"] for event in world.events()]
    assert set(events) == {item["context_attributes"]["notification_id"] for item in RAISED}


def until(true, seconds=30):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
