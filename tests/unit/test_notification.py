from types import MappingProxyType

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import notification
from connector.model import Judged, Judgement, Refused, Subject
from connector.notification import subjects

SHA256 = "ab" * 32
STREAM_ITEM = {
    "type": "file",
    "id": SHA256.upper(),
    "links": {"self": "https://www.virustotal.com/api/v3/files/x"},
    "attributes": {"sha256": SHA256, "size": 7},
    "context_attributes": {
        "notification_id": "10494503008",
        "notification_date": 1684830325,
        "origin": "hunting",
        "hunting_info": {"rule_name": "r", "source_country": "TR"},
        "sources": [{"type": "hunting_ruleset", "id": "1", "label": "R"}],
        "tags": ["t"],
        "new_key": [1],
    },
}
NOTIFICATION_OBJECT = {
    "type": "ioc_stream_notification",
    "id": "10494503008",
    "attributes": {
        "date": 1684830325,
        "entity_type": "file",
        "entity_id": SHA256.upper(),
        "origin": "hunting",
        "hunting_info": {"rule_name": "r", "source_country": "TR"},
        "sources": [{"type": "hunting_ruleset", "id": "1", "label": "R"}],
        "tags": ["t"],
        "new_key": [1],
    },
    "entity": {"type": "file", "id": SHA256, "attributes": {"sha256": SHA256, "size": 7}},
}


def view(body, context=MappingProxyType({})):
    return notification.view(notification.read(body), context)


def test_both_shapes_of_one_notification_are_seen_alike():
    assert notification.read(STREAM_ITEM).id == notification.read(NOTIFICATION_OBJECT).id == "10494503008"
    assert view(STREAM_ITEM) == view(NOTIFICATION_OBJECT)


def test_the_link_to_a_notification_is_not_taken_for_one_to_its_entity():
    links = {"self": "https://www.virustotal.com/api/v3/…"}
    assert view(NOTIFICATION_OBJECT | {"links": links})["notification"]["links"] == links
    assert "links" not in view(STREAM_ITEM | {"links": links})["notification"]


def test_a_mapping_sees_every_documented_name_and_what_virustotal_adds():
    seen = view(STREAM_ITEM)
    assert seen["notification"] == {
        "id": "10494503008",
        "date": 1684830325,
        "origin": "hunting",
        "entity_type": "file",
        "entity_id": SHA256.upper(),
        "hunting_info": {"rule_name": "r", "source_country": "TR"},
        "sources": [{"type": "hunting_ruleset", "id": "1", "label": "R"}],
        "tags": ["t"],
        "link": f"https://www.virustotal.com/gui/file/{SHA256.upper()}",
        "new_key": [1],
    }
    assert seen["entity"] == {"sha256": SHA256, "size": 7}
    assert seen["entity_value"] == SHA256


def test_sources_and_tags_nested_in_hunting_info_are_seen_where_they_belong():
    nested = {"rule_name": "r", "sources": [{"id": "1"}], "tags": ["t"]}
    seen = view(
        NOTIFICATION_OBJECT
        | {"attributes": {"date": 1, "entity_type": "domain", "entity_id": "e.example", "hunting_info": nested}}
    )
    assert seen["notification"]["sources"] == [{"id": "1"}]
    assert seen["notification"]["tags"] == ["t"]


@pytest.mark.parametrize(
    ("entity_type", "entity_id", "attributes", "value"),
    [
        ("url", "https://a.example/x", {}, "https://a.example/x"),
        ("url", SHA256, {"url": "https://a.example/y"}, "https://a.example/y"),
        ("url", SHA256, {}, None),
        ("file", SHA256.upper(), {}, SHA256),
        ("file", "d41d8cd98f00b204e9800998ecf8427e", {"sha256": SHA256}, SHA256),
        ("domain", "a.example", {}, "a.example"),
        ("ip_address", "2001:db8::1", {}, "2001:db8::1"),
        ("something_new", "x", {}, "x"),
    ],
)
def test_the_observable_itself_is_found_by_type(entity_type, entity_id, attributes, value):
    assert notification.entity_value(entity_type, entity_id, attributes) == value


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"context_attributes": {"notification_date": 5}}, "no notification id"),
        ({"context_attributes": {"notification_id": "7"}}, "no date"),
        ({"context_attributes": {"notification_id": "7", "notification_date": 10**15}}, "no date"),
        ({"context_attributes": {"notification_id": "7", "notification_date": True}}, "no date"),
        ({"type": None}, "which entity"),
        ({"id": ""}, "which entity"),
    ],
)
def test_what_cannot_be_told_is_rejected_when_it_is_needed(change, reason):
    item = notification.read(STREAM_ITEM | change)
    with pytest.raises(Refused, match=reason):
        notification.view(item)


def test_an_error_that_the_api_answered_is_called_one():
    with pytest.raises(Refused, match="an error that VirusTotal answered: origin is not valid"):
        view({"error": {"code": "BadRequestError", "message": "origin is not valid"}})


def test_an_item_without_an_id_gets_the_same_made_up_one_each_time():
    item = STREAM_ITEM | {"context_attributes": {}}
    reordered = dict(reversed(item.items()))
    assert notification.read(item).id == notification.read(reordered).id
    assert notification.read(item).id.startswith("sha256:")


json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(
    [
        "type",
        "id",
        "attributes",
        "context_attributes",
        "entity",
        "notification_id",
        "notification_date",
        "hunting_info",
        "sources",
        "date",
        "entity_type",
        "entity_id",
        "url",
        "sha256",
    ]
)
bodies = st.dictionaries(keys, json | st.dictionaries(keys, json | st.dictionaries(keys, json)))


@given(bodies | bodies.map(lambda body: body | {"type": "ioc_stream_notification"}))
def test_no_object_however_odd_gives_anything_but_a_view_or_rejected(body):
    try:
        seen = view(body)
    except Refused:
        return
    assert isinstance(seen["notification"]["date"], int)
    assert seen["notification"]["entity_type"]


def test_what_is_no_object_is_named_as_the_callers_mistake():
    with pytest.raises(TypeError, match=r"a notification is a JSON object .*not a str: 'a'"):
        notification.read("a")


def test_what_a_caller_needs_to_name_is_exported():
    import connector

    assert all(getattr(connector, name).__name__ == name for name in connector.__all__)


HERON = Subject("collection", "threat-actor--heron")


def naming(*sources, **said):
    return {
        "type": "domain",
        "id": "d.example",
        "context_attributes": {"notification_id": "1", "notification_date": 5, "sources": [*sources], **said},
    }


def test_a_source_of_which_more_is_known_has_attributes_and_keeps_the_rest():
    profile, heron = {"id": "p", "type": "threat_profile"}, {"id": HERON.id, "type": "collection", "label": "Heron"}
    body = naming(profile, heron, "odd", None)
    before = orjson.dumps(body)
    seen = view(body, {HERON: {"collection_type": "threat-actor"}})["notification"]["sources"]
    assert seen == [profile, {**heron, "attributes": {"collection_type": "threat-actor"}}, "odd", None]
    assert orjson.dumps(body) == before
    assert view(body)["notification"]["sources"] == [profile, heron, "odd", None]


def test_a_source_that_comes_with_attributes_keeps_them():
    source = {"id": HERON.id, "type": "collection", "attributes": {"name": "its own"}}
    seen = view(naming(source), {HERON: {"name": "looked up"}})["notification"]["sources"]
    assert seen == [source]


def test_sources_in_the_place_that_the_documentation_shows_are_known_too():
    nested = {"hunting_info": {"sources": [{"id": HERON.id, "type": "collection"}]}}
    body = naming(**nested)
    del body["context_attributes"]["sources"]
    assert subjects(body) == [HERON]
    (seen,) = view(body, {HERON: {"a": 1}})["notification"]["sources"]
    assert seen["attributes"] == {"a": 1}


@pytest.mark.parametrize(
    "odd",
    [None, "x", {"type": "collection"}, {"type": ["collection"], "id": "x"}, {"type": "collection", "id": "\ud800"}],
)
def test_what_cannot_be_asked_about_is_no_subject(odd):
    assert subjects(naming(odd, {"type": "threat_profile", "id": "p"})) == []


def test_a_rule_or_a_source_that_is_called_by_a_number_is_called_by_its_digits():
    body = {**STREAM_ITEM, "context_attributes": {**STREAM_ITEM["context_attributes"]}}
    body["context_attributes"] |= {
        "hunting_info": {"rule_name": 7, "source_country": "TR"},
        "sources": [{"type": "hunting_ruleset", "id": "1", "label": 2024}, 5],
    }
    said = view(body)["notification"]
    assert said["hunting_info"] == {"rule_name": "7", "source_country": "TR"}
    assert said["sources"] == [{"type": "hunting_ruleset", "id": "1", "label": "2024"}, 5]
    assert body["context_attributes"]["hunting_info"]["rule_name"] == 7


@pytest.mark.parametrize(("date", "read"), [("1684830325", 1684830325), ("today", None), ("1" * 13, None)])
def test_a_date_may_be_given_in_digits(date, read):
    body = {**STREAM_ITEM, "context_attributes": {"notification_id": "7", "notification_date": date}}
    assert notification.read(body).date == read


def test_the_source_is_what_the_caller_says_else_what_the_body_says_else_an_example():
    said = {"name": "acme", "labels": {"tenant": "acme", "odd": 1}}
    assert view(STREAM_ITEM)["source"] == {"name": "example", "labels": {}}
    assert view({**STREAM_ITEM, "source": said})["source"] == {"name": "acme", "labels": {"tenant": "acme"}}
    assert view({**STREAM_ITEM, "source": "acme"})["source"] == {"name": "example", "labels": {}}
    body = {**STREAM_ITEM, "source": said}
    configured = {"name": "globex", "labels": {}}
    assert notification.view(notification.read(body), source=configured)["source"] == configured


JUDGED = Judgement(Judged("rule", "phish"), "benign", "ana", "ours", at=7)


def test_a_judgement_is_what_the_caller_says_of_a_notification_that_has_a_source():
    source = {"name": "acme", "labels": {}}
    read = notification.read({**STREAM_ITEM, "judgement": {"verdict": "true_positive"}})
    seen = notification.view(read, source=source, judgement=JUDGED)["judgement"]
    assert seen == {"verdict": "benign", "of": "rule", "note": "ours", "by": "ana", "at": 7, "until": None} | {
        "after_delivery": False
    }
    assert notification.view(read, source=source)["judgement"] is None


def test_an_example_may_say_what_it_was_judged():
    seen = view({**STREAM_ITEM, "judgement": {"verdict": "benign", "by": "ana", "odd": 1}})["judgement"]
    assert seen == {"verdict": "benign", "of": None, "note": None, "by": "ana", "at": None, "until": None} | {
        "after_delivery": None
    }
    assert view(STREAM_ITEM)["judgement"] is None
    assert view({**STREAM_ITEM, "judgement": "benign"})["judgement"] is None


def test_the_entity_is_what_was_learned_of_it_last():
    newest = orjson.dumps({"reputation": -7})
    assert notification.view(notification.read(STREAM_ITEM), newest=newest)["entity"] == {"reputation": -7}


def test_what_a_file_does_is_among_its_attributes_unless_it_says_so_itself():
    body = {
        "type": "file",
        "id": "a" * 64,
        "attributes": {"size": 1},
        "context_attributes": {"notification_id": "1", "notification_date": 1},
    }
    techniques = [{"id": "T1059"}]
    context = {Subject(notification.TECHNIQUES, "a" * 64): {"techniques": techniques}}
    assert view(body, context)["entity"] == {"size": 1, "techniques": techniques}
    body["attributes"]["techniques"] = []
    assert view(body, context)["entity"]["techniques"] == []


@pytest.mark.parametrize(
    ("kind", "identifier", "is_known"),
    [
        ("file", "a" * 64, True),
        ("file", "eicar", False),
        ("url", "A" * 64, True),
        ("url", "http://example.com/", False),
        ("domain", "example.com", True),
        ("domain", "a b", False),
        ("domain", "", False),
        ("ip_address", "2001:db8::1", True),
        ("collection", "x", False),
        (None, None, False),
    ],
)
def test_an_entity_can_be_looked_up_by_a_digest_or_a_name(kind, identifier, is_known):
    item = {"type": kind, "id": identifier, "attributes": {"a": 1}}
    alone = {"type": "ioc_stream_notification", "attributes": {"entity_type": kind, "entity_id": identifier}}
    expected = [(Subject(kind, identifier), {"a": 1}), (Subject(kind, identifier), {})] if is_known else [None, None]
    assert [notification.entity(item), notification.entity(alone)] == expected
