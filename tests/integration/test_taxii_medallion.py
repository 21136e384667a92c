"""The same questions asked of this server and of medallion, OASIS's reference server, on the same objects.

Where the two differ, the difference is named here, with the rule of TAXII 2.1 that decides.
"""

import itertools

import orjson
import pytest
import requests
from integration.taxii_server import MEDIA_TYPE, serving, stix, stix_id
from missing_software import or_skip
from peers import taxii

pytestmark = pytest.mark.xdist_group("medallion")

ABSENT = "indicator--00000000-0000-4000-8000-000000000000"


def objects():
    """Three kinds, some in three versions that come out of order, and observables without a version."""
    yield from (stix(n, 1, kind) for n in range(6) for kind in ("indicator", "sighting"))
    yield from (stix(n, 3) for n in range(0, 6, 2))
    yield from (stix(n, 2) for n in range(0, 6, 2))
    yield from (stix(n, kind="url") for n in range(4))


@pytest.fixture(scope="module")
def medallion(tmp_path_factory):
    """A medallion of this module's own: objects of other tests would be in its answers."""
    with or_skip(), taxii.medallion(tmp_path_factory.mktemp("medallion")) as peer:
        yield peer


@pytest.fixture(scope="module")
def both(medallion, tmp_path_factory):
    """What asks either server, below its collection."""
    url = medallion.collection_url("rw")
    login = (medallion.login["username"], medallion.login["password"])
    for each in objects():
        # One at a time: medallion gives all that come together the same date_added, and then loses some in paging.
        answer = requests.post(
            f"{url}objects/",
            b'{"objects":[%s]}' % each.body,
            auth=login,
            headers={"Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE},
            timeout=30,
        )
        assert answer.json()["success_count"] == 1
    with serving(tmp_path_factory.mktemp("served")) as server:
        server.store(*objects())

        def ask_medallion(path, query="", **headers):
            asked = {"Accept": MEDIA_TYPE} | headers
            return requests.get(f"{url}{path}{query}", auth=login, headers=asked, timeout=30)

        def ask_this(path, query="", **headers):
            return server.get(f"{path}{query}", headers=headers)

        yield ask_this, ask_medallion


def versions(answer):
    """What both servers must answer alike: ids, versions and order."""
    assert answer.status_code == 200, answer.text
    found = answer.json()
    held = found.get("objects", found.get("versions", []))
    names = [
        each if isinstance(each, str) else (each["id"], each.get("version", each.get("modified"))) for each in held
    ]
    # Each server calls the version of an observable what it likes (section 5.3.1).
    return [(name[0], None) if not isinstance(name, str) and name[0].startswith("url--") else name for name in names]


TYPES = ["", "indicator", "indicator,url", "sighting,indicator,url", "malware"]
VERSIONS = ["", "last", "first", "all", "first,last", "2026-01-01T00:00:02.000Z", "2026-01-01T00:00:02.000Z,last"]
IDS = ["", stix_id(0), f"{stix_id(0)},{stix_id(1)},{stix_id(1, 'url')}", ABSENT]


class TestTheSameAnswer:
    @pytest.mark.parametrize("path", ["objects/", "manifest/"])
    def test_to_every_combination_of_filters(self, both, path):
        asked = 0
        for kinds, version, ids, spec in itertools.product(TYPES, VERSIONS, IDS, ["", "2.1", "2.0", "2.0,2.1"]):
            named = {"match[type]": kinds, "match[version]": version, "match[id]": ids, "match[spec_version]": spec}
            query = "?" + "&".join(f"{name}={value}" for name, value in named.items() if value)
            mine, theirs = (ask(path, query) for ask in both)
            assert versions(mine) == versions(theirs), query
            asked += 1
        assert asked > 200

    @pytest.mark.parametrize("name", [0, 1])
    @pytest.mark.parametrize("query", ["", "?match[version]=all", "?match[version]=first", "?match[spec_version]=2.0"])
    def test_to_one_object(self, both, name, query):
        mine, theirs = (ask(f"objects/{stix_id(name)}/", query) for ask in both)
        assert versions(mine) == versions(theirs)

    @pytest.mark.parametrize("limit", [1, 4, 5, 100])
    @pytest.mark.parametrize("query", ["", "&match[version]=all", "&match[type]=indicator,sighting"])
    def test_page_by_page(self, both, limit, query):
        mine, theirs = ([], [])
        for ask, seen in zip(both, (mine, theirs), strict=True):
            more = ""
            while True:
                answer = ask("objects/", f"?limit={limit}{query}{more}")
                seen.append(versions(answer))
                if not answer.json().get("more"):
                    break
                more = f"&next={answer.json()['next']}"
        assert mine == theirs

    def test_to_what_is_new_since_a_date_that_the_server_gave(self, both):
        for place in (0, 5, 11):
            answers = []
            for ask in both:
                date = ask("manifest/", "?match[version]=all").json()["objects"][place]["date_added"]
                answers.append(versions(ask("objects/", f"?match[version]=all&added_after={date}")))
            assert answers[0] == answers[1]
            assert answers[0]

    @pytest.mark.parametrize(
        ("path", "query", "status"),
        [
            ("objects/", "?limit=0", 400),
            ("objects/", "?limit=-1", 400),
            ("objects/", "?limit=ten", 400),
            ("objects/", "?limit=1&next=nonsense", 400),
            (f"objects/{ABSENT}/", "", 404),
            (f"objects/{ABSENT}/versions/", "", 404),
            ("../00000000-0000-4000-8000-000000000000/objects/", "", 404),
        ],
    )
    def test_to_what_cannot_be_answered(self, both, path, query, status):
        assert [ask(path, query).status_code for ask in both] == [status, status]

    def test_to_a_client_that_accepts_something_else(self, both):
        assert [ask("objects/", Accept="application/json").status_code for ask in both] == [406, 406]

    def test_dates_are_in_the_same_headers(self, both):
        for answer in (ask("objects/", "?limit=3") for ask in both):
            dates = sorted(name.lower() for name in answer.headers if name.lower().startswith("x-taxii"))
            assert dates == ["x-taxii-date-added-first", "x-taxii-date-added-last"]
        for answer in (ask("objects/", "?match[type]=malware") for ask in both):
            assert not [name for name in answer.headers if name.lower().startswith("x-taxii")]
            assert answer.json() == {}


@pytest.mark.parametrize(
    ("rule", "path", "query", "headers", "statuses"),
    [
        ("a malformed added_after is a 400 (5.4)", "objects/", "?added_after=yesterday", {}, [400, 500]),
        ("a malformed version is a 400 (5.4)", "objects/", "?match[version]=newest", {}, [400, 500]),
        ("a field is given once (3.4)", "objects/", "?match[type]=url&match[type]=sighting", {}, [400, 200]),
        ("a malformed id is a 400 (5.4)", "objects/", "?match[id]=nonsense", {}, [400, 200]),
        ("no version in Accept is no 406 (3.1)", "objects/", "", {"Accept": "application/taxii+json"}, [200, 406]),
        ("any media type is acceptable", "objects/", "", {"Accept": "*/*"}, [200, 406]),
        ("what an object cannot be asked is a 400", f"objects/{stix_id(0)}/", "?match[type]=x-y", {}, [400, 200]),
    ],
)
def test_where_medallion_departs_from_the_rule(both, rule, path, query, headers, statuses):  # noqa: PLR0917
    assert [ask(path, query, **headers).status_code for ask in both] == statuses, rule


def test_next_is_as_good_without_limit_and_medallion_fails_on_it(both):
    """Section 3.5: the client decides on `limit` in each request."""
    answers = []
    for ask in both:
        token = ask("objects/", "?limit=5").json()["next"]
        answers.append(ask("objects/", f"?next={token}"))
    assert [answer.status_code for answer in answers] == [200, 500]
    assert len(answers[0].json()["objects"]) == len(list(objects())) - 6 - 5


def test_versions_come_in_the_order_they_were_added_and_medallion_sorts_them_newest_first(both):
    """Section 3.3: every list of a collection is sorted by the time of adding, ascending."""
    mine, theirs = (versions(ask(f"objects/{stix_id(0)}/versions/")) for ask in both)
    assert mine == [f"2026-01-01T00:00:0{n}.000Z" for n in (1, 3, 2)]
    assert theirs == sorted(mine, reverse=True)


def test_an_observable_comes_back_from_both_as_it_was_sent(both):
    mine, theirs = (ask("objects/", f"?match[id]={stix_id(1, 'url')}").json()["objects"] for ask in both)
    assert mine == theirs == [orjson.loads(stix(1, kind="url").body)]
