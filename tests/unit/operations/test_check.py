"""Mappings tried on their examples."""

from mapping_examples import CASES, INPUTS, bundled

from connector.formats.stix.format import StixFormat
from connector.mapping.examples import Examples, read_one
from connector.operations.check import try_mapping
from connector.settings.producer import Producer

EXAMPLE = read_one(INPUTS[CASES.index("domain_hunting")])


class Lenient(StixFormat):
    """Writes indicators that our own checks would not let pass."""

    def encode(self, document):
        if document["type"] == "indicator":
            document = {**document, "x_score": 1}
        return super().encode(document)


def tried(mapping, *notifications):
    return [(each.level, each.message) for each in try_mapping("ours", mapping, Examples("examples", notifications))]


def test_an_object_that_stix2_does_not_take_is_named_with_its_example_and_what_is_said_of_it():
    mapping = bundled("stix21")
    broken = type(mapping)(mapping.document, {"stix": Lenient(Producer())})
    errors = [message for level, message in tried(broken, EXAMPLE, EXAMPLE) if level == "error"]
    [error] = errors
    assert error.startswith(f"of the example {EXAMPLE.id} it makes indicator--")
    assert "stix2 does not take: Unexpected properties for Indicator: (x_score)" in error


def test_stix_that_is_valid_leaves_nothing_to_say():
    assert [level for level, _ in tried(bundled("stix21"), EXAMPLE) if level == "error"] == []


def test_other_formats_are_not_given_to_stix2(monkeypatch):
    monkeypatch.setattr("connector.formats.stix.strict.parsed", lambda body: 1 / 0)
    assert tried(bundled("cef"), EXAMPLE)[0][0] == "ok"
