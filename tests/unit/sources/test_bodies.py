import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.sources.bodies import MAX_DEPTH, TOO_DEEP, storable, unpacked

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_every_item_becomes_an_object_that_can_be_stored(item):
    body = storable(item)
    assert isinstance(body, dict)
    assert body == (item if isinstance(item, dict) else {"item": item})


@pytest.mark.parametrize("opening", [b'{"a":', b"["])
@pytest.mark.parametrize("depth", [254, 255, 1000])
def test_what_is_nested_too_deeply_to_be_written_is_cut_and_says_so(opening, depth):
    closing = b"}" if opening.startswith(b"{") else b"]"
    item = orjson.loads(b'{"id": "x", "deep": ' + opening * depth + b"1" + closing * depth + b"}")
    written = orjson.dumps(storable(item))
    assert orjson.loads(written)["id"] == "x"
    assert TOO_DEEP.encode() in written
    assert written.count(opening) == MAX_DEPTH


@pytest.mark.parametrize(
    ("value", "bodies"),
    [
        ({"id": "1", "type": "file"}, [{"id": "1", "type": "file"}]),
        ({"data": {"id": "1"}}, [{"id": "1"}]),
        ({"data": [{"id": "1"}, {"id": "2"}], "meta": {}, "links": {}}, [{"id": "1"}, {"id": "2"}]),
        ({"data": []}, []),
        ([], []),
        ([{"id": "1"}, {"data": [{"id": "2"}]}, {"data": {"id": "3"}}], [{"id": "1"}, {"id": "2"}, {"id": "3"}]),
        ([None, "x", [1]], [{"item": None}, {"item": "x"}, {"item": [1]}]),
        ({"data": [None]}, [{"item": None}]),
        # A body may have a key of that name of its own.
        ({"id": "1", "data": [1]}, [{"id": "1", "data": [1]}]),
        ({"data": "x"}, [{"data": "x"}]),
    ],
)
def test_bodies_are_found_in_every_shape_they_are_saved_in(value, bodies):
    assert list(unpacked(value)) == bodies
