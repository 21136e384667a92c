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


def test_the_place_is_kept_with_the_incidents(monkeypatch):
    done = []
    monkeypatch.setattr(demisto, "getLastRun", lambda: {"next": "3"})
    monkeypatch.setattr(demisto, "setLastRun", done.append)
    monkeypatch.setattr(demisto, "incidents", lambda made: done.append(len(made)))

    class Client:
        def call(self, action, given):
            assert (action, given["next"], given["limit"]) == ("list_notifications", "3", 50)
            return {"data": {"notifications": [notification()], "next": "4", "more": False}}

    fetch_incidents(Client(), {"max_fetch": "50"})
    assert done == [1, {"next": "4"}]


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
