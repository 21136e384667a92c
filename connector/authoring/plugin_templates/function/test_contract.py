"""The function is held to the contract of the connector, and a mapping calls it."""

from connector import convert
from connector.contract import FunctionContract, OfferContract


class TestOffer(OfferContract):
    group = "functions"
    name = "new_name"


class TestFunction(FunctionContract):
    name = "new_name"


MAPPING = """
format: json
emit:
  event:
    host: ${{ new_name(entity_value) }}
"""
NOTIFICATION = {
    "type": "domain",
    "id": "evil.example",
    "context_attributes": {"notification_id": "1", "notification_date": 1_767_225_600, "origin": "hunting"},
}


def test_a_mapping_calls_it(tmp_path):
    (tmp_path / "mine.yaml").write_text(MAPPING)
    (conversion,) = convert([NOTIFICATION], str(tmp_path / "mine.yaml"))
    assert [each.body for each in conversion.messages] == [b'{"host":"evil[.]example"}']
