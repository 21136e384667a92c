"""A reader of list_notifications is told what no longer holds of what it was given, and what holds only now."""

import time

import pytest

from connector import app, configuration, notification
from connector.actions import ACTIONS
from connector.actions.registry import ActionContext, call
from connector.model import Ahead, Judged, Judgement, LookUp, Page, Subject

NOW = int(time.time())
CONFIGURATION = """
sources:
  vt: {type: virustotal, api_key: k, api_url: "http://127.0.0.1:9/api/v3"}
  other: {type: virustotal, api_key: k, api_url: "http://127.0.0.1:9/api/v3"}
journal: {path: iocstream.db}
routes:
  out: {mapping: stix21, sink: {type: file, path: out.jsonl}}
"""


def assessed(verdict, score=None):
    """What VirusTotal says of an entity."""
    said = {"verdict": {"value": f"VERDICT_{verdict.upper()}"}}
    return {"gti_assessment": said if score is None else {**said, "threat_score": {"value": score}}}


def match(number, domain="a.example", verdict="malicious", score=None, rule="lantern", **more):
    context = {"notification_id": str(number), "notification_date": NOW - 1000 + number, "origin": "hunting"}
    context |= {"hunting_info": {"rule_name": rule}, "sources": [], "tags": [rule], **more}
    attributes = assessed(verdict, score)
    return notification.read({"type": "domain", "id": domain, "attributes": attributes, "context_attributes": context})


class World:
    def __init__(self, folder):
        (folder / "iocstream.yaml").write_text(CONFIGURATION)
        self.folder = folder
        self.next = None

    def plan(self):
        return configuration.load(self.folder / "iocstream.yaml")

    def raises(self, *matches, source="vt"):
        with app.open_journal(self.plan(), make=True) as journal, journal.lease(source):
            journal.append(source, Page(matches, None, looks_up=Ahead(3600)))

    def learns(self, domain, verdict, score=None, source="vt", kind="domain"):
        said = assessed(verdict, score)
        with app.open_journal(self.plan()) as journal, journal.lease(source):
            subject = Subject(kind, domain)
            journal.learn(source, LookUp(subject, "known", NOW, NOW + 60, said, repr(said).encode()))

    def judges(self, verdict, value="a.example", of="observable", source=""):
        with app.open_journal(self.plan()) as journal:
            journal.judge(Judgement(Judged(of, value, source=source), verdict, "ana", ""))

    def answer(self, **asked):
        place = {} if self.next is None else {"next": self.next}
        context = ActionContext(self.plan())
        return call(context, ACTIONS["list_notifications"], {"changes": True, **place, **asked})

    def reads(self, **asked):
        """What is new since the last time, as (id, change, verdict)."""
        found = []
        while True:
            envelope = self.answer(**asked)
            assert envelope.status == "success", envelope.errors
            self.next = envelope.data.next
            found += [(each.id, each.change, each.verdict) for each in envelope.data.notifications]
            if not envelope.data.more:
                return found


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return World(tmp_path)


BAD = {"verdicts": ["malicious"], "muted": False}


@pytest.mark.parametrize("asked", [{}, BAD, {"minimum_score": 60}])
def test_a_verdict_that_another_look_up_turns_is_told_once(world, asked):
    world.raises(match(1, score=90), match(2, "b.example", score=90))
    assert world.reads(**asked) == [("1", None, "malicious"), ("2", None, "malicious")]
    assert world.reads(**asked) == []
    world.learns("a.example", "benign", 1)

    assert world.reads(**asked) == [("1", "withdrawn" if asked else "changed", "benign")]
    assert world.reads(**asked) == []


def test_what_becomes_malicious_later_reaches_a_reader_of_malicious_alone(world):
    world.raises(match(1, verdict="undetected"))
    assert world.reads(**BAD) == []
    world.learns("a.example", "malicious")
    assert world.reads(**BAD) == [("1", "changed", "malicious")]


@pytest.mark.parametrize("asked", [{}, BAD])
@pytest.mark.parametrize(("of", "value"), [("observable", "A.example"), ("rule", "lantern"), ("notification", "1")])
def test_what_an_analyst_judges_wrong_is_withdrawn_and_comes_again_when_that_is_taken_back(world, asked, of, value):
    world.raises(match(1), match(2, "b.example", rule="other"))
    world.reads(**asked)
    world.judges("false_positive", value, of)
    assert world.reads(**asked) == [("1", "withdrawn", "unknown")]
    world.judges("none", value, of)
    assert world.reads(**asked) == [("1", "changed", "malicious")]


@pytest.mark.parametrize("of", ["rule", "notification"])
def test_what_another_notification_still_says_of_the_same_observable_is_named(world, of):
    world.raises(match(1), match(2, rule="other"), match(3, "b.example"))
    world.reads(**BAD)
    world.judges("false_positive", {"rule": "lantern", "notification": "1"}[of], of)
    upheld = {each.id: each.upheld_by for each in world.answer(**BAD).data.notifications}
    assert upheld.pop("1") == "2"
    assert set(upheld.values()) <= {None}
    world.judges("false_positive", "2", "notification")
    assert [each.upheld_by for each in world.answer(**BAD).data.notifications][-1] is None


def test_what_is_judged_right_is_told_as_changed(world):
    world.raises(match(1))
    world.reads(**BAD)
    world.judges("true_positive")
    assert world.reads(**BAD) == [("1", "changed", "malicious")]


def test_a_later_notification_takes_back_what_an_earlier_one_of_the_same_observable_said(world):
    world.raises(match(1), match(2, "b.example"))
    world.reads(**BAD)
    world.raises(match(3, verdict="benign"), match(4, "c.example", verdict="benign"))
    assert world.reads(**BAD) == [("3", "withdrawn", "benign")]
    world.raises(match(5, verdict="benign"))
    assert world.reads(**BAD) == []
    world.raises(match(6))
    assert world.reads(**BAD) == [("6", None, "malicious")]


def test_what_says_less_takes_nothing_back(world):
    world.raises(match(1), match(2, "b.example", score=90))
    world.reads(**BAD)
    less = match(3)
    less.body["attributes"] = {"registrar": "R"}
    world.raises(less, match(4, "b.example", verdict="undetected"))
    assert world.reads(**BAD) == [("4", "withdrawn", "undetected")]
    with app.open_journal(world.plan()) as journal, journal.lease("vt"):
        said = {"registrar": "R", "last_analysis_stats": {"malicious": 0, "undetected": 60}}
        journal.learn("vt", LookUp(Subject("domain", "a.example"), "known", NOW, NOW + 60, said, b"less"))
    assert world.reads(**BAD) == []


def test_who_reads_all_at_once_is_told_the_same(world):
    world.raises(match(1), match(2, verdict="undetected"), match(3, verdict="undetected"))
    assert world.reads(**BAD) == [("1", None, "malicious"), ("2", "withdrawn", "undetected")]


def test_what_was_put_on_a_known_good_list_meanwhile_is_withdrawn_with_the_next_match(world):
    world.raises(match(1))
    world.reads(**BAD)
    (world.folder / "ours.txt").write_text("a.example\n")
    guards = "guards: {lists: [ours.txt]}\n"
    (world.folder / "iocstream.yaml").write_text(CONFIGURATION + guards)
    world.raises(match(2))
    assert world.reads(**BAD) == [("2", "withdrawn", "unknown")]


@pytest.mark.parametrize(
    "asked", [{"rules": ["other"]}, {"tags": ["other"]}, {"entity_types": ["file"]}, {"filter": "origin:subscriptions"}]
)
def test_what_changes_of_what_is_not_asked_for_is_not_told(world, asked):
    world.raises(match(1))
    world.reads(**BAD, **asked)
    world.learns("a.example", "benign")
    world.raises(match(2, verdict="benign"))
    world.judges("false_positive")
    assert world.reads(**BAD, **asked) == []


def test_only_the_source_asked_for_is_looked_at(world):
    world.raises(match(1))
    world.raises(match(2), source="other")
    assert world.reads(**BAD, source="vt") == [("1", None, "malicious")]
    world.learns("a.example", "benign", source="other")
    assert world.reads(**BAD, source="vt") == []
    world.learns("a.example", "benign")
    assert world.reads(**BAD, source="vt") == [("1", "withdrawn", "benign")]


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_many_changes_come_page_by_page_and_each_once(world, limit):
    world.raises(*(match(number, f"d{number % 5}.example") for number in range(1, 21)))
    world.reads(**BAD)
    world.judges("false_positive", "lantern", "rule")
    world.raises(match(21, "new.example", rule="other"))
    found = world.reads(**BAD, limit=limit)
    assert found == [*((str(number), "withdrawn", "unknown") for number in range(1, 21)), ("21", None, "malicious")]


def test_what_changes_while_it_is_read_is_told_afterwards(world):
    world.raises(match(1), match(2, "b.example"))
    world.reads(**BAD)
    world.judges("false_positive", "lantern", "rule")
    first = world.answer(**BAD, limit=1)
    world.next = first.data.next
    assert [(each.id, first.data.more) for each in first.data.notifications] == [("1", True)]
    world.learns("a.example", "benign")
    assert world.reads(**BAD) == [("2", "withdrawn", "unknown"), ("1", "withdrawn", "unknown")]


def test_what_is_learned_of_rulesets_and_what_merely_names_a_host_is_no_change(world):
    ruleset = {"type": "hunting_ruleset", "id": "71", "label": "Lanterns"}
    world.raises(match(1, sources=[ruleset]))
    config = {"family": "sedge", "domain": "b.example"}
    named = {"type": "file", "id": "9" * 64, "attributes": {**assessed("malicious"), "malware_config": config}}
    said = {"notification_id": "2", "notification_date": NOW, "origin": "hunting", "sources": []}
    world.raises(notification.read({**named, "context_attributes": said}))
    assert len(world.reads(**BAD)) == 2
    world.learns("71", "benign", kind="hunting_ruleset")
    world.judges("false_positive", "b.example")
    assert world.reads(**BAD) == []


def test_a_place_without_changes_goes_on_from_now(world):
    world.raises(match(1))
    world.reads(**BAD, changes=False)
    world.judges("false_positive")
    assert world.reads(**BAD) == []
    world.judges("none")
    assert world.reads(**BAD) == [("1", "changed", "malicious")]
    assert world.reads(**BAD, changes=False) == []


@pytest.mark.parametrize("asked", [{"order": "newest"}, {"where": "virustotal"}])
def test_changes_are_known_to_the_journal_alone_oldest_first(world, asked):
    world.raises(match(1))
    (error,) = world.answer(**asked).errors
    assert error.code == "invalid_parameters"
    assert "changes" in error.cause


@pytest.mark.parametrize("place", ["1c", "c1", "1c2c3c4", "1.2", "-1", "1" * 19, "1c2c" + "3" * 19])
def test_a_place_that_is_none_is_refused(world, place):
    world.raises(match(1))
    world.next = place
    (error,) = world.answer().errors
    assert (error.code, error.cause) == ("invalid_parameters", "next: it is not from a page of the journal")
