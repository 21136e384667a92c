"""The mappings that make events of notifications: what their examples become, and that an event can always be made."""

import contextlib

import pytest
from hypothesis import given
from malformed_notifications import body_of, dirty, emptied, misshapen
from mapping_examples import CASES, bundled, conversion

from connector import notification
from connector.model import Refused

NAMES = {"leef": "leef", "ecs": "jsonl", "ocsf": "jsonl", "splunk-hec": "jsonl", "udm": "jsonl"}
"""Mapping → what the names of its expected outputs end in."""
REFUSED = {"udm": {"ip_network", "unknown_entity_type", "url_sha256_only"}}
"""Mapping → examples that it cannot say."""


def lines(name, body):
    """What a notification becomes, encoded."""
    mapping = bundled(name)
    return [mapping.format.encode(document) for document in mapping.render(notification.view(notification.read(body)))]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES)
def test_only_what_the_format_cannot_say_is_refused(name, case):
    assert bool(conversion(bundled(name), case).refusal) == (case in REFUSED.get(name, ()))


@pytest.mark.parametrize("name", NAMES)
def test_every_expression_finds_a_value_in_some_example(name):
    traced = bundled(name).traced()
    for case in CASES:
        with contextlib.suppress(Refused):
            traced.render(notification.view(notification.read(body_of(case))))
    assert [str(location) for location in traced.without_value()] == []


@pytest.mark.parametrize("name", ["cef", *sorted({*NAMES} - REFUSED.keys())])
@pytest.mark.parametrize("case", CASES)
def test_nothing_that_virustotal_leaves_empty_loses_an_event(name, case):
    for body in emptied(case):
        assert len(lines(name, body)) == 1


@pytest.mark.parametrize("name", NAMES)
@given(body=misshapen())
def test_any_odd_notification_becomes_one_line_or_is_rejected_in_one_sentence(name, body):
    try:
        (line,) = lines(name, body)
    except Refused as refusal:
        line = str(refusal).encode()
    assert not {ord("\n"), ord("\r")} & set(line)


@pytest.mark.parametrize("name", sorted(NAMES.keys() - REFUSED.keys()))
@given(body=dirty())
def test_no_text_however_dirty_loses_an_event(name, body):
    assert len(lines(name, body)) == 1
