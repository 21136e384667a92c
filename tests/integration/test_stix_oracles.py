"""What other people's STIX software says of our objects: stix2, stix2-validator, stix2-matcher.

Of the validator's strict findings these are left, each for a reason:

* 103, ids that are no UUIDv4: section 2.9 allows others, and the same id for the same thing is the point.
* 302, an external reference with a url and no hashes: the pages of VirusTotal change, so there is no hash to give.
"""

import copy
import functools
import itertools

import orjson
import pytest
import stix2
import stix2matcher.matcher
import stix_validator
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from mapping_examples import CASES, MAPPINGS, conversion

from connector import notification
from connector.formats.stix.format import StixFormat
from connector.mapping import compile_mapping
from connector.pipeline.convert import convert
from connector.settings import yamldoc
from connector.settings.producer import Producer

UNMET = ("{103}", "{302}", "{202} 'located-at'", "is not a 'uri'")
STIX = StixFormat(Producer())
MAPPING = compile_mapping(yamldoc.load(MAPPINGS / "stix21.yaml", "stix21.yaml"), {"stix": STIX})


@functools.cache
def documents(case):
    """Every document of an example, the shared ones among them."""
    return [orjson.loads(message.body) for message in conversion(MAPPING, case).messages]


CONVERTED = [case for case in CASES if documents(case)]


def findings(document):
    errors, warnings = stix_validator.findings(document, strict=True)
    return [finding for finding in [*errors, *warnings] if not any(code in finding for code in UNMET)]


@pytest.mark.parametrize("case", CONVERTED)
def test_stix2_reads_every_object_strictly_and_writes_it_back_unchanged(case):
    for document in documents(case):
        parsed = stix2.parse(document, allow_custom=False, version="2.1")
        assert orjson.loads(parsed.serialize()) == {**document, **_shortened(document)}


def _shortened(document):
    """stix2 writes a fraction of zeros only where the specification asks for three digits."""
    names = ("valid_from", "valid_until", "first_seen", "last_seen", "first_observed", "last_observed", "published")
    return {name: document[name].replace(".000Z", "Z") for name in names if name in document}


@pytest.mark.parametrize("case", CONVERTED)
def test_stix2_makes_the_same_id_of_the_same_observable(case):
    for document in documents(case):
        if "created" not in document:
            bare = {key: value for key, value in document.items() if key != "id"}
            assert stix2.parse(bare, version="2.1")["id"] == document["id"]


@pytest.mark.parametrize("case", CONVERTED)
def test_the_strict_validator_finds_nothing_that_can_be_met(case):
    assert [finding for document in documents(case) for finding in findings(document)] == []


def test_the_validator_reads_all_examples_as_one_bundle():
    objects = {document["id"]: document for case in CONVERTED for document in documents(case)}
    bundle = {"type": "bundle", "id": "bundle--28bb3599-77cd-4a82-a950-b5bc3caf07c4", "objects": [*objects.values()]}
    assert findings(bundle) == []


OF_ONE_DOMAIN = ({"domain_idn", "domain_unicode"}, {"domain_judged", "domain_judgement_over", "domain_reassessed"})
"""Two spellings of one name are one domain to everyone who looks it up; the others are examples of the same domain."""


@pytest.mark.parametrize("case", CONVERTED)
def test_an_indicator_matches_its_own_observed_data_and_no_other(case):
    # The first is that of the observable; those that follow are of the hosts its configuration names.
    indicator, *_ = [document for document in documents(case) if document.get("pattern_type") == "stix"]
    for other in CONVERTED:
        observed = {"type": "bundle", "objects": [d for d in documents(other) if d["type"] != "indicator"]}
        matched = stix2matcher.matcher.match(indicator["pattern"], [observed], stix_version="2.1")
        assert bool(matched) == (case == other or any({case, other} <= same for same in OF_ONE_DOMAIN)), other


def test_however_much_a_notification_holds_what_it_becomes_ends_somewhere():
    body = copy.deepcopy(BODIES[CASES.index("file_explained")])
    entity, context = body["attributes"], body["context_attributes"]
    hosts = [{"host": f"h{number}.example", "categories": ["C2"]} for number in range(9_000)]
    entity["malware_config"]["families"][0]["configs"][0]["net_info"]["connections"] = hosts
    names = [f"family {number}" for number in range(10_000)]
    entity["sandbox_verdicts"] = {name: {"category": "malicious", "malware_names": names} for name in names[:10]}
    entity["tags"] = names
    actors = [{"id": f"threat-actor--{name}", "type": "collection", "label": "x" * 500} for name in names]
    context["sources"] += actors
    context["sources"][1]["attributes"] |= {"description": "y" * 5_000_000, "tags": names}
    context["hunting_info"] |= {"snippet": "*begin_highlight*" * 100_000, "rule_name": "z" * 1_000_000}
    [converted] = convert([notification.read(body)], MAPPING)
    assert 1000 < len(converted.messages) < 2000
    assert sum(len(message.body) for message in converted.messages) < 1_000_000
    told = [orjson.loads(message.body) for message in converted.messages]
    assert sum(each.get("labels") == ["c2"] for each in told) == 200
    [indicator] = [each for each in told if each["type"] == "indicator" and "extensions" in each]
    assert next(iter(indicator["extensions"].values()))["c2_hosts"] == 9_000


# Odd notifications: the examples, with things in them where nobody expects them.

dirt = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    [
        "",
        "\0",
        "'",
        "\\",
        "' OR '1'='1",
        "\u202e\u2028",
        "https://exa mple.com/ä?b=[c]",
        "http://[::1",
        "x" * 300,
        "127.0.0.1",
        "2001:db8::1",
        "a.example",
        "f" * 64,
        "TR",
        "VERDICT_MALICIOUS",
    ]
)
odd = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | dirt,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(dirt, inner, max_size=3),
    max_leaves=6,
)


def _paths(value, path=()):
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from _paths(child, (*path, key))


BODIES = [orjson.loads((MAPPINGS / "examples" / "inputs" / f"{case}.json").read_bytes()) for case in CASES]
PLACES = [(index, path) for index, body in enumerate(BODIES) for path in _paths(body) if path]
changes = st.lists(st.tuples(st.sampled_from(PLACES), odd | dirt), min_size=1, max_size=4)


def _changed(drawn):
    """The example of the first change, with every change that can be made to it."""
    index = drawn[0][0][0]
    body = copy.deepcopy(BODIES[index])
    for (_, path), value in drawn:
        holder = body
        for key in path[:-1]:
            holder = holder.get(key) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            holder[path[-1]] = value
    return body


@examples(150)
@given(st.lists(changes, min_size=1, max_size=3))
def test_however_odd_the_notifications_every_object_is_valid_or_they_are_rejected(drawn):
    bodies = [_changed(one) for one in drawn]
    conversions = list(convert([notification.read(body) for body in bodies], MAPPING))
    for converted in conversions:
        if converted.refusal:
            assert str(converted.refusal)
            assert not converted.messages
    for message in itertools.chain.from_iterable(converted.messages for converted in conversions):
        assert b"\\u0000" not in message.body.replace(b"\\\\", b"")
        stix2.parse(message.body, allow_custom=False, version="2.1")


@examples(15)
@given(changes)
def test_however_odd_the_notification_the_validator_finds_no_error(drawn):
    [converted] = convert([notification.read(_changed(drawn))], MAPPING)
    for message in converted.messages:
        if message.dependency_level > 0:
            errors, _ = stix_validator.findings(orjson.loads(message.body))
            assert errors == []
