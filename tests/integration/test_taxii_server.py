"""The TAXII 2.1 server on a socket: resources, filters, paging, refusals."""

import gzip
import itertools
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import orjson
import pytest
import requests
from integration.taxii_server import MEDIA_TYPE, serving, stix, stix_id
from structlog.testing import capture_logs

from connector.server.taxii.endpoints import MAX_PAGE_BYTES, Published
from connector.values.timestamps import microseconds, taxii

ABSENT = "indicator--00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Indicators 0 to 29, of which 0 to 9 have three versions; a url for every third of them; one sighting."""
    with serving(tmp_path_factory.mktemp("served")) as server:
        server.store(*(stix(n, 1) for n in range(30)))
        server.store(*(stix(n, kind="url") for n in range(0, 30, 3)), stix("s", kind="sighting"))
        server.store(*(stix(n, second) for second in (2, 3) for n in range(10)))
        server.store(stix("secret"), name="private")
        yield server


@pytest.fixture
def fresh(tmp_path):
    with serving(tmp_path) as server:
        yield server


def names(envelope):
    return [each["name"] for each in envelope.get("objects", [])]


def pages(server, path="objects/", **parameters):
    """Every page of an answer, each checked for what all must have."""
    more, last = {}, ""
    while True:
        answer = server.get(path, params={**parameters, **more})
        assert answer.status_code == 200
        page = answer.json()
        yield page
        if not page.get("more"):
            assert "next" not in page
            return
        assert page.get("objects") or page.get("versions")
        first, before = answer.headers["X-TAXII-Date-Added-First"], last
        last = answer.headers["X-TAXII-Date-Added-Last"]
        assert before < first <= last
        more = {"next": page["next"]}


class TestResources:
    def test_discovery_at_the_root_of_the_host_leads_to_the_collections(self, served):
        found = served.get(f"{served.url}/taxii2/").json()
        assert found["default"] in found["api_roots"]
        root = served.get(served.url + found["default"]).json()
        assert root["versions"] == [MEDIA_TYPE]
        assert root["max_content_length"] > 0
        listed = served.get(f"{served.url}{found['default']}collections/").json()["collections"]
        assert [each["alias"] for each in listed] == ["iocs", "empty"]
        assert listed[0] == {
            "id": Published("iocs", "").id,
            "title": "Indicators",
            "description": "What matched.",
            "alias": "iocs",
            "can_read": True,
            "can_write": False,
            "media_types": ["application/stix+json;version=2.1"],
        }

    def test_a_collection_is_found_by_id_and_by_alias(self, served):
        by_alias = served.get("").json()
        assert served.get(f"{served.root}collections/{by_alias['id']}/").json() == by_alias
        one, other = (served.ask(f"{served.root}collections/{key}/objects/") for key in ("iocs", by_alias["id"]))
        assert one == other

    def test_the_id_of_a_collection_never_changes(self):
        assert Published("iocs", "").id == "2867f28f-bbcb-4bd2-915c-916ed01dbb66"

    def test_objects_come_as_they_were_stored(self, fresh):
        odd = stix(1)._replace(body=stix(1).body.replace(b'"name":"1"', b'"name" : "1",\t"x":1.50'))
        fresh.store(odd)
        assert fresh.get("objects/").content == b'{"objects":[%s]}' % odd.body

    def test_the_manifest_names_versions_and_when_each_was_added(self, served):
        answer = served.get("manifest/", params={"match[id]": stix_id(1), "match[version]": "all"})
        first, second, third = answer.json()["objects"]
        assert first["id"] == stix_id(1)
        assert [each["version"][-6:] for each in (first, second, third)] == ["1.000Z", "2.000Z", "3.000Z"]
        assert first["media_type"] == "application/stix+json;version=2.1"
        assert answer.headers["X-TAXII-Date-Added-First"] == first["date_added"]
        assert answer.headers["X-TAXII-Date-Added-Last"] == third["date_added"]

    def test_every_date_added_is_a_taxii_timestamp_aligned_to_milliseconds_and_later_than_the_one_before(self, served):
        added = [each["date_added"] for page in pages(served, "manifest/", limit=7) for each in page["objects"]]
        assert all(len(each) == 27 and each.endswith("000Z") for each in added)
        assert all(one < other for one, other in itertools.pairwise(added))

    def test_an_object_comes_in_its_last_version_or_those_asked_for(self, served):
        path = f"objects/{stix_id(1)}/"
        assert [each["modified"][-5:-1] for each in served.ask(path)["objects"]] == [".000"]
        assert served.ask(path)["objects"][0]["modified"] == "2026-01-01T00:00:03.000Z"
        assert len(served.ask(path, match_version="all")["objects"]) == 3
        assert served.ask(path, match_version="2027-01-01T00:00:00Z") == {}

    def test_the_versions_of_an_object_are_all_of_them_in_the_order_they_were_added(self, served):
        answer = served.get(f"objects/{stix_id(1)}/versions/")
        assert answer.json() == {"versions": [f"2026-01-01T00:00:0{n}.000Z" for n in (1, 2, 3)]}
        assert "X-TAXII-Date-Added-Last" in answer.headers
        walked = [page["versions"] for page in pages(served, f"objects/{stix_id(1)}/versions/", limit=1)]
        assert walked == [[each] for each in answer.json()["versions"]]

    def test_an_observable_has_the_time_it_was_added_as_its_version(self, served):
        (record,) = served.ask("manifest/", match_id=stix_id(0, "url"))["objects"]
        assert record["version"] == record["date_added"]
        assert served.ask(f"objects/{record['id']}/versions/") == {"versions": [record["version"]]}
        (found,) = served.ask(match_version=record["version"], match_type="url")["objects"]
        assert found["id"] == record["id"]

    @pytest.mark.parametrize("path", ["objects/", "manifest/"])
    def test_an_empty_answer_is_an_empty_object_without_dates(self, served, path):
        answer = served.get(f"{served.root}collections/empty/{path}")
        assert answer.content == b"{}"
        assert not [name for name in answer.headers if name.lower().startswith("x-taxii")]
        assert served.ask(path, added_after="2099-01-01T00:00:00Z") == {}

    def test_whoever_may_read_nothing_sees_no_collections(self, fresh):
        listed = fresh.get(f"{fresh.root}collections/", "other").json()["collections"]
        assert [each["alias"] for each in listed] == ["private"]


class TestFilters:
    @pytest.mark.parametrize(
        ("parameters", "expected"),
        [
            ({"match_type": "sighting"}, ["s"]),
            ({"match_type": "sighting,url", "limit": 2}, ["0", "3"]),
            ({"match_type": "malware"}, []),
            ({"match_id": f"{stix_id(4)},{stix_id(0, 'url')},{ABSENT}"}, ["0", "4"]),
            ({"match_id": stix_id(4), "match_type": "url"}, []),
            ({"match_version": "first", "limit": 3}, ["0", "1", "2"]),
            ({"match_version": "2026-01-01T00:00:02.000000Z", "limit": 2}, ["0", "1"]),
            ({"match_version": "2026-01-01T00:00:02Z,last", "match_id": stix_id(7)}, ["7", "7"]),
            ({"match_version": "first,last", "match_id": stix_id(7)}, ["7", "7"]),
            ({"match_version": "first,last", "match_id": stix_id(17)}, ["17"]),
            ({"match_version": "all", "match_id": stix_id(7)}, ["7"] * 3),
            ({"match_spec_version": "2.0"}, []),
            ({"match_spec_version": "2.0,2.1", "match_type": "sighting"}, ["s"]),
            ({"match_type": "sighting", "utm_source": "x"}, ["s"]),
        ],
    )
    def test_select_what_they_say(self, served, parameters, expected):
        assert names(served.ask(**parameters)) == expected
        assert len(served.ask("manifest/", **parameters).get("objects", [])) == len(expected)

    def test_without_any_the_oldest_come_first_each_in_its_last_version(self, served):
        everything = names(served.ask())
        assert everything[:20] == [str(n) for n in range(10, 30)]
        assert everything[-10:] == [str(n) for n in range(10)]
        assert len(everything) == 30 + 10 + 1

    def test_added_after_takes_any_fraction_and_excludes_that_very_moment(self, served):
        (first, *_) = served.ask("manifest/")["objects"]
        moment = first["date_added"]
        milliseconds = moment[:-4] + "Z"
        for text in (moment, milliseconds, moment[:-1] + "999Z"):
            assert first["id"] not in {each["id"] for each in served.ask("manifest/", added_after=text)["objects"]}
        before = taxii(microseconds(moment) // 1000 - 1)[:-1] + "999Z"
        assert first["id"] in {each["id"] for each in served.ask("manifest/", added_after=before)["objects"]}


class TestPaging:
    @pytest.mark.parametrize("path", ["objects/", "manifest/"])
    @pytest.mark.parametrize("limit", [1, 7, 40, 41, 1000])
    @pytest.mark.parametrize("filters", [{}, {"match[version]": "all"}, {"match[type]": "url,sighting"}])
    def test_gives_each_object_once_and_never_more_than_asked_for(self, served, path, limit, filters):
        whole = served.get(path, params=filters).json()["objects"]
        walked = list(pages(served, path, limit=limit, **filters))
        assert all(len(page["objects"]) == limit for page in walked[:-1])
        assert [each for page in walked for each in page["objects"]] == whole

    def test_goes_on_by_the_header_as_well(self, served):
        seen, after = [], "1970-01-01T00:00:00Z"
        while True:
            answer = served.get("objects/", params={"limit": 4, "added_after": after})
            seen += names(answer.json())
            if not answer.json().get("more"):
                break
            after = answer.headers["X-TAXII-Date-Added-Last"]
        assert seen == names(served.ask())

    def test_a_page_of_large_objects_ends_early_and_goes_on(self, fresh):
        size = MAX_PAGE_BYTES // 3
        fresh.store(*(stix(n, filler="x" * size) for n in range(7)))
        walked = list(pages(fresh, limit=100))
        assert [len(page["objects"]) for page in walked] == [2, 2, 2, 1]

    def test_a_page_that_was_answered_is_made_once_and_anew_when_anything_is_added(self, fresh, monkeypatch):
        fresh.store(*(stix(n) for n in range(30)))
        fresh.store(stix("secret"), name="private")
        reads = []
        collections = type(fresh.collections)
        read = collections.objects
        monkeypatch.setattr(collections, "objects", lambda *args: reads.append(args) or read(*args))
        asked = [fresh.get("objects/", params={"limit": 20}) for _ in range(3)]
        said = [{**answer.headers, "body": answer.content, "date": None} for answer in asked]
        assert said[0] == said[1] == said[2]
        assert len(reads) == 1
        plain = fresh.get("objects/", params={"limit": 20}, headers={"Accept-Encoding": "identity"})
        assert (plain.json(), "Content-Encoding" in plain.headers) == (asked[0].json(), False)
        assert len(reads) == 2
        assert len(fresh.ask(limit=19)["objects"]) == 19
        assert fresh.get("objects/", "other", params={"limit": 20}).status_code == 404
        fresh.store(stix(99))
        assert names(fresh.ask())[-1] == "99"
        assert len(fresh.ask(limit=20)["objects"]) == 20
        assert len(reads) == 5

    def test_next_is_only_good_for_its_own_question(self, served):
        token = served.ask(limit=1, match_type="url")["next"]
        assert names(served.ask(limit=1, match_type="url", next=token)) == ["3"]
        assert names(served.ask(limit=1, next=token)) == ["3"]
        for path, parameters in (
            ("objects/", {"match[type]": "indicator"}),
            ("manifest/", {}),
            (f"objects/{stix_id(1)}/", {}),
            (f"{served.root}collections/empty/objects/", {}),
        ):
            answer = served.get(path, params={"next": token, **parameters})
            assert (answer.status_code, answer.json()["http_status"]) == (400, "400")

    def test_next_gives_nothing_to_whoever_may_not_read(self, served):
        token = served.ask(limit=1)["next"]
        assert served.get("objects/", "other", params={"next": token}).status_code == 404
        assert served.get("objects/", None, params={"next": token}).status_code == 401

    def test_while_others_write_loses_and_repeats_nothing(self, fresh):
        """Two writers, and readers of each kind of paging, who must each see every version once."""
        count, stop = 400, threading.Event()

        def write(parity):
            for n in range(parity, count, 2):
                fresh.store(stix(n), stix(n, 1))

        def read(limit, by_header):
            seen, after, more = [], "1970-01-01T00:00:00Z", {}
            while True:
                is_over = stop.is_set()
                parameters = {"match[version]": "all", "limit": limit, "added_after": after, **more}
                answer = fresh.get("objects/", params=parameters)
                page = answer.json()
                seen += [(each["id"], each["modified"]) for each in page.get("objects", [])]
                last = answer.headers.get("X-TAXII-Date-Added-Last", after)
                if page.get("more") and not by_header:
                    more = {"next": page["next"]}
                    continue
                more, after = {}, last
                if is_over and not page.get("more"):
                    return seen

        with ThreadPoolExecutor(6) as pool:
            writers = [pool.submit(write, parity) for parity in (0, 1)]
            readers = [pool.submit(read, limit, by_header) for limit in (3, 100) for by_header in (True, False)]
            for writer in writers:
                writer.result()
            stop.set()
            expected = sorted((stix_id(n), f"2026-01-01T00:00:0{s}.000Z") for n in range(count) for s in (0, 1))
            for reader in readers:
                assert sorted(reader.result()) == expected


class TestRefusals:
    @pytest.mark.parametrize(
        ("path", "login", "method", "status"),
        [
            ("objects/", None, "GET", 401),
            ("objects/", None, "POST", 401),
            ("objects/", None, "PROPFIND", 401),
            ("nowhere/", None, "GET", 401),
            ("/taxii2/", None, "GET", 401),
            ("/taxii2/root/collections/private/", "reader", "GET", 404),
            ("/taxii2/root/collections/private/objects/", "reader", "POST", 404),
            (f"/taxii2/root/collections/private/objects/{stix_id('secret')}/", "reader", "DELETE", 404),
            ("/taxii2/root/collections/none/objects/", "reader", "GET", 404),
            ("/taxii2/other/collections/", "reader", "GET", 404),
            ("/taxii2/root/status/2d086da7-4bdc-4f91-900e-d77486753710/", "reader", "GET", 404),
            (f"objects/{ABSENT}/", "reader", "GET", 404),
            (f"objects/{ABSENT}/versions/", "reader", "GET", 404),
            ("objects/indicator/", "reader", "GET", 404),
            ("objects/", "reader", "POST", 403),
            (f"objects/{stix_id(1)}/", "reader", "DELETE", 403),
            ("manifest/", "reader", "POST", 405),
            ("objects/", "reader", "DELETE", 405),
            ("/taxii2/", "reader", "PUT", 405),
            ("objects/", "reader", "PROPFIND", 405),
            ("objects/?limit=0", "reader", "GET", 400),
            ("objects/?match[type]=url&match[type]=url", "reader", "GET", 400),
            (f"objects/{stix_id(1)}/?match[type]=url", "reader", "GET", 400),
            (f"objects/{stix_id(1)}/versions/?match[version]=all", "reader", "GET", 400),
        ],
    )
    def test_are_taxii_errors(self, served, path, login, method, status):
        url = served.url + path if path.startswith("/") else path
        answer = served.get(url, login, method=method)
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == MEDIA_TYPE
        assert answer.json()["http_status"] == str(status)
        assert answer.json()["title"]
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)
        assert ("Allow" in answer.headers) == (status == 405)

    def test_a_wrong_password_is_told_nothing(self, served):
        answer = requests.get(f"{served.root}collections/iocs/", auth=("reader", "wrong"), timeout=10)
        assert answer.status_code == 401
        assert "Basic realm=" in answer.headers["WWW-Authenticate"]

    def test_a_login_that_may_read_nothing_is_told_so(self, served):
        answer = served.get(f"{served.root}collections/", "stranger")
        assert answer.status_code == 403
        assert "scope taxii" in answer.json()["title"]
        assert served.get("objects/", "stranger").status_code == 404

    @pytest.mark.parametrize(
        ("accept", "status"),
        [
            (MEDIA_TYPE, 200),
            ("application/taxii+json", 200),
            ("application/taxii+json; version=2.1", 200),
            ('application/taxii+json;version="2.1"', 200),
            ("APPLICATION/TAXII+JSON;VERSION=2.1", 200),
            ("*/*", 200),
            ("application/*;q=0.5", 200),
            ("text/html, application/taxii+json;version=2.1;q=0.1", 200),
            ("application/taxii+json;version=2.0, application/taxii+json;version=2.1", 200),
            ("application/taxii+json;version=2.0", 406),
            ("application/taxii+json;version=2.1;q=0", 406),
            ("application/taxii+json;q=x", 406),
            ("application/json", 406),
            ("application/vnd.oasis.taxii+json; version=2.0", 406),
            ("text/html", 406),
            ("", 406),
        ],
    )
    def test_the_media_type_is_agreed_on(self, served, accept, status):
        answer = served.get(headers={"Accept": accept})
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == MEDIA_TYPE

    def test_a_bearer_token_is_a_login(self, served):
        answer = served.get(login=None, headers={"Authorization": "Bearer redaer"})
        assert answer.status_code == 200

    @pytest.mark.parametrize("login", [None, "reader"])
    def test_no_body_is_read_before_the_refusal(self, served, login):
        """A client that announces a gigabyte and sends none of it is answered at once."""
        head = f"POST /taxii2/root/collections/iocs/objects/ HTTP/1.1\r\nHost: x\r\nContent-Length: {2**30}\r\n"
        if login:
            head += "Authorization: Bearer redaer\r\n"
        port = int(served.url.rsplit(":", 1)[1])
        with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as client:
            client.sendall(head.encode() + b"\r\n")
            assert client.recv(12) == (b"HTTP/1.1 403" if login else b"HTTP/1.1 401")

    def test_a_path_without_its_slash_is_sent_on_with_its_query(self, served):
        answer = served.get("objects?limit=1", allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (308, "objects/?limit=1")
        assert len(served.get("objects?limit=1").json()["objects"]) == 1
        assert served.get("objects", None, allow_redirects=False).status_code == 401

    def test_no_redirect_names_a_host_so_that_a_proxy_that_speaks_tls_is_not_left(self, served):
        answer = served.get(f"{served.url}/taxii2", headers={"Host": "other.localhost"}, allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (308, "taxii2/")
        assert served.get(f"{served.url}/taxii2").json() == served.get(f"{served.url}/taxii2/").json()
        assert served.get(f"{served.url}/taxii2", None).status_code == 401
        assert served.get(f"{served.url}/openapi.json/", allow_redirects=False).status_code == 404

    def test_what_is_accepted_may_be_said_in_several_headers(self, served):
        request = b"GET /taxii2/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer redaer\r\nConnection: close\r\n"
        accepts = [b"text/html", MEDIA_TYPE.encode()]
        port = int(served.url.rsplit(":", 1)[1])
        with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as client:
            client.sendall(request + b"".join(b"Accept: %s\r\n" % each for each in accepts) + b"\r\n")
            assert client.recv(12) == b"HTTP/1.1 200"

    @pytest.mark.parametrize(
        "query",
        [
            b"limit=" + b"9" * 50_000,
            b"match[id]=" + b",".join([ABSENT.encode()] * 1200),
            b"match[version]=" + b",".join([b"2026-01-01T00:00:00Z"] * 2000),
            b"match[type]=" + b",".join(b"a%d-b" % n for n in range(5000)),
            b"match[type]=%00",
            b"match[type]=%ff%fe",
            b"match%5btype%5d=%E2%80%AE",
            b"added_after=%F0%9F%98%80",
            b"next=" + b"A" * 50_000,
            b"next=%00",
            b"&&&===&;;",
            b"match[version]=9999-12-31T23:59:59.999999999Z",
            b"added_after=9999-12-31T23:59:60Z",
            b"added_after=0001-01-01T00:00:00Z",
            b"%",
            b"match[id]=%",
        ],
    )
    @pytest.mark.parametrize(
        "path", [b"objects/", b"manifest/", b"objects/%00/", b"objects/" + stix_id(1).encode() + b"/"]
    )
    def test_hostile_questions_are_answered_without_a_fault(self, served, path, query):
        port = int(served.url.rsplit(":", 1)[1])
        with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as client:
            request = b"GET /taxii2/root/collections/iocs/%s?%s HTTP/1.1\r\n" % (path, query)
            client.sendall(request + b"Host: x\r\nAuthorization: Bearer redaer\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.split(b" ")[1] in (b"200", b"400", b"404")


class TestTransfer:
    def test_what_the_client_has_is_not_sent_again(self, fresh):
        fresh.store(stix(1))
        answer = fresh.get("objects/")
        tag = answer.headers["ETag"]
        known = fresh.get("objects/", headers={"If-None-Match": f'"other", {tag}'})
        assert (known.status_code, known.content, known.headers["ETag"]) == (304, b"", tag)
        assert fresh.get("objects/", headers={"If-None-Match": '"other"'}).status_code == 200
        for other in ({"limit": 2}, {"match[type]": "indicator"}, {"added_after": "2026-01-01T00:00:00Z"}):
            assert fresh.get("objects/", params=other).headers["ETag"] != tag
        assert fresh.get("manifest/").headers["ETag"] != tag
        fresh.store(stix(1, 1))
        assert fresh.get("objects/", headers={"If-None-Match": tag}).status_code == 200

    def test_a_repeat_leaves_the_tag_as_it_is(self, fresh):
        fresh.store(stix(1))
        tag = fresh.get("objects/").headers["ETag"]
        fresh.store(stix(1))
        fresh.store(stix(2), name="private")
        assert fresh.get("objects/").headers["ETag"] == tag

    def test_an_empty_poll_has_a_tag_too(self, fresh):
        answer = fresh.get("objects/", params={"added_after": "2026-01-01T00:00:00Z"})
        tag = {"If-None-Match": answer.headers["ETag"]}
        assert fresh.get("objects/", params={"added_after": "2026-01-01T00:00:00Z"}, headers=tag).status_code == 304

    @pytest.mark.parametrize(
        ("encodings", "is_packed"),
        [("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("gzip;q=0", False), ("identity", False), ("", False)],
    )
    def test_large_answers_are_packed_for_clients_that_can_unpack(self, served, encodings, is_packed):
        plain = served.get("objects/", headers={"Accept-Encoding": "identity"}).content
        answer = served.get("objects/", headers={"Accept-Encoding": encodings}, stream=True)
        raw = answer.raw.read(decode_content=False)
        assert (answer.headers.get("Content-Encoding") == "gzip") == is_packed
        assert (gzip.decompress(raw) if is_packed else raw) == plain
        assert "Accept-Encoding" in answer.headers["Vary"]

    def test_a_thousand_objects_come_at_once_and_ten_thousand_when_asked_for(self, fresh):
        fresh.store(*(stix(n) for n in range(10_001)))
        assert len(fresh.ask()["objects"]) == 1000
        page = fresh.ask(limit=20_000)
        assert len(page["objects"]) == 10_000
        assert len(fresh.ask(next=page["next"])["objects"]) == 1

    def test_what_is_added_is_after_everything_that_was_answered(self, fresh):
        fresh.store(stix(1))
        last = fresh.get("objects/").headers["X-TAXII-Date-Added-Last"]
        fresh.store(stix(2))
        assert names(fresh.ask(added_after=last)) == ["2"]
        assert microseconds(last) % 1000 == 0


def test_an_unreadable_journal_is_said_to_be_so(fresh, monkeypatch):
    from connector.model import Unavailable

    def unavailable(*_):
        raise Unavailable("the journal /secret/path is locked")

    monkeypatch.setattr(type(fresh.collections), "state", unavailable)
    answer = fresh.get("objects/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert "secret" not in answer.text
    assert orjson.loads(answer.content)["http_status"] == "503"


def test_a_bug_is_a_taxii_error_that_shows_nothing_and_is_in_the_log(fresh, monkeypatch):
    def wrong(*_):
        raise ZeroDivisionError("canary")

    monkeypatch.setattr(type(fresh.collections), "state", wrong)
    with capture_logs() as told:
        answer = fresh.get("objects/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, MEDIA_TYPE)
    assert "canary" not in answer.text
    (event,) = (each for each in told if each.get("logger") != "audit")
    assert (event["event"], event["path"]) == ("request_failed", "/taxii2/root/collections/iocs/objects/")
    assert isinstance(event["exc_info"], ZeroDivisionError)
