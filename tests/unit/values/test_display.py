"""Text of others, made fit to be shown."""

import json

import pytest

from connector.values.display import (
    one_line,
    printable,
    shortened,
    shortened_in_the_middle,
    undeceiving,
    value_text,
)


def test_what_cannot_be_seen_is_written_as_its_code():
    assert printable("a\x1b[31mb\n\u202ec") == r"a\x1b[31mb\n\u202ec"
    assert printable("München") == "München"


def test_one_line_has_one_space_for_what_cannot_be_seen_and_for_each_run_of_blanks():
    assert one_line(" a\x1b b\r\n\t c\u2028d ") == "a b c d"


@pytest.mark.parametrize(("text", "shown"), [("12345", "12345"), ("123456", "1234…"), ("", "")])
def test_shortened_text_has_at_most_the_length_asked_for(text, shown):
    assert shortened(text, 5) == shown


@pytest.mark.parametrize("limit", [6, 7, 8, 100])
def test_a_text_without_its_middle_keeps_both_ends_and_has_the_length_asked_for(limit):
    text = "<" + "x" * 1000 + ">"
    shown = shortened_in_the_middle(text, limit)
    assert len(shown) == limit
    assert (shown[0], shown[-1]) == ("<", ">")
    assert " … " in shown


def test_a_text_that_is_short_enough_keeps_its_middle():
    assert shortened_in_the_middle("123456", 6) == "123456"


def test_a_long_text_is_shown_as_json_with_how_long_it_is():
    assert value_text('a"b\n' + "x" * 2000, 5) == r'"a\"b\nx… (2,004 characters)'
    assert value_text({"a": [1, 2, 3]}, 8) == '{"a": […'
    assert value_text(None, 8) == "null"


def test_json_is_shown_without_controls_and_what_only_looks_like_one_stays():
    text = "a\u0007b\u001bc\bd\fe\u007ff\u0085g\u2028h\u202ei"
    assert json.loads(undeceiving(json.dumps({"a": text}, ensure_ascii=False).encode())) == {"a": "a b c d e f g h i"}
    for kept in ("tab\tline\nbreak\r", "\\u0007 \\b \\f \\\\b", "größer «»", "C:\\boot\\files\\u00e9"):
        assert json.loads(undeceiving(json.dumps({"a": kept}, ensure_ascii=False).encode())) == {"a": kept}
