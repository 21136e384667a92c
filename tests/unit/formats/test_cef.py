"""The CEF format: header, extension, types, lengths, labels."""

import calendar
import csv
from pathlib import Path

import pytest

from connector.formats.cef.dictionary import (
    CONSUMER_KEYS,
    CUSTOM_KEY_LENGTH,
    DICTIONARY,
    HEADER_LENGTHS,
    IDENTIFYING,
    LABELS,
    Kind,
)
from connector.formats.cef.format import CefFormat
from connector.model import Refused

HEADER = {
    "deviceVendor": "VirusTotal",
    "deviceProduct": "IoC Stream",
    "deviceVersion": "3",
    "deviceEventClassId": "hunting:file",
    "name": "YARA rule matched a file",
    "severity": 3,
}


def line(extension=None, **header):
    return CefFormat().encode({**HEADER, **header, "extension": extension or {}}).decode()


def extension_of(**pairs):
    return line(pairs).split("|", 7)[7]


def refused(extension=None, **header):
    with pytest.raises(Refused) as caught:
        line(extension, **header)
    assert caught.value.by == "format"
    return str(caught.value)


def test_an_event_is_one_line_of_header_and_pairs():
    assert line({"act": "alert", "fsize": 5}) == (
        "CEF:0|VirusTotal|IoC Stream|3|hunting:file|YARA rule matched a file|3|act=alert fsize=5"
    )


def test_an_event_needs_no_extension():
    assert CefFormat().encode(HEADER).endswith(b"|3|")


@pytest.mark.parametrize("name", [*HEADER_LENGTHS, "severity"])
def test_a_missing_header_field_is_refused_by_name(name):
    with pytest.raises(Refused, match=f"^{name} is ") as caught:
        CefFormat().encode({key: value for key, value in HEADER.items() if key != name})
    assert caught.value.by == "format"


@pytest.mark.parametrize("name", HEADER_LENGTHS)
@pytest.mark.parametrize("value", ["", " ", "\n\t\x00", "\ufeff", " " * 61])
def test_a_header_field_that_is_empty_after_cleaning_is_refused_by_name(name, value):
    assert refused(**{name: value}).startswith(f"{name} is empty")


@pytest.mark.parametrize("name", HEADER_LENGTHS)
def test_a_header_field_is_cut_at_its_length_in_characters(name):
    value = "é" * (HEADER_LENGTHS[name] + 1)
    assert f"|{value[:-1]}|" in line(**{name: value})
    value = "a" * (HEADER_LENGTHS[name] - 1)
    assert f"|{value}|" in line(**{name: f"{value} b"})


def test_the_header_holds_no_escape_no_control_no_quote_and_no_pipe_of_its_own():
    text = line(deviceProduct=' "a"|b\\c\r\nd\x85e\u2028f ')
    assert text.split("|")[2] == "'a'/b/c  d e f"


def test_a_class_id_holds_no_character_that_a_parser_wants_escaped():
    assert line(deviceEventClassId="a=b%c#d").split("|")[4] == "a_b_c_d"


def test_a_number_may_stand_in_a_header_field():
    assert line(deviceVersion=3).split("|")[3] == "3"
    assert refused(deviceVersion=[3]).startswith("deviceVersion is a list and must be ")


@pytest.mark.parametrize("severity", [0, 10, "7", 5.0, "Unknown", "Very-High"])
def test_severity_is_a_number_to_ten_or_a_word_of_the_standard(severity):
    expected = "5" if severity == 5.0 else str(severity)
    assert line(severity=severity).split("|")[6] == expected


@pytest.mark.parametrize("severity", [-1, 11, 2.5, True, "severe", "high", None, [], float("nan")])
def test_any_other_severity_is_refused(severity):
    assert refused(severity=severity).startswith("severity is ")


def test_the_refusal_of_a_severity_says_what_it_may_be():
    assert refused(severity=11) == (
        "severity is 11 and must be a whole number from 0 to 10 or one of High, Low, Medium, Unknown, Very-High"
    )


def test_an_unknown_part_of_the_document_is_refused():
    assert refused(act="alert").startswith("act is no part of a CEF event")


def test_an_extension_that_is_no_object_is_refused():
    with pytest.raises(Refused, match=r"^extension is a list and must be a mapping of keys to values$"):
        CefFormat().encode({**HEADER, "extension": ["act"]})


def test_backslashes_and_equals_signs_are_escaped_in_values():
    assert extension_of(msg="C:\\dir\\ a=b") == "msg=C:\\\\dir\\\\ a\\=b"


@pytest.mark.parametrize("control", [*map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), "\u2028", "\u2029", "\ufeff"])
def test_a_control_or_line_separator_becomes_a_blank(control):
    assert extension_of(msg=f"{control}a{control}b{control}") == "msg=a b"


def test_no_line_feed_is_ever_in_the_bytes():
    text = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029x\n"
    event = CefFormat().encode({**dict.fromkeys(HEADER, text), "severity": 1, "extension": {"msg": text}})
    assert len(event.decode().splitlines()) == 1


def test_letters_beyond_the_basic_plane_and_joiners_stay():
    assert extension_of(msg="\u03f2 👩\u200d💻 x.exe") == "msg=\u03f2 👩\u200d💻 x.exe"


@pytest.mark.parametrize("character", "\u00ad\u061c\u200b\u200f\u202a\u202e\u2064\u2066\u2069\ufeff\ufffb\U000e0020")
def test_what_turns_text_around_or_has_no_width_becomes_a_blank(character):
    assert extension_of(msg=f"a{character}gpj.exe") == "msg=a gpj.exe"


def test_a_lone_surrogate_is_replaced_and_a_pair_is_joined():
    assert extension_of(msg="a\ud800b \ud83d\ude00") == "msg=a\ufffdb 😀"


def test_pipes_and_double_quotes_do_not_stand_in_values():
    assert extension_of(msg='"a" | b') == "msg='a' ¦ b"
    assert extension_of(request='http://a/?"|"') == "request=http://a/?%22%7C%22"


@pytest.mark.parametrize("value", ["", "  ", "\n", None])
@pytest.mark.parametrize("key", ["msg", "dst", "fsize", "rt", "VirusTotalIoCStreamNote"])
def test_an_empty_value_is_left_out(key, value):
    assert extension_of(**{key: value}) == ""


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (5, "5"), (0.5, "0.5"), (2**70, str(2**70))])
def test_a_scalar_in_a_text_key_is_written_as_json_writes_it(value, text):
    assert extension_of(msg=value) == f"msg={text}"


def test_a_list_is_written_with_commas_between():
    assert extension_of(msg=["a", 1, True, None, "b=c"]) == "msg=a, 1, true, b\\=c"
    assert extension_of(msg=[None]) == ""


@pytest.mark.parametrize("value", [{"a": 1}, [{}], [["a"]], float("inf"), float("nan"), [float("nan")]])
def test_what_has_no_text_form_is_refused(value):
    for key in ("msg", "VirusTotalIoCStreamNote"):
        assert refused({key: value}).startswith(f"{key} is ")


TEXT_KEYS = [key for key, entry in DICTIONARY.items() if entry.kind is Kind.STRING and key not in LABELS.values()]


@pytest.mark.parametrize("key", [key for key in TEXT_KEYS if key not in IDENTIFYING])
def test_text_is_cut_at_the_length_of_its_key_before_escaping_and_says_so(key):
    limit = DICTIONARY[key].max_length
    fits = "a" * limit
    label = {LABELS[key]: "label"} if key in LABELS else {}
    assert f"{key}={fits}" in extension_of(**label, **{key: fits}).split(" ")
    assert f"{key}={fits[:-1]}…" in extension_of(**label, **{key: f"{fits}x"}).split(" ")


@pytest.mark.parametrize("key", sorted(IDENTIFYING))
def test_what_identifies_something_is_whole_or_not_there(key):
    limit = DICTIONARY[key].max_length if key in DICTIONARY else CUSTOM_KEY_LENGTH
    assert extension_of(**{key: "a" * limit}) == f"{key}={'a' * limit}"
    assert extension_of(**{key: "a" * (limit + 1)}) == ""


def test_a_url_is_as_long_as_it_is_written():
    assert extension_of(request="h" * 1020 + "|") == "request=" + "h" * 1020 + "%7C"
    assert extension_of(request="h" * 1021 + "|") == ""


def test_a_cut_never_falls_inside_an_escape():
    assert extension_of(threatActor="=" * 41) == "threatActor=" + "\\=" * 39 + "…"
    assert extension_of(threatActor="a" * 38 + "\\\\b") == "threatActor=" + "a" * 38 + "\\\\…"


def test_a_cut_leaves_no_blank_before_its_mark():
    assert extension_of(threatActor="a" * 38 + " bc") == "threatActor=" + "a" * 38 + "…"


@pytest.mark.parametrize("key", ["src-ip", "a.b", "", "ключ", "Ä", "sRc", "cs7", "A B", "A=B", "A" * 61])
def test_a_key_that_is_neither_in_the_dictionary_nor_well_formed_is_refused(key):
    assert "is not in the CEF dictionary" in refused({key: "x"})


@pytest.mark.parametrize("key", ["name", "Name", "severity", "Severity", "version", "deviceVendor", "CefVersion"])
def test_a_key_with_the_name_of_a_header_field_is_refused(key):
    assert "name of a header field" in refused({key: "x"})


@pytest.mark.parametrize("key", sorted(CONSUMER_KEYS))
def test_a_key_that_only_receivers_set_is_refused(key):
    assert "set by the receiver" in refused({key: "x"})


def test_a_key_of_ones_own_is_a_capital_then_letters_and_digits():
    assert extension_of(VirusTotalIoCStreamNote2="a=b") == "VirusTotalIoCStreamNote2=a\\=b"
    assert len(extension_of(VirusTotalIoCStreamNote="x" * 5000)) == len("VirusTotalIoCStreamNote=") + 4000
    assert extension_of(**{"A" * 60: "x"}) == "A" * 60 + "=x"


FITTING = [
    ("dst", "192.0.2.1", "192.0.2.1"),
    ("dst", " 192.0.2.1 ", "192.0.2.1"),
    ("dmac", "00:0D:60:af:1b:61", "00:0D:60:af:1b:61"),
    ("fsize", 2**31 - 1, "2147483647"),
    ("fsize", "0017", "17"),
    ("fsize", 3.0, "3"),
    ("dpt", 65535, "65535"),
    ("deviceDirection", 1, "1"),
    ("rt", 1684311125000, "1684311125000"),
    ("rt", "2023-05-17T08:12:05.000Z", "1684311125000"),
    ("rt", "2023-05-17T10:12:05.123+02:00", "1684311125123"),
    ("rt", 0, "0"),
    ("reportedDuration", 2**63 - 1, "9223372036854775807"),
]
UNFITTING = [
    ("dst", "2001:db8::1"),
    ("dst", "192.0.2.256"),
    ("dst", "192.0.2.01"),
    ("dst", 3221225985),
    ("c6a3", "192.0.2.1"),
    ("c6a3", "fe80::1%eth0"),
    ("dmac", "00:0D:60:AF:1B"),
    ("dmac", 1),
    ("fsize", 2**31),
    ("fsize", -(2**31) - 1),
    ("fsize", "12 kB"),
    ("fsize", "١٢"),
    ("fsize", 1.5),
    ("fsize", True),
    ("fsize", [1]),
    ("dpt", 65536),
    ("dpt", -1),
    ("type", 4),
    ("cn1", 2**63),
    ("cn1", float("inf")),
    ("cfp1", float("nan")),
    ("cfp1", "nan"),
    ("cfp1", "1_0"),
    ("cfp1", 10**400),
    ("cfp1", True),
    ("rt", "yesterday"),
    ("rt", "2023-05-17T08:12:05"),
    ("rt", -1),
    ("rt", "1969-12-31T23:59:59Z"),
    ("rt", 253402300800000),
    ("rt", True),
]


@pytest.mark.parametrize(("key", "value", "text"), FITTING)
def test_a_value_of_its_keys_type_is_written(key, value, text):
    assert extension_of(**{key: value}) == f"{key}={text}"


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [("c6a3", "2001:db8::1", "2001:db8::1"), ("cfp1", 1, "1.0"), ("cfp1", "0.50", "0.5"), ("cfp1", "-2e3", "-2000.0")],
)
def test_a_typed_custom_field_is_written_with_its_label(key, value, text):
    assert extension_of(**{key: value, f"{key}Label": "what"}) == f"{key}Label=what {key}={text}"


@pytest.mark.parametrize(("key", "value"), UNFITTING)
def test_a_value_of_another_type_is_refused_with_key_value_and_rule(key, value):
    entry = DICTIONARY[key]
    within = f" from {entry.lowest} to {entry.highest}" if entry.highest else ""
    within = ", in the years 1970 to 9999" if entry.kind is Kind.TIMESTAMP else within
    shown = "a list" if isinstance(value, list) else repr(value)
    assert refused({key: value, **({LABELS[key]: "what"} if key in LABELS else {})}) == (
        f"{key} is {shown} and must be {entry.kind.value}{within}"
    )


@pytest.mark.parametrize("key", [key for key, entry in DICTIONARY.items() if entry.highest])
@pytest.mark.parametrize("form", [int, str])
def test_a_number_may_be_the_lowest_and_the_highest_of_its_key_and_none_beyond(key, form):
    entry, label = DICTIONARY[key], {LABELS[key]: "label"} if key in LABELS else {}
    for number in (entry.lowest, entry.highest):
        assert extension_of(**{key: form(number)}, **label).endswith(f"{key}={number}")
    for number in (entry.lowest - 1, entry.highest + 1):
        assert f"from {entry.lowest} to {entry.highest}" in refused({key: form(number), **label})


def test_a_refusal_shows_an_excerpt_of_a_long_value():
    message = refused({"dst": "x" * 10_000})
    assert "x" * 59 + "…" in message
    assert len(message) < 200


@pytest.mark.parametrize("month", range(1, 13))
def test_a_time_in_words_stays_as_it_is_and_is_a_day_of_its_month(month):
    name = calendar.month_abbr[month]
    last = calendar.monthrange(2023, month)[1]
    assert extension_of(rt=f"{name} {last} 2023 08:12:05 UTC") == f"rt={name} {last} 2023 08:12:05 UTC"
    assert refused({"rt": f"{name} {last + 1} 2023 08:12:05 UTC"}).startswith("rt is ")


@pytest.mark.parametrize(
    "time",
    [
        "May 17 2023 08:12:05",
        "May 17 2023 08:12:05 CET",
        "Mai 17 2023 08:12:05 UTC",
        "Feb 30 2023 08:12:05 UTC",
        "May 7 2023 08:12:05 UTC",
        "May 17 2023 24:12:05 UTC",
    ],
)
def test_any_other_words_are_no_time(time):
    assert refused({"rt": time}).startswith("rt is ")


def test_a_label_may_be_one_of_those_that_arcsight_knows():
    label = "Destination IPv6 Address"
    assert extension_of(c6a3="2001:db8::1", c6a3Label=label) == f"c6a3Label={label} c6a3=2001:db8::1"


def test_a_custom_field_without_its_label_is_refused():
    assert refused({"cs1": "x"}).startswith("cs1 has a value but no cs1Label")


def test_a_label_stands_before_its_value():
    assert extension_of(cs1="x", act="alert", cs1Label="ruleName") == "cs1Label=ruleName cs1=x act=alert"


def test_a_label_without_its_value_is_left_out():
    assert extension_of(cs1Label="ruleName", cs2="", cs2Label="tags", act="alert") == "act=alert"


@pytest.mark.parametrize("label", ["src", "sourceAddress", "Name", "two words", "1st", "a.b", "ü", "a" * 61])
def test_a_label_that_receivers_cannot_use_as_a_field_name_is_refused(label):
    message = refused({"cs1": "x", "cs1Label": label})
    assert message.startswith("cs1Label is ")
    assert message.endswith(" must be a short name of letters, digits and _ that is no key of the CEF dictionary")


def test_a_label_has_sixty_characters_at_most():
    assert extension_of(cs1="x", cs1Label="L" * 60) == f"cs1Label={'L' * 60} cs1=x"
    assert refused({"cs1": "x", "cs1Label": "L" * 61}).startswith("cs1Label is 'LLL")


def test_two_custom_fields_do_not_share_a_label():
    message = refused({"cs1": "x", "cs1Label": "a", "cs2": "y", "cs2Label": "a"})
    assert message == "two custom fields share a label; the labels are a, a"


def test_what_the_standard_does_not_define_is_told_by_its_place():
    document = {**HEADER, "act": "x", "extension": {"msg": "x", "cs1Label": "x", "OwnKey": "x"}}
    assert CefFormat().undefined(document) == {("act",): "a CEF event", ("extension", "OwnKey"): "the CEF dictionary"}
    assert CefFormat().undefined(HEADER) == CefFormat().undefined({**HEADER, "extension": ["OwnKey"]}) == {}


def test_text_around_a_placeholder_is_escaped_once_as_a_whole():
    assert CefFormat().quote("msg", "a=b|c") == "a=b|c"
    assert CefFormat().quote("msg", 5) == "5"
    assert CefFormat().quote("msg", True) == "true"
    with pytest.raises(Refused, match=r"^msg is a list "):
        CefFormat().quote("msg", ["a"])


def test_the_dictionary_is_that_of_the_standard():
    path = Path(__file__).parents[4] / "shared" / "facts" / "cef_dictionary.csv"
    if not path.exists():
        pytest.skip("the copy of the standard's tables is not at hand")
    with path.open(newline="") as file:
        rows = {row["key"]: row for row in csv.DictReader(file) if not row["key"].startswith("(header)")}
    assert rows.keys() == DICTIONARY.keys() | CONSUMER_KEYS
    assert {key for key, row in rows.items() if row["audience"] == "consumer"} == CONSUMER_KEYS
    lengths = {key: int(row["max_length"]) for key, row in rows.items() if row["max_length"].isdecimal()}
    assert {key: lengths[key] for key in lengths if key not in CONSUMER_KEYS} == {
        key: entry.max_length for key, entry in DICTIONARY.items() if entry.max_length
    }


def test_every_custom_field_has_its_label():
    fields = [
        f"{name}{n}" for name, count in (("cs", 6), ("cn", 3), ("cfp", 4), ("c6a", 4)) for n in range(1, count + 1)
    ]
    spare = ["deviceCustomDate1", "deviceCustomDate2", "flexDate1", "flexString1", "flexString2"]
    assert {key: f"{key}Label" for key in [*fields, *spare, "flexNumber1", "flexNumber2"]} == LABELS
