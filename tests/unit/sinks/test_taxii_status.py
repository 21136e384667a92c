import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.model import Message
from connector.sinks.taxii.status_resource import ACCEPTED, MAX_WORDS, instant, judge, line, read

V1, V2 = "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.001Z"


def message(identifier, version=V1):
    return Message(1, identifier, b"{}", 0, version)


A, B, C = message("indicator--a"), message("indicator--b"), message("domain-name--c", None)


def test_a_full_status_is_read():
    status = read(
        {
            "id": "2d086da7-4bdc-4f91-900e-d77486753710",
            "status": "pending",
            "failure_count": 1,
            "successes": [{"id": "indicator--a", "version": V1}],
            "failures": [{"id": "indicator--b", "version": V1, "message": "no\nroom"}],
        }
    )
    assert (status.id, status.pending, status.failure_count) == ("2d086da7-4bdc-4f91-900e-d77486753710", True, 1)
    assert [d.id for d in status.successes] == ["indicator--a"]
    assert [(d.id, d.version, d.message) for d in status.failures] == [("indicator--b", V1, "no room")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=9), children, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(["id", "status", "failure_count", "failures", "successes", "pendings", "version", "message"])


@given(st.dictionaries(KEYS, json_values | st.lists(st.dictionaries(KEYS, json_values, max_size=4), max_size=4)))
def test_no_status_however_odd_makes_it_fail(body):
    judge(read(body), [A, B, C])


@pytest.mark.parametrize("body", [None, [], "complete", 7, {}])
def test_what_is_no_status_leaves_the_acceptance_as_it_is(body):
    assert read(body) == ACCEPTED


@pytest.mark.parametrize("identifier", [None, 7, "", ".", "..", "x" * 513, ["a"]])
def test_an_id_that_cannot_be_asked_for_is_none(identifier):
    assert read({"id": identifier, "status": "pending"}).id is None


def test_an_id_has_512_characters_at_most():
    assert [read({"id": "x" * length}).id for length in (512, 513)] == ["x" * 512, None]


def judged(messages=(A, B, C), **status):
    verdict = judge(read({"status": "complete", **status}), messages)
    return [m.id for m, _ in verdict.failed], [m.id for m in verdict.suspects]


def test_no_failure_means_all_is_well():
    assert judged(failure_count=0, success_count=3) == ([], [])


@pytest.mark.parametrize("count", [None, "many", True, float("1.5")])
def test_without_a_count_the_list_alone_counts(count):
    assert judged(failure_count=count, failures=[{"id": A.id}]) == ([A.id], [])
    assert judged(failure_count=count) == ([], [])


@pytest.mark.parametrize("failure", [{"id": A.id}, {"id": A.id, "version": 7, "message": ["x"]}])
def test_a_failure_without_words_says_that_there_are_none(failure):
    assert judge(read({"failures": [failure]}), [A, B]).failed == [(A, "the server gives no reason")]


def test_a_list_is_believed_before_a_count_that_contradicts_it():
    assert judged(failure_count=0, failures=[{"id": A.id, "version": V1}]) == ([A.id], [])


def test_failures_counted_but_not_named_make_suspects_of_all_that_is_not_named_a_success():
    assert judged(failure_count=1) == ([], [A.id, B.id, C.id])
    assert judged(failure_count=2, failures=[{"id": A.id}]) == ([A.id], [B.id, C.id])
    assert judged(failure_count=1, successes=[{"id": A.id, "version": V1}, {"id": C.id}]) == ([], [B.id])


def test_failures_that_name_strangers_are_as_good_as_unnamed():
    assert judged(failure_count=1, failures=[{"id": "x--1"}]) == ([], [A.id, B.id, C.id])


def test_two_versions_of_an_object_are_told_apart_by_the_moment_and_not_by_the_text():
    newer = message(A.id, V2)
    verdict = judge(read({"failures": [{"id": A.id, "version": "2026-01-01T00:00:00.001000Z"}]}), [A, newer])
    assert [m for m, _ in verdict.failed] == [newer]


def test_an_object_without_versions_is_known_by_its_id_whatever_version_the_server_makes_up():
    verdict = judge(read({"failures": [{"id": C.id, "version": "1970-01-01T00:00:00Z"}]}), [C, message(C.id, None)])
    assert len(verdict.failed) == 2


@pytest.mark.parametrize(
    "text",
    ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000Z", "2026-01-01T01:00:00.0+01:00", "2026-01-01T00:00:00"],
)
def test_a_moment_is_the_same_however_it_is_written(text):
    assert instant(text) == instant(V1)


@pytest.mark.parametrize("text", [None, 7, "", "soon", "2026-13-01T00:00:00Z"])
def test_what_names_no_moment_is_none(text):
    assert instant(text) is None


def test_words_are_one_printable_line_with_their_beginning_and_their_end():
    assert line("a\r\n\tb\x1b[31m c") == "a b [31m c"
    long = line("start " + "x" * 100_000 + " end")
    assert long.startswith("start")
    assert long.endswith("end")
    assert len(long) <= MAX_WORDS + 3
