"""When the attributes of an entity say something else than before, and whether they call it bad."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples

from connector.values.assessments import is_bad, meaning, with_unsaid
from connector.values.news import is_news

VERDICT = {"gti_assessment": {"verdict": {"value": "VERDICT_MALICIOUS"}, "threat_score": {"value": 85}}}


def engines(count):
    return {"last_analysis_stats": {"malicious": count}}


def scored(score):
    return {"gti_assessment": {"threat_score": {"value": score}}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (engines(40), engines(61)),
        (engines(1), engines(2)),
        (engines(0), {}),
        (scored(80), scored(89)),
        (scored(79), scored(81)),
        (engines(19), engines(21)),
        (VERDICT, {**VERDICT, "last_analysis_date": 1, "names": ["a"], "total_votes": {"malicious": 3}}),
        (
            {"attribution": {"threat_actors": ["A", "B"]}},
            {"attribution": {"threat_actors": ["B", "A", "A"], "malware_families": "odd"}},
        ),
    ],
)
def test_one_engine_more_another_date_or_order_is_no_news(before, after):
    assert not is_news(meaning(before), meaning(after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, VERDICT),
        (VERDICT, {"gti_assessment": {**VERDICT["gti_assessment"], "verdict": {"value": "VERDICT_BENIGN"}}}),
        ({}, {"gti_assessment": {"severity": {"value": "SEVERITY_HIGH"}}}),
        (scored(79), scored(84)),
        (engines(0), engines(1)),
        (engines(9), engines(14)),
        ({}, {"popular_threat_classification": {"suggested_threat_label": "trojan.x"}}),
        ({}, {"attribution": {"malware_families": [{"family": "x"}]}}),
        ({}, {"attribution": {"threat_actors": ["A"]}}),
        ({}, {"malware_config": {"families": [{"family": "x"}]}}),
    ],
)
def test_another_verdict_severity_step_of_the_score_or_name_is_news(before, after):
    assert is_news(meaning(before), meaning(after))


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (VERDICT, True),
        ({"gti_assessment": {"verdict": {"value": "VERDICT_SUSPICIOUS"}}}, True),
        ({"gti_assessment": {"verdict": {"value": "VERDICT_UNDETECTED"}}, **engines(9)}, False),
        (engines(1), True),
        (engines(0), False),
        ({}, False),
    ],
)
def test_the_verdict_says_what_is_bad_and_without_one_the_engines(attributes, expected):
    assert is_bad(attributes) is expected


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@examples(100)
@given(anything, anything, anything)
def test_anything_has_a_meaning(one, two, three):
    said = {
        "gti_assessment": {"verdict": {"value": one}, "threat_score": {"value": two}},
        "last_analysis_stats": {"malicious": three},
        "attribution": {"threat_actors": one, "malware_families": [two]},
        "malware_config": three,
    }
    assert not is_news(meaning(said), meaning(said))
    assert is_bad(said) in (True, False)


def test_what_is_not_said_is_as_it_was_said_before():
    before = {"verdict": {"value": "BAD", "by": 1}, "size": 7, "names": ["a"]}
    said = {"verdict": {"value": "GOOD"}, "names": [], "size": None, "new": 1}
    assert with_unsaid(said, before) == {
        "verdict": {"value": "GOOD", "by": 1}, "size": 7, "names": [], "new": 1,
    }  # fmt: skip
    assert with_unsaid({}, before) == before


def test_attributes_however_deep_are_merged():
    deep = {}
    for _ in range(3000):
        deep = {"a": deep}
    assert list(with_unsaid(deep, deep)) == ["a"]
