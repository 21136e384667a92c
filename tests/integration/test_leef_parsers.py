"""Another's LEEF parser reads out of every event, however odd, what was put in."""

import re

from hypothesis import given
from hypothesis import strategies as st
from malformed_notifications import body_of, by_the_batch, dirty, odd_text
from mapping_examples import CASES, MAPPINGS

from connector import mapping, notification
from connector.formats.leef import (
    ATTRIBUTES,
    HEADER_FIELDS,
    HEADER_LENGTH,
    IDENTIFYING,
    TEXT_LENGTHS,
    VALUE_LENGTH,
    Kind,
    LeefFormat,
)
from connector.settings import yamldoc
from connector.values.display import DECEPTIVE

pytest_plugins = "integration.validators"

FORMAT = LeefFormat()
MAPPING = mapping.compile_mapping(yamldoc.load(MAPPINGS / "leef.yaml"), {"leef": FORMAT})

header_text = st.tuples(odd_text, st.sampled_from("abc1"), odd_text).map("".join)
of_kind = {
    Kind.TEXT: odd_text,
    Kind.INTEGER: st.integers(0, 2**63 - 1),
    Kind.PORT: st.integers(0, 65535),
    Kind.SEVERITY: st.integers(1, 10),
    Kind.ADDRESS: st.ip_addresses().map(str),
    Kind.MAC: st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":")),
    Kind.TIME: st.integers(10**12, 10**13 - 1),
}
own_keys = st.from_regex(r"own[A-Za-z0-9]{0,10}", fullmatch=True)


@st.composite
def documents(draw):
    keys = draw(st.lists(st.sampled_from(sorted(ATTRIBUTES)), max_size=12, unique=True))
    own = draw(st.dictionaries(own_keys, odd_text, max_size=3))
    return {
        **{name: draw(header_text) for name in HEADER_FIELDS},
        "attributes": {"sev": 3, **{key: draw(of_kind[ATTRIBUTES[key]]) for key in keys}, **own},
    }


def clean(text):
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return re.sub(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{DECEPTIVE}]", " ", joined).strip()


def meant(document):
    """What a reader should find, by this test's own reading of the rules."""
    header = [
        re.sub(r"[|\\]", "/", clean(document[name]).replace("^", "-"))
        .replace('"', "\u201d")
        .replace("'", "\u2019")[:HEADER_LENGTH]
        .strip()
        for name in HEADER_FIELDS
    ]
    attributes = {}
    for key, said in document["attributes"].items():
        value = ", ".join(said) if isinstance(said, list) else said
        if isinstance(value, str) and ATTRIBUTES.get(key, Kind.TEXT) is Kind.TEXT:
            value = clean(value)
            for character, like in (("|", "¦"), ("\\", "/"), ("^", "\u02c6"), ('"', "\u201d"), ("'", "\u2019")):
                value = value.replace(character, f"%{ord(character):X}" if key == "url" else like)
            limit = TEXT_LENGTHS.get(key, VALUE_LENGTH)
            if len(value) > limit:
                value = "" if key in IDENTIFYING else value[: limit - 1].rstrip() + "…"
        if value not in ("", None):
            attributes[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return [*header, attributes]


def check(tenzir, documents):
    lines = [FORMAT.encode(document).decode() for document in documents]
    found, warnings = tenzir("this = line.parse_leef(raw=true)", [{"line": line} for line in lines])
    assert warnings == ""
    names = ("vendor", "product_name", "product_version", "event_class_id", "attributes")
    for document, event in zip(documents, found, strict=True):
        assert event["leef_version"] == "2.0"
        assert [event[name] for name in names] == meant(document)


def document_of(body):
    (document,) = MAPPING.render(notification.view(notification.read(body)))
    return document


def test_tenzir_reads_the_examples_as_meant(tenzir):
    check(tenzir, [document_of(body_of(case)) for case in CASES])


@by_the_batch
@given(batch=st.lists(documents(), min_size=1, max_size=10))
def test_tenzir_reads_any_event_as_meant(tenzir, batch):
    check(tenzir, batch)


@by_the_batch
@given(batch=st.lists(dirty(), min_size=1, max_size=10))
def test_tenzir_reads_what_the_mapping_makes_of_any_text_as_meant(tenzir, batch):
    check(tenzir, [document_of(body) for body in batch])
