"""A new version of an Indicator is sent when it means something else, and not when its numbers or its prose jitter."""

from copy import deepcopy
from dataclasses import replace
from hashlib import sha256

import orjson
import pytest
from mapping_examples import bundled
from pipeline_receivers import START, Sink, deliver, route_into, store

from connector.model import Unavailable
from connector.pipeline.deliver import Delivery
from connector.pipeline.redeliver import redeliver, rewind

PROFILES = [None, "opencti", "sentinel", "misp", "xsoar"]
HOUR = 3_600
FILE = "ab" * 32


def match(number, kind="domain", *, at=None, **attributes):
    """A notification of a malicious domain or file, an hour after the one before it."""
    assessment = {"verdict": {"value": "VERDICT_MALICIOUS"}, "severity": {"value": "SEVERITY_HIGH"}}
    assessment |= {"threat_score": {"value": 85}, "contributing_factors": {"gti_confidence_score": 95}}
    said = {
        "gti_assessment": assessment,
        "last_analysis_stats": {"malicious": 20, "suspicious": 0, "undetected": 30, "harmless": 0},
        **({"sha256": FILE, "md5": "ab" * 16} if kind == "file" else {}),
    }
    about = {"notification_id": str(number), "notification_date": START + (at or number) * HOUR, "origin": "hunting"}
    about["hunting_info"] = {"rule_name": "rule"}
    identifier = FILE if kind == "file" else "bad.example"
    return {"type": kind, "id": identifier, "attributes": said | attributes, "context_attributes": about}


def changed(body, path, value):
    """A notification with another value at a path of its attributes."""
    body = deepcopy(body)
    *way, last = path.split("/")
    inner = body["attributes"]
    for name in way:
        inner = inner.setdefault(name, {})
    inner[last] = value
    return body


def jittering(number, kind):
    named = {"meaningful_name": f"a{number}.exe"} if kind == "file" else {}
    body = match(number, kind, reputation=-number, last_analysis_date=START + number, **named)
    body = changed(body, "last_analysis_stats/malicious", 18 + number % 4)
    body = changed(body, "last_analysis_stats/undetected", 30 + number)
    body = changed(body, "gti_assessment/threat_score/value", 88 + number % 3)
    body = changed(body, "gti_assessment/contributing_factors/gti_confidence_score", 89 + number % 5)
    body = changed(body, "sandbox_verdicts/Box", {"sandbox_name": "Box", "category": "malicious", "confidence": number})
    return changed(body, "gti_assessment/description", f"Detected by {number} engines")


def documents(sink):
    return [orjson.loads(message.body) for message in sink.sent]


def indicators(sink):
    return [each for each in documents(sink) if each["type"] == "indicator"]


@pytest.mark.parametrize("kind", ["domain", "file"])
@pytest.mark.parametrize("profile", PROFILES)
def test_fifty_matches_in_two_days_with_numbers_that_jitter_are_one_indicator_and_fifty_sightings(
    journal, sink, profile, kind
):
    route = route_into(sink, bundled("stix21", profile))
    for first in range(1, 51, 10):
        deliver(route, journal, *(jittering(number, kind) for number in range(first, first + 10)))
    assert len(indicators(sink)) == 1
    sightings = {each["id"] for each in documents(sink) if each["type"] == "sighting"}
    assert len(sightings) == (0 if profile in ("sentinel", "xsoar") else 50)


def scored(number, score, **more):
    body = changed(match(number, **more), "gti_assessment/threat_score/value", score)
    return changed(body, "gti_assessment/contributing_factors/gti_confidence_score", score)


@pytest.mark.parametrize("profile", PROFILES)
def test_scores_that_go_up_and_down_by_much_make_few_versions(journal, sink, profile):
    """From 60 to 84, in every order: what is said of it grows at once, and falls when it stays so."""
    route = route_into(sink, bundled("stix21", profile))
    deliver(route, journal, *(scored(number, 60 + number * 7 % 25) for number in range(1, 51)))
    assert len(indicators(sink)) <= 3
    assert max(each["confidence"] for each in indicators(sink)) >= 80


def test_that_a_score_has_fallen_is_told_when_it_is_so_two_days_later_or_has_fallen_by_much(journal, stix, sink):
    deliver(stix, journal, scored(1, 84), scored(2, 62), scored(3, 62, at=48))
    assert [each["confidence"] for each in indicators(sink)] == [84]
    deliver(stix, journal, scored(4, 62, at=50))
    assert [each["confidence"] for each in indicators(sink)] == [84, 62]
    deliver(stix, journal, scored(5, 30, at=51))
    assert [each["confidence"] for each in indicators(sink)][:-1] == [84, 62]


NEWS = {
    "verdict": ("gti_assessment/verdict/value", "VERDICT_SUSPICIOUS"),
    "severity": ("gti_assessment/severity/value", "SEVERITY_LOW"),
    "threat score": ("gti_assessment/threat_score/value", 90),
    "confidence": ("gti_assessment/contributing_factors/gti_confidence_score", 55),
    "engines": ("last_analysis_stats/malicious", 45),
    "label": ("tags", ["signed"]),
    "category": ("popular_threat_classification/popular_threat_category", [{"value": "trojan"}]),
    "threat label": ("popular_threat_classification/suggested_threat_label", "trojan.x/y"),
    "attribution": ("attribution/threat_actors", ["Paper Badger"]),
    "network": ("country", "DE"),
    "sandbox": ("sandbox_verdicts/Box", {"sandbox_name": "Box", "category": "malicious"}),
}


@pytest.mark.parametrize("profile", [None, "opencti"])
@pytest.mark.parametrize(("path", "value"), NEWS.values(), ids=NEWS)
def test_what_means_something_else_is_a_new_version_with_the_newest_numbers(journal, sink, profile, path, value):
    route = route_into(sink, bundled("stix21", profile))
    deliver(route, journal, match(1))
    sink.sent.clear()
    later = changed(match(2), "last_analysis_stats/undetected", 77)
    deliver(route, journal, changed(later, path, value))
    (second,) = indicators(sink)
    (held,) = (each for each in second["extensions"].values() if "detections" in each)
    assert held["detections"]["undetected"] == 77


def test_numbers_that_move_step_by_step_are_told_when_they_have_come_far_enough(journal, stix, sink):
    scores = [85, 88, 91, 93, 96]
    deliver(stix, journal, *(match_of_score(number, score) for number, score in enumerate(scores, 1)))
    assert [each["confidence"] for each in indicators(sink)] == [85, 91]


def match_of_score(number, score):
    return changed(match(number), "gti_assessment/threat_score/value", score)


def test_a_replay_from_the_start_sends_each_version_as_it_was(journal, stix, sink):
    deliver(stix, journal, *(jittering(number, "file") for number in range(1, 6)))
    first = indicators(sink)
    rewind(stix, journal, {"vt": 0, "other": 0})
    deliver(stix, journal)
    assert indicators(sink) == first * 2


def test_a_replay_from_the_middle_sends_what_means_the_same_as_a_version_of_its_own_and_only_once(journal, stix, sink):
    deliver(stix, journal, *(jittering(number, "file") for number in range(1, 6)))
    for times in (1, 2):
        rewind(stix, journal, {"vt": 3, "other": 3})
        deliver(stix, journal)
        first, *again = indicators(sink)
        assert again == again[:1] * times
    assert first["modified"] < again[0]["modified"]
    assert again[0]["name"] == "a4.exe"
    deliver(stix, journal, jittering(6, "file"))
    assert len(indicators(sink)) == 3  # `sink` itself sees to one content for one version


def test_a_replay_from_the_middle_takes_the_place_of_no_later_version(journal, stix, sink):
    turned = changed(match(3), "gti_assessment/verdict/value", "VERDICT_SUSPICIOUS")
    deliver(stix, journal, jittering(1, "domain"), jittering(2, "domain"), turned)
    *_, newest = indicators(sink)
    redeliver(stix, journal, journal.entries([2]), again=True)
    *_, again = indicators(sink)
    assert again["modified"] < newest["modified"]
    assert again["extensions"] != newest["extensions"]


def test_one_notification_is_sent_again_in_its_own_words_and_holds_as_long_as_before(journal, stix, sink):
    deliver(stix, journal, jittering(1, "file"), jittering(2, "file") | {}, jittering(3, "file"))
    (first,) = indicators(sink)
    for _ in range(2):
        redeliver(stix, journal, journal.entries([2]), again=True)
    first, *again = indicators(sink)
    assert again[0] == again[1]
    assert (again[0]["name"], again[0]["created"]) == ("a2.exe", first["created"])
    assert again[0]["valid_until"] >= first["valid_until"]


def test_an_older_match_that_comes_later_makes_it_hold_no_shorter(journal, stix, sink):
    deliver(stix, journal, match(1, at=40), changed(match(2, at=20), "last_analysis_stats/undetected", 5))
    (first,) = indicators(sink)
    redeliver(stix, journal, journal.entries([2]), again=True)
    *_, again = indicators(sink)
    assert again["valid_until"] == first["valid_until"]


class Hasty(Sink):
    """It takes everything, and is gone before it says so."""

    cut = True

    def send(self, messages):
        refused = super().send(messages)
        if self.cut:
            raise Unavailable("gone")
        return refused


def test_what_may_have_arrived_before_a_break_is_sent_again_in_the_same_words(journal):
    sink = Hasty()
    route = route_into(sink, "stix21")
    store(journal, jittering(1, "file"), jittering(2, "file"))
    for cut in (True, True, False):
        sink.cut = cut
        try:
            Delivery(route, journal).step()
        except Unavailable:
            assert cut
    assert len({orjson.dumps(each) for each in indicators(sink)}) == 1


def test_another_route_into_the_same_receiver_adds_no_version_for_other_numbers(journal, stix, sink):
    with journal.lease("beside"):
        beside = replace(stix, name="beside", beside=("out",))
        deliver(replace(stix, beside=("beside",)), journal, jittering(1, "domain"))
        deliver(beside, journal, jittering(2, "domain"))
        assert len(indicators(sink)) == 1


def test_a_url_that_is_named_by_its_digest_or_by_its_address_is_one_version(journal, stix, sink):
    url = "http://bad.example/a"
    for number, identifier in enumerate((url, sha256(url.encode()).hexdigest(), url), 1):
        deliver(stix, journal, match(number, url=url) | {"type": "url", "id": identifier})
    assert len(indicators(sink)) == 1
