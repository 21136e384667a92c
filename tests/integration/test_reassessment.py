"""What notifications are about is looked up again, over HTTP and within the budget; what is news goes out."""

import copy
import json
import sqlite3

import pytest
from integration.command import iocstream_here

from connector.simulator.api import Api, Fault
from connector.simulator.notifications import notifications
from connector.simulator.taxii import TaxiiReceiver
from connector.simulator.wsgi_server import serving

CONFIGURATION = """
sources:
  vt: {{type: virustotal, api_key: demo-key, api_url: "{api}/api/v3", since_hours: 168, poll_seconds: 1{options}}}
routes:
  taxii:
    mapping: stix21
    sink: {{type: taxii, collection_url: "{collection}", username: u, password: p}}
  bad:
    mapping: stix21
    when: entity.gti_assessment.verdict.value == 'VERDICT_MALICIOUS'
    sink: {{type: file, path: bad.jsonl}}
"""
HOUR = 3600


def entity_of(item):
    return item["type"], item["id"]


def alone(item, number):
    """The same match once more, of a source that nobody looks up."""
    again = copy.deepcopy(item)
    again["context_attributes"] |= {"notification_id": str(number), "sources": []}
    return again


DOMAIN = next(
    alone(item, 1)
    for item in notifications(300)
    if item["type"] == "domain"
    and item["attributes"].get("gti_assessment", {}).get("verdict", {}).get("value") == "VERDICT_UNDETECTED"
)
FILE = next(
    alone(item, 2)
    for item in notifications(300)
    if item["type"] == "file"
    and item["attributes"].get("gti_assessment", {}).get("verdict", {}).get("value") == "VERDICT_MALICIOUS"
)


class World:
    """A simulated VirusTotal and a TAXII receiver, a configuration for both, and time that passes on command."""

    def __init__(self, folder, api, receiver, urls):
        self.folder, self.api, self.receiver, self.urls = folder, api, receiver, urls
        self.configure("")

    def configure(self, options):
        api, taxii = self.urls
        text = CONFIGURATION.format(api=api, collection=taxii + self.receiver.path, options=options)
        (self.folder / "iocstream.yaml").write_text(text)

    def run(self):
        done = iocstream_here("run", "--once", "--json", cwd=self.folder, env={"COLUMNS": "300"})
        assert done.returncode == 0, done.stdout + done.stderr
        return {part["name"]: part for part in json.loads(done.stdout)}

    def pass_hours(self, hours):
        """As if all that was stored had been stored so long ago; what was asked counts for today."""
        with sqlite3.connect(self.folder / "iocstream.db") as db:
            db.execute("UPDATE subjects SET due = due - ?, named_at = named_at - ?", (hours * HOUR, hours * HOUR))
        db.close()

    def rows(self, statement):
        with sqlite3.connect(self.folder / "iocstream.db") as db:
            found = db.execute(statement).fetchall()
        db.close()
        return found

    def asked(self):
        """The look-ups of entities that arrived."""
        places = ("/domains/", "/files/", "/urls/", "/ip_addresses/")
        return [asked.path for asked in self.api.requests if asked.path.startswith(places)]

    def objects(self, kind):
        found = [item for item in self.receiver.objects() if item["type"] == kind]
        return sorted(found, key=lambda each: each.get("modified", ""))

    def bad(self):
        path = self.folder / "bad.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def world(tmp_path):
    api, receiver = Api([], key="demo-key"), TaxiiReceiver(username="u", password="p")
    with serving(api) as url, serving(receiver) as taxii:
        yield World(tmp_path, api, receiver, (url, taxii))


def test_a_domain_that_turns_malicious_an_hour_later_is_told_as_a_new_version_and_passes_the_condition(world):
    world.api.add([DOMAIN])
    world.run()
    assert (world.asked(), world.bad()) == ([], [])
    world.api.assess(*entity_of(DOMAIN), "VERDICT_MALICIOUS")
    world.run()
    assert world.asked() == []  # an hour has not passed
    world.pass_hours(1)
    parts = world.run()
    assert world.asked() == [f"/domains/{DOMAIN['id']}"]
    assert parts["taxii"]["revised"] == 1
    types = [each["indicator_types"] for each in world.objects("indicator")]
    assert types == [["unknown"], ["malicious-activity"]]
    assert len(world.objects("sighting")) == 1
    assert [each["indicator_types"] for each in world.bad() if each["type"] == "indicator"] == [["malicious-activity"]]


def test_an_entity_is_looked_up_after_an_hour_a_day_and_a_week_and_only_news_is_stored(world):
    world.api.add([DOMAIN])
    world.run()
    for hours, requests in ((1, 1), (22, 1), (1, 2), (143, 2), (1, 3), (1000, 3)):
        world.pass_hours(hours)
        assert world.run()["taxii"]["revised"] == 0
        assert len(world.asked()) == requests
    assert world.rows("SELECT attributes FROM subjects") == [(None,)]
    assert len(world.objects("indicator")) == 1


def test_one_look_up_serves_all_notifications_of_an_entity(world):
    world.api.add([alone(DOMAIN, number) for number in range(1, 8)])
    world.run()
    world.api.assess(*entity_of(DOMAIN), "VERDICT_MALICIOUS")
    world.pass_hours(1)
    world.run()
    assert len(world.asked()) == 1
    assert world.objects("indicator")[-1]["indicator_types"] == ["malicious-activity"]
    assert len({each["id"] for each in world.bad() if each["type"] == "sighting"}) == 7


def test_a_later_notification_says_itself_what_is_newer_than_the_look_up(world):
    world.api.add([DOMAIN])
    world.run()
    world.api.assess(*entity_of(DOMAIN), "VERDICT_MALICIOUS")
    world.pass_hours(1)
    world.run()
    newer = alone(DOMAIN, 99)
    newer["attributes"]["gti_assessment"]["verdict"]["value"] = "VERDICT_SUSPICIOUS"
    newer["context_attributes"]["notification_date"] += 60
    world.api.add([newer])
    world.run()
    types = [each["indicator_types"] for each in world.objects("indicator")]
    assert types == [["unknown"], ["malicious-activity"], ["anomalous-activity"]]


def test_no_more_than_three_quarters_of_the_budget_are_for_entities_however_often_it_runs(world):
    world.configure(", look_ups_per_day: 8")
    items = {
        entity_of(item): alone(item, number)
        for number, item in enumerate(notifications(200))
        if item["type"] == "domain"
    }
    world.api.add(list(items.values()))
    assert len(items) > 8
    world.run()
    for _ in range(3):
        world.pass_hours(1)
        world.run()
    assert len(world.asked()) == 6


@pytest.mark.parametrize("options", [", look_ups_per_day: 0", ", reassess_hours: []"])
def test_without_a_budget_or_hours_nothing_is_looked_up_nor_written_down(world, options):
    world.configure(options)
    world.api.add([DOMAIN])
    world.run()
    world.pass_hours(1000)
    world.run()
    assert world.asked() == []
    assert world.rows("SELECT count(*) FROM subjects UNION ALL SELECT count(*) FROM mentions") == [(0,), (0,)]


@pytest.mark.parametrize(("status", "code"), [(403, "ForbiddenError"), (404, "NotFoundError")])
def test_what_is_absent_or_forbidden_is_left_alone_and_takes_nothing_back(world, status, code):
    world.api.add([DOMAIN])
    world.run()
    body = json.dumps({"error": {"code": code, "message": "no"}}).encode()
    world.api.faults.append(Fault("/domains/", 999, status=status, body=body))
    world.pass_hours(1)
    world.run()
    world.pass_hours(24)
    world.run()
    assert len(world.asked()) == 1
    assert len(world.objects("indicator")) == 1


def test_while_the_quota_is_nearly_spent_no_entity_is_looked_up(world):
    world.api.add([DOMAIN])
    world.run()
    world.api.allowed = world.api.used
    world.api.allowed += 1
    world.pass_hours(1)
    world.run()
    assert world.asked() == []


def test_a_malicious_file_is_asked_once_what_sandboxes_saw_it_do(world):
    world.api.add([FILE, alone(FILE, 3)])
    world.run()
    trees = f"/files/{FILE['id']}/behaviour_mitre_trees"
    assert world.asked() == [trees]
    for _ in range(2):
        world.pass_hours(2000)
        world.run()
    assert world.asked().count(trees) == 1


def test_an_undetected_file_is_asked_what_it_does_once_it_turns_malicious(world):
    item = copy.deepcopy(FILE)
    item["attributes"]["gti_assessment"]["verdict"]["value"] = "VERDICT_UNDETECTED"
    world.api.add([item])
    world.run()
    assert world.asked() == []
    world.api.assess(*entity_of(item), "VERDICT_MALICIOUS")
    world.pass_hours(1)
    world.run()
    world.run()
    assert world.asked() == [f"/files/{item['id']}", f"/files/{item['id']}/behaviour_mitre_trees"]


def test_what_a_file_does_is_not_asked_where_the_key_may_not_read_it(world):
    world.configure(", attack_techniques: false")
    world.api.add([FILE])
    world.run()
    world.pass_hours(1)
    world.run()
    assert world.asked() == [f"/files/{FILE['id']}"]


def test_a_domain_that_turns_benign_a_day_later_is_taken_back(world):
    item = copy.deepcopy(DOMAIN)
    item["attributes"]["gti_assessment"]["verdict"]["value"] = "VERDICT_MALICIOUS"
    world.api.add([item])
    world.run()
    assert [each["type"] for each in world.bad()].count("sighting") == 1
    world.api.assess(*entity_of(item), "VERDICT_BENIGN", score=0, engines=0)
    world.pass_hours(1)
    world.run()
    assert [each.get("revoked", False) for each in world.objects("indicator")] == [False, True]
    assert [each.get("revoked", False) for each in world.bad() if each["type"] == "indicator"] == [False, True]
