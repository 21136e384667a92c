"""Dead letters: which are chosen, what a retry makes of them, and that nothing else changes."""

import json
import threading
import time

import pytest

from connector.configuration import NotFound
from connector.journals.sql import entries
from connector.model import Misconfigured
from connector.operations import dead_letters


@pytest.fixture
def refused(world):
    """Three notifications are refused on the route `all`, and those of them that it wants on `hunted`."""
    world.refused = world.ids()[:3]
    for receiver in world.receivers.values():
        receiver.refuses = set(world.refused)
    world.run()
    return world


def numbers(world, route=None):
    return [each["id"] for each in dead_letters.find(world.plan, route)]


def takes_all(world):
    for receiver in world.receivers.values():
        receiver.refuses = set()


def test_they_are_listed_by_notification_and_of_one_route_alone(refused):
    listed = dead_letters.find(refused.plan, "all")
    assert [each["notification"] for each in listed] == refused.refused
    assert {each["route"] for each in listed} == {"all"}
    assert {(each["by"], each["reason"]) for each in listed} == {("sink", "not this one")}
    assert len(numbers(refused)) > len(listed)


@pytest.mark.parametrize("ask", [dead_letters.find, dead_letters.retry, lambda *of: list(dead_letters.export(*of))])
def test_a_route_that_there_is_not_is_an_error_and_no_empty_list(refused, ask):
    with pytest.raises(NotFound, match="there is no route 'none'"):
        ask(refused.plan, "none")


def test_a_retry_delivers_the_chosen_ones_and_leaves_the_others(refused):
    takes_all(refused)
    first, *others = numbers(refused, "all")
    (part,) = dead_letters.retry(refused.plan, numbers=[first])
    assert (part.name, part.state, part.delivered, part.refused) == ("all", "done", 1, 0)
    assert refused.receivers["all"].ids[-1] == refused.refused[0]
    assert numbers(refused, "all") == others


def test_a_retry_has_no_more_in_memory_than_fits(refused, monkeypatch):
    takes_all(refused)
    monkeypatch.setattr(entries, "READ_BYTES", 1)
    read, redeliver = [], dead_letters.redeliver
    monkeypatch.setattr(dead_letters, "redeliver", lambda *args: read.append(len(args[2])) or redeliver(*args))
    (part,) = dead_letters.retry(refused.plan, "all")
    assert (part.state, part.delivered) == ("done", 3)
    assert read == [1, 1, 1]


def test_what_is_refused_again_stays_under_its_number(refused):
    before = numbers(refused, "all")
    (part,) = dead_letters.retry(refused.plan, "all")
    assert (part.state, part.delivered, part.refused) == ("done", 0, 3)
    assert dict(part.reasons) == {"sink: not this one": 3}
    assert numbers(refused, "all") == before


def test_an_outage_of_one_route_does_not_keep_another_from_its_retry(refused):
    takes_all(refused)
    refused.receivers["all"].away = True
    parts = {part.name: part for part in dead_letters.retry(refused.plan)}
    assert (parts["all"].state, parts["all"].message) == ("waiting", "nobody there")
    assert parts["hunted"].state == "done"
    assert numbers(refused, "all")
    assert not numbers(refused, "hunted")


def test_of_a_route_that_is_configured_no_more_they_wait_for_a_person(refused):
    del refused.plan.settings.routes["all"]
    parts = {part.name: part for part in dead_letters.retry(refused.plan)}
    assert parts["all"].state == "blocked"
    assert "all is no route any more" in parts["all"].message


def test_a_number_of_another_route_and_one_that_there_is_not_are_errors(refused):
    number = numbers(refused, "all")[0]
    with pytest.raises(Misconfigured, match=f"the dead letter {number} is not of the route hunted, but of all"):
        dead_letters.retry(refused.plan, "hunted", [number])
    for ask in (dead_letters.retry, None):
        with pytest.raises(Misconfigured, match="there is no dead letter 999"):
            ask(refused.plan, None, [number, 999]) if ask else dead_letters.drop(refused.plan, [number, 999])
    assert number in numbers(refused)


def test_a_retry_that_was_asked_to_stop_leaves_its_part_running_and_its_dead_letters(refused):
    takes_all(refused)
    stop = threading.Event()
    stop.set()
    before = numbers(refused)
    assert {part.state for part in dead_letters.retry(refused.plan, stop=stop)} == {"running"}
    assert numbers(refused) == before


def test_a_receiver_that_hangs_keeps_no_retry_that_was_asked_to_stop(refused):
    receiver, stop = refused.receivers["all"], threading.Event()
    receiver.hangs = threading.Event()
    threading.Timer(0.2, stop.set).start()
    began = time.monotonic()
    (part,) = dead_letters.retry(refused.plan, "all", stop=stop)
    assert time.monotonic() - began < 5
    assert (part.state, part.delivered) == ("running", 0)
    receiver.hangs.set()


def test_an_export_has_a_line_for_each_notification_with_all_who_refused_it(refused):
    lines = [json.loads(line) for line in dead_letters.export(refused.plan)]
    assert [line["data"]["context_attributes"]["notification_id"] for line in lines] == refused.refused
    assert sum(len(line["rejected"]) for line in lines) == len(numbers(refused))


def test_one_is_shown_with_what_was_refused_and_with_the_notification(refused):
    shown = dead_letters.get(refused.plan, numbers(refused, "all")[0])
    assert shown["document"].startswith("CEF:")
    assert shown["body"] == refused.raised[0]


def test_what_is_dropped_is_gone_and_counted(refused):
    assert dead_letters.drop(refused.plan, numbers(refused, "all")) == 3
    assert numbers(refused, "all") == []
