"""What a route has delivered is taken back when it turns out wrong: once, for good, and only what was delivered."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import orjson
import pytest
from mapping_examples import bundled
from pipeline_receivers import START, deliver, route_into, store, when

from connector import configuration, notification
from connector.journals.sqlite.journal import SqliteJournal
from connector.model import Ahead, Judged, Judgement, LookUp, Page, Subject, Unavailable, Withheld
from connector.pipeline.deliver import Delivery
from connector.pipeline.redeliver import redeliver, rewind
from connector.pipeline.route import Route, Tenant
from connector.pipeline.versions import successor
from connector.settings.producer import Producer
from connector.values.timestamps import timestamp

MALICIOUS, BENIGN, UNDETECTED = "VERDICT_MALICIOUS", "VERDICT_BENIGN", "VERDICT_UNDETECTED"
WHEN_MALICIOUS = "entity.gti_assessment.verdict.value == 'VERDICT_MALICIOUS'"


def match(number, verdict=MALICIOUS, domain="bad.example", *, minutes=None, rule="r", ruleset=None, **entity):
    """A notification of a domain; a quarter of an hour after the one before, unless it is said."""
    attributes = {"gti_assessment": {"verdict": {"value": verdict}}, **entity} if verdict else {}
    date = START + (number * 15 if minutes is None else minutes) * 60
    named = [{"type": "collection", "id": ruleset, "label": "x"}] if ruleset else []
    said = {"notification_id": str(number), "notification_date": date, "origin": "hunting", "sources": named}
    said["hunting_info"] = {"rule_name": rule}
    return {"type": "domain", "id": domain, "attributes": attributes, "context_attributes": said}


@pytest.fixture
def stix(sink):
    return route_into(sink, "stix21", ("vt",))


@pytest.fixture
def cef(sink):
    return route_into(sink, "cef", ("vt",))


def indicators(documents):
    return [each for each in documents if each["type"] == "indicator"]


def events(sink):
    """Class id of each event of CEF that was sent."""
    return [kind for kind, _ in sink.events()]


# The verdict turns, and the route's condition


def test_what_is_malicious_and_benign_eight_minutes_later_is_revoked_though_the_route_wants_malicious_alone(
    journal, stix, sink
):
    route = replace(stix, wants=when(WHEN_MALICIOUS))
    assert deliver(route, journal, match(1, minutes=0)).withdrawn == 0
    (first,) = indicators(sink.taken())
    done = deliver(route, journal, match(2, BENIGN, minutes=8))
    (last,) = sink.taken()
    assert (done.delivered, done.filtered, done.withdrawn, done.refused) == (0, 1, 1, 0)
    assert (last["id"], last["created"], last["revoked"]) == (first["id"], first["created"], True)
    assert last["modified"] == timestamp(START + 8 * 60)
    assert journal.status({"out": ["vt"]}).routes[0].withdrawn == 1
    assert deliver(route, journal, match(3, BENIGN)).messages == 0


def test_a_verdict_that_turns_revokes_the_indicator_among_what_else_is_said(journal, stix, sink):
    deliver(stix, journal, match(1))
    (first,) = indicators(sink.taken())
    done = deliver(stix, journal, match(2, BENIGN))
    sent = sink.taken()
    (last,) = indicators(sent)
    assert (last["id"], last["revoked"], last["indicator_types"]) == (first["id"], True, ["benign"])
    assert [each["sighting_of_ref"] for each in sent if each["type"] == "sighting"] == [first["id"]]
    assert (done.delivered, done.withdrawn) == (1, 1)


def test_what_was_not_delivered_is_not_taken_back(journal, stix, cef, sink):
    route = replace(stix, wants=when(WHEN_MALICIOUS))
    assert deliver(route, journal, match(1, BENIGN), match(2, UNDETECTED)).messages == 0
    assert deliver(replace(cef, name="out", receiver="b"), journal) is None


def test_benign_from_the_start_is_an_indicator_that_is_not_revoked(journal, stix, sink):
    deliver(stix, journal, match(1, BENIGN), match(2, BENIGN, reputation=3))
    assert all("revoked" not in each for each in indicators(sink.taken()))


def test_what_a_condition_withholds_because_it_is_benign_now_is_said_to_be_benign(journal, cef, sink):
    deliver(replace(cef, wants=when(WHEN_MALICIOUS)), journal, match(1), match(2, BENIGN))
    reason = "reason=VirusTotal calls it benign now, and the route's `when` does not let it through"
    assert reason in sink.sent[-1].body.decode()


def test_an_event_is_taken_back_once_and_says_why(journal, cef, sink):
    route = replace(cef, wants=when(WHEN_MALICIOUS))
    deliver(route, journal, match(1))
    assert events(sink) == ["hunting:domain"]
    deliver(route, journal, match(2, UNDETECTED))
    (message,) = sink.sent
    assert "the route's `when` does not let it through" in message.body.decode()
    assert "|withdrawn:domain|Withdrawn: a domain|1|" in message.body.decode()
    events(sink)
    deliver(route, journal, match(3, BENIGN), match(4, UNDETECTED))
    assert events(sink) == []
    deliver(route, journal, match(5), match(6, BENIGN), match(7))
    assert events(sink) == ["hunting:domain", "withdrawn:domain", "hunting:domain"]


def test_an_event_whose_verdict_turns_is_followed_by_what_takes_it_back(journal, cef, sink):
    deliver(cef, journal, match(1), match(2, BENIGN), match(3, BENIGN))
    assert events(sink) == ["hunting:domain", "hunting:domain", "withdrawn:domain", "hunting:domain"]


def test_another_observable_is_another_matter(journal, cef, sink):
    deliver(cef, journal, match(1), match(2, BENIGN, domain="other.example"))
    assert events(sink) == ["hunting:domain", "hunting:domain"]


def test_a_url_is_one_however_it_is_spelled(journal, cef, sink):
    def visited(number, url, verdict):
        return match(number, verdict) | {"type": "url", "id": url}

    route = replace(cef, wants=when(WHEN_MALICIOUS))
    deliver(
        route, journal, visited(1, "http://Bad.example:80/a", MALICIOUS), visited(2, "http://bad.example/a", BENIGN)
    )
    assert events(sink) == ["hunting:url", "withdrawn:url"]


@pytest.mark.parametrize("profile", ["opencti", "misp", "sentinel", "xsoar"])
def test_every_profile_takes_the_indicator_back(journal, stix, sink, profile):
    for number, wants in enumerate((stix.wants, when(WHEN_MALICIOUS))):
        route = replace(stix, mapping=bundled("stix21", profile), wants=wants)
        domain, first = f"{'ab'[number]}.example", number * 10
        deliver(route, journal, match(first, domain=domain), match(first + 1, BENIGN, domain=domain))
        found = indicators(sink.taken())
        assert [each.get("revoked", False) for each in found] == [False, True]
        assert found[0]["id"] == found[1]["id"]


NAMED = {
    "attribution": {"threat_actors": ["APT9"], "malware_families": [{"family": "Emotet"}]},
    "techniques": [{"id": "T1059", "name": "Interpreter", "tactics": [], "severity": None, "sandboxes": []}],
}
ACTOR = "threat-actor--0fd2e7f2-6e67-4b7a-9d09-9d1c2f3a4b5c"


@pytest.mark.parametrize("wants", ["`true`", WHEN_MALICIOUS])
@pytest.mark.parametrize("profile", [None, "opencti", "misp", "sentinel", "xsoar"])
def test_with_the_indicator_goes_whom_and_what_it_indicates(journal, stix, sink, profile, wants):
    route = replace(stix, mapping=bundled("stix21", profile), wants=when(wants))
    deliver(route, journal, match(1, ruleset=ACTOR, **NAMED))
    said = {each["id"]: each for each in sink.taken() if each.get("relationship_type") == "indicates"}
    assert len(said) == (3 if profile == "sentinel" else 4)  # which takes no malware
    deliver(route, journal, match(2, BENIGN, ruleset=ACTOR, **NAMED))
    sent = [each for each in sink.taken() if each.get("relationship_type") == "indicates"]
    assert sorted(each["id"] for each in sent) == sorted(said)
    for each in sent:
        former = said[each["id"]]
        assert each["revoked"]
        assert [each[name] for name in ("source_ref", "target_ref")] == [former["source_ref"], former["target_ref"]]
    assert deliver(route, journal, match(3, BENIGN, ruleset=ACTOR, **NAMED)).withdrawn == 0
    assert not any(each.get("revoked") for each in sink.taken())


def test_nobody_is_behind_what_is_benign_from_the_start(journal, stix, sink):
    deliver(stix, journal, match(1, BENIGN, **NAMED))
    assert not {each["type"] for each in sink.taken()} & {"threat-actor", "malware", "attack-pattern"}


def test_a_condition_on_the_notification_alone_takes_nothing_back(journal, stix, sink):
    route = replace(stix, wants=when("notification.hunting_info.rule_name == 'mine'"))
    deliver(route, journal, match(1, rule="mine"))
    sink.taken()
    assert deliver(route, journal, match(2, rule="yours")).messages == 0
    # But what it says of the observable counts.
    assert deliver(route, journal, match(3, UNDETECTED, rule="yours")).withdrawn == 0
    (indicator,) = sink.taken()
    assert (indicator["indicator_types"], "revoked" in indicator) == (["unknown"], False)
    deliver(route, journal, match(4, BENIGN, rule="yours"))
    (last,) = sink.taken()
    assert last["revoked"]


def test_a_condition_on_both_takes_back_what_it_would_not_have_let_through(journal, stix, sink):
    route = replace(stix, wants=when(f"notification.hunting_info.rule_name == 'mine' && {WHEN_MALICIOUS}"))
    deliver(route, journal, match(1, rule="mine"))
    sink.taken()
    assert deliver(route, journal, match(2, rule="yours")).messages == 0
    deliver(route, journal, match(3, UNDETECTED, rule="yours"))
    assert [each["revoked"] for each in sink.taken()] == [True]


def test_a_notification_that_says_nothing_of_the_entity_takes_nothing_back(journal, stix, sink):
    for route in (stix, replace(stix, wants=when(WHEN_MALICIOUS))):
        deliver(route, journal, match(1))
        sink.taken()
        deliver(route, journal, match(2, verdict=None))
        assert not any("revoked" in each for each in sink.taken())


UNASSESSED = {"last_analysis_stats": {"malicious": 20, "suspicious": 0, "undetected": 30, "harmless": 0}}
ON_WHAT_IS_SAID = {
    "verdict": WHEN_MALICIOUS,
    "score": "entity.gti_assessment.threat_score.value >= `60`",
    "engines": "entity.last_analysis_stats.malicious >= `5`",
}


@pytest.mark.parametrize("asks", ON_WHAT_IS_SAID.values(), ids=list(ON_WHAT_IS_SAID))
@pytest.mark.parametrize("using", ["stix21", "cef"])
def test_what_a_condition_cannot_decide_because_less_is_said_takes_nothing_back(journal, sink, using, asks):
    route = route_into(sink, using, ("vt",), asks)
    assessed = {"verdict": {"value": MALICIOUS}, "threat_score": {"value": 90}}
    deliver(route, journal, match(1, gti_assessment=assessed, last_analysis_stats={"malicious": 9}))
    says_less = [
        UNASSESSED,
        {"gti_assessment": None, **UNASSESSED},
        {"gti_assessment": {"threat_score": {}}},
        {"reputation": 0},
    ]
    for number, attributes in enumerate(says_less, start=2):
        assert deliver(route, journal, match(number) | {"attributes": attributes}).withdrawn == 0
    lower = {"verdict": {"value": UNDETECTED}, "threat_score": {"value": 1}}
    done = deliver(route, journal, match(9, gti_assessment=lower, last_analysis_stats={"malicious": 0}))
    assert done.withdrawn == 1


@pytest.mark.parametrize("make", ["stix", "cef"])
def test_a_look_up_that_is_answered_with_less_takes_nothing_back(journal, request, make, sink):
    route = replace(request.getfixturevalue(make), wants=when(WHEN_MALICIOUS))
    journal.append("vt", Page([notification.read(match(1))], None, looks_up=Ahead(3600)))
    deliver(route, journal)
    asked = Subject("domain", "bad.example")
    assert journal.learn("vt", LookUp(asked, "known", START, START * 2, UNASSESSED, b"less"))
    done = deliver(route, journal)
    assert (done.revised, done.withdrawn) == (1, 0)
    turned = {"gti_assessment": {"verdict": {"value": UNDETECTED}}}
    journal.learn("vt", LookUp(asked, "known", START, START * 2, turned, b"turned"))
    assert deliver(route, journal).withdrawn == 1


def test_a_condition_on_what_was_pruned_takes_nothing_back_by_itself(journal, stix, sink):
    route = replace(stix, wants=when(WHEN_MALICIOUS))
    deliver(route, journal, match(1))
    sink.taken()
    assert journal.prune(START * 2, {"out": ["vt"]}) == 1
    assert deliver(route, journal, match(2, UNDETECTED)).messages == 0
    assert deliver(route, journal, match(3, BENIGN)).withdrawn == 1


OWN = """
format: json
match: entity.gti_assessment.verdict.value == 'VERDICT_MALICIOUS'
emit:
  event: {is: "${{ entity_value }}"}
withdraw:
  gone: {gone: "${{ entity_value }}", by: "${{ withdrawn.by }}", why: "${{ withdrawn.reason }}"}
"""


def own(tmp_path, text=OWN):
    (tmp_path / "own.yaml").write_text(text)
    return configuration.load_mapping(tmp_path / "own.yaml")


def test_a_match_that_turns_it_away_counts_like_a_condition(journal, sink, tmp_path):
    route = Route("out", ("vt",), when("`true`"), own(tmp_path), sink)
    deliver(route, journal, match(1), match(2, UNDETECTED), match(3, UNDETECTED))
    assert sink.taken() == [
        {"is": "bad.example"},
        {"gone": "bad.example", "by": "condition", "why": "the mapping's `match` does not let it through"},
    ]


def test_a_mapping_that_does_not_say_how_takes_nothing_back(journal, sink, tmp_path):
    text = OWN.partition("withdraw:")[0]
    route = Route("out", ("vt",), when("`true`"), own(tmp_path, text), sink)
    deliver(route, journal, match(1), match(2, UNDETECTED))
    assert sink.taken() == [{"is": "bad.example"}]


def test_another_reason_takes_back_whatever_the_notification_says(journal, cef, sink):
    class Guarded(Route):
        def withheld(self, entry, view):
            return Withheld("guard", "on the list x") if entry.seq > 1 else None

    route = Guarded("out", ("vt",), cef.wants, cef.mapping, sink)
    deliver(route, journal, match(1), match(2, verdict=None))
    assert [event.partition("reason=")[2] for event in (m.body.decode() for m in sink.sent)][-1].startswith(
        "on the list x "
    )
    assert events(sink) == ["hunting:domain", "withdrawn:domain"]


@pytest.mark.parametrize("profile", [None, "opencti", "misp", "sentinel", "xsoar"])
def test_a_match_that_knows_nothing_takes_back_what_is_judged_wrong(journal, stix, sink, profile):
    route = replace(stix, mapping=bundled("stix21", profile))
    deliver(route, journal, match(1))
    (first,) = indicators(sink.taken())
    journal.judge(Judgement(Judged("observable", "bad.example"), "false_positive", "ana"))
    done = deliver(route, journal, match(2, None))
    (last,) = indicators(sink.taken())
    assert (done.refused, done.withdrawn) == (0, 1)
    assert (last["id"], last["revoked"]) == (first["id"], True)


def test_tenants_whose_producers_differ_take_back_their_own(journal, stix, sink):
    other = configuration.load_mapping("stix21", Producer(name="Other"))
    tenants = {"other": Tenant({"name": "other", "labels": {}}, other)}
    route = replace(stix, sources=("vt", "other"), tenants=tenants)
    store(journal, match(1))
    store(journal, match(2, BENIGN), source="other")
    deliver(route, journal)
    assert not any("revoked" in each for each in sink.taken())


# Crashes, replays, retries


def test_what_was_sent_and_not_written_down_is_sent_again_in_the_same_bytes(journal, stix, sink, monkeypatch):
    route = replace(stix, wants=when(WHEN_MALICIOUS))
    deliver(route, journal, match(1))
    sink.sent.clear()
    store(journal, match(2, BENIGN))
    with monkeypatch.context() as patch:
        patch.setattr(SqliteJournal, "advance", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Delivery(route, journal).step()
    first = [message.body for message in sink.sent]
    sink.sent.clear()
    deliver(route, journal)
    assert [message.body for message in sink.sent] == first
    assert len(first) == 1
    assert journal.status({"out": ["vt"]}).routes[0].withdrawn == 1


@pytest.mark.parametrize("make", ["stix", "cef"])
def test_a_replay_sends_the_same_bytes_withdrawals_and_all(journal, request, make, sink):
    route = replace(request.getfixturevalue(make), wants=when(f"{WHEN_MALICIOUS} || entity.last"))
    bodies = [match(1), match(2, BENIGN), match(3), match(4, BENIGN, last=1), match(5), match(6, domain="x.example")]
    deliver(route, journal, *bodies)
    first = [message.body for message in sink.sent]
    for _ in range(2):
        sink.sent.clear()
        rewind(route, journal, {"vt": 0})
        deliver(route, journal)
        assert [message.body for message in sink.sent] == first
    sink.sent.clear()
    deliver(route, journal, match(7, BENIGN))
    assert sink.sent


def test_a_replay_from_the_middle_takes_back_what_was_delivered_before(journal, cef, sink):
    route = replace(cef, wants=when(WHEN_MALICIOUS))
    deliver(route, journal, match(1), match(2, BENIGN), match(3))
    events(sink)
    rewind(route, journal, {"vt": 1})
    deliver(route, journal)
    assert events(sink) == ["withdrawn:domain", "hunting:domain"]


def test_a_replay_with_a_stricter_condition_takes_back_what_it_does_not_let_through(journal, stix, sink):
    deliver(stix, journal, match(1, UNDETECTED), match(2, domain="other.example"))
    sink.taken()
    stricter = replace(stix, wants=when(WHEN_MALICIOUS))
    rewind(stricter, journal, {"vt": 0})
    deliver(stricter, journal)
    assert [(each["name"], each.get("revoked")) for each in indicators(sink.taken())] == [
        ("bad.example", True),
        ("other.example", None),
    ]


def test_a_withdrawal_that_was_refused_is_a_dead_letter_and_a_retry_sends_it(journal, stix, sink):
    route = replace(stix, wants=when(WHEN_MALICIOUS))
    deliver(route, journal, match(1))
    sink.taken()
    sink.refuse = lambda message: b'"revoked"' in message.body
    done = deliver(route, journal, match(2, BENIGN))
    assert (done.withdrawn, done.refused, done.filtered) == (0, 1, 0)
    (letter,) = journal.dead_letters("out")
    assert letter.letter.seq == 2
    sink.refuse = lambda message: False
    done = redeliver(route, journal, journal.entries([2]))
    assert (done.withdrawn, done.filtered) == (1, 1)
    assert [each["revoked"] for each in sink.taken()] == [True]
    assert list(journal.dead_letters("out")) == []


def test_a_retry_takes_nothing_back_that_a_later_notification_says_again(journal, cef, sink):
    route = replace(cef, wants=when(WHEN_MALICIOUS))
    deliver(route, journal, match(1))
    sink.refuse = lambda message: b"withdrawn" in message.body
    deliver(route, journal, match(2, BENIGN), match(3))
    sink.refuse = lambda message: False
    sink.sent.clear()
    redeliver(route, journal, journal.entries([2]))
    assert sink.sent == []


@pytest.mark.parametrize("make", ["stix", "cef"])
@pytest.mark.parametrize("turned", ["judged", "turned", "refused"])
def test_what_arrived_and_was_not_written_down_is_taken_back_when_it_is_no_claim_any_more(
    journal, request, make, turned, sink
):
    route = request.getfixturevalue(make)
    sink.refuse = lambda message: turned == "refused"
    store(journal, match(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteJournal, "advance", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Delivery(route, journal).step()
    sink.refuse = lambda message: False
    arrived = len(sink.sent)
    if turned == "judged":
        judge(journal, "false_positive")
    else:
        route = replace(route, wants=when("`false`"))
        deliver(route, journal, match(2, BENIGN))
    deliver(route, journal)
    last = b"".join(message.body for message in sink.sent[arrived:])
    assert (b'"revoked":true' in last or b"withdrawn:domain" in last) == (turned != "refused")


@pytest.mark.parametrize("make", ["stix", "cef"])
@pytest.mark.parametrize("arrives", [0, 1, 100])
def test_what_was_perhaps_taken_back_and_is_said_again_stands_once(journal, request, make, arrives, sink):
    route = request.getfixturevalue(make)
    deliver(route, journal, match(1, **NAMED))
    judge(journal, "false_positive")
    left = [arrives]

    def refuse(message):
        left[0] -= 1
        if left[0] < 0:
            raise Unavailable("cut off")
        return False

    sink.refuse = refuse
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteJournal, "record_redelivery", lambda *_: 1 / 0)
        with pytest.raises((Unavailable, ZeroDivisionError)):
            Delivery(route, journal).step()
    sink.refuse = lambda message: False
    judge(journal, "none")
    deliver(route, journal)
    if make == "cef":
        assert events(sink)[-1] == "hunting:domain"
        return
    newest = {}
    for each in sorted(sink.taken(), key=lambda each: each.get("modified", "")):
        newest[each["id"]] = each
    valid = [each for each in newest.values() if not each.get("revoked")]
    assert len(indicators(valid)) == 1
    relations = [each for each in valid if each.get("relationship_type") == "indicates"]
    assert {each["source_ref"] for each in relations} == {indicators(valid)[0]["id"]}
    assert len(relations) == len(
        [each for each in newest.values() if each.get("relationship_type") == "indicates" and each.get("revoked")]
    )


def judge(journal, verdict):
    journal.judge(Judgement(Judged("observable", "bad.example"), verdict, "ana"))


def test_what_a_judgement_held_back_is_not_said_when_that_is_over_and_a_later_match_has_ended_it(journal, stix, sink):
    judge(journal, "false_positive")
    route = replace(stix, wants=when("notification.hunting_info.rule_name == 'mine'"))
    deliver(route, journal, match(1, rule="mine"), match(2, BENIGN, rule="yours"))
    judge(journal, "none")
    deliver(route, journal)
    assert indicators(sink.taken()) == []


def test_what_was_set_back_and_not_yet_sent_again_is_taken_back_too(journal, stix, sink):
    deliver(stix, journal, match(1))
    rewind(stix, journal, {"vt": 0})
    judge(journal, "false_positive")
    sink.taken()
    deliver(stix, journal)
    assert [each["revoked"] for each in indicators(sink.taken())] == [True]


def test_what_was_refused_in_the_same_batch_is_not_taken_back(journal, cef, sink):
    sink.refuse = lambda message: message.seq == 1
    deliver(replace(cef, wants=when(WHEN_MALICIOUS)), journal, match(1), match(2, BENIGN))
    assert sink.sent == []


def test_what_is_not_confirmed_yet_is_taken_back_too(journal, cef, sink):
    route = replace(cef, wants=when(WHEN_MALICIOUS), batch=1)
    sink.doubtful = 10
    store(journal, match(1), match(2, BENIGN))
    delivery = Delivery(route, journal)
    assert delivery.step() is not None
    assert journal.claims("out", []) == {}
    assert delivery.step().withdrawn == 1
    delivery.finish()
    assert events(sink) == ["hunting:domain", "withdrawn:domain"]


def test_what_is_sent_again_by_hand_takes_back_again(journal, cef, sink):
    route = replace(cef, wants=when(WHEN_MALICIOUS))
    deliver(route, journal, match(1), match(2, BENIGN))
    events(sink)
    redeliver(route, journal, journal.entries([2]), again=True)
    assert events(sink) == ["withdrawn:domain"]


def test_a_revocation_is_sent_again_by_hand_as_it_was(journal, stix, sink):
    route = replace(stix, wants=when(WHEN_MALICIOUS))
    deliver(route, journal, match(1), match(2, BENIGN))
    *_, last = sink.sent
    sink.sent.clear()
    redeliver(route, journal, journal.entries([2]), again=True)
    assert [message.body for message in sink.sent if message.dependency_level] == [last.body]


# What is learned later


def learn(journal, name):
    attributes = {"name": name, "collection_type": "report"}
    answer = LookUp(Subject("collection", "c--1"), "known", START, START * 2, attributes, name.encode())
    return journal.learn("vt", answer)


NOT_NOISE = "notification.sources[0].attributes.name != 'noise'"


@pytest.mark.parametrize("make", ["stix", "cef"])
def test_what_was_learned_since_ends_a_claim(journal, request, make, sink):
    route = replace(request.getfixturevalue(make), wants=when(NOT_NOISE))
    deliver(route, journal, match(1, ruleset="c--1"), match(2, ruleset="c--1"), match(3))
    sink.sent.clear()
    assert learn(journal, "fine")
    done = deliver(route, journal)
    assert done is None or done.withdrawn == 0
    sink.sent.clear()
    # The last to speak of the domain is another, which the condition lets through.
    assert learn(journal, "noise")
    deliver(route, journal)
    assert not any(b"revoked" in message.body or b"withdrawn" in message.body for message in sink.sent)
    deliver(route, journal, match(4, domain="other.example", ruleset="c--1"))
    assert b"other.example" not in b"".join(message.body for message in sink.sent)


@pytest.mark.parametrize("make", ["stix", "cef"])
def test_what_was_learned_of_the_last_to_speak_takes_it_back_once(journal, request, make, sink):
    route = replace(request.getfixturevalue(make), wants=when(NOT_NOISE))
    deliver(route, journal, match(1, ruleset="c--1"), match(2, ruleset="c--1"))
    sink.sent.clear()
    learn(journal, "noise")
    assert deliver(route, journal).withdrawn == 1
    (message,) = sink.sent
    assert b"revoked" in message.body or b"withdrawn:domain" in message.body
    learn(journal, "noise again")
    sink.sent.clear()
    done = deliver(route, journal)
    assert done is None or done.withdrawn == 0


@pytest.mark.parametrize("again", [False, True])
def test_each_replay_with_a_stricter_condition_takes_back_what_one_with_a_wider_one_said_anew(
    journal, stix, sink, again
):
    named = {"attribution": {"threat_actors": ["APT9"]}}
    stricter = replace(stix, wants=when(WHEN_MALICIOUS))

    def standing():
        last = {each["id"]: each for each in sorted(sent, key=lambda each: each.get("modified", ""))}
        assert all(each["type"] != "relationship" or each["source_ref"] in last for each in last.values())
        wanted = [each for each in last.values() if each["type"] == "indicator" or "relationship_type" in each]
        wanted = [each for each in wanted if each.get("relationship_type", "indicates") == "indicates"]
        return len([each for each in wanted if "revoked" not in each])

    deliver(stix, journal, match(1, UNDETECTED, **named))
    sent = sink.taken()
    if again:  # it is taken back by another match, and not by a replay
        deliver(stricter, journal, match(2, UNDETECTED, **named))
        sent += sink.taken()
    for route, number in ((stricter, 0), (stix, 2), (stricter, 0), (stricter, 0), (stix, 2), (stricter, 0)):
        rewind(route, journal, {"vt": 0})
        deliver(route, journal)
        sent += sink.taken()
        assert standing() == number
        deliver(route, journal)
    deliver(stricter, journal, match(3, UNDETECTED, **named), match(4, BENIGN, **named))
    assert sink.taken() == []


def test_what_turned_benign_while_the_route_sent_elsewhere_is_taken_back_by_a_replay(journal, stix, sink):
    here, elsewhere = (replace(stix, receiver=name, wants=when(WHEN_MALICIOUS)) for name in ("here", "elsewhere"))
    deliver(here, journal, match(1))
    deliver(elsewhere, journal, match(2, BENIGN))
    deliver(here, journal, match(3, domain="other.example"))
    assert not any("revoked" in each for each in indicators(sink.taken()))
    rewind(here, journal, {"vt": 0})
    deliver(here, journal)
    assert [each["name"] for each in indicators(sink.taken()) if "revoked" in each] == ["bad.example"]


# What a receiver refuses


def refused(journal):
    return [stored.letter.seq for stored in journal.dead_letters("out")]


def history(route, journal, sink, steps):
    """Indicators that stand at the receiver after what was matched: `M`, `B`; with `x` it refuses the indicator."""
    for number, step in enumerate(steps.split(), start=1):
        sink.refuse = lambda message, step=step: step.endswith("x") and b'"type":"indicator"' in message.body
        if step == "retry":
            redeliver(route, journal, journal.entries(sorted(set(refused(journal)))))
        elif step == "drop":
            journal.drop([stored.id for stored in journal.dead_letters("out")])
        else:
            deliver(route, journal, match(number, MALICIOUS if step[0] == "M" else BENIGN))
    last = {}
    for each in sorted(indicators(sink.taken()), key=lambda each: each["modified"]):
        assert not last.get(each["id"], {}).get("revoked"), "a version follows a revocation"
        last[each["id"]] = each
    return sum("revoked" not in each and each["indicator_types"] == ["malicious-activity"] for each in last.values())


STANDS = [
    "M Bx M",
    "M Bx M retry",
    "M Bx retry M",
    "M Bx Mx retry",
    "M B Mx B M",
    "M B Mx B M retry",
    "Mx B retry M",
    "Mx B M retry",
    "Mx M retry",
]
IS_OVER = [
    "M Bx M retry B",
    "M Bx drop M B",
    "M Bx drop B",
    "M Bx Bx M retry B",
    "M Bx retry",
    "M Bx Mx retry B",
    "M Bx Mx B retry",
    "M B Mx B retry",
    "Mx B",
    "Mx B retry",
    "Mx B retry B",
    "Mx B retry M B",
    "Mx Bx retry",
    "Mx M B retry",
]


@pytest.mark.parametrize("wants", ["`true`", WHEN_MALICIOUS])
@pytest.mark.parametrize("steps", [*STANDS, *IS_OVER])
def test_one_indicator_stands_if_the_last_word_is_malicious_and_none_if_it_is_not(journal, stix, sink, steps, wants):
    assert history(replace(stix, wants=when(wants)), journal, sink, steps) == (steps in STANDS)


def test_a_revocation_that_was_refused_leaves_the_id_to_what_is_malicious_again(journal, stix, sink):
    route = replace(stix, wants=when(WHEN_MALICIOUS))
    deliver(route, journal, match(1))
    sink.refuse = lambda message: b'"revoked"' in message.body
    deliver(route, journal, match(2, BENIGN))
    sink.refuse = lambda message: False
    deliver(route, journal, match(3, reputation=-5, tags=["new"]), match(4, BENIGN))
    ids = {(each["id"], each.get("revoked", False)) for each in indicators(sink.taken())}
    ((only, _),) = {(object_id, "") for object_id, _ in ids}
    assert ids == {(only, False), (only, True)}


def test_a_revocation_that_was_accepted_once_is_not_forgotten_when_it_is_refused_in_a_replay(journal, stix, sink):
    deliver(stix, journal, match(1), match(2, BENIGN))
    former = indicators(sink.taken())[0]["id"]
    rewind(stix, journal, {"vt": 0})
    sink.refuse = lambda message: b'"revoked"' in message.body
    deliver(stix, journal)
    sink.refuse = lambda message: False
    sink.taken()
    deliver(stix, journal, match(3))
    assert [each["id"] for each in indicators(sink.taken())] == [successor(former)]


def test_a_revocation_in_doubt_is_not_forgotten(journal, stix, sink, monkeypatch):
    deliver(stix, journal, match(1))
    former = indicators(sink.taken())[0]["id"]
    store(journal, match(2, BENIGN))
    sink.outage = True
    with pytest.raises(Unavailable):
        Delivery(stix, journal).step()
    sink.outage = False
    assert [version.revoked for version in journal.versions("out", [former])[former]] == [False, True]


def test_what_is_benign_is_an_indicator_where_the_malicious_one_was_refused(journal, stix, sink):
    sink.refuse = lambda message: b'"type":"indicator"' in message.body
    deliver(stix, journal, match(1))
    sink.refuse = lambda message: False
    sink.taken()
    deliver(stix, journal, match(2, BENIGN))
    sent = sink.taken()
    (indicator,) = indicators(sent)
    assert (indicator["indicator_types"], "revoked" in indicator) == (["benign"], False)
    assert [each["sighting_of_ref"] for each in sent if each["type"] == "sighting"] == [indicator["id"]]


@pytest.mark.parametrize("make", ["stix", "cef"])
def test_a_retry_says_nothing_that_a_later_notification_has_ended(journal, request, make, sink):
    route = replace(request.getfixturevalue(make), wants=when(WHEN_MALICIOUS))
    sink.refuse = lambda message: True
    deliver(route, journal, match(1), match(2, domain="other.example"))
    sink.refuse = lambda message: False
    deliver(route, journal, match(3, BENIGN))
    sink.sent.clear()
    done = redeliver(route, journal, journal.entries([1, 2]))
    assert (done.delivered, done.filtered, done.refused) == (1, 1, 0)
    assert b"bad.example" not in b"".join(message.body for message in sink.sent)
    assert refused(journal) == []


def test_a_retry_heeds_nothing_that_waits_or_that_is_not_for_the_route_to_heed(journal, cef, sink):
    route = replace(cef, wants=when("notification.hunting_info.rule_name == 'mine'"))
    sink.refuse = lambda message: True
    deliver(route, journal, match(1, rule="mine"))
    sink.refuse = lambda message: False
    deliver(route, journal, match(2, rule="yours"), match(3, verdict=None, rule="mine"))
    store(journal, match(4, BENIGN, rule="mine"))
    sink.sent.clear()
    assert redeliver(route, journal, journal.entries([1])).delivered == 1
    assert events(sink) == ["hunting:domain"]


# A claim that returns


def test_what_is_malicious_again_goes_on_under_another_id_to_which_all_refers(journal, stix, sink):
    deliver(stix, journal, match(1), match(2, BENIGN))
    former = indicators(sink.taken())[0]["id"]
    deliver(stix, journal, match(3))
    sent = sink.taken()
    (again,) = indicators(sent)
    assert again["id"] == successor(former)
    assert "revoked" not in again
    assert again["created"] == again["modified"] == again["valid_from"] == timestamp(START + 45 * 60)
    assert former not in orjson.dumps(sent).decode()
    assert {each["sighting_of_ref"] for each in sent if each["type"] == "sighting"} == {again["id"]}
    deliver(stix, journal, match(4), match(5, BENIGN), match(6), match(7, BENIGN))
    found = [(each["id"], each.get("revoked", False)) for each in indicators(sink.taken())]
    twice = successor(again["id"])
    assert found == [(again["id"], True), (twice, False), (twice, True)]


def test_while_it_is_benign_nothing_is_said_of_it(journal, stix, sink):
    deliver(stix, journal, match(1), match(2, BENIGN))
    former = indicators(sink.taken())[0]["id"]
    deliver(stix, journal, match(3, BENIGN, reputation=5))
    sent = sink.taken()
    assert indicators(sent) == []
    assert [each["sighting_of_ref"] for each in sent if each["type"] == "sighting"] == [former]


def actor(name):
    return {"attribution": {"threat_actors": [name]}}


def test_what_referred_to_the_former_id_gets_another_id_as_well_and_what_did_not_keeps_its_own(journal, stix, sink):
    deliver(stix, journal, match(1, **actor("A")))
    before = [
        each for each in sink.taken() if each["type"] == "relationship" and each["relationship_type"] == "indicates"
    ]
    deliver(stix, journal, match(2, BENIGN))
    (revoked,) = indicators(sink.taken())
    deliver(stix, journal, match(3, **actor("A")), match(4, **actor("B")), match(5, **actor("A")))
    after = [
        each for each in sink.taken() if each["type"] == "relationship" and each["relationship_type"] == "indicates"
    ]
    again = successor(revoked["id"])
    assert after[0]["id"] == successor(before[0]["id"])
    assert {each["source_ref"] for each in after} == {again}
    assert len(after) == len({each["id"] for each in after}) == 2
    rewind(stix, journal, {"vt": 0})
    deliver(stix, journal)
    assert len({each["id"] for each in sink.taken() if each["type"] == "indicator"}) == 2


def test_a_successor_is_found_again_after_a_crash_at_each_moment(journal, stix, sink, monkeypatch):
    bodies = [match(1), match(2, BENIGN), match(3), match(4, BENIGN), match(5)]
    for body in bodies:
        for moment in ("record", "advance"):
            store(journal, body)
            with monkeypatch.context() as patch:
                patch.setattr(SqliteJournal, moment, lambda *_: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    Delivery(stix, journal).step()
        deliver(stix, journal)
    ids = [message.id for message in sink.sent if message.id.startswith("indicator--")]
    first = ids[0]
    assert list(dict.fromkeys(ids)) == [first, successor(first), successor(successor(first))]


def test_a_notification_without_attributes_begins_no_successor(journal, stix, sink):
    deliver(stix, journal, match(1), match(2, BENIGN))
    sink.taken()
    deliver(stix, journal, match(3, verdict=None))
    assert indicators(sink.taken()) == []


# What was delivered before claims were kept


def forget_claims(journal, route):
    """As a journal is that an older version of this program has filled."""
    with closing(sqlite3.connect(journal.path)) as database:
        database.execute("DELETE FROM claims")
        database.execute("UPDATE ledgers SET unclaimed_until = (SELECT max(seq) FROM notifications)")
        database.commit()


@pytest.fixture
def upgraded(journal, stix, tmp_path):
    journal.path = tmp_path / "journal.db"
    deliver(stix, journal, match(1, **NAMED), match(2), match(3, BENIGN, domain="good.example"))
    forget_claims(journal, stix)
    return journal


@pytest.mark.parametrize("ends", ["benign", "condition", "judged"])
def test_what_was_delivered_before_claims_were_kept_is_taken_back_once(upgraded, stix, sink, ends):
    (first,) = {each["id"] for each in indicators(sink.taken()) if each["name"] == "bad.example"}
    route = replace(stix, wants=when(WHEN_MALICIOUS)) if ends == "condition" else stix
    if ends == "judged":
        judge(upgraded, "false_positive")
        assert deliver(route, upgraded).withdrawn == 1
    else:
        assert deliver(route, upgraded, match(4, BENIGN if ends == "benign" else UNDETECTED)).withdrawn == 1
    assert [each["id"] for each in sink.taken() if each.get("revoked") and each["type"] == "indicator"] == [first]
    assert deliver(route, upgraded, match(5, BENIGN), match(6, BENIGN, domain="good.example")).withdrawn == 0
    assert not any(each.get("revoked") for each in sink.taken())


def test_what_an_older_version_did_not_deliver_is_not_taken_back(journal, stix, sink, tmp_path):
    journal.path = tmp_path / "journal.db"
    route = replace(stix, wants=when("notification.hunting_info.rule_name == 'mine'"))
    deliver(route, journal, match(1, rule="yours"), match(2, domain="other.example", rule="mine"))
    forget_claims(journal, route)
    sink.taken()
    judge(journal, "false_positive")
    done = deliver(route, journal, match(3, BENIGN, rule="mine"))
    assert done.withdrawn == 0
    assert not any(each.get("revoked") for each in sink.taken())


# What rests on what is taken back


def sample(number, verdict=MALICIOUS, *, names=True):
    """A match of a file; the malware configuration names a host."""
    digest = "ab" * 32
    said = match(number, verdict)
    connections = [{"host": "c2.other.example", "categories": ["C2"]}]
    named = {
        "attribution": {"threat_actors": ["APT9"], "malware_families": [{"family": "Sedge"}]},
        "techniques": [{"id": "T1059", "name": "Interpreter", "tactics": [], "severity": None, "sandboxes": []}],
        "malware_config": {"families": [{"family": "sedge", "configs": [{"net_info": {"connections": connections}}]}]},
    }
    attributes = {**said["attributes"], "sha256": digest, **(named if names else {})}
    return {**said, "type": "file", "id": digest, "attributes": attributes}


@pytest.mark.parametrize("wants", ["`true`", WHEN_MALICIOUS])
@pytest.mark.parametrize("ends", ["benign", "benign and names nobody", "judged"])
def test_with_a_sample_goes_what_was_said_of_it_and_nothing_that_has_another_foundation(
    journal, stix, sink, wants, ends
):
    route = replace(stix, wants=when(wants))
    deliver(route, journal, sample(1))
    said = [each for each in sink.taken() if each["type"] == "relationship"]
    assert {"variant-of", "uses", "communicates-with", "indicates"} <= {each["relationship_type"] for each in said}
    if ends == "judged":
        journal.judge(Judgement(Judged("observable", "ab" * 32), "false_positive", "ana"))
        deliver(route, journal)
    else:
        deliver(route, journal, sample(2, BENIGN, names=ends == "benign"))
    revoked = {each["id"]: each for each in sink.taken() if each.get("revoked")}
    gone = {each["id"] for each in revoked.values() if each["type"] in ("indicator", "malware")}
    assert len(gone) == 3  # the host that no other file names, too
    for each in said:
        rests_on_it = not gone.isdisjoint([each["source_ref"], each["target_ref"]])
        is_claim = each["relationship_type"] in ("variant-of", "uses", "communicates-with", "indicates")
        assert (each["id"] in revoked) == (rests_on_it and is_claim), each
        if each["id"] in revoked:
            kept = ("relationship_type", "source_ref", "target_ref", "created")
            assert [revoked[each["id"]][name] for name in kept] == [each[name] for name in kept]


# A match that comes late


@pytest.mark.parametrize("wants", ["`true`", WHEN_MALICIOUS])
@pytest.mark.parametrize("using", ["stix21", "cef"])
def test_a_match_that_is_older_and_comes_late_overrides_no_newer_verdict(journal, sink, using, wants):
    route = route_into(sink, using, wants=wants)
    deliver(route, journal, match(1, BENIGN, minutes=90))
    deliver(route, journal, match(2, MALICIOUS, minutes=30), match(3, MALICIOUS, minutes=60))
    assert not any(b"malicious" in message.body for message in sink.sent)
    sink.sent.clear()
    deliver(route, journal, match(4, MALICIOUS, minutes=120))
    assert any(b"malicious" in message.body for message in sink.sent)
    sink.sent.clear()
    assert deliver(route, journal, match(5, BENIGN, minutes=100)).withdrawn == 0


def test_of_a_match_that_comes_late_that_counts_which_is_known_of_the_entity_since(journal, stix, sink):
    route = replace(stix, wants=when(WHEN_MALICIOUS))
    deliver(route, journal, match(1, BENIGN, minutes=90, last_modification_date=START))
    deliver(route, journal, match(2, MALICIOUS, minutes=30, last_modification_date=START + 1))
    assert len(indicators(sink.taken())) == 1


def test_what_says_nothing_of_the_entity_or_is_of_other_sources_is_newer_than_nothing(journal, stix, sink):
    route = replace(stix, wants=when(WHEN_MALICIOUS))
    deliver(route, journal, match(1, verdict=None, minutes=90))
    store(journal, match(2, BENIGN, minutes=95), source="other")
    deliver(route, journal, match(3, MALICIOUS, minutes=30))
    assert len(indicators(sink.taken())) == 1


def test_a_replay_of_what_came_late_sends_the_same(journal, stix, sink):
    deliver(stix, journal, match(1, BENIGN, minutes=90), match(2, MALICIOUS, minutes=30), match(3, minutes=99))
    first = [message.body for message in sink.sent]
    sink.sent.clear()
    rewind(stix, journal, {"vt": 0})
    deliver(stix, journal)
    assert [message.body for message in sink.sent] == first
