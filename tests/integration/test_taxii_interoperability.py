"""What OASIS's TAXII 2.1 interoperability tests ask of a server through its clients (persona TXC).

As far as a server that is only read can meet it; by OASIS's own client, over TLS with a client certificate.

(docs.oasis-open.org/cti/taxii-2.1-interop/v1.0)
"""

import ssl
import warnings
from contextlib import ExitStack, closing
from urllib.request import urlopen

import certificates as certificate_files
import pytest
import requests
from integration.servers import serving_actions
from integration.taxii_server import MEDIA_TYPE, stix, stix_id
from taxii2client.exceptions import AccessError, TAXIIServiceException
from taxii2client.v21 import ApiRoot, Collection, Server, Status, as_pages

from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.server.taxii.endpoints import Published

CONFIGURATION = """
journal: {{path: "{folder}/iocstream.db"}}
sources:
  files: {{type: file, path: "{folder}/in.jsonl"}}
routes:
  one: {{mapping: stix21, sink: {{type: collection, name: indicators}}}}
  two: {{mapping: stix21, sink: {{type: collection, name: private}}}}
"""
CUSTOM = {"x_score": 7, "extensions": {"extension-definition--1": {"extension_type": "property-extension", "a": [1.5]}}}
COLLECTION = Published("indicators", "").id
OBJECT = stix_id(0)
RESOURCES = {
    "objects": f"collections/{COLLECTION}/objects/",
    "manifest": f"collections/{COLLECTION}/manifest/",
    "object": f"collections/{COLLECTION}/objects/{OBJECT}/",
    "versions": f"collections/{COLLECTION}/objects/{OBJECT}/versions/",
}


class Asked:
    """The server, and how a client of the login `puller` connects to it."""

    def __init__(self, server, certificates):
        self.url, self.root = server.url, f"{server.url}/taxii2/root/"
        self.certificates = certificates
        self.tls = {"verify": str(certificates.ca), "cert": (str(certificates.client), str(certificates.client_key))}
        self.login = {"user": "puller", "password": server.tokens["puller"]}

    def get(self, path, **options):
        asked = {"auth": tuple(self.login.values()), "headers": {"Accept": MEDIA_TYPE}, "timeout": 30}
        return requests.request(options.pop("method", "GET"), f"{self.root}{path}", **asked | self.tls | options)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("interoperability")
    certificate_files.make(folder)
    certificates = certificate_files.Certificates(folder)
    configuration = folder / "iocstream.yaml"
    configuration.write_text(CONFIGURATION.format(folder=folder))
    with closing(SqliteJournal(SqliteSettings(path=folder / "iocstream.db"))) as journal:
        held = [stix(n, second) for second in (1, 3, 2) for n in range(4)]
        held += [stix(9, **CUSTOM), stix(0, kind="url")]
        assert all(journal.collections.store("indicators", held))
        assert all(journal.collections.store("private", [stix("secret")]))
    tls = {
        "certificate": str(certificates.server),
        "key": str(certificates.server_key),
        "client_ca": str(certificates.ca),
    }
    with serving_actions(configuration, tls=tls, requests_per_minute=1_000_000) as server:
        yield Asked(server, certificates)


@pytest.fixture
def opened(asked, monkeypatch):
    """Makes objects of OASIS's client, which are closed at the end."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)  # with them, requests forgets what a session is told to trust
    with ExitStack() as stack:

        def make(kind, path, **options):
            made = kind(f"{asked.url}{path}", **asked.login | asked.tls | options)
            stack.callback(made.close)
            return made

        yield make


class TestConnecting:
    def test_the_certificate_of_a_client_is_asked_for_and_checked(self, asked, opened):
        assert opened(Server, "/taxii2/").title
        for certificate in (None, (str(asked.certificates.stranger), str(asked.certificates.stranger_key))):
            with pytest.raises(requests.ConnectionError):
                opened(Server, "/taxii2/", cert=certificate).refresh()
        with pytest.raises(requests.exceptions.SSLError):
            opened(Server, "/taxii2/", verify=True).refresh()

    @pytest.mark.parametrize("login", [{"password": "wrong"}, {"user": "reader"}, {"user": "", "password": ""}])
    def test_a_certificate_is_no_login(self, opened, login):
        with pytest.raises(requests.HTTPError, match="401"):
            opened(Server, "/taxii2/", **login).refresh()

    def test_tls_is_of_version_1_2_or_1_3(self, asked):
        def spoken(version):
            context = ssl.create_default_context(cafile=asked.certificates.ca)
            context.set_ciphers("ALL:@SECLEVEL=0")  # else this side would not speak 1.1
            context.load_cert_chain(asked.certificates.client, asked.certificates.client_key)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = context.maximum_version = version
            with urlopen(f"{asked.url}/openapi.json", context=context, timeout=10) as answer:
                return answer.status

        assert spoken(ssl.TLSVersion.TLSv1_2) == spoken(ssl.TLSVersion.TLSv1_3) == 200
        with pytest.raises(OSError, match=r"UNEXPECTED_EOF|ALERT_PROTOCOL_VERSION|reset by peer"):
            spoken(ssl.TLSVersion.TLSv1_1)


class TestFinding:
    def test_from_discovery_to_the_collections_that_the_login_may_read(self, asked, opened):
        server = opened(Server, "/taxii2/")
        assert [root.url for root in server.api_roots] == [server.default.url] == [asked.root]
        root = opened(ApiRoot, "/taxii2/root/")
        assert root.versions == [MEDIA_TYPE]
        (found,) = root.collections
        assert (found.id, found.can_read, found.can_write) == (COLLECTION, True, False)
        for each in server.api_roots:
            each.close()

    @pytest.mark.parametrize(
        "path", ["/taxii2/other/", "/taxii2/root/collections/00000000-0000-4000-8000-000000000000/"]
    )
    def test_what_is_not_there_is_not_found(self, opened, path):
        with pytest.raises(requests.HTTPError, match="404"):
            opened(ApiRoot if "other" in path else Collection, path).refresh()

    def test_the_collection_of_another_login_is_not_found_either(self, asked):
        for resource in RESOURCES.values():
            path = resource.replace(COLLECTION, Published("private", "").id).replace(OBJECT, stix_id("secret"))
            assert asked.get(path).status_code == 404

    def test_the_order_of_collections_and_their_ids_stay(self, asked):
        assert len({asked.get("collections/").content for _ in range(5)}) == 1


class TestReading:
    @pytest.fixture
    def collection(self, opened):
        return opened(Collection, f"/taxii2/root/collections/{COLLECTION}/")

    def test_objects_come_with_what_this_server_knows_nothing_of(self, collection):
        (found,) = collection.get_object(stix_id(9))["objects"]
        assert {name: found[name] for name in CUSTOM} == CUSTOM

    def test_each_filter_selects(self, collection):
        def names(**filters):
            return [each["name"] for each in collection.get_objects(**filters).get("objects", [])]

        assert names() == ["0", "1", "2", "3", "9", "0"]
        assert names(type="url") == ["0"]
        assert names(id=[stix_id(1), stix_id(9)]) == ["1", "9"]
        assert names(version="all", id=OBJECT) == ["0"] * 3
        assert names(version="first", type="indicator") == ["0", "1", "2", "3", "9"]
        assert names(version="2026-01-01T00:00:02.000Z") == ["0", "1", "2", "3"]
        assert names(spec_version="2.0") == []
        (_, last) = collection.get_manifest(id=[stix_id(9), stix_id(0, "url")])["objects"]
        assert names(added_after=last["date_added"]) == []

    def test_pages_hold_everything_once(self, collection):
        whole = collection.get_manifest(version="all")["objects"]
        pages = list(as_pages(collection.get_manifest, per_request=4, version="all"))
        assert [each for page in pages for each in page["objects"]] == whole
        assert [len(page["objects"]) for page in pages] == [4, 4, 4, 2]
        assert whole == sorted(whole, key=lambda each: each["date_added"])

    def test_versions(self, collection):
        assert collection.object_versions(OBJECT)["versions"] == [f"2026-01-01T00:00:0{n}.000Z" for n in (1, 3, 2)]

    @pytest.mark.parametrize("resource", RESOURCES)
    def test_every_list_says_when_its_first_and_last_were_added(self, asked, resource):
        answer = asked.get(RESOURCES[resource])
        assert answer.headers["Content-Type"] == MEDIA_TYPE
        added = [answer.headers[f"X-TAXII-Date-Added-{end}"] for end in ("First", "Last")]
        assert all(len(each) == 27 and each.endswith("Z") for each in added)
        records = asked.get(RESOURCES["manifest"], params={"match[version]": "all"}).json()["objects"]
        assert set(added) <= {each["date_added"] for each in records}

    @pytest.mark.parametrize("resource", RESOURCES)
    def test_a_parameter_that_is_given_twice_or_is_malformed_is_refused(self, asked, resource):
        ways = {"limit": ("1", "x"), "added_after": ("2026-01-01T00:00:00Z", "today"), "next": ("a", "b")}
        ways["match[spec_version]"] = ("2.1", "x")
        if resource != "versions":
            ways["match[version]"] = ("all", "newest")
        if resource in ("objects", "manifest"):
            ways |= {"match[id]": (OBJECT, "x"), "match[type]": ("url", "URL")}
        for name, (good, bad) in ways.items():
            if name != "next":
                assert asked.get(RESOURCES[resource], params={name: good}).status_code == 200
            for values in ([good, good], [bad], [""]):
                answer = asked.get(RESOURCES[resource], params={name: values})
                assert (answer.status_code, answer.json()["http_status"]) == (400, "400"), (name, values)


class TestWriting:
    """What the specification has a server that cannot be written to answer (sections 4.3, 5.5 and 5.7)."""

    def test_nothing_can_be_added_or_deleted_and_there_is_no_status(self, asked, opened):
        collection = opened(Collection, f"/taxii2/root/collections/{COLLECTION}/")
        for attempt in (lambda: collection.add_objects({"objects": []}), lambda: collection.delete_object(OBJECT)):
            with pytest.raises((AccessError, TAXIIServiceException)):
                attempt()
        before = asked.get(RESOURCES["objects"]).content
        body = {"headers": {"Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE}, "data": b'{"objects":[]}'}
        assert asked.get(RESOURCES["objects"], method="POST", **body).status_code == 403
        assert asked.get(RESOURCES["object"], method="DELETE").status_code == 403
        assert asked.get(RESOURCES["objects"]).content == before
        with pytest.raises(requests.HTTPError, match="404"):
            opened(Status, "/taxii2/root/status/2d086da7-4bdc-4f91-900e-d77486753710/")
