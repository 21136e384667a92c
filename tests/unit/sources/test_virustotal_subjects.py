"""What an answer about a subject means, how large it may be, and what of it is news."""

import orjson
import pytest

from connector.model import Subject
from connector.notification import LOOKED_UP
from connector.sources.virustotal.api import Answer, nearly_spent
from connector.sources.virustotal.subjects import DAY_SECONDS, MAX_ATTRIBUTES_BYTES, answered, endpoint

RULESET = Subject("hunting_ruleset", "71")
ACTOR = Subject("collection", "threat-actor--1")


def look_up(attributes, subject=RULESET):
    return answered(subject, Answer(200, {"data": {"attributes": attributes}}, "", 0), 1000)


@pytest.mark.parametrize("kind", LOOKED_UP)
def test_each_type_that_notifications_name_has_an_endpoint(kind):
    assert endpoint(Subject(kind, "a/b"))[-1] == "a/b"


def test_a_ruleset_is_read_again_after_a_day_a_collection_after_a_week_and_a_refusal_after_two():
    assert look_up({}).due == 1000 + DAY_SECONDS
    assert look_up({}, ACTOR).due == 1000 + 7 * DAY_SECONDS
    for status, state in ((403, "forbidden"), (404, "absent"), (400, "absent"), (410, "absent")):
        refused = answered(ACTOR, Answer(status, {}, "", 0), 1000)
        assert (refused.state, refused.due, refused.attributes) == (state, 1000 + 14 * DAY_SECONDS, None)


@pytest.mark.parametrize("document", [{}, {"data": None}, {"data": []}, {"data": {"attributes": "x"}}, {"data": {}}])
def test_an_answer_without_attributes_teaches_nothing(document):
    assert answered(ACTOR, Answer(200, document, "", 0), 1000).state == "failed"


@pytest.mark.parametrize("status", [405, 418])
def test_a_refusal_that_nobody_expects_teaches_nothing(status):
    assert answered(ACTOR, Answer(status, {}, "", 0), 1000).state == "failed"


def test_counters_and_rate_limits_are_no_news_and_names_are():
    said = {"name": "a", "rate_limited": False, "rate_limited_ratio": 0.0}
    assert look_up(said).digest == look_up({**said, "rate_limited": True, "rate_limited_ratio": 0.5}).digest
    assert look_up(said).digest != look_up({**said, "name": "b"}).digest
    collection = {"name": "a", "files_count": 1, "counters": {"files": 1}, "last_modification_date": 1}
    busier = {"name": "a", "files_count": 2, "counters": {"files": 2}, "last_modification_date": 2}
    assert look_up(collection, ACTOR).digest == look_up(busier, ACTOR).digest
    assert look_up(busier, ACTOR).attributes == busier


def test_of_what_is_too_large_the_largest_is_left_out():
    said = {"rules": "x" * MAX_ATTRIBUTES_BYTES, "name": "a", "rule_names": ["y" * 1000]}
    kept = look_up(said).attributes
    assert kept == {"name": "a", "rule_names": ["y" * 1000]}


def test_what_is_nested_without_end_can_be_stored():
    deep: dict = {}
    for _ in range(240):
        deep = {"a": deep}
    assert orjson.dumps(look_up({"name": "n", "deep": deep}).attributes)


@pytest.mark.parametrize("odd", ["x", None, [], {}, True, 10**18, -5, 1e300])
def test_whatever_a_ruleset_says_of_its_limits_status_can_show_it(odd):
    report = look_up({"name": odd, "rate_limited": odd, "rate_limited_ratio": odd, "limit": odd}).report
    assert report["name"] is None or isinstance(report["name"], str)
    assert report["rate_limited"] in (True, False)
    assert report["rate_limited_ratio"] is None or 0 <= report["rate_limited_ratio"] <= 1
    assert look_up({"name": "a\x1b[31m\n"}).report["name"] == "a[31m"


@pytest.mark.parametrize(
    ("used", "allowed", "sent", "is_spent"),
    [(0, 100, 74, False), (0, 100, 75, True), (75, 100, 0, True), (0, 0, 5, False), ("1", 100, 99, False)],
)
def test_the_last_quarter_of_a_quota_is_not_for_look_ups(used, allowed, sent, is_spent):
    quota = {"api_requests_daily": {"user": {"used": used, "allowed": allowed}, "group": None}, "odd": 1}
    assert (nearly_spent(quota, sent, 0.25) is not None) == is_spent
