"""The LEEF format: header, attributes, types, and that nothing separates but what is meant to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.formats.leef import (
    ATTRIBUTES,
    HEADER_FIELDS,
    HEADER_LENGTH,
    IDENTIFYING,
    RESERVED,
    TEXT_LENGTHS,
    VALUE_LENGTH,
    Kind,
    LeefFormat,
)
from connector.model import Refused

HEADER = {"vendor": "VirusTotal", "product": "IoC Stream", "version": "3", "eventId": "hunting:file"}


def line(attributes=None, **header):
    return LeefFormat().encode({**HEADER, **header, "attributes": attributes or {"sev": 3}}).decode()


def value_of(key, value):
    return line({key: value, "proto": "end"}).split("|", 6)[6].removesuffix("proto=end")


def refused(attributes=None, **header):
    with pytest.raises(Refused) as caught:
        line(attributes, **header)
    assert caught.value.by == "format"
    return str(caught.value)


def test_an_event_is_one_line_of_header_delimiter_and_pairs():
    assert line({"sev": 3, "cat": "hunting", "ruleName": "x"}) == (
        "LEEF:2.0|VirusTotal|IoC Stream|3|hunting:file|^|sev=3^cat=hunting^ruleName=x"
    )


@pytest.mark.parametrize("name", HEADER_FIELDS)
def test_a_missing_header_field_is_refused_by_name(name):
    document = {**HEADER, "attributes": {"sev": 3}}
    del document[name]
    with pytest.raises(Refused, match=name):
        LeefFormat().encode(document)


@pytest.mark.parametrize("name", HEADER_FIELDS)
@pytest.mark.parametrize("value", ["", " ", "\n\t\x00", "\ufeff"])
def test_a_header_field_that_is_empty_after_cleaning_is_refused_by_name(name, value):
    assert refused(**{name: value}).startswith(f"{name} is empty")


@pytest.mark.parametrize("name", HEADER_FIELDS)
def test_a_header_field_is_cut_at_its_length_in_characters(name):
    value = "é" * (HEADER_LENGTH + 1)
    assert f"|{value[:-1]}|" in line(**{name: value})


def test_the_header_holds_no_escape_no_control_no_quote_no_delimiter_and_no_pipe_of_its_own():
    written = line(product=" \"a'|b\\c^\r\nd\x85e\u2028f ").split("|")[2]
    assert written == "\u201da\u2019/b/c-  d e f"


@pytest.mark.parametrize("attributes", [None, "sev=3", ["sev"]])
def test_attributes_that_are_no_object_are_refused(attributes):
    with pytest.raises(Refused, match=r"^attributes is .* must be a mapping"):
        LeefFormat().encode({**HEADER, "attributes": attributes})


def test_an_event_without_any_attribute_is_refused():
    assert refused({"cat": "", "url": None, "ruleName": []}) == "the event has no attribute; LEEF wants one at least"


def test_an_unknown_part_of_the_document_is_refused():
    assert refused(sev=3).startswith("sev is no part of a LEEF event")


def test_empty_values_are_left_out():
    assert line({"cat": " \n", "sev": 1, "src": None, "dst": "", "ruleName": "\ufeff"}).endswith("|^|sev=1")


@pytest.mark.parametrize("control", [*map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), "\u2028", "\u2029", "\ufeff"])
def test_a_control_or_line_separator_becomes_a_blank(control):
    assert value_of("ruleName", f"{control}a{control}b{control}") == "ruleName=a b^"


def test_what_separates_quotes_or_escapes_does_not_stand_in_a_value():
    assert value_of("ruleName", "a^b|c\"d'e\\") == "ruleName=a\u02c6b¦c\u201dd\u2019e/^"
    assert value_of("url", "http://a/^|\"'\\") == "url=http://a/%5E%7C%22%27%5C^"


def test_an_equals_sign_may_stand_in_a_value():
    assert value_of("url", "http://a/?b=c") == "url=http://a/?b=c^"


@pytest.mark.parametrize("key", ["usrName", "ruleName"])
def test_text_is_cut_at_its_length_and_says_so(key):
    length = TEXT_LENGTHS.get(key, VALUE_LENGTH)
    assert value_of(key, "é" * length) == f"{key}={'é' * length}^"
    assert value_of(key, "é" * (length + 1)) == f"{key}={'é' * (length - 1)}…^"


@pytest.mark.parametrize("key", sorted(IDENTIFYING))
def test_what_identifies_something_is_whole_or_not_there(key):
    assert value_of(key, "a" * VALUE_LENGTH) == f"{key}={'a' * VALUE_LENGTH}^"
    assert value_of(key, "a" * (VALUE_LENGTH + 1)) == ""


@pytest.mark.parametrize("character", "\u00ad\u061c\u200b\u200f\u202a\u202e\u2064\u2066\u2069\ufeff\ufffb\U000e0020")
def test_what_turns_text_around_or_has_no_width_becomes_a_blank(character):
    assert value_of("fileName", f"a{character}gpj.exe") == "fileName=a gpj.exe^"


def test_a_list_is_written_with_commas_and_null_in_it_is_left_out():
    assert value_of("tags", ["a", None, 1, True]) == "tags=a, 1, true^"


@pytest.mark.parametrize("value", [{"a": 1}, [{"a": 1}], float("inf"), [float("nan")]])
def test_what_is_no_text_is_refused(value):
    assert "tags is" in refused({"tags": value}) or "must be text" in refused({"tags": value})


@pytest.mark.parametrize(
    ("key", "value", "written"),
    [
        ("sev", 1, "1"),
        ("sev", "10", "10"),
        ("sev", 5.0, "5"),
        ("src", "192.0.2.1", "192.0.2.1"),
        ("dst", " 2001:db8::1 ", "2001:db8::1"),
        ("srcPort", 65535, "65535"),
        ("srcBytes", 2**63 - 1, str(2**63 - 1)),
        ("srcMAC", "00:11:22:aa:bb:cc", "00:11:22:aa:bb:cc"),
        ("devTime", 1684311125000, "1684311125000"),
        ("devTime", "2023-05-17T08:12:05.123Z", "1684311125123"),
        ("devTime", 0, "0000000000000"),
        ("devTime", 9_999_999_999_999, "9999999999999"),
    ],
)
def test_a_typed_attribute_is_written_in_its_one_form(key, value, written):
    assert value_of(key, value) == f"{key}={written}^"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sev", 0),
        ("sev", 11),
        ("sev", 2.5),
        ("sev", True),
        ("sev", "high"),
        ("src", "192.0.2.0/24"),
        ("src", "fe80::1%eth0"),
        ("dst", "example.com"),
        ("dst", 1),
        ("dstPort", 65536),
        ("srcPackets", -1),
        ("srcMAC", "001122aabbcc"),
        ("devTime", -1),
        ("devTime", 10_000_000_000_000),
        ("devTime", "2023-05-17T08:12:05"),
        ("devTime", [1]),
    ],
)
def test_a_value_of_another_type_is_refused_by_key_and_type(key, value):
    assert refused({key: value}).endswith(f"must be {ATTRIBUTES[key].value}")


@pytest.mark.parametrize("key", sorted(RESERVED))
def test_a_reserved_attribute_is_refused(key):
    assert "reserved" in refused({key: "x"})


@pytest.mark.parametrize("key", ["Src", "URL", "usrname"])
def test_an_attribute_that_differs_from_a_predefined_one_in_case_alone_is_refused(key):
    assert "is spelt" in refused({key: "x"})


@pytest.mark.parametrize("key", ["a b", "a=b", "a^b", "1a", "", "é", "a" * 61, "a\n"])
def test_a_key_of_ones_own_is_a_word(key):
    assert "not predefined by LEEF" in refused({key: "x"})


def test_a_lone_surrogate_is_replaced_and_a_pair_is_joined():
    assert value_of("ruleName", "a\ud800b \ud83d\ude00") == "ruleName=a\ufffdb 😀^"


@given(texts=st.lists(st.text(st.characters(exclude_categories=[])), min_size=1, max_size=3))
def test_any_texts_come_apart_again_as_they_went_in(texts):
    keys = [key for key, kind in ATTRIBUTES.items() if kind is Kind.TEXT and key != "url"][: len(texts)]
    written = line({"sev": 1, **dict(zip(keys, texts, strict=True))})
    assert len(written.splitlines()) == 1
    head, _, pairs = written.partition("|^|")
    assert head.count("|") == 4
    assert set(dict(pair.split("=", 1) for pair in pairs.split("^"))) <= {"sev", *keys}
