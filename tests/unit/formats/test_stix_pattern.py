"""Patterns: what is quoted reads back as it was, and what is accepted is what the OASIS grammar accepts."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.formats.stix.pattern import literal, pattern_fault
from connector.model import Refused

SHA256 = "0123456789abcdef" * 4
MD5 = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "'plain'"),
        ("it's", r"'it\'s'"),
        ("C:\\Users", r"'C:\\Users'"),
        ("a\nb", "'a\nb'"),
        ("", "''"),
        (True, "true"),
        (False, "false"),
        (42, "42"),
        (1.5, "1.5"),
        (1e-7, "0.0000001"),
    ],
)
def test_a_value_becomes_a_literal_of_its_own_type(value, expected):
    assert literal(value) == expected


@pytest.mark.parametrize("value", [None, [], {}, float("inf"), float("nan")])
def test_what_no_literal_can_say_is_rejected(value):
    with pytest.raises(Refused):
        literal(value)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_text_reads_back_from_its_literal(value):
    from stix2patterns.v21.pattern import Pattern

    [(_, _, quoted)] = Pattern(f"[url:value = {literal(value)}]").inspect().comparisons["url"]
    assert re.sub(r"\\(['\\])", r"\1", quoted[1:-1]) == value
    assert pattern_fault(f"[url:value = {literal(value)}]") is None


VALID = [
    "[url:value = 'https://example.com/*//x']",
    "[url:value = 'a' OR domain-name:value = 'b']",
    f"[file:hashes.'SHA-256' = '{SHA256}']",
    f"[file:hashes.MD5 = '{MD5}' AND file:name != 'x']",
    "[file:name = 'x'] FOLLOWEDBY [url:value MATCHES 'y'] WITHIN 5 SECONDS",
    "[a:b = t'2020-01-01T00:00:00Z' AND c:d = h'0f' AND e:f = b'YQ==']",
    "[a:b.'c d'[*].e = 5 AND f:g = true]",
    r"[file:name = 'it\'s' AND file:name = 'C:\\']",
    "[a:b = '']",
]


@pytest.mark.parametrize("pattern", VALID)
def test_a_pattern_of_the_grammar_is_accepted(pattern):
    assert pattern_fault(pattern) is None


@pytest.mark.parametrize("pattern", VALID)
def test_what_is_accepted_is_accepted_by_the_library_too(pattern):
    from stix2patterns.validator import run_validator

    assert run_validator(pattern, "2.1") == []


@pytest.mark.parametrize(
    "pattern",
    [
        "foo",
        "[",
        "[foo]",
        "[url:value = 'a]",
        r"[url:value = 'a\n']",
        "[url:value = 'a''b']",
        "[url:value = h'']'",
        "[a:b = 1e5]",
        "[url:value = 'x'] or",
        "[url:value = 'a' /* ' */]",
        "[url:value = 'a'] // b'",
        "[url:value = 'a\0b']",
    ],
)
def test_what_is_no_pattern_is_refused(pattern):
    assert pattern_fault(pattern) is not None


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        ("[file:hashes.'SHA-256' = 'abc']", "64 lower-case"),
        (f"[file:hashes.'SHA-256' = '{SHA256.upper()}']", "64 lower-case"),
        (f"[file:hashes . 'SHA-256'  =   '{MD5}']", "64 lower-case"),
        (f"[file:hashes.MD5 IN ('{MD5}', 'x')]", "= or !="),
        ("[file:hashes.MD5 LIKE 'a%']", "= or !="),
        (f"[file:name = '{MD5}' AND file:hashes.MD5 NOT = 'x']", "32 lower-case"),
        (f"[file:hashes.SHA256 = '{SHA256}']", "can never match"),
    ],
)
def test_a_hash_that_can_never_match_is_refused(pattern, rule):
    fault = pattern_fault(pattern)
    assert fault is not None
    assert rule in fault.rule


def test_the_grammar_is_asked_once_for_patterns_that_differ_in_their_literals_alone(monkeypatch):
    import stix2patterns.validator

    from connector.formats.stix import pattern

    asked = []
    monkeypatch.setattr(stix2patterns.validator, "run_validator", lambda pattern, version: asked.append(pattern) or [])
    pattern._grammar.cache_clear()
    for value in ("a", "b", "it's", "\\"):
        assert pattern_fault(f"[x-new:value = {literal(value)}]") is None
    pattern._grammar.cache_clear()
    assert len(asked) == 1
