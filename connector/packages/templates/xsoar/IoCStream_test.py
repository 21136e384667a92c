"""Unit tests of the integration."""

import json

import demistomock as demisto
from IoCStream import CONTEXT, answered, fetch_incidents, incidents

# notifications


def test_there_is_an_incident_for_each_rule():
    matches = [notification(id="1"), notification(id="2", rule="other"), notification(id="3", entity_value="8" * 64)]
    made = incidents(matches)
    assert [each["name"] for each in made] == [
        "IoC-Stream: lantern matched 2 entities",
        "IoC-Stream: other matched 1 entity",
    ]
    assert json.loads(made[0]["rawJSON"])["notification_ids"] == ["1", "3"]


def test_where_no_rule_is_named_the_ruleset_or_collection_is():
    (made,) = incidents([notification(rule=None)])
    assert "Lanterns" in made["name"]


def test_the_worst_verdict_counts_and_only_what_is_claimed_has_a_severity():
    worst = incidents([notification(verdict="benign", score=1), notification(verdict="suspicious", severity="low")])[0]
    assert (json.loads(worst["rawJSON"])["verdict"], worst["severity"]) == ("suspicious", 1)
    assert incidents([notification(verdict="undetected", severity="high")])[0]["severity"] == 0
    assert incidents([notification()])[0]["severity"] == 3


def fetched(monkeypatch, last_run, *notifications):
    """What a fetch makes of these: the names of incidents, and the last run that it sets."""
    done = {}
    monkeypatch.setattr(demisto, "getLastRun", lambda: last_run)
    monkeypatch.setattr(demisto, "setLastRun", lambda run: done.update(run=run))
    monkeypatch.setattr(demisto, "incidents", lambda made: done.update(names=[each["name"] for each in made]))

    class Client:
        def call(self, action, given):
            assert (action, given["next"], given["limit"]) == ("list_notifications", last_run.get("next"), 50)
            assert (given["changes"], given["muted"]) == (True, False)
            return {"data": {"notifications": notifications, "next": "4", "more": False}}

    fetch_incidents(Client(), {"max_fetch": "50"})
    return done["names"], done["run"]


def test_the_place_is_kept_with_the_incidents(monkeypatch):
    names, run = fetched(monkeypatch, {"next": "3"}, notification())
    assert (len(names), run) == (1, {"next": "4", "told": ["1"]})


def test_what_is_malicious_only_now_is_an_incident_once(monkeypatch):
    names, run = fetched(monkeypatch, {}, notification(change="changed"))
    assert names == ["IoC-Stream: lantern matched 1 entity"]
    assert fetched(monkeypatch, run, notification(change="changed"))[0] == []
    assert fetched(monkeypatch, {}, notification(change="changed", judgement="true_positive"))[0] == []


def test_what_is_withdrawn_is_told_of_what_there_was_an_incident_of(monkeypatch):
    gone = notification(change="withdrawn", verdict="benign", severity="high")
    assert fetched(monkeypatch, {"told": ["2"]}, gone) == ([], {"next": "4", "told": ["2"]})
    names, run = fetched(monkeypatch, {"told": ["1", "2"]}, gone, notification(id="3"))
    assert names == ["IoC-Stream: lantern: 1 entity withdrawn", "IoC-Stream: lantern matched 1 entity"]
    assert run["told"] == ["2", "3"]
    assert incidents([gone])[0]["severity"] == 0


def test_an_incident_has_what_is_known_of_its_entities():
    (made,) = incidents(
        [notification(), notification(id="2", confidence=None, first_seen=None, last_seen="2026-02-02")]
    )
    raw = json.loads(made["rawJSON"])
    assert (raw["confidence"], raw["hashes"]) == (85, ["a" * 32, "b" * 40, "9" * 64])
    assert (raw["first_seen"], raw["last_seen"]) == ("2026-01-01T00:00:00.000Z", "2026-02-02")


def test_a_command_gives_a_reputation_with_its_reliability():
    envelope = {"status": "success", "message": "m", "errors": [], "data": {"notifications": [notification()]}}
    context = answered("list_notifications", envelope, {"integrationReliability": "B - Usually reliable"})[
        "EntryContext"
    ]
    (score,) = context[CONTEXT["DBotScore"]]
    assert (score["Score"], score["Type"], score["Reliability"]) == (3, "file", "B - Usually reliable")
    (file,) = context[CONTEXT["file"]]
    assert (file["SHA256"], file["MD5"], file["Malicious"]["Vendor"]) == ("9" * 64, "a" * 32, "IoC-Stream Connector")
    assert context["IoCStream.ListNotifications"] == envelope["data"]
