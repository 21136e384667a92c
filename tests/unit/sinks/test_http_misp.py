"""The HTTP sink and the mapping for MISP against an imitation of it, over real sockets."""

import copy
import uuid

import orjson
import pytest
from hypothesis import given
from malformed_notifications import body_of, dirty, misshapen
from mapping_examples import bundled
from peers.http_receivers import Response, json_answer
from peers.misp import Misp

from connector import convert, notification
from connector.model import Message, Misconfigured, Unavailable, Withheld

DAY = 86_400
KINDS = ("Event", "Attribute", "Sighting")


def match(number=1, verdict="VERDICT_MALICIOUS", date=0, case="domain_hunting"):
    body = copy.deepcopy(body_of(case))
    body["attributes"]["gti_assessment"] = {"verdict": {"value": verdict}}
    about = body["context_attributes"]
    about |= {"notification_id": str(number), "notification_date": about["notification_date"] + date}
    return body


def messages(*bodies):
    return [message for each in convert(bodies, "misp") for message in each.messages]


def withdrawal(body, of="observable"):
    mapping = bundled("misp")
    rendering = mapping.rendering(notification.view(notification.read(body)))
    documents = mapping.withdrawal(rendering, Withheld("verdict", "it is an installer", of=of), alone=True)
    return [Message(9, "n-9", mapping.format.encode(document), 0) for document in documents]


@pytest.fixture
def receiver():
    return Misp()


@pytest.fixture
def sink(open_sink, receiver):
    return open_sink(receiver, "misp", api_key=Misp.key, api_key_header="Authorization")


def attribute_of(receiver):
    (attribute,) = receiver.attributes.values()
    return attribute


def test_a_match_is_an_event_with_an_attribute_and_a_sighting(sink, receiver):
    assert sink.check().endswith("takes messages")
    assert sink.send(messages(match())) == []
    (event,), (sighting,) = receiver.events.values(), receiver.sightings.values()
    attribute = attribute_of(receiver)
    assert (attribute["type"], attribute["value"], attribute["to_ids"]) == ("domain", "c2.example.com", True)
    assert attribute["event_id"] == event["id"]
    assert (sighting["attribute_uuid"], sighting["type"]) == (attribute["uuid"], "0")


def test_what_comes_twice_is_there_once(sink, receiver):
    for _ in range(2):
        assert sink.send(messages(match(1), match(2))) == []
    assert (len(receiver.events), len(receiver.attributes), len(receiver.sightings)) == (1, 1, 2)


def test_a_match_of_another_day_is_a_sighting_of_the_same_attribute_and_makes_no_empty_event(sink, receiver):
    assert sink.send(messages(match(1), match(2, date=DAY))) == []
    assert (len(receiver.events), len(receiver.attributes), len(receiver.sightings)) == (1, 1, 2)


def test_to_ids_follows_the_verdict(sink, receiver):
    for number, (verdict, expected) in enumerate({"VERDICT_UNDETECTED": False, "VERDICT_SUSPICIOUS": True}.items()):
        assert sink.send(messages(match(number, verdict))) == []
        assert attribute_of(receiver)["to_ids"] is expected


def test_what_is_taken_back_loses_to_ids_and_is_a_false_positive(sink, receiver):
    sink.send(messages(match()))
    assert sink.send(withdrawal(match())) == []
    assert attribute_of(receiver)["to_ids"] is False
    assert attribute_of(receiver)["comment"] == "Withdrawn: it is an installer"
    assert [sighting["type"] for sighting in receiver.sightings.values()] == ["0", "1"]


def test_one_match_that_is_taken_back_is_a_false_positive_and_leaves_to_ids(sink, receiver):
    sink.send(messages(match()))
    assert sink.send(withdrawal(match(), of="match")) == []
    assert attribute_of(receiver)["to_ids"] is True
    assert [sighting["type"] for sighting in receiver.sightings.values()] == ["0", "1"]


def test_what_is_not_there_is_not_taken_back(sink, receiver):
    assert sink.send(withdrawal(match())) == []
    assert receiver.taken == []


def test_an_attribute_that_misp_does_not_take_is_refused_with_its_reason(sink, receiver):
    receiver.refuse = ["c2.example.com"]
    other = match(2, case="ip_v4")
    sent = messages(match(1), other)
    refusals = sink.send(sent)
    assert [each.reason for each in refusals] == ["Value not in the right type/format. Please double check the value"]
    assert refusals[0].message == sent[1]
    assert attribute_of(receiver)["type"] == "ip-dst"


def test_an_event_that_is_gone_has_its_attribute_refused(sink, receiver):
    event, attribute, sighting = messages(match())
    refusals = sink.send([attribute, sighting])
    assert [each.reason.partition(":")[0] for each in refusals] == [
        "MISP does not have the event, or does not show it"
    ] * 2
    assert sink.send([event, attribute, sighting]) == []


def test_a_user_who_may_not_write_and_a_wrong_key_are_for_a_person(open_sink, sink, receiver):
    receiver.may_write = False
    with pytest.raises(Misconfigured, match="You do not have permission"):
        sink.send(messages(match()))
    other = open_sink(receiver, "misp", api_key="wrong-key-0000", api_key_header="Authorization")
    with pytest.raises(Misconfigured, match="Authentication failed"):
        other.send(messages(match()))
    assert receiver.taken == []


def test_it_is_waited_for_as_long_as_it_says(sink, receiver):
    receiver.answer_next(429, Retry_After="20")
    with pytest.raises(Unavailable) as caught:
        sink.send(messages(match()))
    assert caught.value.retry_after == 20
    assert sink.send(messages(match())) == []


@pytest.mark.parametrize("shows_deleted", [True, False])
@pytest.mark.parametrize("again", [lambda: messages(match(2)), lambda: withdrawal(match())])
def test_what_somebody_deleted_stays_out_and_holds_up_nothing(sink, receiver, shows_deleted, again):
    receiver.shows_deleted = shows_deleted
    sink.send(messages(match()))
    receiver.delete(attribute_of(receiver)["uuid"])
    other = messages(match(3, case="ip_v4"))
    assert sink.send([*again(), *other]) == []
    assert [(each["type"], each.get("deleted", False)) for each in receiver.attributes.values()] == [
        ("domain", True),
        ("ip-dst", False),
    ]
    assert len(receiver.sightings) == 2


def test_what_is_deleted_after_it_was_asked_for_stays_out(sink, receiver, monkeypatch):
    sink.send(messages(match()))
    shown = dict(attribute_of(receiver))
    receiver.delete(shown["uuid"])
    monkeypatch.setattr(Misp, "_get", lambda *_: json_answer(200, {"Attribute": shown}))
    assert sink.send(messages(match(2))) == []


def test_a_page_of_a_proxy_does_not_say_that_there_is_nothing_to_take_back(sink, receiver, monkeypatch):
    sink.send(messages(match()))
    with monkeypatch.context() as patch:
        patch.setattr(Misp, "_get", lambda *_: Response("<html>404 page not found</html>", 404))
        with pytest.raises(Misconfigured, match="404"):
            sink.send(withdrawal(match()))
    assert sink.send(withdrawal(match())) == []
    assert attribute_of(receiver)["to_ids"] is False


@pytest.mark.parametrize("fails", ["events/add", "attributes/add", "sightings/bulk"])
@pytest.mark.parametrize("status", [403, 503])
def test_while_one_kind_of_request_fails_no_match_is_lost(sink, receiver, monkeypatch, fails, status):
    """As saving attributes does, while MISP correlates them, and looking at others and editing them works."""
    sink.send(messages(match(9, case="ip_v4")))
    batch = messages(match(1), match(2), match(3, case="ip_v4"), match(4, case="url_hunting"))
    with monkeypatch.context() as patch:
        answer = Misp.answer
        patch.setattr(
            Misp,
            "answer",
            lambda *given: Response("busy", status) if fails in given[1].path else answer(*given),
        )
        for _ in range(8):
            with pytest.raises((Unavailable, Misconfigured)):
                sink.send(batch)
    assert sink.send(batch) == []
    assert (len(receiver.attributes), len(receiver.sightings)) == (3, 5)


@given(body=dirty() | misshapen())
def test_whatever_virustotal_might_send_has_ids_and_texts_that_misp_takes(body):
    for message in messages(body):
        document = orjson.loads(message.body)
        ids = [document["attribute"], document.get("event"), *(document.get(kind, {}).get("uuid") for kind in KINDS)]
        assert all(uuid.UUID(each).version == 5 for each in ids if each is not None)
        for text in (document.get("Attribute", {}).get("comment", "a"), document.get("Event", {}).get("info", "a")):
            assert len(text) <= 1000
            assert len(text.splitlines()) == 1
