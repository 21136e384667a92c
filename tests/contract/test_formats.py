"""Our formats are held to their contract."""

from connector.contract import FormatContract
from connector.formats.cef.format import CefFormat
from connector.formats.json import JsonFormat
from connector.formats.leef import LeefFormat
from connector.formats.stix.format import StixFormat
from connector.kinds import FORMATS
from connector.ports import Finalizing, ObjectFormat
from connector.settings.producer import Producer
from connector.values.identifiers import stix_id


class EventContract(FormatContract):
    def test_an_event_has_no_versions_and_nothing_is_added_to_it(self, output):
        assert not isinstance(output, Finalizing | ObjectFormat)


class TestCef(EventContract):
    make = staticmethod(CefFormat)

    def document(self, text):
        return {
            "deviceVendor": "VirusTotal",
            "deviceProduct": "IoC-Stream",
            "deviceVersion": "1",
            "deviceEventClassId": "hunting",
            "name": "match",
            "severity": 5,
            "extension": {"msg": text},
        }

    def broken(self):
        return {**self.document("x"), "severity": "very bad"}


class TestLeef(EventContract):
    make = staticmethod(LeefFormat)

    def document(self, text):
        return {
            "vendor": "VirusTotal",
            "product": "IoC Stream",
            "version": "3",
            "eventId": "hunting",
            "attributes": {"sev": 5, "msg": text},
        }

    def broken(self):
        return {**self.document("x"), "attributes": {"sev": 0}}


class TestJson(EventContract):
    make = staticmethod(JsonFormat)

    def document(self, text):
        return {"text": text}

    def broken(self):
        return {"number": float("inf")}


class TestStix(FormatContract):
    def make(self):
        return StixFormat(Producer())

    def document(self, text):
        return {
            "type": "indicator",
            "id": stix_id("indicator", "x"),
            "description": text,
            "pattern": "[url:value = 'https://example.com/']",
            "pattern_type": "stix",
        }

    def broken(self):
        return {**self.document("x"), "pattern": "x"}

    def test_a_stix_document_is_an_object_and_something_is_added_to_each(self, output):
        assert isinstance(output, Finalizing)
        assert isinstance(output, ObjectFormat)


def test_every_format_is_held_to_the_contract():
    held = {name.removeprefix("Test").lower() for name in globals() if name.startswith("Test")}
    assert held == set(FORMATS)
