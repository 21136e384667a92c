"""Ids of STIX objects as the tables keep them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.journals.sqlite.packed_ids import packed_id, unpacked_id

ID = "x-my-type2--00112233-4455-6677-8899-aabbccddeeff"
UUID = bytes.fromhex("00112233445566778899aabbccddeeff")


def test_an_id_is_its_type_and_the_bytes_of_its_uuid():
    assert packed_id(ID) == b"\x01x-my-type2" + UUID
    assert unpacked_id(b"\x01x-my-type2" + UUID) == ID


@pytest.mark.parametrize("odd", [ID.upper(), ID[:-1], ID + "0", ID.replace("--", "-"), ID + "\n", "größe--1", "", "--"])
def test_any_other_id_is_kept_as_it_is(odd):
    assert packed_id(odd) == b"\x00" + odd.encode()


@example(ID)
@given(st.text(st.characters(codec="utf-8")) | st.uuids().map("indicator--{}".format))
def test_an_id_comes_back_as_it_was(object_id):
    assert unpacked_id(packed_id(object_id)) == object_id


@pytest.mark.parametrize(
    ("garbled", "text"),
    [
        (None, "None"),
        (7, "7"),
        ("text", "text"),
        (b"", ""),
        (b"\x00\xff", "\ufffd"),
        (b"\x01\xff" + UUID, "\ufffd--" + ID.partition("--")[2]),
        (b"\x01ab", "--016162----"),
    ],
)
def test_what_the_disk_garbled_is_some_text(garbled, text):
    assert unpacked_id(garbled) == text
