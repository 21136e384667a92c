"""What guards values that notifications merely name: lists, what is judged of them, and that they are benign now."""

import pytest
from pipeline_receivers import START, store

from connector import notification
from connector.guards.guards import GuardBook
from connector.model import Judged, Judgement
from connector.pipeline.judged_values import JudgedValues
from connector.settings.guards import GuardSettings

HOST = "c2.example"


def about(number, verdict="VERDICT_BENIGN", host=HOST):
    said = {"notification_id": str(number), "notification_date": START + number, "origin": "hunting"}
    attributes = {"gti_assessment": {"verdict": {"value": verdict}}} if verdict else {}
    return {"type": "domain", "id": host, "attributes": attributes, "context_attributes": said}


@pytest.fixture
def values(journal, tmp_path):
    def of(*lines, source="vt", sources=("vt", "other")):
        (tmp_path / "list.txt").write_text("\n".join(["listed.example", *lines]))
        lists = GuardSettings(lists=[str(tmp_path / "list.txt")])
        return JudgedValues(GuardBook(lists).of("out", source), journal, source, sources)

    return of


def judge(journal, source="", verdict="false_positive"):
    journal.judge(Judgement(Judged("observable", HOST, source=source), verdict, "ana"))


def test_nothing_guards_what_nobody_speaks_of(values):
    assert values().derived(HOST) is None


def test_what_a_list_suppresses_is_suppressed_by_that_list_whatever_else_is_said(values, journal):
    store(journal, about(1))
    judge(journal)
    found = values(HOST).derived(HOST)
    assert (found.list, found.effect, found.entry) == ("list", "suppress", HOST)


def test_what_is_benign_now_is_suppressed_as_such_and_what_is_not_is_not(values, journal):
    store(journal, about(1), about(2, "VERDICT_MALICIOUS", "other.example"))
    found = values().derived(HOST)
    assert (found.list, found.effect, found.entry) == ("verdict", "suppress", HOST)
    assert values().derived("other.example") is None


def test_the_last_that_says_anything_of_a_value_decides(values, journal):
    store(journal, about(1), about(2, None))
    assert values().derived(HOST).list == "verdict"
    store(journal, about(3, "VERDICT_MALICIOUS"))
    assert values().derived(HOST) is None


def test_only_the_sources_of_the_route_say_that_a_value_is_benign(values, journal):
    store(journal, about(1), source="other")
    assert values(sources=("vt",)).derived(HOST) is None
    assert values(sources=("other",)).derived(HOST).list == "verdict"


def test_what_is_judged_wrong_is_suppressed_by_who_judged_although_it_is_benign_too(values, journal):
    store(journal, about(1))
    judge(journal)
    found = values().derived(HOST)
    assert (found.list, found.effect, found.entry) == ("judgement", "suppress", HOST)


def test_what_is_judged_true_is_not_suppressed(values, journal):
    store(journal, about(1, "VERDICT_MALICIOUS"))
    judge(journal, verdict="true_positive")
    assert values().derived(HOST) is None


def test_what_is_judged_of_one_source_guards_what_that_names_alone(values, journal):
    judge(journal, source="other")
    assert values(source="vt").derived(HOST) is None
    assert values(source="other").derived(HOST).list == "judgement"


def test_of_a_notification_itself_the_lists_alone_decide(values, journal):
    view = notification.view(notification.read(about(1)))
    judge(journal)
    assert values().of_notification(view) is None
    assert values(HOST).of_notification(view).list == "list"


def test_what_was_found_of_a_value_is_kept_for_the_batch(values, journal):
    batch = values()
    assert batch.derived(HOST) is None
    judge(journal)
    assert batch.derived(HOST) is None
    assert values().derived(HOST) is not None
