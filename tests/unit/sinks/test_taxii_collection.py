"""Finding the collection to push to: what servers answer, and what is said about it."""

import pytest

from connector.model import Message, Misconfigured, Unavailable
from connector.sinks.taxii.sink import TaxiiSettings, TaxiiSink

ROOT = "https://taxii.example/api/"
COLLECTION = f"{ROOT}collections/c1/"
MESSAGES = [Message(1, "indicator--1", b'{"type":"indicator","id":"indicator--1"}', 0)]


def make(**settings):
    where = {} if "discovery_url" in settings else {"collection_url": COLLECTION}
    settings = TaxiiSettings(**where, **settings, username="user", password="hush-hush")
    return TaxiiSink(settings, user_agent="iocstream/1")


def posts(server):
    return sum(request.method == "POST" for request in server.request_history)


@pytest.fixture
def server(requests_mock):
    """A server whose API root and collection are well."""
    requests_mock.get(ROOT, json={"title": "root", "max_content_length": 10_000})
    requests_mock.get(COLLECTION, json={"id": "c1", "title": "Feed", "can_read": True, "can_write": True})
    return requests_mock


class TestOpening:
    @pytest.mark.parametrize("where", [ROOT, COLLECTION])
    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (401, (Misconfigured, "does not accept the login")),
            (403, (Misconfigured, "may not be read with this login. Ask the server's administrator")),
            (400, (Misconfigured, "refuses the request. Check the address")),
            (404, (Misconfigured, "answer both alike")),
            (406, (Misconfigured, "TAXII 2.0 and 1.x are not supported")),
            (308, (Misconfigured, "redirects")),
            (500, (Unavailable, "cannot answer now")),
            (429, (Unavailable, "cannot answer now")),
        ],
    )
    def test_a_probe_that_fails_says_where_and_why_and_nothing_is_sent(self, server, where, status, expected):
        error, sentence = expected
        server.get(where, status_code=status)
        with pytest.raises(error, match=sentence) as caught:
            make().send(MESSAGES)
        assert where in str(caught.value)
        if sentence not in ("redirects", "cannot answer now"):
            what = "The API root" if where == ROOT else "The collection"
            assert str(caught.value).startswith(f"{what} at {where} ")
        assert posts(server) == 0

    def test_a_login_page_instead_of_taxii_is_named_as_such(self, server):
        server.get(ROOT, text="<html>Welcome</html>")
        with pytest.raises(Unavailable, match=r"not TAXII: <html>Welcome</html>\. If this stays so, check the address"):
            make().check()

    def test_a_title_that_repeats_the_login_is_shown_without_it(self, server):
        told = "user:hush-hush dXNlcjpodXNoLWh1c2g="
        server.get(COLLECTION, json={"id": "c1", "title": told, "can_write": True})
        said = make().check()
        assert "***" in said
        assert "hush" not in said
        assert "dXNlcjpodXNoLWh1c2g=" not in said

    def test_a_missing_login_is_named_as_such(self, server):
        server.get(ROOT, status_code=401)
        with pytest.raises(Misconfigured, match="No login is configured"):
            TaxiiSink(TaxiiSettings(collection_url=COLLECTION), user_agent="x").check()

    def test_a_collection_that_takes_nothing_is_refused_with_the_remedy(self, server):
        server.get(COLLECTION, json={"id": "c1", "title": "Feed", "can_write": False})
        with pytest.raises(Misconfigured, match=r"'Feed' .*\(can_write is false\)\. Ask"):
            make().send(MESSAGES)
        assert posts(server) == 0

    @pytest.mark.parametrize("limit", [1, 100, 255])
    def test_a_server_that_takes_next_to_no_size_is_refused_with_the_remedy(self, server, limit):
        server.get(ROOT, json={"title": "root", "max_content_length": limit})
        with pytest.raises(Misconfigured, match=rf"more than {limit} bytes .*administrator to raise that"):
            make().send(MESSAGES)
        assert posts(server) == 0

    def test_a_request_refused_for_its_size_points_to_the_size(self, server):
        server.post(f"{COLLECTION}objects/", status_code=413, json={"title": "too large"})
        with pytest.raises(Misconfigured, match=r"for its size\. Have the server, and any proxy before it,"):
            make().send([*MESSAGES, Message(1, "indicator--2", b'{"type":"indicator","id":"indicator--2"}', 0)])

    def test_check_says_what_was_found_in_one_sentence_and_sends_nothing(self, server):
        assert make().check() == f"the collection 'Feed' at {COLLECTION} takes objects, in requests below 10000 bytes"
        server.get(COLLECTION, json={"id": "c1", "title": "Feed\x1b[0m", "can_write": True, "can_read": False})
        assert "'Feed [0m'" in make().check()
        assert make().check().endswith(" bytes; it cannot be read, so a duplicate cannot be told from a failure")
        assert posts(server) == 0
        assert {request.headers["User-Agent"] for request in server.request_history} == {"iocstream/1"}

    @pytest.mark.parametrize(
        ("resource", "name"), [({"title": 7, "id": "c1"}, "c1"), ({"id": "c1"}, "c1"), ({"id": 7}, COLLECTION)]
    )
    def test_a_collection_without_a_title_is_called_by_its_id_or_its_address(self, server, resource, name):
        server.get(COLLECTION, json=resource)
        assert make().check().startswith(f"the collection '{name}' at ")


class TestDiscovery:
    URL = "https://taxii.example/taxii2/"

    @pytest.fixture
    def discovered(self, requests_mock):
        def discovered(collections=(), **discovery):
            requests_mock.get(self.URL, json={"title": "server", **discovery})
            requests_mock.get(f"{ROOT}collections/", json={"collections": list(collections)})
            requests_mock.get(ROOT, json={"title": "root"})
            return requests_mock

        return discovered

    FEED = {"id": "c 1/2", "title": "Feed", "alias": "feed", "can_write": True}  # noqa: RUF012 -- read alone

    @pytest.mark.parametrize("name", ["c 1/2", "feed", "Feed"])
    def test_a_collection_is_found_by_id_alias_or_title(self, discovered, name):
        server = discovered([None, {}, {"id": 7}, {"id": ""}, {"id": "0"}, self.FEED], api_roots=["/api/"])
        server.post(f"{ROOT}collections/c%201%2F2/objects/", status_code=202, json={"status": "complete"})
        assert list(make(discovery_url=self.URL, collection=name).send(MESSAGES)) == []

    @pytest.mark.parametrize(
        "discovery",
        [
            {"api_roots": ["/api/"]},
            {"api_roots": ["/api"]},
            {"api_roots": [ROOT]},
            {"api_roots": ["/other/", "/api/"], "default": "/api/"},
            {"api_roots": ["/api/"], "default": "/root"},
            {"api_roots": ["/api/", 7, None]},
        ],
    )
    def test_the_only_or_the_default_api_root_is_taken(self, discovered, discovery):
        discovered([self.FEED], **discovery)
        assert "'Feed'" in make(discovery_url=self.URL, collection="feed").check()

    @pytest.mark.parametrize("named", ["/api/", "/api", ROOT])
    def test_one_of_several_api_roots_can_be_named(self, discovered, named):
        discovered([self.FEED], api_roots=["/other/", "/api/"], default="/other/")
        assert "'Feed'" in make(discovery_url=self.URL, collection="feed", api_root=named).check()

    @pytest.mark.parametrize(
        ("discovery", "sentence"),
        [
            ({}, "no API root"),
            ({"api_roots": []}, "no API root"),
            ({"api_roots": "x"}, "no API root"),
            (
                {"api_roots": ["/a/", "/b/"]},
                "Name one under api_root: https://taxii.example/a/, https://taxii.example/b/$",
            ),
            ({"api_roots": ["/taxii2/", "/api/"]}, "Name one under api_root: "),
            (
                {"api_roots": ["https://elsewhere.example/api/"]},
                "points to another server, .* If the login may be sent there, set api_root to it$",
            ),
            ({"api_roots": ["https://taxii.example:8443/api/"]}, "points to another server"),
            (
                {"api_roots": ["http://taxii.example/api/"]},
                "is plain http://.* Have the server corrected, .*, or set allow_http: true$",
            ),
        ],
    )
    def test_an_api_root_that_cannot_be_chosen_or_trusted_is_explained(self, discovered, discovery, sentence):
        server = discovered([self.FEED], **discovery)
        with pytest.raises(Misconfigured, match=sentence):
            make(discovery_url=self.URL, collection="feed").check()
        assert len(server.request_history) == 1

    @pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
    def test_an_api_root_on_the_port_of_its_scheme_is_on_the_same_server(self, requests_mock, scheme, port):
        url, root = f"{scheme}://taxii.example/taxii2/", f"{scheme}://taxii.example:{port}/api/"
        requests_mock.get(url, json={"api_roots": [root]})
        requests_mock.get(root, json={})
        requests_mock.get(f"{root}collections/", json={"collections": [self.FEED]})
        assert "'Feed'" in make(discovery_url=url, collection="feed", allow_http=True).check()

    @pytest.mark.parametrize(
        ("url", "what"),
        [
            (URL, "The discovery resource"),
            (ROOT, "The API root"),
            (f"{ROOT}collections/", "The list of collections"),
        ],
    )
    def test_what_cannot_be_read_is_named_with_its_address(self, discovered, url, what):
        discovered([self.FEED], api_roots=["/api/"]).get(url, status_code=403)
        with pytest.raises(Misconfigured, match=f"^{what} at {url} may not be read"):
            make(discovery_url=self.URL, collection="feed").check()

    def test_an_api_root_that_the_server_does_not_have_is_answered_with_those_it_has(self, discovered):
        discovered([self.FEED], api_roots=["/api/"])
        with pytest.raises(Misconfigured, match=r"It has https://taxii\.example/api/"):
            make(discovery_url=self.URL, collection="feed", api_root="/apy/").check()

    def test_an_unknown_collection_is_answered_with_those_there_are(self, discovered):
        remedy = r"\. If the collection lies in another API root, set api_root$"
        shown = [{"id": "T0"}, *({"id": str(n), "title": f"T{n}"} for n in range(1, 12))]
        for count, named in [(12, "T0, T1, .*T9 and 2 more"), (10, "T0, T1, .*T9")]:
            discovered(shown[:count], api_roots=["/api/"])
            with pytest.raises(Misconfigured, match=f" It shows {named}{remedy}"):
                make(discovery_url=self.URL, collection="feed").check()

    def test_a_long_title_is_shown_shortened(self, discovered):
        discovered([{"id": "1", "title": "x" * 1000}], api_roots=["/api/"])
        with pytest.raises(Misconfigured) as caught:
            make(discovery_url=self.URL, collection="feed").check()
        assert str(caught.value).count("x") < 110

    def test_no_collection_at_all_points_to_the_logins_rights(self, discovered):
        discovered([], api_roots=["/api/"])
        with pytest.raises(
            Misconfigured, match=r"'feed'\. It shows none at all: check the login's rights\. If the collection"
        ):
            make(discovery_url=self.URL, collection="feed").check()

    def test_a_title_that_two_collections_share_is_not_guessed(self, discovered):
        discovered([self.FEED, {**self.FEED, "id": "c2", "alias": "x"}], api_roots=["/api/"])
        with pytest.raises(Misconfigured, match="Give one's id under collection: c 1/2, c2"):
            make(discovery_url=self.URL, collection="Feed").check()
