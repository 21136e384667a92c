import pydantic
import pytest

from connector.clients.http import is_plain_http
from connector.sinks.taxii.settings import TaxiiSettings, root_of

COLLECTION = "https://taxii.example/api/collections/abc/"


@pytest.mark.parametrize("written", [COLLECTION, COLLECTION[:-1], f"{COLLECTION}objects/", f"{COLLECTION}objects"])
def test_a_collection_url_is_taken_with_and_without_slash_and_objects(written):
    settings = TaxiiSettings(collection_url=written)
    assert settings.collection_url == COLLECTION
    assert root_of(settings.collection_url) == "https://taxii.example/api/"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://taxii.example", "https://taxii.example/taxii2/"),
        ("https://taxii.example/", "https://taxii.example/taxii2/"),
        ("https://taxii.example/taxii2", "https://taxii.example/taxii2/"),
        ("https://taxii.example/tenant/taxii2/", "https://taxii.example/tenant/taxii2/"),
    ],
)
def test_a_discovery_url_without_a_path_means_taxii2_at_the_root_of_the_host(written, meant):
    assert TaxiiSettings(discovery_url=written, collection="c").discovery_url == meant


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "give either collection_url"),
        ({"collection_url": COLLECTION, "discovery_url": "https://taxii.example/"}, "give either collection_url"),
        ({"discovery_url": "https://taxii.example/"}, "needs collection"),
        ({"collection_url": COLLECTION, "collection": "c"}, "says it all by itself"),
        ({"collection_url": COLLECTION, "api_root": "/api/"}, "says it all by itself"),
        ({"collection_url": "https://taxii.example/api/"}, "must end in /collections"),
        ({"collection_url": "https://taxii.example/api/collections/"}, "must end in /collections"),
        ({"collection_url": "taxii.example/collections/c/"}, "is not an http or https URL"),
        ({"collection_url": "ftp://taxii.example/collections/c/"}, "is not an http or https URL"),
        ({"collection_url": "https://[/collections/c/"}, "is not an http or https URL"),
        ({"collection_url": "https://taxii.example:x/collections/c/"}, "is not an http or https URL"),
        ({"collection_url": "https://taxii.example/collections/a b/"}, "is not an http or https URL"),
        ({"collection_url": "https://u:pw@taxii.example/collections/c/"}, "no login belongs in a URL"),
        ({"discovery_url": "https://taxii.example/?key=pw", "collection": "c"}, "must be a plain address"),
        ({"discovery_url": "https://taxii.example/", "collection": "c", "api_root": "//x"}, "is not an http or https"),
        ({"collection_url": COLLECTION, "username": "u"}, "username and password go together"),
        ({"collection_url": COLLECTION, "password": "pw"}, "username and password go together"),
        ({"collection_url": COLLECTION, "username": "u:v", "password": "pw"}, "no colon"),
        ({"collection_url": COLLECTION, "api_key": "pw"}, "api_key and api_key_header go together"),
        ({"collection_url": COLLECTION, "api_key": "pw", "api_key_header": "X Key"}, "is not a name"),
        ({"collection_url": COLLECTION, "username": "u", "password": "pw", "token": "pw"}, "give one login"),
        ({"collection_url": "http://taxii.example/collections/c/"}, "allow_http: true"),
        ({"discovery_url": "http://10.0.0.1/", "collection": "c"}, "allow_http: true"),
        (
            {"discovery_url": "https://10.0.0.1/", "collection": "c", "api_root": "http://10.0.0.1/api"},
            "allow_http: true",
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused_with_a_sentence(options, sentence):
    with pytest.raises(pydantic.ValidationError, match=sentence) as caught:
        TaxiiSettings(**options)
    assert "pw" not in str(caught.value)


def test_a_collection_takes_stix_alone():
    settings = TaxiiSettings(collection_url=COLLECTION)
    assert settings.misfit("stix") is None
    option, reason = settings.misfit("cef")
    assert option == "type"
    assert reason.startswith("a TAXII collection takes ")
    assert reason.endswith(" this mapping makes cef")


@pytest.mark.parametrize(
    ("options", "server", "rest"),
    [
        ({"collection_url": COLLECTION}, "taxii https://taxii.example", "/api/collections/abc/"),
        ({"collection_url": "https://[::1]:8443/collections/c"}, "taxii https://::1:8443", "/collections/c/"),
        ({"discovery_url": "https://taxii.example", "collection": "c"}, "taxii https://taxii.example", "/taxii2/ c"),
        (
            {"discovery_url": "https://taxii.example", "collection": "c", "api_root": "/api"},
            "taxii https://taxii.example",
            "/taxii2/ /api/ c",
        ),
    ],
)
def test_routes_to_one_collection_are_told_by_its_address_and_wait_for_its_server(options, server, rest):
    settings = TaxiiSettings(**options)
    assert settings.waits_for() == server
    assert settings.receiver() == server + rest


def test_plain_http_to_another_machine_can_be_allowed():
    assert TaxiiSettings(collection_url="http://taxii.example/collections/c/", allow_http=True)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "127.9.9.9", "[::1]:80", "a.localhost"])
def test_plain_http_on_this_machine_crosses_no_network(host):
    assert not is_plain_http(f"http://{host}/")
    assert is_plain_http("http://192.0.2.1/")


def test_secrets_stand_in_no_representation():
    settings = TaxiiSettings(collection_url=COLLECTION, username="u", password="hush-hush")
    assert "hush-hush" not in repr(settings) + str(settings) + settings.model_dump_json()
