"""The TAXII sink against servers that others wrote, over real sockets."""

import itertools
import uuid

import orjson
import pytest
import requests
import stix2
from malformed_notifications import body_of
from mapping_examples import CASES

from connector import notification
from connector.configuration import load_mapping
from connector.model import Message, Misconfigured, Unavailable
from connector.pipeline.convert import convert
from connector.settings.producer import Producer
from connector.sinks.taxii.client import TaxiiClient
from connector.sinks.taxii.sink import TaxiiSettings, TaxiiSink

pytest_plugins = ("integration.taxii_peers",)
pytestmark = pytest.mark.xdist_group("taxii")

NOW = "2026-01-02T03:04:05.000Z"
working = pytest.mark.parametrize("server", ["medallion", "opentaxii"])


def message(document, dependency_level=1):
    version = document.get("modified")
    return Message(1, document["id"], orjson.dumps(document), 1_700_000_000, version, dependency_level)


def domain():
    name = f"{uuid.uuid4()}.example.com"
    return {"type": "domain-name", "spec_version": "2.1", "id": f"domain-name--{uuid.uuid4()}", "value": name}


def indicator(**more):
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid.uuid4()}",
        "created": NOW,
        "modified": NOW,
        "name": "Ünïcödé \\ 'quoted' \U0001f980",
        "pattern": "[domain-name:value = 'a.example.com']",
        "pattern_type": "stix",
        "valid_from": NOW,
        **more,
    }


def sighting(of):
    return {
        "type": "sighting",
        "spec_version": "2.1",
        "id": f"sighting--{uuid.uuid4()}",
        "created": NOW,
        "modified": NOW,
        "sighting_of_ref": of["id"],
    }


def batch(count):
    """Objects with and without versions, with their levels, in no order of them."""
    for _ in range(count):
        found = indicator()
        yield message(sighting(found), 2)
        yield message(found)
        yield message(domain(), 0)


def sink(peer, **settings):
    where = {"discovery_url": peer.discovery_url, "collection": "rw"}
    if "collection_url" in settings or "discovery_url" in settings:
        where = {}
    return TaxiiSink(TaxiiSettings(**where, **peer.login, **settings), user_agent="iocstream-test/1")


def stored(peer, collection_url, messages):
    """The objects of these messages as the server gives them back, by id and version."""
    wanted = {(m.id, m.version) for m in messages}
    found = {(each["id"], each.get("modified")): each for each in peer.objects(collection_url)}
    # A page that a server under load did not get across is missing from its list (medallion forgets what it has put
    # into an answer); what is stored is known when asked for by its id.
    for absent in {identifier for identifier, _ in wanted - found.keys()}:
        found |= {(each["id"], each.get("modified")): each for each in peer.versions(collection_url, absent)}
    ids = {identifier for identifier, _ in wanted}
    return {key: stix2.parse(each, allow_custom=True) for key, each in found.items() if key[0] in ids}


def sent(messages):
    return {(m.id, m.version): stix2.parse(orjson.loads(m.body), allow_custom=True) for m in messages}


@working
def test_objects_come_back_as_they_were_sent(server, request):
    peer = request.getfixturevalue(server)
    messages = list(batch(10))
    assert list(sink(peer).send(messages)) == []
    assert stored(peer, peer.collection_url("rw"), messages) == sent(messages)


@working
def test_objects_sent_again_are_not_refused_and_not_stored_twice(server, request):
    peer = request.getfixturevalue(server)
    messages = list(batch(5))
    taxii = sink(peer)
    assert list(taxii.send(messages)) == []
    assert list(taxii.send([*messages, *batch(1)])) == []
    held = [each for each in peer.objects(peer.collection_url("rw")) if each["id"] in {m.id for m in messages}]
    assert len(held) == len(messages)


@working
def test_both_versions_of_an_object_arrive(server, request):
    peer = request.getfixturevalue(server)
    first = indicator()
    second = {**first, "modified": "2026-01-02T03:04:05.001Z", "confidence": 80}
    messages = [message(first), message(second)]
    taxii = sink(peer)
    assert list(taxii.send(messages)) == []
    assert list(taxii.send(messages)) == []
    assert stored(peer, peer.collection_url("rw"), messages) == sent(messages)


@working
@pytest.mark.parametrize("profile", [None, "opencti"])
def test_all_that_notifications_become_comes_back_and_what_is_learned_later_as_new_versions(server, profile, request):
    peer = request.getfixturevalue(server)
    mapping = load_mapping("stix21", Producer(name=f"Producer {uuid.uuid4()}"), profile)
    known = body_of("file_explained")
    at_first = body_of("file_explained")
    for source in at_first["context_attributes"]["sources"]:
        del source["attributes"]
    others = convert([notification.read(body_of(case)) for case in CASES], mapping)
    first, later = convert([notification.read(at_first), notification.read(known)], mapping)
    assert {message.id for message in first.messages} & {message.id for message in later.messages}
    messages = [*first.messages, *later.messages]
    messages += [m for each in others for m in each.messages if m.id not in {message.id for message in messages}]
    collection = peer.collection_url(f"examples for {profile}" if profile else "examples")
    taxii = sink(peer, collection_url=collection)
    for part in (first.messages, messages):
        assert list(taxii.send(part)) == []
    assert len({each.split("--")[0] for each, _ in sent(messages)}) > 15
    there, expected = stored(peer, collection, messages), sent(messages)
    assert not expected.keys() - there.keys(), f"accepted and not stored; the server said: {list(peer.said)[-40:]}"
    # Servers keep the first copy of what has no version, be it from another test.
    assert {key: there[key] for key in there if key[1]} == {key: expected[key] for key in expected if key[1]}


@working
def test_a_batch_larger_than_one_envelope_arrives_whole(server, request):
    peer = request.getfixturevalue(server)
    messages = list(batch(7))
    assert list(sink(peer, max_envelope_bytes=2048, max_envelope_objects=4).send(messages)) == []
    assert stored(peer, peer.collection_url("rw"), messages) == sent(messages)


@working
def test_a_wrong_password_is_explained_without_being_shown(server, request):
    peer = request.getfixturevalue(server)
    settings = TaxiiSettings(
        discovery_url=peer.discovery_url, collection="rw", username="pusher", password="not the word"
    )
    with pytest.raises(Misconfigured, match="does not accept the login") as caught:
        TaxiiSink(settings, user_agent="test/1").check()
    assert "not the word" not in str(caught.value)


@working
def test_an_unknown_collection_is_answered_with_those_there_are(server, request):
    from integration.taxii_peers import MORE

    peer = request.getfixturevalue(server)
    with pytest.raises(Misconfigured, match=r"no collection 'nope'. It shows ") as caught:
        sink(peer, discovery_url=peer.discovery_url, collection="nope").check()
    shown = str(caught.value).partition("It shows ")[2]
    assert all(title in shown for title in ("rw", *MORE)), shown


def test_the_servers_own_limit_of_two_kibibytes_is_kept(medallion):
    taxii = sink(medallion, discovery_url=medallion.discovery_url, collection="rw", api_root=medallion.small_root_url)
    messages = list(batch(8))
    large = message(indicator(description="x" * 2048))
    refusals = taxii.send([*messages, large])
    assert [(r.message, "max_content_length is 2048" in r.reason) for r in refusals] == [(large, True)]
    (rw,) = [c["id"] for c in medallion.get(f"{medallion.small_root_url}collections/")["collections"][:1]]
    collection_url = f"{medallion.small_root_url}collections/{rw}/"
    assert stored(medallion, collection_url, messages) == sent(messages)


def test_a_collection_that_takes_nothing_is_found_before_anything_is_sent(medallion):
    taxii = sink(medallion, collection_url=medallion.collection_url("ro"))
    with pytest.raises(Misconfigured, match="can_write is false"):
        taxii.send(list(batch(1)))


def test_a_duplicate_in_a_collection_that_cannot_be_read_is_refused_with_a_doubt(medallion):
    taxii = sink(medallion, collection_url=medallion.collection_url("wo"))
    messages = list(batch(1))
    assert list(taxii.send(messages)) == []
    refusals = taxii.send(messages)
    assert {r.message for r in refusals} == set(messages)
    assert all("perhaps it is there already" in r.reason for r in refusals)


def test_one_bad_object_is_refused_in_the_servers_words_and_the_others_arrive(opentaxii):
    good = list(batch(6))
    bad = message(indicator(pattern="[no pattern"))
    messages = list(itertools.chain(good[:7], [bad], good[7:]))
    (refusal,) = sink(opentaxii).send(messages)
    assert refusal.message == bad
    assert "Invalid stix object" in refusal.reason
    assert "pattern" in refusal.reason.rsplit("…", 1)[1]
    assert stored(opentaxii, opentaxii.collection_url("rw"), messages) == sent(good)


def test_an_object_that_medallion_refuses_with_the_envelope_it_had_half_stored_is_refused_alone(medallion):
    good = list(batch(6))
    bad = Message(1, "?", b'{"type":"indicator","spec_version":"2.1"}', 1_700_000_000)
    messages = list(itertools.chain(good[:7], [bad], good[7:]))
    (refusal,) = sink(medallion).send(messages)
    assert refusal.message == bad
    assert "ProcessingError" in refusal.reason
    assert stored(medallion, medallion.collection_url("rw"), messages) == sent(good)


def test_nothing_is_refused_where_the_server_cannot_say_what_it_holds(medallion):
    """medallion answers 422 to what it has stored, and 500 to everything afterwards, where its data lack a manifest."""
    taxii = sink(medallion, collection_url=medallion.collection_url("no manifest"))
    with pytest.raises(Unavailable, match="500"):
        taxii.send(list(batch(3)))


@working
def test_what_stands_under_an_id_and_a_version_stays_whatever_is_sent_under_them_later(server, request):
    """The one server calls other content a failure, the other drops it without a word; neither stores it."""
    peer = request.getfixturevalue(server)
    first = message(indicator())
    other = message({**orjson.loads(first.body), "name": "another"})
    taxii = sink(peer)
    assert list(taxii.send([first])) == []
    assert list(taxii.send([other])) == []
    assert stored(peer, peer.collection_url("rw"), [first]) == sent([first])


def test_a_bearer_token_of_the_servers_own_is_a_login(opentaxii):
    management = opentaxii.discovery_url.replace("taxii2/", "management/auth")
    token = requests.post(management, json=opentaxii.login, timeout=30).json()["token"]
    messages = list(batch(1))
    settings = TaxiiSettings(collection_url=opentaxii.collection_url("rw"), token=token)
    assert list(TaxiiSink(settings, user_agent="iocstream-test/1").send(messages)) == []
    assert stored(opentaxii, opentaxii.collection_url("rw"), messages) == sent(messages)
    wrong = TaxiiSettings(collection_url=opentaxii.collection_url("rw"), token="no" + token)
    with pytest.raises(Misconfigured, match="does not accept the login"):
        TaxiiSink(wrong, user_agent="iocstream-test/1").send(messages)


def test_a_collection_may_be_named_by_its_alias_in_the_address(opentaxii):
    messages = list(batch(1))
    taxii = sink(opentaxii, collection_url=f"{opentaxii.root_url}collections/rw")
    assert list(taxii.send(messages)) == []
    assert stored(opentaxii, opentaxii.collection_url("rw"), messages) == sent(messages)


def test_a_server_that_stores_behind_a_500_is_unavailable_and_not_believed_to_refuse(opentaxii_09):
    with pytest.raises(Unavailable, match="500"):
        sink(opentaxii_09).send(list(batch(1)))
    found = indicator()
    collection_url = f"{opentaxii_09.root_url}collections/rw/"
    settings = TaxiiSettings(collection_url=collection_url, **opentaxii_09.login)
    client = TaxiiClient(settings, user_agent="test/1")
    for _ in range(2):
        trouble = client.post(collection_url, b'{"objects":[' + orjson.dumps(found) + b"]}")
        assert (trouble.kind, trouble.is_verdict, type(trouble.error)) == ("500", False, Unavailable)
    assert client.has(collection_url, found["id"], NOW)
    client.close()
