"""The STIX format: what it adds, what it takes for valid, and what it says of what is not."""

import functools

import orjson
import pytest

from connector.formats.stix.format import _TYPES, StixFormat
from connector.formats.stix.shared_objects import EXTENSION_ID
from connector.model import Identity, Refused
from connector.pipeline.versions import Ledger
from connector.settings.producer import Producer
from connector.values.identifiers import stix_id

STIX = StixFormat(Producer())
COMPLETE = STIX.finalizer(None)
MOMENT = "2026-03-04T05:06:07.000Z"
STAMP = {"created": MOMENT, "modified": MOMENT}
SHA256 = "0123456789abcdef" * 4
INDICATOR = {
    "type": "indicator",
    "id": stix_id("indicator", "x"),
    "pattern": f"[file:hashes.'SHA-256' = '{SHA256}']",
    "pattern_type": "stix",
}
SIGHTING = {"type": "sighting", "id": stix_id("sighting", "x"), "sighting_of_ref": INDICATOR["id"]}
OBSERVED = {
    "type": "observed-data",
    "id": stix_id("observed-data", "x"),
    "first_observed": MOMENT,
    "last_observed": MOMENT,
    "number_observed": 1,
    "object_refs": ["ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4"],
}


def encoded(document, **changes):
    """What a receiver reads: completed, stamped where it is versioned, encoded; a change to None takes away."""
    document = {key: value for key, value in {**document, **changes}.items() if value is not None}
    completed = COMPLETE(document)
    if STIX.identify(completed).versioned:
        completed = {**completed, **STAMP}
    return orjson.loads(STIX.encode(completed))


def refusal(document, **changes):
    with pytest.raises(Refused) as caught:
        encoded(document, **changes)
    assert caught.value.by == "format"
    return str(caught.value)


def test_every_property_of_the_specification_is_known_and_no_other():
    from stix2.registry import STIX2_OBJ_MAPS

    theirs = {**STIX2_OBJ_MAPS["2.1"]["objects"], **STIX2_OBJ_MAPS["2.1"]["observables"]}
    assert set(theirs) - set(_TYPES) == {"bundle", "language-content"}
    for name, ours in _TYPES.items():
        properties = theirs[name]._properties
        assert set(ours.checks) == set(properties) - {"objects"}, name
        assert set(ours.required) >= {key for key, value in properties.items() if value.required}, name
        assert set(ours.required) <= set(properties), name


class TestFoundation:
    def test_the_content_behind_a_fixed_id_never_changes(self):
        # A receiver keeps the first copy. If this fails, give what changed a new id.
        assert [(document["id"], _digest(STIX.encode(document))) for document in STIX.shared_documents()] == [
            ("identity--fa02d32f-9061-523c-95f6-ff2feccaec94", "77a7ed80e0ea7964"),
            ("identity--288a5d9e-00e3-5a7a-8d51-c87bccf73e54", "8920d45db397d524"),
            ("marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003", "a54ddf9d72721488"),
            ("extension-definition--63b1257c-be59-5bc5-bf6a-ecd807c09282", "fe8c747abfed57f5"),
            ("identity--e9664824-89a4-5299-86db-cd2f4433bf14", "6a50822fb3268741"),
        ]

    @pytest.mark.parametrize(
        ("level", "identifier", "name"),
        [
            ("clear", "94868c89-83c2-464b-929b-a1a8aa3c8487", "TLP:CLEAR"),
            ("green", "bab4a63c-aed9-4cf5-a766-dfca5abac2bb", "TLP:GREEN"),
            ("amber", "55d920b0-5e8b-4f79-9ee9-91f868d9b421", "TLP:AMBER"),
            ("amber+strict", "939a9414-2ddd-4d32-a0cd-375ea402b003", "TLP:AMBER+STRICT"),
            ("red", "e828b379-4e03-4974-9ac4-e53a884c97c1", "TLP:RED"),
        ],
    )
    def test_the_marking_is_the_published_object_of_tlp_2(self, level, identifier, name):
        markings = [d for d in StixFormat(Producer(tlp=level)).shared_documents() if d["type"] == "marking-definition"]
        assert markings == [
            {
                "type": "marking-definition",
                "spec_version": "2.1",
                "id": f"marking-definition--{identifier}",
                "created": "2022-10-01T00:00:00.000Z",
                "name": name,
                "extensions": {
                    "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d": {
                        "extension_type": "property-extension",
                        "tlp_2_0": level,
                    }
                },
            }
        ]

    def test_without_a_tlp_level_nothing_is_marked(self):
        stix = StixFormat(Producer(tlp=None))
        assert "marking-definition" not in {document["type"] for document in stix.shared_documents()}
        assert "object_marking_refs" not in stix.finalizer(None)({"type": "url", "value": "https://example.com/"})

    def test_whatever_the_producer_says_of_itself_makes_its_id(self):
        producers = [
            Producer(),
            Producer(name="Example CERT"),
            Producer(identity_class="group"),
            Producer(contact_information="cert@example.com"),
        ]
        contents = {}
        for producer in producers:
            for document in StixFormat(producer).shared_documents():
                assert contents.setdefault(document["id"], document) == document
        the_projects = 2
        assert sum(document["type"] == "identity" for document in contents.values()) == the_projects + len(producers)

    def test_it_comes_before_everything_and_has_no_versions(self):
        for document in STIX.shared_documents():
            assert STIX.identify(document) == Identity(document["id"], versioned=False, dependency_level=0)

    def test_an_invisible_character_in_the_producers_name_is_refused(self):
        with pytest.raises(ValueError, match="printable"):
            Producer(name="CERT\x00")

    def test_the_schema_of_the_extension_is_json_schema_and_knows_what_the_mapping_uses(self):
        import jsonschema_rs

        definition = next(d for d in STIX.shared_documents() if d["type"] == "extension-definition")
        assert definition["id"] == EXTENSION_ID
        jsonschema_rs.meta.validate(orjson.loads(definition["schema"]))


class TestComplete:
    def test_an_sdo_gets_version_author_and_marking(self):
        completed = COMPLETE(INDICATOR)
        producer, marking = STIX.shared_documents()[1], STIX.shared_documents()[2]
        assert completed == {
            **INDICATOR,
            "spec_version": "2.1",
            "created_by_ref": producer["id"],
            "object_marking_refs": [marking["id"]],
        }

    def test_an_sco_gets_the_id_that_the_specification_gives_it(self):
        # The value of the errata's example.
        completed = COMPLETE({"type": "ipv4-addr", "value": "198.51.100.3"})
        assert completed["id"] == "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4"
        assert "created_by_ref" not in completed
        assert "object_marking_refs" in completed

    def test_what_the_mapping_says_stays(self):
        own = {"created_by_ref": stix_id("identity", "other"), "object_marking_refs": [stix_id("marking-definition")]}
        assert COMPLETE({**INDICATOR, **own}).items() >= own.items()

    def test_the_mapping_s_document_is_left_as_it_was(self):
        before = dict(INDICATOR)
        COMPLETE(INDICATOR)
        assert before == INDICATOR

    @pytest.mark.parametrize(
        ("document", "words"),
        [
            ({}, "type must be that of a STIX 2.1 object; it is missing"),
            ({"type": "collection"}, "it is 'collection'"),
            ({"type": ["file"]}, "it is ['file']"),
            ({"type": "bundle", "id": "bundle--1"}, "it is 'bundle'"),
            ({"type": "indicator"}, "indicator.id must be text; it is missing"),
            ({"type": "indicator", "id": 5}, "indicator.id must be text; it is 5"),
            ({"type": "url", "value": "https://example.com", "id": 5}, "url.id must be text"),
            ({"type": "url"}, "url has no value: nothing says which url it is"),
            ({"type": "file", "size": 5}, "file has no hashes or name"),
            ({"type": "file", "hashes": "x"}, "file.hashes must be an object"),
            ({"type": "file", "hashes": {}}, "file.hashes must be an object that is not empty"),
            ({"type": "file", "hashes": {"SHA256": SHA256}}, "must have keys out of MD5"),
            ({"type": "file", "size": 2**64, "name": "x"}, "cannot be written as JSON"),
        ],
    )
    def test_a_document_that_cannot_be_identified_is_rejected(self, document, words):
        assert words in refusal(document)

    def test_text_that_cannot_be_stored_is_cleaned_and_loses_no_notification(self):
        document = COMPLETE({**INDICATOR, "name": "a\0b\ud800c", "labels": ["\0x"], "description": r"\u0000"})
        assert document["name"] == "ab\ufffd\ufffd\ufffdc"
        assert document["labels"] == ["x"]
        assert document["description"] == r"\u0000"

    def test_a_pattern_and_an_observable_are_cleaned_alike(self):
        dirty = "a\0b'\ud800"
        completed = COMPLETE({"type": "mutex", "name": dirty})
        assert STIX.quote("pattern", dirty) == "'" + completed["name"].replace("'", "\\'") + "'"

    def test_nesting_without_end_is_rejected(self):
        deep = functools.reduce(lambda inner, _: [inner], range(900), "x")
        assert "nested" in refusal({**SIGHTING, "extensions": {EXTENSION_ID: {"tags": deep}}})


class TestQuote:
    @pytest.mark.parametrize(
        ("key", "value", "expected"),
        [
            ("pattern", "it's", r"'it\'s'"),
            ("pattern", 5, "5"),
            ("name", "it's", "it's"),
            ("name", 5, "5"),
            ("name", 1.5, "1.5"),
            ("name", True, "true"),
        ],
    )
    def test_a_value_is_a_literal_in_a_pattern_and_itself_elsewhere(self, key, value, expected):
        assert STIX.quote(key, value) == expected

    @pytest.mark.parametrize("value", [None, [], {"a": 1}])
    def test_what_is_no_text_is_rejected(self, value):
        with pytest.raises(Refused):
            STIX.quote("name", value)


class TestIdentify:
    @pytest.mark.parametrize(
        ("document", "versioned", "dependency_level"),
        [
            (INDICATOR, True, 1),
            (OBSERVED, True, 1),
            ({"type": "url", "value": "https://example.com/"}, False, 1),
            (SIGHTING, True, 2),
            (
                {
                    "type": "note",
                    "id": stix_id("note"),
                    "content": "seen",
                    "object_refs": [SIGHTING["id"]],
                },
                True,
                2,
            ),
            (
                {
                    "type": "marking-definition",
                    "id": stix_id("marking-definition"),
                    "created": MOMENT,
                    "definition_type": "statement",
                    "definition": {"statement": "internal"},
                },
                False,
                0,
            ),
        ],
    )
    def test_versions_and_dependency_levels(self, document, versioned, dependency_level):
        completed = COMPLETE(document)
        assert STIX.identify(completed) == Identity(
            completed["id"], versioned=versioned, dependency_level=dependency_level
        )
        encoded(document)

    def test_a_ledger_stamps_what_it_says_and_the_result_is_valid(self):
        ledger = Ledger({})
        for document in (INDICATOR, {"type": "url", "value": "https://example.com/"}, OBSERVED, SIGHTING):
            completed = COMPLETE(document)
            stamped = ledger.stamp(completed, STIX.identify(completed), 1, 1_700_000_000)
            STIX.encode(stamped)


class TestValidFrom:
    def test_an_indicator_is_valid_from_its_first_version_on(self):
        assert encoded(INDICATOR)["valid_from"] == MOMENT

    def test_what_the_mapping_says_goes_first(self):
        assert encoded(INDICATOR, valid_from="2020-01-01T00:00:00Z")["valid_from"] == "2020-01-01T00:00:00Z"

    def test_an_old_match_that_is_read_late_gives_an_indicator_that_has_lapsed(self):
        lapsed = encoded(INDICATOR, valid_until="2020-01-01T00:00:00.000Z")
        assert lapsed["valid_from"] == "2019-12-31T23:59:59.999Z"

    @pytest.mark.parametrize("until", [MOMENT, MOMENT.replace(".000Z", "Z")])
    def test_an_indicator_that_lapses_at_the_time_of_its_first_version_was_valid_before(self, until):
        assert encoded(INDICATOR, valid_until=until)["valid_from"] == "2026-03-04T05:06:06.999Z"


class TestEncode:
    def test_the_bytes_are_one_line_of_utf_8(self):
        body = STIX.encode(COMPLETE({"type": "file", "name": "é\n\u2028.exe"}))
        assert b"\n" not in body
        assert "é".encode() in body

    @pytest.mark.parametrize(
        ("document", "changes", "words"),
        [
            (INDICATOR, {"confidence": 101}, "indicator.confidence must be a whole number from 0 to 100; it is 101"),
            (INDICATOR, {"confidence": True}, "indicator.confidence"),
            (INDICATOR, {"confidence": 50.0}, "indicator.confidence"),
            (INDICATOR, {"x_score": 1}, "indicator.x_score is not a property of this type; put it into an ext"),
            (INDICATOR, {"type": "indicatr"}, "it is 'indicatr'; did you mean indicator?"),
            (INDICATOR, {"lables": ["a"]}, "indicator.lables is not a property of this type; did you mean labels?"),
            (INDICATOR, {"labels": []}, "indicator.labels must be a list that is not empty"),
            (INDICATOR, {"labels": ["a", 5]}, "indicator.labels[1] must be text"),
            (INDICATOR, {"labels": ["a", ""]}, "indicator.labels[1]"),
            (INDICATOR, {"name": 5}, "indicator.name"),
            (INDICATOR, {"name": ""}, "indicator.name"),
            (INDICATOR, {"pattern": None}, "indicator must have pattern"),
            (INDICATOR, {"pattern": "[url:value = x]"}, "indicator.pattern must be a STIX pattern"),
            (INDICATOR, {"pattern_type": None}, "indicator must have pattern_type"),
            (INDICATOR, {"id": "indicator--1"}, "indicator.id must be indicator--<UUID>"),
            (INDICATOR, {"id": stix_id("sighting", "x")}, "indicator.id"),
            (INDICATOR, {"spec_version": "2.0"}, "indicator.spec_version"),
            (INDICATOR, {"revoked": "yes"}, "indicator.revoked must be true or false"),
            (INDICATOR, {"lang": "not a language"}, "indicator.lang"),
            (INDICATOR, {"created_by_ref": INDICATOR["id"]}, "indicator.created_by_ref must be the id of identity"),
            (INDICATOR, {"object_marking_refs": [INDICATOR["id"]]}, "indicator.object_marking_refs[0]"),
            (INDICATOR, {"valid_until": "2026-03-04 05:06:07"}, "indicator.valid_until must be a timestamp"),
            (INDICATOR, {"valid_until": "2026-02-30T00:00:00Z"}, "indicator.valid_until must be a timestamp"),
            (
                INDICATOR,
                {"valid_from": MOMENT, "valid_until": "2026-03-04T05:06:07Z"},
                "indicator.valid_until must be later",
            ),
            (INDICATOR, {"external_references": [{"source_name": "x"}]}, "[0] must have description or url"),
            (INDICATOR, {"external_references": [{"url": "https://a.example"}]}, "[0] must have source_name"),
            (INDICATOR, {"external_references": [{"source_name": "x", "url": "a b"}]}, "[0].url must be a URL"),
            (INDICATOR, {"external_references": [{"source_name": "x", "link": "y"}]}, "[0].link is not a property"),
            (INDICATOR, {"kill_chain_phases": [{"phase_name": "x"}]}, "[0] must have kill_chain_name"),
            (INDICATOR, {"extensions": {"archive-ext": {}}}, "extension-definition--<UUID>"),
            (INDICATOR, {"extensions": {EXTENSION_ID: {"extension_type": "new-sdo"}}}, "property-extension"),
            (INDICATOR, {"extensions": {EXTENSION_ID: {"verdict": "x"}}}, "property-extension"),
            (SIGHTING, {"count": -1}, "sighting.count"),
            (SIGHTING, {"summary": "false"}, "sighting.summary"),
            (SIGHTING, {"sighting_of_ref": stix_id("file", "x")}, "sighting.sighting_of_ref"),
            (SIGHTING, {"where_sighted_refs": [INDICATOR["id"]]}, "sighting.where_sighted_refs[0]"),
            (SIGHTING, {"observed_data_refs": [INDICATOR["id"]]}, "sighting.observed_data_refs[0]"),
            (
                SIGHTING,
                {"first_seen": MOMENT, "last_seen": "2026-03-04T05:06:06.999Z"},
                "sighting.last_seen must be no earlier than first_seen",
            ),
            (OBSERVED, {"object_refs": [INDICATOR["id"]]}, "observed-data.object_refs[0]"),
            (OBSERVED, {"number_observed": 0}, "observed-data.number_observed"),
            ({"type": "location", "id": stix_id("location", "x")}, {}, "must have region or country or latitude"),
            (
                {"type": "location", "id": stix_id("location", "x")},
                {"latitude": 5},
                "latitude must stand together with longitude",
            ),
            ({"type": "malware", "id": stix_id("malware", "x"), "is_family": True}, {}, "must have name"),
            ({"type": "file", "hashes": {"SHA-256": SHA256.upper()}}, {}, "file.hashes.SHA-256 must be 64 lower-case"),
            ({"type": "file", "hashes": {"MD5": SHA256}}, {}, "file.hashes.MD5 must be 32"),
            ({"type": "file", "name": "x", "extensions": {"pdf-ext": {}}}, {}, "extension-definition--<UUID>"),
            ({"type": "ipv4-addr", "value": "198.51.100.256"}, {}, "ipv4-addr.value must be an IPv4 address"),
            ({"type": "ipv4-addr", "value": "2001:db8::1"}, {}, "ipv4-addr.value"),
            ({"type": "ipv4-addr", "value": 3325256707}, {}, "ipv4-addr.value"),
            ({"type": "ipv6-addr", "value": "fe80::1%eth0"}, {}, "ipv6-addr.value"),
            ({"type": "ipv6-addr", "value": ["2001:db8::1"]}, {}, "ipv6-addr.value"),
            ({"type": "domain-name", "value": "a b.example"}, {}, "domain-name.value"),
            ({"type": "domain-name", "value": "x" * 64 + ".example"}, {}, "domain-name.value"),
            ({"type": "url", "value": "https://example.com/ä"}, {}, "url.value must be a URL"),
            ({"type": "url", "value": "https://example.com/<a>"}, {}, "url.value"),
            ({"type": "domain-name", "value": "01.02.03.04"}, {}, "domain-name.value must be a domain name, and no"),
            ({"type": "url", "value": "example.com"}, {}, "url.value"),
            ({"type": "url", "value": "https://a@b@example.com/"}, {}, "url.value"),
            (
                {"type": "artifact", "payload_bin": "YQ==", "decryption_key": "x"},
                {},
                "together with encryption_algorithm",
            ),
            ({"type": "artifact", "payload_bin": "a"}, {}, "artifact.payload_bin must be base64"),
            ({"type": "email-message", "is_multipart": True, "body": "x"}, {}, "email-message.body must not"),
            (
                {"type": "url", "value": "https://example.com/", "id": stix_id("url", "x")},
                {},
                "url.id must be url--",
            ),
            (
                {
                    "type": "marking-definition",
                    "id": stix_id("marking-definition"),
                    "created": MOMENT,
                    "definition_type": "tlp",
                    "definition": {"statement": "white"},
                },
                {},
                "marking-definition.definition_type",
            ),
        ],
    )
    def test_what_breaks_a_rule_is_rejected_by_property_value_and_rule(self, document, changes, words):
        assert words in refusal(document, **changes)

    @pytest.mark.parametrize(
        "document",
        [
            {"type": "ipv4-addr", "value": "198.51.100.0/24"},
            {"type": "ipv6-addr", "value": "2001:db8::/32"},
            {"type": "domain-name", "value": "xn--bcher-kva.example"},
            {"type": "domain-name", "value": "bücher.example"},
            {"type": "domain-name", "value": "_dmarc.example.com"},
            {"type": "url", "value": "https://user@[2001:db8::1]:8443/a;b?c=d/e?f#g"},
            {"type": "url", "value": "https://example.com/[a]|%zz?q[]={1}`^#100%"},
            {"type": "domain-name", "value": "-a.b-.example"},
            {"type": "process", "id": "process--28bb3599-77cd-4a82-a950-b5bc3caf07c4", "pid": 5},
            {"type": "email-addr", "value": "someone@example.com"},
            {"type": "autonomous-system", "number": 64496},
        ],
    )
    def test_other_observables_are_accepted(self, document):
        assert encoded(document)["type"] == document["type"]

    @pytest.mark.parametrize(
        "content",
        [
            {"ab": 1},
            {"Tags": ["x"]},
            {"tags": []},
            {"tags": {}},
            {"tags": [None]},
            {"tags": {"a b": 1}},
            {"tags": {"deep": [float("nan")]}},
            {"tags": 2**60},
        ],
    )
    def test_what_an_extension_cannot_hold_is_rejected(self, content):
        refusal({**SIGHTING, "extensions": {EXTENSION_ID: {"extension_type": "property-extension", **content}}})

    def test_a_long_value_is_cut_in_the_message(self):
        message = refusal({"type": "url", "value": "x y" * 10_000})
        assert len(message) < 250

    def test_a_pattern_of_another_language_is_left_to_its_language(self):
        assert encoded(INDICATOR, pattern_type="yara", pattern="rule x { condition: true }")["pattern_type"] == "yara"


def _digest(body):
    import hashlib

    return hashlib.sha256(body).hexdigest()[:16]


@pytest.mark.parametrize("character", ["\u202e", "\u2066", "\u200b", "\ufeff", "\U000e0041"])
def test_what_turns_or_hides_text_is_a_blank_but_where_something_is_observed_or_searched_for(character):
    dirty = f"a{character}b"
    shown = {"type": "malware", "id": "malware--x", "name": dirty, "labels": [dirty], "description": "größe"}
    assert orjson.loads(STIX.encode(shown)) == shown | {"name": "a b", "labels": ["a b"]}
    observed = {"type": "file", "id": "file--x", "name": dirty}
    assert orjson.loads(STIX.encode(observed)) == observed
    searched = {"type": "indicator", "id": "x", "valid_from": "x", "name": dirty, "pattern": f"[file:name = '{dirty}']"}
    assert orjson.loads(STIX.encode(searched)) == searched | {"name": "a b"}
