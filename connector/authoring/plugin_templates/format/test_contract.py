"""The format is held to the contract of the connector, and a mapping makes documents of it."""

import json

from iocstream_new_name import NewNameFormat

from connector import convert
from connector.contract import FormatContract, OfferContract


class TestOffer(OfferContract):
    group = "formats"
    name = "new_name"


class TestFormat(FormatContract):
    def make(self):
        return NewNameFormat()

    def document(self, text):
        return {"host": "evil.example", "score": 5, "message": text}

    def broken(self):
        return {"no key": "x"}


def test_what_needs_quotation_marks_has_them():
    assert NewNameFormat().encode({"a": "x y", "b": True, "c": None, "d": 'q"'}) == rb'a="x y" b=true d="q\""'


MAPPING = """
format: new_name
emit:
  event:
    host: ${{ entity_value }}
    message: seen ${{ entity_value }}
"""
NOTIFICATION = {
    "type": "domain",
    "id": "evil.example",
    "context_attributes": {"notification_id": "1", "notification_date": 1_767_225_600, "origin": "hunting"},
}


def test_a_mapping_makes_it(tmp_path):
    (tmp_path / "mine.yaml").write_text(MAPPING)
    (conversion,) = convert([json.loads(json.dumps(NOTIFICATION))], str(tmp_path / "mine.yaml"))
    assert [each.body for each in conversion.messages] == [b'host=evil.example message="seen evil.example"']
