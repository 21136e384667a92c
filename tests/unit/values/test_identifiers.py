import uuid

import orjson
import pytest
import stix2
from hypothesis import given
from hypothesis import strategies as st

from connector.values import identifiers


def test_the_errata_s_own_example_gives_its_id():
    assert (
        identifiers.sco_id({"type": "ipv4-addr", "value": "198.51.100.3"})
        == "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4"
    )


@given(
    st.sampled_from(["indicator", "sighting"]), st.text(alphabet=st.characters(codec="utf-8")), st.integers(0, 2**63)
)
def test_an_sdo_id_is_the_uuid5_of_type_and_parts(object_type, text, number):
    name = orjson.dumps([object_type, text, number]).decode()
    assert identifiers.stix_id(object_type, text, number) == f"{object_type}--{uuid.uuid5(identifiers.NAMESPACE, name)}"


def test_the_same_parts_give_different_uuids_for_different_types():
    assert identifiers.stix_id("indicator", "x").split("--")[1] != identifiers.stix_id("sighting", "x").split("--")[1]


text = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=30)
hashes = st.fixed_dictionaries(
    {},
    optional={
        "MD5": st.text("0123456789abcdef", min_size=32, max_size=32),
        "SHA-1": st.text("0123456789abcdef", min_size=40, max_size=40),
        "SHA-256": st.text("0123456789abcdef", min_size=64, max_size=64),
    },
).filter(bool)


@given(
    st.one_of(
        st.builds(lambda value: {"type": "url", "value": value}, text),
        st.builds(lambda value: {"type": "domain-name", "value": value}, text),
        st.builds(lambda number: {"type": "autonomous-system", "number": number}, st.integers(0, 2**32)),
        st.builds(lambda hashes: {"type": "file", "hashes": hashes}, hashes),
        st.builds(lambda hashes, name: {"type": "file", "hashes": hashes, "name": name}, hashes, text),
        st.builds(lambda name: {"type": "mutex", "name": name}, text),
    )
)
def test_an_sco_id_equals_the_one_of_the_stix2_library(document):
    assert identifiers.sco_id(document) == stix2.parse({"spec_version": "2.1", **document}, version="2.1").id


def test_an_sco_that_has_nothing_to_make_an_id_from_is_refused():
    with pytest.raises(ValueError, match="a file without hashes or name"):
        identifiers.sco_id({"type": "file", "size": 3})
    with pytest.raises(KeyError):
        identifiers.sco_id({"type": "indicator"})
