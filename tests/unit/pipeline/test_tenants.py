"""Several tenants on one route: what is seen of their sources, and who signs."""

import json

import pytest

from connector import app, configuration
from connector.actions import notifications
from connector.actions.registry import ActionContext
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Page
from connector.notification import read
from connector.pipeline.deliver import Delivery
from connector.pipeline.redeliver import redeliver, rewind

CONFIGURATION = """
producer: {name: Provider, contact_information: soc@provider.example, tlp: green}
sources:
  acme: {type: file, path: a, labels: {tenant: acme, region: eu}}
  globex: {type: file, path: b, labels: {tenant: globex}}
  initech: {type: file, path: c, producer: {name: Initech, tlp: red}}
routes:
  stix: {mapping: stix21, sink: {type: file, path: out}}
"""


class Sink:
    def __init__(self):
        self.sent = []

    def send(self, messages):
        self.sent += [json.loads(message.body) for message in messages]
        return []

    def of(self, object_type):
        return [each for each in self.sent if each["type"] == object_type]


def item(notification_id="1"):
    return read(
        {
            "type": "domain",
            "id": "c2.example.com",
            "attributes": {"gti_assessment": {"verdict": {"value": "VERDICT_MALICIOUS"}}},
            "context_attributes": {
                "notification_id": notification_id,
                "notification_date": 1759894200,
                "origin": "hunting",
                "hunting_info": {"snippet": "abc", "rule_name": "r"},
            },
        }
    )


@pytest.fixture
def load(tmp_path):
    def loaded(text=CONFIGURATION):
        path = tmp_path / "iocstream.yaml"
        path.write_text(text)
        return configuration.load(path, {})

    return loaded


@pytest.fixture
def journal(tmp_path):
    opened = SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"))
    yield opened
    opened.close()


def delivered(plan, journal, *sources):
    """A sink with what one batch brings of the same notification id, from each of the sources."""
    sink = Sink()
    route = app.make_route(plan, "stix", sink)
    for source in sources:
        with journal.lease(source):
            journal.append(source, Page([item()], None))
    with journal.lease("stix"):
        while Delivery(route, journal).step():
            pass
    return sink, route


def test_one_notification_id_of_two_tenants_is_two_sightings_of_one_indicator(load, journal):
    sink, _ = delivered(load(), journal, "acme", "globex")
    assert [len(sink.of(each)) for each in ("indicator", "sighting", "observed-data", "note")] == [1, 2, 2, 2]
    assert [each["labels"] for each in sink.of("sighting")] == [["region:eu", "tenant:acme"], ["tenant:globex"]]
    ids = [each["id"] for each in sink.sent]
    assert len(ids) == len(set(ids))


def test_sources_that_say_nothing_of_themselves_keep_the_ids_that_they_had(load, journal, tmp_path):
    sink, _ = delivered(load(), journal, "initech")
    alone = load("""
producer: {name: Initech, contact_information: soc@provider.example, tlp: red}
sources: {initech: {type: file, path: c}}
routes: {stix: {mapping: stix21, sink: {type: file, path: out}}}
""")
    other = SqliteJournal(SqliteSettings(path=tmp_path / "other.db"))
    expected, _ = delivered(alone, other, "initech")
    other.close()
    assert sink.sent == expected.sent


def test_each_source_is_signed_by_its_producer_and_marked_as_that_says(load, journal):
    sink, _ = delivered(load(), journal, "acme", "initech")
    names = {each["id"]: each["name"] for each in sink.of("identity")}
    signed = [(names[each["created_by_ref"]], each["object_marking_refs"]) for each in sink.of("indicator")]
    markings = {each["id"]: each["name"] for each in sink.of("marking-definition")}
    assert [(who, [markings[each] for each in refs]) for who, refs in signed] == [
        ("Provider", ["TLP:GREEN"]),
        ("Initech", ["TLP:RED"]),
    ]
    [initech] = [each for each in sink.of("identity") if each["name"] == "Initech"]
    assert initech["contact_information"] == "soc@provider.example"  # what it leaves out is as at the top
    sent = [each["id"] for each in sink.sent]
    assert all(sent.index(each["created_by_ref"]) < sent.index(each["id"]) for each in sink.of("indicator"))


def test_what_is_delivered_again_is_signed_as_the_first_time(load, journal):
    sink, route = delivered(load(), journal, "acme", "initech")
    first = {each["id"]: each for each in sink.sent}
    sink.sent.clear()
    with journal.lease("stix"):
        assert redeliver(route, journal, journal.entries([1, 2]), again=True).messages == len(first)
        assert {each["id"]: each for each in sink.sent} == first
        sink.sent.clear()
        rewind(route, journal, {"acme": 0, "initech": 0})
        while Delivery(route, journal).step():
            pass
    assert {each["id"]: each for each in sink.sent} == first


def test_a_condition_may_ask_for_the_source_and_its_labels(load, journal):
    text = CONFIGURATION.replace("mapping: stix21,", "mapping: stix21, when: \"source.labels.region == 'eu'\",")
    plan = load(text)
    sink, _ = delivered(plan, journal, "acme", "globex", "initech")
    assert [each["labels"][-1] for each in sink.of("sighting")] == ["tenant:acme"]


def test_sources_with_one_producer_share_the_compiled_mapping(load):
    plan = load(CONFIGURATION + "  events: {mapping: cef, sink: {type: file, path: events}}\n")
    assert plan.mapping("stix", "acme") is plan.mapping("stix", "globex") is plan.mappings["stix"]
    assert plan.mapping("stix", "initech") is not plan.mappings["stix"]
    assert plan.mapping("events", "initech") is plan.mappings["events"]  # nobody signs an event


def test_what_an_action_converts_is_signed_for_the_source_that_has_it(load, journal, tmp_path):
    plan = load(CONFIGURATION.replace("routes:", f"journal: {{path: {tmp_path / 'journal.db'}}}\nroutes:"))
    delivered(plan, journal, "initech")
    asked = notifications.ConvertNotification(id="1", mapping="stix21")
    made = notifications.convert_notification.run(ActionContext(plan), asked).documents
    names = {each["id"]: each["name"] for each in made if each["type"] == "identity"}
    assert {names[each["created_by_ref"]] for each in made if each["type"] == "indicator"} == {"Initech"}
