import base64
import hashlib
import json
import urllib.parse

import pytest
import yara_x
from integration.simulated_virustotal import Clock, ids, items
from werkzeug.test import Client

from connector.simulator.api import Api, Fault
from connector.simulator.notifications import notifications

NOW = 1_800_000_000
KEY = {"x-apikey": "demo-key"}


class Asking:
    """Asks an API without a network in between."""

    def __init__(self, made, **options):
        self.clock = Clock(NOW)
        self.api = Api(made, clock=self.clock, **options)
        self.client = Client(self.api)

    def __call__(self, path, *, method="GET", headers=KEY, **params):
        return self.client.open(f"/api/v3{path}", method=method, query_string=params, headers=headers)

    def stream(self, **params):
        answer = self("/ioc_stream", **params)
        assert answer.status_code == 200, answer.get_data()
        return answer.json

    def walk(self, **params):
        found, cursor = [], {}
        while True:
            page = self.stream(**params, **cursor)
            found += page["data"]
            if "cursor" not in page["meta"]:
                return found
            cursor = {"cursor": page["meta"]["cursor"]}


def refusal(answer):
    return answer.status_code, answer.json["error"]["code"], answer.json["error"]["message"]


@pytest.fixture
def made():
    return notifications(120, now=NOW)


def test_pages_are_of_ten_newest_first_unless_asked_otherwise(made):
    page = Asking(made).stream()
    dates = [item["context_attributes"]["notification_date"] for item in page["data"]]
    assert len(dates) == 10
    assert dates == sorted(dates, reverse=True)
    assert dates[0] == made[-1]["context_attributes"]["notification_date"]
    assert page["meta"]["count"] == 120
    assert page["links"]["self"] == "https://www.virustotal.com/api/v3/ioc_stream"
    assert urllib.parse.parse_qs(urllib.parse.urlsplit(page["links"]["next"]).query)["cursor"] == [
        page["meta"]["cursor"]
    ]


@pytest.mark.parametrize("order", ["date+", "date-"])
@pytest.mark.parametrize("limit", [1, 7, 40])
def test_cursors_lead_through_everything_once(made, order, limit):
    found = Asking(made).walk(order=order, limit=limit)
    dates = [item["context_attributes"]["notification_date"] for item in found]
    assert dates == sorted(dates, reverse=order == "date-")
    assert len(found) == 120
    assert ids(found) == ids(made)


def test_a_walk_oldest_first_meets_what_is_raised_meanwhile():
    asking = Asking(items(range(NOW - 50, NOW)))
    cursor = asking.stream(order="date+", limit=40)["meta"]["cursor"]
    asking.api.add(items([NOW], first_id=80))
    page = asking.stream(order="date+", limit=40, cursor=cursor)
    assert len(page["data"]) == 11
    assert "cursor" not in page["meta"]
    assert "next" not in page["links"]


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ("origin:hunting", lambda item, said: said["origin"] == "hunting"),
        ("entity_type:url", lambda item, said: item["type"] == "url"),
        ("source_type:threat_profile", lambda item, said: said["sources"][0]["type"] == "threat_profile"),
        ("source_id:7100000001", lambda item, said: said["sources"][0]["id"] == "7100000001"),
        ("notification_tag:ransomware", lambda item, said: "ransomware" in said["tags"]),
        (f"date:{NOW - 9000}+", lambda item, said: said["notification_date"] >= NOW - 9000),
        ("date:2027-01-15T07:00:00-", lambda item, said: said["notification_date"] <= NOW - 3600),
        (
            "date:2027-01-14+ date:2027-01-15-",
            lambda item, said: NOW - 115200 <= said["notification_date"] <= NOW - 28800,
        ),
        ("  origin:hunting   entity_type:file ", lambda i, said: i["type"] == "file" and said["origin"] == "hunting"),
    ],
)
def test_filters_choose_as_documented(made, wanted, fits):
    found = Asking(made).walk(filter=wanted, limit=40)
    expected = [item for item in made if fits(item, item["context_attributes"])]
    assert expected
    assert ids(found) == ids(expected)


def test_an_entity_can_be_asked_for_by_its_id(made):
    found = Asking(made).walk(filter=f"entity_id:{made[0]['id']}")
    assert {item["id"] for item in found} == {made[0]["id"]}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"filter": "origin:notHunting"}, 'origin "notHunting" is not valid. Valid origins are: hunting,subscriptions'),
        ({"filter": "entity_type:hash"}, 'entity_type "hash" is not valid'),
        ({"filter": "colour:red"}, 'filter "colour" is not valid'),
        ({"filter": "ransomware"}, '"ransomware" is not a valid filter'),
        ({"filter": "date:yesterday+"}, 'date "yesterday" is not valid'),
        ({"order": "date"}, 'order "date" is not valid'),
        ({"order": "date "}, 'order "date " is not valid'),  # a plus that was not percent-encoded
        ({"limit": "41"}, '"limit" must be between 1 and 40'),
        ({"limit": "0"}, '"limit" must be between 1 and 40'),
        ({"limit": "many"}, '"limit" must be an integer'),
        ({"cursor": "bm8="}, "Invalid cursor"),
        ({"cursor": "%"}, "Invalid cursor"),
        ({"cursor": ""}, "Invalid cursor"),
    ],
)
def test_what_the_real_api_refuses_is_refused(made, params, message):
    status, code, said = refusal(Asking(made)("/ioc_stream", **params))
    assert (status, code) == (400, "BadRequestError")
    assert message in said


def test_a_cursor_is_good_for_its_own_query_and_until_it_expires(made):
    asking = Asking(made)
    cursor = asking.stream(order="date+")["meta"]["cursor"]
    asking.stream(order="date+", cursor=cursor, limit=3)
    assert refusal(asking("/ioc_stream", order="date-", cursor=cursor))[2] == "Invalid cursor"
    assert refusal(asking("/ioc_stream", order="date+", filter="origin:hunting", cursor=cursor))[2] == "Invalid cursor"
    asking.api.expire_cursors()
    assert refusal(asking("/ioc_stream", order="date+", cursor=cursor))[2] == "Invalid cursor"


def test_keys_are_asked_for(made):
    asking = Asking(made)
    assert refusal(asking("/ioc_stream", headers={}))[:2] == (401, "AuthenticationRequiredError")
    assert refusal(asking("/ioc_stream", headers={"x-apikey": "x"})) == (401, "WrongCredentialsError", "Wrong API key")


def test_assessments_are_for_tools_that_name_themselves(made):
    asking = Asking(made)
    assert "gti_assessment" not in json.dumps(asking.walk(limit=40))
    named = asking("/ioc_stream", headers={**KEY, "x-tool": "Example.Tool.1.0"}).json
    assert "gti_assessment" in json.dumps(named)
    file = next(item for item in made if item["type"] == "file" and "gti_assessment" in item["attributes"])
    assert "gti_assessment" not in asking(f"/files/{file['id']}").json["data"]["attributes"]


def test_descriptors_alone_can_be_asked_for(made):
    assert all(
        item.keys() == {"type", "id", "context_attributes"} for item in Asking(made).walk(descriptors_only="true")
    )


def test_notifications_are_deleted_after_seven_days():
    asking = Asking(items([NOW - 6 * 86400, NOW]))
    assert len(asking.walk()) == 2
    asking.clock.now += 86400
    assert len(asking.walk()) == 1
    assert asking("/ioc_stream_notifications/899999").status_code == 404


def test_the_date_header_tells_the_time_of_its_clock(made):
    assert Asking(made)("/me").headers["Date"] == "Fri, 15 Jan 2027 08:00:00 GMT"


def test_one_notification_has_the_names_of_its_own_shape(made):
    item = next(item for item in made if "match_source" in (item["context_attributes"]["hunting_info"] or ()))
    said = item["context_attributes"]
    data = Asking(made)(f"/ioc_stream_notifications/{said['notification_id']}").json["data"]
    assert data["type"] == "ioc_stream_notification"
    assert data["id"] == said["notification_id"]
    attributes = data["attributes"]
    assert (attributes["entity_type"], attributes["entity_id"]) == (item["type"], item["id"])
    assert attributes["date"] == said["notification_date"]
    assert "match_source" not in attributes["hunting_info"]
    assert all("label" not in source for source in attributes["sources"])


def test_notifications_can_be_deleted_one_by_one_and_by_filter(made):
    asking = Asking(made)
    one = made[0]["context_attributes"]["notification_id"]
    assert asking(f"/ioc_stream_notifications/{one}", method="DELETE").status_code == 200
    assert asking(f"/ioc_stream_notifications/{one}", method="DELETE").status_code == 404
    assert ids(asking.walk(limit=40)) == ids(made) - {one}
    assert asking("/ioc_stream", method="DELETE", filter="origin:hunting").status_code == 200
    assert {item["context_attributes"]["origin"] for item in asking.walk(limit=40)} == {"subscriptions"}
    asking("/ioc_stream", method="DELETE")
    assert asking.walk() == []


def test_entities_are_known_by_every_id_that_the_api_takes(made):
    asking = Asking(made)
    file = next(item for item in made if item["type"] == "file")
    for name in ("md5", "sha1", "sha256"):
        assert asking(f"/files/{file['attributes'][name]}").json["data"]["id"] == file["id"]
    url = next(item for item in made if item["type"] == "url" and "://" in item["id"])["attributes"]["url"]
    digest = hashlib.sha256(url.encode()).hexdigest()
    for identifier in (digest, base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")):
        data = asking(f"/urls/{identifier}").json["data"]
        assert (data["id"], data["attributes"]["url"]) == (digest, url)
    for kind, collection in (("domain", "domains"), ("ip_address", "ip_addresses")):
        item = next(item for item in made if item["type"] == kind)
        data = asking(f"/{collection}/{item['id']}").json["data"]
        assert "context_attributes" not in data
        assert data["id"] == item["id"]
    assert refusal(asking(f"/urls/{'0' * 64}"))[:2] == (404, "NotFoundError")
    assert refusal(asking("/nothing/1"))[:2] == (404, "NotFoundError")


PLACES = {
    "hunting_ruleset": "intelligence/hunting_rulesets",
    "retrohunt_job": "intelligence/retrohunt_jobs",
    "collection": "collections",
    "threat_actor": "collections",
}


def test_what_notifications_name_is_there_to_be_looked_up_but_for_a_few_that_are_not_ours_or_gone():
    asking = Asking([])
    named = {
        (source["type"], source["id"], source["label"])
        for item in notifications(800, now=NOW)
        for source in item["context_attributes"]["sources"]
        if source["type"] != "threat_profile"
    }
    refused, kinds = {}, set()
    for kind, identifier, label in named:
        answer = asking(f"/{PLACES[kind]}/{identifier}")
        if answer.status_code != 200:
            refused.setdefault(refusal(answer)[:2], set()).add(kind)
            continue
        data = answer.json["data"]
        assert data["id"] == identifier
        kinds.add(data["attributes"].get("collection_type", kind))
        if kind == "retrohunt_job":
            assert data["attributes"]["rules"]
        else:
            assert data["attributes"]["name"] == label
    both = {"hunting_ruleset", "collection"}
    assert refused == {(403, "ForbiddenError"): both, (404, "NotFoundError"): both}
    collections = {"threat-actor", "malware-family", "software-toolkit", "campaign", "report", "vulnerability"}
    assert kinds == {"hunting_ruleset", "retrohunt_job", "collection"} | collections
    assert asking("/collections/unknown").status_code == 404


def test_rulesets_have_rules_that_compile_and_the_names_that_notifications_say():
    asking = Asking([])
    said = {}
    for item in notifications(800, now=NOW):
        context = item["context_attributes"]
        if context["origin"] == "hunting":
            (source,) = context["sources"]
            said.setdefault((source["type"], source["id"]), set()).add(context["hunting_info"]["rule_name"])
    limited = 0
    for (kind, identifier), names in said.items():
        answer = asking(f"/{PLACES[kind]}/{identifier}")
        if answer.status_code == 200:
            attributes = answer.json["data"]["attributes"]
            rules = yara_x.compile(attributes["rules"])
            assert {rule.identifier for rule in rules} == names
            limited += attributes.get("rate_limited", False)
    assert limited == 1


def test_the_quota_is_counted_and_runs_out(made):
    asking = Asking(made, allowed=2, user="someone")
    user = asking("/me").json["data"]["id"]
    asking.stream()
    assert asking(f"/users/{user}/overall_quotas").json["data"]["api_requests_daily"] == {
        "user": {"allowed": 2, "used": 1}
    }
    asking.stream()
    assert refusal(asking("/ioc_stream"))[:2] == (429, "QuotaExceededError")
    assert asking("/users/someone/overall_quotas").status_code == 200
    assert asking("/users/other/overall_quotas").status_code == 404


def test_faults_come_on_cue_and_go(made):
    asking = Asking(made)
    asking.api.faults = [
        Fault("/ioc_stream$", with_cursor=True, status=400, body=b"{}"),
        Fault("/ioc_stream$", times=2, status=503, body=b"<html>", headers={"Retry-After": "5"}),
    ]
    first = asking("/ioc_stream")
    assert (first.status_code, first.get_data(), first.headers["Retry-After"]) == (503, b"<html>", "5")
    assert asking("/me").status_code == 200
    assert asking("/ioc_stream").status_code == 503
    cursor = asking.stream()["meta"]["cursor"]
    assert asking("/ioc_stream", cursor=cursor).status_code == 400
    assert asking("/ioc_stream", cursor=cursor).status_code == 200
    asking.api.faults = [Fault(edit=lambda document: {**document, "data": None})]
    assert asking.stream()["data"] is None


def test_what_was_asked_is_kept_for_tests_to_look_at(made):
    asking = Asking(made)
    asking("/ioc_stream", filter="origin:hunting")
    (asked,) = asking.api.requests
    assert (asked.method, asked.path, asked.args) == ("GET", "/ioc_stream", {"filter": "origin:hunting"})
    assert asked.headers["x-apikey"] == "demo-key"
    assert asked.raw_query in ("filter=origin%3Ahunting", "filter=origin:hunting")
