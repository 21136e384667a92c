"""What an analyst judges wrong is taken back at once and muted, until that is over; then it is delivered."""

import time
from dataclasses import replace

import pytest
from pipeline_receivers import START, Sink, deliver, route_into

from connector import notification
from connector.guards.guards import GuardBook
from connector.journals.sqlite.journal import SqliteJournal
from connector.model import Ahead, Judged, Judgement, LookUp, Page, Subject, Unavailable
from connector.pipeline.deliver import Delivery
from connector.pipeline.redeliver import rewind
from connector.pipeline.route import Tenant
from connector.pipeline.versions import successor

HOST = Judged("observable", "bad.example")


def match(number, domain="bad.example", rule="phish", verdict="VERDICT_MALICIOUS"):
    said = {"notification_id": str(number), "notification_date": START + number * 900, "origin": "hunting"}
    said |= {"hunting_info": {"rule_name": rule}, "sources": []}
    attributes = {"gti_assessment": {"verdict": {"value": verdict}}}
    return {"type": "domain", "id": domain, "attributes": attributes, "context_attributes": said}


def judge(journal, judged=HOST, verdict="false_positive", **more):
    journal.judge(Judgement(judged, verdict, "ana", **more))


def of_type(documents, *types):
    return [each for each in documents if each["type"] in types]


def muted(journal):
    return journal.status({"out": ["vt", "other"]}).routes[0].muted


def test_what_was_delivered_of_a_false_positive_is_taken_back_at_once_with_the_word_of_the_analyst(journal, stix, sink):
    deliver(stix, journal, match(1), match(2), match(3, "worse.example"))
    (first, _) = of_type(sink.taken(), "indicator")
    judge(journal, note="our\nown proxy")

    done = deliver(stix, journal)

    indicator, opinion = sink.taken()
    assert (done.withdrawn, done.revised, done.judged, done.delivered, done.filtered) == (1, 2, 2, 0, 0)
    assert (indicator["id"], indicator["revoked"]) == (first["id"], True)
    assert opinion["type"] == "opinion"
    assert (opinion["opinion"], opinion["object_refs"]) == ("strongly-disagree", [first["id"]])
    assert (opinion["explanation"], opinion["authors"]) == ("our\nown proxy", ["ana"])
    assert deliver(stix, journal) is None


def test_a_receiver_of_events_is_told_once_why_what_it_has_is_taken_back(journal, cef, sink):
    deliver(cef, journal, match(1), match(2))
    sink.events()
    judge(journal, verdict="benign", note="our\nown proxy")

    deliver(cef, journal)

    (message,) = sink.sent
    assert b"reason=ana judged it benign: our own proxy" in message.body
    assert sink.events() == [("withdrawn:domain", "2")]


@pytest.mark.parametrize("using", ["stix21", "cef"])
def test_later_matches_are_muted_and_counted(journal, sink, using):
    out = route_into(sink, using)
    deliver(out, journal, match(1))
    judge(journal)
    deliver(out, journal)
    sink.taken() if using == "stix21" else sink.events()

    done = deliver(out, journal, match(2), match(3), match(4, "worse.example"))

    assert (done.delivered, done.filtered, done.muted, done.withdrawn) == (1, 2, 2, 0)
    assert muted(journal) == 3
    assert all(b"bad.example" not in message.body for message in sink.sent)


def test_what_never_was_delivered_is_not_taken_back(journal, stix, sink):
    judge(journal)
    done = deliver(stix, journal, match(1))
    assert (done.muted, done.messages, sink.taken()) == (1, 0, [])


def test_what_was_judged_before_it_is_dealt_with_is_taken_back_by_the_next_match(journal, cef, sink):
    deliver(cef, journal, match(1))
    sink.events()
    judge(journal)
    # It is pending before what is outdated has its turn.
    done = deliver(cef, journal, match(2))
    assert sink.events() == [("withdrawn:domain", "2")]
    assert (done.withdrawn, done.muted) == (1, 1)


def test_when_it_is_taken_back_the_indicator_goes_on_under_another_id_and_what_was_muted_is_delivered(
    journal, stix, sink
):
    deliver(stix, journal, match(1), match(2))
    (first,) = of_type(sink.taken(), "indicator")
    judge(journal)
    deliver(stix, journal)
    deliver(stix, journal, match(3))
    sink.taken()
    judge(journal, verdict="none")

    done = deliver(stix, journal)

    sent = sink.taken()
    (again,) = of_type(sent, "indicator")
    assert again["id"] == successor(first["id"])
    assert "revoked" not in again
    assert {each["sighting_of_ref"] for each in of_type(sent, "sighting")} == {again["id"]}
    assert done.delivered == 2  # the one that took it back, and the one that was muted
    assert muted(journal) == 0
    assert deliver(stix, journal, match(4)).delivered == 1
    assert {each["sighting_of_ref"] for each in of_type(sink.taken(), "sighting")} == {again["id"]}


@pytest.mark.parametrize("judged", [HOST, Judged("rule", "phish")])
@pytest.mark.parametrize("matches", [1, 3])
def test_each_further_false_positive_revokes_the_indicator_that_stands_then(journal, stix, sink, judged, matches):
    deliver(stix, journal, *map(match, range(1, matches + 1)))
    (standing,) = {each["id"] for each in of_type(sink.taken(), "indicator")}
    for _ in range(3):
        judge(journal, judged)
        deliver(stix, journal)
        sent = sink.taken()
        assert [(each["id"], each["revoked"]) for each in of_type(sent, "indicator")] == [(standing, True)]
        if judged is HOST:
            assert [each["object_refs"] for each in of_type(sent, "opinion")] == [[standing]]

        judge(journal, judged, "none")
        deliver(stix, journal)
        (again,) = {each["id"] for each in of_type(sink.taken(), "indicator")}
        assert again == successor(standing)
        standing = again


def test_a_replay_revokes_the_indicator_that_stood_last(journal, stix, sink):
    deliver(stix, journal, match(1))
    for verdict in ("false_positive", "none", "false_positive"):
        judge(journal, verdict=verdict)
        deliver(stix, journal)
    (last,) = of_type(sink.taken()[-4:], "indicator")

    rewind(stix, journal, {"vt": 0})
    deliver(stix, journal)

    (revoked,) = of_type(sink.taken(), "indicator")
    assert (revoked["id"], revoked["modified"], revoked["revoked"]) == (last["id"], last["modified"], True)


def test_when_it_is_taken_back_events_that_were_muted_are_sent_and_what_was_taken_back_last(journal, cef, sink):
    deliver(cef, journal, match(1), match(2))
    judge(journal)
    deliver(cef, journal)
    deliver(cef, journal, match(3), match(4))
    sink.events()
    judge(journal, verdict="none")

    done = deliver(cef, journal)

    assert sink.events() == [("hunting:domain", "2"), ("hunting:domain", "3"), ("hunting:domain", "4")]
    assert (done.delivered, done.messages) == (3, 3)
    assert deliver(cef, journal) is None
    judge(journal)
    deliver(cef, journal)
    assert sink.events() == [("withdrawn:domain", "4")]


def test_when_its_time_is_over_it_is_as_if_taken_back(journal, cef, sink, clock):
    deliver(cef, journal, match(1))
    judge(journal, until=int(clock.now) + 60)
    deliver(cef, journal)
    deliver(cef, journal, match(2))
    sink.events()
    clock.now += 60
    assert journal.end_judgements() == 1

    deliver(cef, journal)

    assert sink.events() == [("hunting:domain", "1"), ("hunting:domain", "2")]


def test_a_rule_mutes_what_it_matches_and_leaves_what_another_rule_says(journal, stix, sink):
    deliver(
        stix, journal, match(1, "both.example"), match(2, "both.example", "other"), match(3), match(4, rule="other")
    )
    deliver(stix, journal, match(5, "alone.example"), match(6, "both.example"))
    names = {each["id"]: each["name"] for each in of_type(sink.taken(), "indicator")}
    judge(journal, Judged("rule", "phish"))

    done = deliver(stix, journal)

    assert [names[each["id"]] for each in of_type(sink.taken(), "indicator")] == ["alone.example"]
    assert done.withdrawn == 1
    assert deliver(stix, journal, match(7, "new.example")).muted == 1


def test_when_the_other_rule_is_judged_too_what_both_said_is_taken_back(journal, cef, sink):
    deliver(cef, journal, match(1, rule="other"), match(2))
    judge(journal, Judged("rule", "phish"))
    deliver(cef, journal)
    sink.events()
    judge(journal, Judged("rule", "other"))
    deliver(cef, journal)
    assert sink.events() == [("withdrawn:domain", "2")]


def test_a_notification_judged_wrong_leaves_what_others_say_of_its_observable(journal, cef, sink):
    deliver(cef, journal, match(1), match(2))
    sink.events()
    judge(journal, Judged("notification", "2"))
    deliver(cef, journal)
    assert sink.events() == [("withdrawn-match:domain", "2")]
    judge(journal, Judged("notification", "1"))
    deliver(cef, journal)
    assert sink.events() == [("withdrawn:domain", "2")]


@pytest.mark.parametrize("verdict", ["true_positive", "none"])
def test_a_judgement_restores_nothing_that_a_benign_verdict_took_back(journal, sink, verdict):
    """That another rule matched it since, which the route does not want, says nothing there."""
    out = route_into(sink, "stix21", wants="notification.hunting_info.rule_name == 'phish'")
    deliver(out, journal, match(1), match(2, rule="other", verdict="VERDICT_BENIGN"), match(3, rule="other"))
    assert [each.get("revoked", False) for each in of_type(sink.taken(), "indicator")] == [False, True]
    judge(journal, verdict=verdict)
    deliver(out, journal)
    assert of_type(sink.taken(), "indicator") == []


def test_a_notification_judged_right_stands_against_its_rule(journal, cef, sink):
    deliver(cef, journal, match(1), match(2, "worse.example"))
    sink.events()
    judge(journal, Judged("notification", "1"), "true_positive")
    judge(journal, Judged("rule", "phish"))
    deliver(cef, journal)
    assert sink.events() == [("confirmed:domain", "1"), ("withdrawn:domain", "2")]


def test_a_true_positive_raises_nothing_but_the_opinion(journal, stix, sink):
    deliver(stix, journal, match(1), match(2))
    (indicator,) = of_type(sink.taken(), "indicator")
    judge(journal, verdict="true_positive")

    deliver(stix, journal)

    (opinion,) = sink.taken()
    assert (opinion["opinion"], opinion["object_refs"]) == ("strongly-agree", [indicator["id"]])
    assert deliver(stix, journal, match(3)).delivered == 1
    assert of_type(sink.taken(), "opinion") == []
    judge(journal, verdict="none")
    deliver(stix, journal)
    (later,) = sink.taken()
    assert (later["id"], later["opinion"]) == (opinion["id"], "neutral")


class DoubtfulSink(Sink):
    """A receiver that does not answer: what was sent is in doubt until all is finished."""

    doubtful = 0
    finished = 0

    def send(self, messages):
        self.doubtful += len(messages)
        return super().send(messages)

    def unconfirmed(self):
        return self.doubtful

    def finish(self):
        self.doubtful = 0
        self.finished += 1


def test_what_is_still_in_doubt_at_the_receiver_is_taken_back_at_once_too(journal):
    sink = DoubtfulSink()
    delivery = Delivery(route_into(sink, "cef"), journal)
    journal.append("vt", Page([notification.read(match(1))], None))
    assert delivery.step().delivered == 1
    assert delivery.step() is None
    assert delivery.is_held
    assert sink.finished == 0
    sink.events()
    judge(journal)

    assert delivery.step().withdrawn == 1
    assert sink.events() == [("withdrawn:domain", "1")]


def test_an_outage_at_the_receiver_loses_no_withdrawal(journal, cef, sink):
    deliver(cef, journal, match(1))
    sink.events()
    judge(journal)
    sink.outage = True
    with pytest.raises(Unavailable):
        deliver(cef, journal)
    sink.outage = False
    deliver(cef, journal)
    assert sink.events() == [("withdrawn:domain", "1")]


def test_what_stopped_between_send_and_commit_is_sent_again_the_same(journal, stix, sink, monkeypatch):
    deliver(stix, journal, match(1))
    sink.taken()
    judge(journal)
    record = journal.record_redelivery
    monkeypatch.setattr(journal, "record_redelivery", lambda *_: (_ for _ in ()).throw(Unavailable("killed")))
    with pytest.raises(Unavailable):
        deliver(stix, journal)
    first = sink.taken()
    monkeypatch.setattr(journal, "record_redelivery", record)
    deliver(stix, journal)
    assert sink.taken() == first


@pytest.mark.parametrize("using", ["stix21", "cef"])
def test_a_replay_honours_what_was_judged(journal, sink, using):
    out = route_into(sink, using)
    deliver(out, journal, match(1), match(2), match(3, "worse.example"))
    judge(journal)
    deliver(out, journal)
    sink.sent.clear()

    rewind(out, journal, {"vt": 0, "other": 0})
    done = deliver(out, journal)

    assert (done.delivered, done.muted) == (1, 2)
    said = b"".join(message.body for message in sink.sent if b"bad.example" in message.body)
    assert b"malicious-activity" not in said or b'"revoked":true' in said
    assert b"hunting:domain" not in said


def test_a_mapping_that_takes_nothing_back_mutes_all_the_same(journal, sink):
    out = route_into(sink, "json")
    deliver(out, journal, match(1))
    judge(journal)
    assert deliver(out, journal, match(2)).muted == 1
    assert [message.id for message in sink.sent] == ["1"]
    judge(journal, verdict="none")
    assert deliver(out, journal).delivered == 1
    assert [message.id for message in sink.sent] == ["1", "2"]


def test_a_condition_can_ask_what_was_judged(journal, sink):
    out = route_into(sink, "cef", wants="judgement.verdict == 'true_positive'")
    judge(journal, Judged("notification", "1"), "true_positive")
    done = deliver(out, journal, match(1), match(2))
    assert (done.delivered, done.filtered) == (1, 1)


def configured(number, *hosts):
    """A match of malware whose configuration names command and control servers."""
    digest = f"{number:064x}"
    connections = [{"host": host, "categories": ["C2"]} for host in hosts]
    config = {"families": [{"family": "sedge", "configs": [{"net_info": {"connections": connections}}]}]}
    body = match(number)
    attributes = {**body["attributes"], "sha256": digest, "malware_config": config}
    return {**body, "type": "file", "id": digest, "attributes": attributes}


def servers(documents):
    """The command and control servers among what was sent, each with whether it is revoked."""
    indicators = of_type(documents, "indicator")
    return {each["name"]: each.get("revoked", False) for each in indicators if "file:" not in each["pattern"]}


@pytest.fixture
def guarded_stix(stix):
    return replace(stix, tenants={"vt": Tenant({"name": "vt", "labels": {}}, stix.mapping, GuardBook().of())})


@pytest.mark.parametrize("verdict", ["false_positive", "benign"])
def test_a_host_judged_wrong_is_no_server_of_a_malware_configuration(journal, guarded_stix, sink, verdict):
    judge(journal, verdict=verdict)

    deliver(guarded_stix, journal, configured(1, "BAD.example", "other.example"))

    assert servers(sink.taken()) == {"other.example": False}
    (held,) = journal.guarded("out", "judgement", 10)
    assert (held.suppressed.value, held.suppressed.is_derived) == ("bad.example", True)


def test_what_is_judged_of_the_hosts_of_a_batch_is_asked_for_once(journal, guarded_stix, sink, monkeypatch):
    asked = []
    judged_observables = SqliteJournal.judged_observables
    monkeypatch.setattr(
        SqliteJournal,
        "judged_observables",
        lambda self, source: asked.append(source) or judged_observables(self, source),
    )
    judge(journal)
    hosts = [f"h{number}.example" for number in range(50)]
    deliver(guarded_stix, journal, *[configured(number, "bad.example", *hosts[number:]) for number in range(1, 20)])
    assert asked == ["vt"]
    deliver(guarded_stix, journal, match(30, "worse.example"))  # whose notification names none
    assert asked == ["vt"]


def test_a_server_judged_wrong_later_is_taken_back_at_once_and_said_again_when_that_is_taken_back(
    journal, guarded_stix, sink
):
    deliver(guarded_stix, journal, configured(1, "bad.example", "other.example"))
    assert servers(sink.taken()) == {"bad.example": False, "other.example": False}
    judge(journal)

    done = deliver(guarded_stix, journal)

    assert servers(sink.taken()) == {"bad.example": True}
    assert (done.revised, done.judged) == (1, 1)
    assert deliver(guarded_stix, journal) is None
    judge(journal, verdict="none")
    deliver(guarded_stix, journal)
    assert servers(sink.taken()) == {"bad.example": False}


def test_a_server_judged_wrong_is_taken_back_by_the_next_configuration_that_names_it_if_that_is_first(
    journal, guarded_stix, sink
):
    deliver(guarded_stix, journal, configured(1, "bad.example", "other.example"))
    assert servers(sink.taken()) == {"bad.example": False, "other.example": False}
    judge(journal)

    deliver(guarded_stix, journal, configured(2, "bad.example", "third.example"))

    assert servers(sink.taken()) == {"bad.example": True, "third.example": False}


def test_a_server_judged_wrong_later_is_taken_back_by_a_replay(journal, guarded_stix, sink):
    deliver(guarded_stix, journal, configured(1, "bad.example", "other.example"))
    sink.taken()
    judge(journal)

    rewind(guarded_stix, journal, {"vt": 0})
    deliver(guarded_stix, journal)

    assert servers(sink.taken())["bad.example"] is True


def test_a_server_that_only_a_look_up_names_is_taken_back_when_it_is_judged_wrong(journal, guarded_stix, sink):
    body = configured(1, "bad.example")
    looked_up = body["attributes"]
    body["attributes"] = {name: value for name, value in looked_up.items() if name != "malware_config"}
    journal.append("vt", Page([notification.read(body)], None, looks_up=Ahead(3600)))
    deliver(guarded_stix, journal)
    journal.learn("vt", LookUp(Subject("file", body["id"]), "known", START, START + 9_000_000, looked_up, b"more"))
    deliver(guarded_stix, journal)
    assert servers(sink.taken()) == {"bad.example": False}
    judge(journal)
    deliver(guarded_stix, journal)
    assert servers(sink.taken()) == {"bad.example": True}


def test_a_server_that_was_held_back_is_said_when_the_time_of_the_word_is_over(journal, guarded_stix, sink, clock):
    judge(journal, until=int(clock.now) + 60)
    deliver(guarded_stix, journal, configured(1, "bad.example"))
    assert servers(sink.taken()) == {}
    clock.now += 61
    journal.end_judgements()
    deliver(guarded_stix, journal)
    assert servers(sink.taken()) == {"bad.example": False}


@pytest.mark.parametrize(
    "judged", [{"verdict": "true_positive"}, {"judged": Judged("observable", "bad.example", source="other")}]
)
def test_a_server_judged_right_or_for_another_source_stays(journal, guarded_stix, sink, judged):
    judge(journal, **judged)

    deliver(guarded_stix, journal, configured(1, "bad.example"))

    assert servers(sink.taken()) == {"bad.example": False}


def test_a_server_is_delivered_when_what_was_judged_of_it_is_taken_back(journal, guarded_stix, sink):
    judge(journal)
    deliver(guarded_stix, journal, configured(1, "bad.example"))
    judge(journal, verdict="none")

    deliver(guarded_stix, journal, configured(2, "bad.example"))

    assert servers(sink.taken()) == {"bad.example": False}


def test_what_is_muted_is_forgotten_with_its_notification_and_with_its_route(journal, cef):
    judge(journal)
    deliver(cef, journal, match(1), match(2))
    assert muted(journal) == 2
    journal.prune(START + 1000, {"out": ["vt"]})
    assert muted(journal) == 1
    journal.forget_route("out")
    assert muted(journal) == 0


def test_ten_thousand_matches_of_a_rule_are_taken_back_in_batches(journal, cef, sink):
    out = replace(cef, batch=100)
    deliver(out, journal, *(match(number, f"h{number % 250}.example") for number in range(1000)))
    sink.events()
    began = time.monotonic()
    judge(journal, Judged("rule", "phish"))
    done = deliver(out, journal)
    assert (done.withdrawn, len(sink.events())) == (250, 250)
    assert time.monotonic() - began < 30
