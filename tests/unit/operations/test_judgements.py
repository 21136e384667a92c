"""Judging on command: what is refused before anything is written, and what is told."""

import time
from dataclasses import replace

import pytest

from connector import app, configuration
from connector.configuration import NotFound
from connector.model import Judged, Judgement, JudgementFilter, Misconfigured, Notification, Page
from connector.operations import judgements
from connector.values.timestamps import timestamp, unix_seconds


@pytest.fixture
def plan(world):
    world.run()
    return world.plan


SAID = Judgement(Judged("observable", "evil.example"), "false_positive", "ana")


def about(world):
    return world.raised[0]["id"]


def test_what_is_judged_is_told_with_how_much_it_concerns(world, plan):
    said = replace(SAID, judged=Judged("observable", f" {about(world).upper()}. "), note="ours")

    stored = judgements.judge(plan, said)

    assert stored["concerns"] == sum(each["id"] == about(world) for each in world.raised)
    at = stored.pop("at")
    assert abs(time.time() - unix_seconds(at)) < 60
    assert stored == {
        "id": 1,
        "verdict": "false_positive",
        "of": "observable",
        "value": about(world),
        "ruleset": None,
        "source": None,
        "note": "ours",
        "by": "ana",
        "until": None,
        "state": "in force",
        "rules": stored["rules"],
        "concerns": stored["concerns"],
        "named_by": 0,
        "naming": [],
    }
    assert judgements.find(plan, JudgementFilter(kind="observable", value=about(world).upper()), 10)[0]["id"] == 1


def test_a_host_that_malware_merely_names_is_told_with_the_notifications_that_do_so(plan):
    config = {"family": "sedge", "domain": "evil.example"}
    bodies = [
        {"type": "file", "id": f"{number:064x}", "attributes": {"malware_config": config}} for number in range(1, 24)
    ]
    with app.open_journal(plan) as journal, journal.lease("other"):
        raised = [Notification(f"f{number}", 1_760_000_000, body) for number, body in enumerate(bodies, 1)]
        journal.append("other", Page(raised, None))

    stored = judgements.judge(plan, SAID)

    assert (stored["concerns"], stored["named_by"]) == (0, 23)
    assert stored["naming"] == [f"f{number}" for number in range(23, 3, -1)]
    said = judgements.concerned_text(stored)
    assert said.startswith(
        "it concerns 0 notifications in the journal, and 23 whose malware configuration names it: f23, "
    )
    assert said.endswith("f4, …")


@pytest.mark.parametrize("digest", ["d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709"])
def test_a_file_that_is_named_by_another_hash_is_judged_and_found_by_its_sha256(plan, digest):
    sha256, hashes = "ab" * 32, {"md5": "d41d8cd98f00b204e9800998ecf8427e"}
    hashes["sha1"] = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
    body = {"type": "file", "id": sha256, "attributes": hashes, "context_attributes": {"notification_id": "f1"}}
    with app.open_journal(plan) as journal, journal.lease("other"):
        journal.append("other", Page([Notification("f1", 1_760_000_000, body)], None))
    named = Judged("observable", digest.upper())

    stored = judgements.judge(plan, replace(SAID, judged=named))

    assert (stored["value"], stored["concerns"]) == (sha256, 1)
    assert judgements.find(plan, JudgementFilter(kind="observable", value=named.value), 10)[0]["id"] == 1
    assert judgements.judge(plan, replace(SAID, judged=named, verdict="none"))["value"] == sha256


def test_a_hash_that_nobody_knows_is_judged_as_it_is(plan):
    named = Judged("observable", "0" * 32)
    assert judgements.judge(plan, replace(SAID, judged=named))["value"] == "0" * 32
    assert judgements.judge(plan, replace(SAID, judged=named, verdict="none"))["verdict"] == "none"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"judged": Judged("observable", "x" * 8193)}, "what is judged has 8193 characters; 8192 are allowed"),
        ({"judged": Judged("observable", " ")}, "what is judged is empty"),
        ({"judged": Judged("rule", "r", "7" * 201)}, "the ruleset has 201 characters"),
        ({"judged": Judged("rule", "r", source="s" * 201)}, "the source has 201 characters"),
        ({"judged": Judged("observable", "not a value")}, "'not a value' is no hash, URL"),
        ({"judged": Judged("observable", "com")}, "'com' is no hash, URL"),
        ({"judged": Judged("observable", "12345")}, "'12345' is no hash, URL"),
        ({"judged": Judged("observable", "0x7f000001")}, "is no hash, URL"),
        ({"judged": Judged("observable", "01.02.03.04")}, "'01.02.03.04' has zeros before a number"),
        ({"judged": Judged("observable", "http://01.02.03.04:80/")}, "has zeros before a number"),
        ({"judged": Judged("observable", "evil.example/path")}, "'evil.example/path' is no hash, URL"),
        ({"judged": Judged("observable", "192.0.2.0/24")}, "'192.0.2.0/24' is no hash, URL"),
        ({"judged": Judged("observable", "x" * 300 + ".example")}, "is no hash, URL"),
        ({"judged": Judged("observable", "http://[/")}, "is no hash, URL"),
        ({"judged": Judged("observable", "a\ud800b.example")}, "what is judged is no Unicode text"),
        ({"note": "\ud800"}, "the note is no Unicode text"),
        ({"note": "n" * 2001}, "the note has 2001 characters; 2000 are allowed"),
        ({"by": "b" * 201}, "who judges has 201 characters"),
        ({"by": " "}, "it is not said who judges"),
        ({"until": 86_400}, "1970-01-02T00:00:00.000Z is over already"),
        ({"verdict": "none", "until": 4_000_000_000}, "what is taken back is so for good"),
    ],
)
def test_what_is_not_sound_is_refused_with_the_limit(plan, change, said):
    with pytest.raises(Misconfigured, match=said):
        judgements.judge(plan, replace(SAID, **change))
    assert judgements.find(plan, JudgementFilter(), 10) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"judged": Judged("notification", "nobody")}, "the journal has no notification 'nobody'"),
        ({"judged": Judged("rule", "r", source="other")}, "there is no source 'other'; there is saved"),
        ({"verdict": "none"}, "nothing is judged of the observable evil.example, so there is nothing to take back"),
        (
            {"verdict": "none", "judged": Judged("rule", "r", "7", "saved")},
            "nothing is judged of the rule r of the ruleset 7 of the source saved",
        ),
    ],
)
def test_what_is_not_there_is_not_judged(plan, change, said):
    with pytest.raises(NotFound, match=said):
        judgements.judge(plan, replace(SAID, **change))
    assert judgements.find(plan, JudgementFilter(), 10) == []


def test_what_was_said_can_be_taken_back_once_whichever_way_it_is_written(plan):
    judgements.judge(plan, SAID)
    back = replace(SAID, verdict="none", judged=Judged("observable", "EVIL.example."))

    assert judgements.judge(plan, back)["state"] == "over"
    with pytest.raises(NotFound, match="nothing to take back"):
        judgements.judge(plan, back)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("MÜNCHEN.example", "xn--mnchen-3ya.example"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:80", "192.0.2.1"),
        ("2001:db8::1%eth0", "2001:db8::1"),
        ("evil\u3002example", "evil.example"),
        ("http://evil.example\\@good.example/", "http://evil.example/@good.example/"),
        ("[2001:DB8::1]:80", "2001:db8::1"),
        ("evil.example:8080", "evil.example"),
        ("Evil.example./", "evil.example"),
        ("HTTP://Evil.example", "http://evil.example/"),
        ("A" * 64, "a" * 64),
    ],
)
def test_an_observable_is_kept_in_one_spelling_and_found_by_each(plan, written, kept):
    said = replace(SAID, judged=Judged("observable", written))

    assert judgements.judge(plan, said)["value"] == kept
    assert len(judgements.find(plan, JudgementFilter(kind="observable", value=written), 10)) == 1
    assert judgements.judge(plan, replace(said, verdict="none"))["state"] == "over"


def test_until_is_told_as_a_time(plan):
    soon = int(time.time()) + 1000
    assert judgements.judge(plan, replace(SAID, until=soon))["until"] == timestamp(soon)


def test_without_a_journal_it_is_said_how_to_make_one(world):
    with pytest.raises(Misconfigured, match="there is no journal at"):
        judgements.judge(world.plan, SAID)


def test_rules_are_listed_by_their_precision(plan):
    judgements.judge(plan, replace(SAID, judged=Judged("rule", "good"), verdict="true_positive"))
    judgements.judge(plan, replace(SAID, judged=Judged("rule", "bad", "7", "saved")))

    first, second = judgements.rules(plan, 10)

    assert first == {
        "name": "bad",
        "ruleset": "7",
        "source": "saved",
        "judged": 1,
        "true_positive": 0,
        "false_positive": 1,
        "benign": 0,
        "precision": 0.0,
    }
    assert (second["name"], second["ruleset"], second["precision"]) == ("good", None, 1.0)


def test_a_user_without_a_name_is_nobody(monkeypatch):
    def nameless():
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert judgements.user_name() == ""


def test_the_plan_of_a_folder_can_be_judged_from_another(plan, world):
    again = configuration.load(world.path)
    judgements.judge(again, SAID)
    assert len(judgements.find(plan, JudgementFilter(in_force=True), 10)) == 1
