"""The clients that platforms read TAXII with: how each asks, and what it has failed on elsewhere."""

import datetime
import itertools
from contextlib import contextmanager

import pytest
import requests
import stix2
from integration.taxii_server import MEDIA_TYPE, serving, stix, stix_id

from connector.server.taxii.endpoints import Published

VERSION = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def served(tmp_path):
    with serving(tmp_path) as server:
        yield server


class TestTaxii2Client:
    """OASIS's own client, from discovery to the last page."""

    @pytest.fixture
    def client(self, served):
        from taxii2client.v21 import Server

        with self.closing(Server(f"{served.url}/taxii2/", user="reader", password="redaer")) as server:
            yield server

    @staticmethod
    @contextmanager
    def closing(server):
        yield server
        for root in server.api_roots:
            root.close()
        server.close()

    @pytest.fixture
    def collection(self, client):
        found, empty = client.default.collections
        assert (found.title, found.can_read, found.can_write) == ("Indicators", True, False)
        assert empty.get_objects() == {}
        return found

    def test_pages_through_everything(self, served, collection):
        from taxii2client.v21 import as_pages

        served.store(*(stix(n, kind=kind) for n in range(40) for kind in ("indicator", "sighting", "url")))
        for function in (collection.get_objects, collection.get_manifest):
            for per_request in (0, 7, 120, 500):
                pages = list(as_pages(function, per_request=per_request, type=["indicator", "url"]))
                found = [each["id"] for page in pages for each in page["objects"]]
                assert found == [stix_id(n, kind) for n in range(40) for kind in ("indicator", "url")]

    def test_is_slowed_down_where_it_would_give_up(self, tmp_path, served):
        """It knows nothing of 429; a reader of many small pages would never come to the last one."""
        from taxii2client.v21 import Collection, as_pages

        (tmp_path / "slow").mkdir()
        with serving(tmp_path / "slow", requests_per_minute=30) as server:
            server.store(*(stix(n) for n in range(34)))
            url = f"{server.root}collections/{Published('iocs', '').id}/"
            collection = Collection(url, user="reader", password="redaer")
            assert len(list(as_pages(collection.get_objects, per_request=1))) == 34
            collection.close()

    def test_asks_for_what_is_new_since_a_moment_however_it_writes_it(self, served, collection):
        served.store(stix(1))
        (record,) = collection.get_manifest()["objects"]
        moment = datetime.datetime.fromisoformat(record["date_added"])
        assert collection.get_objects(added_after=moment) == {}
        assert collection.get_objects(added_after=moment - datetime.timedelta(seconds=1))["objects"]

    def test_reads_one_object_and_its_versions(self, served, collection):
        served.store(stix(1), stix(1, 1))
        assert collection.object_versions(stix_id(1)) == {"versions": [VERSION, "2026-01-01T00:00:01.000Z"]}
        (newest,) = collection.get_object(stix_id(1))["objects"]
        assert newest["modified"] == "2026-01-01T00:00:01.000Z"
        both = collection.get_object(
            stix_id(1), version=["first", datetime.datetime(2026, 1, 1, 0, 0, 1, tzinfo=datetime.UTC)]
        )
        assert len(both["objects"]) == 2

    def test_is_told_that_it_may_not_write(self, collection):
        from taxii2client.exceptions import AccessError

        with pytest.raises(AccessError):
            collection.add_objects({"objects": []})
        with pytest.raises(requests.HTTPError, match="403"):
            collection._conn.post(collection.objects_url, headers={"Content-Type": MEDIA_TYPE}, json={"objects": []})
        with pytest.raises(AccessError):
            collection.delete_object(stix_id(1))
        with pytest.raises(requests.HTTPError, match="404"):
            collection.get_object(stix_id("none"))

    def test_is_a_source_for_the_stix2_library(self, served, collection):
        document = {
            "type": "identity",
            "spec_version": "2.1",
            "id": stix_id("source", "identity"),
            "created": VERSION,
            "modified": VERSION,
            "name": "x",
        }
        served.store(stix("source", kind="identity")._replace(body=stix2.parse(document).serialize().encode()))
        source = stix2.TAXIICollectionSource(collection)
        assert source.get(document["id"]).name == "x"
        assert [each.id for each in source.query([stix2.Filter("type", "=", "identity")])] == [document["id"]]
        assert source.all_versions(document["id"])


class TestOpenCti:
    """Its ingestion manager: `added_after` kept while there is a next page, then the last date cut to milliseconds."""

    def ingest(self, served, state):
        """One run: the pages until there is no more, and the state that the next run starts from."""
        query, taken = {"added_after": state} if state else {}, []
        while True:
            answer = served.get("objects/", params=query, headers={"Accept": MEDIA_TYPE})
            answer.raise_for_status()
            page = answer.json()
            taken += [each["id"] for each in page.get("objects", [])]
            if not page.get("objects"):
                return taken, state
            if page.get("more") and page.get("next"):
                query["next"] = page["next"]
                continue
            last = datetime.datetime.fromisoformat(answer.headers["X-TAXII-Date-Added-Last"])
            return taken, last.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def test_gets_each_object_once_over_many_runs(self, served):
        taken, state = [], None
        for run in range(5):
            served.store(*(stix(f"{run}-{n}") for n in range(1001 if run == 1 else 3)))
            new, state = self.ingest(served, state)
            taken += new
            again, same = self.ingest(served, state)
            assert (again, same) == ([], state), "the last object of a run comes again and again"
        assert len(taken) == len(set(taken)) == 4 * 3 + 1001


class TestXsoar:
    """Its TAXII 2 feed goes on from the `modified` of the last indicator it has seen, not from a date of the server."""

    def test_loses_nothing_because_what_is_added_is_never_dated_before_what_it_was_made_from(self, served):
        from taxii2client.v21 import Collection, as_pages

        url = f"{served.root}collections/{Published('iocs', '').id}/"  # this client wants the id, and takes no alias
        collection = Collection(url, user="reader", password="redaer")
        now = datetime.datetime.now(datetime.UTC)
        seen, added_after = set(), now - datetime.timedelta(days=1)
        for run in range(4):
            for n in range(3):
                at = now - datetime.timedelta(minutes=10 - 3 * run) + datetime.timedelta(seconds=n)
                modified = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
                served.store(stix(f"{run}-{n}", modified=modified)._replace(version=modified))
            pages = as_pages(collection.get_objects, per_request=2, added_after=added_after)
            fetched = [each for page in pages for each in page.get("objects", [])]
            seen |= {each["id"] for each in fetched}
            added_after = max(datetime.datetime.fromisoformat(each["modified"]) for each in fetched)
        collection.close()
        assert seen == {stix_id(f"{run}-{n}") for run in range(4) for n in range(3)}


class TestSentinel:
    """It is given an API root, a collection id and a login, and asks with a plain Accept."""

    def test_reads_by_id_with_a_media_type_that_names_no_version(self, served):
        served.store(stix(1), stix(2))
        (listed, _) = requests.get(
            f"{served.root}collections/",
            auth=("reader", "redaer"),
            headers={"Accept": "application/taxii+json"},
            timeout=10,
        ).json()["collections"]
        answer = requests.get(
            f"{served.root}collections/{listed['id']}/objects/?limit=1",
            auth=("reader", "redaer"),
            headers={"Accept": "application/taxii+json"},
            timeout=10,
        )
        assert answer.headers["Content-Type"] == MEDIA_TYPE
        assert answer.json()["more"]
        assert answer.json()["next"]


class TestAConsumerByTheHeaderAlone:
    """A client that knows no `next`: where the objects of one batch share a date, it loses most of them."""

    def test_gets_all_of_one_batch(self, served):
        served.store(*(stix(n) for n in range(8)))
        seen, after = [], VERSION
        for _ in itertools.count():
            answer = served.get("objects/", params={"limit": 3, "added_after": after})
            if answer.content == b"{}":
                break
            seen += [each["name"] for each in answer.json()["objects"]]
            after = answer.headers["X-TAXII-Date-Added-Last"]
        assert seen == [str(n) for n in range(8)]
