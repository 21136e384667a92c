"""The JSON format: one line, always readable again."""

import json

import pytest

from connector.formats.json import JsonFormat
from connector.model import Refused


def test_a_document_is_one_line_of_json():
    assert JsonFormat().encode({"a": ["é\n", 1, None, {"b": True}]}) == '{"a":["é\\n",1,null,{"b":true}]}'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [{"deep": float("-inf")}]])
def test_a_number_that_is_not_finite_is_refused(value):
    with pytest.raises(Refused, match="not finite") as caught:
        JsonFormat().encode({"a": value})
    assert caught.value.by == "format"


def test_an_integer_beyond_64_bits_is_kept():
    assert json.loads(JsonFormat().encode({"a": 2**70})) == {"a": 2**70}


def test_a_lone_surrogate_does_not_lose_the_document():
    assert json.loads(JsonFormat().encode({"a": "x\ud800y"})) == {"a": "x?y"}


@pytest.mark.parametrize("odd", ["", "\ud800"])
def test_text_is_without_u_0000_which_databases_cannot_store(odd):
    encoded = JsonFormat().encode({"a\0b": ["\0x\0y" + odd, {"c": "\\u0000"}], "d": 2})
    assert json.loads(encoded) == {"ab": ["xy" + "?" * len(odd), {"c": "\\u0000"}], "d": 2}


@pytest.mark.parametrize("character", "\u00ad\u061c\u200b\u200f\u202a\u202e\u2064\u2066\u2069\ufeff\ufffb\U000e0020")
@pytest.mark.parametrize("odd", ["", "\ud800"])
def test_what_turns_text_around_or_has_no_width_becomes_a_blank(character, odd):
    encoded = JsonFormat().encode({"a": f"é{character}gpj.exe{odd}", "b": "👩\u200d💻 … \u202f"})
    assert json.loads(encoded) == {"a": "é gpj.exe" + "?" * len(odd), "b": "👩\u200d💻 … \u202f"}


def test_a_document_nested_without_end_is_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(Refused, match="cannot be written"):
        JsonFormat().encode({"a": deep})


@pytest.mark.parametrize("value", [["a"], {"a": 1}, float("nan")])
def test_only_scalars_stand_inside_text(value):
    with pytest.raises(Refused):
        JsonFormat().quote("a", value)
    assert JsonFormat().quote("a", 5) == "5"
    assert JsonFormat().quote("a", 'x"') == 'x"'
