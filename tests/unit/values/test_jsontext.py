import json
import tracemalloc

import orjson
import pytest
from hostile_answers import UNITS
from hypothesis import given
from hypothesis import strategies as st

from connector.values import jsontext


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (rb'"a\ud800b"', "a\ufffdb"),
        (rb'"\udfff"', "\ufffd"),
        (rb'"\ud83d\ude00 \ud800"', "\U0001f600 \ufffd"),
        (rb'"\ud800\ud83d\ude00"', "\ufffd\U0001f600"),
        (rb'"C:\\ud800 \ud800"', "C:\\ud800 \ufffd"),
        (rb'{"a": "\uD800", "b": [1]}', {"a": "\ufffd", "b": [1]}),
    ],
)
def test_half_a_surrogate_pair_is_replaced_and_nothing_else_is_touched(text, value):
    assert jsontext.decode(text) == value


@given(st.text())
def test_any_text_that_python_can_write_is_read(text):
    assert jsontext.decode(json.dumps(text).encode()) == json.loads(
        json.dumps(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    )


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", rb'"\x"', b'"\xff"', b"[1,]", b"[" * 3000 + b"]" * 3000])
def test_what_is_not_json_is_an_error(text):
    with pytest.raises(ValueError, match=r"line 1|empty"):
        jsontext.decode(text)


def test_a_byte_order_mark_is_passed_over():
    assert jsontext.decode(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("text", "offset", "reason"),
    [
        (b'{"a": NaN}', 6, "expected a JSON value"),
        ('{"é": 1e400}'.encode(), 7, "infinity"),
        ('\ufeff{"é": NaN}'.encode(), 10, "expected a JSON value"),
        (b'{"a": "\xff"}', 7, "not UTF-8"),
        (b'{"\xc3\xa9": "\xff"}', 8, "not UTF-8"),
    ],
)
def test_a_fault_is_named_by_its_offset_in_bytes(text, offset, reason):
    with pytest.raises(orjson.JSONDecodeError) as caught:
        jsontext.decode(text)
    found, said = jsontext.fault(text, caught.value)
    assert found == offset
    assert reason in said


@pytest.mark.parametrize(
    "text",
    [
        *(b"[" + unit * 30_000 + b"0]" for unit in UNITS.values()),
        b"[" + b"".join(b'{"key%d":0},' % n for n in range(20_000)) + b"0]",
        b"{" + b",".join(b'"key%d":%d' % (n, n + 1000) for n in range(87_400)) + b"}",
        '["\U0001f600'.encode() + b"a" * 500_000 + b'"]',
        rb'["\ud83d\ude00' + b"a" * 500_000 + b'"]',
        b'["' + b"a" * 500_000 + b'"]',
    ],
    ids=[
        *UNITS,
        "keys of their own",
        "one large object",
        "a wide text",
        "a text widened by an escape",
        "a narrow text",
    ],
)
def test_what_is_decoded_takes_no_more_memory_than_was_said(text):
    tracemalloc.start()
    try:
        decoded = jsontext.decode(text)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert decoded
    assert size <= jsontext.decoded_bytes(text)


@pytest.mark.parametrize(("character", "bytes_each"), [("[", 112), ("{", 176), (":", 100), (",", 64), ('"', 32)])
def test_each_character_that_costs_memory_is_counted(character, bytes_each):
    around = b"a]} \t0" * 12_000  # more than one piece
    counted = jsontext.decoded_bytes(around + 7 * character.encode() + around)
    assert counted == 2 * len(around) + 7 + 7 * bytes_each


def test_what_would_take_more_memory_than_allowed_is_not_decoded():
    text = b"[" + b"[]," * 1000 + b"0]"
    assert len(jsontext.decode(text, jsontext.decoded_bytes(text))) == 1001
    with pytest.raises(jsontext.TooManyValues, match="more than 10,000 bytes of memory"):
        jsontext.decode(text, 10_000)
