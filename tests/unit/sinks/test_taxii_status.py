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


@pytest.mark.parametrize(
    ("body", "pending"),
    [
        ({"status": "complete"}, False),
        ({"status": " Complete "}, False),
        ({"status": "pending"}, True),
        ({"status": "queued"}, True),
        ({"total_count": 3}, False),
        # What is left decides, whatever the status calls itself.
        ({"status": "complete", "pending_count": 1}, True),
        ({"status": "complete", "pending_count": "1"}, True),
        ({"status": "complete", "pending_count": 0, "pendings": [{"id": A.id}]}, False),
        ({"status": "complete", "pendings": [{"id": A.id}]}, True),
        ({"pending_count": 2}, True),
        # A status that has not been brought up to date, of which the counts add up.
        ({"status": "pending", "total_count": 3, "success_count": 3}, False),
        ({"status": "pending", "total_count": 3, "failure_count": 3}, False),
        ({"status": "pending", "total_count": 3, "success_count": 2, "failure_count": 1}, False),
        ({"status": "pending", "total_count": "3", "success_count": " 3 ", "pending_count": "0"}, False),
        ({"status": "pending", "total_count": 3, "success_count": 1, "failure_count": 1}, True),
        ({"status": "pending", "total_count": 3, "success_count": 2, "pending_count": 1}, True),
        ({"status": "pending", "total_count": 3, "success_count": 3, "pending_count": 1}, True),
        ({"status": "pending", "total_count": 0, "success_count": 0}, True),
        ({"status": "pending", "total_count": 1}, True),
        ({"status": "pending", "success_count": 3}, True),
        # What has failed as a whole is over.
        ({"status": "failed", "pending_count": 3}, False),
        ({"status": "Failure", "pending_count": 3}, False),
        ({"status": "error", "pending_count": 3}, False),
    ],
)
def test_a_server_is_at_work_until_nothing_is_left(body, pending):
    assert read(body).pending is pending


@pytest.mark.parametrize(
    ("given_", "count"),
    [
        (0, 0),
        (1, 1),
        ("0", 0),
        (" 12 ", 12),
        (-1, None),
        (True, None),
        (1.0, 1),
        (1.5, None),
        ("-1", None),
        ("many", None),
        ([], None),
    ],
)
def test_a_count_is_a_whole_number_from_zero_on_or_its_digits(given_, count):
    status = read({"status": "complete", "total_count": given_, "success_count": given_, "failure_count": given_})
    assert (status.total, status.succeeded, status.failure_count) == (count, count, count)


@pytest.mark.parametrize(
    ("body", "silent"),
    [
        ({"id": "s"}, True),
        ({"id": "s", "total_count": 3, "successes": []}, True),
        ({"status": "complete"}, False),
        ({"success_count": 0}, False),
        ({"failure_count": 0}, False),
        ({"failures": [{"id": A.id}]}, False),
    ],
)
def test_a_status_is_silent_that_says_nothing_of_what_became_of_the_envelope(body, silent):
    assert read(body).is_silent is silent


def test_words_are_shown_as_the_caller_wants_them():
    body = {"failures": [{"id": A.id, "message": "no room"}], "successes": [{"id": B.id, "message": "fine"}]}
    status = read(body, str.upper)
    assert [each.message for each in (*status.failures, *status.successes)] == ["NO ROOM", "FINE"]


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


@pytest.mark.parametrize("state", ["failed", "Failure", "ERROR"])
def test_where_the_whole_has_failed_no_success_is_believed(state):
    named = [{"id": A.id, "version": V1}]
    assert judged(status=state, successes=named, failure_count=1) == ([], [A.id, B.id, C.id])
    assert judged(status=state, failures=named) == ([A.id], [B.id, C.id])


@pytest.mark.parametrize("said", [[{"id": {}, "message": []}], [{}], ["x"], [None]])
def test_a_failure_that_names_nothing_is_one(said):
    assert judged(failures=said) == ([], [A.id, B.id, C.id])
    assert judged(failures=said, failure_count=0) == judged(failure_count=0)


@pytest.mark.parametrize("count", [1.0, 1e9])
def test_a_count_with_a_fraction_of_nothing_is_a_count(count):
    assert judged(failure_count=count) == ([], [A.id, B.id, C.id])


def test_successes_that_fall_short_are_failures_though_none_is_counted():
    assert judged(success_count=2) == ([], [A.id, B.id, C.id])
    assert judged(success_count=2, total_count=2) == ([], [A.id, B.id, C.id])  # which has overlooked one
    assert judged(success_count=0, total_count=0) == ([], [A.id, B.id, C.id])
    assert judged(success_count=3, total_count=3) == ([], [])
    assert judged(success_count=0, total_count=1, failures=[{"id": B.id}]) == ([B.id], [])
    assert judged(success_count=3, failure_count=0) == ([], [])


@pytest.mark.parametrize(
    ("status", "all_failed"),
    [
        ({"failure_count": 3}, True),
        ({"failure_count": 2}, False),
        ({"failure_count": 4}, True),
        ({"failure_count": 2, "successes": [{"id": A.id, "version": V1}]}, True),
        ({"failure_count": 2, "failures": [{"id": A.id, "version": V1}]}, False),
        ({"failure_count": 0}, False),
    ],
)
def test_all_suspects_have_failed_when_as_many_are_counted(status, all_failed):
    assert judge(read({"status": "complete", **status}), [A, B, C]).all_failed is all_failed


def test_of_two_versions_the_one_that_succeeded_is_no_suspect():
    newer = message(A.id, V2)
    status = read({"failure_count": 1, "successes": [{"id": A.id, "version": V2}, {"id": "x--1", "version": V1}]})
    assert judge(status, [A, newer]).suspects == [A]


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
